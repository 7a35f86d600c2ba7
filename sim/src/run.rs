//! One run of a script: the time of faults, a quiet phase, and what must hold in the end.

use std::time::{Duration, Instant};

use regex::Regex;
use serde::Serialize;
use tidings_core::{Config, Event, MemberEventKind, Node, QueryParams, Refusal, State, Stats, Time};

use crate::ask::Disagreement;
use crate::cluster::Cluster;
use crate::digest::Digest;
use crate::evidence::Log;
use crate::faults::{Fate, Trouble};
use crate::net::HostId;
use crate::script::Script;
use crate::speed::{Speed, growth, resident_bytes};
use crate::watch::{Sight, Violation};
use crate::world::World;

/// After the cluster agrees, time in which nothing may happen any more.
const SETTLE: Duration = Duration::from_secs(60);
/// How often such a time is waited for until no record changes in it.
const PAUSES: u32 = 30;
/// How often agreement is looked for, in the first minute; then a tenth as often.
const LOOK: Duration = Duration::from_millis(500);
/// Packets a member may send in a quiet cluster for each probe that somebody begins: its ping and
/// its ack, and the same for those who could not be reached just then.
const QUIET_PACKETS: f64 = 3.0;
/// Others through whom somebody who is alone joins again.
const CONTACTS: usize = 3;
/// How long somebody who is still alone waits until it asks again, as agents do.
const RETRY: Duration = Duration::from_secs(30);

/// How a run went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// What was wrong, if something was.
    pub violation: Option<Violation>,
    /// The last packets that concern the members of the violation, a line each.
    pub packets: Vec<String>,
    /// Digest of everything that happened.
    pub digest: Digest,
    /// Virtual time it took.
    pub virtual_time: Duration,
    /// Time it took us.
    pub wall_time: Duration,
    /// Members there were.
    pub members: usize,
    /// Inputs their nodes were handed.
    pub inputs: u64,
    /// Bytes by which the process grew; means something only while nothing else runs in it.
    pub memory: Option<u64>,
    /// From the last fault until all agreed.
    pub healed_after: Option<Duration>,
    /// Events handled.
    pub events: u64,
    /// Datagrams sent.
    pub datagrams: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// An outcome as it is written to files.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "as in `Outcome`")]
pub struct Record {
    pub seed: u64,
    pub ok: bool,
    pub invariant: Option<String>,
    pub at_seconds: Option<f64>,
    pub members: Vec<String>,
    pub what: Option<String>,
    pub packets: Vec<String>,
    pub digest: String,
    pub virtual_seconds: f64,
    pub wall_seconds: f64,
    pub healed_after_seconds: Option<f64>,
    pub events: u64,
    pub datagrams: u64,
    pub bytes: u64,
}

impl Outcome {
    /// As it is written to files.
    #[must_use]
    pub fn record(&self) -> Record {
        let wrong = self.violation.as_ref();
        Record {
            seed: self.seed,
            ok: wrong.is_none(),
            invariant: wrong.map(|violation| violation.invariant.clone()),
            at_seconds: wrong.map(|violation| violation.at.since(Time::ZERO).as_secs_f64()),
            members: wrong.map(|violation| violation.members.clone()).unwrap_or_default(),
            what: wrong.map(|violation| violation.what.clone()),
            packets: self.packets.clone(),
            digest: self.digest.to_string(),
            virtual_seconds: self.virtual_time.as_secs_f64(),
            wall_seconds: self.wall_time.as_secs_f64(),
            healed_after_seconds: self.healed_after.map(|time| time.as_secs_f64()),
            events: self.events,
            datagrams: self.datagrams,
            bytes: self.bytes,
        }
    }

    /// How fast it was.
    #[must_use]
    pub const fn speed(&self) -> Speed {
        let Outcome { virtual_time, wall_time, inputs, members, memory, .. } = *self;
        Speed { virtual_time, wall_time, processor_time: None, inputs, members, bytes: memory }
    }
}

/// Runs a script with a seed. What it leaves to the seed is drawn from it. If something is wrong,
/// it runs a second time, to write down the packets.
#[must_use]
pub fn run(script: &Script, seed: u64) -> Outcome {
    run_watched(script, seed, |_| {}, |_| {})
}

