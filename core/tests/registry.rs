//! What an agent registers, and how its checks fare, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use tidings_core::registry::catalog::Catalog;
use tidings_core::registry::check::{Action, Check, CheckSpec, Health, Probe};
use tidings_core::registry::command::{Erase, Erased, RegistryCommand, RegistryError, Write};
use tidings_core::registry::encoding::Told;
use tidings_core::registry::node::NodeInfo;
use tidings_core::registry::record::{Key, Kind, Stamp};
use tidings_core::registry::service::Service;
use tidings_core::{
    CheckId, Command, CommandError, Config, Event, Input, Node, Output, Persist, Reply, Restored, Time, Token,
};

const SECOND: Duration = Duration::from_secs(1);

/// A node alone, and what came out of it.
struct Agent {
    node: Node,
    now: Time,
    catalog: Catalog,
    replies: Vec<Result<Reply, CommandError>>,
    probes: Vec<(CheckId, Arc<CheckSpec>)>,
    events: Vec<(Time, Event)>,
    /// Its log of registrations.
    disk: Vec<u8>,
    disk_full: bool,
}

impl Agent {
    fn start() -> Self {
        Self::start_with(None, 7)
    }

    /// An agent that keeps its registrations, after a run that left this log.
    fn start_with(log: Option<&[u8]>, generation: u64) -> Self {
        let mut config = Config::lan("a", "10.0.0.1:7946".parse().unwrap());
        config.registry.enabled = true;
        config.registry.generation = generation;
        config.registry.durable = log.is_some();
        let registrations = log.unwrap_or_default().to_vec().into();
        let restored = Restored { registrations, ..Restored::default() };
        let node = Node::restore(config, [1; 32], Time::ZERO, &restored).unwrap();
        let mut agent = Agent {
            node,
            now: Time::ZERO,
            catalog: Catalog::new(1),
            replies: vec![],
            probes: vec![],
            events: vec![],
            disk: vec![],
            disk_full: false,
        };
        agent.drain();
        agent
    }

    fn drain(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Reply { result, .. } => self.replies.push(result),
                Output::RunCheck { id, spec } => self.probes.push((id, spec)),
                Output::Event(event) => self.events.push((self.now, event)),
                Output::Persist(Persist::Registry { id, bytes, replace }) => {
                    let result = if self.disk_full { Err("no space left on device".into()) } else { Ok(()) };
                    if result.is_ok() && replace {
                        self.disk.clear();
                    }
                    if result.is_ok() {
                        self.disk.extend(&bytes);
                    }
                    self.node.handle_input(self.now, Input::Persisted { id, result }).unwrap();
                }
                _ => {}
            }
        }
        self.catalog.update(&self.node.view(), self.node.registry().records());
    }

    fn ask(&mut self, command: RegistryCommand) -> Result<Reply, CommandError> {
        let command = Command::Registry(Box::new(command));
        self.node.handle_input(self.now, Input::Command { token: Token(1), command }).unwrap();
        self.drain();
        self.replies.pop().expect("an answer at once")
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.node.poll_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.node.handle_input(at, Input::Timeout).unwrap();
            self.drain();
        }
        self.now = end;
    }

    /// Until a probe is asked for.
    fn run_to_probe(&mut self) -> (CheckId, Arc<CheckSpec>) {
        self.probes.clear();
        while self.probes.is_empty() {
            let at = self.node.poll_timeout().expect("a node always has a deadline");
            self.run(at.since(self.now));
        }
        self.probes.remove(0)
    }

    fn register(&mut self, id: &str, checks: Vec<CheckSpec>) {
        let service = Service { name: "web".into(), port: 80, ..Service::default() };
        let command = RegistryCommand::Register { id: id.into(), service, checks, replace_checks: false };
        assert_eq!(self.ask(command), Ok(Reply::Done));
    }

    fn report(&mut self, check: &str, status: Health) -> Result<Reply, CommandError> {
        self.ask(RegistryCommand::Report { check: check.into(), status, output: "said".into() })
    }

    /// How each instance of `web` fares.
    fn web(&self) -> Vec<(String, Health)> {
        self.catalog.service("web").map(|it| (it.shown.id().to_string(), it.health())).collect()
    }

    /// Number of writes so far, as the newest stamp tells.
    fn writes(&self) -> u64 {
        self.node.registry().records().iter().map(|record| record.stamp().version).max().unwrap_or(0)
    }
}

