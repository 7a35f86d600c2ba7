//! What files and flags may set, and how a later source is laid over an earlier one
//! (serf-agent, sections 3 and 3.1).

use std::collections::BTreeMap;
use std::time::Duration;

use super::definitions::Definition;
use super::dns::{self, DnsSettings};
use super::http::{self, HttpSettings};

/// Every setting as it was given; zero, empty and `false` mean "not given".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Unique member name; the host's name if empty.
    pub node_name: String,
    /// Gossip address: `host`, `host:port` or `[v6]:port`.
    pub bind: String,
    /// Network interface to take the gossip address from.
    pub interface: String,
    /// Address told to the others.
    pub advertise: String,
    /// Base64 of the gossip key.
    pub encrypt_key: String,
    /// File with the gossip keys.
    pub keyring_file: String,
    /// Event handler specifications.
    pub event_handlers: Vec<String>,
    /// Addresses joined at start, once.
    pub start_join: Vec<String>,
    /// Deliver old user events on join.
    pub replay_on_join: bool,
    /// Lowest level of log lines shown.
    pub log_level: String,
    /// Timing profile: `lan`, `wan` or `local`.
    pub profile: String,
    /// Serf protocol spoken.
    pub protocol: i64,
    /// Ignore an earlier leave in the snapshot.
    pub rejoin_after_leave: bool,
    /// Addresses joined in the background, with retries.
    pub retry_join: Vec<String>,
    /// Time between those.
    pub retry_interval: Duration,
    /// Retries at most; 0: no limit.
    pub retry_max_attempts: i64,
    /// Switches compression of gossip off.
    pub disable_compression: bool,
    /// `false` in a file switches compression off as well.
    pub enable_compression: Option<bool>,
    /// Old name of the tag `role`.
    pub role: String,
    /// Address of the RPC server.
    pub rpc_addr: String,
    /// Key that RPC clients have to send.
    pub rpc_auth: String,
    /// Own tags.
    pub tags: BTreeMap<String, String>,
    /// File the tags are kept in.
    pub tags_file: String,
    /// How long a broadcast somebody waits for may take.
    pub broadcast_timeout: Duration,
    /// SIGTERM leaves gracefully.
    pub leave_on_terminate: bool,
    /// SIGINT does not leave.
    pub skip_leave_on_interrupt: bool,
    /// Time between attempts to reach a failed member.
    pub reconnect_interval: Duration,
    /// A failed member is forgotten after this.
    pub reconnect_timeout: Duration,
    /// A member that left is forgotten after this.
    pub tombstone_timeout: Duration,
    /// No vote on name conflicts.
    pub disable_name_resolution: bool,
    /// No network coordinates.
    pub disable_coordinates: bool,
    /// Refuse unusual member names.
    pub validate_node_names: bool,
    /// Bytes of an encoded query response at most.
    pub query_response_size_limit: i64,
    /// Bytes of an encoded query at most.
    pub query_size_limit: i64,
    /// Bytes of a user event at most.
    pub user_event_size_limit: i64,
    /// One process to try things with: loopback, HTTP on, nothing on disk.
    pub dev: bool,
    /// Where HTTP is served.
    pub http_addr: String,
    /// What clients of HTTP have to show.
    pub http_token: String,
    /// PEM file with the certificate that HTTP is served with.
    pub http_cert_file: String,
    /// PEM file with its key.
    pub http_key_file: String,
    /// A page for people is served over HTTP.
    pub ui: bool,
    /// HTTP may be served to other hosts without a token.
    pub http_open: bool,
    /// What HTTP is to refuse and to add.
    pub http: HttpSettings,
    /// What checks print is not kept.
    pub discard_check_output: bool,
    /// Bytes of it that are kept.
    pub check_output_max_size: i64,
    /// Where apps register by REST.
    pub rest_addr: String,
    /// Seconds that such an app lives without a word.
    pub service_ttl: i64,
    /// Directory for what outlives the process.
    pub data_dir: String,
    /// Name of the data centre.
    pub datacenter: String,
    /// Domain of names looked up by DNS.
    pub domain: String,
    /// How names are served.
    pub dns: DnsSettings,
    /// Checks may run programs.
    pub enable_script_checks: bool,
    /// Checks of configuration files may run programs.
    pub enable_local_script_checks: bool,
    /// What this node says of itself in the catalog.
    pub node_meta: BTreeMap<String, String>,
    /// Services and checks, in the order in which they were read.
    pub definitions: Vec<Definition>,
}

