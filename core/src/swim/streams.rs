//! The table of streams: who they are with, what for, until when, and how much they hold.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use core::net::SocketAddr;

use hashbrown::HashMap;

use crate::context::Context;
use crate::error::{Misuse, Refusal};
use crate::event::Event;
use crate::input::StreamId;
use crate::output::StreamAction;
use crate::swim::join::JoinId;
use crate::swim::member::{Identity, Member};
use crate::swim::{Notice, Swim};
use crate::time::Time;
use crate::timers::Key;
use crate::wire::frame::{FrameDecoder, Side};

/// What a stream is for.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    /// A peer opened it; what it wants is in its first message.
    Accepted,
    /// Push/pull to enter a cluster.
    Join { id: JoinId },
    /// The periodic push/pull.
    Sync,
    /// Push/pull with a failed member.
    Reconnect,
    /// A talk about the registry.
    Registry,
    /// The running probe's fallback.
    Ping { seq: u32, node: String },
}

/// An open stream.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) peer: SocketAddr,
    pub(crate) purpose: Purpose,
    /// What has arrived of the peer's message.
    pub(crate) decoder: Box<FrameDecoder>,
}

/// All open streams.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streams {
    open: HashMap<StreamId, Stream, foldhash::fast::FixedState>,
    next: u64,
    /// How many of them peers opened.
    accepted: usize,
    /// Bytes held by all decoders together.
    buffered: usize,
}

impl Streams {
    pub(crate) fn get_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.open.get_mut(&id)
    }

    /// Whether a stream may be accepted under this number.
    pub(crate) fn check_new(&self, id: StreamId) -> Result<(), Misuse> {
        match id.is_accepted() {
            false => Err(Misuse::StreamNotAccepted),
            true if self.open.contains_key(&id) => Err(Misuse::StreamExists),
            true => Ok(()),
        }
    }

    /// Keeps account of a decoder that held `before` bytes and now holds `after`.
    pub(crate) fn account(&mut self, before: usize, after: usize) {
        self.buffered = (self.buffered + after).saturating_sub(before);
    }

    /// How many streams are open, how many of them peers opened, and the bytes they hold.
    pub(crate) fn holdings(&self) -> (usize, usize, usize) {
        (self.open.len(), self.accepted, self.buffered)
    }

    pub(crate) fn buffered(&self) -> usize {
        self.buffered
    }

    fn remove(&mut self, id: StreamId) -> Option<Stream> {
        let stream = self.open.remove(&id)?;
        self.buffered = self.buffered.saturating_sub(stream.decoder.buffered());
        self.accepted -= usize::from(id.is_accepted());
        if self.open.is_empty() {
            self.open.shrink_to(0);
        }
        Some(stream)
    }
}

impl Swim {
    /// Opens a stream; says why if it may not.
    pub(crate) fn dial(
        &mut self,
        cx: &mut Context,
        to: SocketAddr,
        purpose: Purpose,
    ) -> Result<StreamId, &'static str> {
        self.dial_until(cx, to, purpose, cx.now + cx.config.stream.timeout)
    }

    fn dial_until(
        &mut self,
        cx: &mut Context,
        to: SocketAddr,
        purpose: Purpose,
        until: Time,
    ) -> Result<StreamId, &'static str> {
        if self.streams.open.len() >= cx.config.stream.open_max {
            return Err("too many open streams");
        }
        let id = StreamId::dialled(self.streams.next);
        self.streams.next += 1;
        self.streams
            .open
            .insert(id, Stream { peer: to, purpose, decoder: Box::new(FrameDecoder::new(Side::Dialled)) });
        cx.timers.set(Key::Stream(id), until);
        cx.metrics.streams_dialled += 1;
        cx.stream(id, StreamAction::Connect { to });
        Ok(id)
    }

    /// Opens the stream of a probe whose ack is late.
    pub(crate) fn dial_ping(
        &mut self,
        cx: &mut Context,
        target: &Identity,
        seq: u32,
        until: Time,
    ) -> Option<StreamId> {
        let purpose = Purpose::Ping { seq, node: target.name.to_string() };
        self.dial_until(cx, target.addr, purpose, until).ok()
    }

    /// Opens a stream to a failed member.
    pub(crate) fn dial_reconnect(&mut self, cx: &mut Context, member: &Member) {
        let _ = self.dial(cx, member.addr(), Purpose::Reconnect);
    }

    /// A peer opened a stream; whether there is room for it.
    pub(crate) fn accept(&mut self, cx: &mut Context, id: StreamId, from: SocketAddr) {
        cx.metrics.streams_accepted += 1;
        let full = self.streams.open.len() >= cx.config.stream.open_max
            || self.streams.accepted >= cx.config.push_pull.concurrent_max
            || rare!(cx, StreamsRefused);
        if full {
            cx.refuse(from, Refusal::Full("the table of streams"));
            cx.stream(id, StreamAction::Close);
            return;
        }
        self.streams.accepted += 1;
        let decoder = Box::new(FrameDecoder::new(Side::Accepted));
        self.streams.open.insert(id, Stream { peer: from, purpose: Purpose::Accepted, decoder });
        cx.timers.set(Key::Stream(id), cx.now + cx.config.stream.timeout);
    }

    /// Takes a stream out of the table and has it closed.
    pub(crate) fn close_stream(&mut self, cx: &mut Context, id: StreamId) -> Option<Stream> {
        let stream = self.streams.remove(id)?;
        cx.timers.cancel(&Key::Stream(id));
        cx.stream(id, StreamAction::Close);
        Some(stream)
    }

    /// Closes a stream whose outcome no longer matters.
    pub(crate) fn drop_stream(&mut self, cx: &mut Context, id: StreamId) {
        self.close_stream(cx, id);
    }

    /// A stream did what it was for.
    pub(crate) fn stream_done(&mut self, cx: &mut Context, id: StreamId) {
        if let Some(Stream { purpose: Purpose::Join { id }, .. }) = self.close_stream(cx, id) {
            self.join_worked(cx, id);
        }
    }

    /// A stream failed, for this reason.
    pub(crate) fn stream_failed(&mut self, cx: &mut Context, id: StreamId, reason: &str) {
        let Some(stream) = self.close_stream(cx, id) else { return };
        match stream.purpose {
            Purpose::Join { id } => self.join_failed(cx, id, stream.peer.to_string(), reason.into()),
            Purpose::Sync | Purpose::Reconnect => {
                cx.event(Event::SyncFailed { peer: stream.peer, reason: reason.into() });
            }
            Purpose::Registry => {
                self.notices.push(Notice::TalkFailed { id, peer: stream.peer, reason: reason.into() });
            }
            Purpose::Ping { .. } | Purpose::Accepted => {}
        }
    }

    /// A stream's time is over.
    pub(crate) fn on_stream_over(&mut self, cx: &mut Context, id: StreamId) {
        let Some(stream) = self.streams.open.get(&id) else { return };
        let (peer, accepted) = (stream.peer, id.is_accepted());
        if accepted {
            cx.refuse(peer, Refusal::StreamTimedOut);
        }
        self.stream_failed(cx, id, &format!("dial tcp {peer}: i/o timeout"));
    }
}
