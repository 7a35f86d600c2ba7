//! What nodes in one process share, for simulators that hold a whole cluster: the memory of views
//! that agree, and the states they send each other.
//!
//! A full-state exchange between nodes that know the same is work for nothing: a thousand records
//! encoded, compressed, expanded, decoded and found to be known. Here the encoded state is made
//! once for all nodes that would send the same bytes, together with the view it was made from. A
//! node that is handed those very bytes (the same memory, not just equal ones) compares views
//! instead, and takes from the message only what can matter to it. What it does is the same.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::config::Config;
use crate::registry::record::Record;
use crate::serf::clock::LamportTime;
use crate::swim::member::{Member, State, Status};
use crate::swim::packets::Scratch;
use crate::trie::{Pool, Trie};
use crate::view::View;
use crate::wire::frame::{PushPull, Side};
use crate::wire::message::PushNode;
use crate::wire::serf_message::{self, encode_push_pull};

/// States kept, at most: those on their way, and those that many nodes send.
const STATES_MAX: usize = 32;
/// Bytes of encoded states kept; the newest is kept whatever its size.
const STATE_BYTES_MAX: usize = 128 << 20;

/// Memory, buffers and encoded states that several nodes in one process share; see
/// [`Node::handle_input_with`](crate::Node::handle_input_with).
#[derive(Clone, Debug, Default)]
pub struct ViewPool(Option<Box<Shared>>);

#[derive(Clone, Debug, Default)]
struct Shared {
    members: Pool<Member>,
    records: Pool<Record>,
    /// Where the node that has the pool puts its packets together.
    scratch: Option<Box<Scratch>>,
    /// The one used last at the end.
    states: VecDeque<Arc<SentState>>,
    state_bytes: usize,
}

impl ViewPool {
    /// Without anything in it.
    #[must_use]
    pub const fn new() -> Self {
        ViewPool(None)
    }

    /// Nodes of views and registries held, in use or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |shared| shared.members.len() + shared.records.len())
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory of views.
    pub(crate) fn members(&mut self) -> &mut Pool<Member> {
        &mut self.shared().members
    }

    /// The memory of registries.
    pub(crate) fn records(&mut self) -> &mut Pool<Record> {
        &mut self.shared().records
    }

    /// Where to put packets together.
    pub(crate) fn scratch(&mut self) -> &mut Option<Box<Scratch>> {
        let Shared { scratch, .. } = self.shared();
        scratch
    }

    /// The state that was made of this, if it is still here.
    pub(crate) fn sent(&mut self, view: &View, making: &Making<'_>) -> Option<Bytes> {
        let place = self.0.as_ref()?.states.iter().rposition(|state| state.is_made_of(view, making))?;
        Some(self.used(place)?.frame.clone())
    }

    /// The state whose encoded form is this very memory.
    pub(crate) fn received(&mut self, frame: &[u8]) -> Option<Arc<SentState>> {
        let same = |state: &Arc<SentState>| core::ptr::eq::<[u8]>(&*state.frame, frame);
        let place = self.0.as_ref()?.states.iter().rposition(same)?;
        self.used(place)
    }

    /// Keeps a state that was just encoded.
    pub(crate) fn keep(&mut self, state: SentState) {
        let shared = self.shared();
        shared.state_bytes += state.frame.len();
        shared.states.push_back(Arc::new(state));
        while shared.states.len() > STATES_MAX
            || shared.states.len() > 1 && shared.state_bytes > STATE_BYTES_MAX
        {
            let Some(oldest) = shared.states.pop_front() else { return };
            shared.state_bytes -= oldest.frame.len();
        }
    }

    fn shared(&mut self) -> &mut Shared {
        let fresh = || Box::new(Shared { scratch: Some(Box::new(Scratch::shared())), ..Shared::default() });
        self.0.get_or_insert_with(fresh)
    }

    fn used(&mut self, place: usize) -> Option<Arc<SentState>> {
        let states = &mut self.shared().states;
        let state = states.remove(place)?;
        states.push_back(state.clone());
        Some(state)
    }
}

/// What the bytes of a state are made of, beside the view.
#[derive(Clone, Debug)]
pub(crate) struct Making<'a> {
    pub(crate) join: bool,
    pub(crate) side: Side,
    pub(crate) config: &'a Config,
    /// The state of the Serf layer without the members: clocks, events and registry, encoded.
    pub(crate) heard: Vec<u8>,
}

/// A state as it was sent, and what it was made of.
#[derive(Debug)]
pub(crate) struct SentState {
    /// On the wire, unencrypted.
    frame: Bytes,
    /// Bytes of it before it was compressed.
    len: usize,
    join: bool,
    side: Side,
    label: String,
    compressed: bool,
    /// Slots of the ring of events, most of them empty.
    event_slots: usize,
    heard: Vec<u8>,
    view: Trie<Member>,
    hash_seed: u64,
    counts: Counts,
    /// Members that left: to hear of one again moves its time even where it is known.
    left: Vec<Member>,
    /// The latest time of any member's status, which whoever reads the state witnesses.
    latest: LamportTime,
}

