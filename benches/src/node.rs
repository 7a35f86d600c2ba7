//! Nodes that know many members, and the packets they are sent.

use std::net::{Ipv4Addr, SocketAddr};

use tidings_core::wire::message::{Alive, Ping, Source};
use tidings_core::{Config, Input, Node, Output, Time, Versions};

/// The name of the `i`-th member.
#[must_use]
pub fn name(i: usize) -> String {
    format!("node-{i:05}.example")
}

/// The address of the `i`-th member.
#[must_use]
pub fn address(i: usize) -> SocketAddr {
    let [_, a, b, c] = (i as u32).to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(10, a, b, c), 7946))
}

/// Encoded tags as a small agent has them.
pub const META: &[u8] = b"\xff\x82\xa2dc\xa3fra\xa4role\xa3web";

/// The alive message of the `i`-th member.
#[must_use]
pub fn alive(i: usize, incarnation: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let node = name(i);
    let (addr, versions) = (address(i), Some(Versions::ours(5)));
    Alive { node: &node, addr: addr.ip(), port: addr.port(), meta: META, incarnation, versions }
        .encode(&mut out);
    out
}

/// A ping from the `i`-th member to the node under test, with everything a real peer says.
#[must_use]
pub fn ping(i: usize, seq: u32) -> Vec<u8> {
    let mut out = Vec::new();
    Ping { seq, node: &name(0), source: Source::new(address(i), &name(i)) }.encode(&mut out);
    out
}

/// The node under test, number 0, with its clock.
#[derive(Debug)]
pub struct Bench {
    /// The node.
    pub node: Node,
    /// Its time; it goes on by a microsecond with each input.
    pub now: Time,
}

impl Bench {
    /// A node that knows `members` members, itself included, and has nothing to tell.
    #[must_use]
    pub fn quiet(members: usize) -> Bench {
        let mut bench = Bench::alone(|_| {});
        for i in 1..members {
            bench.datagram(i, &alive(i, 1));
        }
        bench.hush();
        assert_eq!(bench.node.view().all().live(), members);
        bench
    }

    /// A node that knows itself.
    #[must_use]
    pub fn alone(change: impl FnOnce(&mut Config)) -> Bench {
        let mut config = Config::lan(name(0), address(0));
        // Nobody is there to answer probes and exchanges.
        config.probe.interval = std::time::Duration::from_secs(1 << 20);
        config.push_pull.interval = None;
        change(&mut config);
        let node = Node::new(config, [7; 32], Time::ZERO).expect("a valid configuration");
        let mut bench = Bench { node, now: Time::ZERO };
        bench.drain();
        bench
    }

    /// A datagram from the `i`-th member; returns how many bytes were sent for it.
    pub fn datagram(&mut self, from: usize, payload: &[u8]) -> usize {
        self.input(Input::Datagram { from: address(from), payload })
    }

    /// Any input, and everything that comes of it.
    ///
    /// # Panics
    /// If the node says that the law of its use was broken.
    pub fn input(&mut self, input: Input<'_>) -> usize {
        self.now = Time::from_nanos(self.now.as_nanos() + 1_000);
        self.node.handle_input(self.now, input).expect("a lawful input");
        self.drain()
    }

    /// Lets a minute of time-outs pass, and again, until every queued update has been sent as often as
    /// rounds of gossip do. Its last copies ride on answers to pings, so some are sent.
    pub fn hush(&mut self) {
        loop {
            let until = self.now + std::time::Duration::from_secs(60);
            while let Some(due) = self.node.poll_timeout().filter(|due| *due <= until) {
                self.now = due.max(self.now);
                self.node.handle_input(self.now, Input::Timeout).expect("a lawful input");
                self.drain();
            }
            self.now = until;
            let queued = self.node.stats().member_queue;
            for seq in 0..queued {
                self.datagram(1, &ping(1, seq as u32));
            }
            if queued == 0 {
                return;
            }
        }
    }

    fn drain(&mut self) -> usize {
        let mut sent = 0;
        while let Some(output) = self.node.poll_output() {
            if let Output::Datagram { payload, .. } = output {
                sent += payload.len();
            }
        }
        sent
    }
}