fn check(id: &str, probe: Probe) -> CheckSpec {
    CheckSpec {
        id: id.into(),
        name: id.into(),
        notes: "".into(),
        service_id: "".into(),
        status: None,
        probe,
        success_before_passing: 0,
        failures_before_critical: 0,
        deregister_after: Duration::ZERO,
        output_max: 4096,
    }
}

fn refused(error: RegistryError) -> Result<Reply, CommandError> {
    Err(CommandError::Registry(error))
}

#[test]
fn a_node_without_a_registry_says_so() {
    let mut agent = Agent::start();
    agent.node = Node::new(Config::lan("a", "10.0.0.1:7946".parse().unwrap()), [1; 32], Time::ZERO).unwrap();
    assert_eq!(agent.ask(RegistryCommand::Deregister("x".into())), refused(RegistryError::Off));
    assert!(agent.node.registry().records().is_empty());
}

#[test]
fn what_is_registered_is_seen_at_once_and_goes_with_its_checks() {
    let mut agent = Agent::start();
    agent.register("1", vec![check("c1", Probe::Ttl(10 * SECOND))]);
    agent.register("2", vec![]);
    assert_eq!(agent.web(), [("1".into(), Health::Critical), ("2".into(), Health::Passing)]);
    assert_eq!(agent.report("c1", Health::Passing), Ok(Reply::Done));
    assert_eq!(agent.web()[0].1, Health::Passing);
    assert_eq!(agent.ask(RegistryCommand::Deregister("1".into())), Ok(Reply::Done));
    assert_eq!((agent.web().len(), agent.node.checks().count()), (1, 0));
    assert_eq!(agent.report("c1", Health::Passing), refused(RegistryError::NotTtl("c1".into())));
    assert_eq!(agent.ask(RegistryCommand::Deregister("1".into())), Ok(Reply::Done), "gone already");
    assert!(agent.node.registry().records().iter().all(|record| record.stamp().generation == 7));
}

#[test]
fn saying_the_same_again_writes_nothing() {
    let mut agent = Agent::start();
    agent.register("1", vec![check("c1", Probe::Ttl(10 * SECOND))]);
    agent.report("c1", Health::Passing).unwrap();
    let writes = agent.writes();
    for _ in 0..5 {
        agent.register("1", vec![check("c1", Probe::Ttl(10 * SECOND))]);
        agent.report("c1", Health::Passing).unwrap();
        agent.run(SECOND);
    }
    assert_eq!((agent.writes(), agent.web()[0].1), (writes, Health::Passing));
}

#[test]
fn time_to_live_ends_to_the_nanosecond_and_starts_anew_with_each_report() {
    let mut agent = Agent::start();
    agent.register("1", vec![check("c1", Probe::Ttl(10 * SECOND))]);
    agent.report("c1", Health::Passing).unwrap();
    agent.run(9 * SECOND);
    agent.report("c1", Health::Passing).unwrap();
    agent.run(10 * SECOND - Duration::from_nanos(1));
    assert_eq!(agent.web()[0].1, Health::Passing);
    agent.run(Duration::from_nanos(1));
    assert_eq!(agent.web()[0].1, Health::Critical);
    assert_eq!(&**agent.node.check("c1").unwrap().output, "TTL expired");
}

