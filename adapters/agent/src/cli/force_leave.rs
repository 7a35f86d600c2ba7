//! `force-leave`: makes a failed member one that left.

use clap::{ArgAction, Parser};

use super::flags::boolean;
use super::rpc::RpcFlags;
use super::terminal::{Failure, Terminal};

#[derive(Debug, Parser)]
#[command(
    about = "Forces a failed member into the state \"left\", so that nobody tries to reconnect to it.\n  \
             A member that is still alive will object and stay.",
    override_usage = "tidings force-leave [options] name"
)]
pub(crate) struct Flags {
    /// Forget the member at once, instead of after the tombstone time-out
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1,
        require_equals = true, value_parser = boolean, default_value = "false")]
    prune: bool,
    #[command(flatten)]
    rpc: RpcFlags,
    #[arg(hide = true)]
    words: Vec<String>,
}

pub(crate) async fn run(flags: Flags, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    let [node] = flags.words.as_slice() else {
        return Err(Failure::Usage(Some("A node name must be specified to force leave.")));
    };
    let client = flags.rpc.connect(terminal).await?;
    let left = client.force_leave(node, flags.prune).await;
    left.map_err(|error| Failure::because("Error force leaving", error))?;
    Ok(0)
}
