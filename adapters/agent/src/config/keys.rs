//! Gossip keys: base64 in the configuration, a JSON list in the keyring file.

use std::path::Path;

use base64::Engine as _;
use base64::alphabet::STANDARD as STANDARD_ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use bytes::Bytes;

use super::file;

/// As the original reads it: unused bits at the end do not matter.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD_ALPHABET,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Decodes a key.
///
/// # Errors
/// Where it stops being base64, in the words of the original.
pub fn decode_key(text: &str) -> Result<Bytes, String> {
    LENIENT
        .decode(text)
        .map(Bytes::from)
        .map_err(|_| format!("illegal base64 data at input byte {}", illegal_byte(text.as_bytes())))
}

/// The byte the original complains about: a wrong one, wrong padding, or the first of an incomplete
/// group of four.
fn illegal_byte(text: &[u8]) -> usize {
    let good = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let Some(at) = text.iter().position(|b| !good(b)) else { return text.len() & !3 };
    if text[at] != b'=' || at % 4 < 2 {
        return at;
    }
    match (at % 4, text.get(at + 1)) {
        (2, None) => text.len(),
        (2, Some(b'=')) => at + 2,
        (2, Some(_)) => at,
        _ => at + 1,
    }
}

/// Reads the keys of a keyring file, the primary first.
///
/// # Errors
/// The file is missing, is no JSON list of base64 texts or holds no key.
pub(super) fn load_keyring(path: &Path) -> Result<Vec<Bytes>, String> {
    let text = file::read_text(path).map_err(|error| error.replacen("open ", "stat ", 1))?;
    let keys: Vec<String> = serde_json::from_str(&text)
        .map_err(|error| format!("Failed to decode keyring file {}: {error}", path.display()))?;
    if keys.is_empty() {
        return Err("Keyring file contains no keys".to_owned());
    }
    keys.iter()
        .map(|key| decode_key(key).map_err(|error| format!("Failed to decode key from keyring: {error}")))
        .collect()
}

/// The text of a keyring file.
#[must_use]
pub fn render_keyring(keys: &[Bytes]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| STANDARD.encode(key)).collect();
    serde_json::to_string_pretty(&keys).expect("texts are always JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_no_base64_is_located() {
        for (text, at) in
            [("zzz", 0), ("!!", 0), ("AAAA!", 4), ("AAAAA", 4), ("AA=A", 2), ("AA=", 3), ("AA==A", 4)]
        {
            let error = decode_key(text).unwrap_err();
            assert_eq!(error, format!("illegal base64 data at input byte {at}"), "{text}");
        }
        assert_eq!(decode_key("c2hvcnQ=").unwrap(), "short");
    }

    #[test]
    fn a_keyring_is_written_as_the_original_writes_it() {
        let keys = [Bytes::from(vec![0x42; 32]), Bytes::from(vec![0x43; 16])];
        let expected =
            "[\n  \"QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=\",\n  \"Q0NDQ0NDQ0NDQ0NDQ0NDQw==\"\n]";
        assert_eq!(render_keyring(&keys), expected);
    }

    #[test]
    fn a_keyring_file_must_exist_and_hold_a_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        let missing = load_keyring(&path).unwrap_err();
        assert_eq!(missing, format!("stat {}: no such file or directory", path.display()));
        std::fs::write(&path, "[]").unwrap();
        assert_eq!(load_keyring(&path).unwrap_err(), "Keyring file contains no keys");
        std::fs::write(&path, "[\"Q0NDQ0NDQ0NDQ0NDQ0NDQw==\"]").unwrap();
        assert_eq!(load_keyring(&path).unwrap(), [Bytes::from(vec![0x43; 16])]);
    }
}
