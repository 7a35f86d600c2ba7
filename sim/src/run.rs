//! One run of a script: the time of faults, a quiet phase, and what must hold in the end.

use std::time::{Duration, Instant};

use serde::Serialize;
use tidings_core::{Command, Event, State, Status, Time};

use crate::cluster::Cluster;
use crate::digest::Digest;
use crate::net::HostId;
use crate::script::Script;
use crate::watch::Violation;

/// After the cluster agrees, time in which nothing may happen any more.
const SETTLE: Duration = Duration::from_secs(60);
/// How often agreement is looked for.
const LOOK: Duration = Duration::from_millis(500);
/// Packets a member may send a second in a quiet cluster: its ping and its ack, and the same for
/// those who could not be reached just then.
const QUIET_RATE: f64 = 3.0;
/// Others through whom somebody who is alone joins again.
const CONTACTS: usize = 3;

/// How a run went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// What was wrong, if something was.
    pub violation: Option<Violation>,
    /// Digest of everything that happened.
    pub digest: Digest,
    /// Virtual time it took.
    pub virtual_time: Duration,
    /// Time it took us.
    pub wall_time: Duration,
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
            digest: self.digest.to_string(),
            virtual_seconds: self.virtual_time.as_secs_f64(),
            wall_seconds: self.wall_time.as_secs_f64(),
            healed_after_seconds: self.healed_after.map(|time| time.as_secs_f64()),
            events: self.events,
            datagrams: self.datagrams,
            bytes: self.bytes,
        }
    }

    /// One line about speed.
    #[must_use]
    pub fn speed(&self) -> String {
        let wall = self.wall_time.as_secs_f64().max(1e-9);
        format!(
            "{:.1} s of virtual time in {wall:.2} s ({:.0} times real), {:.2} M events/s",
            self.virtual_time.as_secs_f64(),
            self.virtual_time.as_secs_f64() / wall,
            self.events as f64 / wall / 1e6,
        )
    }
}

/// Runs a script with a seed. What it leaves to the seed is drawn from it.
#[must_use]
pub fn run(script: &Script, seed: u64) -> Outcome {
    let script = script.expand(seed);
    let wall = Instant::now();
    let mut cluster = script.start(seed);
    let (violation, healed_after) = match whole(&mut cluster, &script) {
        Ok(healed) => (None, Some(healed)),
        Err(violation) => (Some(violation), None),
    };
    Outcome {
        seed,
        violation,
        digest: cluster.digest(),
        virtual_time: cluster.now().since(Time::ZERO),
        wall_time: wall.elapsed(),
        healed_after,
        events: cluster.tally().events,
        datagrams: cluster.net().datagrams,
        bytes: cluster.net().datagram_bytes,
    }
}

/// Faults, peace, agreement, silence.
fn whole(cluster: &mut Cluster, script: &Script) -> Result<Duration, Violation> {
    cluster.try_run(script.time)?;
    cluster.end_faults();
    cluster.end_work();
    // A leave or a restart that is under way comes to its end.
    cluster.try_run(Duration::from_secs(20))?;
    rejoin(cluster);
    let healed = agree(cluster, script.quiet)?;
    silence(cluster)?;
    Ok(healed)
}

/// As agents that retry their join do: whoever came back, or is alone, asks some others for the
/// way in. All others must find each other by themselves.
fn rejoin(cluster: &mut Cluster) {
    let living = cluster.living();
    let via: Vec<HostId> = living.iter().copied().take(CONTACTS).collect();
    for host in living {
        let alive = |node: &tidings_core::Node| {
            node.view().iter().filter(|member| member.status() == Status::Alive).count()
        };
        let alone = cluster.host(host).node().is_some_and(|node| alive(node) < 2);
        if alone || cluster.host(host).life() > 0 {
            cluster.join(host, &via);
        }
    }
}

/// L1 to L4: all agree within the time allowed.
fn agree(cluster: &mut Cluster, within: Duration) -> Result<Duration, Violation> {
    let start = cluster.now();
    while let Some((at, about)) = cluster.unlike() {
        if cluster.now().since(start) > within {
            return Err(disagreement(cluster, at, about, within));
        }
        cluster.try_run(LOOK)?;
    }
    Ok(cluster.now().since(start))
}

fn disagreement(cluster: &Cluster, at: HostId, about: HostId, within: Duration) -> Violation {
    let ghost = (0..cluster.hosts().len()).find(|of| {
        cluster.host(*of).node().is_none()
            && matches!(cluster.state(at, *of), Some(State::Alive | State::Suspect))
    });
    let (invariant, about) = match ghost {
        Some(ghost) => ("L1 completeness", ghost),
        None => ("L2 convergence", about),
    };
    Violation {
        invariant: invariant.into(),
        at: cluster.now(),
        members: [at, about].map(|host| cluster.host(host).name().to_owned()).to_vec(),
        what: format!("{within:?} after the last fault they do not agree\n{}", cluster.picture()),
    }
}

/// L2 (they stay equal), L5, L6 and L8: then nothing happens any more, but what is asked for.
fn silence(cluster: &mut Cluster) -> Result<(), Violation> {
    cluster.try_run(SETTLE)?;
    let violation = |cluster: &Cluster, invariant: &str, host: HostId, what: String| Violation {
        invariant: invariant.into(),
        at: cluster.now(),
        members: vec![cluster.host(host).name().to_owned()],
        what,
    };
    if let Some((at, about)) = cluster.unlike() {
        return Err(disagreement(cluster, at, about, SETTLE));
    }
    let living = cluster.living();
    let before: Vec<usize> = living.iter().map(|host| cluster.host(*host).events().len()).collect();
    let of_members = |(_, event): &&(Time, Event)| matches!(event, Event::Members(_));
    let datagrams = cluster.net().datagrams;
    cluster.try_run(SETTLE)?;
    let sent = (cluster.net().datagrams - datagrams) as f64;
    let rate = sent / SETTLE.as_secs_f64() / living.len().max(1) as f64;
    if rate > QUIET_RATE {
        return Err(violation(
            cluster,
            "L5 quiescence",
            living[0],
            format!("{rate:.1} packets a second each"),
        ));
    }
    for (host, before) in living.iter().copied().zip(before) {
        let machine = cluster.host(host);
        if let Some((_, event)) = machine.events()[before..].iter().find(of_members) {
            return Err(violation(cluster, "L6 no livelock", host, format!("it still hears {event:?}")));
        }
        let Some(stats) = machine.node().map(tidings_core::Node::stats) else { continue };
        if stats.health_score > 0 {
            let what = format!("health score {} after a quiet time", stats.health_score);
            return Err(violation(cluster, "L6 no livelock", host, what));
        }
        let queued = stats.intent_queue + stats.event_queue + stats.query_queue;
        if queued > 0 {
            return Err(violation(cluster, "L5 quiescence", host, format!("{queued} messages still queued")));
        }
    }
    spread(cluster, &living).map_or(Ok(()), |host| {
        Err(violation(cluster, "L8 spread", host, "an event sent in peace did not arrive".into()))
    })
}

/// L8: an event reaches everybody; who missed it, if somebody did.
fn spread(cluster: &mut Cluster, living: &[HostId]) -> Option<HostId> {
    let name = format!("peace at {}", cluster.now());
    let command = Command::UserEvent { name: name.clone(), payload: bytes::Bytes::new(), coalesce: false };
    cluster.command(*living.last()?, command);
    if cluster.try_run(SETTLE).is_err() {
        return living.first().copied();
    }
    living.iter().copied().find(|host| cluster.user_events(*host, &name).len() != 1)
}
