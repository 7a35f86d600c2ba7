//! Datagrams on their way out: encode, wrap, hand over slices of one reused buffer.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use bytes::{Bytes, BytesMut};

use crate::config::Config;
use crate::context::Context;
use crate::error::ConfigError;
use crate::rng::Rng;
use crate::swim::gossip::Batch;
use crate::wire::Keyring;
use crate::wire::compound::Compound;
use crate::wire::frame::{self, Side};
use crate::wire::limits::CRC_OVERHEAD;
use crate::wire::packet::{self, Closer};

/// What is taken from the allocator at first for outgoing packets: a ping and an ack, all that an
/// idle node sends at a time, small enough for a hundred thousand nodes in one process.
const CHUNK_MIN: usize = 256;
/// What is taken at most at a time by a node whose packets are still held when it makes others.
const CHUNK_MAX: usize = 4096;

/// Encodes and closes packets.
#[derive(Clone, Debug)]
pub(crate) struct Packets {
    config: Arc<Config>,
    keyring: Keyring,
    /// The packet being put together.
    parts: Compound,
    inner: Vec<u8>,
    closer: Closer,
    /// Packets handed out and not yet written are slices of this. Once they are dropped it is
    /// used again.
    out: BytesMut,
    /// What is taken from the allocator when they are not: twice as much each time.
    chunk: usize,
}

impl Packets {
    pub(crate) fn new(config: &Arc<Config>) -> Result<Self, ConfigError> {
        let keyring = Keyring::new(&config.security.keys).map_err(|_| ConfigError::KeySize)?;
        Ok(Packets {
            config: config.clone(),
            keyring,
            parts: Compound::new(),
            inner: Vec::new(),
            closer: Closer::new(),
            out: BytesMut::new(),
            chunk: CHUNK_MIN,
        })
    }

    /// Gives back memory that busier times needed.
    pub(crate) fn rest(&mut self) {
        self.parts = Compound::new();
        self.inner = Vec::new();
        self.closer = Closer::new();
        self.out = BytesMut::new();
        self.chunk = CHUNK_MIN;
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
        self.inner.clear();
        encode(&mut self.inner);
        Bytes::copy_from_slice(&self.inner)
    }

    /// Begins a packet with one message; returns the message's length.
    pub(crate) fn begin(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> usize {
        self.parts.clear();
        self.parts.push_with(encode);
        self.parts.encoded_len()
    }

    /// Sends the packet begun, with the updates that ride on it.
    pub(crate) fn finish(&mut self, cx: &mut Context, to: SocketAddr, batch: &Batch) {
        for part in batch {
            self.parts.push(part);
        }
        self.close(cx, to, false);
    }

    /// Sends these messages as one packet.
    pub(crate) fn send_parts(&mut self, cx: &mut Context, to: SocketAddr, parts: &[Bytes], crc: bool) {
        self.parts.clear();
        for part in parts {
            self.parts.push(part);
        }
        self.close(cx, to, crc);
    }

    /// Sends one message by itself.
    pub(crate) fn send_direct(&mut self, cx: &mut Context, to: SocketAddr, message: &[u8]) {
        self.parts.clear();
        self.parts.push(message);
        self.close(cx, to, false);
    }

    /// A stream's message, wrapped as configured.
    pub(crate) fn close_frame(&mut self, cx: &mut Context, message: &[u8], side: Side) -> Bytes {
        let mut out = BytesMut::new();
        frame::close(message, side, &self.config, &self.keyring, || fresh_nonce(&mut cx.rng), &mut out);
        out.freeze()
    }

    fn close(&mut self, cx: &mut Context, to: SocketAddr, crc: bool) {
        self.inner.clear();
        self.parts.encode(&mut self.inner);
        let most = self.inner.len() + CRC_OVERHEAD + self.overhead();
        if !self.out.try_reclaim(most) {
            self.out = BytesMut::with_capacity(self.chunk.max(most));
            self.chunk = (2 * self.chunk).min(CHUNK_MAX);
        }
        let nonce = || fresh_nonce(&mut cx.rng);
        self.closer.close(&self.inner, crc, &self.config, &self.keyring, nonce, &mut self.out);
        let payload = self.out.split().freeze();
        cx.datagram(to, payload);
    }
}

pub(crate) fn fresh_nonce(rng: &mut Rng) -> [u8; 12] {
    let mut nonce = [0; 12];
    rng.fill(&mut nonce);
    nonce
}
