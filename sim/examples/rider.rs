//! An application's own state machine on each simulated node: who of them leads?
//!
//! The naive one takes the first name it holds alive for the leader. The careful one asks for a
//! lease that most members must grant. An invariant, asked whenever a node has handled something,
//! finds in virtual minutes what the naive one does when the network parts: it leads twice.
//!
//! ```console
//! $ cargo run -p tidings-sim --example rider
//! ```

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tidings_core::{Node, Status, Time};
use tidings_sim::{Cluster, Rider, RiderInput, RiderOutput, Violation};

const MEMBERS: usize = 5;
const TURN: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_secs(4);
/// First bytes of messages; the round follows.
const ASK: u8 = b'?';
const GRANT: u8 = b'!';

/// How a leader is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Whoever holds itself first among the living.
    Naive,
    /// Who is first, and to whom most members grant it for a while.
    Careful,
}

/// One member's part in it, on the node's own clock.
#[derive(Clone, Debug)]
struct Leader {
    rule: Rule,
    /// It leads up to this moment.
    until: Time,
    /// To whom it has granted the lead, and up to when.
    granted: Option<(SocketAddr, Time)>,
    /// Its present request: number, when it was made, who has granted it.
    round: u8,
    asked: Time,
    votes: BTreeSet<SocketAddr>,
    next_turn: Time,
    out: Vec<RiderOutput>,
}

impl Leader {
    fn new(rule: Rule) -> Self {
        Leader {
            rule,
            until: Time::ZERO,
            granted: None,
            round: 0,
            asked: Time::ZERO,
            votes: BTreeSet::new(),
            next_turn: Time::ZERO,
            out: Vec::new(),
        }
    }

    fn leads(&self, now: Time) -> bool {
        now < self.until
    }

    fn turn(&mut self, now: Time, node: &Node) {
        self.next_turn = now + TURN;
        let view = node.view();
        let alive = || view.iter().filter(|member| member.status() == Status::Alive);
        let first = alive().map(|member| member.name()).min();
        if first != Some(view.local_name()) {
            return;
        }
        if self.rule == Rule::Naive {
            self.until = now + 2 * TURN;
            return;
        }
        self.round = self.round.wrapping_add(1);
        self.asked = now;
        self.votes.clear();
        for member in alive().filter(|member| member.name() != view.local_name()) {
            self.say(member.addr(), ASK, self.round);
        }
        let me = node.config().advertise;
        if self.grant(now, me) {
            self.vote(me);
        }
    }

    fn is_asked(&mut self, now: Time, from: SocketAddr, round: u8) {
        if self.grant(now, from) {
            self.say(from, GRANT, round);
        }
    }

    /// Grants the lead to one at a time.
    fn grant(&mut self, now: Time, to: SocketAddr) -> bool {
        let taken = self.granted.is_some_and(|(holder, until)| holder != to && now < until);
        if !taken {
            self.granted = Some((to, now + LEASE));
        }
        !taken
    }

    /// The lease counts from the moment it was asked for, so that no grant ends before it.
    fn vote(&mut self, from: SocketAddr) {
        self.votes.insert(from);
        if self.votes.len() > MEMBERS / 2 {
            self.until = self.asked + LEASE;
        }
    }

    fn say(&mut self, to: SocketAddr, what: u8, round: u8) {
        self.out.push(RiderOutput::Send { to, payload: Bytes::copy_from_slice(&[what, round]) });
    }
}

impl Rider for Leader {
    fn handle_input(&mut self, now: Time, node: &Node, input: RiderInput<'_>) {
        match input {
            RiderInput::Started => {
                // What its last life has granted it does not know.
                self.granted = Some((SocketAddr::from(([0; 4], 0)), now + LEASE));
                self.next_turn = now + TURN;
            }
            RiderInput::Timeout => self.turn(now, node),
            RiderInput::Message { from, payload: &[ASK, round] } => self.is_asked(now, from, round),
            RiderInput::Message { from, payload: &[GRANT, round] } if round == self.round => self.vote(from),
            _ => {}
        }
    }

    fn poll_output(&mut self) -> Option<RiderOutput> {
        self.out.pop()
    }

    fn poll_timeout(&self) -> Option<Time> {
        Some(self.next_turn)
    }
}

fn leaders(cluster: &Cluster<Leader>) -> Vec<&str> {
    let hosts = cluster.living().into_iter().map(|host| cluster.host(host));
    let leading = hosts.filter(|host| host.rider().leads(host.clock().local(cluster.now())));
    leading.map(|host| host.name()).collect()
}

/// The network parts, a leader crashes and comes back, packets are lost.
fn story(rule: Rule, seed: u64) -> Result<(), Violation> {
    let secs = Duration::from_secs;
    let mut cluster = Cluster::lan(MEMBERS).seed(seed).riding(move |_| Leader::new(rule)).start();
    cluster.invariant("one leader", |cluster| {
        let leaders = leaders(cluster);
        (leaders.len() > 1).then(|| format!("{} lead", leaders.join(" and ")))
    });
    cluster.try_run(secs(20))?;
    cluster.assert(|cluster| leaders(cluster) == ["n0"]);
    cluster.partition(&[0, 1]).try_run(secs(60))?;
    cluster.assert(|cluster| leaders(cluster) == ["n2"]);
    cluster.heal().loss(0.2).try_run(secs(120))?;
    cluster.crash(0).try_run(secs(60))?;
    cluster.restart(0).heal().try_run(secs(120))?;
    cluster.assert(|cluster| leaders(cluster) == ["n0"]);
    Ok(())
}

pub(crate) fn main() {
    for seed in 0..10 {
        let found = story(Rule::Naive, seed).expect_err("it leads on both sides");
        println!("naive, seed {seed}: {found}");
        assert_eq!(found.invariant, "one leader");
    }
    tidings_sim::each_seed(0..10, |seed| {
        story(Rule::Careful, seed).unwrap_or_else(|found| panic!("careful, seed {seed}: {found}"));
    });
    println!("careful: no seed finds two leaders");
}
