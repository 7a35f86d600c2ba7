//! MessagePack against another implementation, against Go's output, and against garbage.

use quickcheck::{Arbitrary, Gen};
use quickcheck_macros::quickcheck;
use rmpv::Value;
use tidings_core::Malformed;
use tidings_core::wire::msgpack::{Dialect, Reader, Scanner, Writer};

use crate::vectors::{bytes, lines, text};

/// A value of any shape the protocols use, three levels deep at most.
#[derive(Clone, Debug)]
struct Any(Value);

impl Arbitrary for Any {
    fn arbitrary(g: &mut Gen) -> Self {
        Any(any(g, 3))
    }
}

fn any(g: &mut Gen, depth: usize) -> Value {
    let kinds: &[u8] = if depth == 0 { &[0, 1, 2, 3, 4, 5, 6] } else { &[0, 1, 2, 3, 4, 5, 6, 7, 8] };
    match *g.choose(kinds).unwrap() {
        0 => Value::Nil,
        1 => bool::arbitrary(g).into(),
        2 => u64::arbitrary(g).checked_shr(u32::arbitrary(g) % 64).unwrap_or(0).into(),
        3 => (i64::arbitrary(g) >> (u32::arbitrary(g) % 64)).into(),
        4 => Value::F64(f64::from(i32::arbitrary(g)) / 7.0),
        5 => "ü".repeat(*g.choose(&[0, 3, 15, 16, 127, 128, 300, 33_000]).unwrap()).into(),
        6 => Value::Binary(vec![0xa5; *g.choose(&[0, 3, 31, 32, 255, 256, 70_000]).unwrap()]),
        7 => Value::Array((0..usize::arbitrary(g) % 20).map(|_| any(g, depth - 1)).collect()),
        _ => Value::Map(
            (0..usize::arbitrary(g) % 20).map(|i| (format!("k{i}").into(), any(g, depth - 1))).collect(),
        ),
    }
}

fn write(out: &mut Writer<'_, Vec<u8>>, value: &Value) {
    match value {
        Value::Nil => out.nil(),
        Value::Boolean(b) => out.bool(*b),
        Value::Integer(n) => match n.as_u64() {
            Some(n) => out.uint(n),
            None => out.int(n.as_i64().unwrap()),
        },
        Value::F64(f) => out.f64(*f),
        // Old peers send byte strings as texts.
        Value::String(s) => match s.as_str() {
            Some(text) => out.str(text),
            None => out.bytes(s.as_bytes()),
        },
        Value::Binary(b) => out.bytes(b),
        Value::Array(values) => {
            out.array(values.len());
            values.iter().for_each(|value| write(out, value));
            out
        }
        Value::Map(pairs) => {
            out.map(pairs.len());
            for (key, value) in pairs {
                write(out, key);
                write(out, value);
            }
            out
        }
        other => panic!("{other} is in no protocol"),
    };
}

/// Reads a value that must be `expected`, each part by the method of its type.
fn read(reader: &mut Reader<'_>, expected: &Value) {
    match expected {
        Value::Nil => assert!(reader.take_nil()),
        Value::Boolean(b) => assert_eq!(reader.bool(), Ok(*b)),
        Value::Integer(n) => {
            assert_eq!(reader.clone().u64().ok(), n.as_u64());
            assert_eq!(reader.clone().i64().ok(), n.as_i64());
            reader.skip().unwrap();
        }
        Value::F64(f) => assert_eq!(reader.f64(), Ok(*f)),
        Value::String(s) => assert_eq!(reader.str(), Ok(s.as_str().unwrap())),
        Value::Binary(b) => assert_eq!(reader.bytes(), Ok(b.as_slice())),
        Value::Array(values) => {
            assert_eq!(reader.array_len(), Ok(values.len()));
            values.iter().for_each(|value| read(reader, value));
        }
        Value::Map(pairs) => {
            assert_eq!(reader.map_len(), Ok(pairs.len()));
            for (key, value) in pairs {
                read(reader, key);
                read(reader, value);
            }
        }
        other => panic!("{other} is in no protocol"),
    }
}

fn encode(value: &Value, dialect: Dialect) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut Writer::new(&mut bytes, dialect), value);
    bytes
}

#[quickcheck]
fn the_new_dialect_is_what_another_implementation_writes(value: Any) {
    let mut theirs = Vec::new();
    rmpv::encode::write_value(&mut theirs, &value.0).unwrap();
    assert_eq!(encode(&value.0, Dialect::Rpc), theirs);
}

#[quickcheck]
fn what_was_written_in_either_dialect_is_read_again(value: Any) {
    for dialect in [Dialect::Gossip, Dialect::Rpc] {
        let bytes = encode(&value.0, dialect);
        let mut reader = Reader::strict(&bytes);
        read(&mut reader, &value.0);
        assert!(reader.is_empty());
    }
}

