//! The node: sends each input to its part, keeps the output queue and the one deadline.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::net::SocketAddr;

use crate::command::{Command, CommandError, Reply, Token};
use crate::config::Config;
use crate::context::Context;
use crate::error::{ConfigError, Misuse};
use crate::input::{Input, StreamEvent};
use crate::metrics::{Metrics, Stats};
use crate::output::Output;
use crate::registry::{OwnCheck, Registry, RegistryView};
use crate::serf::coordinate::Coordinate;
use crate::serf::restore::Restored;
use crate::serf::{Serf, reply};
use crate::shared::ViewPool;
use crate::swim::gossip::Class;
use crate::swim::join::{Ended, Wish};
use crate::swim::member::Status;
use crate::swim::{Notice, Swim};
use crate::time::Time;
use crate::timers::{Due, Key, Tick};
use crate::trace::Cause;
use crate::view::View;

/// Outputs a node that rests keeps room for: those of an idle second.
const OUTPUTS_KEEP: usize = 2;

/// One member of a cluster: inputs in, outputs out, nothing else touched.
///
/// The law: hand in what happened with [`handle_input`](Self::handle_input), then take out what
/// there is to do with [`poll_output`](Self::poll_output) until it says `None`, and come back at
/// [`poll_timeout`](Self::poll_timeout) at the latest. Several inputs before one drain are legal,
/// draining is always legal, and superfluous time-outs are harmless.
///
/// A clone goes on from the same state with the same random numbers: given the same inputs it
/// does the same. The members are shared, so that it costs what a node has beside them. It is for
/// simulators that try several futures; with encryption keys, never let two clones send, since
/// they would use the same nonces.
#[derive(Clone, Debug)]
pub struct Node {
    pub(crate) cx: Context,
    pub(crate) swim: Swim,
    pub(crate) serf: Serf,
    pub(crate) registry: Option<Box<Registry>>,
}

impl Node {
    /// Makes a node, alone in its cluster.
    ///
    /// Everything it will ever decide follows from `config`, `seed` and the inputs. With encryption
    /// keys the seed must be fresh from a good source and never be used twice, since nonces come
    /// from it.
    ///
    /// # Errors
    /// What [`Config::validate`] finds.
    pub fn new(config: impl Into<Arc<Config>>, seed: [u8; 32], now: Time) -> Result<Node, ConfigError> {
        Self::restore(config, seed, now, &Restored::default())
    }

    /// Makes a node that goes on where a snapshot ended: its clocks stand behind those recorded, so
    /// that it takes no old event for new. To re-enter the cluster, hand in
    /// [`Command::Rejoin`] with the members the snapshot knows.
    ///
    /// # Errors
    /// What [`Config::validate`] finds.
    pub fn restore(
        config: impl Into<Arc<Config>>,
        seed: [u8; 32],
        now: Time,
        snapshot: &Restored,
    ) -> Result<Node, ConfigError> {
        let config = config.into();
        config.validate()?;
        let mut cx = Context::new(config, seed, now);
        let drawn = cx.rng.u64();
        let hash_seed = cx.config.hash_seed.unwrap_or(drawn);
        let mut swim = Swim::new(&mut cx, hash_seed)?;
        let serf = Serf::new(&mut cx, hash_seed, snapshot);
        serf.tell_coordinate(&mut swim);
        let registry =
            cx.config.registry.enabled.then(|| {
                Box::new(Registry::new(&mut cx, swim.me.clone(), hash_seed, &snapshot.registrations))
            });
        let mut node = Node { cx, swim, serf, registry };
        node.settle();
        Ok(node)
    }

