//! `info`: describes the agent.

use clap::Parser;
use tidings_client::protocol::StatsResponse;

use super::json::{self, Format};
use super::rpc::RpcFlags;
use super::terminal::{Failure, Terminal};
use crate::quote::Quoted;

#[derive(Debug, Parser)]
#[command(
    about = "Provides debugging information about a running agent.",
    override_usage = "tidings info [options]"
)]
pub(crate) struct Flags {
    /// How to write it: text or json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: String,
    #[command(flatten)]
    rpc: RpcFlags,
    #[arg(hide = true)]
    words: Vec<String>,
}

pub(crate) async fn run(flags: Flags, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    let client = flags.rpc.connect(terminal).await?;
    let stats = client.stats().await.map_err(|error| Failure::because("Error querying agent", error))?;
    match Format::from_name(&flags.format) {
        Some(Format::Text) => terminal.line(text(&stats).trim())?,
        Some(Format::Json) => terminal.line(json::render(&stats))?,
        None => return Err(unknown_format(&flags.format)),
    }
    Ok(0)
}

/// What `info` and `members` say to a format they do not have.
pub(super) fn unknown_format(name: &str) -> Failure {
    Failure::Line(format!("Encoding error: Invalid output format {}", Quoted(name)))
}

fn text(stats: &StatsResponse) -> String {
    let mut text = String::new();
    for (group, values) in stats {
        text.push_str(&format!("{group}:\n"));
        text.extend(values.iter().map(|(key, value)| format!("\t{key} = {value}\n")));
    }
    text
}
