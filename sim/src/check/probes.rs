//! M8, M9, M10 and M12: whom a host probes, for how long, and how often it says something.

use std::sync::Arc;
use std::time::Duration;

use tidings_core::{Decision, ProbeResult, State, Time, Trace};

use super::Place;
use super::names::{ByName, NameId, Names};
use crate::host::Host;
use crate::watch::Violation;

/// What is remembered of a host's probes.
#[derive(Clone, Debug, Default)]
pub(super) struct Probes {
    /// The probe under way, and when it began by the host's clock.
    running: Option<(Arc<str>, u32, Time)>,
    /// Probes so far.
    count: u64,
    /// The number of each target's last probe.
    last: ByName<u64>,
    /// The most live members there have been.
    most: usize,
    /// The most members of any state there have been.
    largest: usize,
    /// The probe begun in the input being handled, if its target was suspect: it must carry that.
    pub(super) buddy: Option<NameId>,
}

impl Probes {
    /// There are so many members.
    pub(super) fn known(&mut self, members: usize) {
        self.largest = self.largest.max(members);
    }
}

pub(super) fn on_trace<R>(
    place: Place<'_>,
    host: &Host<R>,
    names: &mut Names,
    seen: &mut super::Seen,
    trace: &Trace,
) -> Option<Violation> {
    match &trace.decision {
        Decision::ProbeStarted { target, seq } => started(place, host, names, seen, target, *seq),
        Decision::ProbeLate { target, seq } => {
            let running = seen.probes.running.as_ref();
            let (.., since) = running.filter(|(known, number, _)| **known == **target && number == seq)?;
            let probe = &host.config().probe;
            // A time-out longer than the interval ends with it.
            let base = probe.timeout.min(probe.interval);
            stretched(place, host, target, "helpers are asked", *since, base)
        }
        Decision::ProbeEnded { target, seq, result } => {
            let running = seen.probes.running.take();
            let known = running.as_ref().filter(|(known, number, _)| **known == **target && number == seq);
            let Some((.., since)) = known else {
                let running = running.map(|(known, number, _)| (known, number));
                let what = format!("probe {seq} ends, but {running:?} was under way");
                return place.violation("M8 one probe", target, what);
            };
            if *result == ProbeResult::Acked {
                return None;
            }
            stretched(place, host, target, "the probe ends", *since, host.config().probe.interval)
        }
        Decision::State { member, after, .. } => {
            if !matches!(after, State::Alive | State::Suspect) {
                seen.probes.last.remove(&names.id(member));
            }
            None
        }
        Decision::BroadcastFinished { transmits, .. } => {
            // The view may have shrunk since, never to fewer than it would need for less.
            let most = host.node()?.members().all().len().max(seen.probes.largest);
            let limit = limit(host, most);
            if *transmits <= limit {
                return None;
            }
            let what = format!("sent {transmits} times, {limit} are allowed among {most}");
            place.violation("M10 retransmit limit", "", what)
        }
        _ => None,
    }
}

fn started<R>(
    place: Place<'_>,
    host: &Host<R>,
    names: &mut Names,
    seen: &mut super::Seen,
    target: &Arc<str>,
    seq: u32,
) -> Option<Violation> {
    const ONE: &str = "M8 one probe";
    let node = host.node()?;
    let view = node.members();
    let probes = &mut seen.probes;
    if let Some((running, ..)) = &probes.running {
        return place.violation(ONE, target, format!("the probe of {running} is not over"));
    }
    if **target == *place.name {
        return place.violation(ONE, target, "it probes itself".into());
    }
    let held = |view: &tidings_core::View| view.get(target).map(|member| member.state());
    let after = held(view);
    let before = if node.shows(&seen.view) { after } else { held(&seen.view) };
    let gone = |state: Option<State>| matches!(state, Some(State::Dead | State::Left | State::Forgotten));
    if gone(before) && gone(after) {
        return place.violation(ONE, target, format!("it is held {after:?}"));
    }
    let id = names.id(target);
    let suspect = before == Some(State::Suspect) && after == Some(State::Suspect);
    probes.buddy = (suspect && host.config().suspicion.buddy).then_some(id);
    probes.running = Some((target.clone(), seq, place.local));
    probes.count += 1;
    probes.most = probes.most.max(view.all().live());
    let last = probes.last.insert(id, probes.count)?;
    let (gap, most) = (probes.count - last, 2 * probes.most as u64);
    if gap < most {
        return None;
    }
    let what = format!("probed again after {gap} probes, {} members at most", probes.most);
    place.violation("M9 round robin", target, what)
}

/// M12: a time of a probe, which health stretches up to its bound and nothing makes shorter.
fn stretched<R>(
    place: Place<'_>,
    host: &Host<R>,
    target: &str,
    what: &str,
    since: Time,
    base: Duration,
) -> Option<Violation> {
    let (took, most) = (place.local.since(since), base * host.config().awareness.max.max(1));
    let late = took > most + Duration::from_millis(1) && !host.was_disturbed();
    if took >= base && !late {
        return None;
    }
    let what = format!("{what} after {took:?}; allowed are {base:?} to {most:?}");
    place.violation("M12 LHM bounds", target, what)
}

/// How often an update may be sent among `n` members.
fn limit<R>(host: &Host<R>, n: usize) -> u32 {
    let gossip = &host.config().gossip;
    let decades = n.checked_ilog10().map_or(0, |log| log + 1);
    gossip.fixed_limit.unwrap_or(gossip.retransmit_mult * decades).max(1)
}
