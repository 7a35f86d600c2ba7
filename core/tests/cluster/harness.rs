//! The harness itself: a judge that is wrong judges nothing.

use crate::common::wire::{self, V};

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

#[test]
fn the_naive_writer_writes_what_real_agents_write() {
    // Samples of gossip-wire, section 5, and serf-wire, section 2.
    let cases = [
        (
            wire::crc(&wire::alive("delta", "127.0.0.116:7946".parse().unwrap(), 2)),
            "0c06468e2d0486a441646472a47f000074ab496e6361726e6174696f6e02a44d657461a2ff80a44e6f6465a564656c7461\
             a4506f7274cd1f0aa356736ea6010502020505",
        ),
        (
            wire::crc(&wire::suspect("delta", 1, "alpha")),
            "0c3ec5c1560383a446726f6da5616c706861ab496e6361726e6174696f6e01a44e6f6465a564656c7461",
        ),
        (wire::join_intent("beta", 1), "080182a54c54696d6501a44e6f6465a462657461"),
        (wire::leave_intent("delta", 2, false), "080083a54c54696d6502a44e6f6465a564656c7461a55072756e65c2"),
        (wire::ack(5, V::Nil), "0282a75061796c6f6164c0a55365714e6f05"),
    ];
    for (ours, theirs) in cases {
        assert_eq!(ours, unhex(&theirs.replace(char::is_whitespace, "")));
    }
}

#[test]
fn the_naive_reader_reads_everything_recorded() {
    let file = include_str!("../vectors/plain-0.10.1.jsonl");
    let mut messages = 0;
    for line in file.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        if line["proto"] == "udp" {
            messages += wire::read_packet(&unhex(line["hex"].as_str().unwrap())).len();
        }
    }
    assert!(messages > 800, "{messages} messages");
}

#[test]
fn the_naive_packer_unpacks_again() {
    let message = wire::user_event("name", 3, &[7; 3000]);
    let read = wire::read_packet(&wire::crc(&wire::compress(&wire::compound(&[message.clone(), message]))));
    assert_eq!(read.len(), 2);
    assert_eq!((read[1].serf, read[1].text("Name").as_str(), read[1].number("LTime")), (Some(3), "name", 3));
}
