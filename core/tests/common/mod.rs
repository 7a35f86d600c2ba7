//! A whole cluster in virtual time: nodes, a network with faults, and words to tell stories with.
//!
//! ```text
//! let mut cluster = Cluster::lan(3);
//! cluster.join(1, 0);
//! cluster.join(2, 0);
//! cluster.run(secs(5));
//! cluster.assert_converged();
//! ```
//!
//! Nothing here reads a clock or draws unseeded numbers: equal seeds tell equal stories.

// Each test binary uses its own part of the harness.
#![allow(dead_code, unreachable_pub, unused_imports)]

mod asserts;
mod cluster;
mod host;
mod net;
pub mod storm;
mod story;
pub mod wire;

use std::time::Duration;

pub use cluster::Cluster;
pub use host::{Happening, StreamHappening, digest_output};

/// Whole seconds.
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Whole milliseconds.
pub const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The harness's own seeded numbers (splitmix64), apart from those of the nodes.
#[derive(Clone, Debug)]
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Draw(seed)
    }

    pub fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In `0..n`; the tiny bias of the remainder does not matter here.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.u64() % n }
    }

    pub fn unit(&mut self) -> f64 {
        (self.u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.u64() as u8).collect()
    }

    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        for part in seed.chunks_mut(8) {
            part.copy_from_slice(&self.u64().to_le_bytes());
        }
        seed
    }
}

/// FNV-1a: enough to see that two histories differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fnv(pub u64);

impl Fnv {
    pub const START: Fnv = Fnv(0xcbf2_9ce4_8422_2325);

    pub fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