/// The place of one setting, by its type.
pub(super) enum Slot<'a> {
    Text(&'a mut String),
    Bool(&'a mut bool),
    /// A switch that is on unless a file says `false`.
    Switch(&'a mut Option<bool>),
    Int(&'a mut i64),
    Duration(&'a mut Duration),
    Texts(&'a mut Vec<String>),
    Map(&'a mut BTreeMap<String, String>),
    /// Services or checks, which are read when all settings are known.
    Definitions(&'a mut Vec<Definition>),
    /// An object with keys of its own, which are looked up behind this one and a dot.
    Group,
    /// Any value, which has no effect here.
    Ignored,
    /// Known to the original and not to this agent.
    Unsupported,
}

/// Every key of a configuration file but those about DNS, and about HTTP in an object of its own.
pub(super) const KEYS: &[&str] = &[
    "node_name",
    "bind",
    "interface",
    "advertise",
    "encrypt_key",
    "keyring_file",
    "event_handlers",
    "start_join",
    "replay_on_join",
    "log_level",
    "profile",
    "protocol",
    "rejoin_after_leave",
    "retry_join",
    "retry_interval",
    "retry_max_attempts",
    "disable_compression",
    "enable_compression",
    "role",
    "rpc_addr",
    "rpc_auth",
    "tags",
    "tags_file",
    "broadcast_timeout",
    "leave_on_terminate",
    "skip_leave_on_interrupt",
    "reconnect_interval",
    "reconnect_timeout",
    "tombstone_timeout",
    "disable_name_resolution",
    "disable_coordinates",
    "validate_node_names",
    "query_response_size_limit",
    "query_size_limit",
    "user_event_size_limit",
    "dev",
    "http_addr",
    "http_token",
    "http_cert_file",
    "http_key_file",
    "http_open",
    "ui",
    "discard_check_output",
    "check_output_max_size",
    "rest_addr",
    "service_ttl",
    "data_dir",
    "datacenter",
    "domain",
    "enable_script_checks",
    "enable_local_script_checks",
    "node_meta",
    "service",
    "services",
    "check",
    "checks",
    "snapshot_path",
    "discover",
    "mdns",
    "enable_syslog",
    "syslog_facility",
    "statsite_addr",
    "statsd_addr",
];

/// A number of so many of something, which is `usual` where nothing is given.
///
/// # Errors
/// It is negative or above `most`; in words for the user.
pub(super) fn at_most(key: &str, given: i64, what: &str, usual: usize, most: usize) -> Result<usize, String> {
    match usize::try_from(given) {
        Ok(0) => Ok(usual),
        Ok(number) if number <= most => Ok(number),
        _ => Err(format!("'{key}' is {given}, but must be {what}from 1 to {most}")),
    }
}

impl Settings {
    /// Where the value of `key` belongs; `None`: there is no such key.
    pub(super) fn slot(&mut self, key: &str) -> Option<Slot<'_>> {
        Some(match key {
            "node_name" => Slot::Text(&mut self.node_name),
            "bind" => Slot::Text(&mut self.bind),
            "interface" => Slot::Text(&mut self.interface),
            "advertise" => Slot::Text(&mut self.advertise),
            "encrypt_key" => Slot::Text(&mut self.encrypt_key),
            "keyring_file" => Slot::Text(&mut self.keyring_file),
            "event_handlers" => Slot::Texts(&mut self.event_handlers),
            "start_join" => Slot::Texts(&mut self.start_join),
            "replay_on_join" => Slot::Bool(&mut self.replay_on_join),
            "log_level" => Slot::Text(&mut self.log_level),
            "profile" => Slot::Text(&mut self.profile),
            "protocol" => Slot::Int(&mut self.protocol),
            "rejoin_after_leave" => Slot::Bool(&mut self.rejoin_after_leave),
            "retry_join" => Slot::Texts(&mut self.retry_join),
            "retry_interval" => Slot::Duration(&mut self.retry_interval),
            "retry_max_attempts" => Slot::Int(&mut self.retry_max_attempts),
            "disable_compression" => Slot::Bool(&mut self.disable_compression),
            "enable_compression" => Slot::Switch(&mut self.enable_compression),
            "role" => Slot::Text(&mut self.role),
            "rpc_addr" => Slot::Text(&mut self.rpc_addr),
            "rpc_auth" => Slot::Text(&mut self.rpc_auth),
            "tags" => Slot::Map(&mut self.tags),
            "tags_file" => Slot::Text(&mut self.tags_file),
            _ => return self.registry_slot(key),
        })
    }

    /// The settings of the registry.
    fn registry_slot(&mut self, key: &str) -> Option<Slot<'_>> {
        Some(match key {
            "dev" => Slot::Bool(&mut self.dev),
            "http_addr" => Slot::Text(&mut self.http_addr),
            "http_token" => Slot::Text(&mut self.http_token),
            "http_cert_file" => Slot::Text(&mut self.http_cert_file),
            "http_key_file" => Slot::Text(&mut self.http_key_file),
            "http_open" => Slot::Bool(&mut self.http_open),
            "ui" => Slot::Bool(&mut self.ui),
            "discard_check_output" => Slot::Bool(&mut self.discard_check_output),
            "check_output_max_size" => Slot::Int(&mut self.check_output_max_size),
            "rest_addr" => Slot::Text(&mut self.rest_addr),
            "service_ttl" => Slot::Int(&mut self.service_ttl),
            "data_dir" => Slot::Text(&mut self.data_dir),
            "datacenter" => Slot::Text(&mut self.datacenter),
            "domain" => Slot::Text(&mut self.domain),
            "enable_script_checks" => Slot::Bool(&mut self.enable_script_checks),
            "enable_local_script_checks" => Slot::Bool(&mut self.enable_local_script_checks),
            "node_meta" => Slot::Map(&mut self.node_meta),
            "service" | "services" | "check" | "checks" => Slot::Definitions(&mut self.definitions),
            _ => return self.rare_slot(key),
        })
    }

    /// The settings that have no flag, mostly.
    fn rare_slot(&mut self, key: &str) -> Option<Slot<'_>> {
        Some(match key {
            "broadcast_timeout" => Slot::Duration(&mut self.broadcast_timeout),
            "leave_on_terminate" => Slot::Bool(&mut self.leave_on_terminate),
            "skip_leave_on_interrupt" => Slot::Bool(&mut self.skip_leave_on_interrupt),
            "reconnect_interval" => Slot::Duration(&mut self.reconnect_interval),
            "reconnect_timeout" => Slot::Duration(&mut self.reconnect_timeout),
            "tombstone_timeout" => Slot::Duration(&mut self.tombstone_timeout),
            "disable_name_resolution" => Slot::Bool(&mut self.disable_name_resolution),
            "disable_coordinates" => Slot::Bool(&mut self.disable_coordinates),
            "validate_node_names" => Slot::Bool(&mut self.validate_node_names),
            "query_response_size_limit" => Slot::Int(&mut self.query_response_size_limit),
            "query_size_limit" => Slot::Int(&mut self.query_size_limit),
            "user_event_size_limit" => Slot::Int(&mut self.user_event_size_limit),
            "snapshot_path" | "discover" | "mdns" | "enable_syslog" | "syslog_facility" | "statsite_addr"
            | "statsd_addr" => Slot::Unsupported,
            _ => return self.dns.slot(key).or_else(|| self.http.slot(key)),
        })
    }

    /// Lays `later` over this: a zero, empty or `false` value never overrides, lists are appended,
    /// maps are merged key by key.
    pub fn merge(&mut self, mut later: Settings) {
        for key in KEYS.iter().chain(dns::KEYS).chain(http::KEYS) {
            let (Some(ours), Some(theirs)) = (self.slot(key), later.slot(key)) else { continue };
            match (ours, theirs) {
                (Slot::Text(ours), Slot::Text(theirs)) if !theirs.is_empty() => {
                    *ours = std::mem::take(theirs)
                }
                (Slot::Bool(ours), Slot::Bool(theirs)) => *ours |= *theirs,
                (Slot::Switch(ours), Slot::Switch(theirs)) => *ours = theirs.or(*ours),
                (Slot::Int(ours), Slot::Int(theirs)) if *theirs != 0 => *ours = *theirs,
                (Slot::Duration(ours), Slot::Duration(theirs)) if !theirs.is_zero() => *ours = *theirs,
                (Slot::Texts(ours), Slot::Texts(theirs)) => ours.append(theirs),
                (Slot::Map(ours), Slot::Map(theirs)) => ours.append(theirs),
                (Slot::Definitions(ours), Slot::Definitions(theirs)) => ours.append(theirs),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_place() {
        for key in KEYS.iter().chain(dns::KEYS).chain(http::KEYS) {
            assert!(Settings::default().slot(key).is_some(), "{key}");
        }
    }

    #[test]
    fn a_later_source_wins_appends_and_merges_by_type() {
        let mut base = Settings {
            node_name: "a".into(),
            protocol: 4,
            replay_on_join: true,
            retry_interval: Duration::from_secs(5),
            start_join: vec!["one".into()],
            tags: [("x".to_owned(), "a".to_owned()), ("z".to_owned(), "a".to_owned())].into(),
            ..Settings::default()
        };
        base.merge(Settings {
            node_name: "b".into(),
            start_join: vec!["two".into()],
            tags: [("x".to_owned(), "b".to_owned()), ("y".to_owned(), "b".to_owned())].into(),
            ..Settings::default()
        });
        assert_eq!(base.node_name, "b");
        assert_eq!(base.start_join, ["one", "two"]);
        let tags: Vec<_> = base.tags.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(tags, ["x=b", "y=b", "z=a"]);
        assert_eq!((base.protocol, base.replay_on_join), (4, true), "zero and false never override");
        assert_eq!(base.retry_interval, Duration::from_secs(5));
    }
}
