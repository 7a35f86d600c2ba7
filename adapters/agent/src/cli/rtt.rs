//! `rtt`: how far two members are from each other.

use clap::Parser;
use tidings_client::Client;
use tidings_client::protocol::Coordinate;

use super::rpc::RpcFlags;
use super::terminal::{Failure, Terminal};
use crate::quote::Quoted;

#[derive(Debug, Parser)]
#[command(
    about = "Estimates the round trip time between two members from their network coordinates.\n  \
             Without a second name, the agent asked is the other one.",
    override_usage = "tidings rtt [options] node1 [node2]"
)]
pub(crate) struct Flags {
    #[command(flatten)]
    rpc: RpcFlags,
    #[arg(hide = true)]
    words: Vec<String>,
}

pub(crate) async fn run(flags: Flags, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    let client = flags.rpc.connect(terminal).await?;
    let (first, second) = match flags.words.as_slice() {
        [first] => (first.clone(), own_name(&client).await?),
        [first, second] => (first.clone(), second.clone()),
        _ => return Err(Failure::Usage(Some("One or two node names must be specified"))),
    };
    let from = coordinate(&client, &first).await?;
    let to = coordinate(&client, &second).await?;
    let Some(rtt) = from.distance(&to) else {
        return Err(Failure::Line("The two coordinates are not of one space".to_owned()));
    };
    let millis = rtt.as_secs_f64() * 1e3;
    terminal.line(format_args!("Estimated {first} <-> {second} rtt: {millis:.3} ms"))?;
    Ok(0)
}

async fn own_name(client: &Client) -> Result<String, Failure> {
    let stats = client.stats().await.map_err(|error| Failure::because("Error querying agent", error))?;
    let name = stats.get("agent").and_then(|agent| agent.get("name"));
    name.cloned().ok_or_else(|| Failure::Line("Error querying agent: it does not tell its name".to_owned()))
}

async fn coordinate(client: &Client, node: &str) -> Result<Coordinate, Failure> {
    let found = client.coordinate(node).await;
    let found = found.map_err(|error| Failure::because("Error querying agent", error))?;
    found.ok_or_else(|| Failure::Line(format!("Could not find a coordinate for node {}", Quoted(node))))
}
