//! `service`: shows the instances of a service and how they fare.

use clap::{ArgAction, Parser};
use serde_json::Value;

use super::flags::boolean;
use super::json::{self, Format};
use super::table;
use super::terminal::{Failure, Terminal};
use super::web::{WebFlags, list, part, text, worst};

#[derive(Debug, Parser)]
#[command(
    about = "Shows the instances of a service: node, ID, address, health and tags.",
    override_usage = "tidings service [options] NAME"
)]
pub(crate) struct Flags {
    /// Only instances that are passing
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1,
        require_equals = true, value_parser = boolean, default_value = "false")]
    passing: bool,
    /// Only instances with this tag; may be given several times
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    #[command(flatten)]
    web: WebFlags,
    #[arg(hide = true)]
    words: Vec<String>,
}

pub(crate) async fn run(flags: Flags, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    let format = flags.web.format()?;
    let [name] = flags.words.as_slice() else {
        return Err(Failure::Usage(Some("One service name must be given.")));
    };
    let mut path = format!("/v1/health/service/{}?", part(name));
    if flags.passing {
        path.push_str("passing&");
    }
    path.extend(flags.tag.iter().map(|tag| format!("tag={}&", part(tag))));
    let found = flags.web.site(terminal).get(&path).await?;
    match format {
        Format::Json => terminal.line(json::render(&found))?,
        Format::Text => {
            let rows: Vec<Vec<String>> = found.as_array().into_iter().flatten().map(row).collect();
            terminal.line(table::render(&rows))?;
        }
    }
    Ok(0)
}

/// An instance in a line.
pub(super) fn row(found: &Value) -> Vec<String> {
    let (node, service) = (&found["Node"], &found["Service"]);
    let address = Some(text(&service["Address"])).filter(|own| !own.is_empty());
    let address = address.unwrap_or_else(|| text(&node["Address"]));
    let address = if address.contains(':') { format!("[{address}]") } else { address };
    vec![
        text(&node["Node"]),
        text(&service["ID"]),
        format!("{address}:{}", service["Port"]),
        worst(&found["Checks"]).to_owned(),
        list(&service["Tags"]),
    ]
}
