//! `tidings-sim explain`: why a member holds another suspect, failed, left or alive.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tidings_core::Time;

use super::{Failure, read, say};

/// Why a member holds another suspect, failed, left or alive: from what it was told last, along
/// the packets, back to the probe that failed and to what its pings and acks were lost to.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The script, a TOML file.
    script: PathBuf,
    /// Everything random follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The moment in question, from the start of the run; later than its end: the end.
    #[arg(long, value_parser = crate::span::parse)]
    at: Duration,
    /// Who holds it.
    #[arg(long)]
    member: String,
    /// Of whom.
    #[arg(long)]
    about: String,
}

impl Explain {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let script = read(&self.script)?;
        let at = Time::ZERO + self.at;
        let why = crate::explain::explain(&script, self.seed, at, &self.member, &self.about)?;
        say(why.to_string().trim_end());
        Ok(())
    }
}
