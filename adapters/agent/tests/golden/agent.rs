//! An agent that answers as it is told.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use bytes::Bytes;
use tidings_client::protocol::{
    Command, Coordinate, CoordinateResponse, JoinResponse, KeyResponse, LogRecord, Member, MembersResponse,
    Message, ObjectBuffer, QueryRecord, QueryRecordKind, Request, RequestHeader, ResponseHeader,
    StatsResponse, StreamRecord, error_text,
};

/// What an agent knows and says.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// Its key, if it has one.
    pub(crate) auth_key: Option<&'static str>,
    /// What it says to every command but the handshake.
    pub(crate) error: String,
    /// It closes instead of listing members.
    pub(crate) closes: bool,
    /// Addresses that a join reaches.
    pub(crate) joined: i64,
    pub(crate) members: Vec<Member>,
    pub(crate) stats: StatsResponse,
    pub(crate) keys: KeyResponse,
    pub(crate) coordinates: BTreeMap<String, Coordinate>,
    /// What a query brings, before its end.
    pub(crate) answers: Vec<QueryRecord>,
    pub(crate) events: Vec<StreamRecord>,
    /// It closes after the last line, unless it is endless.
    pub(crate) log: Vec<String>,
    /// Neither queries nor monitors end.
    pub(crate) is_endless: bool,
}

/// A running agent. It serves one connection.
pub(crate) struct Agent {
    addr: SocketAddr,
}

impl Agent {
    pub(crate) fn start(script: Script) -> Agent {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        thread::spawn(move || {
            // A client that fails before it connects leaves this waiting to the end of the process.
            let (socket, _) = listener.accept().unwrap();
            Connection { socket, script, is_known: false }.serve();
        });
        Agent { addr }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }
}

struct Connection {
    socket: TcpStream,
    script: Script,
    /// The key was shown.
    is_known: bool,
}

impl Connection {
    fn serve(mut self) {
        let mut buffer = ObjectBuffer::new(1 << 20);
        let mut chunk = [0; 4096];
        let mut asked: Option<(Command, u64)> = None;
        loop {
            while let Some(object) = buffer.next_object().unwrap() {
                let (command, seq, body) = match asked.take() {
                    Some((command, seq)) => (command, seq, object),
                    None => {
                        let header = RequestHeader::decode(&object).unwrap();
                        let command = Command::from_word(&header.command).unwrap();
                        if command.has_body() {
                            asked = Some((command, header.seq));
                            continue;
                        }
                        (command, header.seq, Bytes::new())
                    }
                };
                if !self.answer(command.decode_request(&body).unwrap(), seq) {
                    return;
                }
            }
            match self.socket.read(&mut chunk) {
                Ok(0) | Err(_) => return,
                Ok(len) => buffer.extend(&chunk[..len]),
            }
        }
    }

    /// Answers a request; false if the connection ends by that.
    fn answer(&mut self, request: Request, seq: u64) -> bool {
        let script = &self.script;
        let mut out = Vec::new();
        let error = self.refusal(&request);
        ResponseHeader { error: error.clone(), seq }.encode(&mut out);
        if error == error_text::AUTHENTICATION_REQUIRED {
            return self.send(&out);
        }
        match request {
            Request::Auth(_) if error.is_empty() => self.is_known = true,
            Request::Join(_) => JoinResponse { num: script.joined }.encode(&mut out),
            Request::Members | Request::MembersFiltered(_) if script.closes => return false,
            Request::Members | Request::MembersFiltered(_) => {
                MembersResponse { members: script.members.clone() }.encode(&mut out);
            }
            Request::Stats => script.stats.encode(&mut out),
            Request::InstallKey(_) | Request::UseKey(_) | Request::RemoveKey(_) | Request::ListKeys => {
                script.keys.encode(&mut out);
            }
            Request::GetCoordinate(get) => {
                let coord = script.coordinates.get(&get.node).cloned();
                let ok = coord.is_some();
                CoordinateResponse { coord: coord.unwrap_or_default(), ok }.encode(&mut out);
            }
            Request::Query(_) if error.is_empty() => {
                let done =
                    QueryRecord { from: String::new(), kind: QueryRecordKind::Done, payload: Bytes::new() };
                let end = (!script.is_endless).then_some(&done);
                records(script.answers.iter().chain(end), seq, &mut out);
            }
            Request::Stream(_) if error.is_empty() => records(&script.events, seq, &mut out),
            Request::Monitor(_) if error.is_empty() => {
                let lines = script.log.iter().map(|log| LogRecord { log: log.clone() });
                records(&lines.collect::<Vec<_>>(), seq, &mut out);
                let is_endless = script.is_endless;
                return self.send(&out) && is_endless;
            }
            _ => {}
        }
        self.send(&out)
    }

    fn refusal(&self, request: &Request) -> String {
        match request {
            Request::Handshake(_) => String::new(),
            Request::Auth(auth) if Some(auth.auth_key.as_str()) == self.script.auth_key => String::new(),
            Request::Auth(_) => error_text::INVALID_AUTHENTICATION_TOKEN.to_owned(),
            _ if self.script.auth_key.is_some() && !self.is_known => {
                error_text::AUTHENTICATION_REQUIRED.to_owned()
            }
            // The stream of a monitor starts before its log is refused.
            Request::Stream(_) if self.script.error.starts_with("Unknown log level") => String::new(),
            _ => self.script.error.clone(),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).is_ok()
    }
}

fn records<'a, M: Message + 'a>(records: impl IntoIterator<Item = &'a M>, seq: u64, out: &mut Vec<u8>) {
    for record in records {
        ResponseHeader { error: String::new(), seq }.encode(out);
        record.encode(out);
    }
}
