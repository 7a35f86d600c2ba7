//! Datagrams on their way out: encode, wrap, hand over slices of one reused buffer.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use bytes::{Bytes, BytesMut};

use crate::config::Config;
use crate::context::Context;
use crate::error::ConfigError;
use crate::rng::Rng;
use crate::wire::Keyring;
use crate::wire::compound::Compound;
use crate::wire::frame::{self, Side};
use crate::wire::limits::CRC_OVERHEAD;
use crate::wire::packet::{self, Closer, Opener};

/// What is taken from the allocator at first for outgoing packets: a ping and an ack, all that an
/// idle node sends at a time, small enough for a hundred thousand nodes in one process.
const CHUNK_MIN: usize = 256;
/// What is taken at most at a time by a node whose packets are still held when it makes others.
const CHUNK_MAX: usize = 4096;
/// What is taken at a time for the packets of many nodes in one process.
const CHUNK_SHARED: usize = 16 << 10;

/// Encodes and closes packets.
#[derive(Clone, Debug)]
pub(crate) struct Packets {
    config: Arc<Config>,
    keyring: Keyring,
    /// Made when it is needed. Nodes that share a process are lent one for the length of an input:
    /// it holds nothing that outlives it.
    scratch: Option<Box<Scratch>>,
}

/// Buffers in which packets are opened and put together, reused from one to the next.
#[derive(Clone, Debug)]
pub(crate) struct Scratch {
    /// What was encrypted in a received packet.
    pub(crate) plain: Vec<u8>,
    pub(crate) opener: Opener,
    /// The packet being put together.
    parts: Compound,
    inner: Vec<u8>,
    closer: Closer,
    /// Packets handed out and not yet written are slices of this. Once they are dropped it is
    /// used again.
    out: BytesMut,
    /// What is taken from the allocator when they are not: twice as much each time.
    chunk: usize,
    chunk_max: usize,
}

impl Scratch {
    fn new(chunk: usize, chunk_max: usize) -> Self {
        Scratch {
            plain: Vec::new(),
            opener: Opener::new(),
            parts: Compound::new(),
            inner: Vec::new(),
            closer: Closer::new(),
            out: BytesMut::new(),
            chunk,
            chunk_max,
        }
    }

    /// To be lent to many nodes.
    pub(crate) fn shared() -> Self {
        Self::new(CHUNK_SHARED, CHUNK_SHARED)
    }
}

impl Packets {
    pub(crate) fn new(config: &Arc<Config>) -> Result<Self, ConfigError> {
        let keyring = Keyring::new(&config.security.keys).map_err(|_| ConfigError::KeySize)?;
        Ok(Packets { config: config.clone(), keyring, scratch: None })
    }

    /// Takes what is lent for an input in place of its own, or gives it back.
    pub(crate) fn swap_scratch(&mut self, lent: &mut Option<Box<Scratch>>) {
        core::mem::swap(&mut self.scratch, lent);
    }

    pub(crate) fn scratch(&mut self) -> &mut Scratch {
        self.scratch.get_or_insert_with(|| Box::new(Scratch::new(CHUNK_MIN, CHUNK_MAX)))
    }

    /// Gives back memory that busier times needed.
    pub(crate) fn rest(&mut self) {
        self.scratch = None;
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    pub(crate) fn keyring_mut(&mut self) -> &mut Keyring {
        &mut self.keyring
    }

    /// Bytes of a packet that its wrappers take.
    pub(crate) fn overhead(&self) -> usize {
        packet::overhead(&self.config, &self.keyring)
    }

    /// A message as bytes of its own, for a queue.
    pub(crate) fn encode(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> Bytes {
        let inner = &mut self.scratch().inner;
        inner.clear();
        encode(inner);
        Bytes::copy_from_slice(inner)
    }

    /// Begins a packet: the place for its messages.
    pub(crate) fn begin(&mut self) -> &mut Compound {
        let parts = &mut self.scratch().parts;
        parts.clear();
        parts
    }

    /// The messages of the packet begun.
    pub(crate) fn parts(&mut self) -> &mut Compound {
        &mut self.scratch().parts
    }

    /// Sends one message by itself.
    pub(crate) fn send_direct(&mut self, cx: &mut Context, to: SocketAddr, message: &[u8]) {
        self.begin().push(message);
        self.finish(cx, to, false);
    }

    /// A stream's message, wrapped as configured.
    pub(crate) fn close_frame(&mut self, cx: &mut Context, message: &[u8], side: Side) -> Bytes {
        let mut out = BytesMut::new();
        frame::close(message, side, &self.config, &self.keyring, || fresh_nonce(&mut cx.rng), &mut out);
        out.freeze()
    }

    /// Sends the packet begun.
    pub(crate) fn finish(&mut self, cx: &mut Context, to: SocketAddr, crc: bool) {
        let overhead = self.overhead();
        let Packets { config, keyring, scratch } = self;
        let Some(scratch) = scratch else { return };
        let Scratch { parts, inner, closer, out, chunk, chunk_max, .. } = &mut **scratch;
        inner.clear();
        parts.encode(inner);
        let most = inner.len() + CRC_OVERHEAD + overhead;
        if !out.try_reclaim(most) {
            *out = BytesMut::with_capacity(most.max(*chunk));
            *chunk = (2 * *chunk).min(*chunk_max);
        }
        let nonce = || fresh_nonce(&mut cx.rng);
        closer.close(inner, crc, config, keyring, nonce, out);
        cx.datagram(to, out.split().freeze());
    }
}

pub(crate) fn fresh_nonce(rng: &mut Rng) -> [u8; 12] {
    let mut nonce = [0; 12];
    rng.fill(&mut nonce);
    nonce
}
