//! A second, naive reading and writing of the wire, so that tests do not judge the codec by itself.
//!
//! Writing follows the old msgpack specification as real peers do; reading uses other people's
//! msgpack and LZW.

use std::net::{IpAddr, SocketAddr};

use rmpv::Value;

/// A msgpack value to write.
#[derive(Clone, Debug)]
pub enum V {
    Nil,
    Bool(bool),
    U(u64),
    I(i64),
    Raw(Vec<u8>),
    Map(Vec<(&'static str, V)>),
    Array(Vec<V>),
}

/// Text or bytes: the same on this wire.
pub fn raw(bytes: impl AsRef<[u8]>) -> V {
    V::Raw(bytes.as_ref().to_vec())
}

/// The bytes of an address.
pub fn ip(addr: IpAddr) -> V {
    match addr {
        IpAddr::V4(v4) => raw(v4.octets()),
        IpAddr::V6(v6) => raw(v6.octets()),
    }
}

/// Versions as real agents send them.
pub const VSN: [u8; 6] = [1, 5, 2, 2, 5, 5];

impl V {
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            V::Nil => out.push(0xc0),
            V::Bool(b) => out.push(0xc2 + u8::from(*b)),
            V::U(n) => encode_unsigned(*n, out),
            V::I(n) => {
                out.push(0xd3);
                out.extend(n.to_be_bytes());
            }
            V::Raw(bytes) => {
                match bytes.len() {
                    n @ 0..32 => out.push(0xa0 | n as u8),
                    n @ 32..0x1_0000 => {
                        out.push(0xda);
                        out.extend((n as u16).to_be_bytes());
                    }
                    n => {
                        out.push(0xdb);
                        out.extend((n as u32).to_be_bytes());
                    }
                }
                out.extend(bytes);
            }
            V::Map(fields) => {
                assert!(fields.len() < 16);
                out.push(0x80 | fields.len() as u8);
                for (key, value) in fields {
                    raw(key).encode(out);
                    value.encode(out);
                }
            }
            V::Array(items) => {
                match items.len() {
                    n @ 0..16 => out.push(0x90 | n as u8),
                    n => {
                        out.push(0xdc);
                        out.extend((n as u16).to_be_bytes());
                    }
                }
                items.iter().for_each(|item| item.encode(out));
            }
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

fn encode_unsigned(n: u64, out: &mut Vec<u8>) {
    match n {
        0..0x80 => out.push(n as u8),
        0x80..0x100 => out.extend([0xcc, n as u8]),
        0x100..0x1_0000 => {
            out.push(0xcd);
            out.extend((n as u16).to_be_bytes());
        }
        0x1_0000..0x1_0000_0000 => {
            out.push(0xce);
            out.extend((n as u32).to_be_bytes());
        }
        _ => {
            out.push(0xcf);
            out.extend(n.to_be_bytes());
        }
    }
}

fn message(kind: u8, body: V) -> Vec<u8> {
    let mut out = vec![kind];
    body.encode(&mut out);
    out
}

pub fn ping(seq: u64, node: &str) -> Vec<u8> {
    message(0, V::Map(vec![("Node", raw(node)), ("SeqNo", V::U(seq))]))
}

pub fn ack(seq: u64, payload: V) -> Vec<u8> {
    message(2, V::Map(vec![("Payload", payload), ("SeqNo", V::U(seq))]))
}

pub fn suspect(node: &str, incarnation: u64, from: &str) -> Vec<u8> {
    message(3, accusation(node, incarnation, from))
}

pub fn dead(node: &str, incarnation: u64, from: &str) -> Vec<u8> {
    message(5, accusation(node, incarnation, from))
}

fn accusation(node: &str, incarnation: u64, from: &str) -> V {
    V::Map(vec![("From", raw(from)), ("Incarnation", V::U(incarnation)), ("Node", raw(node))])
}

pub fn alive(node: &str, addr: SocketAddr, incarnation: u64) -> Vec<u8> {
    alive_with(node, addr, incarnation, &[0xff, 0x80])
}

pub fn alive_with(node: &str, addr: SocketAddr, incarnation: u64, meta: &[u8]) -> Vec<u8> {
    message(
        4,
        V::Map(vec![
            ("Addr", ip(addr.ip())),
            ("Incarnation", V::U(incarnation)),
            ("Meta", raw(meta)),
            ("Node", raw(node)),
            ("Port", V::U(addr.port().into())),
            ("Vsn", raw(VSN)),
        ]),
    )
}

/// A Serf message as a user message.
pub fn user(serf_type: u8, body: V) -> Vec<u8> {
    let mut out = vec![8, serf_type];
    body.encode(&mut out);
    out
}

pub fn leave_intent(node: &str, ltime: u64, prune: bool) -> Vec<u8> {
    user(0, V::Map(vec![("LTime", V::U(ltime)), ("Node", raw(node)), ("Prune", V::Bool(prune))]))
}

pub fn join_intent(node: &str, ltime: u64) -> Vec<u8> {
    user(1, V::Map(vec![("LTime", V::U(ltime)), ("Node", raw(node))]))
}

pub fn user_event(name: &str, ltime: u64, payload: &[u8]) -> Vec<u8> {
    user(
        3,
        V::Map(vec![
            ("CC", V::Bool(false)),
            ("LTime", V::U(ltime)),
            ("Name", raw(name)),
            ("Payload", raw(payload)),
        ]),
    )
}

/// A query as it travels; change what matters.
#[derive(Clone, Debug)]
pub struct QueryMessage {
    pub source: SocketAddr,
    pub source_node: String,
    pub filters: Vec<V>,
    pub flags: u64,
    pub id: u64,
    pub ltime: u64,
    pub name: String,
    pub payload: V,
    pub relay: u64,
    pub timeout: i64,
}

impl QueryMessage {
    pub fn new(name: &str, source: SocketAddr, ltime: u64, id: u64) -> Self {
        QueryMessage {
            source,
            source_node: "outsider".into(),
            filters: Vec::new(),
            flags: 0,
            id,
            ltime,
            name: name.into(),
            payload: V::Nil,
            relay: 0,
            timeout: 2_000_000_000,
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let filters = if self.filters.is_empty() { V::Nil } else { V::Array(self.filters.clone()) };
        user(
            4,
            V::Map(vec![
                ("Addr", ip(self.source.ip())),
                ("Filters", filters),
                ("Flags", V::U(self.flags)),
                ("ID", V::U(self.id)),
                ("LTime", V::U(self.ltime)),
                ("Name", raw(&self.name)),
                ("Payload", self.payload.clone()),
                ("Port", V::U(self.source.port().into())),
                ("RelayFactor", V::U(self.relay)),
                ("SourceNode", raw(&self.source_node)),
                ("Timeout", V::U(self.timeout as u64)),
            ]),
        )
    }
}

/// One member in a push/pull.
#[derive(Clone, Debug)]
pub struct NodeState {
    pub name: String,
    pub addr: SocketAddr,
    pub incarnation: u64,
    pub state: u64,
    pub vsn: Vec<u8>,
}

impl NodeState {
    pub fn new(name: &str, addr: SocketAddr, incarnation: u64, state: u64) -> Self {
        NodeState { name: name.into(), addr, incarnation, state, vsn: VSN.to_vec() }
    }
}

/// A push/pull stream message: header with the claims given, then states, then user state.
pub fn push_pull(join: bool, nodes: V, states: &[NodeState], user_len: V, user_state: &[u8]) -> Vec<u8> {
    let header = V::Map(vec![("Join", V::Bool(join)), ("Nodes", nodes), ("UserStateLen", user_len)]);
    let mut out = message(6, header);
    for state in states {
        V::Map(vec![
            ("Addr", ip(state.addr.ip())),
            ("Incarnation", V::U(state.incarnation)),
            ("Meta", raw([0xff, 0x80])),
            ("Name", raw(&state.name)),
            ("Port", V::U(state.addr.port().into())),
            ("State", V::U(state.state)),
            ("Vsn", raw(&state.vsn)),
        ])
        .encode(&mut out);
    }
    out.extend(user_state);
    out
}

/// A push/pull whose header tells the truth.
pub fn honest_push_pull(join: bool, states: &[NodeState], user_state: &[u8]) -> Vec<u8> {
    let (nodes, len) = (states.len() as u64, user_state.len() as u64);
    push_pull(join, V::U(nodes), states, V::U(len), user_state)
}

pub fn compound(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut out = vec![7, u8::try_from(parts.len()).expect("255 parts at most")];
    parts.iter().for_each(|part| out.extend((part.len() as u16).to_be_bytes()));
    parts.iter().for_each(|part| out.extend(part));
    out
}

pub fn compress(inner: &[u8]) -> Vec<u8> {
    let packed = weezl::encode::Encoder::new(weezl::BitOrder::Lsb, 8).encode(inner).expect("it encodes");
    message(9, V::Map(vec![("Algo", V::U(0)), ("Buf", raw(packed))]))
}

pub fn crc(inner: &[u8]) -> Vec<u8> {
    let mut out = vec![12];
    out.extend(crc32fast::hash(inner).to_be_bytes());
    out.extend(inner);
    out
}

/// A message read: its type, its Serf type if it is a user message, its body.
#[derive(Clone, Debug)]
pub struct Read {
    pub kind: u8,
    pub serf: Option<u8>,
    pub body: Value,
    /// What stands behind the body: the inner message of a relay.
    pub rest: Vec<u8>,
}

impl Read {
    pub fn field(&self, name: &str) -> &Value {
        field(&self.body, name)
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(bytes_of(self.field(name))).into_owned()
    }

    pub fn number(&self, name: &str) -> u64 {
        self.field(name).as_u64().unwrap_or_else(|| panic!("{name} is no number in {self:?}"))
    }
}

/// A field of a map; nil if it is not there.
pub fn field<'a>(map: &'a Value, name: &str) -> &'a Value {
    const NOTHING: &Value = &Value::Nil;
    let Some(entries) = map.as_map() else { return NOTHING };
    entries.iter().find(|(key, _)| key.as_str() == Some(name)).map_or(NOTHING, |(_, value)| value)
}

/// The bytes of a raw value; none of anything else.
pub fn bytes_of(value: &Value) -> &[u8] {
    match value {
        Value::String(text) => text.as_bytes(),
        Value::Binary(bytes) => bytes,
        _ => &[],
    }
}

/// Reads a plain datagram down to its single messages; panics on what no peer should send.
pub fn read_packet(mut packet: &[u8]) -> Vec<Read> {
    if packet.first() == Some(&12) {
        let (sum, inner) = packet[1..].split_at(4);
        assert_eq!(sum, crc32fast::hash(inner).to_be_bytes(), "a wrong checksum was sent");
        packet = inner;
    }
    let mut messages = Vec::new();
    read_into(packet, &mut messages);
    messages
}

fn read_into(packet: &[u8], messages: &mut Vec<Read>) {
    let (&kind, body) = packet.split_first().expect("an empty message was sent");
    match kind {
        7 => {
            let count = usize::from(body[0]);
            let (lengths, mut parts) = body[1..].split_at(2 * count);
            for length in lengths.chunks(2) {
                let (part, rest) = parts.split_at(u16::from_be_bytes([length[0], length[1]]).into());
                read_into(part, messages);
                parts = rest;
            }
            assert!(parts.is_empty(), "bytes behind a compound");
        }
        9 => read_into(&decompress(body), messages),
        8 => {
            let (&serf, body) = body.split_first().expect("an empty user message was sent");
            let (body, rest) = value(body);
            messages.push(Read { kind, serf: Some(serf), body, rest });
        }
        _ => {
            let (body, rest) = value(body);
            assert!(rest.is_empty(), "bytes behind a message of type {kind}");
            messages.push(Read { kind, serf: None, body, rest });
        }
    }
}

/// Unpacks the body of a compressed message.
pub fn decompress(body: &[u8]) -> Vec<u8> {
    let (map, _) = value(body);
    let packed = bytes_of(field(&map, "Buf"));
    weezl::decode::Decoder::new(weezl::BitOrder::Lsb, 8).decode(packed).expect("it unpacks")
}

/// Reads one value; returns it and what follows.
pub fn value(mut bytes: &[u8]) -> (Value, Vec<u8>) {
    let value = rmpv::decode::read_value(&mut bytes).expect("msgpack");
    (value, bytes.to_vec())
}
