//! `apps`: lists the apps of an agent.

use clap::Parser;
use serde::Serialize;
use tidings_client::protocol::MicroApp;

use super::info::unknown_format;
use super::json::{self, Format};
use super::rpc::RpcFlags;
use super::table;
use super::terminal::{Failure, Terminal};

#[derive(Debug, Parser)]
#[command(
    about = "Lists the apps that are registered at an agent by its REST interface, with the services they\n  \
             provide and consume.",
    override_usage = "tidings apps [options]"
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
    let apps = client.micro_apps().await;
    let apps = apps.map_err(|error| Failure::because("Error retrieving apps", error))?;
    match format {
        Format::Text => terminal.line(text(&apps))?,
        Format::Json => terminal.line(json::render(&apps.iter().map(Listed::of).collect::<Vec<_>>()))?,
    }
    Ok(0)
}

fn text(apps: &[MicroApp]) -> String {
    let row = |app: &MicroApp| {
        vec![
            app.addr.clone(),
            format!("provides: {}", app.providers.join(",")),
            format!("consumes: {}", app.consumers.join(",")),
        ]
    };
    table::render(&apps.iter().map(row).collect::<Vec<_>>())
}

/// The JSON form, fields in the order they are written.
#[derive(Serialize)]
struct Listed<'a> {
    addr: &'a str,
    providers: &'a [String],
    consumers: &'a [String],
}

impl Listed<'_> {
    fn of(app: &MicroApp) -> Listed<'_> {
        Listed { addr: &app.addr, providers: &app.providers, consumers: &app.consumers }
    }
}
