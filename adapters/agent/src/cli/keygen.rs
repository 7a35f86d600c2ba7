//! `keygen`: makes an encryption key.

use std::ffi::OsString;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::terminal::Terminal;

/// The largest of the three sizes.
const KEY_BYTES: usize = 32;

pub(crate) fn usage() -> String {
    "Usage: tidings keygen\n\n  Generates a new key for -encrypt and the keyring: base64 of 32 random bytes.\n".to_owned()
}

/// Any words are ignored.
pub(crate) fn run(_: &[OsString], terminal: &mut Terminal<'_>) -> u8 {
    let mut key = [0; KEY_BYTES];
    let line = match getrandom::fill(&mut key) {
        Ok(()) => Ok(STANDARD.encode(key)),
        Err(error) => Err(format!("Error reading random data: {error}")),
    };
    let is_key = line.is_ok();
    let is_out = terminal.line(line.unwrap_or_else(|error| error)).is_ok();
    u8::from(!(is_key && is_out))
}
