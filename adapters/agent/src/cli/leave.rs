//! `leave`: ends the agent gracefully.

use clap::Parser;

use super::rpc::RpcFlags;
use super::terminal::{Failure, Terminal};

#[derive(Debug, Parser)]
#[command(about = "Makes the agent leave its cluster gracefully and end.", override_usage = "tidings leave")]
pub(crate) struct Flags {
    #[command(flatten)]
    rpc: RpcFlags,
    #[arg(hide = true)]
    words: Vec<String>,
}

pub(crate) async fn run(flags: Flags, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    let client = flags.rpc.connect(terminal).await?;
    client.leave().await.map_err(|error| Failure::because("Error leaving", error))?;
    terminal.line("Graceful leave complete")?;
    Ok(0)
}
