//! LZW against Go's output, another implementation, a plain model, and garbage.

use quickcheck_macros::quickcheck;
use tidings_core::Malformed;
use tidings_core::wire::lzw::{decode, encode};
use weezl::BitOrder;

use crate::vectors::{bytes, lines, text};

fn encoded(input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode(input, &mut out);
    out
}

fn decoded(input: &[u8], max: usize) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::new();
    decode(input, &mut out, max).map(|()| out)
}

/// The inputs of the computed vectors: `s * 1664525 + 1013904223`, its high byte.
fn lcg(len: usize, modulus: u32) -> Vec<u8> {
    let mut s = 1u32;
    let next = || {
        s = s.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (if modulus > 0 { (s >> 24) % modulus } else { s >> 24 }) as u8
    };
    core::iter::repeat_with(next).take(len).collect()
}

#[test]
fn go_wrote_the_same_bytes_and_they_are_read_again() {
    for line in lines("computed-lzw.jsonl") {
        let input = match text(&line, "value") {
            "300 x 'a'" => vec![b'a'; 300],
            "bytes 0..255 twice" => (0..=255).chain(0..=255).collect(),
            value if value.starts_with("lcg(6000, mod 0)") => lcg(6000, 0),
            value if value.starts_with("lcg(9000, mod 5)") => lcg(9000, 5),
            _ => bytes(&line, "input_hex"),
        };
        assert_eq!(line["input_len"], input.len(), "{line}");
        assert_eq!(encoded(&input), bytes(&line, "hex"), "{line}");
        assert_eq!(decoded(&bytes(&line, "hex"), input.len()), Ok(input), "{line}");
    }
}

/// Inputs of many shapes: few symbols make long strings, large sizes fill the table.
fn shape(seed: &[u8], symbols: u8, repeat: u8) -> Vec<u8> {
    let symbols = symbols.max(1);
    let once: Vec<u8> = seed.iter().map(|byte| byte % symbols).collect();
    let mut input = once.repeat(usize::from(repeat));
    input.extend(lcg(usize::from(repeat) * 97, symbols.into()));
    input
}

#[quickcheck]
fn what_was_encoded_is_decoded_again(seed: Vec<u8>, symbols: u8, repeat: u8) {
    let input = shape(&seed, symbols, repeat);
    let compressed = encoded(&input);
    assert_eq!(decoded(&compressed, input.len()).as_ref(), Ok(&input));
    if !input.is_empty() {
        assert_eq!(decoded(&compressed, input.len() - 1), Err(Malformed::TooLarge));
    }
}

#[quickcheck]
fn another_implementation_reads_it_and_is_read(seed: Vec<u8>, symbols: u8, repeat: u8) {
    let input = shape(&seed, symbols, repeat);
    let theirs = weezl::encode::Encoder::new(BitOrder::Lsb, 8).encode(&input).unwrap();
    assert_eq!(decoded(&theirs, input.len()).as_ref(), Ok(&input));
    let read = weezl::decode::Decoder::new(BitOrder::Lsb, 8).decode(&encoded(&input)).unwrap();
    assert_eq!(read, input);
}

/// Packs codes as an encoder would that never clears the table by itself.
fn pack(codes: impl Iterator<Item = u32>) -> Vec<u8> {
    let (mut out, mut bits, mut count) = (Vec::new(), 0u64, 0);
    let (mut width, mut next) = (9, 257);
    for code in codes {
        bits |= u64::from(code & ((1 << width) - 1)) << count;
        count += width;
        if code == 256 {
            (width, next) = (9, 257);
        } else if next < 4095 {
            next += 1;
            width += u32::from(next == 1 << width);
        }
        while count >= 8 {
            out.push(bits as u8);
            bits >>= 8;
            count -= 8;
        }
    }
    out.push(bits as u8);
    out
}

/// The textbook's decoder: a table of strings.
fn model(codes: impl Iterator<Item = u32>) -> Result<Vec<u8>, ()> {
    let mut out = Vec::new();
    let mut table: Vec<Vec<u8>> = Vec::new();
    let mut last: Option<Vec<u8>> = None;
    for code in codes {
        let string = match code {
            0..256 => vec![code as u8],
            256 => {
                table.clear();
                last = None;
                continue;
            }
            257 => return Ok(out),
            _ => match (table.get(code as usize - 258), &last) {
                (Some(string), _) => string.clone(),
                (None, Some(last)) if code as usize == 258 + table.len() && table.len() < 4096 - 258 => {
                    last.iter().chain(&last[..1]).copied().collect()
                }
                _ => return Err(()),
            },
        };
        if let (Some(mut last), true) = (last.take(), table.len() < 4096 - 258) {
            last.push(string[0]);
            table.push(last);
        }
        out.extend(&string);
        last = Some(string);
    }
    Err(())
}

#[quickcheck]
fn any_sequence_of_codes_means_what_the_textbook_says(choices: Vec<u16>, many: bool) {
    // Mostly codes that exist at their place, now and then one that does not.
    let mut defined = 257;
    let times = if many { 60 } else { 1 };
    let mut codes: Vec<u32> = Vec::new();
    for choice in choices.repeat(times) {
        let code = match choice % 97 {
            0 => 256,
            1 => 4000,
            _ => u32::from(choice) % (defined + 1),
        };
        let code = if code == 257 { 65 } else { code };
        defined = if code == 256 { 257 } else { (defined + 1).min(4095) };
        codes.push(code);
    }
    codes.push(257);
    let expected = model(codes.iter().copied());
    let actual = decoded(&pack(codes.into_iter()), usize::MAX);
    assert_eq!(actual.map_err(|error| assert_eq!(error, Malformed::Compression)), expected);
}

#[test]
fn a_full_table_stays_as_it_is_until_it_is_cleared() {
    // 4000 literals fill the table; every code in it is then used, and nothing new is defined.
    let literals = (0..4000).map(|i| i * 7 % 251);
    let codes: Vec<u32> = literals.chain(258..4096).chain([4095, 256, 65, 258, 257]).collect();
    let expected = model(codes.iter().copied()).unwrap();
    assert_eq!(decoded(&pack(codes.into_iter()), usize::MAX), Ok(expected));
}

#[test]
fn a_stream_without_an_end_is_truncated_wherever_it_is_cut() {
    let compressed = encoded(b"to be or not to be, that is the question");
    for end in 0..compressed.len() - 1 {
        assert_eq!(decoded(&compressed[..end], 1000), Err(Malformed::Truncated), "{end}");
    }
}

#[test]
fn what_follows_the_end_is_ignored() {
    let mut compressed = encoded(b"abc");
    compressed.extend([0xff; 9]);
    assert_eq!(decoded(&compressed, 3), Ok(b"abc".to_vec()));
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let bomb = encoded(&vec![0; 8 << 20]);
    assert!(bomb.len() < 40 << 10, "{}", bomb.len());
    let mut out = Vec::new();
    assert_eq!(decode(&bomb, &mut out, 10_000), Err(Malformed::TooLarge));
    assert!(out.len() <= 10_000 && out.capacity() <= 20_000);
}

#[quickcheck]
fn garbage_is_refused_or_decoded_within_the_limit(garbage: Vec<u8>, max: u16) {
    let mut out = b"before".to_vec();
    let _ = decode(&garbage, &mut out, max.into());
    assert!(out.starts_with(b"before") && out.len() <= 6 + usize::from(max));
}
