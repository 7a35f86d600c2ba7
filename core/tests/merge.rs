//! What a node makes of claims about others: the complete table of gossip-wire, section 7.4, and
//! the laws behind it.

use std::net::SocketAddr;
use std::time::Duration;

use quickcheck::{Arbitrary, Gen};
use quickcheck_macros::quickcheck;
use tidings_core::wire::message::{Alive, Dead, Suspect};
use tidings_core::{Config, Event, Incarnation, Input, MemberEventKind, Node, Output, State, Time, Versions};

const NAME: &str = "x";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    Alive(Incarnation),
    /// As `Alive`, with other tags.
    Changed(Incarnation),
    Suspect(Incarnation),
    Dead(Incarnation),
    /// Dead, said by itself.
    Left(Incarnation),
}

use Claim::{Alive as A, Changed as C, Dead as D, Left as L, Suspect as S};

impl Claim {
    fn encode(self, accuser: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let alive = |incarnation, meta: &'static [u8]| Alive {
            node: NAME,
            addr: [10, 0, 0, 9].into(),
            port: 7946,
            meta,
            incarnation,
            versions: Some(Versions::ours(5)),
        };
        match self {
            A(incarnation) => alive(incarnation, b"\xff\x80").encode(&mut out),
            C(incarnation) => alive(incarnation, b"\xff\x81\xa1k\xa1v").encode(&mut out),
            S(incarnation) => Suspect { node: NAME, from: accuser, incarnation }.encode(&mut out),
            D(incarnation) => Dead { node: NAME, from: accuser, incarnation }.encode(&mut out),
            L(incarnation) => Dead { node: NAME, from: NAME, incarnation }.encode(&mut out),
        }
        out
    }
}

impl Arbitrary for Claim {
    fn arbitrary(g: &mut Gen) -> Self {
        let incarnation = u32::arbitrary(g) % 6;
        let kinds = [A, C, S, D, L];
        g.choose(&kinds).expect("there are some")(incarnation)
    }
}

/// A node that hears claims, and time that stands still.
struct Listener {
    node: Node,
    events: Vec<MemberEventKind>,
}

impl Listener {
    fn new() -> Self {
        let addr = "10.0.0.1:7946".parse().unwrap();
        let mut listener = Listener {
            node: Node::new(Config::lan("me", addr), [7; 32], Time::ZERO).unwrap(),
            events: vec![],
        };
        listener.drain();
        listener.events.clear();
        listener
    }

    fn after(claims: &[Claim]) -> Self {
        let mut listener = Listener::new();
        claims.iter().for_each(|claim| listener.hear(*claim, "accuser"));
        listener.events.clear();
        listener
    }

    fn hear(&mut self, claim: Claim, accuser: &str) {
        let from: SocketAddr = "10.0.0.2:7946".parse().unwrap();
        let payload = &claim.encode(accuser)[..];
        self.node.handle_input(Time::ZERO, Input::Datagram { from, payload }).unwrap();
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.node.poll_output() {
            if let Output::Event(Event::Members(event)) = output {
                self.events.push(event.kind);
            }
        }
    }

    fn held(&self) -> Option<(State, Incarnation)> {
        self.node.view().all().iter().find(|m| m.name() == NAME).map(|m| (m.state(), m.incarnation()))
    }
}

