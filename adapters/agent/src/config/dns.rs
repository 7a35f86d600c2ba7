//! How names are served: what files and flags may set of it (consul-dns, sections 4 and 6), and the
//! checked result.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::net;
use super::registry::domain_name;
use super::settings::{Settings, Slot};
use crate::dns::Truncation;
use crate::duration;

/// Where names are served if only the host is given.
const DNS_PORT: u16 = 8600;
/// The port of other name servers.
const RECURSOR_PORT: u16 = 53;
/// Answers in a small datagram.
const UDP_ANSWERS: usize = 3;
/// How long another name server may take.
const RECURSOR_TIMEOUT: Duration = Duration::from_secs(2);

/// What was given about DNS; zero, empty and `false` mean "not given".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsSettings {
    /// Where names are served.
    pub addr: String,
    /// Another domain under which everything is found.
    pub alt_domain: String,
    /// Name servers asked for what is not ours.
    pub recursors: Vec<String>,
    /// How long each of them may take.
    pub recursor_timeout: Duration,
    /// How long what is said of nodes may be kept.
    pub node_ttl: Duration,
    /// How long what is said of services may be kept, by their names.
    pub service_ttl: BTreeMap<String, String>,
    /// Seconds, as the SOA record names them.
    pub soa_refresh: i64,
    /// The same.
    pub soa_retry: i64,
    /// The same.
    pub soa_expire: i64,
    /// The same.
    pub soa_min_ttl: i64,
    /// Instances with a warning are left out.
    pub only_passing: bool,
    /// Names are written out in full.
    pub disable_compression: bool,
    /// It is said that something was left out: always, or never.
    pub enable_truncate: Option<bool>,
    /// Answers in a small datagram.
    pub udp_answer_limit: i64,
    /// Addresses in any answer.
    pub a_record_limit: i64,
    /// What nodes say of themselves goes along.
    pub node_meta_txt: Option<bool>,
}

/// Keys of a configuration file about DNS. Those with a dot stand in an object of their own.
pub(super) const KEYS: &[&str] = &[
    "dns_addr",
    "alt_domain",
    "recursors",
    "dns_config",
    "dns_config.recursor_timeout",
    "dns_config.node_ttl",
    "dns_config.service_ttl",
    "dns_config.soa",
    "dns_config.soa.refresh",
    "dns_config.soa.retry",
    "dns_config.soa.expire",
    "dns_config.soa.min_ttl",
    "dns_config.only_passing",
    "dns_config.disable_compression",
    "dns_config.enable_truncate",
    "dns_config.udp_answer_limit",
    "dns_config.a_record_limit",
    "dns_config.enable_additional_node_meta_txt",
    "dns_config.allow_stale",
    "dns_config.max_stale",
    "dns_config.use_cache",
    "dns_config.cache_max_age",
];

impl DnsSettings {
    /// Where the value of `key` belongs; `None`: there is no such key.
    pub(super) fn slot(&mut self, key: &str) -> Option<Slot<'_>> {
        Some(match key {
            "dns_addr" => Slot::Text(&mut self.addr),
            "alt_domain" => Slot::Text(&mut self.alt_domain),
            "recursors" => Slot::Texts(&mut self.recursors),
            "dns_config" | "dns_config.soa" => Slot::Group,
            "dns_config.recursor_timeout" => Slot::Duration(&mut self.recursor_timeout),
            "dns_config.node_ttl" => Slot::Duration(&mut self.node_ttl),
            "dns_config.service_ttl" => Slot::Map(&mut self.service_ttl),
            "dns_config.soa.refresh" => Slot::Int(&mut self.soa_refresh),
            "dns_config.soa.retry" => Slot::Int(&mut self.soa_retry),
            "dns_config.soa.expire" => Slot::Int(&mut self.soa_expire),
            "dns_config.soa.min_ttl" => Slot::Int(&mut self.soa_min_ttl),
            "dns_config.only_passing" => Slot::Bool(&mut self.only_passing),
            "dns_config.disable_compression" => Slot::Bool(&mut self.disable_compression),
            "dns_config.enable_truncate" => Slot::Switch(&mut self.enable_truncate),
            "dns_config.udp_answer_limit" => Slot::Int(&mut self.udp_answer_limit),
            "dns_config.a_record_limit" => Slot::Int(&mut self.a_record_limit),
            "dns_config.enable_additional_node_meta_txt" => Slot::Switch(&mut self.node_meta_txt),
            // Whom the original asks, and what it keeps; here every agent knows everything itself.
            "dns_config.allow_stale"
            | "dns_config.max_stale"
            | "dns_config.use_cache"
            | "dns_config.cache_max_age" => Slot::Ignored,
            _ => return None,
        })
    }
}