#[test]
fn an_instance_that_stays_critical_goes_when_its_time_is_over() {
    let mut agent = Agent::start();
    let spec = CheckSpec { deregister_after: 30 * SECOND, ..check("c1", Probe::Ttl(10 * SECOND)) };
    agent.register("1", vec![spec, check("c2", Probe::Ttl(10 * SECOND))]);
    agent.report("c1", Health::Passing).unwrap();
    agent.run(40 * SECOND - Duration::from_nanos(1));
    assert_eq!(agent.web().len(), 1);
    agent.run(Duration::from_nanos(1));
    assert!(agent.web().is_empty());
    let gone = Event::Deregistered { service: "1".into(), check: "c1".into() };
    assert!(agent.events.contains(&(Time::ZERO + 40 * SECOND, gone)));
    assert_eq!(agent.node.checks().count(), 0);
    agent.run(100 * SECOND);
}

#[test]
fn probes_are_asked_for_and_their_results_count() {
    let mut agent = Agent::start();
    let action = Arc::new(Action::Tcp { address: "h:1".into() });
    let probe = Probe::Run { interval: 10 * SECOND, timeout: SECOND, action };
    agent.register("1", vec![check("c1", probe)]);
    let (id, spec) = agent.run_to_probe();
    assert_eq!(&*spec.id, "c1");
    assert!(agent.now < Time::ZERO + 10 * SECOND);
    // Nobody answers in time.
    agent.run(2 * SECOND);
    assert_eq!(agent.web()[0].1, Health::Critical);
    let (id_again, _) = agent.run_to_probe();
    assert_eq!(id_again, id);
    let result = Input::CheckResult { id, status: Health::Passing, output: "connected".into() };
    agent.node.handle_input(agent.now, result).unwrap();
    agent.drain();
    assert_eq!(agent.web()[0].1, Health::Passing);
    // After it is deregistered a result changes nothing.
    agent.ask(RegistryCommand::Deregister("1".into())).unwrap();
    let result = Input::CheckResult { id, status: Health::Critical, output: "late".into() };
    agent.node.handle_input(agent.now, result).unwrap();
    agent.drain();
    assert!(agent.web().is_empty());
}

#[test]
fn output_alone_is_told_late_and_only_once() {
    let mut agent = Agent::start();
    agent.register("1", vec![check("c1", Probe::Ttl(1000 * SECOND))]);
    agent.report("c1", Health::Passing).unwrap();
    let writes = agent.writes();
    for output in ["a", "b", "c"] {
        let report =
            RegistryCommand::Report { check: "c1".into(), status: Health::Passing, output: output.into() };
        agent.ask(report).unwrap();
        assert_eq!(&**agent.node.check("c1").unwrap().output, output);
        agent.run(SECOND);
    }
    assert_eq!(agent.writes(), writes);
    agent.run(Duration::from_secs(6 * 60));
    assert_eq!(agent.writes(), writes + 1);
    let told = agent.catalog.checks_faring(Health::Passing).next().unwrap().1.record().check().unwrap();
    assert_eq!(&*told.output, "c");
}

#[test]
fn maintenance_stops_traffic_for_an_instance_or_all() {
    let mut agent = Agent::start();
    agent.register("1", vec![]);
    agent.register("2", vec![]);
    let maintain = |service: Option<&str>, reason: Option<&str>| RegistryCommand::Maintain {
        service: service.map(Into::into),
        reason: reason.map(Into::into),
    };
    agent.ask(maintain(Some("1"), Some("why"))).unwrap();
    assert_eq!(agent.web(), [("1".into(), Health::Critical), ("2".into(), Health::Passing)]);
    assert_eq!(&*agent.node.check("_service_maintenance:1").unwrap().spec.notes, "why");
    agent.ask(maintain(Some("1"), None)).unwrap();
    agent.ask(maintain(None, Some(""))).unwrap();
    assert!(agent.web().iter().all(|(_, health)| *health == Health::Critical));
    agent.ask(maintain(None, None)).unwrap();
    assert!(agent.web().iter().all(|(_, health)| *health == Health::Passing));
    assert_eq!(agent.ask(maintain(Some("x"), Some(""))), refused(RegistryError::UnknownService("x".into())));
}

