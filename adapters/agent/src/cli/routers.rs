//! `routers`: lists where each service is.

use clap::Parser;
use tidings_client::protocol::Router;

use super::info::unknown_format;
use super::json::{self, Format};
use super::rpc::RpcFlags;
use super::table;
use super::terminal::{Failure, Terminal};
use crate::blued::Shown;

#[derive(Debug, Parser)]
#[command(
    about = "Lists the services an agent knows, with the addresses that are in use and the nodes they\n  \
             belong to.",
    override_usage = "tidings routers [options]"
)]
pub(crate) struct Flags {
    /// How to write them: json or text
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    format: String,
    #[command(flatten)]
    rpc: RpcFlags,
    #[arg(hide = true)]
    words: Vec<String>,
}

pub(crate) async fn run(flags: Flags, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    let format = Format::from_name(&flags.format).ok_or_else(|| unknown_format(&flags.format))?;
    let client = flags.rpc.connect(terminal).await?;
    let routers = client.routers().await;
    let routers = routers.map_err(|error| Failure::because("Error retrieving routers", error))?;
    match format {
        Format::Text => terminal.line(text(&routers))?,
        Format::Json => {
            terminal.line(json::render(&routers.into_iter().map(Shown::from).collect::<Vec<_>>()))?;
        }
    }
    Ok(0)
}

/// A line for each address.
fn text(routers: &[Router]) -> String {
    let rows = routers.iter().flat_map(|router| {
        router.addrs.iter().map(|it| vec![router.service.clone(), it.node.clone(), it.addr.clone()])
    });
    table::render(&rows.collect::<Vec<_>>())
}
