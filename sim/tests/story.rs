//! Stories as the users of the crate tell them.

use std::time::Duration;

use tidings_core::{Command, Event, MemberEventKind, Node, QueryParams, State, Status, Time, Token};
use tidings_sim::{
    Cluster, LinkPick, Pick, Return, Rider, RiderInput, RiderOutput, Shape, Task, Trouble, Work,
};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn a_warm_cluster_is_converged_and_stays_so() {
    let mut cluster = Cluster::lan(50).seed(3).start();
    cluster.assert(|c| c.converged());
    cluster.run(secs(60)).assert(|c| c.converged());
    assert!(cluster.hosts().iter().all(|host| host.events().is_empty()), "nothing is news");
}

#[test]
fn a_cold_cluster_comes_together() {
    let mut cluster = Cluster::lan(20).alone().start();
    cluster.join_all(0);
    let took = cluster.eventually(secs(20), |c| c.converged());
    assert!(took < secs(10), "{took:?}");
    assert_eq!(cluster.heard(5, MemberEventKind::Join, 7).len(), 1);
}

#[test]
fn a_crash_is_noticed_and_a_restart_undoes_it() {
    let mut cluster = Cluster::lan(10).seed(5).start();
    cluster.run(secs(2)).crash(3);
    cluster.eventually(secs(40), |c| c.all_hold(3, Some(Status::Failed)));
    assert_eq!(cluster.heard(0, MemberEventKind::Failed, 3).len(), 1);
    cluster.restart(3);
    cluster.eventually(secs(30), |c| c.converged());
}

#[test]
fn both_sides_of_a_partition_find_each_other_again() {
    let mut cluster = Cluster::lan(8).seed(2).start();
    cluster.partition(&[0, 1, 2]).run(secs(60));
    cluster.assert(|c| c.status(0, 5) == Some(Status::Failed) && c.status(5, 0) == Some(Status::Failed));
    cluster.heal();
    cluster.eventually(secs(300), |c| c.converged());
}

#[test]
fn a_frozen_host_is_missed_and_comes_back_by_itself() {
    let mut cluster = Cluster::lan(10).seed(4).start();
    cluster.freeze(7);
    cluster.eventually(secs(60), |c| c.status(0, 7) == Some(Status::Failed));
    cluster.thaw(7);
    cluster.eventually(secs(120), |c| c.converged());
}

#[test]
fn a_host_whose_io_is_blocked_is_missed_and_accuses_nobody_for_what_it_could_not_send() {
    let mut cluster = Cluster::lan(10).seed(4).start();
    cluster.block_io(7);
    cluster.eventually(secs(60), |c| c.status(0, 7) == Some(Status::Failed));
    let doubted = |c: &Cluster| (0..10).filter(|of| c_doubts(c, 7, *of)).count();
    assert_eq!(doubted(&cluster), 0, "its probe waits with it");
    cluster.thaw(7);
    assert_eq!(doubted(&cluster), 1, "the probe that was under way has failed, and only that one");
    cluster.eventually(secs(120), |c| c.converged());
}

#[test]
fn suspicions_of_a_host_whose_io_is_blocked_run_out() {
    let mut cluster = Cluster::lan(10).seed(4).start();
    cluster.crash(3);
    cluster.eventually(secs(30), |c| c.state(7, 3) == Some(State::Suspect));
    cluster.block_io(7);
    // Nobody's confirmation reaches it: 24 s, the upper bound.
    let took = cluster.eventually(secs(30), |c| c.status(7, 3) == Some(Status::Failed));
    assert!(took > secs(3), "{took:?}");
    assert_eq!(cluster.heard(7, MemberEventKind::Failed, 3).len(), 1);
}

fn c_doubts(cluster: &Cluster, at: usize, of: usize) -> bool {
    matches!(cluster.state(at, of), Some(State::Suspect | State::Dead | State::Forgotten))
}

#[test]
fn a_little_loss_kills_nobody() {
    let mut cluster = Cluster::lan(16).seed(9).start();
    cluster.loss(0.05).run(secs(120));
    let failures = (0..16).map(|of| cluster.heard(0, MemberEventKind::Failed, of).len()).sum::<usize>();
    assert_eq!(failures, 0);
}

