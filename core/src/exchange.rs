//! Streams: what arrives on them, what is said, and the full-state exchange that needs both layers
//! (gossip-wire, section 6).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::Bytes;

use crate::config::Config;
use crate::error::{Malformed, Refusal};
use crate::input::{StreamEvent, StreamId};
use crate::node::Node;
use crate::output::StreamAction;
use crate::shared::{Counts, Making, SentState, ViewPool};
use crate::swim::streams::Purpose;
use crate::trace::Cause;
use crate::wire::frame::{self, Frame, PushPull, Side, StreamMessage, StreamRefusal};
use crate::wire::message::{Ack, ErrorMessage, Ping, PushNode, Source};
use crate::wire::serf_message::{self, SerfType};

impl Node {
    pub(crate) fn on_stream(&mut self, id: StreamId, event: StreamEvent<'_>) {
        if let StreamEvent::Accepted { from } = event {
            self.cx.cause = Cause::Stream(from);
            return self.swim.accept(&mut self.cx, id, from);
        }
        let Some(stream) = self.swim.streams.get_mut(id) else { return };
        self.cx.cause = Cause::Stream(stream.peer);
        match event {
            StreamEvent::Connected => self.on_connected(id),
            StreamEvent::Data(data) => self.on_stream_data(id, data),
            StreamEvent::Failed(reason) => self.swim.stream_failed(&mut self.cx, id, reason),
            StreamEvent::Closed => self.on_stream_closed(id),
            StreamEvent::Accepted { .. } => {}
        }
    }

    /// A stream this node asked for stands: say what it is for.
    fn on_connected(&mut self, id: StreamId) {
        let Some(stream) = self.swim.streams.get_mut(id) else { return };
        match &stream.purpose {
            Purpose::Accepted => {}
            Purpose::Ping { seq, node } => {
                let me = self.swim.me.clone();
                let source = Source::new(self.swim.addr, &me);
                let mut message = Vec::new();
                Ping { seq: *seq, node, source }.encode(&mut message);
                self.say(id, &message, Side::Dialled);
            }
            Purpose::Registry => self.on_registry_connected(id),
            Purpose::Sync => self.say_state(id, false, Side::Dialled),
            Purpose::Join { .. } | Purpose::Reconnect => self.say_state(id, true, Side::Dialled),
        }
    }

    /// Says what this node knows: its full state, as a push/pull carries it.
    fn say_state(&mut self, id: StreamId, join: bool, side: Side) {
        let bytes = match self.swim.members.pool.take() {
            // An encrypted state is like no other.
            Some(mut pool) if self.swim.packets.keyring().is_empty() => {
                let bytes = self.shared_state(&mut pool, join, side);
                self.swim.members.pool = Some(pool);
                bytes
            }
            pool => {
                self.swim.members.pool = pool;
                let message = self.own_state(join);
                self.swim.packets.close_frame(&mut self.cx, &message, side)
            }
        };
        self.cx.stream(id, StreamAction::Send(bytes));
    }

    fn own_state(&self, join: bool) -> Vec<u8> {
        let mut user_state = Vec::new();
        self.serf.encode_state(self.swim.members.trie().iter(), &self.registry_digest(), &mut user_state);
        let mut message = Vec::new();
        frame::encode_push_pull(join, self.swim.state_nodes(), &user_state, &mut message);
        message
    }

    /// As [`own_state`](Self::own_state), closed, and made only if no other node just made it.
    fn shared_state(&mut self, pool: &mut ViewPool, join: bool, side: Side) -> Bytes {
        let config = self.cx.config.clone();
        let mut heard = Vec::new();
        self.serf.encode_heard(&self.registry_digest(), &mut heard);
        let making = Making { join, side, config: &config, heard };
        if let Some(bytes) = pool.sent(self.swim.members.view(), &making) {
            return bytes;
        }
        let message = self.own_state(join);
        let bytes = self.swim.packets.close_frame(&mut self.cx, &message, side);
        pool.keep(SentState::new(bytes.clone(), message.len(), self.swim.members.view(), making));
        bytes
    }

    fn say(&mut self, id: StreamId, message: &[u8], side: Side) {
        let bytes = self.swim.packets.close_frame(&mut self.cx, message, side);
        self.cx.stream(id, StreamAction::Send(bytes));
    }

    fn on_stream_data(&mut self, id: StreamId, data: &[u8]) {
        self.cx.metrics.stream_bytes_in += data.len() as u64;
        if self.on_shared_state(id, data) {
            return;
        }
        let config = self.cx.config.clone();
        let mut data = data;
        while let Some(frame) = self.next_frame(id, data, &config) {
            self.on_frame(id, &frame);
            data = &[];
        }
    }

