//! A recorded talk: its frames, and how an agent's side is compared.
//!
//! Values that depend on the run are compared by their kind alone: ports, clocks, coordinates, logs,
//! tags and statistics. Everything else must be equal, the order of struct keys included.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rmpv::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The recorded agents.
pub(crate) const VERSIONS: [&str; 2] = ["serf-0.9.4", "serf-0.10.1"];
/// The longest an expected object is awaited.
const PATIENCE: Duration = Duration::from_secs(8);

struct Frame {
    at: f64,
    from_client: bool,
    /// `None`: the side closed.
    bytes: Option<Vec<u8>>,
}

/// A talk to be replayed.
pub(crate) struct Talk {
    name: String,
    frames: Vec<Frame>,
    /// What a `join` is told instead of the recorded address.
    join: Option<SocketAddr>,
}

/// A header with what follows it.
#[derive(Clone, Debug)]
struct Unit {
    header: Value,
    body: Option<Value>,
}

impl Unit {
    fn seq(&self) -> u64 {
        field(&self.header, "Seq").and_then(Value::as_u64).unwrap()
    }

    fn body_text(&self, key: &str) -> Option<&str> {
        field(self.body.as_ref()?, key)?.as_str()
    }

    /// Lines of a log come in any number.
    fn is_log(&self) -> bool {
        self.body_text("Log").is_some()
    }
}

impl Talk {
    pub(crate) fn load(version: &str, name: &str) -> Talk {
        let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/tests/vectors/rpc");
        let text = std::fs::read_to_string(vectors.join(version).join(format!("{name}.json"))).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let frame = |frame: &serde_json::Value| Frame {
            at: frame["t"].as_f64().unwrap(),
            from_client: frame["dir"] == "c2s",
            bytes: unhex(frame["hex"].as_str().unwrap()),
        };
        let frames = json["frames"].as_array().unwrap().iter().map(frame).collect();
        Talk { name: format!("{version}/{name}"), frames, join: None }
    }

    pub(crate) fn joining(mut self, address: SocketAddr) -> Talk {
        self.join = Some(address);
        self
    }

    /// Says what the client said and compares what the agent says.
    pub(crate) async fn replay(&self, agent: SocketAddr) {
        let mut socket = TcpStream::connect(agent).await.unwrap();
        let mut unread = Vec::new();
        let mut before = 0.0;
        for frame in &self.frames {
            match (&frame.bytes, frame.from_client) {
                (Some(bytes), true) => {
                    if frame.at - before > 4.0 {
                        // The client waited for something to expire.
                        tokio::time::sleep(Duration::from_millis(3300)).await;
                    }
                    // The agent may have closed already; that shows in what it says.
                    let _ = socket.write_all(&self.said(bytes)).await;
                }
                (None, true) => {
                    let _ = socket.shutdown().await;
                }
                (Some(bytes), false) => self.expect(&mut socket, &mut unread, units(bytes)).await,
                (None, false) => self.expect_end(&mut socket, unread.len()).await,
            }
            before = frame.at;
        }
    }

    /// The client's bytes, a join's address replaced.
    fn said(&self, bytes: &[u8]) -> Vec<u8> {
        let Some(address) = self.join else { return bytes.to_vec() };
        let mut out = Vec::new();
        for mut object in objects(bytes) {
            if let Value::Map(entries) = &mut object {
                for (key, value) in entries.iter_mut().filter(|(key, _)| key.as_str() == Some("Existing")) {
                    let _ = key;
                    *value = Value::Array(vec![address.to_string().into()]);
                }
            }
            rmpv::encode::write_value(&mut out, &object).unwrap();
        }
        out
    }

    async fn expect(&self, socket: &mut TcpStream, unread: &mut Vec<u8>, expected: Vec<Unit>) {
        let mut logs: Vec<u64> = expected.iter().filter(|unit| unit.is_log()).map(Unit::seq).collect();
        logs.dedup();
        let mut expected: Vec<Unit> = expected.into_iter().filter(|unit| !unit.is_log()).collect();
        while !expected.is_empty() || !logs.is_empty() {
            let header = self.object(socket, unread).await;
            let seq = field(&header, "Seq").and_then(Value::as_u64).unwrap();
            // Plain responses of one number come in order, so the first is the one.
            let Some(first) = expected.iter().position(|unit| unit.seq() == seq) else {
                let record = self.object(socket, unread).await;
                assert!(field(&record, "Log").is_some(), "{}: unexpected {record}", self.name);
                logs.retain(|log| *log != seq);
                continue;
            };
            self.compare("", &header, &expected[first].header);
            let Some(wanted) = &expected[first].body else {
                expected.remove(first);
                continue;
            };
            let is_answer = field(wanted, "From").is_some();
            let body = self.object(socket, unread).await;
            if !is_answer {
                self.compare("", &body, &expected.remove(first).body.unwrap());
                continue;
            }
            let same = |unit: &Unit| {
                unit.seq() == seq
                    && ["From", "Type"]
                        .iter()
                        .all(|key| unit.body_text(key) == field(&body, key).and_then(Value::as_str))
            };
            // Members answer in any order, and more of them than in the recording may.
            if let Some(found) = expected.iter().position(same) {
                self.compare("", &body, &expected.remove(found).body.unwrap());
            } else {
                assert_ne!(field(&body, "Type").and_then(Value::as_str), Some("done"), "{}", self.name);
            }
        }
    }

