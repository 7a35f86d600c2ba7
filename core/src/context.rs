//! What every part of a node works with: the moment, the generator, deadlines, the output queue.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use core::net::SocketAddr;

use bytes::Bytes;

use crate::config::Config;
use crate::error::{Refusal, Refused};
use crate::event::Event;
use crate::input::StreamId;
use crate::metrics::Metrics;
use crate::output::{Output, StreamAction};
use crate::rng::Rng;
use crate::serf::clock::{LamportClock, LamportTime};
use crate::time::Time;
use crate::timers::Timers;
use crate::trace::{Cause, Decision, Trace};

/// Refusals waiting to be drained at most; more are counted only, so that a flood between two
/// drains costs no memory.
const REFUSALS_QUEUED_MAX: usize = 64;

/// Gives back the memory of an empty map, which else keeps a node of its tree.
pub(crate) fn give_back<K, V>(map: &mut BTreeMap<K, V>) {
    if map.is_empty() {
        *map = BTreeMap::new();
    }
}

/// Lent to the parts of a node for the length of one input.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) now: Time,
    pub(crate) config: Arc<Config>,
    pub(crate) rng: Rng,
    pub(crate) timers: Timers,
    pub(crate) metrics: Metrics,
    /// What is being handled, for the trace.
    pub(crate) cause: Cause,
    pub(crate) outputs: VecDeque<Output>,
    refusals_queued: usize,
    /// When the rare branches are taken.
    #[cfg(tidings_bugs)]
    pub(crate) rares: crate::rare::Strikes,
}

impl Context {
    pub(crate) fn new(config: Arc<Config>, seed: [u8; 32], now: Time) -> Self {
        let mut rng = Rng::new(seed);
        let timers = Timers::new(rng.u64());
        Context {
            now,
            #[cfg(tidings_bugs)]
            rares: crate::rare::Strikes::new(&seed, config.rares),
            config,
            rng,
            timers,
            metrics: Metrics::default(),
            cause: Cause::Timer,
            outputs: VecDeque::new(),
            refusals_queued: 0,
        }
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        match &output {
            Some(Output::Event(Event::Refused(_))) => self.refusals_queued -= 1,
            None if self.outputs.capacity() > 64 => self.outputs = VecDeque::new(),
            _ => {}
        }
        output
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(crate) fn datagram(&mut self, to: SocketAddr, payload: Bytes) {
        self.metrics.datagrams_out += 1;
        self.metrics.datagram_bytes_out += payload.len() as u64;
        self.outputs.push_back(Output::Datagram { to, payload });
    }

    pub(crate) fn stream(&mut self, id: StreamId, action: StreamAction) {
        if let StreamAction::Send(bytes) = &action {
            self.metrics.stream_bytes_out += bytes.len() as u64;
        }
        self.outputs.push_back(Output::Stream { id, action });
    }

    /// Counts something not taken, and says so unless too much has been said already.
    pub(crate) fn refuse(&mut self, source: SocketAddr, reason: Refusal) {
        self.metrics.refused += 1;
        if self.refusals_queued < REFUSALS_QUEUED_MAX {
            self.refusals_queued += 1;
            self.event(Event::Refused(Box::new(Refused { source, reason })));
        }
    }

    /// Whether a clock follows this time; refuses what carries it if not.
    pub(crate) fn witness(&mut self, clock: &mut LamportClock, time: LamportTime) -> bool {
        let beyond = time > LamportTime::LAST_AT_ONCE;
        let believed = !(beyond && bug!(self, StopsAtTheEdge)) && clock.witness(time);
        if !believed && time.is_credible() && bug!(self, FollowsTheRefused) {
            clock.resume(LamportTime(LamportTime::LAST_AT_ONCE.0.max(clock.now().0 + (1 << 16))));
        }
        if let (false, Cause::Packet(source) | Cause::Stream(source)) = (believed, &self.cause) {
            self.refuse(*source, Refusal::Other("a Lamport time that cannot be true"));
        }
        believed
    }

    /// Records a decision, if anybody wants to know.
    pub(crate) fn trace(&mut self, decision: impl FnOnce() -> Decision) {
        if self.config.trace {
            let trace = Trace { cause: self.cause.clone(), decision: decision() };
            self.outputs.push_back(Output::Trace(Box::new(trace)));
        }
    }
}
