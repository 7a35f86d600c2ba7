//! The event loop: one queue ordered by time and arrival, one place where inputs go in.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use tidings_core::{Command, Config, Node, Output, Persist, StreamAction, StreamId, Time, Token, ViewPool};

use super::host::{Happening, Host, Inbox, StreamEnd, StreamHappening, digest_output};
use super::net::{Net, Packet};
use super::{Draw, Fnv};

/// Datagrams and the like that a stopped process finds again; the rest the kernel drops.
const INBOX_MAX: usize = 2000;

/// Time-outs a node may ask for without time moving on, before we call it a hang.
const WAKES_AT_ONCE: u32 = 1000;

struct Scheduled {
    at: Time,
    seq: u64,
    host: usize,
    life: u32,
    what: Happening,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.seq) == (other.at, other.seq)
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.seq).cmp(&(other.at, other.seq))
    }
}

/// A cluster on a virtual network.
pub struct Cluster {
    pub now: Time,
    pub hosts: Vec<Host>,
    pub net: Net,
    /// Keep every event (default); off for clusters too large for that.
    pub record_events: bool,
    /// Digest all outputs (default off: it costs time).
    pub hashed: bool,
    /// Digest of all outputs of all hosts, in order.
    pub digest: Fnv,
    /// Member events of any kind, counted even when they are not kept.
    pub member_events: u64,
    /// What hosts sent on streams whose other end a test plays by hand, and whether they closed.
    pub handmade: BTreeMap<(usize, StreamId), (Vec<u8>, bool)>,
    /// Views that agree share their memory, and nodes the states they send (default).
    pub sharing: bool,
    pool: ViewPool,
    queue: BinaryHeap<Reverse<Scheduled>>,
    seq: u64,
    tokens: u64,
    seeds: Draw,
    wakes_at_once: u32,
}

impl Cluster {
    /// A cluster without hosts.
    pub fn empty(seed: u64) -> Self {
        Cluster {
            now: Time::ZERO,
            hosts: Vec::new(),
            net: Net::new(seed ^ 0x6e65_7477_6f72_6b00),
            record_events: true,
            hashed: false,
            digest: Fnv::START,
            member_events: 0,
            handmade: BTreeMap::new(),
            sharing: true,
            pool: ViewPool::new(),
            queue: BinaryHeap::new(),
            seq: 0,
            tokens: 0,
            seeds: Draw::new(seed),
            wakes_at_once: 0,
        }
    }

    /// `n` started hosts `n0`, `n1`, ... with the LAN profile, none of them joined.
    pub fn lan(n: usize) -> Self {
        Self::with(n, |_, _| {})
    }

    /// As [`Cluster::lan`], each configuration changed by `edit`, which is told the host's number.
    pub fn with(n: usize, edit: impl FnMut(usize, &mut Config)) -> Self {
        Self::seeded(1, n, edit)
    }

    /// As [`Cluster::with`], with another seed for everything random.
    pub fn seeded(seed: u64, n: usize, mut edit: impl FnMut(usize, &mut Config)) -> Self {
        let mut cluster = Self::empty(seed);
        for i in 0..n {
            let mut config = Config::lan(format!("n{i}"), Self::address(i));
            config.hash_seed = Some(7);
            edit(i, &mut config);
            cluster.add(config);
        }
        cluster
    }

