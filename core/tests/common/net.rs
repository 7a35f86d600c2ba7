//! The network between the hosts: latency, loss, partitions, and a tap on every datagram.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use tidings_core::Time;

use super::{Draw, ms};

/// A datagram as the tap saw it leave.
#[derive(Clone, Debug)]
pub struct Packet {
    pub at: Time,
    pub from: usize,
    pub to: SocketAddr,
    pub payload: Bytes,
}

/// The rules of the network. Hosts are named by their number.
#[derive(Debug)]
pub struct Net {
    pub addresses: HashMap<SocketAddr, usize>,
    /// What the resolver knows.
    pub names: HashMap<String, Vec<IpAddr>>,
    /// One way, for links without their own.
    pub latency: Duration,
    /// Added to it, uniform between zero and this.
    pub jitter: Duration,
    /// Share of datagrams lost.
    pub loss: f64,
    links: HashMap<(usize, usize), Duration>,
    blocked: HashSet<(usize, usize)>,
    datagrams_blocked: HashSet<(usize, usize)>,
    /// Hosts in different groups do not hear each other; absent: group 0.
    groups: HashMap<usize, u32>,
    draw: Draw,
    /// Datagrams seen, when `tapped`.
    pub tap: Vec<Packet>,
    pub tapped: bool,
    pub packets: u64,
    pub bytes: u64,
}

impl Net {
    pub fn new(seed: u64) -> Self {
        Net {
            addresses: HashMap::new(),
            names: HashMap::new(),
            latency: ms(1),
            jitter: Duration::ZERO,
            loss: 0.0,
            links: HashMap::new(),
            blocked: HashSet::new(),
            datagrams_blocked: HashSet::new(),
            groups: HashMap::new(),
            draw: Draw::new(seed),
            tap: Vec::new(),
            tapped: false,
            packets: 0,
            bytes: 0,
        }
    }

    /// Sets the one-way latency between two hosts, in both directions.
    pub fn link(&mut self, a: usize, b: usize, latency: Duration) {
        self.links.insert((a, b), latency);
        self.links.insert((b, a), latency);
    }

    /// Nothing gets from `from` to `to` any more; the other direction stays.
    pub fn block(&mut self, from: usize, to: usize) {
        self.blocked.insert((from, to));
    }

    /// No datagram gets from `from` to `to` any more; streams do.
    pub fn block_datagrams(&mut self, from: usize, to: usize) {
        self.datagrams_blocked.insert((from, to));
    }

    /// Splits the network; hosts not named form one more side.
    pub fn partition(&mut self, sides: &[&[usize]]) {
        self.groups.clear();
        for (number, side) in sides.iter().enumerate() {
            for &host in *side {
                self.groups.insert(host, number as u32 + 1);
            }
        }
    }

    /// Ends every partition and block.
    pub fn heal(&mut self) {
        self.groups.clear();
        self.blocked.clear();
        self.datagrams_blocked.clear();
    }

    pub fn passes(&self, from: usize, to: usize) -> bool {
        self.groups.get(&from).unwrap_or(&0) == self.groups.get(&to).unwrap_or(&0)
            && !self.blocked.contains(&(from, to))
    }

    /// Whether this datagram arrives.
    pub fn delivers(&mut self, from: usize, to: usize) -> bool {
        self.passes(from, to)
            && !self.datagrams_blocked.contains(&(from, to))
            && (self.loss <= 0.0 || self.draw.unit() >= self.loss)
    }

    /// How long the next message takes.
    pub fn delay(&mut self, from: usize, to: usize) -> Duration {
        let fixed = *self.links.get(&(from, to)).unwrap_or(&self.latency);
        if self.jitter.is_zero() {
            return fixed;
        }
        fixed + Duration::from_nanos(self.draw.below(self.jitter.as_nanos() as u64))
    }
}
