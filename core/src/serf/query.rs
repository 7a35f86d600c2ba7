//! Queries this node asks: sending them, collecting what comes back (serf-wire, sections 6.2
//! and 6.4).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::command::{CommandError, QueryParams, Reply, Token};
use crate::context::Context;
use crate::event::{Answer, AnswerKind, Event, QueryId};
use crate::serf::internal::{KeyVote, NameVote};
use crate::serf::{Serf, reply, user_message};
use crate::swim::Swim;
use crate::swim::gossip::{Class, decades};
use crate::swim::member::Status;
use crate::swim::members::Name;
use crate::time::Time;
use crate::timers::Key;
use crate::wire::serf_message::{self as serf, Filters, encode_filters};

/// Prefix of the queries that nodes answer by themselves.
pub(crate) const INTERNAL_PREFIX: &str = "_serf_";
/// The internal query anybody may ask.
pub(crate) const PING_QUERY: &str = "_serf_ping";
/// Serf protocol from which queries exist.
const QUERIES_SINCE: u8 = 4;

/// A query that is being answered.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    started: Time,
    deadline: Time,
    /// Members heard from; the first ack and the first response of each count.
    acks: BTreeSet<Name>,
    responses: BTreeSet<Name>,
    asker: Asker,
}

/// For whom a query is asked.
#[derive(Clone, Debug)]
pub(crate) enum Asker {
    /// The application, told by [`Event::Answer`].
    Application,
    /// A key operation.
    Keys(KeyVote),
    /// The vote about the own name.
    Name(NameVote),
}

impl Serf {
    /// The application asks the cluster.
    pub(crate) fn command_query(
        &mut self,
        cx: &mut Context,
        swim: &mut Swim,
        token: Token,
        params: &QueryParams,
    ) {
        let internal = params.name.starts_with(INTERNAL_PREFIX);
        if internal && !(params.name == PING_QUERY && params.payload.is_empty()) {
            return reply(cx, token, Err(CommandError::ReservedQuery));
        }
        if let Err(error) = self.ask(cx, swim, params, Asker::Application, Some(token)) {
            reply(cx, token, Err(error));
        }
    }

    /// Asks the cluster on somebody's behalf. With a token, the command is answered before the
    /// first answer can come.
    pub(crate) fn ask(
        &mut self,
        cx: &mut Context,
        swim: &mut Swim,
        params: &QueryParams,
        asker: Asker,
        token: Option<Token>,
    ) -> Result<QueryId, CommandError> {
        if cx.config.protocol < QUERIES_SINCE {
            return Err(CommandError::NotSupported);
        }
        if self.open.len() >= cx.config.queries.open_max {
            return Err(CommandError::TooManyQueries);
        }
        let timeout = if params.timeout.is_zero() { self.default_timeout(cx, swim) } else { params.timeout };
        let mut filters = Vec::new();
        encode_filters(&params.nodes, &params.tags, &mut filters);
        let me = swim.me.clone();
        let message = serf::Query {
            ltime: self.clocks.query.now(),
            id: cx.rng.u32() & 0x7fff_ffff,
            addr: swim.addr.ip(),
            port: swim.addr.port(),
            filters: Filters::from_encoded(&filters).unwrap_or_default(),
            flags: if params.ack { serf::Query::ACK } else { 0 },
            relay_factor: params.relay_factor,
            timeout: i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX),
            name: &params.name,
            payload: &params.payload,
            source_node: &me,
        };
        let bytes = user_message(|out| message.encode(out));
        if bytes.len() - 1 > cx.config.queries.size_limit {
            return Err(CommandError::QueryTooLarge(cx.config.queries.size_limit));
        }
        let id = QueryId { ltime: message.ltime, id: message.id };
        let deadline = cx.now + timeout;
        let open =
            Open { started: cx.now, deadline, acks: BTreeSet::new(), responses: BTreeSet::new(), asker };
        self.open.insert(id, open);
        cx.timers.set(Key::OpenQuery(id), deadline);
        if let Some(token) = token {
            reply(cx, token, Ok(Reply::QueryStarted { id, timeout }));
        }
        self.hear_query(cx, swim, swim.addr, &message);
        self.broadcast(cx, swim, Class::Query, bytes, None);
        Ok(id)
    }

    /// How long answers are awaited by default (serf-wire, section 6.4).
    fn default_timeout(&self, cx: &Context, swim: &Swim) -> Duration {
        let alive = swim.members.with_status(Status::Alive);
        let mult = cx.config.queries.timeout_mult.saturating_mul(decades(alive + 1));
        cx.config.gossip.interval.saturating_mul(mult)
    }

    /// An ack or a response came back.
    pub(crate) fn hear_response(
        &mut self,
        cx: &mut Context,
        swim: &mut Swim,
        response: &serf::QueryResponse<'_>,
    ) {
        let id = QueryId { ltime: response.ltime, id: response.id };
        // Members may be more than once heard, but hardly more often than there are members.
        let most = 2 * swim.members.len() + 64;
        let Some(open) = self.open.get_mut(&id) else { return };
        if cx.now > open.deadline {
            // The timer that closes it is late.
            return;
        }
        let heard = if response.is_ack() { &mut open.acks } else { &mut open.responses };
        let counted = heard.len() < most && (bug!(cx, CountsCopies) || !heard.contains(response.from));
        if !counted {
            let duplicates = if response.is_ack() {
                &mut cx.metrics.query_duplicate_acks
            } else {
                &mut cx.metrics.query_duplicate_responses
            };
            *duplicates += 1;
            return;
        }
        let from: Name = response.from.into();
        heard.insert(from.clone());
        let payload = response.payload;
        if response.is_ack() {
            cx.metrics.query_acks += 1;
        } else {
            cx.metrics.query_responses += 1;
        }
        match &mut open.asker {
            Asker::Application => {
                let kind = if response.is_ack() {
                    AnswerKind::Ack { from }
                } else {
                    AnswerKind::Response { from, payload: Bytes::copy_from_slice(payload) }
                };
                cx.event(Event::Answer(Answer { query: id, kind }));
            }
            Asker::Keys(vote) if !response.is_ack() => {
                vote.count(&from, payload);
                if vote.is_complete() {
                    self.on_query_over(cx, swim, id);
                }
            }
            Asker::Name(vote) if !response.is_ack() => vote.count(swim.addr, payload),
            Asker::Keys(_) | Asker::Name(_) => {}
        }
    }

    /// A query's time is over (or nothing more is expected).
    pub(crate) fn on_query_over(&mut self, cx: &mut Context, swim: &mut Swim, id: QueryId) {
        cx.timers.cancel(&Key::OpenQuery(id));
        let Some(open) = self.open.remove(&id) else { return };
        match open.asker {
            Asker::Application => {
                let after = cx.now.min(open.deadline).since(open.started);
                cx.event(Event::Answer(Answer { query: id, kind: AnswerKind::Done { after } }));
            }
            Asker::Keys(vote) => vote.finish(cx),
            Asker::Name(vote) => {
                swim.name_vote_running = false;
                vote.finish(cx);
            }
        }
    }
}
