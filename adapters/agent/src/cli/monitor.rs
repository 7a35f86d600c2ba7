//! `monitor`: shows the agent's log and all events as they happen.

use clap::Parser;
use tidings_client::Error;
use tidings_client::protocol::StreamRecord;

use super::go_value;
use super::interrupt::Interrupt;
use super::rpc::RpcFlags;
use super::terminal::{Failure, Terminal};

#[derive(Debug, Parser)]
#[command(
    about = "Shows the log of a running agent, its last lines first, and all events, until it is\n  \
             interrupted.",
    override_usage = "tidings monitor [options]"
)]
pub(crate) struct Flags {
    /// Show lines of this level and above: trace, debug, info, warn or err
    #[arg(long, value_name = "LEVEL", default_value = "INFO")]
    log_level: String,
    #[command(flatten)]
    rpc: RpcFlags,
    #[arg(hide = true)]
    words: Vec<String>,
}

pub(crate) async fn run(flags: Flags, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    let client = flags.rpc.connect(terminal).await?;
    let events = client.stream("*").await;
    let mut events = events.map_err(|error| Failure::because("Error starting stream", error))?;
    let log = client.monitor(&flags.log_level.to_uppercase()).await;
    let mut log = log.map_err(|error| Failure::because("Error starting monitor", error))?;
    let mut interrupt = Interrupt::catch()?;
    let is_lost = loop {
        // The log is looked at first, so that the lines before an event come before it. A record that
        // cannot be understood is passed over.
        tokio::select! {
            biased;
            () = interrupt.wait() => break false,
            line = log.next() => match line {
                Ok(Some(line)) => terminal.line(line.log)?,
                Err(Error::Answer(_)) => {}
                _ => break true,
            },
            event = events.next() => match event {
                Ok(Some(event)) => show(&event, terminal)?,
                Err(Error::Answer(_)) => {}
                _ => break true,
            },
        }
    };
    if is_lost {
        while let Ok(Some(event)) = events.next().await {
            show(&event, terminal)?;
        }
        terminal.line("\nRemote side ended the monitor! This usually means that the")?;
        terminal.line("remote side has exited or crashed.")?;
        return Ok(1);
    }
    // The agent may be gone by now; there is nobody left to tell.
    let _ = log.stop().await;
    let _ = events.stop().await;
    Ok(0)
}

fn show(event: &StreamRecord, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    terminal.line("Event Info:")?;
    for (key, value) in go_value::fields(event) {
        terminal.line(format_args!("\t{key}: {value}"))?;
    }
    Ok(())
}