/// As [`run`], with somebody watching: `before` is handed the cluster before anything happens, to
/// have its watchers look, and `after` when all is over. The run is the same as without them.
#[must_use]
pub fn run_watched(
    script: &Script,
    seed: u64,
    before: impl FnOnce(&mut Cluster),
    after: impl FnOnce(&Cluster),
) -> Outcome {
    let mut outcome = run_once(script, seed, before, after);
    if let Some(violation) = &outcome.violation {
        outcome.packets = packets_of(script, seed, violation);
    }
    outcome
}

/// The last packets that concern the members of what is wrong with a seed.
fn packets_of(script: &Script, seed: u64, violation: &Violation) -> Vec<String> {
    let mut log = None;
    let record = |cluster: &mut Cluster| log = Some(Log::of(&violation.members, &mut cluster.world));
    match run_once(script, seed, record, |_| {}).violation {
        Some(again) if again == *violation => log.map(|log| log.lines()).unwrap_or_default(),
        // M17 does not hold either; packets of another story would only confuse.
        Some(again) => vec![format!("unknown: run again, the seed broke {again}")],
        None => vec!["unknown: run again, the seed broke nothing".into()],
    }
}

/// As [`run_watched`], without the packets.
pub(crate) fn run_once(
    script: &Script,
    seed: u64,
    before: impl FnOnce(&mut Cluster),
    after: impl FnOnce(&Cluster),
) -> Outcome {
    let script = script.expand(seed);
    let resident = resident_bytes();
    let wall = Instant::now();
    let mut cluster = script.start(seed);
    before(&mut cluster);
    let (violation, healed_after) = match whole(&mut cluster, &script) {
        Ok(healed) => (None, Some(healed)),
        Err(violation) => (Some(violation), None),
    };
    let wall_time = wall.elapsed();
    after(&cluster);
    Outcome {
        seed,
        violation,
        packets: Vec::new(),
        digest: cluster.digest(),
        virtual_time: cluster.now().since(Time::ZERO),
        wall_time,
        members: cluster.hosts().len(),
        inputs: cluster.tally().inputs,
        memory: growth(resident),
        healed_after,
        events: cluster.tally().events,
        datagrams: cluster.net().datagrams,
        bytes: cluster.net().datagram_bytes,
    }
}

