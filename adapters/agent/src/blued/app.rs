//! An app as it registers, and the instances of services it becomes.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use serde::Serialize;
use tidings_core::registry::check::{CheckSpec, Health, Probe};
use tidings_core::registry::command::RegistryCommand;
use tidings_core::registry::service::{Service, Text};

use super::address::{self, ADDR_MAX, BASE64};

/// Bytes of a service's name.
pub(super) const NAME_MAX: usize = 255;
/// Services that one app may provide, and again that it may use.
const SERVICES_MAX: usize = 256;
/// An instance goes as soon as its time is over: the shortest there is.
const AT_ONCE: Duration = Duration::from_nanos(1);

/// One running program at this agent's host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct App {
    /// Where it is reached: any text, usually a URL.
    pub addr: String,
    /// The services it offers, each once.
    pub providers: Vec<String>,
    /// The services it uses, each once.
    pub consumers: Vec<String>,
}

impl App {
    /// An app with these services, each counted once.
    ///
    /// # Errors
    /// What is wrong with it, for its author.
    pub fn new(addr: String, providers: Vec<String>, consumers: Vec<String>) -> Result<App, String> {
        if addr.is_empty() {
            return Err("addr must not be empty".to_owned());
        }
        if addr.len() > ADDR_MAX {
            return Err(format!("addr has {} bytes; at most {ADDR_MAX} are allowed", addr.len()));
        }
        let providers = each_once("providers", providers)?;
        let consumers = each_once("consumers", consumers)?;
        Ok(App { addr, providers, consumers })
    }
}

fn each_once(list: &str, mut names: Vec<String>) -> Result<Vec<String>, String> {
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    if names.len() > SERVICES_MAX {
        return Err(format!("{list} has {} services; at most {SERVICES_MAX} are allowed", names.len()));
    }
    for name in &names {
        if name.is_empty() {
            return Err(format!("{list} has a service without a name"));
        }
        if name.len() > NAME_MAX {
            return Err(format!("{list} has a name of {} bytes; at most {NAME_MAX} are allowed", name.len()));
        }
        if name.chars().any(char::is_control) {
            return Err(format!("{list} has the name {name:?}; it must be printable"));
        }
    }
    Ok(names)
}

/// The ID of the instance by which an app provides a service. No two pairs have the same.
pub(super) fn instance_id(addr: &str, provider: &str) -> Text {
    format!("msd:{}:{provider}", BASE64.encode(addr)).into()
}

/// The ID of that instance's check.
pub(super) fn check_id(addr: &str, provider: &str) -> Text {
    format!("service:{}", instance_id(addr, provider)).into()
}

/// Registers the instance, or starts its time anew. It depends on nothing else of the app, so that
/// doing it again says nothing new to anybody.
pub(super) fn registration(addr: &str, provider: &str, ttl: Duration) -> RegistryCommand {
    let id = instance_id(addr, provider);
    let (host, port) = address::host_and_port(addr);
    let service = Service {
        name: provider.into(),
        meta: [(address::META.into(), addr.into())].into(),
        address: host.into(),
        port,
        ..Service::default()
    };
    let check = CheckSpec {
        id: check_id(addr, provider),
        name: format!("Service '{provider}' check").into(),
        notes: "".into(),
        service_id: id.clone(),
        status: Some(Health::Passing),
        probe: Probe::Ttl(ttl),
        success_before_passing: 0,
        failures_before_critical: 0,
        deregister_after: AT_ONCE,
        output_max: crate::http::OUTPUT_MAX,
    };
    RegistryCommand::Register { id, service, checks: vec![check], replace_checks: true }
}

/// Starts the time of the instance's check anew.
pub(super) fn renewal(addr: &str, provider: &str) -> RegistryCommand {
    RegistryCommand::Report {
        check: check_id(addr, provider),
        status: Health::Passing,
        output: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn services_count_once_in_the_order_they_are_given() {
        let app = App::new("a".into(), texts(&["y", "x", "y"]), texts(&["x", "x"])).unwrap();
        assert_eq!((app.providers, app.consumers), (texts(&["y", "x"]), texts(&["x"])));
    }

    #[test]
    fn what_cannot_be_registered_is_named() {
        let many: Vec<String> = (0..257).map(|n| n.to_string()).collect();
        let cases = [
            (App::new(String::new(), Vec::new(), Vec::new()), "addr must not be empty"),
            (
                App::new("x".repeat(513), Vec::new(), Vec::new()),
                "addr has 513 bytes; at most 512 are allowed",
            ),
            (App::new("a".into(), texts(&[""]), Vec::new()), "providers has a service without a name"),
            (
                App::new("a".into(), Vec::new(), vec!["n".repeat(256)]),
                "consumers has a name of 256 bytes; at most 255 are allowed",
            ),
            (App::new("a".into(), many, Vec::new()), "providers has 257 services; at most 256 are allowed"),
            (
                App::new("a".into(), texts(&["a\nb"]), Vec::new()),
                "providers has the name \"a\\nb\"; it must be printable",
            ),
        ];
        for (app, expected) in cases {
            assert_eq!(app.unwrap_err(), expected);
        }
    }

    #[test]
    fn apps_never_share_an_instance() {
        assert_ne!(instance_id("a:b", "c"), instance_id("a", "b:c"));
        assert_ne!(instance_id("a", "b"), instance_id("b", "a"));
    }
}
