//! S1 to S6: clocks, user events, queries and intents.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tidings_core::{AnswerKind, Command, CommandError, Event, Input, QueryId, Reply, Restored, Time, Token};

use super::Place;
use crate::digest::Digest;
use crate::host::Host;
use crate::watch::Violation;

/// What has been said in the whole cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Serf {
    /// User events issued, by name and payload.
    issued: HashSet<u64>,
    /// Queries asked, likewise.
    asked: HashSet<u64>,
}

/// What is remembered of one host.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The clocks of members, events and queries.
    clocks: [u64; 3],
    /// User events delivered.
    delivered: HashSet<u64>,
    /// The latest time of an event delivered.
    latest: Option<u64>,
    /// It is sending an event of its own: the next one delivered.
    sending: bool,
    /// Who answered which query, and which are over.
    acks: HashSet<(QueryId, String)>,
    responses: HashSet<(QueryId, String)>,
    over: HashSet<QueryId>,
    /// Commands that must be refused, with what they are and their size.
    too_large: HashMap<Token, (&'static str, usize)>,
    /// Queries on their way that only some members are to answer.
    asking: HashMap<Token, Vec<String>>,
    /// Those who are to answer.
    asked: HashMap<QueryId, Vec<String>>,
    /// Until when answers to a query count, by the host's clock.
    deadlines: HashMap<QueryId, Time>,
}

fn event_key(ltime: u64, name: &str, payload: &[u8]) -> u64 {
    let mut digest = Digest::default();
    digest.word(ltime);
    digest.bytes(name.as_bytes());
    digest.bytes(payload);
    digest.get()
}

impl Serf {
    pub(super) fn on_input<R>(
        &mut self,
        place: Place<'_>,
        host: &Host<R>,
        seen: &mut Seen,
        input: &Input<'_>,
    ) -> Option<Violation> {
        seen.sending = false;
        if let Input::Command { token, command } = input {
            self.on_command(host, seen, *token, command);
        }
        if let Some(found) = old_intent(place, host) {
            return Some(found);
        }
        let clocks = host.node()?.clocks();
        let before = std::mem::replace(&mut seen.clocks, clocks);
        if before.iter().zip(&clocks).any(|(before, after)| after < before) {
            return place.violation("S1 Lamport", "", format!("clocks {clocks:?} after {before:?}"));
        }
        None
    }

    fn on_command<R>(&mut self, host: &Host<R>, seen: &mut Seen, token: Token, command: &Command) {
        let config = host.config();
        let (what, size, limit) = match command {
            Command::UserEvent { name, payload, .. } => {
                self.issued.insert(event_key(0, name, payload));
                seen.sending = true;
                ("an event", name.len() + payload.len(), config.events.size_limit)
            }
            Command::Query(params) => {
                self.asked.insert(event_key(0, &params.name, &params.payload));
                if !params.nodes.is_empty() {
                    seen.asking.insert(token, params.nodes.clone());
                }
                ("a query", params.name.len() + params.payload.len(), config.queries.size_limit)
            }
            Command::Respond { payload, .. } => {
                ("an answer", payload.len(), config.queries.response_size_limit)
            }
            _ => return,
        };
        if size > limit {
            seen.too_large.insert(token, (what, size));
        }
    }

