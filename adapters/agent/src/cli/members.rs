//! `members`: lists the members.

use std::collections::BTreeMap;

use clap::{ArgAction, Parser};
use serde::Serialize;
use tidings_client::protocol::{Member, MembersFiltered};

use super::flags::boolean;
use super::info::unknown_format;
use super::json::{self, Format};
use super::rpc::RpcFlags;
use super::terminal::{Failure, Terminal};
use super::{table, tag};

#[derive(Debug, Parser)]
#[command(
    about = "Lists the members a running agent knows. Filters are regular expressions that must match\n  \
             the whole value; all given filters must match.",
    override_usage = "tidings members [options]"
)]
pub(crate) struct Flags {
    /// Show protocol versions as well (text only)
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1,
        require_equals = true, value_parser = boolean, default_value = "false")]
    detailed: bool,
    /// How to write them: text or json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: String,
    /// Only members whose name matches
    #[arg(long, value_name = "REGEX", default_value = "", hide_default_value = true)]
    name: String,
    /// Old form of -tag role=REGEX
    #[arg(long, value_name = "REGEX", default_value = "", hide_default_value = true)]
    role: String,
    /// Only members whose status matches: alive, leaving, left, failed or none
    #[arg(long, value_name = "REGEX", default_value = "", hide_default_value = true)]
    status: String,
    /// Only members whose tag matches; may be given several times
    #[arg(long, value_name = "KEY=REGEX")]
    tag: Vec<String>,
    #[command(flatten)]
    rpc: RpcFlags,
    #[arg(hide = true)]
    words: Vec<String>,
}

pub(crate) async fn run(flags: Flags, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    let mut tags = tag::parse(&flags.tag)?;
    if !flags.role.is_empty() {
        terminal.line("Deprecation warning: 'Role' has been replaced with 'Tags'")?;
        tags.insert("role".to_owned(), flags.role);
    }
    let client = flags.rpc.connect(terminal).await?;
    let filter = MembersFiltered { tags, status: flags.status, name: flags.name };
    let members = client.members_filtered(filter).await;
    let members = members.map_err(|error| Failure::because("Error retrieving members", error))?;
    match Format::from_name(&flags.format) {
        Some(Format::Text) => terminal.line(text(&members, flags.detailed))?,
        Some(Format::Json) => terminal.line(json::render(&Listing::of(&members)))?,
        None => return Err(unknown_format(&flags.format)),
    }
    Ok(0)
}

fn text(members: &[Member], detailed: bool) -> String {
    let row = |member: &Member| {
        let tags: Vec<String> = member.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let addr = member.gossip_addr().to_string();
        let mut row = vec![member.name.clone(), addr, member.status.clone(), tags.join(",")];
        if detailed {
            row.push(format!("Protocol Version: {}", member.delegate_cur));
            row.push(format!("Available Protocol Range: [{}, {}]", member.delegate_min, member.delegate_max));
        }
        row
    };
    table::render(&members.iter().map(row).collect::<Vec<_>>())
}

/// The JSON form, fields in the order they are written. Without members it holds null.
#[derive(Serialize)]
struct Listing<'a> {
    members: Option<Vec<Listed<'a>>>,
}

#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    addr: String,
    port: u16,
    tags: &'a BTreeMap<String, String>,
    status: &'a str,
    protocol: Protocol,
}

#[derive(Serialize)]
struct Protocol {
    max: u8,
    min: u8,
    version: u8,
}

impl Listing<'_> {
    fn of(members: &[Member]) -> Listing<'_> {
        Listing { members: (!members.is_empty()).then(|| members.iter().map(Listed::of).collect()) }
    }
}

impl Listed<'_> {
    fn of(member: &Member) -> Listed<'_> {
        Listed {
            name: &member.name,
            addr: member.gossip_addr().to_string(),
            port: member.port,
            tags: &member.tags,
            status: &member.status,
            protocol: Protocol {
                max: member.delegate_max,
                min: member.delegate_min,
                version: member.delegate_cur,
            },
        }
    }
}