    /// The next message of a stream, if it is complete with this piece.
    fn next_frame(&mut self, id: StreamId, data: &[u8], config: &Config) -> Option<Frame> {
        let stream = self.swim.streams.get_mut(id)?;
        let before = stream.decoder.buffered();
        let result = stream.decoder.feed(data, config, self.swim.packets.keyring());
        let after = stream.decoder.buffered();
        self.swim.streams.account(before, after);
        match result {
            Ok(Some(frame)) => return Some(frame),
            Ok(None) if self.swim.streams.buffered() > config.stream.buffered_max => {
                let refusal = Refusal::Full("the memory for streams");
                self.refuse_stream(id, StreamRefusal { refusal, reply: false });
            }
            Ok(None) => {}
            Err(refusal) => self.refuse_stream(id, refusal),
        }
        None
    }

    /// Takes in a state that is known from its sender, without decoding it; whether it was one.
    fn on_shared_state(&mut self, id: StreamId, data: &[u8]) -> bool {
        let Some(sent) = self.swim.members.pool.as_mut().and_then(|pool| pool.received(data)) else {
            return false;
        };
        let Some(stream) = self.swim.streams.get_mut(id) else { return false };
        let side = stream.decoder.side();
        let first = stream.decoder.is_fresh() && !matches!(stream.purpose, Purpose::Ping { .. });
        let plain = self.swim.packets.keyring().is_empty();
        let view = self.swim.members.view();
        if !first || !plain || !sent.suits(side, &self.cx.config, view) {
            return false;
        }
        let news = sent.news(view, self.swim.suspects());
        if self.swim.verify_versions(news.iter().filter_map(PushNode::of)).is_err() {
            // Whom to name as the culprit depends on all of it.
            return false;
        }
        let Some(frame) = sent.with_members(&news) else { return false };
        self.on_frame(id, &frame);
        let known = sent.counts().minus(Counts::of(&news));
        self.cx.metrics.alive_in += known.alive;
        self.cx.metrics.suspect_in += known.suspect;
        self.cx.metrics.dead_in += known.left;
        self.serf.clocks.member.witness(sent.latest());
        true
    }

    fn on_stream_closed(&mut self, id: StreamId) {
        let Some(stream) = self.swim.streams.get_mut(id) else { return };
        let accepted = matches!(stream.purpose, Purpose::Accepted);
        let registry = matches!(stream.purpose, Purpose::Registry);
        match stream.decoder.finish() {
            None if registry => self.on_registry_closed(id),
            Some(refusal) => self.refuse_stream(id, refusal),
            None if accepted => self.swim.drop_stream(&mut self.cx, id),
            None => self.swim.stream_failed(&mut self.cx, id, "the peer closed the stream without an answer"),
        }
    }

    /// What arrived on a stream cannot be taken.
    pub(crate) fn refuse_stream(&mut self, id: StreamId, StreamRefusal { refusal, reply }: StreamRefusal) {
        let Some(stream) = self.swim.streams.get_mut(id) else { return };
        let (peer, accepted) = (stream.peer, matches!(stream.purpose, Purpose::Accepted));
        let text = told(&refusal);
        self.cx.refuse(peer, refusal);
        if accepted && reply {
            let mut message = Vec::new();
            ErrorMessage { error: &text }.encode(&mut message);
            self.say(id, &message, Side::Accepted);
        }
        self.swim.stream_failed(&mut self.cx, id, &text);
    }

    /// A whole message has arrived on a stream.
    fn on_frame(&mut self, id: StreamId, frame: &Frame) {
        let message = match frame.message() {
            Ok(message) => message,
            Err(refusal) => return self.refuse_stream(id, StreamRefusal { refusal, reply: false }),
        };
        let Some(stream) = self.swim.streams.get_mut(id) else { return };
        let peer = stream.peer;
        match (stream.purpose.clone(), message) {
            (Purpose::Accepted, StreamMessage::PushPull(state)) => self.answer_push_pull(id, &state),
            (Purpose::Accepted, StreamMessage::Ping(ping)) => self.answer_ping(id, &ping),
            (Purpose::Accepted, StreamMessage::User(body)) => {
                let mut whole = Vec::with_capacity(body.len() + 1);
                whole.push(crate::wire::message::MessageType::User as u8);
                whole.extend_from_slice(body);
                if !body.is_empty() {
                    self.on_user_message(peer, body, &whole);
                }
                self.swim.drop_stream(&mut self.cx, id);
            }
            (Purpose::Accepted, StreamMessage::Registry(message)) => self.on_registry_hello(id, message),
            (Purpose::Registry, StreamMessage::Registry(message)) => self.on_registry_frame(id, message),
            (Purpose::Ping { seq, .. }, StreamMessage::Ack(ack)) => {
                if ack.seq == seq {
                    self.swim.on_stream_ack(seq);
                }
                self.swim.drop_stream(&mut self.cx, id);
            }
            (Purpose::Sync | Purpose::Join { .. } | Purpose::Reconnect, StreamMessage::PushPull(state)) => {
                self.on_answered(id, &state);
            }
            (_, StreamMessage::Error(error)) => {
                let refusal = Refusal::Remote(error.error.into());
                self.refuse_stream(id, StreamRefusal { refusal, reply: false });
            }
            _ => {
                let refusal = Refusal::Other("a message that does not belong on this stream");
                self.refuse_stream(id, StreamRefusal { refusal, reply: false });
            }
        }
    }