#[test]
fn checks_are_kept_replaced_or_dropped_as_asked() {
    let mut agent = Agent::start();
    let names = |agent: &Agent| agent.node.checks().map(|it| it.spec.id.to_string()).collect::<Vec<_>>();
    agent.register("1", vec![check("a", Probe::Ttl(SECOND)), check("b", Probe::Ttl(SECOND))]);
    agent.register("1", vec![]);
    assert_eq!(names(&agent), ["a", "b"]);
    let command = RegistryCommand::Register {
        id: "1".into(),
        service: Service { name: "web".into(), ..Service::default() },
        checks: vec![check("c", Probe::Ttl(SECOND))],
        replace_checks: true,
    };
    agent.ask(command).unwrap();
    assert_eq!(names(&agent), ["c"]);
    let stray = CheckSpec { service_id: "nobody".into(), ..check("d", Probe::Ttl(SECOND)) };
    assert_eq!(
        agent.ask(RegistryCommand::RegisterCheck(stray)),
        refused(RegistryError::NoService("nobody".into()))
    );
}

#[test]
fn an_agent_may_speak_for_nodes_that_are_none() {
    let mut agent = Agent::start();
    let write = |info: Option<NodeInfo>| {
        RegistryCommand::Write(Write {
            node: "db".into(),
            info,
            service: Some(("web9".into(), Service { name: "web".into(), ..Service::default() })),
            checks: vec![],
        })
    };
    assert_eq!(agent.ask(write(None)), refused(RegistryError::NoAddress));
    let info = NodeInfo { address: "10.9.9.9".into(), ..NodeInfo::default() };
    agent.ask(write(Some(info))).unwrap();
    assert_eq!(agent.web(), [("web9".into(), Health::Passing)]);
    assert_eq!(agent.catalog.service("web").next().unwrap().address(), "10.9.9.9");
    agent.ask(RegistryCommand::Erase(Erase { node: "db".into(), what: Erased::Node })).unwrap();
    assert!(agent.web().is_empty() && agent.catalog.node("db").is_none());
}

fn said(name: &str, service: &str, status: Health, output: &str) -> Check {
    Check { name: name.into(), service_id: service.into(), status, output: output.into(), ..Check::default() }
}

#[test]
fn what_is_written_about_the_agent_itself_is_registered_there() {
    let mut agent = Agent::start();
    let action = Arc::new(Action::Tcp { address: "h:1".into() });
    let probe = Probe::Run { interval: SECOND, timeout: SECOND, action };
    agent.register("1", vec![check("ttl", Probe::Ttl(60 * SECOND)), check("probed", probe)]);
    let write = |service: Option<&str>, checks: Vec<(&str, Check)>| {
        let info = Some(NodeInfo { address: "192.0.2.1".into(), ..NodeInfo::default() });
        let service = service.map(|id| (id.into(), Service { name: "web".into(), ..Service::default() }));
        let checks = checks.into_iter().map(|(id, check)| (id.into(), check)).collect();
        RegistryCommand::Write(Write { node: "a".into(), info, service, checks })
    };
    let critical = said("written", "2", Health::Critical, "no");
    agent.ask(write(Some("2"), vec![("written", critical.clone())])).unwrap();
    agent.ask(write(None, vec![("ttl", said("ttl", "1", Health::Warning, "so so"))])).unwrap();
    let seen = |agent: &Agent, id: &str| {
        let it = agent.node.check(id).unwrap();
        (it.status, it.output.to_string())
    };
    assert_eq!(seen(&agent, "written"), (Health::Critical, "no".into()));
    assert_eq!(seen(&agent, "ttl"), (Health::Warning, "so so".into()));
    assert_ne!(
        agent.catalog.node("a").unwrap().info().unwrap().address,
        "192.0.2.1".into(),
        "that it says itself"
    );
    // Nothing is written by half.
    for (checks, error) in [
        (
            vec![("new", said("new", "", Health::Passing, "")), ("probed", critical.clone())],
            RegistryError::Probed("probed".into()),
        ),
        (vec![("serfHealth", critical.clone())], RegistryError::Probed("serfHealth".into())),
        (vec![("new", said("new", "9", Health::Passing, ""))], RegistryError::NoService("9".into())),
    ] {
        assert_eq!(agent.ask(write(Some("3"), checks)), refused(error));
        assert!(agent.web().len() == 2 && agent.node.check("new").is_none());
    }
    let erase = |what| RegistryCommand::Erase(Erase { node: "a".into(), what });
    agent.ask(erase(Erased::Check("written".into()))).unwrap();
    agent.ask(erase(Erased::Service("1".into()))).unwrap();
    assert_eq!(agent.web(), [("2".into(), Health::Passing)]);
    assert_eq!(agent.ask(erase(Erased::Node)), refused(RegistryError::IsAlive("a".into())));
}

