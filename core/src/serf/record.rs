//! What the Serf layer remembers for the next start, what it learns from round trips, and how the
//! node describes itself.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::command::{CommandError, Reply, Token};
use crate::context::Context;
use crate::error::Refusal;
use crate::event::MemberEventKind;
use crate::output::Output;
use crate::serf::clock::LamportTime;
use crate::serf::coordinate::Coordinate;
use crate::serf::restore::Restored;
use crate::serf::{Serf, Wait, others_alive, reply};
use crate::swim::Swim;
use crate::swim::member::Member;
use crate::swim::probe::RoundTrip;
use crate::time::Time;
use crate::timers::Tick;
use crate::wire::limits::META_MAX;

impl Serf {
    /// Clocks stand behind what a snapshot recorded, and what it had heard is old
    /// (serf-wire, section 8).
    pub(crate) fn go_on_after(&mut self, restored: &Restored) {
        self.clocks.member.resume(restored.clock);
        self.clocks.event.resume(restored.event_clock);
        self.clocks.query.resume(restored.query_clock);
        if self.snapshot.is_some() {
            self.events.raise_min(LamportTime(restored.event_clock.0.saturating_add(1)));
            self.queries.raise_min(LamportTime(restored.query_clock.0.saturating_add(1)));
        }
    }

    pub(crate) fn snapshot_member(
        &mut self,
        cx: &mut Context,
        swim: &Swim,
        kind: MemberEventKind,
        member: &Member,
    ) {
        let (now, clock) = (cx.now, self.clocks.member.now());
        let Some(snapshot) = &mut self.snapshot else { return };
        match kind {
            MemberEventKind::Join if *member.name() != *swim.me => {
                snapshot.joined(now, clock, &member.identity.name, member.addr());
            }
            MemberEventKind::Join => snapshot.joined(now, clock, &swim.me, swim.addr),
            MemberEventKind::Leave | MemberEventKind::Failed => snapshot.gone(now, clock, member.name()),
            MemberEventKind::Update | MemberEventKind::Reap => {}
        }
        self.snapshot_out(cx);
    }

    pub(crate) fn snapshot_event(&mut self, cx: &mut Context, ltime: LamportTime) {
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.event(cx.now, ltime);
            self.snapshot_out(cx);
        }
    }

    pub(crate) fn snapshot_query(&mut self, cx: &mut Context, ltime: LamportTime) {
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.query(cx.now, ltime);
            self.snapshot_out(cx);
        }
    }

    pub(crate) fn snapshot_leave(&mut self, cx: &mut Context) {
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.leave(cx.now);
            self.snapshot_out(cx);
        }
    }

    /// The member clock is written now and then.
    pub(crate) fn on_snapshot_clock(&mut self, cx: &mut Context) {
        let clock = self.clocks.member.now();
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.handle_timeout(cx.now, clock);
            self.snapshot_out(cx);
        }
    }

    /// Hands out what the snapshot has to write, and sets its next deadline.
    pub(crate) fn snapshot_out(&mut self, cx: &mut Context) {
        let Some(snapshot) = &mut self.snapshot else { return };
        snapshot.observe_clock(cx.now, self.clocks.member.now());
        while let Some(persist) = snapshot.poll() {
            cx.outputs.push_back(Output::Persist(persist));
        }
        cx.timers.set_tick(Tick::SnapshotClock, snapshot.poll_timeout().unwrap_or(Time::MAX));
    }

    /// A ping came back: where in the network are we? (serf-wire, section 9)
    pub(crate) fn on_round_trip(
        &mut self,
        cx: &mut Context,
        swim: &mut Swim,
        from: SocketAddr,
        trip: &RoundTrip,
        payload: &[u8],
    ) {
        let Some(client) = &mut self.coordinates else { return };
        let updated = match Coordinate::decode(payload) {
            Ok(None) => return,
            Ok(Some(other)) => client.update(&trip.name, &other, trip.time, || cx.rng.unit()),
            Err(bad) => Err(bad),
        };
        if updated.is_err() {
            cx.metrics.coordinates_rejected += 1;
            return cx.refuse(from, Refusal::Other("a coordinate that makes no sense"));
        }
        self.tell_coordinate(swim);
    }

    /// Puts the own coordinate on the acks to come, from the very first: somebody has to begin.
    pub(crate) fn tell_coordinate(&self, swim: &mut Swim) {
        let Some(client) = &self.coordinates else { return };
        swim.ack_payload.clear();
        client.coordinate().encode(&mut swim.ack_payload);
    }

    /// Changes the own tags: deletions first, then settings.
    pub(crate) fn update_tags(
        &mut self,
        cx: &mut Context,
        swim: &mut Swim,
        token: Token,
        delete: Vec<String>,
        set: Vec<(String, String)>,
        replace: bool,
    ) -> Result<(), CommandError> {
        let mut tags = if replace { crate::Tags::new() } else { swim.tags.clone() };
        for key in delete {
            tags.remove(&key);
        }
        for (key, value) in set {
            tags.insert(key, value);
        }
        if tags.encoded_len(cx.config.protocol) > META_MAX {
            return Err(CommandError::TagsTooLarge);
        }
        let waiter = others_alive(swim)
            .then(|| self.wait(cx, Wait::Command { token, late: CommandError::UpdateTimedOut }));
        if waiter.is_none() {
            reply(cx, token, Ok(Reply::Done));
        }
        swim.set_tags(cx, tags, waiter);
        Ok(())
    }
}
