//! LZW as Go's `compress/lzw` writes it: least significant bit first, literals of 8 bits
//! (gossip-wire, section 4.3).
//!
//! Codes start with 9 bits and have 12 at most; 256 clears the table, 257 ends the stream. A code
//! gets a bit more as soon as the next code to be defined does not fit. The encoder's output is
//! Go's byte for byte; the decoder takes everything Go's takes.

use alloc::vec::Vec;

use bytes::BufMut;

use crate::error::Malformed;

const CLEAR: u32 = 256;
const END: u32 = 257;
const WIDTH_MIN: u32 = 9;
const WIDTH_MAX: u32 = 12;
/// Codes there can be.
const CODES: usize = 1 << WIDTH_MAX;
/// The last code the encoder defines; it clears the table instead of using it.
const CODE_LAST: u32 = CODES as u32 - 1;

/// What is at most this long is compressed with a small table; decompressed, if half as long.
const SMALL: usize = 1024;
// A code has 9 bits at least, so a short input defines at most so many of them.
const _: () = assert!(END as usize + (SMALL / 2 * 8).div_ceil(WIDTH_MIN as usize) + 2 < SMALL);

/// Appends the decompressed form of `input` to `out`, at most `max` bytes of it. What follows the
/// end code is ignored.
///
/// # Errors
/// [`Malformed::TooLarge`] if it has more than `max` bytes, [`Malformed::Compression`] if it is no
/// such stream, [`Malformed::Truncated`] if it has no end. `out` may hold a part of it then.
pub fn decode(input: &[u8], out: &mut Vec<u8>, max: usize) -> Result<(), Malformed> {
    // As with encoding: what is short needs few codes, and clearing a large table would cost more
    // than the rest.
    if input.len() <= SMALL / 2 {
        decode_with(&mut [0; SMALL], input, out, max)
    } else {
        decode_with(&mut [0; CODES + 1], input, out, max)
    }
}

/// Every code stands for the string before the last one emitted, and one byte more: so it starts
/// where that one starts in the output and ends one byte behind it. `starts[code]` is the place of
/// the first, `starts[code + 1]` that of the string after it.
fn decode_with(starts: &mut [u32], input: &[u8], out: &mut Vec<u8>, max: usize) -> Result<(), Malformed> {
    let base = out.len();
    let max = u32::try_from(max).unwrap_or(u32::MAX);
    let mut bits = BitReader { input, buffer: 0, count: 0 };
    let mut width = WIDTH_MIN;
    // The code defined next; END means that there was no string yet after a clear.
    let mut next = END;
    let mut full = false;
    loop {
        let code = bits.take(width)?;
        if code == CLEAR {
            (width, next, full) = (WIDTH_MIN, END, false);
            continue;
        }
        if code == END {
            return Ok(());
        }
        let at = (out.len() - base) as u32;
        if !full {
            starts[next as usize + 1] = at;
        }
        if code < CLEAR {
            if at >= max {
                return Err(Malformed::TooLarge);
            }
            out.push(code as u8);
        } else if code < next || (code == next && (full || next > END)) {
            let start = starts[code as usize];
            let len = starts[code as usize + 1] - start + 1;
            if len > max - at {
                return Err(Malformed::TooLarge);
            }
            copy(out, base + start as usize, len as usize);
        } else {
            return Err(Malformed::Compression);
        }
        if next < CODE_LAST {
            next += 1;
            if next == 1 << width {
                width += 1;
            }
        } else {
            full = true;
        }
    }
}

/// Appends `len` bytes that start at `start` of the same buffer and may run one byte into what is
/// appended: a code may be used while it is being defined.
fn copy(out: &mut Vec<u8>, start: usize, len: usize) {
    let end = start + len;
    if end <= out.len() {
        out.extend_from_within(start..end);
    } else {
        debug_assert_eq!(end, out.len() + 1);
        out.extend_from_within(start..);
        out.push(out[start]);
    }
}