#[test]
fn claims_of_a_later_run_are_later() {
    let mut agent = Agent::start_with(Some(&[]), 7);
    let claim = |agent: &mut Agent, node: &str| {
        let info = Some(NodeInfo { address: "192.0.2.1".into(), ..NodeInfo::default() });
        agent.ask(RegistryCommand::Write(Write { node: node.into(), info, ..Write::default() })).unwrap();
        agent.catalog.node(node).unwrap().info().unwrap().claimed
    };
    let before: Vec<_> = ["x", "y", "z"].map(|node| claim(&mut agent, node)).into();
    let mut again = Agent::start_with(Some(&agent.disk), 8);
    let after = claim(&mut again, "w");
    assert!(before.iter().all(|claimed| *claimed < after), "{before:?} {after:?}");
}

#[test]
fn a_count_that_others_raised_outlives_a_crash() {
    let mut agent = Agent::start_with(Some(&[]), 7);
    agent.register("1", vec![]);
    // A clock that was set back since: an earlier run had a greater number, and somebody remembers it.
    let key = Key { owner: "a".into(), node: "a".into(), kind: Kind::Service, id: "1".into() };
    let mut gossip = vec![8, b'T', 0];
    Told::Gone(key, Stamp { generation: 100, version: 5 }).encode(&mut gossip);
    let from = "10.0.0.2:7946".parse().unwrap();
    agent.node.handle_input(agent.now, Input::Datagram { from, payload: &gossip }).unwrap();
    agent.drain();
    let stamp = |agent: &Agent, id: &str| {
        let records = agent.node.registry();
        let stamps = records.records().iter().filter(|it| *it.key().id == *id).map(|it| it.stamp());
        stamps.last().unwrap()
    };
    let raised = stamp(&agent, "1");
    assert_eq!(raised.generation, 100);
    let mut again = Agent::start_with(Some(&agent.disk), 8);
    again.register("2", vec![]);
    assert!(stamp(&again, "2") > raised, "{:?}", stamp(&again, "2"));
}

#[test]
fn too_much_is_refused_and_nothing_of_it_is_kept() {
    let mut agent = Agent::start();
    let service =
        Service { name: "web".into(), tags: vec!["t".repeat(200_000).into()].into(), ..Service::default() };
    let command =
        RegistryCommand::Register { id: "1".into(), service, checks: vec![], replace_checks: false };
    assert!(matches!(
        agent.ask(command),
        Err(CommandError::Registry(RegistryError::TooLarge { what: "registration", .. }))
    ));
    assert!(agent.web().is_empty());
}

/// What stands at an agent: instances with their health, and its checks with their output.
type Picture = (Vec<(String, Health)>, Vec<(String, Health, String)>);

fn picture(agent: &Agent) -> Picture {
    let checks = agent.node.checks();
    let checks = checks.map(|it| (it.spec.id.to_string(), it.status, it.output.to_string()));
    (agent.web(), checks.collect())
}

