//! `tags`: changes the agent's tags.

use clap::Parser;

use super::rpc::RpcFlags;
use super::tag;
use super::terminal::{Failure, Terminal};

#[derive(Debug, Parser)]
#[command(
    about = "Changes the tags of a running agent; every member hears of it. Deletions come before\n  \
             settings, other tags stay.",
    override_usage = "tidings tags [options] ..."
)]
pub(crate) struct Flags {
    /// Remove a tag; may be given several times
    #[arg(long, value_name = "KEY")]
    delete: Vec<String>,
    /// Set a tag; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    rpc: RpcFlags,
    #[arg(hide = true)]
    words: Vec<String>,
}

pub(crate) async fn run(flags: Flags, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    if flags.set.is_empty() && flags.delete.is_empty() {
        return Err(Failure::Usage(None));
    }
    let client = flags.rpc.connect(terminal).await?;
    let set = tag::parse(&flags.set)?;
    let updated = client.update_tags(set, flags.delete).await;
    updated.map_err(|error| Failure::because("Error setting tags", error))?;
    terminal.line("Successfully updated agent tags")?;
    Ok(0)
}