#[test]
fn a_clock_that_is_fast_or_jumps_does_no_harm() {
    let mut cluster = Cluster::lan(6).seed(9).start();
    cluster.trouble(secs(60), Trouble::ClockDrift { members: Pick::These(vec![1]), ppm: 50_000 });
    cluster.trouble(secs(60), Trouble::CoarseTimers { members: Pick::These(vec![2]), grain: ms(16) });
    cluster.trouble(secs(60), Trouble::ClockJump { members: Pick::These(vec![3]), by: secs(3600) });
    cluster.run(secs(90)).eventually(secs(60), |c| c.converged());
}

#[test]
fn restarts_with_state_and_without_and_elsewhere_all_come_back() {
    for comes_back in [Return::WithState, Return::Afresh, Return::OldState, Return::NewName] {
        let mut cluster = Cluster::lan(8).seed(6).configure(|_, config| config.snapshot = true).start();
        cluster.run(secs(1)).crash_for(2, secs(20), comes_back);
        cluster.run(secs(25)).eventually(secs(60), |c| c.converged());
        assert_eq!(cluster.host(2).life(), 1, "{comes_back:?}");
    }
}

#[test]
fn a_host_with_a_new_address_is_taken_once_its_name_may_be_reclaimed() {
    let reclaim = |_, config: &mut tidings_core::Config| config.members.dead_reclaim = secs(10);
    let mut cluster = Cluster::lan(8).seed(6).configure(reclaim).start();
    cluster.crash_for(2, secs(60), Return::NewAddress);
    cluster.run(secs(61)).eventually(secs(120), |c| c.converged());
}

#[test]
fn every_trouble_ends_in_peace() {
    let one = || Pick::Random(1);
    let all = LinkPick::default;
    let troubles = vec![
        Trouble::Loss { rate: 0.3, links: all() },
        Trouble::Burst { enter: 0.05, leave: 0.2, rate: 0.9, links: all() },
        Trouble::Duplicate { rate: 0.5, later: ms(50), links: all() },
        Trouble::Reorder { rate: 0.5, later: ms(50), links: all() },
        Trouble::Replay { rate: 0.2, after: secs(1), until: secs(20), links: all() },
        Trouble::Corrupt { rate: 0.1, links: all() },
        Trouble::Truncate { rate: 0.1, links: all() },
        Trouble::DropType { message: "ping".into(), links: all() },
        Trouble::DropNth { nth: 3, links: all() },
        Trouble::Delay { min: ms(50), mean: ms(100), links: all() },
        Trouble::Rate { bytes_per_second: 2000, queue_bytes: 2000, links: all() },
        Trouble::Mtu { bytes: 576, links: all() },
        Trouble::Block { datagrams: true, streams: false, links: all() },
        Trouble::Block { datagrams: false, streams: true, links: all() },
        Trouble::Clog { links: LinkPick { from: one(), ..all() } },
        Trouble::SwizzleClog { members: Pick::Share(0.5), over: secs(10) },
        Trouble::ResetStreams { members: Pick::All },
        Trouble::Partition { shape: Shape::UniformSize },
        Trouble::Partition { shape: Shape::Bridge },
        Trouble::Partition { shape: Shape::Ring },
        Trouble::Flap { shape: Shape::Halves, every: secs(3) },
        Trouble::Crash { members: Pick::Share(0.3), comes_back: Return::Afresh, rolling: false },
        Trouble::Crash { members: Pick::All, comes_back: Return::Afresh, rolling: true },
        Trouble::PowerLoss { members: one(), comes_back: Return::WithState },
        Trouble::Pauses { members: one(), on: secs(2), off: ms(500) },
        Trouble::SlowCpu { members: one(), service: ms(20) },
        Trouble::Suspend { members: one() },
        Trouble::FullDisk { members: one() },
    ];
    for trouble in troubles {
        println!("{trouble:?}");
        let mut cluster = Cluster::lan(8).seed(11).configure(|_, config| config.snapshot = true).start();
        cluster.trouble(secs(30), trouble).run(secs(31));
        cluster.end_faults();
        cluster.eventually(secs(400), |c| c.converged());
        assert!(cluster.net().is_calm());
    }
}

