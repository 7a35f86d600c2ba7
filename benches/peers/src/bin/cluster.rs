//! Whole clusters in virtual time, ours and foca's side by side: as long as nothing happens, and
//! from a crash of 1 % until all others agree on it.
//!
//! `cluster [MEMBERS]... [--quiet SECONDS] [--within SECONDS]`
//!
//! Both start converged. Both networks deliver each datagram after 0.2 to 0.7 ms, both queues of
//! what is to happen are the simulator's, and an event is one datagram or time-out handed to a node.
//! foca's members are bare addresses, the leanest that works; it has no Serf layer, no streams and
//! no coordinates to carry, and its clusters are not watched, hashed or made fail in other ways.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use bytes::Bytes;
use foca::{AccumulatingRuntime, Config, Foca, Member, NoCustomBroadcast, PostcardCodec, Timer};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tidings_sim::bench::Scenario;
use tidings_sim::speed::{Speed, growth, processor_time, resident_bytes};
use tidings_sim::{Queue, address};

/// How often a crash is looked at, to see whether all know of it.
const LOOK: u64 = 200_000_000;
const NANOS: u64 = 1_000_000_000;

type Peer = Foca<SocketAddr, PostcardCodec, SmallRng, NoCustomBroadcast>;

enum What {
    Datagram(u32, Bytes),
    Timer(u32, Timer<SocketAddr>),
}

/// Nodes of foca on a network.
struct Cluster {
    now: u64,
    nodes: Vec<Option<Peer>>,
    queue: Queue<What>,
    draws: SmallRng,
    inputs: u64,
}

impl Cluster {
    fn converged(members: usize) -> Self {
        let size = NonZeroU32::new(members as u32).expect("there are members");
        let mut cluster = Cluster {
            now: 0,
            nodes: Vec::new(),
            queue: Queue::new(),
            draws: SmallRng::seed_from_u64(1),
            inputs: 0,
        };
        for host in 0..members {
            let seed = SmallRng::seed_from_u64(host as u64);
            let mut node = Peer::new(address(host), Config::new_lan(size), seed, PostcardCodec);
            let mut runtime = AccumulatingRuntime::new();
            let others =
                (0..members).filter(|other| *other != host).map(|other| Member::alive(address(other)));
            node.apply_many(others, false, &mut runtime).expect("members are taken");
            cluster.nodes.push(Some(node));
            // Else all would probe at the same moments.
            let phase = cluster.draws.random_range(0..NANOS);
            cluster.perform(host, runtime, phase);
        }
        cluster
    }

    fn perform(&mut self, host: usize, mut runtime: AccumulatingRuntime<SocketAddr>, phase: u64) {
        while runtime.to_notify().is_some() {}
        while let Some((to, payload)) = runtime.to_send() {
            let SocketAddr::V4(to) = to else { continue };
            let to = to.ip().to_bits() - 0x0a00_0001;
            let delay = self.draws.random_range(200_000..700_000);
            self.queue.push(self.now + delay, What::Datagram(to, payload));
        }
        while let Some((after, timer)) = runtime.to_schedule() {
            let at = self.now + phase + after.as_nanos() as u64;
            self.queue.push(at, What::Timer(host as u32, timer));
        }
    }

    fn run_until(&mut self, until: u64) {
        while let Some((at, what)) = self.queue.pop(until) {
            self.now = at;
            let (What::Datagram(host, _) | What::Timer(host, _)) = &what;
            let host = *host as usize;
            let Some(node) = &mut self.nodes[host] else { continue };
            self.inputs += 1;
            let mut runtime = AccumulatingRuntime::new();
            // A refused packet is foca's business; it changes nothing here.
            let _ = match what {
                What::Datagram(_, payload) => node.handle_data(&payload, &mut runtime),
                What::Timer(_, timer) => node.handle_timer(timer, &mut runtime),
            };
            self.perform(host, runtime, 0);
        }
        self.now = until;
    }

    fn all_count(&self, others: usize) -> bool {
        self.nodes.iter().flatten().all(|node| node.num_members() == others)
    }

    fn timed(&mut self, before: Option<u64>, what: impl FnOnce(&mut Self)) -> Speed {
        let (wall, processor, inputs, now) = (Instant::now(), processor_time(), self.inputs, self.now);
        what(self);
        Speed {
            virtual_time: Duration::from_nanos(self.now - now),
            wall_time: wall.elapsed(),
            processor_time: processor_time()
                .zip(processor)
                .map(|(after, before)| after.saturating_sub(before)),
            inputs: self.inputs - inputs,
            members: self.nodes.len(),
            bytes: growth(before),
        }
    }
}

fn foca(scenario: &Scenario) {
    let before = resident_bytes();
    let mut cluster = Cluster::converged(scenario.members);
    let quiet = cluster.timed(before, |cluster| cluster.run_until(scenario.quiet.as_nanos() as u64));
    println!("foca     {:6} quiet  {quiet}", scenario.members);
    let mut agreed = false;
    let crash = cluster.timed(before, |cluster| {
        let until = cluster.now + scenario.within.as_nanos() as u64;
        for nth in 0..scenario.crash {
            cluster.nodes[(2 * nth + 1) * scenario.members / (2 * scenario.crash)] = None;
        }
        while !agreed && cluster.now < until {
            cluster.run_until(cluster.now + LOOK);
            agreed = cluster.all_count(scenario.members - scenario.crash - 1);
        }
    });
    let outcome = if agreed { "" } else { ", and they do not agree" };
    println!("foca     {:6} crash  {crash}{outcome}", scenario.members);
}

fn tidings(scenario: &Scenario) {
    let measured = scenario.measure(1, false);
    println!("Tidings  {:6} quiet  {}", scenario.members, measured.quiet);
    if let Some(crash) = measured.crash {
        let outcome = if measured.agreed { "" } else { ", and they do not agree" };
        println!("Tidings  {:6} crash  {crash}{outcome}", scenario.members);
    }
}

fn main() {
    let (mut sizes, mut quiet, mut within) = (Vec::new(), 10, 120);
    let mut args = std::env::args().skip(1);
    let number = |text: Option<String>| -> u64 {
        text.and_then(|text| text.parse().ok())
            .expect("cluster [MEMBERS]... [--quiet SECONDS] [--within SECONDS]")
    };
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--quiet" => quiet = number(args.next()),
            "--within" => within = number(args.next()),
            _ => sizes.push(number(Some(arg)).max(2) as usize),
        }
    }
    if sizes.is_empty() {
        sizes = vec![100, 1_000, 4_000];
    }
    for members in sizes {
        let (quiet, within) = (Duration::from_secs(quiet), Duration::from_secs(within));
        let scenario = Scenario { name: "beside foca", members, quiet, crash: members.div_ceil(100), within };
        tidings(&scenario);
        foca(&scenario);
    }
}