#[test]
fn every_claim_about_every_state_has_its_outcome() {
    use MemberEventKind::{Failed, Join, Update};
    let unknown: &[Claim] = &[];
    let (alive, suspect, dead, left) = (&[A(3)][..], &[A(3), S(3)][..], &[A(3), D(3)][..], &[A(3), L(3)][..]);
    // (held, heard, what is held then, what the application is told)
    type Row<'a> = (&'a [Claim], Claim, Option<(State, Incarnation)>, &'a [MemberEventKind]);
    let table: &[Row<'_>] = &[
        (unknown, A(1), Some((State::Alive, 1)), &[Join]),
        (unknown, A(0), None, &[]),
        (unknown, S(1), None, &[]),
        (unknown, D(1), None, &[]),
        (unknown, L(1), None, &[]),
        (alive, A(4), Some((State::Alive, 4)), &[]),
        (alive, C(4), Some((State::Alive, 4)), &[Update]),
        (alive, C(3), Some((State::Alive, 3)), &[]),
        (alive, A(2), Some((State::Alive, 3)), &[]),
        (alive, S(3), Some((State::Suspect, 3)), &[]),
        (alive, S(5), Some((State::Suspect, 5)), &[]),
        (alive, S(2), Some((State::Alive, 3)), &[]),
        (alive, D(3), Some((State::Dead, 3)), &[Failed]),
        (alive, D(5), Some((State::Dead, 5)), &[Failed]),
        (alive, D(2), Some((State::Alive, 3)), &[]),
        // Without an intent before it, the Serf layer takes a good-bye for a failure (serf-wire 5.1).
        (alive, L(3), Some((State::Left, 3)), &[Failed]),
        (alive, L(2), Some((State::Alive, 3)), &[]),
        (suspect, A(4), Some((State::Alive, 4)), &[]),
        (suspect, C(4), Some((State::Alive, 4)), &[Update]),
        (suspect, A(3), Some((State::Suspect, 3)), &[]),
        (suspect, S(3), Some((State::Suspect, 3)), &[]),
        (suspect, S(2), Some((State::Suspect, 3)), &[]),
        (suspect, D(3), Some((State::Dead, 3)), &[Failed]),
        (suspect, D(2), Some((State::Suspect, 3)), &[]),
        (suspect, L(3), Some((State::Left, 3)), &[Failed]),
        (dead, A(4), Some((State::Alive, 4)), &[Join]),
        (dead, A(3), Some((State::Dead, 3)), &[]),
        (dead, S(9), Some((State::Dead, 3)), &[]),
        (dead, D(9), Some((State::Dead, 3)), &[]),
        (dead, L(9), Some((State::Dead, 3)), &[]),
        (left, A(4), Some((State::Alive, 4)), &[Join]),
        (left, A(3), Some((State::Left, 3)), &[]),
        (left, S(9), Some((State::Left, 3)), &[]),
        (left, D(9), Some((State::Left, 3)), &[]),
        (left, L(9), Some((State::Left, 3)), &[]),
    ];
    for (held, heard, then, told) in table {
        let mut listener = Listener::after(held);
        listener.hear(*heard, "another");
        assert_eq!((listener.held(), &listener.events[..]), (*then, *told), "{held:?}, then {heard:?}");
    }
}

#[quickcheck]
fn a_claim_heard_twice_counts_once(before: Vec<Claim>, claim: Claim) -> bool {
    let mut listener = Listener::after(&before);
    listener.hear(claim, "accuser");
    let (held, told) = (listener.held(), listener.events.len());
    listener.hear(claim, "accuser");
    (listener.held(), listener.events.len()) == (held, told)
}

#[quickcheck]
fn no_claim_lowers_an_incarnation(claims: Vec<Claim>) -> bool {
    let mut listener = Listener::new();
    let mut highest = 0;
    claims.into_iter().all(|claim| {
        listener.hear(claim, "accuser");
        let held = listener.held().map_or(0, |(_, incarnation)| incarnation);
        let kept = held >= highest;
        highest = held;
        kept
    })
}

/// Assertions of life commute, and a suspicion among them: the highest incarnation wins, and at one
/// incarnation the suspicion.
#[quickcheck]
fn assertions_and_a_suspicion_may_come_in_any_order(alive: Vec<u32>, suspect: u32, at: usize) -> bool {
    let alive: Vec<u32> = alive.into_iter().map(|incarnation| 1 + incarnation % 5).collect();
    let suspect = 1 + suspect % 5;
    let mut listener = Listener::after(&[A(1)]);
    let at = at % (alive.len() + 1);
    for (i, incarnation) in alive.iter().enumerate() {
        if i == at {
            listener.hear(S(suspect), "accuser");
        }
        listener.hear(A(*incarnation), "");
    }
    if at == alive.len() {
        listener.hear(S(suspect), "accuser");
    }
    let highest = alive.iter().copied().max().unwrap_or(1).max(1);
    let expected = if suspect >= highest { (State::Suspect, suspect) } else { (State::Alive, highest) };
    listener.held() == Some(expected)
}

#[test]
fn a_suspicion_ends_in_death_unless_it_is_refuted() {
    for refuted in [false, true] {
        let mut listener = Listener::after(&[A(3), S(3)]);
        if refuted {
            listener.hear(A(4), "");
        }
        // Two members: the suspicion lasts 4 s. A probe of the silent member fails after 1 s at the
        // earliest, and what it starts lasts as long again.
        let end = Time::ZERO + Duration::from_millis(4_500);
        while let Some(at) = listener.node.poll_timeout().filter(|at| *at <= end) {
            listener.node.handle_input(at, Input::Timeout).unwrap();
            listener.drain();
        }
        let dead = listener.events.contains(&MemberEventKind::Failed);
        assert_eq!(dead, !refuted);
    }
}
