//! What whoever drives a node owes its user, on real sockets, whatever it stands on.
//!
//! A test file implements [`Peer`] for its driver and calls [`conformance!`].
#![allow(dead_code, reason = "the macro uses all of it, a driver of its own only a part")]

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidings_core::registry::RegistryView;
use tidings_core::registry::check::{CheckSpec, Health, Probe};
use tidings_core::registry::command::RegistryCommand;
use tidings_core::registry::service::Service;
use tidings_core::{
    AnswerKind, Command, CommandError, Config, Event, Member, MemberEventKind, QueryParams, Reply, Status,
    View,
};

/// Long enough for any machine; nothing waits for it unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A node that runs, as a thread that may wait sees it.
pub(crate) trait Peer: Sized {
    /// Starts a node. At most `events_max` of its events wait to be read.
    fn start(config: Config, events_max: usize) -> Self;
    /// Where it listens.
    fn addr(&self) -> SocketAddr;
    /// Asks it for something and waits for the answer.
    fn command(&self, command: Command) -> Result<Reply, CommandError>;
    /// The members as they are now.
    fn view(&self) -> View;
    /// What the registry knows now.
    fn registry(&self) -> RegistryView;
    /// Waits for the next event, at most [`PATIENCE`].
    fn next(&mut self) -> News;
    /// Stops it at once, without a word to the others. Its sockets are closed on return.
    fn stop(self);
}

/// What a subscriber reads.
#[derive(Debug)]
pub(crate) enum News {
    Event(Arc<Event>),
    /// This many events came too fast.
    Missed(u64),
}

fn config(name: &str) -> Config {
    let mut config = Config::local(name, "127.0.0.1:0".parse().unwrap());
    config.leave.propagate_delay = Duration::from_millis(100);
    config
}

fn peer<P: Peer>(name: &str) -> P {
    P::start(config(name), 1024)
}

fn join<P: Peer>(peer: &P, to: &P) {
    let command = Command::Join { addresses: vec![to.addr().to_string()], replay: false };
    assert_eq!(peer.command(command), Ok(Reply::Joined { contacted: 1, failures: Vec::new() }));
}

/// Two nodes that know each other.
fn pair<P: Peer>() -> (P, P) {
    let (a, b) = (peer::<P>("a"), peer::<P>("b"));
    join(&b, &a);
    (a, b)
}

/// Reads events until one is what `wanted` looks for.
fn until<P: Peer, T>(peer: &mut P, wanted: impl Fn(&Event) -> Option<T>) -> T {
    loop {
        match peer.next() {
            News::Event(event) => {
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
            other => panic!("unexpected {other:?}"),
        }
    }
}

fn until_member<P: Peer>(peer: &mut P, kind: MemberEventKind, name: &str) {
    until(peer, |event| match event {
        Event::Members(event) if event.kind == kind => {
            event.members.iter().any(|member| member.name() == name).then_some(())
        }
        _ => None,
    });
}

fn status<P: Peer>(peer: &P, name: &str) -> Option<Status> {
    peer.view().get(name).map(Member::status)
}

/// Looks again until it is so.
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "it never happened: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn a_newcomer_is_known_to_both_sides<P: Peer>() {
    let (mut a, b) = pair::<P>();
    assert_eq!(status(&b, "a"), Some(Status::Alive));
    until_member(&mut a, MemberEventKind::Join, "b");
    // Who hears of a change finds it in the view.
    assert_eq!(status(&a, "b"), Some(Status::Alive));
}

pub(crate) fn a_join_through_a_name_looks_it_up<P: Peer>() {
    let (a, b) = (peer::<P>("a"), peer::<P>("b"));
    let addresses = vec![format!("localhost:{}", a.addr().port())];
    let reply = b.command(Command::Join { addresses, replay: false });
    assert!(matches!(reply, Ok(Reply::Joined { contacted: 1.., .. })), "{reply:?}");
}

pub(crate) fn a_join_nobody_answers_fails<P: Peer>() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let command = Command::Join { addresses: vec![free.to_string()], replay: false };
    let error = peer::<P>("a").command(command).unwrap_err();
    assert!(matches!(error, CommandError::Join(_)), "{error:?}");
    assert!(error.to_string().to_lowercase().contains("connection refused"), "{error}");
}

pub(crate) fn who_is_gone_is_found_to_have_failed<P: Peer>() {
    let (mut a, b) = pair::<P>();
    b.stop();
    until_member(&mut a, MemberEventKind::Failed, "b");
    assert_eq!(status(&a, "b"), Some(Status::Failed));
    assert_eq!(a.command(Command::ForceLeave { node: "b".into(), prune: false }), Ok(Reply::Done));
    until_member(&mut a, MemberEventKind::Leave, "b");
}

pub(crate) fn who_leaves_is_known_to_have_left<P: Peer>() {
    let (mut a, b) = pair::<P>();
    until_member(&mut a, MemberEventKind::Join, "b");
    assert_eq!(b.command(Command::Leave), Ok(Reply::Done));
    until_member(&mut a, MemberEventKind::Leave, "b");
    assert_eq!(status(&a, "b"), Some(Status::Left));
}

