//! What Serf adds to membership: intents, events, queries, tags, coordinates.
//!
//! The layer is fed by the node with what SWIM noticed and with the Serf messages that arrived; it
//! speaks through SWIM's broadcast queue.

pub mod clock;
pub mod coalesce;
pub mod coordinate;
pub mod dedup;
pub mod filter;
pub mod intent;
pub mod keys;
pub mod restore;
pub mod snapshot;
pub mod tags;
pub mod vivaldi;

mod event;
mod holdings;
mod internal;
mod leave;
mod member;
mod overstay;
mod peers;
mod query;
mod re2;
mod reap;
mod record;
mod respond;
mod sync;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::command::{CommandError, Reply, Token};
use crate::config::Config;
use crate::context::{Context, give_back};
use crate::event::QueryId;
use crate::input::PersistId;
use crate::output::Output;
use crate::serf::clock::{LamportClock, LamportTime};
use crate::serf::coalesce::{MemberCoalescer, UserCoalescer};
use crate::serf::dedup::{EventBuffer, QueryBuffer};
use crate::serf::intent::RecentIntents;
use crate::serf::leave::Leaving;
use crate::serf::query::Open;
use crate::serf::respond::{KeyAnswer, Pending};
use crate::serf::restore::Restored;
use crate::serf::snapshot::Snapshot;
use crate::swim::Swim;
use crate::swim::gossip::{Class, Waiter};
use crate::swim::members::Members;
use crate::timers::{Key, Tick};
use crate::wire::message::MessageType;

/// The three clocks of the cluster as this node has witnessed them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clocks {
    pub(crate) member: LamportClock,
    pub(crate) event: LamportClock,
    pub(crate) query: LamportClock,
}

impl Clocks {
    /// Member, event and query time.
    pub(crate) const fn now(&self) -> [LamportTime; 3] {
        [self.member.now(), self.event.now(), self.query.now()]
    }
}

/// The Serf layer of a node.
#[derive(Clone, Debug)]
pub(crate) struct Serf {
    pub(crate) clocks: Clocks,
    pub(crate) leaving: Leaving,
    intents: RecentIntents,
    events: EventBuffer,
    queries: QueryBuffer,
    /// Queries this node asked.
    open: BTreeMap<QueryId, Open>,
    /// Queries this node may answer.
    pending: BTreeMap<QueryId, Pending>,
    /// Key operations done here that wait for the keyring to be written.
    key_answers: BTreeMap<PersistId, KeyAnswer>,
    next_persist: u64,
    member_events: Option<Box<MemberCoalescer>>,
    user_events: Option<Box<UserCoalescer>>,
    pub(crate) coordinates: Option<vivaldi::Client>,
    snapshot: Option<Box<Snapshot>>,
    /// Who waits for which broadcast.
    waits: BTreeMap<Waiter, Wait>,
    next_waiter: Waiter,
}

/// What happens when a broadcast has been sent (or was not in time).
#[derive(Clone, Debug)]
enum Wait {
    /// A command is answered.
    Command { token: Token, late: CommandError },
    /// The leave goes on.
    Leave,
}

impl Serf {
    pub(crate) fn new(cx: &mut Context, hash_seed: u64, restored: &Restored) -> Self {
        let config = cx.config.clone();
        let few = rare!(cx, SmallRings);
        let ring = |size: usize| if few { size.min(4) } else { size };
        let (members_max, peers_max) = (config.members.max, config.coordinate_peers_max);
        let snapshot = || Snapshot::new(restored, config.rejoin_after_leave, members_max, cx.now);
        let mut serf = Serf {
            clocks: Clocks::default(),
            leaving: Leaving::default(),
            intents: RecentIntents::new(),
            events: EventBuffer::new(ring(config.events.buffer), config.events.buffer_bytes_max),
            queries: QueryBuffer::new(ring(config.queries.buffer), config.queries.per_time_max),
            open: BTreeMap::new(),
            pending: BTreeMap::new(),
            key_answers: BTreeMap::new(),
            next_persist: 0,
            member_events: config
                .members
                .coalesce
                .map(|rule| Box::new(MemberCoalescer::new(rule, members_max))),
            user_events: config.events.coalesce.map(|rule| Box::new(UserCoalescer::new(rule))),
            coordinates: config.coordinates.then(|| vivaldi::Client::new(peers_max, hash_seed)),
            snapshot: config.snapshot.then(|| Box::new(snapshot())),
            waits: BTreeMap::new(),
            next_waiter: 0,
        };
        // The first message of a fresh node carries time 1.
        serf.clocks.member.increment();
        serf.clocks.event.increment();
        serf.clocks.query.increment();
        if !bug!(cx, ForgetsTheTime) {
            serf.go_on_after(restored);
        }
        for (tick, interval) in [
            (Tick::Reap, config.members.reap_interval),
            (Tick::Reconnect, config.members.reconnect_interval),
            (Tick::QueueCheck, config.queues.check_interval),
        ] {
            cx.timers.set_tick(tick, cx.now + interval);
        }
        serf
    }

