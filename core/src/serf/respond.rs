//! Queries others ask: hearing them, acknowledging, answering, relaying (serf-wire, sections 6.2
//! to 6.5).

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;

use crate::command::{CommandError, Reply};
use crate::context::Context;
use crate::error::{Malformed, Refusal};
use crate::event::{Event, Query, QueryId};
use crate::serf::dedup::Heard;
use crate::serf::internal::is_key_change;
use crate::serf::query::INTERNAL_PREFIX;
use crate::serf::{Serf, filter, user_message};
use crate::swim::Swim;
use crate::swim::member::Status;
use crate::swim::members::Name;
use crate::time::Time;
use crate::timers::Key;
use crate::wire::serf_message::{self as serf, SerfType};

/// Peers relay for others from this gossip protocol on.
const RELAY_SINCE: u8 = 5;

/// Where the answer to a query goes.
#[derive(Clone, Debug)]
pub(crate) struct ReturnAddress {
    pub(crate) id: QueryId,
    to: SocketAddr,
    node: Name,
    relay_factor: u8,
}

impl ReturnAddress {
    /// Bytes a response takes beside a payload of up to `payload_max` bytes.
    pub(crate) fn response_overhead(&self, me: &str, payload_max: usize) -> usize {
        let payload = alloc::vec![0; payload_max];
        let (ltime, id) = (self.id.ltime, self.id.id);
        let response = serf::QueryResponse { ltime, id, from: me, flags: 0, payload: &payload };
        let mut encoded = alloc::vec::Vec::new();
        response.encode(&mut encoded);
        encoded.len() - payload_max
    }
}

/// A query this node may still answer.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    back: ReturnAddress,
    deadline: Time,
    responded: bool,
}

/// A key operation done here, whose answer waits for the keyring to be written.
#[derive(Clone, Debug)]
pub(crate) struct KeyAnswer {
    pub(crate) back: ReturnAddress,
}

impl Serf {
    /// A query was heard from `from`; whether it is worth passing on.
    pub(crate) fn hear_query(
        &mut self,
        cx: &mut Context,
        swim: &mut Swim,
        from: SocketAddr,
        query: &serf::Query<'_>,
    ) -> bool {
        if let Some(refusal) = fatal_to_peers(query) {
            cx.refuse(from, refusal);
            return false;
        }
        if !cx.witness(&mut self.clocks.query, query.ltime) {
            return false;
        }
        match self.queries.offer(self.clocks.query.now(), query.ltime, query.id) {
            Heard::Fresh(()) => {}
            Heard::TooOld => {
                cx.metrics.too_old += 1;
                return false;
            }
            _ => return false,
        }
        cx.metrics.queries += 1;
        self.snapshot_query(cx, query.ltime);
        // Passed on even by those it is not meant for: they may be on its way.
        let pass_on = query.flags & serf::Query::NO_BROADCAST == 0;
        let meant = query.filters.iter().all(|condition| {
            let by_tag = matches!(condition, Ok(serf::Filter::Tag { .. }));
            if by_tag && bug!(cx, IgnoresTags) {
                return true;
            }
            if by_tag && bug!(cx, MistrustsTags) {
                return false;
            }
            filter::passes(condition, &swim.me, &swim.tags)
        });
        if !meant && !bug!(cx, IgnoresFilters) {
            return pass_on;
        }
        let id = QueryId { ltime: query.ltime, id: query.id };
        let back = ReturnAddress {
            id,
            to: SocketAddr::new(query.addr, query.port),
            node: query.source_node.into(),
            relay_factor: query.relay_factor,
        };
        if query.flags & serf::Query::ACK != 0 {
            // An ack is small; it always fits.
            let _ = self.send_response(cx, swim, &back, None);
        }
        if query.name.starts_with(INTERNAL_PREFIX) {
            self.answer_internal(cx, swim, from, &back, query);
            return pass_on;
        }
        self.deliver_query(cx, swim, back, query);
        pass_on
    }

    fn deliver_query(&mut self, cx: &mut Context, swim: &Swim, back: ReturnAddress, query: &serf::Query<'_>) {
        if self.pending.len() >= cx.config.queries.pending_max || rare!(cx, QueryRefused) {
            let from = if back.to == swim.addr { swim.addr } else { back.to };
            return cx.refuse(from, Refusal::Full("the table of queries to answer"));
        }
        let deadline = cx.now + Duration::from_nanos(u64::try_from(query.timeout).unwrap_or(0));
        let (id, source) = (back.id, back.node.clone());
        self.pending.insert(id, Pending { back, deadline, responded: false });
        cx.timers.set(Key::PendingQuery(id), deadline);
        cx.event(Event::Query(Box::new(Query {
            id,
            name: Arc::from(query.name),
            payload: Bytes::copy_from_slice(query.payload),
            source,
            deadline,
        })));
    }