#[quickcheck]
fn the_gossip_dialect_has_no_byte_string_and_no_short_string_of_the_new_one(value: Any) {
    let bytes = encode(&value.0, Dialect::Gossip);
    let mut reader = Reader::new(&bytes);
    let (mut pending, mut heads) = (1usize, Vec::new());
    while pending > 0 {
        let tag = reader.rest()[0];
        heads.push(tag);
        pending -= 1;
        match tag {
            0x90..=0x9f | 0xdc | 0xdd => pending += reader.array_len().unwrap(),
            0x80..=0x8f | 0xde | 0xdf => pending += 2 * reader.map_len().unwrap(),
            _ => reader.skip().unwrap(),
        }
    }
    assert!(heads.iter().all(|tag| !matches!(tag, 0xc4..=0xc9 | 0xd4..=0xd9)));
}

#[quickcheck]
fn skipping_takes_what_another_implementation_takes(garbage: Vec<u8>) {
    if garbage.contains(&0xc1) {
        return; // never used; the other implementation takes it for nil
    }
    let mut rest = garbage.as_slice();
    let theirs = rmpv::decode::read_value(&mut rest).map(|_| garbage.len() - rest.len());
    let mut reader = Reader::new(&garbage);
    let ours = reader.skip().map(|()| reader.position());
    assert_eq!(ours.ok(), theirs.ok());
}

#[quickcheck]
fn garbage_is_refused_or_read_but_never_panics(garbage: Vec<u8>, chop: u8) {
    let cut = &garbage[usize::from(chop) % (garbage.len() + 1)..];
    for reader in [Reader::new(cut), Reader::strict(cut)] {
        let _ = reader.clone().u8();
        let _ = reader.clone().i64();
        let _ = reader.clone().f64();
        let _ = reader.clone().bool();
        let _ = reader.clone().bytes();
        let _ = reader.clone().str();
        let _ = reader.clone().value();
        let _ = reader.clone().short_bytes(&mut [0; 4]);
        let _ = reader.clone().fields(&["a", "b"], |_, r| r.skip());
    }
}

#[quickcheck]
fn a_scanner_finds_the_end_wherever_the_bytes_are_cut(value: Any, tail: Vec<u8>, step: u8) {
    let mut bytes = encode(&value.0, Dialect::Gossip);
    let len = bytes.len();
    bytes.extend(tail);
    let mut scanner = Scanner::new(len);
    for end in (0..bytes.len()).step_by(usize::from(step).max(1)).chain([bytes.len()]) {
        let found = scanner.scan(&bytes[..end]).unwrap();
        assert_eq!(found, (end >= len).then_some(len));
    }
    if len > 1 {
        assert_eq!(Scanner::new(len - 1).scan(&bytes), Err(Malformed::TooLarge));
    }
}

#[test]
fn a_large_value_in_small_pieces_is_scanned_in_linear_time() {
    // Four million nested heads, fed byte by byte: seconds if linear, days if not.
    let mut bytes = vec![0x91; 4 << 20];
    bytes.push(0xc0);
    let mut scanner = Scanner::new(bytes.len());
    for end in 0..bytes.len() {
        assert_eq!(scanner.scan(&bytes[..end]), Ok(None));
    }
    assert_eq!(scanner.scan(&bytes), Ok(Some(bytes.len())));
    assert_eq!(Reader::new(&bytes).skip(), Ok(()));
}

#[test]
fn claims_beyond_the_bytes_there_are_end_at_once() {
    let claims: &[&[u8]] = &[
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff\x01",
        b"\xdf\xff\xff\xff\xff\xa1a\x01",
        b"\xda\x00\x05abcd",
        b"\x92\x01",
        b"\x81\xa1a",
        b"\xcf\x00",
    ];
    for claim in claims {
        assert_eq!(Reader::new(claim).skip(), Err(Malformed::Truncated), "{claim:x?}");
        assert!(Reader::new(claim).fields(&["a"], |_, r| r.skip()).is_err(), "{claim:x?}");
    }
    let claim = b"\xdd\xff\xff\xff\xff";
    assert_eq!(Scanner::new(1 << 20).scan(claim), Err(Malformed::TooLarge));
    let claim = b"\x91\xdb\x00\x20\x00\x00";
    assert_eq!(Scanner::new(1 << 20).scan(claim), Err(Malformed::TooLarge));
}

