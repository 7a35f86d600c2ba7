//! `services`: lists the services of the cluster.

use clap::Parser;

use super::json::{self, Format};
use super::table;
use super::terminal::{Failure, Terminal};
use super::web::{WebFlags, list};

#[derive(Debug, Parser)]
#[command(
    about = "Lists the services that are registered anywhere in the cluster, with their tags.",
    override_usage = "tidings services [options]"
)]
pub(crate) struct Flags {
    #[command(flatten)]
    web: WebFlags,
    #[arg(hide = true)]
    words: Vec<String>,
}

pub(crate) async fn run(flags: Flags, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    let format = flags.web.format()?;
    let services = flags.web.site(terminal).get("/v1/catalog/services").await?;
    if format == Format::Json {
        terminal.line(json::render(&services))?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = services
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, tags)| vec![name.clone(), list(tags)])
        .collect();
    terminal.line(table::render(&rows))?;
    Ok(0)
}