    /// Gives back memory that busier times needed.
    pub(crate) fn rest(&mut self, cx: &Context) {
        if bug!(cx, ForgetsEvents) {
            self.events = EventBuffer::new(cx.config.events.buffer, cx.config.events.buffer_bytes_max);
        }
        give_back(&mut self.open);
        give_back(&mut self.pending);
        give_back(&mut self.key_answers);
        give_back(&mut self.waits);
    }

    /// Queues a message of this layer.
    pub(crate) fn broadcast(
        &mut self,
        cx: &mut Context,
        swim: &mut Swim,
        class: Class,
        bytes: Bytes,
        waiter: Option<Waiter>,
    ) {
        let mut depth_max = depth_max(&cx.config, &swim.members);
        if rare!(cx, ShortQueues) {
            depth_max = depth_max.min(4);
        }
        swim.gossip.push(cx, class, bytes, waiter, depth_max);
    }

    /// Somebody waits for a broadcast; at the latest for the configured time.
    fn wait(&mut self, cx: &mut Context, wait: Wait) -> Waiter {
        let waiter = self.next_waiter;
        self.next_waiter += 1;
        self.waits.insert(waiter, wait);
        cx.timers.set(Key::Wait(waiter), cx.now + cx.config.leave.broadcast_timeout);
        waiter
    }

    /// A broadcast was sent often enough, or its time is over.
    pub(crate) fn on_waited(&mut self, cx: &mut Context, swim: &mut Swim, waiter: Waiter, in_time: bool) {
        cx.timers.cancel(&Key::Wait(waiter));
        match self.waits.remove(&waiter) {
            Some(Wait::Command { token, late }) => {
                reply(cx, token, if in_time { Ok(Reply::Done) } else { Err(late) })
            }
            Some(Wait::Leave) => self.leave_on(cx, swim),
            None => {}
        }
    }

    /// Looks at the queues' depth (serf-wire, section 10).
    pub(crate) fn on_queue_check(&mut self, cx: &mut Context, swim: &mut Swim) {
        cx.timers.set_tick(Tick::QueueCheck, cx.now + cx.config.queues.check_interval);
        let depth_max = depth_max(&cx.config, &swim.members);
        for (class, queue) in [(Class::Intent, "Intent"), (Class::Event, "Event"), (Class::Query, "Query")] {
            let depth = swim.gossip.len(class);
            let dropped = swim.gossip.prune(cx, class, depth_max);
            if depth >= cx.config.queues.depth_warning {
                cx.event(crate::event::Event::QueueWarning { queue, depth, dropped });
            }
        }
    }
}

/// Messages a queue of the Serf layer may hold.
fn depth_max(config: &Config, members: &Members) -> usize {
    match config.queues.depth_min {
        0 => config.queues.depth_max,
        least => (2 * members.serf_len()).max(least),
    }
}

/// Answers a command.
pub(crate) fn reply(cx: &mut Context, token: Token, result: Result<Reply, CommandError>) {
    cx.outputs.push_back(Output::Reply { token, result });
}

/// Whether anybody else is there to be told something.
fn others_alive(swim: &Swim) -> bool {
    swim.members.trie().live() > usize::from(!swim.leaving)
}

/// A Serf message as it travels in a datagram: behind the type byte of user data.
fn user_message(encode: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut bytes = Vec::with_capacity(64);
    bytes.push(MessageType::User as u8);
    encode(&mut bytes);
    bytes.into()
}
