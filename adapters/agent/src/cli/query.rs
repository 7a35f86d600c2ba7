//! `query`: asks the cluster and shows the answers.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::{ArgAction, Parser};
use serde::Serialize;
use tidings_client::Error;
use tidings_client::protocol::{Query, QueryRecord, QueryRecordKind};

use super::event::name_and_payload;
use super::flags::{boolean, integer};
use super::interrupt::Interrupt;
use super::json::{self, Format};
use super::rpc::RpcFlags;
use super::tag;
use super::terminal::{Failure, Terminal};
use crate::duration;

#[derive(Debug, Parser)]
#[command(
    about = "Asks every member of the cluster, or those that pass all filters, and shows the answers\n  \
             until the time is over.",
    override_usage = "tidings query [options] name payload"
)]
pub(crate) struct Flags {
    /// How to write the answers: text, as they come, or json, at the end
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: String,
    /// Do not ask for acknowledgements
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1,
        require_equals = true, value_parser = boolean, default_value = "false")]
    no_ack: bool,
    /// Ask only this node; may be given several times
    #[arg(long, value_name = "NAME")]
    node: Vec<String>,
    /// Pass each answer on through so many other members as well, 0 to 255
    #[arg(long, value_name = "N", value_parser = integer, default_value = "0")]
    relay_factor: i64,
    /// Ask only nodes whose tag matches (anywhere in its value); may be given several times
    #[arg(long, value_name = "KEY=REGEX")]
    tag: Vec<String>,
    /// How long to wait for answers, such as 15s; 0: as long as the size of the cluster asks for
    #[arg(long, value_name = "TIME", value_parser = timeout, default_value = "0s")]
    timeout: i64,
    #[command(flatten)]
    rpc: RpcFlags,
    #[arg(hide = true)]
    words: Vec<OsString>,
}

/// A duration in nanoseconds. Go's flags do not tell what is wrong with it.
fn timeout(text: &str) -> Result<i64, &'static str> {
    duration::parse_nanos(text).map_err(|_| "parse error")
}

pub(crate) async fn run(flags: Flags, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    let (name, payload) = name_and_payload(&flags.words, "A query name must be specified.")?;
    let Ok(relay_factor) = u8::try_from(flags.relay_factor) else {
        return Err(Failure::Line("Relay factor must be between 0 and 255".to_owned()));
    };
    let tags = tag::parse(&flags.tag)?;
    let client = flags.rpc.connect(terminal).await?;
    let Some(format) = Format::from_name(&flags.format) else {
        return Err(Failure::Line(format!("Invalid format: {}", flags.format)));
    };
    let query = Query {
        filter_nodes: flags.node,
        filter_tags: Some(tags),
        name: name.clone(),
        payload,
        relay_factor,
        request_ack: !flags.no_ack,
        timeout: flags.timeout,
    };
    let answers = client.query(query).await;
    let mut answers = answers.map_err(|error| Failure::because("Error sending query", error))?;
    let mut show =
        Show { format, no_ack: flags.no_ack, acks: Vec::new(), responses: BTreeMap::new(), count: 0 };
    let mut interrupt = Interrupt::catch()?;
    show.start(&name, terminal)?;
    loop {
        let record = tokio::select! {
            record = answers.next() => record,
            () = interrupt.wait() => return Err(Failure::Silent),
        };
        match record {
            Ok(Some(record)) => show.record(record, terminal)?,
            Err(Error::Answer(_)) => {}
            // An agent that goes away ends the query as its time does.
            Ok(None) | Err(_) => break,
        }
    }
    show.end(terminal)?;
    Ok(0)
}

/// The answers so far, and how they are shown.
struct Show {
    format: Format,
    no_ack: bool,
    acks: Vec<String>,
    /// For JSON only.
    responses: BTreeMap<String, String>,
    count: usize,
}

/// The JSON form; without acknowledgements it holds null.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Collected {
    acks: Option<Vec<String>>,
    responses: BTreeMap<String, String>,
}

impl Show {
    fn start(&self, name: &str, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
        match self.format {
            Format::Text => terminal.line(format_args!("Query '{name}' dispatched")),
            Format::Json => Ok(()),
        }
    }

    fn record(&mut self, record: QueryRecord, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
        let QueryRecord { from, kind, payload } = record;
        // Serf's agent fills the wait for a query with a negative time-out with records of nobody.
        if from.is_empty() {
            return Ok(());
        }
        let is_text = self.format == Format::Text;
        match kind {
            QueryRecordKind::Ack => {
                if is_text {
                    terminal.line(format_args!("Ack from '{from}'"))?;
                }
                self.acks.push(from);
            }
            QueryRecordKind::Response => {
                self.count += 1;
                if is_text {
                    write!(terminal.stdout, "Response from '{from}': ")?;
                    terminal.stdout.write_all(payload.strip_suffix(b"\n").unwrap_or(&payload))?;
                    terminal.line("")?;
                } else {
                    self.responses.insert(from, String::from_utf8_lossy(&payload).into_owned());
                }
            }
            QueryRecordKind::Done => {}
        }
        Ok(())
    }

    fn end(self, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
        if self.format == Format::Json {
            let acks = (!self.acks.is_empty()).then_some(self.acks);
            return terminal.line(json::render(&Collected { acks, responses: self.responses }));
        }
        if !self.no_ack {
            terminal.line(format_args!("Total Acks: {}", self.acks.len()))?;
        }
        terminal.line(format_args!("Total Responses: {}", self.count))
    }
}
