//! The protocol against recorded conversations of Serf's own client and agent.

use std::collections::HashMap;
use std::path::PathBuf;

use bytes::Bytes;
use tidings_client::protocol::{
    Command, CoordinateResponse, JoinResponse, KeyResponse, LogRecord, MembersResponse, Message,
    ObjectBuffer, QueryRecord, QueryRecordKind, Request, RequestHeader, ResponseHeader, StatsResponse,
    StreamRecord, error_text,
};

const OBJECT_BYTES_MAX: usize = 1 << 20;

/// Talks whose requests the agent refuses to read, or reads as something else than was meant.
const REFUSED_BY_THE_AGENT: [(&str, &str); 6] = [
    ("raw-bin-strings", "keys as bin"),
    ("raw-float-ints", "integers as floats"),
    ("raw-seq-negative", "negative Seq"),
    ("raw-garbage", "no MessagePack"),
    ("raw-body-where-none", "the body is taken for a header"),
    ("raw-lowercase-keys", "the version is not seen, so what was decoded is not what was sent"),
];

/// One recorded connection.
struct Talk {
    name: String,
    /// Direction and bytes, in time order.
    frames: Vec<(String, Vec<u8>)>,
}

impl Talk {
    /// All bytes of one direction.
    fn bytes(&self, direction: &str) -> Vec<u8> {
        self.frames.iter().filter(|frame| frame.0 == direction).flat_map(|frame| frame.1.clone()).collect()
    }

    fn is_refused(&self) -> bool {
        REFUSED_BY_THE_AGENT.iter().any(|refused| refused.0 == self.name)
    }
}

fn talks() -> Vec<Talk> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/rpc");
    let mut talks = Vec::new();
    for version in ["serf-0.9.4", "serf-0.10.1"] {
        for entry in std::fs::read_dir(root.join(version)).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            let frames = json["frames"].as_array().unwrap().iter();
            talks.push(Talk {
                name: json["name"].as_str().unwrap().to_owned(),
                frames: frames
                    .filter(|frame| frame["hex"] != "EOF")
                    .map(|frame| (frame["dir"].as_str().unwrap().to_owned(), unhex(&frame["hex"])))
                    .collect(),
            });
        }
    }
    assert_eq!(talks.len(), 2 * 55);
    talks
}

