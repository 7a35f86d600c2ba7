//! S1 to S4 and S6: clocks, user events and queries.

use std::collections::{HashMap, HashSet};

use tidings_core::{AnswerKind, Command, CommandError, Event, Input, QueryId, Reply, Token};

use super::Place;
use crate::digest::Digest;
use crate::host::Host;
use crate::watch::Violation;

/// What has been said in the whole cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Serf {
    /// User events issued, by name and payload.
    issued: HashSet<u64>,
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
    /// Commands that must be refused, with the invariant's reason.
    too_large: HashMap<Token, usize>,
    /// Queries on their way that only some members are to answer.
    asking: HashMap<Token, Vec<String>>,
    /// Those who are to answer.
    asked: HashMap<QueryId, Vec<String>>,
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
        if let Input::Command { token, command: Command::UserEvent { name, payload, .. } } = input {
            self.issued.insert(event_key(0, name, payload));
            seen.sending = true;
            let size = name.len() + payload.len();
            if size > host.config().events.size_limit {
                seen.too_large.insert(*token, size);
            }
        }
        if let Input::Command { token, command: Command::Query(params) } = input
            && !params.nodes.is_empty()
        {
            seen.asking.insert(*token, params.nodes.clone());
        }
        let clocks = host.node()?.clocks();
        let before = std::mem::replace(&mut seen.clocks, clocks);
        if before.iter().zip(&clocks).any(|(before, after)| after < before) {
            return place.violation("S1 Lamport", "", format!("clocks {clocks:?} after {before:?}"));
        }
        None
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
        if let (Some(nodes), Ok(Reply::QueryStarted { id, .. })) = (seen.asking.remove(&token), result) {
            seen.asked.insert(*id, nodes);
        }
        let size = seen.too_large.remove(&token)?;
        if result.is_err() {
            return None;
        }
        place.violation("S6 size limits", "", format!("an event of {size} bytes was accepted"))
    }
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
            return None;
        }
    };
    if seen.asked.get(&id).is_some_and(|asked| asked.iter().all(|name| *name != **from)) {
        return place.violation(NAME, from, "it answered what it was not asked".into());
    }
    if first {
        return None;
    }
    place.violation(NAME, from, "it answered twice".into())
}