    async fn expect_end(&self, socket: &mut TcpStream, unread: usize) {
        let mut rest = Vec::new();
        let read = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "{}: the agent does not close", self.name);
        assert_eq!((unread, rest.len()), (0, 0), "{}: the agent says more: {rest:02x?}", self.name);
    }

    async fn object(&self, socket: &mut TcpStream, unread: &mut Vec<u8>) -> Value {
        loop {
            let mut rest = &unread[..];
            if let Ok(object) = rmpv::decode::read_value(&mut rest) {
                let used = unread.len() - rest.len();
                unread.drain(..used);
                return object;
            }
            let read = tokio::time::timeout(PATIENCE, socket.read_buf(unread)).await;
            let n = read.unwrap_or_else(|_| panic!("{}: the agent says nothing", self.name)).unwrap_or(0);
            assert_ne!(n, 0, "{}: the agent closes", self.name);
        }
    }

    fn compare(&self, path: &str, got: &Value, wanted: &Value) {
        let context = || format!("{} {path}: got {got}, recorded {wanted}", self.name);
        match (got, wanted) {
            (Value::Map(got), Value::Map(wanted)) if is_free(path) => {
                let _ = (got, wanted);
            }
            (Value::Map(got), Value::Map(wanted)) => {
                let keys = |map: &[(Value, Value)]| {
                    let mut keys: Vec<String> = map.iter().map(|(key, _)| key.to_string()).collect();
                    // Go's maps have no order; its structs start with a capital.
                    if keys.iter().all(|key| key[1..].starts_with(|c: char| c.is_lowercase())) {
                        keys.sort();
                    }
                    keys
                };
                assert_eq!(keys(got), keys(wanted), "{}", context());
                for (key, value) in got {
                    let name = key.as_str().unwrap();
                    let wanted = &wanted.iter().find(|(other, _)| other == key).unwrap().1;
                    self.compare(&format!("{path}/{name}"), value, wanted);
                }
            }
            (Value::Array(got), Value::Array(wanted)) => {
                assert_eq!(got.len(), wanted.len(), "{}", context());
                for (got, wanted) in by_name(got).into_iter().zip(by_name(wanted)) {
                    self.compare(path, got, wanted);
                }
            }
            (Value::Integer(_), Value::Integer(_))
                if ["Port", "LTime"].iter().any(|key| path.ends_with(key)) => {}
            (Value::F64(_), Value::F64(_)) => {}
            (Value::String(_), Value::String(_)) if path.matches('/').count() == 2 => {}
            (Value::String(got), Value::String(wanted)) => {
                assert_eq!(plain(got.as_str().unwrap()), plain(wanted.as_str().unwrap()), "{}", context());
            }
            (Value::Binary(got), Value::Binary(wanted)) if path.ends_with("/Addr") => {
                assert_eq!(got.len(), wanted.len(), "{}", context());
            }
            _ => assert_eq!(got, wanted, "{}", context()),
        }
    }
}

/// Maps whose keys depend on the run.
fn is_free(path: &str) -> bool {
    path.ends_with("/Tags") || path == "/tags" || path == "/event_handlers"
}

/// Members in the order of their names, other lists as they are.
fn by_name(list: &[Value]) -> Vec<&Value> {
    let mut list: Vec<&Value> = list.iter().collect();
    list.sort_by_key(|value| field(value, "Name").and_then(Value::as_str).map(str::to_owned));
    list
}

/// An error text without loopback addresses, which differ, and without the port behind the address
/// of a failed join, which only newer agents write.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for word in text.split(' ') {
        let bare = word.trim_end_matches(':');
        let is_address = bare.starts_with("127.");
        out.push_str(if is_address { "ADDRESS" } else { word });
        out.push(' ');
    }
    out
}

fn field<'a>(map: &'a Value, key: &str) -> Option<&'a Value> {
    map.as_map()?.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
}

fn units(bytes: &[u8]) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    for object in objects(bytes) {
        if field(&object, "Error").is_some_and(Value::is_str) && field(&object, "Seq").is_some() {
            units.push(Unit { header: object, body: None });
        } else {
            units.last_mut().unwrap().body = Some(object);
        }
    }
    units
}

fn objects(bytes: &[u8]) -> Vec<Value> {
    let mut rest = bytes;
    let mut objects = Vec::new();
    while !rest.is_empty() {
        match rmpv::decode::read_value(&mut rest) {
            Ok(object) => objects.push(object),
            Err(_) => break,
        }
    }
    objects
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text == "EOF" {
        return None;
    }
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    Some((0..text.len()).step_by(2).map(byte).collect())
}
