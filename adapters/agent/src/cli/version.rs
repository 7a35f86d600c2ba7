//! `version`: the version, and the agent protocols spoken.

use std::ffi::OsString;

use super::terminal::Terminal;

/// The version of the program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) fn usage() -> String {
    "Usage: tidings version\n\n  Prints the version and the agent protocols it understands.\n".to_owned()
}

/// Any words are ignored. The first line differs from Serf's, which has the bare version.
pub(crate) fn run(_: &[OsString], terminal: &mut Terminal<'_>) -> u8 {
    let version = format!("tidings {VERSION}\nAgent Protocol: 5 (Understands back to: 2)");
    u8::from(terminal.line(version).is_err())
}
