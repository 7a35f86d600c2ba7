//! `reachability`: does every live member hear, and is it heard?

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use clap::{ArgAction, Parser};
use tidings_client::Subscription;
use tidings_client::protocol::{Query, QueryRecord, QueryRecordKind};

use super::flags::boolean;
use super::interrupt::Interrupt;
use super::rpc::RpcFlags;
use super::terminal::{Failure, Terminal};

#[derive(Debug, Parser)]
#[command(
    about = "Tests that every live member receives gossip and can answer, by a query that all\n  \
             acknowledge.",
    override_usage = "tidings reachability [options]"
)]
pub(crate) struct Flags {
    /// Show each acknowledgement and how long it took
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1,
        require_equals = true, value_parser = boolean, default_value = "false")]
    verbose: bool,
    #[command(flatten)]
    rpc: RpcFlags,
    #[arg(hide = true)]
    words: Vec<String>,
}

const TIPS: &str = "\nTroubleshooting tips:\n\
* Ensure that the bind addr:port is accessible by all other nodes\n\
* If an advertise address is set, ensure it routes to the bind address\n\
* Check that no nodes are behind a NAT\n\
* If nodes are behind firewalls or iptables, check that Serf traffic is permitted (UDP and TCP)\n\
* Verify networking equipment is functional";

/// What the query brought.
#[derive(Default)]
struct Acks {
    from: BTreeSet<String>,
    /// A node answered twice.
    has_duplicates: bool,
    /// From the start to the end, and to the last answer.
    total: Duration,
    last: Duration,
}

pub(crate) async fn run(flags: Flags, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    let client = flags.rpc.connect(terminal).await?;
    let members = client.members().await;
    let members = members.map_err(|error| Failure::because("Error getting members", error))?;
    let live: BTreeSet<String> =
        members.iter().filter(|member| member.status == "alive").map(|member| member.name.clone()).collect();
    terminal.line(format_args!("Total members: {}, live members: {}", members.len(), live.len()))?;
    let mut interrupt = Interrupt::catch()?;
    terminal.line("Starting reachability test...")?;
    let ping = Query { name: "_serf_ping".to_owned(), request_ack: true, ..Query::default() };
    let answers = client.query(ping).await;
    let answers = answers.map_err(|error| Failure::because("Error sending query", error))?;
    let acks = tokio::select! {
        acks = collect(answers, flags.verbose, terminal) => Some(acks?),
        () = interrupt.wait() => None,
    };
    let Some(acks) = acks else { return Err(Failure::Line("Test interrupted".to_owned())) };
    if flags.verbose {
        let (total, last) = (acks.total.as_secs_f64(), acks.last.as_secs_f64());
        terminal.line(format_args!("Query time: {total:.2} sec, time to last response: {last:.2} sec"))?;
    }
    judge(&live, &acks, terminal)
}

/// Takes acknowledgements until the query's time is over.
async fn collect(
    mut answers: Subscription<QueryRecord>,
    verbose: bool,
    terminal: &mut Terminal<'_>,
) -> Result<Acks, Failure> {
    let start = Instant::now();
    let mut acks = Acks::default();
    while let Ok(Some(record)) = answers.next().await {
        if record.kind != QueryRecordKind::Ack {
            continue;
        }
        if verbose {
            terminal.line(format_args!("\tAck from '{}'", record.from))?;
        }
        acks.last = start.elapsed();
        if acks.from.contains(&record.from) {
            acks.has_duplicates = true;
            terminal.line(format_args!("Duplicate response from '{}'", record.from))?;
        }
        acks.from.insert(record.from);
    }
    acks.total = start.elapsed();
    Ok(acks)
}

/// Compares who answered with who should have.
fn judge(live: &BTreeSet<String>, acks: &Acks, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    if acks.has_duplicates {
        terminal.line("Duplicate responses point to a misconfiguration: node names must be unique.")?;
    }
    let (headline, names, meaning) = match acks.from.len().cmp(&live.len()) {
        std::cmp::Ordering::Equal => {
            terminal.line("Successfully contacted all live nodes")?;
            return Ok(u8::from(acks.has_duplicates));
        }
        std::cmp::Ordering::Greater => (
            "Received more acks than live nodes! Acks from non-live nodes:",
            acks.from.difference(live),
            "This could mean Serf takes live nodes for failed ones due to a misconfiguration or network issue.",
        ),
        std::cmp::Ordering::Less => (
            "Received less acks than live nodes! Missing acks from:",
            live.difference(&acks.from),
            "This could mean Serf gossip packets are being lost due to a misconfiguration or network issue.",
        ),
    };
    terminal.line(headline)?;
    for name in names {
        terminal.line(format_args!("\t{name}"))?;
    }
    terminal.line(meaning)?;
    terminal.line(TIPS)?;
    Ok(1)
}
