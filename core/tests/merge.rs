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
    /// As `Alive`, at another address.
    Elsewhere(Incarnation),
}

use Claim::{Alive as A, Changed as C, Dead as D, Elsewhere as E, Left as L, Suspect as S};

impl Claim {
    fn encode(self, accuser: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let host = if matches!(self, E(_)) { 10 } else { 9 };
        let alive = |incarnation, meta: &'static [u8]| Alive {
            node: NAME,
            addr: [10, 0, 0, host].into(),
            port: 7946,
            meta,
            incarnation,
            versions: Some(Versions::ours(5)),
        };
        match self {
            A(incarnation) | E(incarnation) => alive(incarnation, b"\xff\x80").encode(&mut out),
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

/// A node that hears claims, and time that stands still unless it sleeps.
struct Listener {
    node: Node,
    now: Time,
    events: Vec<MemberEventKind>,
}

impl Listener {
    fn new() -> Self {
        let addr = "10.0.0.1:7946".parse().unwrap();
        let mut listener = Listener {
            node: Node::new(Config::lan("me", addr), [7; 32], Time::ZERO).unwrap(),
            now: Time::ZERO,
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
        self.node.handle_input(self.now, Input::Datagram { from, payload }).unwrap();
        self.drain();
    }

    fn sleep(&mut self, time: Duration) {
        self.now += time;
        while let Some(at) = self.node.poll_timeout().filter(|at| *at <= self.now) {
            self.node.handle_input(at, Input::Timeout).unwrap();
            self.drain();
        }
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

/// Whoever left may come back at another address and count anew; what was said before does not.
#[test]
fn a_name_is_taken_over_once_by_a_low_incarnation() {
    let table: &[(&[Claim], (State, Incarnation))] = &[
        (&[A(3), E(9)], (State::Alive, 3)),
        (&[A(3), D(3), E(9)], (State::Dead, 3)),
        (&[A(3), L(3), E(1)], (State::Alive, 1)),
        (&[A(3), L(3), E(3)], (State::Alive, 3)),
        (&[A(3), L(3), E(1), A(3)], (State::Alive, 1)),
        (&[A(3), L(3), E(1), L(3), A(2)], (State::Left, 3)),
        (&[A(3), L(3), E(1), L(3), A(3)], (State::Left, 3)),
        (&[A(3), L(3), E(1), L(3), E(1)], (State::Left, 3)),
        (&[A(3), L(3), E(1), L(3), E(4)], (State::Alive, 4)),
        (&[A(3), L(3), E(1), L(3), A(4)], (State::Alive, 4)),
        (&[A(3), L(3), E(4), L(4), A(1)], (State::Alive, 1)),
    ];
    for (claims, then) in table {
        assert_eq!(Listener::after(claims).held(), Some(*then), "{claims:?}");
    }
    let mut listener = Listener::after(&[A(3), L(3), E(1), L(3)]);
    listener.sleep(Duration::from_secs(29));
    listener.hear(A(3), "");
    assert_eq!(listener.held(), Some((State::Left, 3)), "what was said before may still be under way");
    listener.sleep(Duration::from_secs(2));
    listener.hear(A(2), "");
    assert_eq!(listener.held(), Some((State::Alive, 2)));
}

/// Claims about somebody who is claimed at two addresses.
#[derive(Clone, Debug)]
struct Restless(Vec<Claim>);

impl Arbitrary for Restless {
    fn arbitrary(g: &mut Gen) -> Self {
        let claim = |g: &mut Gen| {
            let incarnation = 1 + u32::arbitrary(g) % 3;
            g.choose(&[A, S, D, L, L, E]).expect("there are some")(incarnation)
        };
        Restless((0..g.size().min(12)).map(|_| claim(g)).collect())
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        let without = |left_out: usize| {
            let kept = self.0.iter().enumerate().filter(move |(at, _)| *at != left_out);
            Restless(kept.map(|(_, claim)| *claim).collect())
        };
        Box::new((0..self.0.len()).map(without).collect::<Vec<_>>().into_iter())
    }
}

/// However often the same news come again, they come to an end: else a cluster would tell them for
/// ever. Three incarnations, each alive, suspect and gone, before a takeover and after it.
#[quickcheck]
fn news_that_come_again_and_again_come_to_an_end(Restless(claims): Restless) -> bool {
    let mut listener = Listener::new();
    for _ in 0..2 * 3 * 3 {
        claims.iter().for_each(|claim| listener.hear(*claim, "accuser"));
    }
    listener.events.clear();
    let held = listener.held();
    claims.iter().for_each(|claim| listener.hear(*claim, "accuser"));
    listener.events.is_empty() && listener.held() == held
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
        listener.sleep(Duration::from_millis(4_500));
        let dead = listener.events.contains(&MemberEventKind::Failed);
        assert_eq!(dead, !refuted);
    }
}