struct BitReader<'a> {
    input: &'a [u8],
    buffer: u64,
    count: u32,
}

impl BitReader<'_> {
    fn take(&mut self, width: u32) -> Result<u32, Malformed> {
        if self.count < width {
            if let Some((chunk, rest)) = self.input.split_first_chunk() {
                self.buffer |= u64::from(u32::from_le_bytes(*chunk)) << self.count;
                self.count += 32;
                self.input = rest;
            } else {
                for &byte in self.input {
                    self.buffer |= u64::from(byte) << self.count;
                    self.count += 8;
                }
                self.input = &[];
                if self.count < width {
                    return Err(Malformed::Truncated);
                }
            }
        }
        let code = self.buffer as u32 & ((1 << width) - 1);
        self.buffer >>= width;
        self.count -= width;
        Ok(code)
    }
}

/// Appends the compressed form of `input` to `out`, exactly as Go writes it.
pub fn encode(input: &[u8], out: &mut impl BufMut) {
    // An input defines no more codes than it has bytes, so a small one needs no large table, and
    // clearing a large one would cost more than compressing it.
    if input.len() <= SMALL {
        Encoder { out, bits: 0, count: 0, table: &mut [0; 2 * SMALL] }.run(input);
    } else {
        Encoder { out, bits: 0, count: 0, table: &mut [0; 2 * CODES] }.run(input);
    }
}

struct Encoder<'a, B: BufMut> {
    out: &'a mut B,
    bits: u64,
    count: u32,
    /// Open addressing: the code of a known string and the byte behind it (20 bits) lead to the
    /// code of both together (12 bits, never 0). The length is a power of two.
    table: &'a mut [u32],
}

impl<B: BufMut> Encoder<'_, B> {
    fn run(mut self, input: &[u8]) {
        self.put(CLEAR, WIDTH_MIN);
        let mut width = WIDTH_MIN;
        if let Some((&first, rest)) = input.split_first() {
            // The last code defined; codes are used one definition later than they are made.
            let mut last = END;
            let mut code = u32::from(first);
            for &byte in rest {
                let key = code << 8 | u32::from(byte);
                let slot = match self.find(key) {
                    Ok(longer) => {
                        code = longer;
                        continue;
                    }
                    Err(slot) => slot,
                };
                self.put(code, width);
                code = u32::from(byte);
                last = self.define(last, &mut width);
                if last != END {
                    self.table[slot] = key << 12 | last;
                }
            }
            self.put(code, width);
            self.define(last, &mut width);
        }
        self.put(END, width);
        while self.count > 0 {
            self.out.put_u8(self.bits as u8);
            self.bits >>= 8;
            self.count = self.count.saturating_sub(8);
        }
    }

    /// Makes the code after `last`, or clears the table if that was the last one there can be.
    fn define(&mut self, last: u32, width: &mut u32) -> u32 {
        let code = last + 1;
        if code == 1 << *width {
            *width += 1;
        }
        if code < CODE_LAST {
            return code;
        }
        self.put(CLEAR, *width);
        *width = WIDTH_MIN;
        self.table.fill(0);
        END
    }

    /// The code of a string, or the slot where it belongs.
    fn find(&self, key: u32) -> Result<u32, usize> {
        let mask = self.table.len() - 1;
        let mut slot = (key.wrapping_mul(0x9e37_79b1) >> 16) as usize & mask;
        loop {
            match self.table[slot] {
                0 => return Err(slot),
                entry if entry >> 12 == key => return Ok(entry & CODE_LAST),
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    fn put(&mut self, code: u32, width: u32) {
        self.bits |= u64::from(code) << self.count;
        self.count += width;
        if self.count >= 32 {
            self.out.put_u32_le(self.bits as u32);
            self.bits >>= 32;
            self.count -= 32;
        }
    }
}

// The table must never fill up: `find` ends at a free slot.
const _: () = assert!((2 * CODES).is_power_of_two() && (2 * SMALL).is_power_of_two());