#[test]
fn a_structure_is_read_from_a_map_an_array_or_nil() {
    let read = |bytes: &[u8]| {
        let (mut a, mut b) = (7, "untouched");
        let mut reader = Reader::new(bytes);
        reader.fields(&["A", "B"], |index, r| {
            match index {
                0 => a = r.u64()?,
                _ => b = leak(r.str()?),
            }
            Ok(())
        })?;
        assert!(reader.is_empty(), "{bytes:x?}");
        Ok((a, b))
    };
    type Read = Result<(u64, &'static str), Malformed>;
    let cases: [(&[u8], Read); 14] = [
        (b"\x82\xa1A\x01\xa1B\xa1x", Ok((1, "x"))),
        (b"\x82\xa1B\xa1x\xa1A\x01", Ok((1, "x"))),
        (b"\x81\xa1B\xa1x", Ok((7, "x"))),
        (b"\x83\xa1Z\x92\x01\xc7\x01\x05\x09\xa1A\x01\xa1a\x02", Ok((1, "untouched"))),
        (b"\x82\xa1A\x01\xa1A\x02", Ok((2, "untouched"))),
        (b"\x82\xc4\x01A\x01\xd9\x01B\xc0", Ok((1, ""))),
        (b"\x92\x05\xa1y", Ok((5, "y"))),
        (b"\x93\x05\xa1y\x93\x01\x02\x03", Ok((5, "y"))),
        (b"\x91\x05", Ok((5, "untouched"))),
        (b"\xc0", Ok((7, "untouched"))),
        (b"\x80", Ok((7, "untouched"))),
        (b"\x81\x05\x06", Err(Malformed::Type)),
        (b"\xa1A", Err(Malformed::Type)),
        (b"\x81\xa1A\xcb\x3f\xf0\0\0\0\0\0\0", Err(Malformed::Type)),
    ];
    for (bytes, expected) in cases {
        assert_eq!(read(bytes), expected, "{bytes:x?}");
    }
}

fn leak(text: &str) -> &'static str {
    Box::leak(text.into())
}

#[test]
fn a_strict_reader_refuses_texts_that_come_as_byte_strings() {
    assert_eq!(Reader::new(b"\xc4\x01x").str(), Ok("x"));
    assert_eq!(Reader::strict(b"\xc4\x01x").str(), Err(Malformed::Type));
    assert_eq!(Reader::strict(b"\xc4\x01x").bytes(), Ok(&b"x"[..]));
    assert_eq!(Reader::strict(b"\x81\xc4\x01A\x01").fields(&["A"], |_, r| r.skip()), Err(Malformed::Type));
}

#[test]
fn scalars_are_taken_in_every_form_that_go_takes() {
    let as_u16: [(&[u8], Result<u16, Malformed>); 10] = [
        (b"\xc0", Ok(0)),
        (b"\x7f", Ok(127)),
        (b"\xd1\x1f\x0a", Ok(7946)),
        (b"\xd3\0\0\0\0\0\0\x1f\x0a", Ok(7946)),
        (b"\xcf\0\0\0\0\0\0\x1f\x0a", Ok(7946)),
        (b"\xff", Err(Malformed::Range)),
        (b"\xce\x00\x01\x00\x00", Err(Malformed::Range)),
        (b"\xca\x3f\x80\0\0", Err(Malformed::Type)),
        (b"\xa11", Err(Malformed::Type)),
        (b"\xc1", Err(Malformed::Type)),
    ];
    for (bytes, expected) in as_u16 {
        assert_eq!(Reader::new(bytes).u16(), expected, "{bytes:x?}");
    }
    assert_eq!(Reader::new(b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff").i64(), Err(Malformed::Range));
    assert_eq!(Reader::new(b"\xe0").i64(), Ok(-32));
    assert_eq!(Reader::new(b"\x01").bool(), Ok(true));
    assert_eq!(Reader::new(b"\x02").bool(), Err(Malformed::Type));
    assert_eq!(Reader::new(b"\xca\x3f\x80\0\0").f64(), Ok(1.0));
    assert_eq!(Reader::new(b"\xff").f64(), Ok(-1.0));
    assert_eq!(Reader::new(b"\xa1\xff").str(), Err(Malformed::Utf8));
}

#[test]
fn short_byte_strings_may_come_as_arrays_of_integers() {
    let mut out = [0; 4];
    assert_eq!(Reader::new(b"\x94\x7f\x00\x00\x01").short_bytes(&mut out), Ok(4));
    assert_eq!(out, [127, 0, 0, 1]);
    assert_eq!(Reader::new(b"\xa6abcdef").short_bytes(&mut out), Ok(6));
    assert_eq!(out, *b"abcd");
    assert_eq!(Reader::new(b"\xc0").short_bytes(&mut out), Ok(0));
    assert_eq!(Reader::new(b"\x91\xcd\x01\x00").short_bytes(&mut out), Err(Malformed::Range));
}

#[test]
fn everything_go_wrote_is_written_again_byte_for_byte() {
    for line in lines("computed-msgpack.jsonl") {
        let wire = bytes(&line, "hex");
        let value = rmpv::decode::read_value(&mut wire.as_slice()).unwrap();
        let ours = encode(&value, Dialect::Gossip);
        if text(&line, "codec").contains("v0.5") {
            assert_eq!(ours, wire, "{line}");
        } else {
            // Newer codecs write some numbers wider; their meaning is the same.
            assert_eq!(rmpv::decode::read_value(&mut ours.as_slice()).unwrap(), value, "{line}");
        }
        assert_eq!(Scanner::new(wire.len()).scan(&wire), Ok(Some(wire.len())), "{line}");
    }
}