    /// A received query may no longer be answered.
    pub(crate) fn on_pending_over(&mut self, id: QueryId) {
        self.pending.remove(&id);
    }

    /// The application answers a query.
    pub(crate) fn respond(
        &mut self,
        cx: &mut Context,
        swim: &mut Swim,
        id: QueryId,
        payload: &[u8],
    ) -> Result<Reply, CommandError> {
        let pending = self
            .pending
            .get(&id)
            .filter(|pending| pending.deadline > cx.now)
            .ok_or(CommandError::PastDeadline)?;
        if pending.responded {
            return Err(CommandError::AlreadyResponded);
        }
        let back = pending.back.clone();
        self.send_response(cx, swim, &back, Some(payload))?;
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.responded = true;
        }
        Ok(Reply::Done)
    }

    /// Sends a response (`Some`) or an ack (`None`) to whoever asked, and through relays.
    pub(crate) fn send_response(
        &mut self,
        cx: &mut Context,
        swim: &mut Swim,
        back: &ReturnAddress,
        payload: Option<&[u8]>,
    ) -> Result<(), CommandError> {
        let me = swim.me.clone();
        let response = serf::QueryResponse {
            ltime: back.id.ltime,
            id: back.id.id,
            from: &me,
            flags: if payload.is_none() { serf::QueryResponse::ACK } else { 0 },
            payload: payload.unwrap_or_default(),
        };
        let bytes = user_message(|out| response.encode(out));
        let limit = cx.config.queries.response_size_limit;
        if bytes.len() - 1 > limit {
            return Err(CommandError::ResponseTooLarge(limit));
        }
        if back.to == swim.addr {
            self.hear_response(cx, swim, &response);
        } else {
            swim.packets.send_direct(cx, back.to, &bytes);
        }
        self.relay(cx, swim, back, &bytes);
        Ok(())
    }

    /// Sends a copy of a response through other members, in case the direct way is blocked.
    fn relay(&mut self, cx: &mut Context, swim: &mut Swim, back: &ReturnAddress, bytes: &Bytes) {
        let count = usize::from(back.relay_factor);
        if count == 0 || swim.members.serf_len() < count + 1 {
            return;
        }
        let (addr, port) = (back.to.ip(), back.to.port());
        let relay = serf::Relay { addr, port, dest_name: &back.node, inner: &bytes[1..] };
        let message = user_message(|out| relay.encode(out));
        if message.len() - 1 > cx.config.queries.response_size_limit {
            return;
        }
        let me = swim.me.clone();
        let relays = swim.members.random(&mut cx.rng, count, |member| {
            member.status == Status::Alive
                && member.identity.versions.protocol_max >= RELAY_SINCE
                && *member.name() != *me
        });
        for relay in relays {
            swim.packets.send_direct(cx, relay.identity.addr, &message);
        }
    }

    /// Somebody wants a message passed on.
    pub(crate) fn on_relay(
        &mut self,
        cx: &mut Context,
        swim: &mut Swim,
        from: SocketAddr,
        relay: &serf::Relay<'_>,
    ) {
        let to = SocketAddr::new(relay.addr, relay.port);
        if relay.inner.first() != Some(&(SerfType::QueryResponse as u8)) {
            // Nobody relays anything else; passed on it would seem to come from us.
            return cx.refuse(from, Refusal::Other("a relay of something other than a response"));
        }
        if to != swim.addr {
            let message = user_message(|out| out.extend_from_slice(relay.inner));
            return swim.packets.send_direct(cx, to, &message);
        }
        if let Ok(response) = serf::QueryResponse::decode(&relay.inner[1..]) {
            self.hear_response(cx, swim, &response);
        }
    }
}

/// Queries that end an agent of the original (serf-wire, sections 6.3 and 6.6). No agent asks them,
/// and passed on they would end everybody behind us.
fn fatal_to_peers(query: &serf::Query<'_>) -> Option<Refusal> {
    if is_key_change(query.name) && query.payload.is_empty() {
        return Some(Refusal::Other("a key request without a key"));
    }
    let is_empty = |filter: Result<_, Malformed>| matches!(filter, Err(Malformed::Empty));
    query
        .filters
        .iter()
        .any(is_empty)
        .then_some(Refusal::Malformed { what: "filter", error: Malformed::Empty })
}
