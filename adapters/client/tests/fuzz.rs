//! Inputs of the fuzz targets, and whatever failed under fuzzing, with plain `cargo test`.

#[path = "../../../fuzz/replay.rs"]
mod replay;

use std::path::Path;

use tidings_client::fuzz;

fn replay(target: &str, body: fn(&[u8])) {
    replay::replay(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz")), target, body);
}

#[test]
fn requests_are_taken_or_refused() {
    replay("rpc_server", fuzz::requests);
}

#[test]
fn responses_are_taken_or_refused() {
    replay("rpc_client", fuzz::responses);
}