/// How names are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsConfig {
    /// Where.
    pub addr: SocketAddr,
    /// Another domain under which everything is found.
    pub alt_domain: Option<String>,
    /// Name servers asked for what is not ours, in this order.
    pub recursors: Vec<SocketAddr>,
    /// How long each of them may take.
    pub recursor_timeout: Duration,
    /// Seconds that what is said of nodes may be kept.
    pub node_ttl: u32,
    /// Seconds that what is said of services may be kept.
    pub service_ttl: ServiceTtl,
    /// The times in the SOA record.
    pub soa: Soa,
    /// Instances with a warning are left out.
    pub only_passing: bool,
    /// Names point to where they occurred before.
    pub compression: bool,
    /// When it is said that something was left out.
    pub truncation: Truncation,
    /// Answers in a small datagram.
    pub udp_answer_limit: usize,
    /// Addresses in any answer; `None`: all.
    pub a_record_limit: Option<usize>,
    /// What nodes say of themselves goes along.
    pub node_meta_txt: bool,
}

/// The times in the SOA record, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Soa {
    /// Between two looks of a secondary server.
    pub refresh: u32,
    /// Until it looks again after a failure.
    pub retry: u32,
    /// Until it gives up.
    pub expire: u32,
    /// How long the absence of a name may be believed.
    pub min_ttl: u32,
}

/// Seconds that answers may be kept, by the service's name: that of its name, of the longest
/// beginning of it that ends in `*`, or 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceTtl {
    exact: BTreeMap<String, u32>,
    /// The longest first.
    prefixes: Vec<(String, u32)>,
}

impl ServiceTtl {
    fn new(settings: &BTreeMap<String, String>) -> Result<ServiceTtl, String> {
        let mut ttls = ServiceTtl::default();
        for (name, text) in settings {
            let wrong = |what: &str| format!("Invalid TTL of service '{name}': {what}");
            let time = duration::parse(text).map_err(|error| wrong(&error.to_string()))?;
            let ttl = seconds(time).map_err(|what| wrong(&what))?;
            let name = name.to_lowercase();
            match name.strip_suffix('*') {
                Some(prefix) => ttls.prefixes.push((prefix.to_owned(), ttl)),
                None => {
                    ttls.exact.insert(name, ttl);
                }
            }
        }
        ttls.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(ttls)
    }

    /// That of a service, by its name in small letters.
    #[must_use]
    pub fn of(&self, name: &str) -> u32 {
        let prefixed =
            || self.prefixes.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, ttl)| *ttl);
        self.exact.get(name).copied().or_else(prefixed).unwrap_or(0)
    }
}

/// A time as a TTL has it.
fn seconds(time: Duration) -> Result<u32, String> {
    i32::try_from(time.as_secs())
        .map(i32::cast_unsigned)
        .map_err(|_| format!("{} s are more than the {} that can be told", time.as_secs(), i32::MAX))
}

impl DnsConfig {
    /// Checks the settings; `None`: DNS is off.
    ///
    /// # Errors
    /// The first thing that is wrong, as one line for the user.
    pub(super) fn new(settings: &Settings) -> Result<Option<DnsConfig>, String> {
        let dns = &settings.dns;
        let text = match (dns.addr.as_str(), settings.dev) {
            ("", false) if dns.recursors.is_empty() => return Ok(None),
            ("", false) => return Err("-recursor needs DNS to be served: set -dns-addr".to_owned()),
            ("", true) => "127.0.0.1",
            (text, _) => text,
        };
        let addr = net::resolve_with_port(text, DNS_PORT)
            .map_err(|error| format!("Invalid DNS address: {error}"))?;
        let alt_domain = match dns.alt_domain.as_str() {
            "" => None,
            text => Some(
                domain_name(text)
                    .ok_or(format!("Invalid alternative domain: '{text}': it must be a DNS name"))?,
            ),
        };
        let count = |key: &str, value: i64, default: i64, max: u32| match value {
            0 => Ok(u32::try_from(default).unwrap_or(0)),
            _ => u32::try_from(value)
                .ok()
                .filter(|value| *value <= max)
                .ok_or_else(|| format!("'dns_config.{key}' is {value}, but must be from 1 to {max}")),
        };
        let soa = |key: &str, value, default| count(&format!("soa.{key}"), value, default, i32::MAX as u32);
        let a_record_limit = count("a_record_limit", dns.a_record_limit, 0, u16::MAX.into())? as usize;
        let udp_answer_limit =
            count("udp_answer_limit", dns.udp_answer_limit, UDP_ANSWERS as i64, u16::MAX.into())? as usize;
        Ok(Some(DnsConfig {
            addr,
            alt_domain,
            recursors: recursors(&dns.recursors, addr)?,
            recursor_timeout: if dns.recursor_timeout.is_zero() {
                RECURSOR_TIMEOUT
            } else {
                dns.recursor_timeout
            },
            node_ttl: seconds(dns.node_ttl)
                .map_err(|what| format!("Invalid 'dns_config.node_ttl': {what}"))?,
            service_ttl: ServiceTtl::new(&dns.service_ttl)?,
            soa: Soa {
                refresh: soa("refresh", dns.soa_refresh, 3600)?,
                retry: soa("retry", dns.soa_retry, 600)?,
                expire: soa("expire", dns.soa_expire, 86_400)?,
                min_ttl: soa("min_ttl", dns.soa_min_ttl, 0)?,
            },
            only_passing: dns.only_passing,
            compression: !dns.disable_compression,
            truncation: match dns.enable_truncate {
                None => Truncation::BySize,
                Some(true) => Truncation::Said,
                Some(false) => Truncation::Unsaid,
            },
            udp_answer_limit,
            a_record_limit: Some(a_record_limit).filter(|limit| *limit > 0),
            node_meta_txt: dns.node_meta_txt != Some(false),
        }))
    }
}