    /// The address given to the `i`-th host.
    pub fn address(i: usize) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::from(0x0a00_0001 + i as u32), 7946))
    }

    /// Adds and starts a host; returns its number.
    pub fn add(&mut self, config: Config) -> usize {
        self.hosts.push(Host::new(config));
        let host = self.hosts.len() - 1;
        self.start(host);
        host
    }

    /// Starts a dead host afresh, with a new seed and whatever its configuration says now.
    pub fn start(&mut self, host: usize) {
        let seed = self.seeds.seed();
        let now = self.now;
        let machine = &mut self.hosts[host];
        assert!(machine.node.is_none(), "n{host} is running already");
        self.net.addresses.insert(machine.config.advertise, host);
        machine.node = Some(Node::new(machine.config.clone(), seed, now).expect("a valid configuration"));
        machine.seed = seed;
        machine.digest = Fnv::START;
        machine.armed = None;
        machine.paused = None;
        machine.events_before = machine.events.len();
        machine.script = machine.script.is_some().then(Vec::new);
        self.drain(host);
        self.arm(host);
    }

    /// Ends a host's process without a word. Its kernel resets its streams.
    pub fn kill(&mut self, host: usize) {
        let machine = &mut self.hosts[host];
        machine.node.take().expect("it was running");
        machine.life += 1;
        machine.paused = None;
        let addr = machine.config.advertise;
        for (id, end) in std::mem::take(&mut machine.streams) {
            let reset = StreamHappening::Failed(format!("read tcp {addr}: connection reset by peer"));
            self.send_on_stream(host, id, &end, reset);
        }
    }

    /// Stops a host's process (as SIGSTOP does): its kernel still answers and buffers.
    pub fn pause(&mut self, host: usize) {
        assert!(self.hosts[host].paused.is_none(), "it is paused already");
        self.hosts[host].paused = Some(Inbox::default());
    }

    /// Continues a stopped process: it finds everything at once that came meanwhile.
    pub fn resume(&mut self, host: usize) {
        let inbox = self.hosts[host].paused.take().expect("it was paused");
        for what in inbox.0 {
            self.feed(host, &what);
        }
        self.feed(host, &Happening::Wake);
    }

    /// Hands a command in; the token finds its reply.
    pub fn command(&mut self, host: usize, command: Command) -> Token {
        self.tokens += 1;
        let token = Token(self.tokens);
        self.feed(host, &Happening::Command { token, command: Box::new(command) });
        token
    }

    /// A datagram from anywhere arrives at a host now.
    pub fn inject(&mut self, from: SocketAddr, host: usize, payload: &[u8]) {
        let what = Happening::Datagram { from, payload: Bytes::copy_from_slice(payload) };
        self.feed(host, &what);
    }

    /// Something happens on a stream of a host now; used to play a peer by hand.
    pub fn inject_stream(&mut self, host: usize, id: StreamId, event: StreamHappening) {
        if matches!(event, StreamHappening::Accepted(_)) {
            let end = StreamEnd { peer: None, not_before: self.now };
            self.hosts[host].streams.insert(id, end);
            self.handmade.insert((host, id), (Vec::new(), false));
        }
        self.feed(host, &Happening::Stream { id, event });
    }

    /// A fresh number for a stream accepted by `host`.
    pub fn accepted_id(&mut self, host: usize) -> StreamId {
        self.hosts[host].accepted += 1;
        StreamId::accepted(self.hosts[host].accepted)
    }

    /// Handles the next thing in the queue if it is due by `until`; `false`: there is none.
    pub fn step(&mut self, until: Time) -> bool {
        if self.queue.peek().is_none_or(|Reverse(next)| next.at > until) {
            return false;
        }
        let Some(Reverse(next)) = self.queue.pop() else { return false };
        if next.at > self.now {
            self.wakes_at_once = 0;
            self.now = next.at;
        }
        let host = &mut self.hosts[next.host];
        if host.life != next.life || host.node.is_none() {
            return true;
        }
        if matches!(next.what, Happening::Wake) && host.armed == Some(next.at) {
            host.armed = None;
        }
        if let Some(inbox) = &mut host.paused {
            if !matches!(next.what, Happening::Wake) && inbox.0.len() < INBOX_MAX {
                inbox.0.push(next.what);
            }
            return true;
        }
        if matches!(next.what, Happening::Wake) {
            self.wakes_at_once += 1;
            assert!(
                self.wakes_at_once < WAKES_AT_ONCE * self.hosts.len() as u32,
                "n{} asks for time-outs without end at {}",
                next.host,
                self.now
            );
            let due = self.hosts[next.host].node().poll_timeout();
            if due.is_none_or(|due| due > self.now) {
                self.arm(next.host);
                return true;
            }
        }
        self.feed(next.host, &next.what);
        true
    }

    /// Runs for a while of virtual time.
    pub fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.step(until) {}
        self.now = until;
    }

    /// The one place where a node is handed an input.
    fn feed(&mut self, host: usize, what: &Happening) {
        let now = self.now;
        let machine = &mut self.hosts[host];
        if let Happening::Stream { id, event } = what {
            let Some(end) = machine.streams.get_mut(id) else { return };
            match event {
                StreamHappening::Closed => end.peer = None,
                StreamHappening::Failed(_) => {
                    machine.streams.remove(id);
                }
                _ => {}
            }
        }
        if let Some(script) = &mut machine.script {
            script.push((now, what.clone()));
        }
        let node = machine.node.as_mut().expect("this host is dead");
        let result = if self.sharing {
            node.handle_input_with(now, what.as_input(), &mut self.pool)
        } else {
            node.handle_input(now, what.as_input())
        };
        result.expect("the harness keeps the law");
        self.drain(host);
        self.arm(host);
    }

    fn drain(&mut self, host: usize) {
        while let Some(output) = self.hosts[host].node.as_mut().and_then(Node::poll_output) {
            if self.hashed {
                self.digest.add(&(host as u32).to_le_bytes());
                self.digest.add(&self.now.as_nanos().to_le_bytes());
                digest_output(&mut self.digest, &output);
                digest_output(&mut self.hosts[host].digest, &output);
            }
            self.perform(host, output);
        }
    }

    /// Sees to it that the host wakes when its node wants to.
    fn arm(&mut self, host: usize) {
        let machine = &mut self.hosts[host];
        let Some(due) = machine.node.as_ref().and_then(Node::poll_timeout) else { return };
        let due = due.max(self.now);
        if machine.armed.is_none_or(|armed| due < armed) {
            machine.armed = Some(due);
            self.schedule(due, host, Happening::Wake);
        }
    }

    fn schedule(&mut self, at: Time, host: usize, what: Happening) {
        self.seq += 1;
        let life = self.hosts[host].life;
        self.queue.push(Reverse(Scheduled { at, seq: self.seq, host, life, what }));
    }

    fn perform(&mut self, host: usize, output: Output) {
        let now = self.now;
        match output {
            Output::Datagram { to, payload } => self.send_datagram(host, to, payload),
            Output::Stream { id, action } => self.stream_action(host, id, action),
            Output::Reply { token, result } => {
                let earlier = self.hosts[host].replies.insert(token, (now, result));
                assert!(earlier.is_none(), "two replies to one command");
            }
            Output::Event(event) => {
                if let tidings_core::Event::Members(news) = &event {
                    self.member_events += news.members.len() as u64;
                }
                if self.record_events {
                    self.hosts[host].events.push((now, event));
                }
            }
            Output::Resolve { id, host: name, port } => {
                let result = match self.net.names.get(&name) {
                    Some(found) => Ok(found.iter().map(|ip| SocketAddr::new(*ip, port)).collect()),
                    None => Err(format!("lookup {name}: no such host")),
                };
                self.schedule(now + super::ms(1), host, Happening::Resolved { id, result });
            }
            Output::Persist(persist) => {
                if let Persist::Keyring { id, .. } = &persist {
                    let result = self.hosts[host].disk_error.take().map_or(Ok(()), Err);
                    let what = Happening::Persisted { id: *id, result };
                    self.schedule(now + super::ms(1), host, what);
                }
                self.hosts[host].persisted.push((now, persist));
            }
            Output::Trace(trace) => self.hosts[host].traces.push((now, *trace)),
            other => panic!("the harness does not know {other:?}"),
        }
    }

    fn send_datagram(&mut self, from: usize, to: SocketAddr, payload: Bytes) {
        assert!(payload.len() <= 65_507, "a datagram of {} bytes cannot be sent", payload.len());
        self.net.packets += 1;
        self.net.bytes += payload.len() as u64;
        self.hosts[from].packets_out += 1;
        self.hosts[from].bytes_out += payload.len() as u64;
        if self.net.tapped {
            self.net.tap.push(Packet { at: self.now, from, to, payload: payload.clone() });
        }
        let Some(&target) = self.net.addresses.get(&to) else { return };
        if self.hosts[target].node.is_none() || !self.net.delivers(from, target) {
            return;
        }
        let at = self.now + self.net.delay(from, target);
        let from = self.hosts[from].config.advertise;
        self.schedule(at, target, Happening::Datagram { from, payload });
    }

    fn stream_action(&mut self, host: usize, id: StreamId, action: StreamAction) {
        if let Some((said, closed)) = self.handmade.get_mut(&(host, id)) {
            match &action {
                StreamAction::Send(bytes) => said.extend_from_slice(bytes),
                _ => *closed = true,
            }
        }
        match action {
            StreamAction::Connect { to } => self.connect(host, id, to),
            StreamAction::Send(bytes) => {
                let Some(end) = self.hosts[host].streams.remove(&id) else { return };
                let not_before = self.send_on_stream(host, id, &end, StreamHappening::Data(bytes));
                self.hosts[host].streams.insert(id, StreamEnd { not_before, ..end });
            }
            StreamAction::Close => {
                let Some(end) = self.hosts[host].streams.remove(&id) else { return };
                self.send_on_stream(host, id, &end, StreamHappening::Closed);
            }
            other => panic!("the harness does not know {other:?}"),
        }
    }

    fn connect(&mut self, host: usize, id: StreamId, to: SocketAddr) {
        assert!(!id.is_accepted(), "the core's own streams are even");
        let target = self.net.addresses.get(&to).copied();
        let silent = StreamEnd { peer: None, not_before: self.now };
        let Some(target) = target.filter(|t| self.hosts[*t].node.is_some()) else {
            self.hosts[host].streams.insert(id, silent);
            let reason = format!("dial tcp {to}: connect: connection refused");
            let event = StreamHappening::Failed(reason);
            let at = self.now + self.net.latency * 2;
            if target.is_none_or(|t| self.net.passes(host, t) && self.net.passes(t, host)) {
                self.schedule(at, host, Happening::Stream { id, event });
            }
            return;
        };
        if !self.net.passes(host, target) || !self.net.passes(target, host) {
            self.hosts[host].streams.insert(id, silent);
            return;
        }
        let there = self.now + self.net.delay(host, target);
        let back = there + self.net.delay(target, host);
        let accepted = self.accepted_id(target);
        let (life, target_life) = (self.hosts[host].life, self.hosts[target].life);
        let peer = Some((target, target_life, accepted));
        self.hosts[host].streams.insert(id, StreamEnd { peer, not_before: back });
        let peer = Some((host, life, id));
        self.hosts[target].streams.insert(accepted, StreamEnd { peer, not_before: back });
        let port = 40_000 + (id.as_u64() % 20_000) as u16;
        let from = SocketAddr::new(self.hosts[host].config.advertise.ip(), port);
        let event = StreamHappening::Accepted(from);
        self.schedule(there, target, Happening::Stream { id: accepted, event });
        self.schedule(back, host, Happening::Stream { id, event: StreamHappening::Connected });
    }

    /// Carries something to the other end, in order; returns when it arrives.
    fn send_on_stream(
        &mut self,
        host: usize,
        _id: StreamId,
        end: &StreamEnd,
        event: StreamHappening,
    ) -> Time {
        let Some((target, life, id)) = end.peer else { return end.not_before };
        if !self.net.passes(host, target) || self.hosts[target].life != life {
            return end.not_before;
        }
        let at = (self.now + self.net.delay(host, target)).max(end.not_before);
        self.schedule(at, target, Happening::Stream { id, event });
        at
    }
}
