//! `nodes`: lists the nodes of the catalog.

use std::collections::BTreeMap;

use clap::Parser;

use super::json::{self, Format};
use super::table;
use super::terminal::{Failure, Terminal};
use super::web::{WebFlags, text};

#[derive(Debug, Parser)]
#[command(
    about = "Lists the nodes of the catalog: agents, and those that agents registered.",
    override_usage = "tidings nodes [options]"
)]
pub(crate) struct Flags {
    #[command(flatten)]
    web: WebFlags,
    #[arg(hide = true)]
    words: Vec<String>,
}

pub(crate) async fn run(flags: Flags, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    let format = flags.web.format()?;
    let site = flags.web.site(terminal);
    let nodes = site.get("/v1/catalog/nodes").await?;
    if format == Format::Json {
        terminal.line(json::render(&nodes))?;
        return Ok(0);
    }
    let checks = site.get("/v1/health/state/any?filter=CheckID%3D%3D%22serfHealth%22").await?;
    let checks = checks.as_array().into_iter().flatten();
    let fare: BTreeMap<String, String> =
        checks.map(|check| (text(&check["Node"]), text(&check["Status"]))).collect();
    let rows: Vec<Vec<String>> = nodes
        .as_array()
        .into_iter()
        .flatten()
        .map(|node| {
            let name = text(&node["Node"]);
            let status = fare.get(&name).cloned().unwrap_or_else(|| "external".to_owned());
            vec![name, text(&node["Address"]), text(&node["Datacenter"]), status]
        })
        .collect();
    terminal.line(table::render(&rows))?;
    Ok(0)
}
