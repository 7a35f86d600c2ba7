//! `health`: lists checks and how they fare.

use clap::Parser;
use serde_json::Value;

use super::json::{self, Format};
use super::table;
use super::terminal::{Failure, Terminal};
use super::web::{WebFlags, part, text};

#[derive(Debug, Parser)]
#[command(
    about = "Lists the checks of a service, or all checks of the cluster in a state.",
    override_usage = "tidings health [options] [SERVICE]"
)]
pub(crate) struct Flags {
    /// Only checks in this state: any, passing, warning or critical
    #[arg(long, value_name = "STATE", default_value = "any")]
    state: String,
    #[command(flatten)]
    web: WebFlags,
    #[arg(hide = true)]
    words: Vec<String>,
}

pub(crate) async fn run(flags: Flags, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    let format = flags.web.format()?;
    if !["any", "passing", "warning", "critical"].contains(&flags.state.as_str()) {
        return Err(Failure::Usage(Some("The state must be any, passing, warning or critical.")));
    }
    let path = match flags.words.as_slice() {
        [] => format!("/v1/health/state/{}", flags.state),
        [name] => format!("/v1/health/checks/{}", part(name)),
        _ => return Err(Failure::Usage(Some("At most one service name can be given."))),
    };
    let found = flags.web.site(terminal).get(&path).await?;
    let wanted = |check: &&Value| flags.state == "any" || check["Status"] == flags.state.as_str();
    let found: Vec<&Value> = found.as_array().into_iter().flatten().filter(wanted).collect();
    match format {
        Format::Json => terminal.line(json::render(&found))?,
        Format::Text => {
            let rows: Vec<Vec<String>> = found.into_iter().map(row).collect();
            terminal.line(table::render(&rows))?;
        }
    }
    Ok(0)
}

fn row(check: &Value) -> Vec<String> {
    let output = text(&check["Output"]);
    let first = output.lines().next().unwrap_or_default().to_owned();
    vec![
        text(&check["Node"]),
        text(&check["CheckID"]),
        text(&check["Status"]),
        text(&check["ServiceName"]),
        first,
    ]
}
