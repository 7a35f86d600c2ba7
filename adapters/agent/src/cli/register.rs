//! `register`: registers instances at the agent, from a file or from flags.

use clap::Parser;
use serde_json::{Map, Value, json};

use super::flags::integer;
use super::tag;
use super::terminal::{Failure, Terminal};
use super::web::{WebFlags, text};

#[derive(Debug, Parser)]
#[command(
    about = "Registers instances at the agent: those of a JSON file, or one that flags describe.\n  \
             The file holds an instance, or an object with \"service\" or \"services\".",
    override_usage = "tidings register [options] [FILE]"
)]
pub(crate) struct Flags {
    /// Name of the service
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    name: String,
    /// ID of the instance, the name if there is none
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    id: String,
    /// Address of the instance, if not its node's
    #[arg(long, value_name = "ADDR", default_value = "", hide_default_value = true)]
    address: String,
    /// Port of the instance
    #[arg(long, value_name = "PORT", default_value = "0", value_parser = integer, hide_default_value = true)]
    port: i64,
    /// Tag of the instance; may be given several times
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// What is known of the instance; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    meta: Vec<String>,
    /// Time within which somebody reports, or it is critical
    #[arg(long, value_name = "TIME", default_value = "", hide_default_value = true)]
    ttl: String,
    /// URL to probe
    #[arg(long, value_name = "URL", default_value = "", hide_default_value = true)]
    http: String,
    /// Address to connect to
    #[arg(long, value_name = "ADDR", default_value = "", hide_default_value = true)]
    tcp: String,
    /// Time between two probes
    #[arg(long, value_name = "TIME", default_value = "10s")]
    interval: String,
    #[command(flatten)]
    web: WebFlags,
    #[arg(hide = true)]
    words: Vec<String>,
}

pub(crate) async fn run(flags: Flags, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    let services = match (flags.words.as_slice(), flags.name.is_empty()) {
        ([file], true) => read(file)?,
        ([], false) => vec![described(&flags)?],
        _ => return Err(Failure::Usage(Some("Either a file or -name must be given."))),
    };
    let site = flags.web.site(terminal);
    for service in services {
        site.put("/v1/agent/service/register", service.to_string()).await?;
        let name =
            service.as_object().into_iter().flatten().find(|(key, _)| key.eq_ignore_ascii_case("name"));
        terminal.line(format_args!(
            "Registered service: {}",
            name.map(|(_, name)| text(name)).unwrap_or_default()
        ))?;
    }
    Ok(0)
}

/// The instances of a file.
fn read(file: &str) -> Result<Vec<Value>, Failure> {
    let bytes = std::fs::read(file).map_err(|error| {
        Failure::Line(format!("Error reading '{file}': open {file}: {}", crate::errors::reason(&error)))
    })?;
    let failed = |error: &dyn std::fmt::Display| Failure::Line(format!("Error decoding '{file}': {error}"));
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| failed(&error))?;
    let Value::Object(mut object) = value else { return Err(failed(&"expected an object")) };
    match (object.remove("service"), object.remove("services")) {
        (None, None) => Ok(vec![object.into()]),
        (one, None) => Ok(one.into_iter().collect()),
        (one, Some(Value::Array(several))) => Ok(one.into_iter().chain(several).collect()),
        (_, Some(_)) => Err(failed(&"'services' must be a list")),
    }
}

/// The instance that flags describe.
fn described(flags: &Flags) -> Result<Value, Failure> {
    let Flags { name, id, address, port, tag, ttl, http, tcp, interval, .. } = flags;
    let mut service = Map::new();
    for (key, value) in [("Name", name), ("ID", id), ("Address", address)] {
        if !value.is_empty() {
            service.insert(key.to_owned(), json!(value));
        }
    }
    service.insert("Port".to_owned(), json!(port));
    service.insert("Tags".to_owned(), json!(tag));
    service.insert("Meta".to_owned(), json!(tag::parse(&flags.meta)?));
    let probes = [("HTTP", http), ("TCP", tcp)].into_iter().filter(|(_, target)| !target.is_empty());
    let mut checks: Vec<Value> =
        probes.map(|(kind, target)| json!({ kind: target, "Interval": interval })).collect();
    if !ttl.is_empty() {
        checks.push(json!({ "TTL": ttl }));
    }
    service.insert("Checks".to_owned(), checks.into());
    Ok(service.into())
}
