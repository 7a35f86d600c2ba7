//! What an attacker has: wrong bytes of every kind, and a cluster that must not mind them.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use tidings_core::wire::msgpack::{Dialect, Writer};

use crate::harness::{Agent, Tidings, all_alive, fresh_ip, wait_until};

/// The most an agent under attack may ever hold, in KiB.
const MEMORY_MAX: u64 = 100 << 10;

/// Bytes without a pattern, the same in each run.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Draw {
        Draw(seed)
    }

    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, max: usize) -> usize {
        usize::try_from(self.next() % max as u64).unwrap()
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// A copy cut short, or with a few bits the other way.
    pub(crate) fn damaged(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        if self.below(2) == 0 {
            bytes.truncate(self.below(bytes.len()));
        } else {
            for _ in 0..=self.below(4) {
                let at = self.below(bytes.len());
                bytes[at] ^= 1 << self.below(8);
            }
        }
        bytes
    }
}

/// MessagePack as the gossip writes it.
pub(crate) fn pack(write: impl FnOnce(&mut Writer<'_, Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut Writer::new(&mut bytes, Dialect::Gossip));
    bytes
}

/// What was recorded between real agents, by protocol.
pub(crate) fn recorded(proto: &str) -> Vec<Vec<u8>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../core/tests/vectors/plain-0.10.1.jsonl");
    let file = std::fs::read_to_string(path).unwrap();
    let lines = file.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let unhex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    };
    let lines = lines.filter(|line| line["proto"] == proto);
    lines.map(|line| unhex(line["hex"].as_str().unwrap())).filter(|bytes| !bytes.is_empty()).collect()
}

/// Two agents of ours, the first of which is attacked.
pub(crate) struct Target {
    pub(crate) victim: Agent,
    witness: Agent,
    socket: UdpSocket,
}

impl Target {
    pub(crate) fn start(flags: &[&str]) -> Target {
        let victim = Agent::start(Tidings, "victim", flags);
        let witness = Agent::start(Tidings, "witness", flags);
        witness.join(&victim);
        all_alive(&[&victim, &witness]);
        let socket = UdpSocket::bind(SocketAddr::new(IpAddr::V4(fresh_ip()), 0)).unwrap();
        Target { victim, witness, socket }
    }

    /// Sends a datagram, slowly enough for all to arrive.
    pub(crate) fn datagram(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.victim.gossip).unwrap();
        std::thread::sleep(Duration::from_micros(50));
    }

    /// Opens a stream to the gossip and sends this; what does not fit is not missed.
    pub(crate) fn stream(&self, bytes: &[u8]) -> TcpStream {
        send(self.victim.gossip, bytes)
    }

    /// Still a cluster, its size as bounded as ever, nobody thought failed; and what was refused
    /// was counted and told.
    #[track_caller]
    pub(crate) fn has_survived(&self, refused: bool) {
        let both = [&self.victim, &self.witness];
        for agent in both {
            wait_until("the cluster to be whole", || {
                let seen = agent.statuses();
                let alive = |name: &str| seen.get(name).is_some_and(|status| status == "alive");
                if alive("victim") && alive("witness") { Ok(()) } else { Err(format!("{seen:?}")) }
            });
            let said = agent.said();
            for name in ["victim", "witness"] {
                assert!(!said.contains(&format!("EventMemberFailed: {name} ")), "{name} failed:\n{said}");
            }
            let peak = agent.memory_peak();
            assert!(peak < MEMORY_MAX, "{} needed {peak} KiB", agent.name);
        }
        self.victim.tell(Tidings, &["event", "-coalesce=false", "still-here"]);
        self.witness.wait_for("user-event: still-here", 1);
        if refused {
            self.victim.wait_for("Refused input", 1);
            self.victim.signal("USR1");
            self.victim.wait_for("memberlist.refused': Count: ", 1);
        }
    }
}

/// Opens a stream and sends this; the other side may end it at any time.
pub(crate) fn send(to: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let _ = stream.write_all(bytes);
    stream
}

/// Reads to the end of a stream, which must come.
#[track_caller]
pub(crate) fn read_to_end(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "it is not closed"),
    }
    bytes
}

/// As many connections as this, or as the system gives one process.
pub(crate) fn many_connections(to: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..count {
        // The queue of the listener may be full for a while; that is the system's answer, not ours.
        match TcpStream::connect_timeout(&to, Duration::from_secs(10)) {
            Ok(stream) => streams.push(stream),
            Err(_) => break,
        }
    }
    assert!(streams.len() >= count / 4, "only {} connections", streams.len());
    streams
}