fn recursors(texts: &[String], own: SocketAddr) -> Result<Vec<SocketAddr>, String> {
    let one = |text: &String| {
        let addr = net::resolve_with_port(text, RECURSOR_PORT)
            .map_err(|error| format!("Invalid recursor address: {error}"))?;
        if addr.ip().is_unspecified() {
            return Err(format!("Invalid recursor address: '{text}': it must name a host"));
        }
        if addr == own {
            return Err(format!("Invalid recursor address: '{text}': this agent serves DNS there itself"));
        }
        Ok(addr)
    };
    texts.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(dns: DnsSettings) -> Result<Option<DnsConfig>, String> {
        DnsConfig::new(&Settings { dns, ..Settings::default() })
    }

    fn at(addr: &str) -> DnsSettings {
        DnsSettings { addr: addr.into(), ..DnsSettings::default() }
    }

    #[test]
    fn dns_is_off_unless_asked_for() {
        assert_eq!(of(DnsSettings::default()), Ok(None));
        let dev = DnsConfig::new(&Settings { dev: true, ..Settings::default() }).unwrap().unwrap();
        assert_eq!(dev.addr.to_string(), "127.0.0.1:8600");
        assert_eq!(of(at("[::1]")).unwrap().unwrap().addr.to_string(), "[::1]:8600");
        assert_eq!(of(at(":53")).unwrap().unwrap().addr.to_string(), "0.0.0.0:53");
    }

    #[test]
    fn without_settings_it_is_as_documented() {
        let config = of(at("127.0.0.1")).unwrap().unwrap();
        assert_eq!((config.node_ttl, config.service_ttl.of("web")), (0, 0));
        assert_eq!(config.soa, Soa { refresh: 3600, retry: 600, expire: 86_400, min_ttl: 0 });
        assert_eq!((config.udp_answer_limit, config.a_record_limit), (3, None));
        assert_eq!(config.recursor_timeout, Duration::from_secs(2));
        assert!(config.compression && config.node_meta_txt && !config.only_passing);
        assert_eq!(config.truncation, Truncation::BySize);
    }

    #[test]
    fn the_longest_pattern_that_fits_says_how_long_answers_may_be_kept() {
        let texts = [("*", "5s"), ("web", "20s"), ("db-*", "33s"), ("db-Primary*", "1m"), ("we*", "9s")];
        let texts = texts.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let ttl = ServiceTtl::new(&texts).unwrap();
        for (name, expected) in [("web", 20), ("web2", 9), ("db-x", 33), ("db-primary-1", 60), ("x", 5)] {
            assert_eq!(ttl.of(name), expected, "{name}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let here = || at("127.0.0.1:53");
        let soon = |text: &str| [("web".to_owned(), text.to_owned())].into();
        let cases = [
            (at("127.0.0.1:x"), "Invalid DNS address: address x: invalid port"),
            (
                DnsSettings { recursors: vec!["192.0.2.1".into()], ..DnsSettings::default() },
                "-recursor needs DNS to be served: set -dns-addr",
            ),
            (
                DnsSettings { recursors: vec!["127.0.0.1".into()], ..here() },
                "Invalid recursor address: '127.0.0.1': this agent serves DNS there itself",
            ),
            (
                DnsSettings { recursors: vec![":53".into()], ..here() },
                "Invalid recursor address: ':53': it must name a host",
            ),
            (
                DnsSettings { alt_domain: "a..b".into(), ..here() },
                "Invalid alternative domain: 'a..b': it must be a DNS name",
            ),
            (
                DnsSettings { udp_answer_limit: -1, ..here() },
                "'dns_config.udp_answer_limit' is -1, but must be from 1 to 65535",
            ),
            (
                DnsSettings { soa_retry: 1 << 40, ..here() },
                "'dns_config.soa.retry' is 1099511627776, but must be from 1 to 2147483647",
            ),
            (
                DnsSettings { service_ttl: soon("5"), ..here() },
                "Invalid TTL of service 'web': time: missing unit in duration \"5\"",
            ),
            (
                DnsSettings { node_ttl: Duration::from_secs(1 << 31), ..here() },
                "Invalid 'dns_config.node_ttl': 2147483648 s are more than the 2147483647 that can be told",
            ),
        ];
        for (settings, expected) in cases {
            assert_eq!(of(settings).unwrap_err(), expected);
        }
    }
}
