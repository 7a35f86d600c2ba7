//! `event`: sends a user event.

use std::ffi::OsString;

use clap::{ArgAction, Parser};
use tidings_client::protocol::Event;

use super::flags::boolean;
use super::rpc::RpcFlags;
use super::terminal::{Failure, Terminal};

#[derive(Debug, Parser)]
#[command(
    about = "Sends a custom event to every member of the cluster.",
    override_usage = "tidings event [options] name payload"
)]
pub(crate) struct Flags {
    /// Let receivers fold events of this name that arrive shortly after one another into the newest
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1,
        require_equals = true, value_parser = boolean, default_value = "true")]
    coalesce: bool,
    #[command(flatten)]
    rpc: RpcFlags,
    #[arg(hide = true)]
    words: Vec<OsString>,
}

pub(crate) async fn run(flags: Flags, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    let Flags { coalesce, rpc, words } = flags;
    let (name, payload) = name_and_payload(&words, "An event name must be specified.")?;
    let client = rpc.connect(terminal).await?;
    let event = Event { name: name.clone(), payload, coalesce };
    let sent = client.user_event(event).await;
    sent.map_err(|error| Failure::because("Error sending event", error))?;
    terminal.line(format_args!("Event '{name}' dispatched! Coalescing enabled: {coalesce}"))?;
    Ok(0)
}

/// The words of an event and of a query. The payload may be any bytes.
pub(super) fn name_and_payload(
    words: &[OsString],
    missing: &'static str,
) -> Result<(String, bytes::Bytes), Failure> {
    match words {
        [] => Err(Failure::Usage(Some(missing))),
        [name, payload @ ..] if payload.len() < 2 => {
            let payload = payload.first().map(|payload| payload.as_encoded_bytes().to_vec());
            Ok((name.to_string_lossy().into_owned(), payload.unwrap_or_default().into()))
        }
        _ => Err(Failure::Usage(Some(
            "Too many command line arguments. Only a name and payload must be specified.",
        ))),
    }
}