pub(crate) fn an_event_reaches_the_other_and_its_sender<P: Peer>() {
    let (mut a, mut b) = pair::<P>();
    let payload = Bytes::from_static(b"v2");
    let command = Command::UserEvent { name: "deploy".into(), payload: payload.clone(), coalesce: false };
    assert_eq!(b.command(command), Ok(Reply::Done));
    for peer in [&mut a, &mut b] {
        let event = until(peer, |event| match event {
            Event::User(event) => Some(event.clone()),
            _ => None,
        });
        assert_eq!((&*event.name, &event.payload), ("deploy", &payload));
    }
}

pub(crate) fn a_query_collects_what_is_answered<P: Peer>() {
    let (mut a, mut b) = pair::<P>();
    let params = QueryParams {
        name: "uptime".into(),
        payload: Bytes::from_static(b"?"),
        nodes: Vec::new(),
        tags: Vec::new(),
        ack: true,
        relay_factor: 0,
        // All answers are awaited; what does not come in time fails below.
        timeout: Duration::from_secs(3),
    };
    let started = a.command(Command::Query(Box::new(params)));
    assert!(matches!(started, Ok(Reply::QueryStarted { .. })), "{started:?}");
    let query = until(&mut b, |event| match event {
        Event::Query(query) => Some(query.clone()),
        _ => None,
    });
    assert_eq!((&*query.name, &*query.payload), ("uptime", &b"?"[..]));
    let payload = Bytes::from_static(b"4 days");
    assert_eq!(b.command(Command::Respond { id: query.id, payload: payload.clone() }), Ok(Reply::Done));
    let mut answers = Vec::new();
    loop {
        let kind = until(&mut a, |event| match event {
            Event::Answer(answer) => Some(answer.kind.clone()),
            _ => None,
        });
        match kind {
            AnswerKind::Ack { from } => answers.push(format!("{from} has it")),
            AnswerKind::Response { from, payload } => answers.push(format!("{from} says {payload:?}")),
            AnswerKind::Done { .. } => break,
        }
    }
    answers.sort();
    assert_eq!(answers, ["a has it", "b has it", "b says b\"4 days\""]);
}

pub(crate) fn what_is_registered_is_known_to_the_other<P: Peer>() {
    let start = |name: &str| {
        let mut config = config(name);
        config.registry.enabled = true;
        config.registry.generation = 1;
        P::start(config, 1024)
    };
    let (a, b) = (start("a"), start("b"));
    join(&b, &a);
    let check = CheckSpec {
        id: "c".into(),
        name: "c".into(),
        notes: "".into(),
        service_id: "".into(),
        status: Some(Health::Passing),
        probe: Probe::Ttl(Duration::from_millis(300)),
        success_before_passing: 0,
        failures_before_critical: 0,
        deregister_after: Duration::ZERO,
        output_max: 4096,
    };
    let command = RegistryCommand::Register {
        id: "web-1".into(),
        service: Service { name: "web".into(), port: 80, ..Service::default() },
        checks: vec![check],
        replace_checks: false,
    };
    assert_eq!(b.command(Command::Registry(Box::new(command))), Ok(Reply::Done));
    let health_at = |peer: &P| {
        let registry = peer.registry();
        let checks =
            registry.records().iter().filter_map(|record| Some(record.check()?.status)).collect::<Vec<_>>();
        checks.first().copied()
    };
    eventually("the other knows it", || health_at(&a).is_some());
    // Nobody refreshes it: its time is over, and everybody knows.
    eventually("it has expired", || health_at(&a) == Some(Health::Critical));
    let gone = RegistryCommand::Deregister("web-1".into());
    assert_eq!(b.command(Command::Registry(Box::new(gone))), Ok(Reply::Done));
    eventually("it is gone", || health_at(&a).is_none());
}

pub(crate) fn a_slow_subscriber_misses_the_oldest_and_stops_nobody<P: Peer>() {
    let mut slow = P::start(config("a"), 4);
    for n in 0..100 {
        let command = Command::UserEvent { name: n.to_string(), payload: Bytes::new(), coalesce: false };
        assert_eq!(slow.command(command), Ok(Reply::Done));
    }
    let News::Missed(missed) = slow.next() else { panic!("100 events had room for 4") };
    let mut read = Vec::new();
    while read.last().is_none_or(|last| last != "99") {
        match slow.next() {
            News::Event(event) => read.extend(match &*event {
                Event::User(event) => Some(event.name.to_string()),
                _ => None,
            }),
            other => panic!("unexpected {other:?}"),
        }
    }
    assert!(missed >= 90 && (1..=8).contains(&read.len()), "{missed} missed, {read:?} read");
}

pub(crate) fn after_a_stop_the_port_is_free<P: Peer>() {
    let peer = peer::<P>("a");
    let addr = peer.addr();
    peer.stop();
    TcpListener::bind(addr).unwrap();
    UdpSocket::bind(addr).unwrap();
}

/// A test of each for a driver.
macro_rules! conformance {
    ($peer:ty) => {
        conformance!(
            $peer:
            a_newcomer_is_known_to_both_sides,
            a_join_through_a_name_looks_it_up,
            a_join_nobody_answers_fails,
            who_is_gone_is_found_to_have_failed,
            who_leaves_is_known_to_have_left,
            an_event_reaches_the_other_and_its_sender,
            a_query_collects_what_is_answered,
            what_is_registered_is_known_to_the_other,
            a_slow_subscriber_misses_the_oldest_and_stops_nobody,
            after_a_stop_the_port_is_free,
        );
    };
    ($peer:ty: $($test:ident),* $(,)?) => {
        $(
            #[test]
            fn $test() {
                $crate::conformance::$test::<$peer>();
            }
        )*
    };
}
