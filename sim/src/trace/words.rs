//! Decisions in words.

use std::net::SocketAddr;

use tidings_core::{Cause, Decision, ProbeResult};

use crate::rider::Rider;
use crate::world::World;

/// Sorts of decisions.
pub(super) const DECISIONS: [&str; 14] = [
    "probe-started",
    "probe-late",
    "probe-ended",
    "state",
    "status",
    "suspicion",
    "suspicion-over",
    "refuted",
    "awareness",
    "broadcast-finished",
    "forgotten",
    "record-written",
    "key-query",
    "key-query-failed",
];

/// A decision's sort, the member it is about, and what was decided.
pub(super) fn decision(decision: &Decision) -> (&'static str, Option<String>, String) {
    let about = |member: &str| Some(member.to_owned());
    match decision {
        Decision::ProbeStarted { target, seq } => {
            ("probe-started", about(target), format!("pings {target} ({seq})"))
        }
        Decision::ProbeLate { target, seq } => {
            ("probe-late", about(target), format!("{target} is late ({seq}), helpers are asked"))
        }
        Decision::ProbeEnded { target, seq, result } => {
            ("probe-ended", about(target), format!("{target} ({seq}) {}", probe_result(*result)))
        }
        Decision::State { member, before, after, incarnation, from } => {
            let before = before.map_or("unknown".to_owned(), |before| format!("{before:?}").to_lowercase());
            let after = format!("{after:?}").to_lowercase();
            let text = format!("{member} is {after}, was {before}, incarnation {incarnation}, says {from}");
            ("state", about(member), text)
        }
        Decision::Status { member, before, after, ltime } => {
            ("status", about(member), format!("{member} is {after:?}, was {before:?}, time {ltime}"))
        }
        Decision::Suspicion { member, from, confirmations, remaining } => {
            let text = format!("{from} suspects {member}, {confirmations} confirmations, {remaining:?} left");
            ("suspicion", about(member), text)
        }
        Decision::SuspicionOver { member, confirmations } => {
            ("suspicion-over", about(member), format!("of {member}, {confirmations} confirmations"))
        }
        Decision::Refuted { from, accusation, accused, incarnation } => {
            let text = format!("{from} said {accusation:?} at {accused}; now at {incarnation}");
            ("refuted", about(from), text)
        }
        Decision::Awareness { before, after } => {
            ("awareness", None, format!("health score {after}, was {before}"))
        }
        Decision::BroadcastFinished { member, transmits, dropped } => {
            let of = member.as_deref().unwrap_or("the Serf layer");
            let how = if *dropped { "dropped" } else { "done" };
            let text = format!("news of {of} {how} after {transmits} sendings");
            ("broadcast-finished", member.as_deref().and_then(about), text)
        }
        Decision::Forgotten { member } => ("forgotten", about(member), member.to_string()),
        Decision::RecordWritten { key, stamp, digest } => {
            let what = if digest.is_some() { "says anew" } else { "takes back" };
            let (kind, id, node) = (key.kind, &key.id, &key.node);
            ("record-written", about(node), format!("{what} {kind:?} {id} on {node} as {stamp}"))
        }
        Decision::KeyQuery { operation } => ("key-query", None, (*operation).to_owned()),
        Decision::KeyQueryFailed { reason } => ("key-query-failed", None, reason.to_string()),
        // The core decides nothing else.
        other => ("decision", None, format!("{other:?}")),
    }
}

/// How a probe ended.
pub(crate) fn probe_result(result: ProbeResult) -> String {
    match result {
        ProbeResult::Acked => "was acked".into(),
        ProbeResult::AckedByStream => "was acked by stream only".into(),
        ProbeResult::Failed { nacks, expected } => {
            format!("failed; {nacks} of {expected} helpers said they could not reach it either")
        }
        _ => format!("{result:?}"),
    }
}

/// Who has an address.
pub(crate) fn told<R: Rider>(world: &World<R>, addr: SocketAddr) -> String {
    // A stream comes from a port of its own.
    let by_ip = || world.hosts().iter().position(|host| host.addr().ip() == addr.ip());
    let host = world.net().addresses.get(&addr).copied().or_else(by_ip);
    host.map_or_else(|| addr.to_string(), |host| world.hosts()[host].name().to_owned())
}

/// What led to a decision, to stand behind it.
pub(super) fn cause<R: Rider>(world: &World<R>, cause: &Cause) -> String {
    match cause {
        Cause::Timer => " (by its timer)".into(),
        Cause::Command => " (as it was told to)".into(),
        Cause::Packet(from) => format!(" (a packet from {})", told(world, *from)),
        Cause::Stream(with) => format!(" (a stream with {})", told(world, *with)),
        other => format!(" ({other:?})"),
    }
}
