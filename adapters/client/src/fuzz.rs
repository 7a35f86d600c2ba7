//! What fuzz targets do with the bytes they are given, and plain tests with bytes kept from earlier:
//! nothing panics, nothing is held beyond its bound, and what was understood once is written and
//! understood the same way again.
//!
//! Outside of the promises about versions: for this project's own `fuzz/` and tests.

use std::fmt::Debug;

use bytes::Bytes;

use crate::protocol::{
    Command, CoordinateResponse, JoinResponse, KeyResponse, LogRecord, Malformed, MembersResponse, Message,
    MicroApp, ObjectBuffer, QueryRecord, RequestHeader, ResponseHeader, Router, StatsResponse, StreamRecord,
};

/// Bytes of an object at most, small enough for a fuzzer to reach.
const OBJECT_BYTES_MAX: usize = 2 << 10;

/// What a client sends, in slices as long as the first byte says: headers, bodies where their
/// command has one.
pub fn requests(bytes: &[u8]) {
    let mut awaiting = None;
    for object in objects(bytes) {
        match awaiting.take() {
            None => {
                let Ok(header) = again::<RequestHeader>(&object) else { return };
                awaiting = Command::from_word(&header.command).filter(|command| command.has_body());
            }
            Some(command) => body(command, &object),
        }
    }
}

fn body(command: Command, object: &[u8]) {
    let Ok(request) = command.decode_request(object) else { return };
    let mut encoded = Vec::new();
    request.encode(1, &mut encoded);
    let mut buffer = ObjectBuffer::new(2 * encoded.len());
    buffer.extend(&encoded);
    let header = buffer.next_object().expect("a whole request").expect("its header");
    assert_eq!(RequestHeader::decode(&header).map(|it| it.command).as_deref(), Ok(command.as_str()));
    let object = buffer.next_object().expect("a whole request").expect("its body");
    assert_eq!(same(&command.decode_request(&object)), same(&Ok::<_, Malformed>(request)));
}

/// What an agent sends, in slices as long as the first byte says: headers, and bodies of any kind.
pub fn responses(bytes: &[u8]) {
    for object in objects(bytes) {
        let _ = again::<ResponseHeader>(&object);
        let _ = again::<MembersResponse>(&object);
        let _ = again::<JoinResponse>(&object);
        let _ = again::<KeyResponse>(&object);
        let _ = again::<CoordinateResponse>(&object);
        let _ = again::<StatsResponse>(&object);
        let _ = again::<StreamRecord>(&object);
        let _ = again::<QueryRecord>(&object);
        let _ = again::<LogRecord>(&object);
        let _ = again::<Vec<MicroApp>>(&object);
        let _ = again::<Vec<Router>>(&object);
    }
}

/// The objects in what arrives: the same in slices and in one piece.
fn objects(bytes: &[u8]) -> Vec<Bytes> {
    let Some((&len, bytes)) = bytes.split_first() else { return Vec::new() };
    let whole = cut(&[bytes]);
    let slices: Vec<&[u8]> = bytes.chunks(usize::from(len % 32) + 1).collect();
    assert_eq!(cut(&slices), whole, "slices made other objects");
    whole
}

fn cut(pieces: &[&[u8]]) -> Vec<Bytes> {
    let mut buffer = ObjectBuffer::new(OBJECT_BYTES_MAX);
    let mut objects = Vec::new();
    for piece in pieces {
        buffer.extend(piece);
        loop {
            match buffer.next_object() {
                Ok(Some(object)) => objects.push(object),
                Ok(None) => break,
                Err(_) => return objects,
            }
        }
        let held = buffer.spare().len();
        assert!(held <= OBJECT_BYTES_MAX + piece.len(), "{held} bytes are held");
    }
    objects
}

/// Decodes an object, and again what it is encoded to.
fn again<M: Message + Debug>(object: &[u8]) -> Result<M, Malformed> {
    let message = M::decode(object)?;
    let mut encoded = Vec::new();
    message.encode(&mut encoded);
    assert_eq!(same(&M::decode(&encoded)), same(&Ok::<_, Malformed>(&message)));
    Ok(message)
}

/// What is compared: NaN is equal to itself.
fn same(value: &impl Debug) -> String {
    format!("{value:?}")
}
