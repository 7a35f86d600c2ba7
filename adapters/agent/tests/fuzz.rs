//! Inputs of the fuzz targets, and whatever failed under fuzzing, with plain `cargo test`.

#[path = "../../../fuzz/replay.rs"]
mod replay;

use std::path::Path;

use tidings::fuzz;

fn replay(target: &str, body: fn(&[u8])) {
    replay::replay(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz")), target, body);
}

#[test]
fn bodies_of_requests_are_taken_or_refused() {
    replay("http_body", fuzz::http_body);
}

#[test]
fn queries_of_requests_are_taken_or_refused() {
    replay("http_query", fuzz::http_query);
}

#[test]
fn answers_to_questions_fit() {
    replay("dns", fuzz::dns);
}

#[test]
fn configuration_is_taken_or_refused() {
    replay("configuration", fuzz::configuration);
}