#[test]
fn work_is_done_and_heard() {
    let mut cluster = Cluster::lan(6).seed(1).start();
    let what = Task::Event { members: Pick::Random(1), name: "tick".into(), bytes: 100 };
    cluster.work(Work { at: secs(1), every: Some(secs(1)), times: 5, stream: None, what });
    let what = Task::Tags { members: Pick::These(vec![2]), key: "turn".into() };
    cluster.work(Work { at: secs(2), every: None, times: 1, stream: None, what });
    let what = Task::Leave { members: Pick::These(vec![5]) };
    cluster.work(Work { at: secs(3), every: None, times: 1, stream: None, what });
    cluster.run(secs(30));
    assert!((0..5).all(|host| cluster.user_events(host, "tick").len() == 5));
    assert!((0..5).all(|host| cluster.member(host, 2).unwrap().tags().get("turn").is_some()));
    assert!(cluster.all_hold(5, Some(Status::Left)));
    assert!(cluster.host(5).node().is_none());
}

#[test]
fn everybody_answers_a_query() {
    let mut cluster = Cluster::lan(6).seed(1).start();
    cluster.query(0, QueryParams { name: "who".into(), ack: true, ..QueryParams::default() });
    cluster.run(secs(10));
    let answers = cluster.host(0).events().iter().filter(|(_, event)| {
        matches!(event, Event::Answer(a) if matches!(a.kind, tidings_core::AnswerKind::Response { .. }))
    });
    assert_eq!(answers.count(), 6);
}

#[test]
#[should_panic(expected = "no more than two suspects")]
fn an_invariant_of_ones_own_is_checked_at_every_event() {
    let mut cluster = Cluster::lan(8).seed(1).start();
    cluster.invariant("no more than two suspects", |c| {
        let suspects = (1..8).filter(|of| c.state(0, *of) == Some(State::Suspect)).count();
        (suspects > 2).then(|| format!("{suspects} suspects at once"))
    });
    cluster.partition(&[0]).run(secs(60));
}

/// Passes a token from host to host by name, as long as the one who has it lives: a state machine
/// of an application's own.
#[derive(Default)]
struct Leader {
    leader: Option<String>,
    changes: usize,
    pings: usize,
    out: Vec<RiderOutput>,
    due: Option<Time>,
}

impl Rider for Leader {
    fn handle_input(&mut self, now: Time, node: &Node, input: RiderInput<'_>) {
        match input {
            RiderInput::Started | RiderInput::Timeout => {
                self.due = Some(now + secs(1));
                let view = node.view();
                let alive = view.iter().filter(|member| member.status() == Status::Alive);
                let leader = alive.min_by_key(|member| member.name().to_owned());
                let name = leader.map(|member| member.name().to_owned());
                if self.leader != name {
                    self.leader = name;
                    self.changes += 1;
                    let command = Command::UserEvent {
                        name: "leader".into(),
                        payload: bytes::Bytes::new(),
                        coalesce: false,
                    };
                    self.out.push(RiderOutput::Command { token: Token(1), command });
                }
                if let Some(leader) = leader {
                    let payload = bytes::Bytes::from_static(b"hail");
                    self.out.push(RiderOutput::Send { to: leader.addr(), payload });
                }
            }
            RiderInput::Message { payload, .. } => {
                assert_eq!(payload, b"hail");
                self.pings += 1;
            }
            RiderInput::Reply { token, result } => {
                assert_eq!(token, Token(1));
                assert!(result.is_ok());
            }
            _ => {}
        }
    }

    fn poll_output(&mut self) -> Option<RiderOutput> {
        self.out.pop()
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.due
    }
}

#[test]
fn an_applications_own_state_machine_rides_on_each_node() {
    let mut cluster = Cluster::lan(5).seed(8).riding(|_| Leader::default()).start();
    cluster.run(secs(5));
    assert!((0..5).all(|host| cluster.host(host).rider().leader.as_deref() == Some("n0")));
    assert!(cluster.host(0).rider().pings >= 20, "its messages travel through the network");
    cluster.crash(0);
    cluster.eventually(secs(60), |c| (1..5).all(|host| c.host(host).rider().leader.as_deref() == Some("n1")));
    assert!((1..5).all(|host| cluster.host(host).rider().changes == 2));
}
