//! `deregister`: removes instances from the agent.

use clap::Parser;

use super::terminal::{Failure, Terminal};
use super::web::{WebFlags, part};

#[derive(Debug, Parser)]
#[command(
    about = "Removes instances, named by their IDs, and their checks from the agent they are registered at.",
    override_usage = "tidings deregister [options] ID..."
)]
pub(crate) struct Flags {
    #[command(flatten)]
    web: WebFlags,
    #[arg(hide = true)]
    words: Vec<String>,
}

pub(crate) async fn run(flags: Flags, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    if flags.words.is_empty() {
        return Err(Failure::Usage(Some("At least one ID must be given.")));
    }
    let site = flags.web.site(terminal);
    for id in &flags.words {
        site.put(&format!("/v1/agent/service/deregister/{}", part(id)), String::new()).await?;
        terminal.line(format_args!("Deregistered service: {id}"))?;
    }
    Ok(0)
}
