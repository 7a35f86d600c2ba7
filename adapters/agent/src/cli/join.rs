//! `join`: enters a cluster.

use clap::{ArgAction, Parser};

use super::flags::boolean;
use super::rpc::RpcFlags;
use super::terminal::{Failure, Terminal};

#[derive(Debug, Parser)]
#[command(
    about = "Tells a running agent to join a cluster through any of its members. An address is\n  \
             HOST, HOST:PORT or NODE-NAME/HOST:PORT; without a port the agent's own is used.",
    override_usage = "tidings join [options] address ..."
)]
pub(crate) struct Flags {
    /// Deliver the user events of the time before the join as well
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1,
        require_equals = true, value_parser = boolean, default_value = "false")]
    replay: bool,
    #[command(flatten)]
    rpc: RpcFlags,
    #[arg(hide = true)]
    words: Vec<String>,
}

pub(crate) async fn run(flags: Flags, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    if flags.words.is_empty() {
        return Err(Failure::Usage(Some("At least one address to join must be specified.")));
    }
    let client = flags.rpc.connect(terminal).await?;
    let joined = client.join(flags.words, flags.replay).await;
    let joined = joined.map_err(|error| Failure::because("Error joining the cluster", error))?;
    terminal.line(format_args!("Successfully joined cluster by contacting {joined} nodes."))?;
    Ok(0)
}