    /// The configuration it was made with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.cx.config
    }

    /// Takes in one thing that happened at `now`.
    ///
    /// Changes what [`poll_output`](Self::poll_output) and [`poll_timeout`](Self::poll_timeout)
    /// answer.
    ///
    /// # Errors
    /// [`Misuse`]: the caller broke the law of use; the node is as it was.
    pub fn handle_input(&mut self, now: Time, input: Input<'_>) -> Result<(), Misuse> {
        if now < self.cx.now {
            return Err(Misuse::TimeWentBack);
        }
        if let Input::Stream { id, event: StreamEvent::Accepted { .. } } = input {
            self.swim.streams.check_new(id)?;
        }
        self.cx.now = now;
        self.run_due();
        match input {
            Input::Timeout => {}
            Input::Datagram { from, payload } => self.on_datagram(from, payload),
            Input::Stream { id, event } => self.on_stream(id, event),
            Input::Stalled(stalled) => self.swim.on_stall(&mut self.cx, stalled),
            Input::Command { token, command } => self.on_command(token, command),
            Input::Resolved { id, result } => self.swim.on_resolved(&mut self.cx, id, result),
            Input::Persisted { id, result } => {
                let Node { cx, swim, serf, registry, .. } = self;
                let registrys = registry.as_mut().is_some_and(|it| it.on_persisted(cx, id, &result));
                if !registrys {
                    serf.on_persisted(cx, swim, id, result);
                }
            }
            Input::CheckResult { id, status, output } => {
                if let Some(registry) = &mut self.registry {
                    registry.on_result(&mut self.cx, id, status, &output);
                }
            }
        }
        self.settle();
        self.run_due();
        if rare!(self.cx, RestsOften) {
            self.rest();
        }
        Ok(())
    }

    /// Like [`handle_input`](Self::handle_input), for a process that holds many nodes: views that
    /// agree share the memory in `pool`, and a state is encoded once for all nodes that send the
    /// same. It changes no behaviour.
    ///
    /// # Errors
    /// As [`handle_input`](Self::handle_input).
    pub fn handle_input_with(
        &mut self,
        now: Time,
        input: Input<'_>,
        pool: &mut ViewPool,
    ) -> Result<(), Misuse> {
        self.swim.packets.swap_scratch(pool.scratch());
        if let Some(registry) = &mut self.registry {
            registry.table.pool = Some(core::mem::take(pool.records()));
        }
        self.swim.members.pool = Some(core::mem::take(pool));
        let result = self.handle_input(now, input);
        if let Some(lent) = self.swim.members.pool.take() {
            *pool = lent;
        }
        if let Some(lent) = self.registry.as_mut().and_then(|registry| registry.table.pool.take()) {
            *pool.records() = lent;
        }
        self.swim.packets.swap_scratch(pool.scratch());
        result
    }

    /// The next thing to do; `None`: nothing until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.cx.poll_output()
    }

    /// When to hand in [`Input::Timeout`]; `None`: not at all. Answers differently after each
    /// input.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.cx.timers.next()
    }

    /// What this node has done so far.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.cx.metrics
    }

    /// The members as they are now: an immutable copy, made in O(1).
    #[must_use]
    pub fn view(&self) -> View {
        self.swim.members.view().clone()
    }

    /// As [`view`](Self::view), borrowed.
    #[must_use]
    pub const fn members(&self) -> &View {
        self.swim.members.view()
    }

    /// Whether [`view`](Self::view) would still be this one, or another clone of it: whether nothing
    /// changed since. Asked without copying anything.
    #[must_use]
    pub fn shows(&self, view: &View) -> bool {
        self.swim.members.view().same(view)
    }

    /// What the Lamport clocks of members, events and queries show.
    #[must_use]
    pub const fn clocks(&self) -> [u64; 3] {
        let clocks = &self.serf.clocks;
        [clocks.member.now().0, clocks.event.now().0, clocks.query.now().0]
    }

    /// How this node stands.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (swim, serf) = (&self.swim, &self.serf);
        Stats {
            members: swim.members.serf_len(),
            failed: swim.members.with_status(Status::Failed),
            left: swim.members.with_status(Status::Left),
            health_score: swim.awareness.score(),
            member_time: serf.clocks.member.now().0,
            event_time: serf.clocks.event.now().0,
            query_time: serf.clocks.query.now().0,
            member_queue: swim.gossip.len(Class::Member),
            intent_queue: swim.gossip.len(Class::Intent),
            event_queue: swim.gossip.len(Class::Event),
            query_queue: swim.gossip.len(Class::Query),
            encrypted: !swim.packets.keyring().is_empty(),
            coordinate_resets: serf.coordinates.as_ref().map(|client| client.resets()),
        }
    }

    /// The estimated position of a member (this node included) in the network; `None`: unknown,
    /// or coordinates are off.
    #[must_use]
    pub fn coordinate(&self, name: &str) -> Option<Coordinate> {
        let client = self.serf.coordinates.as_ref()?;
        if *name == *self.swim.me { Some(client.coordinate()) } else { client.peer(name).copied() }
    }

    /// Does what is due.
    fn run_due(&mut self) {
        while let Some(due) = self.cx.timers.pop(self.cx.now) {
            self.cx.cause = Cause::Timer;
            match due {
                Due::Tick(tick) => self.on_tick(tick),
                Due::Key(key) => self.on_deadline(key),
            }
            self.settle();
        }
    }

    fn on_tick(&mut self, tick: Tick) {
        let Node { cx, swim, serf, .. } = self;
        if swim.holds(tick) {
            return;
        }
        match tick {
            Tick::ProbeLate => swim.on_probe_late(cx),
            Tick::ProbeEnd => swim.on_probe_end(cx),
            Tick::Probe => swim.on_probe_tick(cx),
            Tick::Gossip => swim.on_gossip_tick(cx),
            Tick::PushPull => swim.on_push_pull_tick(cx),
            Tick::Leave => serf.leave_on(cx, swim),
            Tick::Reap => serf.on_reap(cx, swim),
            Tick::Reconnect => serf.on_reconnect(cx, swim),
            Tick::QueueCheck => {
                serf.on_queue_check(cx, swim);
                self.rest();
            }
            Tick::SnapshotClock => serf.on_snapshot_clock(cx),
            Tick::MemberEvents => serf.flush_member_events(cx),
            Tick::UserEvents => serf.flush_user_events(cx),
            Tick::RegistrySync => self.on_registry_sync(),
        }
    }

    /// Gives back memory that busier times needed. What each second needs comes back with the next
    /// packet and stays until the next rest.
    fn rest(&mut self) {
        let Node { cx, swim, serf, .. } = self;
        cx.outputs.shrink_to(OUTPUTS_KEEP);
        cx.timers.rest();
        swim.rest();
        serf.rest(cx);
    }

    fn on_deadline(&mut self, key: Key) {
        let Node { cx, swim, serf, registry, .. } = self;
        match key {
            Key::Suspicion(name) => swim.on_suspicion_over(cx, &name),
            Key::Forget(name) => swim.on_forget(cx, &name),
            // That it was set is all there is to know.
            Key::TakenOver(_) => {}
            Key::Forward(seq) => swim.on_forward_over(cx, seq),
            Key::Stream(id) => swim.on_stream_over(cx, id),
            Key::Resolve(id) => swim.on_resolve_over(cx, id),
            Key::Persist(id) => {
                serf.on_persisted(cx, swim, id, Err("writing the keyring took too long".into()));
            }
            Key::OpenQuery(id) => serf.on_query_over(cx, swim, id),
            Key::PendingQuery(id) => serf.on_pending_over(id),
            Key::Wait(waiter) => serf.on_waited(cx, swim, waiter, false),
            Key::Prune(name) => serf.on_prune(cx, swim, &name),
            Key::Overstay(name) => serf.on_overstay(cx, swim, &name),
            Key::Check(number) => registry.iter_mut().for_each(|it| it.on_check(cx, number)),
            Key::Output(number) => registry.iter_mut().for_each(|it| it.on_output(cx, number)),
            Key::Deregister(number) => {
                registry.iter_mut().for_each(|it| it.on_critical_too_long(cx, number));
            }
        }
    }

    /// Hands what SWIM noticed to the Serf layer and the registry, until nothing is left; tells the
    /// others what the registry wrote.
    pub(crate) fn settle(&mut self) {
        // Asked after each message; mostly there is nothing.
        while !self.swim.notices.is_empty() || self.swim.gossip.has_done() {
            let notices = core::mem::take(&mut self.swim.notices);
            let done = self.swim.gossip.take_done();
            for notice in notices {
                self.on_notice(notice);
            }
            for waiter in done {
                let Node { cx, swim, serf, .. } = self;
                serf.on_waited(cx, swim, waiter, true);
            }
        }
        self.tell_written();
    }

    fn on_notice(&mut self, notice: Notice) {
        let Node { cx, swim, serf, registry, .. } = self;
        match notice {
            Notice::Alive { name, gone_since } => {
                serf.on_alive(cx, swim, &name, gone_since);
                self.on_owner_there(&name);
            }
            Notice::Gone(name) => {
                serf.on_gone(cx, swim, &name);
                if bug!(self.cx, DropsTheFailed) {
                    self.on_owner_erased(&name);
                }
            }
            Notice::Updated(name) => serf.on_updated(cx, swim, &name),
            Notice::Erased(name) => self.on_owner_erased(&name),
            Notice::Refuted => registry.iter_mut().for_each(|it| it.own.tell_head(&it.table)),
            Notice::OwnNameClaimed => serf.on_own_name_claimed(cx, swim),
            Notice::JoinEnded(ended) => on_join_ended(cx, swim, serf, ended),
            Notice::TalkFailed { id, peer, reason } => self.on_talk_failed(id, peer, &reason),
        }
    }

    fn on_command(&mut self, token: Token, command: Command) {
        let Node { cx, swim, serf, .. } = self;
        cx.cause = Cause::Command;
        let result = match command {
            Command::Join { addresses, replay } => {
                if serf.leaving.is_leaving() {
                    Err(CommandError::JoinAfterLeave)
                } else {
                    let wish = Wish { token, replay, first_only: false, announce: true };
                    return or_reply(cx, token, |cx| swim.join(cx, wish, &addresses));
                }
            }
            Command::Rejoin { addresses } => {
                let wish = Wish { token, replay: true, first_only: true, announce: false };
                return or_reply(cx, token, |cx| swim.join(cx, wish, &addresses));
            }
            Command::Leave => return serf.leave(cx, swim, token),
            Command::ForceLeave { node, prune } => return serf.force_leave(cx, swim, token, &node, prune),
            Command::UserEvent { name, payload, coalesce } => {
                serf.send_event(cx, swim, &name, &payload, coalesce)
            }
            Command::Query(params) => return serf.command_query(cx, swim, token, &params),
            Command::Respond { id, payload } => serf.respond(cx, swim, id, &payload),
            Command::UpdateTags { delete, set, replace } => {
                return or_reply(cx, token, |cx| serf.update_tags(cx, swim, token, delete, set, replace));
            }
            Command::Keys(keys) => return serf.command_keys(cx, swim, token, &keys),
            Command::Registry(command) => return self.on_registry_command(token, *command),
        };
        reply(cx, token, result);
    }

    /// What this node's registry knows: an immutable copy, made in O(1). Empty without a registry.
    #[must_use]
    pub fn registry(&self) -> RegistryView {
        self.registry.as_ref().map_or_else(RegistryView::default, |it| it.view())
    }

    /// The checks registered at this node, by ID.
    pub fn checks(&self) -> impl Iterator<Item = OwnCheck<'_>> {
        self.registry.iter().flat_map(|registry| registry.checks())
    }

    /// A check registered at this node.
    #[must_use]
    pub fn check(&self, id: &str) -> Option<OwnCheck<'_>> {
        self.registry.as_ref()?.check(id)
    }

    /// The address peers reach this node at.
    #[must_use]
    pub fn advertised(&self) -> SocketAddr {
        self.swim.addr
    }
}

/// Runs what answers its command later, unless it fails at once.
fn or_reply(cx: &mut Context, token: Token, run: impl FnOnce(&mut Context) -> Result<(), CommandError>) {
    if let Err(error) = run(cx) {
        reply(cx, token, Err(error));
    }
}

fn on_join_ended(cx: &mut Context, swim: &mut Swim, serf: &mut Serf, ended: Ended) {
    let Ended { token, announce, contacted, failures } = ended;
    if contacted > 0 && announce && !serf.leaving.is_leaving() {
        serf.announce_join(cx, swim);
    }
    let result = if contacted > 0 || failures.is_empty() {
        Ok(Reply::Joined { contacted, failures })
    } else {
        Err(CommandError::Join(failures))
    };
    reply(cx, token, result);
}