    fn answer_ping(&mut self, id: StreamId, ping: &Ping<'_>) {
        if !ping.node.is_empty() && *ping.node != *self.swim.me {
            let refusal = Refusal::WrongNode(ping.node.into());
            return self.refuse_stream(id, StreamRefusal { refusal, reply: false });
        }
        let mut message = Vec::new();
        Ack { seq: ping.seq, payload: &[] }.encode(&mut message);
        self.say(id, &message, Side::Accepted);
        self.swim.drop_stream(&mut self.cx, id);
    }

    /// A peer sent its state: it gets ours as it is now, then its own is merged.
    fn answer_push_pull(&mut self, id: StreamId, state: &PushPull<'_>) {
        self.say_state(id, state.join, Side::Accepted);
        match self.merge(id, state, false) {
            Ok(_) => self.swim.drop_stream(&mut self.cx, id),
            Err(refusal) => self.refuse_stream(id, StreamRefusal { refusal, reply: false }),
        }
    }

    /// A peer answered with its state.
    fn on_answered(&mut self, id: StreamId, state: &PushPull<'_>) {
        let Some(stream) = self.swim.streams.get_mut(id) else { return };
        let ignore_old = match &stream.purpose {
            Purpose::Join { id } => {
                let id = *id;
                !self.swim.join_replays(id)
            }
            _ => false,
        };
        let peer = self.swim.streams.get_mut(id).map(|stream| stream.peer);
        match self.merge(id, state, ignore_old) {
            Ok(registry) => {
                self.swim.stream_done(&mut self.cx, id);
                if let Some(peer) = peer {
                    self.on_peer_digest(peer, registry);
                }
            }
            Err(refusal) => {
                let peer = self.swim.streams.get_mut(id).map(|stream| stream.peer);
                let reason = format!("{refusal}");
                if let Some(peer) = peer {
                    self.cx.refuse(peer, refusal);
                }
                self.swim.stream_failed(&mut self.cx, id, &reason);
            }
        }
    }

    /// Merges a peer's state: the members, then what its Serf layer says. Returns what its registry
    /// comes to, nothing if it has none.
    fn merge<'a>(
        &mut self,
        id: StreamId,
        state: &PushPull<'a>,
        ignore_old: bool,
    ) -> Result<&'a [u8], Refusal> {
        let Some(stream) = self.swim.streams.get_mut(id) else { return Ok(&[]) };
        let peer = stream.peer;
        let mut odd = 0usize;
        for node in state.nodes.clone() {
            odd += usize::from(node.is_err());
        }
        for _ in 0..odd.min(8) {
            self.cx.refuse(peer, Refusal::Other("a member record that cannot be decoded"));
        }
        let nodes = || state.nodes.clone().filter_map(Result::ok);
        self.swim.verify_versions(nodes())?;
        self.cx.metrics.push_pulls += 1;
        if !(ignore_old && bug!(self.cx, LearnsNothing)) {
            self.swim.merge_nodes(&mut self.cx, peer, nodes());
        }
        self.settle();
        if state.user_state.is_empty() {
            return Ok(&[]);
        }
        let registry = match decode_state(state.user_state) {
            Ok(state) => {
                self.serf.merge_state(&mut self.cx, &mut self.swim, &state, ignore_old);
                state.registry
            }
            Err(refusal) => {
                self.cx.refuse(peer, refusal);
                &[]
            }
        };
        self.settle();
        Ok(registry)
    }
}

fn decode_state(bytes: &[u8]) -> Result<serf_message::PushPull<'_>, Refusal> {
    match bytes.split_first() {
        Some((&kind, body)) if kind == SerfType::PushPull as u8 => serf_message::PushPull::decode(body)
            .map_err(|error| Refusal::Malformed { what: SerfType::PushPull.as_str(), error }),
        Some((&kind, _)) => Err(Refusal::UnknownSerfType(kind)),
        None => Err(Refusal::Malformed { what: SerfType::PushPull.as_str(), error: Malformed::Empty }),
    }
}

/// A refusal as the other side of a stream and whoever joins read it: the original's words where it
/// has some.
fn told(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Encrypted => "Remote state is encrypted and encryption is not configured".into(),
        Refusal::Plaintext => "Encryption is configured but remote state is not encrypted".into(),
        other => other.to_string(),
    }
}
