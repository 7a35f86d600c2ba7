//! Inputs of the fuzz targets, and whatever failed under fuzzing, with plain `cargo test`.

#[path = "../../fuzz/replay.rs"]
mod replay;

use std::path::Path;

use tidings_core::fuzz;

fn replay(target: &str, body: fn(&[u8])) {
    replay::replay(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz")), target, body);
}

#[test]
fn plain_datagrams_are_taken_or_refused() {
    replay("datagram_plain", fuzz::datagram_plain);
}

#[test]
fn encrypted_datagrams_are_taken_or_refused() {
    replay("datagram_encrypted", fuzz::datagram_encrypted);
}

#[test]
fn streams_say_the_same_in_slices() {
    replay("stream", fuzz::stream);
}

#[test]
fn every_snapshot_can_be_read() {
    replay("snapshot", fuzz::snapshot);
}

#[test]
fn registrations_are_read_as_far_as_they_are_good() {
    replay("registry_log", fuzz::registry_log);
}

#[test]
fn a_node_keeps_its_bounds_whatever_happens() {
    replay("node", fuzz::node);
}