/// Runs a script with a seed up to a moment, to look at the cluster as it is then: right after the
/// first thing that happens at that time or later. The cluster can be asked anything, and [forked](Cluster::fork) to see what
/// else could have happened. The second is what was wrong by then, if something was.
#[must_use]
pub fn stop_at(script: &Script, seed: u64, time: Time) -> (Cluster, Option<Violation>) {
    let script = script.expand(seed);
    let mut cluster = script.start(seed);
    let over = Violation { invariant: STOPPED.into(), at: time, members: Vec::new(), what: String::new() };
    cluster.watch(move |world: &World, _, _: &Sight<'_>| (world.now() >= time).then(|| over.clone()));
    let violation = whole(&mut cluster, &script).err();
    cluster.world.watchers.pop();
    cluster.world.violations.retain(|found| found.invariant != STOPPED);
    (cluster, violation.filter(|found| found.invariant != STOPPED))
}

/// What [`stop_at`] stops a run with.
const STOPPED: &str = "stopped";

/// Faults, peace, agreement, silence.
fn whole(cluster: &mut Cluster, script: &Script) -> Result<Duration, Violation> {
    cluster.try_run(script.time)?;
    let core = match &script.core {
        Some(core) => Some(cluster.heal_core(core)),
        None => {
            cluster.end_faults();
            None
        }
    };
    cluster.end_work();
    // A leave or a restart that is under way comes to its end.
    cluster.try_run(Duration::from_secs(20))?;
    if script.core.as_ref().is_some_and(|core| matches!(core.others, Fate::Deaf | Fate::Mixed)) {
        cluster.try_run(exhaustion(cluster))?;
    }
    cluster.try_run(aftermath(script))?;
    let healed = Healed { core, lies: script.has_lies() };
    healed.rejoin(cluster);
    let after = healed.agree(cluster, script.quiet)?;
    healed.silence(cluster)?;
    Ok(after)
}

/// Packets that are to come again, do so after their fault is over.
fn aftermath(script: &Script) -> Duration {
    let longest = script.fault.iter().map(|fault| match &fault.what {
        Trouble::Replay { until, .. } => *until,
        _ => Duration::ZERO,
    });
    longest.max().unwrap_or_default()
}

/// Who hears nothing any more goes on accusing the core's members, until it holds all of them dead:
/// a probe of each at the slowest, and the longest suspicion.
fn exhaustion(cluster: &Cluster) -> Duration {
    let n = cluster.hosts().len();
    let scale = libm::log10(n as f64).max(1.0);
    let of_one = |config: &Config| {
        let suspicion = scale * config.suspicion.mult * config.suspicion.max_mult.max(1.0);
        config.probe.interval * config.awareness.max * n as u32 + config.probe.interval.mul_f64(suspicion)
    };
    cluster.hosts().iter().map(|host| of_one(host.config())).max().unwrap_or_default()
}

/// The hosts that must come to agree: a chosen core, or all.
struct Healed {
    core: Option<Vec<HostId>>,
    /// Somebody has lied.
    lies: bool,
}

impl Healed {
    /// Those of them that run.
    fn living(&self, cluster: &Cluster) -> Vec<HostId> {
        let mut living = cluster.living();
        if let Some(core) = &self.core {
            living.retain(|host| core.contains(host));
        }
        living
    }

    /// As agents that retry their join do: whoever came back, or is alone, asks some others for
    /// the way in, who have been there longest. (Those who came back may know each other alone.) All
    /// others must find each other by themselves.
    fn rejoin(&self, cluster: &mut Cluster) {
        self.join(cluster, |cluster, host| has_nobody(cluster, host) || cluster.host(host).life() > 0);
    }

    fn join(&self, cluster: &mut Cluster, who: impl Fn(&Cluster, HostId) -> bool) {
        let living = self.living(cluster);
        let mut via = living.clone();
        via.sort_by_key(|host| cluster.host(*host).life());
        via.truncate(CONTACTS);
        for host in living {
            if who(cluster, host) {
                cluster.join(host, &via);
            }
        }
    }

    fn agreement(&self, cluster: &Cluster) -> Result<(), Disagreement> {
        self.agreement_on_members(cluster)
            .and_then(|()| cluster.registry_agreement_among(&self.living(cluster)))
    }

    fn agreement_on_members(&self, cluster: &Cluster) -> Result<(), Disagreement> {
        let living = self.living(cluster);
        if self.lies { cluster.agreement_among_lies(&living) } else { cluster.agreement_among(&living) }
    }

    /// L1 to L4: all agree within the time allowed.
    fn agree(&self, cluster: &mut Cluster, within: Duration) -> Result<Duration, Violation> {
        let start = cluster.now();
        let mut retry = RETRY;
        while let Err(wrong) = self.agreement(cluster) {
            let waited = cluster.now().since(start);
            if waited > within {
                return Err(self.violation(cluster, &wrong, within));
            }
            if waited >= retry {
                // When hundreds join at once, those who are asked turn some away.
                self.join(cluster, has_nobody);
                retry = waited + RETRY;
            }
            // Comparing all with all costs a good part of a long wait.
            cluster.try_run(if waited < SETTLE { LOOK } else { 10 * LOOK })?;
        }
        Ok(cluster.now().since(start))
    }

    fn violation(&self, cluster: &Cluster, wrong: &Disagreement, within: Duration) -> Violation {
        // Whoever cannot be reached must not be held alive.
        let living = self.living(cluster);
        let held = |at: HostId, of: HostId| {
            matches!(cluster.state(at, of), Some(State::Alive | State::Suspect)) && !living.contains(&of)
        };
        let ghost = living
            .iter()
            .find_map(|at| (0..cluster.hosts().len()).find(|of| held(*at, *of)).map(|of| (*at, of)));
        let name = |host: HostId| cluster.host(host).name().to_owned();
        let (invariant, members) = match ghost {
            Some((at, of)) => ("L1 completeness", vec![name(at), name(of)]),
            None => ("L2 convergence", vec![wrong.at.clone(), wrong.about.clone()]),
        };
        let what = format!("{within:?} after the last fault {wrong}\n{}", cluster.picture());
        Violation { invariant: invariant.into(), at: cluster.now(), members, what }
    }

    /// L2 (they stay equal), L5, L6 and L8: then nothing happens any more, but what is asked for.
    fn silence(&self, cluster: &mut Cluster) -> Result<(), Violation> {
        cluster.try_run(SETTLE)?;
        let living = self.living(cluster);
        if let Err(wrong) = self.agreement_on_members(cluster) {
            return Err(self.violation(cluster, &wrong, SETTLE));
        }
        // A TTL may have ended a moment ago, and not everybody been told.
        self.agree(cluster, SETTLE)?;
        let (before, datagrams) = pause(cluster, &living)?;
        let rate = datagrams as f64 / SETTLE.as_secs_f64();
        let probes =
            living.iter().map(|host| cluster.host(*host).config().probe.interval.as_secs_f64().recip());
        let most = QUIET_PACKETS * probes.sum::<f64>();
        if rate > most {
            let what = format!("{rate:.1} packets a second in all, {most:.1} are allowed");
            return Err(restless(cluster, "L5 quiescence", living[0], what));
        }
        for (host, before) in living.iter().copied().zip(before) {
            at_rest(cluster, (host, &living), before, self.lies)?;
        }
        spread(cluster, &living)
    }
}

/// A time in which no record changes, and at whose beginning nobody had anything left to tell; or the last
/// one that is waited for. A TTL that ends is news, and whoever hears it tells others; and what all know
/// is told on, if there was much of it, for minutes after all agree. How many events each of these hosts had heard before, and how many
/// datagrams they have sent since.
fn pause(cluster: &mut Cluster, living: &[HostId]) -> Result<(Vec<usize>, u64), Violation> {
    let records = |cluster: &Cluster| {
        let first = living.first().and_then(|host| cluster.host(*host).node());
        first.map(Node::registry).unwrap_or_default()
    };
    let mut passed = 0;
    loop {
        let heard = living.iter().map(|host| cluster.host(*host).events().len()).collect();
        let (known, datagrams) = (records(cluster), sent(cluster, living));
        let told = living
            .iter()
            .filter_map(|host| cluster.host(*host).node())
            .all(|node| queued(&node.stats()) == 0);
        cluster.try_run(SETTLE)?;
        passed += 1;
        if passed == PAUSES || told && known.same(&records(cluster)) {
            return Ok((heard, sent(cluster, living) - datagrams));
        }
    }
}

/// Datagrams that the nodes of these hosts have sent.
fn sent(cluster: &Cluster, hosts: &[HostId]) -> u64 {
    let nodes = hosts.iter().filter_map(|host| cluster.host(*host).node());
    nodes.map(|node| node.metrics().datagrams_out).sum()
}

fn restless(cluster: &Cluster, invariant: &str, host: HostId, what: String) -> Violation {
    let members = vec![cluster.host(host).name().to_owned()];
    Violation { invariant: invariant.into(), at: cluster.now(), members, what }
}

/// L5 and L6 at one host: it has heard nothing new, is in good health, and has nothing to tell.
/// Where somebody has lied, tags may be set right late.
fn at_rest(
    cluster: &Cluster,
    (host, living): (HostId, &[HostId]),
    events_before: usize,
    lies: bool,
) -> Result<(), Violation> {
    let runs = |name: &str| cluster.hosts().iter().any(|host| host.name() == name && host.node().is_some());
    let knows = |host: &&HostId, name: &str| {
        cluster.host(**host).node().is_some_and(|node| node.members().get(name).is_some())
    };
    let common = |name: &str| 2 * living.iter().filter(|host| knows(host, name)).count() > living.len();
    let of_members = |(_, event): &&(Time, Event)| match event {
        // The few who still know of somebody that is gone may settle late that it left: a step that
        // is taken once, from failed to left, and never back. Whoever most know of they agree on.
        Event::Members(news) if news.kind == MemberEventKind::Leave => {
            news.members.iter().any(|member| runs(member.name()) || common(member.name()))
        }
        Event::Members(news) => !lies || news.kind != MemberEventKind::Update,
        _ => false,
    };
    let machine = cluster.host(host);
    if let Some((_, event)) = machine.events()[events_before..].iter().find(of_members) {
        return Err(restless(cluster, "L6 no livelock", host, format!("it still hears {event:?}")));
    }
    let Some(stats) = machine.node().map(Node::stats) else { return Ok(()) };
    if is_alone(&stats) {
        // It probes nobody, so its health stays as it is.
        return Ok(());
    }
    if stats.health_score > 0 {
        let what = format!("health score {} after a quiet time", stats.health_score);
        return Err(restless(cluster, "L6 no livelock", host, what));
    }
    let queued = queued(&stats);
    if queued > 0 {
        return Err(restless(cluster, "L5 quiescence", host, format!("{queued} messages still queued")));
    }
    Ok(())
}

fn has_nobody(cluster: &Cluster, host: HostId) -> bool {
    cluster.host(host).node().is_some_and(|node| is_alone(&node.stats()))
}

/// Holds nobody else alive.
const fn is_alone(stats: &Stats) -> bool {
    stats.members - stats.failed - stats.left < 2
}

/// What somebody has left to tell of the Serf layer. Whoever is alone keeps it for those who come.
const fn queued(stats: &Stats) -> usize {
    if is_alone(stats) { 0 } else { stats.intent_queue + stats.event_queue + stats.query_queue }
}

/// L8 and S4: an event reaches everybody, and a query everybody whom it is for. (What hears it in
/// spite of its filters, the checkers of safety find.) Of a query gossip alone tells, so that one may
/// pass somebody by; not all of some.
fn spread(cluster: &mut Cluster, living: &[HostId]) -> Result<(), Violation> {
    let Some(sender) = living.last() else { return Ok(()) };
    let name = format!("peace at {}", cluster.now());
    cluster.event(*sender, &name, &[]);
    for _ in 0..QUERIES {
        let tags = vec![(FILTER.0.to_owned(), FILTER.1.to_owned())];
        cluster.query(*sender, QueryParams { name: name.clone(), tags, ..QueryParams::default() });
        cluster.try_run(LOOK)?;
    }
    cluster.try_run(SETTLE - QUERIES * LOOK)?;
    if let Some(host) = living.iter().find(|host| cluster.user_events(**host, &name).len() != 1) {
        return Err(restless(cluster, "L8 spread", *host, "an event sent in peace did not arrive".into()));
    }
    let asked = |host: HostId| {
        let events = cluster.host(host).events();
        events.iter().any(|(_, event)| matches!(event, Event::Query(query) if *query.name == *name))
    };
    // Whoever has too many to answer refuses a query, and says so.
    let full = |host: HostId| {
        let since = |at: Time| cluster.now().since(at) <= SETTLE;
        let refused = |event: &Event| matches!(event, Event::Refused(refused) if matches!(refused.reason, Refusal::Full(_)));
        cluster.host(host).events().iter().any(|(at, event)| since(*at) && refused(event))
    };
    let filter = Regex::new(FILTER.1).expect("a pattern of ours");
    let passes = |host: HostId| {
        let own = cluster.host(host).node().and_then(|node| node.members().local().cloned());
        filter.is_match(own.map(|own| own.tags()).unwrap_or_default().get(FILTER.0).unwrap_or_default())
    };
    let wrong = |host: HostId| asked(host) != passes(host) && !full(host);
    if let Some(host) = living.iter().find(|host| wrong(**host)) {
        let did = if asked(*host) { "is for others, and arrived" } else { "did not arrive" };
        return Err(restless(cluster, "S4 query", *host, format!("a query sent in peace {did}")));
    }
    Ok(())
}

/// Queries in peace: that gossip passes a host by with one of them happens in one run of a hundred.
const QUERIES: u32 = 5;
/// The filter of the query in peace: the tag that work changes is even, or not there.
const FILTER: (&str, &str) = ("turn", "^$|^[0-9]*[02468]-");
