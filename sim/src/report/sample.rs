//! What a cluster does over time, in steps of equal length.

use std::time::Duration;

use tidings_core::{Output, StreamAction, Time};

use crate::net::HostId;
use crate::rider::Rider;
use crate::world::World;

/// Steps kept; when there are more, neighbours are joined and the step doubles.
const STEPS_MAX: usize = 800;
/// Length of a step at first.
const STEP: Duration = Duration::from_millis(500);

/// A step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// When it ends.
    pub at: Time,
    /// How long it is.
    pub span: Duration,
    /// Processes that run, at its end.
    pub living: u32,
    /// Datagrams all members sent.
    pub datagrams: u64,
    /// Bytes of them.
    pub datagram_bytes: u64,
    /// Bytes all members sent on streams.
    pub stream_bytes: u64,
    /// Datagrams a second of the member that sent most.
    pub datagram_rate_max: f64,
    /// Bytes a second, on datagrams and streams, of the member that sent most.
    pub byte_rate_max: f64,
    /// Messages that wait to be gossiped, by member.
    pub queue_mean: f64,
    /// The longest queue.
    pub queue_max: u32,
    /// Health score, by member: 0 is best.
    pub health_mean: f64,
    /// The worst health score.
    pub health_max: u32,
    /// Members whose health score is above 0.
    pub unwell: u32,
}

impl Sample {
    /// Datagrams a second, by member.
    #[must_use]
    pub fn datagram_rate(&self) -> f64 {
        self.per_member(self.datagrams)
    }

    /// Bytes a second on datagrams and streams, by member.
    #[must_use]
    pub fn byte_rate(&self) -> f64 {
        self.per_member(self.datagram_bytes + self.stream_bytes)
    }

    fn per_member(&self, count: u64) -> f64 {
        count as f64 / f64::from(self.living.max(1)) / self.span.as_secs_f64().max(1e-9)
    }

    /// This step and the next one as one.
    fn join(&self, next: &Sample) -> Sample {
        Sample {
            at: next.at,
            span: self.span + next.span,
            living: next.living,
            datagrams: self.datagrams + next.datagrams,
            datagram_bytes: self.datagram_bytes + next.datagram_bytes,
            stream_bytes: self.stream_bytes + next.stream_bytes,
            datagram_rate_max: self.datagram_rate_max.max(next.datagram_rate_max),
            byte_rate_max: self.byte_rate_max.max(next.byte_rate_max),
            queue_mean: f64::midpoint(self.queue_mean, next.queue_mean),
            queue_max: self.queue_max.max(next.queue_max),
            health_mean: f64::midpoint(self.health_mean, next.health_mean),
            health_max: self.health_max.max(next.health_max),
            unwell: self.unwell.max(next.unwell),
        }
    }
}

/// Steps so far, and the one under way.
#[derive(Debug)]
pub(super) struct Samples {
    pub(super) done: Vec<Sample>,
    step: Duration,
    began: Time,
    sent: Sample,
    /// Datagrams and bytes of each host in this step.
    by_host: Vec<(u32, u64)>,
}

impl Samples {
    pub(super) fn new(now: Time) -> Self {
        Samples { done: Vec::new(), step: STEP, began: now, sent: Sample::default(), by_host: Vec::new() }
    }

    /// When the step under way ends.
    pub(super) fn due(&self) -> Time {
        self.began + self.step
    }

    /// A host has sent something.
    pub(super) fn on_output(&mut self, host: HostId, output: &Output) {
        let bytes = match output {
            Output::Datagram { payload, .. } => {
                self.sent.datagrams += 1;
                self.sent.datagram_bytes += payload.len() as u64;
                payload.len()
            }
            Output::Stream { action: StreamAction::Send(bytes), .. } => {
                self.sent.stream_bytes += bytes.len() as u64;
                bytes.len()
            }
            _ => return,
        };
        if self.by_host.len() <= host {
            self.by_host.resize(host + 1, (0, 0));
        }
        let own = &mut self.by_host[host];
        own.0 += u32::from(matches!(output, Output::Datagram { .. }));
        own.1 += bytes as u64;
    }

    /// Ends the step under way at `at`; true if steps were joined to make room.
    pub(super) fn end<R: Rider>(&mut self, world: &World<R>, at: Time) -> bool {
        let span = at.since(self.began);
        let seconds = span.as_secs_f64().max(1e-9);
        let mut sample = Sample { at, span, ..self.sent };
        for (datagrams, bytes) in &mut self.by_host {
            sample.datagram_rate_max = sample.datagram_rate_max.max(f64::from(*datagrams) / seconds);
            sample.byte_rate_max = sample.byte_rate_max.max(*bytes as f64 / seconds);
            (*datagrams, *bytes) = (0, 0);
        }
        look_around(world, &mut sample);
        self.done.push(sample);
        self.sent = Sample::default();
        self.began = at;
        if self.done.len() < STEPS_MAX {
            return false;
        }
        self.done = self.done.chunks(2).map(|pair| pair[0].join(pair.last().unwrap_or(&pair[0]))).collect();
        self.step *= 2;
        true
    }
}

/// How the members stand now.
fn look_around<R: Rider>(world: &World<R>, sample: &mut Sample) {
    let (mut queued, mut health) = (0, 0);
    for node in world.hosts().iter().filter_map(|host| host.node()) {
        let stats = node.stats();
        let queue = (stats.member_queue + stats.intent_queue + stats.event_queue + stats.query_queue) as u32;
        sample.living += 1;
        queued += u64::from(queue);
        health += u64::from(stats.health_score);
        sample.queue_max = sample.queue_max.max(queue);
        sample.health_max = sample.health_max.max(stats.health_score);
        sample.unwell += u32::from(stats.health_score > 0);
    }
    let living = f64::from(sample.living.max(1));
    sample.queue_mean = queued as f64 / living;
    sample.health_mean = health as f64 / living;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_steps_keep_sums_and_extremes() {
        let step = |datagrams, queue_max, queue_mean| Sample {
            span: Duration::from_secs(1),
            living: 2,
            datagrams,
            queue_max,
            queue_mean,
            ..Sample::default()
        };
        let both = step(10, 3, 1.0).join(&step(20, 9, 2.0));
        assert_eq!((both.datagrams, both.queue_max, both.queue_mean), (30, 9, 1.5));
        assert_eq!(both.datagram_rate(), 30.0 / 2.0 / 2.0);
    }
}