fn unhex(value: &serde_json::Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Cuts bytes into objects as they would arrive in pieces of seven.
fn objects(bytes: &[u8]) -> Vec<Bytes> {
    let mut buffer = ObjectBuffer::new(OBJECT_BYTES_MAX);
    let mut objects = Vec::new();
    for piece in bytes.chunks(7) {
        buffer.extend(piece);
        while let Some(object) = buffer.next_object().unwrap() {
            objects.push(object);
        }
    }
    assert!(buffer.is_empty(), "an object is cut");
    objects
}

/// The requests of a talk, with their numbers.
fn requests(talk: &Talk) -> Vec<(u64, Option<Request>)> {
    let objects = objects(&talk.bytes("c2s"));
    let mut objects = objects.iter();
    let mut requests = Vec::new();
    while let Some(object) = objects.next() {
        let header = RequestHeader::decode(object).unwrap();
        let request = Command::from_word(&header.command).map(|command| {
            let body = if command.has_body() { objects.next().unwrap().clone() } else { Bytes::new() };
            command.decode_request(&body).unwrap()
        });
        requests.push((header.seq, request));
    }
    requests
}

#[test]
fn requests_of_the_reference_client_come_out_byte_for_byte() {
    for talk in talks().iter().filter(|talk| talk.name.starts_with("cli-")) {
        let mut encoded = Vec::new();
        for (seq, request) in requests(talk) {
            request.unwrap().encode(seq, &mut encoded);
        }
        assert_eq!(encoded, talk.bytes("c2s"), "{}", talk.name);
    }
}

#[test]
fn requests_of_any_form_are_understood_and_survive_our_own() {
    for talk in talks().iter().filter(|talk| !talk.is_refused()) {
        for (seq, request) in requests(talk) {
            let Some(request) = request else {
                assert_eq!(talk.name, "raw-unknown-command");
                continue;
            };
            let mut encoded = Vec::new();
            request.encode(seq, &mut encoded);
            let encoded = objects(&encoded);
            assert_eq!(RequestHeader::decode(&encoded[0]).unwrap().seq, seq);
            let body = encoded.get(1).cloned().unwrap_or_default();
            assert_eq!(request.command().decode_request(&body), Ok(request), "{}", talk.name);
        }
    }
}

/// What the agent closes the connection for, we refuse.
#[test]
fn requests_the_agent_refuses_are_refused() {
    for talk in talks().iter().filter(|talk| talk.is_refused()) {
        let bytes = talk.bytes("c2s");
        let mut buffer = ObjectBuffer::new(OBJECT_BYTES_MAX);
        buffer.extend(&bytes);
        let first = buffer.next_object();
        match talk.name.as_str() {
            "raw-garbage" => assert!(first.is_err()),
            "raw-bin-strings" | "raw-float-ints" | "raw-seq-negative" => {
                assert!(RequestHeader::decode(&first.unwrap().unwrap()).is_err(), "{}", talk.name);
            }
            "raw-lowercase-keys" => {
                let body = buffer.next_object().unwrap().unwrap();
                let Ok(Request::Handshake(handshake)) = Command::Handshake.decode_request(&body) else {
                    panic!("the handshake has another form");
                };
                assert_eq!(handshake.version, 0);
            }
            "raw-body-where-none" => {
                let headers = objects(&bytes);
                let misread = RequestHeader::decode(headers.last().unwrap()).unwrap();
                assert_eq!((misread.command.as_str(), misread.seq), ("", 0));
            }
            other => panic!("{other} is listed without a check"),
        }
    }
}

/// Decodes an answer's body or a record and encodes it again.
fn again<M: Message + PartialEq + std::fmt::Debug>(object: &[u8]) -> Vec<u8> {
    let message = M::decode(object).unwrap();
    let mut encoded = Vec::new();
    message.encode(&mut encoded);
    assert_eq!(M::decode(&encoded), Ok(message));
    encoded
}

/// Decodes what follows a header of `command`; `None` if nothing follows.
fn response_again(
    command: Command,
    header: &ResponseHeader,
    is_record: bool,
    next: impl FnOnce() -> Bytes,
) -> Option<Vec<u8>> {
    if header.error == error_text::AUTHENTICATION_REQUIRED || header.error == error_text::HANDSHAKE_REQUIRED {
        return None;
    }
    Some(match command {
        Command::Join => again::<JoinResponse>(&next()),
        Command::Members | Command::MembersFiltered => again::<MembersResponse>(&next()),
        Command::Stats => again::<StatsResponse>(&next()),
        Command::GetCoordinate => again::<CoordinateResponse>(&next()),
        Command::InstallKey | Command::UseKey | Command::RemoveKey | Command::ListKeys => {
            again::<KeyResponse>(&next())
        }
        Command::Stream if is_record => again::<StreamRecord>(&next()),
        Command::Monitor if is_record => again::<LogRecord>(&next()),
        Command::Query if is_record => again::<QueryRecord>(&next()),
        _ => return None,
    })
}

/// Maps with free keys come in random order, so what must be equal is what was read and its size;
/// the bytes are compared sorted.
#[test]
fn responses_and_records_are_understood_and_come_out_in_the_same_form() {
    for talk in talks() {
        if talk.is_refused() {
            continue;
        }
        let mut commands = HashMap::new();
        for (seq, request) in requests(&talk) {
            let command = request.map(|request| request.command());
            // One number may be used again after its answer; the recorded ones that do are plain.
            commands.entry(seq).or_insert_with(Vec::new).push(command);
        }
        let mut answered: HashMap<u64, usize> = HashMap::new();
        let objects = objects(&talk.bytes("s2c"));
        let mut objects = objects.iter();
        while let Some(object) = objects.next() {
            let header = ResponseHeader::decode(object).unwrap();
            assert_eq!(&again::<ResponseHeader>(object), object, "{}", talk.name);
            let count = answered.entry(header.seq).or_default();
            let sent = &commands[&header.seq];
            let is_record = *count > 0 && header.error.is_empty();
            let Some(command) = sent[(*count).min(sent.len() - 1)] else { continue };
            *count += 1;
            let mut body = Bytes::new();
            let encoded = response_again(command, &header, is_record, || {
                body = objects.next().unwrap().clone();
                body.clone()
            });
            if let Some(mut encoded) = encoded {
                let mut recorded = body.to_vec();
                encoded.sort_unstable();
                recorded.sort_unstable();
                assert_eq!(encoded, recorded, "{}: {command:?}", talk.name);
            }
        }
    }
}

#[test]
fn a_query_ends_with_a_record_that_says_so() {
    let all = talks();
    let talk = all.iter().find(|talk| talk.name == "cli-query").unwrap();
    let objects = objects(&talk.bytes("s2c"));
    let last = QueryRecord::decode(objects.last().unwrap()).unwrap();
    assert_eq!(last.kind, QueryRecordKind::Done);
    let answer = QueryRecord::decode(&objects[objects.len() - 3]).unwrap();
    assert_eq!((answer.from.as_str(), &*answer.payload), ("alpha", b"hello from alpha: bob\n".as_slice()));
}