#[test]
fn registrations_survive_a_crash_with_the_state_of_their_checks() {
    let mut agent = Agent::start_with(Some(&[]), 7);
    agent.register("1", vec![check("c1", Probe::Ttl(10 * SECOND))]);
    agent.register("2", vec![]);
    agent.register("3", vec![]);
    agent.report("c1", Health::Warning).unwrap();
    agent.ask(RegistryCommand::Deregister("3".into())).unwrap();
    let info = NodeInfo { address: "10.9.9.9".into(), ..NodeInfo::default() };
    let write = Write { node: "db".into(), info: Some(info), ..Write::default() };
    agent.ask(RegistryCommand::Write(write)).unwrap();
    let (before, digest) = (picture(&agent), agent.node.registry().records().digest());

    let mut again = Agent::start_with(Some(&agent.disk), 0);
    assert_eq!(picture(&again), before);
    assert_eq!(again.node.registry().records().digest(), digest, "nothing needs to be told");
    assert!(again.catalog.node("db").is_some());
    // New writes are of a new generation, and the time to live starts anew.
    again.register("4", vec![]);
    let generation =
        |agent: &Agent| agent.node.registry().records().iter().map(|record| record.stamp().generation).max();
    assert_eq!(generation(&again), Some(8));
    again.run(10 * SECOND);
    assert_eq!(again.web()[0].1, Health::Critical);
    assert_eq!(generation(&Agent::start_with(Some(&again.disk), 0)), Some(8));
}

#[test]
fn a_log_that_is_cut_anywhere_gives_back_what_was_confirmed_before() {
    let mut agent = Agent::start_with(Some(&[]), 7);
    let mut confirmed = vec![(0, 0)];
    for id in ["1", "2", "3", "4"] {
        agent.register(id, vec![]);
        confirmed.push((agent.disk.len(), agent.web().len()));
    }
    for cut in 0..=agent.disk.len() {
        let held = confirmed.iter().rev().find(|(len, _)| *len <= cut).unwrap().1;
        let again = Agent::start_with(Some(&agent.disk[..cut]), 7);
        assert!(again.web().len() >= held, "cut at {cut}: {} of {held}", again.web().len());
    }
}

#[test]
fn a_full_disk_is_reported_and_the_next_write_is_of_the_whole() {
    let mut agent = Agent::start_with(Some(&[]), 7);
    agent.register("1", vec![]);
    let good = agent.disk.clone();
    agent.disk_full = true;
    let service = Service { name: "web".into(), ..Service::default() };
    let command =
        RegistryCommand::Register { id: "2".into(), service, checks: vec![], replace_checks: false };
    assert_eq!(agent.ask(command), refused(RegistryError::NotKept("no space left on device".into())));
    assert_eq!(agent.disk, good);
    agent.disk_full = false;
    agent.register("3", vec![]);
    assert_eq!(Agent::start_with(Some(&agent.disk), 7).web().len(), 3);
}

#[test]
fn the_log_stays_in_proportion_to_what_is_in_it() {
    let mut agent = Agent::start_with(Some(&[]), 7);
    agent.register("1", vec![check("c1", Probe::Ttl(10 * SECOND))]);
    for round in 0..5000 {
        let status = if round % 2 == 0 { Health::Passing } else { Health::Warning };
        agent.report("c1", status).unwrap();
    }
    assert!(agent.disk.len() < 100_000, "{} bytes", agent.disk.len());
    assert_eq!(picture(&Agent::start_with(Some(&agent.disk), 7)), picture(&agent));
}

#[test]
fn an_agent_that_lost_its_log_says_that_all_before_is_void() {
    let mut agent = Agent::start_with(Some(&[]), 7);
    agent.register("1", vec![]);
    let head = |agent: &Agent| {
        let records = agent.node.registry();
        records.records().iter().find_map(|record| record.node().map(|node| node.floor)).unwrap()
    };
    assert_eq!(head(&agent), 7);
    assert_eq!(head(&Agent::start_with(Some(&agent.disk), 9)), 7, "it remembers");
    assert_eq!(head(&Agent::start_with(Some(&[]), 9)), 9, "it does not");
}
