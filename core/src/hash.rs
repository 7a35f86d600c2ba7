//! Hashing that gives the same numbers on every platform and with every release.

/// The place of a member in the views of a node or a simulation with this hash seed: SipHash-1-3,
/// so that a peer that does not know the seed cannot choose names whose places are close.
#[must_use]
pub(crate) fn name_hash(seed: u64, name: &str) -> u64 {
    bytes(seed, name.as_bytes())
}

/// SipHash-1-3 of some bytes. The key is `seed` followed by eight zero bytes.
#[must_use]
pub(crate) fn bytes(seed: u64, input: &[u8]) -> u64 {
    let mut state = Sip {
        v0: seed ^ 0x736f_6d65_7073_6575,
        v1: 0x646f_7261_6e64_6f6d,
        v2: seed ^ 0x6c79_6765_6e65_7261,
        v3: 0x7465_6462_7974_6573,
    };
    let (words, rest) = input.as_chunks();
    for &word in words {
        state.absorb(u64::from_le_bytes(word));
    }
    // The last word: what is left over, and the length's lowest byte on top.
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    last[7] = input.len() as u8;
    state.absorb(u64::from_le_bytes(last));
    state.finish()
}

struct Sip {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl Sip {
    const fn absorb(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.v0 ^= word;
    }

    const fn finish(mut self) -> u64 {
        self.v2 ^= 0xff;
        self.round();
        self.round();
        self.round();
        self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }

    const fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.rotate_left(32);
    }
}

/// Takes one more word into a digest. For a given digest no two words give the same result, nor
/// two digests for a given word; all bits of both reach all bits of it (MurmurHash3's finalizer).
#[must_use]
pub(crate) const fn mix(digest: u64, word: u64) -> u64 {
    let mut h = digest.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ word;
    h = (h ^ h >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    h = (h ^ h >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ h >> 33
}

#[cfg(test)]
mod tests {
    use core::hash::Hasher as _;
    use std::hash::DefaultHasher;
    use std::vec::Vec;

    use quickcheck_macros::quickcheck;

    use super::{bytes, name_hash};

    #[quickcheck]
    fn with_key_zero_it_is_the_siphash_of_the_standard_library(input: Vec<u8>) -> bool {
        let mut hasher = DefaultHasher::new();
        hasher.write(&input);
        hasher.finish() == bytes(0, &input)
    }

    /// Computed by an independent implementation.
    #[test]
    fn name_hashes_are_the_same_everywhere() {
        for (name, seed, hash) in [
            ("", 0, 0xd1fb_a762_150c_532c),
            ("a", 0, 0x4074_48d2_b89b_1813),
            ("node-1", 1, 0x8dd8_c7a7_91b1_7881),
            ("node-2", 1, 0x173c_a7a9_e811_29a6),
            ("eight-by", 2, 0x7e8a_d9b5_ceac_b252),
            ("node-1.example.org", u64::MAX, 0x06c7_8c39_5a7f_6f90),
        ] {
            assert_eq!(name_hash(seed, name), hash, "{name} under {seed}");
        }
    }
}
