//! M8, M9 and M10: whom a host probes, and how often it says something.

use std::sync::Arc;

use tidings_core::{Decision, State, Trace};

use super::Place;
use super::names::{ByName, NameId, Names};
use crate::host::Host;
use crate::watch::Violation;

/// What is remembered of a host's probes.
#[derive(Clone, Debug, Default)]
pub(super) struct Probes {
    /// The probe under way.
    running: Option<(Arc<str>, u32)>,
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
        Decision::ProbeEnded { target, seq, .. } => {
            let running = seen.probes.running.take();
            if running.as_ref().is_some_and(|(known, number)| **known == **target && number == seq) {
                return None;
            }
            place.violation(
                "M8 one probe",
                target,
                format!("probe {seq} ends, but {running:?} was under way"),
            )
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
    if let Some((running, _)) = &probes.running {
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
    probes.running = Some((target.clone(), seq));
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

/// How often an update may be sent among `n` members.
fn limit<R>(host: &Host<R>, n: usize) -> u32 {
    let gossip = &host.config().gossip;
    let decades = n.checked_ilog10().map_or(0, |log| log + 1);
    gossip.fixed_limit.unwrap_or(gossip.retransmit_mult * decades).max(1)
}