    pub(super) fn on_event<R>(
        &self,
        place: Place<'_>,
        host: &Host<R>,
        seen: &mut Seen,
        lies: bool,
        event: &Event,
    ) -> Option<Violation> {
        match event {
            Event::User(event) => {
                let ltime = event.ltime.0;
                if !seen.delivered.insert(event_key(ltime, &event.name, &event.payload)) {
                    let what = format!("event {} of time {ltime} delivered again", event.name);
                    return place.violation("S2 at most once", "", what);
                }
                if !lies && !self.issued.contains(&event_key(0, &event.name, &event.payload)) {
                    let what = format!("event {} of time {ltime} was never issued", event.name);
                    return place.violation("S3 no phantom", "", what);
                }
                let window = host.config().events.buffer.max(1) as u64;
                if ltime.saturating_add(window) < seen.clocks[1] {
                    let what = format!("an event of time {ltime} delivered at {}", seen.clocks[1]);
                    return place.violation("S2 at most once", "", what);
                }
                let latest = seen.latest.replace(seen.latest.unwrap_or(0).max(ltime));
                if std::mem::take(&mut seen.sending) && latest.is_some_and(|latest| ltime <= latest) {
                    let what = format!("its own event has time {ltime} after {latest:?} was witnessed");
                    return place.violation("S1 Lamport", "", what);
                }
                let now = host.node()?.clocks()[1];
                if now <= ltime {
                    let what = format!("the event clock shows {now} after an event of time {ltime}");
                    return place.violation("S1 Lamport", "", what);
                }
                None
            }
            Event::Query(query) => {
                if lies || self.asked.contains(&event_key(0, &query.name, &query.payload)) {
                    return None;
                }
                place.violation("S3 no phantom", "", format!("query {} was never asked", query.name))
            }
            Event::Answer(answer) => answered(place, seen, answer),
            _ => None,
        }
    }

    pub(super) fn on_reply(
        &self,
        place: Place<'_>,
        seen: &mut Seen,
        token: Token,
        result: &Result<Reply, CommandError>,
    ) -> Option<Violation> {
        let nodes = seen.asking.remove(&token);
        if let Ok(Reply::QueryStarted { id, timeout }) = result {
            seen.asked.extend(nodes.map(|nodes| (*id, nodes)));
            seen.deadlines.insert(*id, place.local + *timeout);
        }
        let (what, size) = seen.too_large.remove(&token)?;
        if result.is_err() {
            return None;
        }
        place.violation("S6 size limits", "", format!("{what} of {size} bytes was accepted"))
    }
}

/// S1: a process that finds its past on its disk starts with clocks above what is written there.
pub(super) fn started<R>(place: Place<'_>, host: &Host<R>) -> Option<Violation> {
    if !host.restored {
        return None;
    }
    let config = host.config();
    let past = Restored::read(host.disk.snapshot(), config.rejoin_after_leave, config.members.max);
    let (was, is) = ([past.clock.0, past.event_clock.0, past.query_clock.0], host.node()?.clocks());
    if was.iter().zip(&is).all(|(was, is)| *was == 0 || is > was) {
        return None;
    }
    place.violation("S1 Lamport", "", format!("clocks {is:?} after a restart, {was:?} on its disk"))
}

/// S5: an intent for somebody unknown is kept for its bounded time, and until the reaper comes by.
fn old_intent<R>(place: Place<'_>, host: &Host<R>) -> Option<Violation> {
    let since = host.node()?.oldest_intent()?;
    let members = &host.config().members;
    let most = members.recent_intent_timeout + members.reap_interval + Duration::from_secs(1);
    let kept = place.local.since(since);
    if kept <= most || host.was_disturbed() {
        return None;
    }
    let what = format!("it keeps an intent for somebody unknown for {kept:?}, {most:?} are allowed");
    place.violation("S5 intent order", "", what)
}

/// S4: one ack and one answer of each, none after the end.
fn answered(place: Place<'_>, seen: &mut Seen, answer: &tidings_core::Answer) -> Option<Violation> {
    const NAME: &str = "S4 query";
    let id = answer.query;
    if seen.over.contains(&id) {
        return place.violation(NAME, "", "an answer after the deadline".into());
    }
    let (first, from) = match &answer.kind {
        AnswerKind::Ack { from } => (seen.acks.insert((id, from.to_string())), from),
        AnswerKind::Response { from, .. } => (seen.responses.insert((id, from.to_string())), from),
        AnswerKind::Done { .. } => {
            seen.over.insert(id);
            seen.deadlines.remove(&id);
            return None;
        }
    };
    if seen.deadlines.get(&id).is_some_and(|deadline| place.local > *deadline) {
        return place.violation(NAME, from, "its answer came after the deadline".into());
    }
    if seen.asked.get(&id).is_some_and(|asked| asked.iter().all(|name| *name != **from)) {
        return place.violation(NAME, from, "it answered what it was not asked".into());
    }
    if first {
        return None;
    }
    place.violation(NAME, from, "it answered twice".into())
}