/// Member records of a state by what they say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) alive: u64,
    pub(crate) suspect: u64,
    pub(crate) left: u64,
}

impl Counts {
    pub(crate) fn of<'a>(members: impl IntoIterator<Item = &'a Member>) -> Self {
        let mut counts = Counts::default();
        for member in members {
            match member.state {
                State::Alive => counts.alive += 1,
                // Merged as suspicions, both.
                State::Suspect | State::Dead => counts.suspect += 1,
                State::Left => counts.left += 1,
                State::Forgotten => {}
            }
        }
        counts
    }

    pub(crate) const fn minus(self, other: Counts) -> Counts {
        Counts {
            alive: self.alive - other.alive,
            suspect: self.suspect - other.suspect,
            left: self.left - other.left,
        }
    }
}

impl SentState {
    /// Remembers what `frame` (before compression `len` bytes long) was made of.
    pub(crate) fn new(frame: Bytes, len: usize, view: &View, making: Making<'_>) -> Self {
        let Making { join, side, config, heard } = making;
        let members = || view.all().iter();
        SentState {
            frame,
            len,
            join,
            side,
            label: config.security.label.clone(),
            compressed: config.packet.compression,
            event_slots: config.events.buffer,
            heard,
            view: view.all().clone(),
            hash_seed: view.hash_seed(),
            counts: Counts::of(members()),
            left: members().filter(|member| member.status == Status::Left).cloned().collect(),
            latest: members().map(|member| member.status_ltime).max().unwrap_or_default(),
        }
    }

    fn is_made_of(&self, view: &View, making: &Making<'_>) -> bool {
        let Making { join, side, config, heard } = making;
        self.view.digest() == view.all().digest()
            && self.view.len() == view.all().len()
            && self.hash_seed == view.hash_seed()
            && (self.join, self.side) == (*join, *side)
            && (self.compressed, self.event_slots) == (config.packet.compression, config.events.buffer)
            && self.heard == *heard
            && self.label == config.security.label
    }

    /// Whether a node with this configuration and view, which does not encrypt, may take it as it
    /// is: nothing in it would be refused, as far as views can tell.
    pub(crate) fn suits(&self, side: Side, config: &Config, view: &View) -> bool {
        let (security, stream) = (&config.security, &config.stream);
        let labelled = if security.skip_inbound_label_check { "" } else { &security.label };
        self.side != side
            && (side == Side::Dialled || self.label == labelled)
            && security.allowed.is_empty()
            && self.frame.len().max(self.len) <= stream.message_max.min(stream.decompressed_max)
            && self.hash_seed == view.hash_seed()
            && self.latest <= LamportTime::LAST_AT_ONCE
    }

    /// The records that can matter to a node with this view: those it does not hold just so, those
    /// of members that left, and those of members it suspects, since they may confirm that. In the
    /// order of the state.
    pub(crate) fn news<'a>(&self, view: &View, suspects: impl Iterator<Item = &'a str>) -> Vec<Member> {
        let mut news = self.left.clone();
        view.all().diff(&self.view, |_, theirs| news.extend(theirs.cloned()));
        news.extend(suspects.filter_map(|name| self.view.get(view.hash_of(name), name)).cloned());
        news.sort_unstable_by(|a, b| (a.hash, a.name()).cmp(&(b.hash, b.name())));
        news.dedup_by(|a, b| a.name() == b.name());
        news
    }

    /// A state with these of its records, and all that its sender's Serf layer had heard.
    pub(crate) fn with_members(&self, members: &[Member]) -> Option<crate::wire::frame::Frame> {
        let heard = serf_message::PushPull::decode(self.heard.get(1..)?).ok()?;
        let told = || members.iter().filter(|member| member.status != Status::None);
        let mut user_state = Vec::new();
        encode_push_pull(
            [heard.ltime, heard.event_ltime, heard.query_ltime],
            told().map(|member| (member.name(), member.status_ltime)),
            told().filter(|member| member.status == Status::Left).map(Member::name),
            heard.events.flatten().map(|slot| Some((slot.ltime, slot.events))),
            heard.registry,
            &mut user_state,
        );
        let nodes = members.iter().filter_map(PushNode::of);
        Some(PushPull::frame(self.join, nodes, &user_state))
    }

    pub(crate) const fn counts(&self) -> Counts {
        self.counts
    }

    pub(crate) const fn latest(&self) -> LamportTime {
        self.latest
    }
}
