//! From what a member decided last, back to where it all began.

use tidings_core::{ProbeResult, State, Time};

use super::record::{Change, Chronicle, Fate, What, Why};
use super::{Step, probe, word};
use crate::net::HostId;

/// The steps from a change back to its origin.
pub(super) fn walk(chronicle: &Chronicle, last: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut next = Some(last);
    while let Some(place) = next {
        let change = &chronicle.changes[place];
        let mut step = Step {
            at: change.at,
            member: chronicle.name(change.host).to_owned(),
            what: what(chronicle, change),
            details: Vec::new(),
        };
        next = match change.cause {
            Why::Packet(..) if ran_out(chronicle, change).is_none() => by_packet(chronicle, place, &mut step),
            Why::Stream(peer) => by_stream(chronicle, place, peer, &mut step),
            Why::Command => {
                step.details.push("as its application told it to".into());
                None
            }
            Why::Own | Why::Packet(..) => by_itself(chronicle, place, &mut step),
        };
        steps.push(step);
    }
    steps
}

/// A change in words.
fn what(chronicle: &Chronicle, change: &Change) -> String {
    let about = &chronicle.about;
    match &change.what {
        What::Started { held: Some(held) } => format!("starts and holds {about} {}", word(*held)),
        What::Started { held: None } => format!("starts and does not know {about}"),
        What::Stopped => "ends".into(),
        What::Refuted { from, accusation, incarnation } => {
            format!(
                "is said to be {} by {from}, and defends itself with incarnation {incarnation}",
                word(*accusation)
            )
        }
        What::Suspicion { from } => format!("hears that {from} suspects {about}, too"),
        What::State { before, after, incarnation, from } => {
            let before = before.map_or("unknown", word);
            let mut text =
                format!("holds {about} {} at incarnation {incarnation}, was {before}", word(*after));
            if matches!(after, State::Suspect | State::Dead) && ran_out(chronicle, change).is_none() {
                text.push_str(&format!("; {from} says so"));
            }
            text
        }
    }
}

/// Whether a member was declared failed because a suspicion ran out here; confirmations it had.
fn ran_out(chronicle: &Chronicle, change: &Change) -> Option<u32> {
    let What::State { after: State::Dead, .. } = change.what else { return None };
    let over = chronicle.overs.iter().find(|(at, host, _)| *at == change.at && *host == change.host);
    over.map(|(_, _, confirmations)| *confirmations)
}

/// The last change at a host before a place that fits.
fn before(
    chronicle: &Chronicle,
    place: usize,
    host: HostId,
    not_after: Time,
    fits: impl Fn(&What) -> bool,
) -> Option<usize> {
    chronicle.changes[..place]
        .iter()
        .rposition(|change| change.host == host && change.at <= not_after && fits(&change.what))
}

/// Where the teller had it from: the change of its own that agrees with what it told.
fn at_teller(chronicle: &Chronicle, place: usize, teller: HostId, sent: Time) -> Option<usize> {
    let told = &chronicle.changes[place].what;
    let find = |fits: &dyn Fn(&What) -> bool| before(chronicle, place, teller, sent, fits);
    match told {
        What::State { after: State::Suspect, from, .. }
        | What::Suspicion { from }
        | What::Refuted { from, accusation: State::Suspect, .. } => {
            let same = |what: &What| match what {
                What::State { after: State::Suspect, from: accuser, .. }
                | What::Suspicion { from: accuser } => accuser == from,
                _ => false,
            };
            let any = |what: &What| {
                matches!(
                    what,
                    What::State { after: State::Suspect | State::Dead, .. } | What::Suspicion { .. }
                )
            };
            find(&same).or_else(|| find(&any))
        }
        What::State { after: State::Alive, incarnation, .. } => find(&|what| match what {
            What::State { after: State::Alive, incarnation: known, .. }
            | What::Refuted { incarnation: known, .. } => known == incarnation,
            _ => false,
        }),
        What::State { after, .. } | What::Refuted { accusation: after, .. } => {
            find(&|what| matches!(what, What::State { after: known, .. } if known == after))
        }
        What::Started { .. } | What::Stopped => None,
    }
}

fn by_packet(chronicle: &Chronicle, place: usize, step: &mut Step) -> Option<usize> {
    let Why::Packet(teller, packet) = chronicle.changes[place].cause else { return None };
    let Some(packet) = packet.map(|packet| &chronicle.packets[packet]) else {
        let teller = teller.map_or("an address nobody has", |teller| chronicle.name(teller));
        step.details.push(format!("told by {teller}, in a packet that was changed or came twice"));
        return None;
    };
    let letters: Vec<String> = packet.letters.iter().map(ToString::to_string).collect();
    let read = if let Fate::Read(at) = packet.fate { format!(", read {at}") } else { String::new() };
    step.details.push(format!(
        "told by {} in a datagram sent {}{read}: {}",
        chronicle.name(packet.from),
        packet.at,
        letters.join("; ")
    ));
    let next = at_teller(chronicle, place, packet.from, packet.at);
    if next.is_none() && chronicle.name(packet.from) == chronicle.about {
        step.details.push(format!("which is what {} says of itself", chronicle.about));
    }
    next
}

fn by_stream(chronicle: &Chronicle, place: usize, peer: Option<HostId>, step: &mut Step) -> Option<usize> {
    let change = &chronicle.changes[place];
    let Some(peer) = peer else {
        step.details.push("learned in a push/pull with somebody".into());
        return None;
    };
    let next = at_teller(chronicle, place, peer, change.at).or_else(|| {
        // What the peer holds failed is only suspect to those who did not see it happen.
        before(chronicle, place, peer, change.at, |what| matches!(what, What::State { .. }))
    });
    let held = next.map(|next| &chronicle.changes[next]);
    let since = match held.map(|held| (&held.what, held.at)) {
        Some((What::State { after, .. }, at)) => format!(", which held it {} since {at}", word(*after)),
        _ => String::new(),
    };
    step.details.push(format!("learned in a push/pull with {}{since}", chronicle.name(peer)));
    next
}

fn by_itself(chronicle: &Chronicle, place: usize, step: &mut Step) -> Option<usize> {
    let change = &chronicle.changes[place];
    if let Some(confirmations) = ran_out(chronicle, change) {
        step.details
            .push(format!("its suspicion ran out undefended; {confirmations} others had confirmed it"));
        let begun = before(chronicle, place, change.host, change.at, |what| {
            matches!(what, What::State { after: State::Suspect, .. })
        })?;
        for confirmed in &chronicle.changes[begun..place] {
            if let (What::Suspicion { from }, true) = (&confirmed.what, confirmed.host == change.host) {
                step.details.push(format!("{}  {from} suspects it, too", confirmed.at));
            }
        }
        return Some(begun);
    }
    if matches!(change.what, What::State { after: State::Forgotten, .. }) {
        step.details.push("as it does with those who are gone for long".into());
        return before(chronicle, place, change.host, change.at, |what| matches!(what, What::State { .. }));
    }
    let failed = |probe: &&super::record::Probe| {
        let failed = |(at, result): (Time, ProbeResult)| {
            at == change.at && matches!(result, ProbeResult::Failed { .. })
        };
        probe.host == change.host && probe.ended.is_some_and(failed)
    };
    if matches!(change.what, What::State { after: State::Suspect, .. } | What::Suspicion { .. })
        && let Some(failed) = chronicle.probes.iter().rev().find(failed)
    {
        step.details.push(format!("its own probe {} failed:", failed.seq));
        step.details.extend(probe::story(chronicle, failed));
    }
    None
}
