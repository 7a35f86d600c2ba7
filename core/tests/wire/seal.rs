//! Encryption against independent vectors, and the keyring's rules.

use bytes::BytesMut;
use quickcheck_macros::quickcheck;
use serde_json::Value;
use tidings_core::wire::frame::{FrameDecoder, Side};
use tidings_core::wire::packet::unwrap;
use tidings_core::wire::seal::{StreamAd, open, seal};
use tidings_core::wire::{KeyError, Keyring};
use tidings_core::{Config, Refusal};

use crate::recorded::config;
use crate::vectors::{bytes, lines, text};

fn labelled(line: &Value) -> Config {
    let mut config = config();
    config.security.verify_incoming = true;
    config.security.label = text(line, "label").into();
    config
}

fn ring(line: &Value) -> Keyring {
    Keyring::new([bytes(line, "key")]).unwrap()
}

#[test]
fn computed_packets_and_streams_are_opened() {
    let mut plain = Vec::new();
    for line in lines("computed-encryption.jsonl") {
        let (wire, config, keyring) = (bytes(&line, "hex"), labelled(&line), ring(&line));
        let expected = bytes(&line, "plain");
        if text(&line, "kind") == "tcp" {
            for piece in [1, wire.len()] {
                let mut decoder = FrameDecoder::new(Side::Accepted);
                let mut frame = None;
                for data in wire.chunks(piece) {
                    frame = decoder.feed(data, &config, &keyring).unwrap();
                }
                assert_eq!(frame.unwrap().as_bytes(), expected, "{line}");
            }
        } else if expected.is_empty() {
            assert!(unwrap(&wire, &config, &keyring, &mut plain).is_err(), "{line}");
        } else {
            assert_eq!(unwrap(&wire, &config, &keyring, &mut plain), Ok(expected.as_slice()), "{line}");
        }
    }
}

#[test]
fn computed_envelopes_of_version_1_are_sealed_alike() {
    let lines = lines("computed-encryption.jsonl");
    let version_1 = lines.iter().filter(|line| line["version"] == 1);
    let mut count = 0;
    for line in version_1 {
        let nonce = bytes(line, "nonce").try_into().unwrap();
        let mut out = BytesMut::new();
        let plain = bytes(line, "plain");
        seal(&ring(line), nonce, &bytes(line, "aad"), &mut out, |out| out.extend_from_slice(&plain));
        assert!(bytes(line, "hex").ends_with(&out), "{line}");
        if text(line, "kind") == "tcp" {
            let ad = StreamAd::new(out.len() as u32, text(line, "label"));
            assert_eq!(ad.as_bytes(), bytes(line, "aad"), "{line}");
        }
        count += 1;
    }
    assert!(count >= 12);
}

#[test]
fn a_changed_bit_anywhere_is_noticed() {
    let keyring = Keyring::new([[7; 24]]).unwrap();
    let mut envelope = Vec::new();
    seal(&keyring, [3; 12], b"label", &mut envelope, |out| out.extend_from_slice(b"message"));
    let mut plain = Vec::new();
    assert_eq!(open(&keyring, &envelope, b"label", &mut plain), Ok(()));
    assert_eq!(plain, b"message");
    for bit in 0..envelope.len() * 8 {
        let mut changed = envelope.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(open(&keyring, &changed, b"label", &mut plain), Err(Refusal::Decrypt), "{bit}");
        assert!(plain.is_empty());
    }
    for end in 0..envelope.len() {
        assert_eq!(open(&keyring, &envelope[..end], b"label", &mut plain), Err(Refusal::Decrypt));
    }
    assert_eq!(open(&keyring, &envelope, b"other", &mut plain), Err(Refusal::Decrypt));
}

#[test]
fn padding_of_version_0_larger_than_the_message_is_refused() {
    // A version 0 envelope is a version 1 envelope of the padded message with another first byte.
    let keyring = Keyring::new([[7; 16]]).unwrap();
    for (last, opens) in [(0, true), (16, true), (17, false), (255, false)] {
        let mut envelope = Vec::new();
        seal(&keyring, [3; 12], b"", &mut envelope, |out| out.extend_from_slice(&[last; 16]));
        envelope[0] = 0;
        assert_eq!(open(&keyring, &envelope, b"", &mut Vec::new()).is_ok(), opens, "{last}");
    }
    // Without a whole block there is no padding to look at.
    let mut envelope = Vec::new();
    seal(&keyring, [3; 12], b"", &mut envelope, |out| out.extend_from_slice(&[1; 15]));
    envelope[0] = 0;
    assert_eq!(open(&keyring, &envelope, b"", &mut Vec::new()), Err(Refusal::Decrypt));
}

#[quickcheck]
fn garbage_opens_under_no_key(garbage: Vec<u8>) {
    let keyring = Keyring::new([&[1; 16][..], &[2; 24], &[3; 32]]).unwrap();
    assert_eq!(open(&keyring, &garbage, b"", &mut Vec::new()), Err(Refusal::Decrypt));
    assert_eq!(open(&Keyring::default(), &garbage, b"", &mut Vec::new()), Err(Refusal::Decrypt));
}

#[test]
fn every_key_of_the_ring_opens_and_the_first_seals() {
    let (old, new): (&[u8], &[u8]) = (&[1; 32], &[2; 16]);
    let mut ring = Keyring::new([old]).unwrap();
    ring.add(new).unwrap();
    let sealed = |ring: &Keyring| {
        let mut envelope = Vec::new();
        seal(ring, [0; 12], b"", &mut envelope, |out| out.push(9));
        envelope
    };
    let before = sealed(&ring);
    ring.use_key(new).unwrap();
    let after = sealed(&ring);
    let opens = |ring: &Keyring, envelope: &[u8]| open(ring, envelope, b"", &mut Vec::new()).is_ok();
    assert!(opens(&ring, &before) && opens(&ring, &after));
    ring.remove(old).unwrap();
    assert!(!opens(&ring, &before) && opens(&ring, &after));
}

#[test]
fn the_keyring_changes_by_the_rules_of_the_original() {
    let (a, b, c): (&[u8], &[u8], &[u8]) = (&[1; 16], &[2; 24], &[3; 32]);
    let mut ring = Keyring::default();
    let keys = |ring: &Keyring| ring.keys().map(<[u8]>::to_vec).collect::<Vec<_>>();
    assert!(ring.is_empty() && ring.primary().is_none());
    assert_eq!(ring.add(&[0; 15]), Err(KeyError::Size));
    assert_eq!(ring.use_key(a), Err(KeyError::Unknown));
    for key in [a, b, c, b] {
        assert_eq!(ring.add(key), Ok(()));
    }
    assert_eq!(keys(&ring), [a, b, c]);
    assert_eq!(ring.use_key(c), Ok(()));
    assert_eq!(keys(&ring), [c, a, b]);
    assert_eq!(ring.remove(c), Err(KeyError::Primary));
    assert_eq!(ring.remove(&[9; 16]), Ok(()));
    assert_eq!(ring.remove(a), Ok(()));
    assert_eq!(keys(&ring), [c, b]);
    assert_eq!(Keyring::new([a, &[0; 3]]), Err(KeyError::Size));
    assert_eq!(format!("{ring:?}"), "Keyring(2 keys)");
}
