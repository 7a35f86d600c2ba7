//! What the agent serves besides gossip: the registry over HTTP, and what it keeps on disk.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tidings_core::Config;
use tidings_core::registry::node::NodeInfo;

use super::dns::DnsConfig;
use super::net;
use super::settings::{Settings, at_most};
use crate::blued::EVENTS;
use crate::http::{Allowed, Limits, Rules, check_meta, pairs};

/// Where HTTP is served if only the host is given.
const HTTP_PORT: u16 = 8500;
/// The same for the apps' REST.
const REST_PORT: u16 = 8341;
/// Seconds that an app lives without a word.
const SERVICE_TTL: u32 = 60;
/// Letters of a domain.
const DOMAIN_MAX: usize = 128;
/// Letters of a data centre's name: it is a label in the DNS.
const DATACENTER_MAX: usize = 63;

/// How HTTP is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Where it listens.
    pub addr: SocketAddr,
    /// What clients have to show; `None`: nothing.
    pub token: Option<String>,
    /// PEM files with a certificate and its key: it is served over TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Answers are always indented.
    pub pretty: bool,
    /// A page for people is served, too.
    pub ui: bool,
    /// What is refused and added.
    pub rules: Rules,
}

/// How apps register by REST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestConfig {
    /// Where it is served.
    pub addr: SocketAddr,
    /// What clients have to show; `None`: nothing.
    pub token: Option<String>,
    /// How long an app lives without a word.
    pub ttl: Duration,
}

/// Everything about the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryConfig {
    /// `None`: HTTP is off.
    pub http: Option<HttpConfig>,
    /// `None`: REST is off.
    pub rest: Option<RestConfig>,
    /// `None`: DNS is off.
    pub dns: Option<DnsConfig>,
    /// Where registrations are kept; `None`: they go with the process.
    pub data_dir: Option<PathBuf>,
    /// The data centre's name.
    pub datacenter: String,
    /// The domain of names looked up by DNS.
    pub domain: String,
    /// What may be registered.
    pub allowed: Allowed,
    /// What clients of HTTP and REST may use.
    pub limits: Limits,
    /// What checks print is not kept.
    pub discard_output: bool,
    /// There is something to register in the configuration files.
    pub defines: bool,
    /// What this node says of itself.
    pub node_meta: BTreeMap<String, String>,
}

impl RegistryConfig {
    /// Checks the settings.
    ///
    /// # Errors
    /// The first thing that is wrong, as one line for the user.
    pub(super) fn new(settings: &Settings) -> Result<Self, String> {
        let or =
            |text: &str, default: &str| if text.is_empty() { default.to_owned() } else { text.to_owned() };
        if settings.dev && !settings.data_dir.is_empty() {
            return Err("-dev keeps nothing on disk; leave out one of -dev and -data-dir".to_owned());
        }
        let datacenter = or(&settings.datacenter, "dc1").to_lowercase();
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if datacenter.len() > DATACENTER_MAX || !datacenter.chars().all(fits) {
            return Err(format!(
                "Invalid datacenter: '{datacenter}': only up to 63 letters, digits, '-' and '_' are allowed"
            ));
        }
        let domain = domain_name(&or(&settings.domain, "consul"))
            .ok_or_else(|| format!("Invalid domain: '{}': it must be a DNS name", settings.domain))?;
        let meta: Vec<(String, String)> = settings.node_meta.clone().into_iter().collect();
        check_meta(&meta).map_err(|what| format!("Invalid node metadata: {what}"))?;
        Ok(RegistryConfig {
            http: http(settings)?,
            rest: rest(settings)?,
            dns: DnsConfig::new(settings)?,
            data_dir: Some(&settings.data_dir).filter(|dir| !dir.is_empty()).map(PathBuf::from),
            datacenter,
            domain,
            allowed: allowed(settings)?,
            limits: settings.http.limits()?,
            discard_output: settings.discard_check_output,
            defines: !settings.definitions.is_empty(),
            node_meta: settings.node_meta.clone(),
        })
    }

    /// Whether there is anything to register with, to look up or to restore.
    #[must_use]
    pub fn is_on(&self) -> bool {
        let served = self.http.is_some() || self.rest.is_some() || self.dns.is_some();
        served || self.data_dir.is_some() || self.defines
    }

    /// Tells the core. Its generation and its ID are found at the start.
    pub(super) fn fill_core(&self, core: &mut Config) {
        if !self.is_on() {
            return;
        }
        core.registry.enabled = true;
        if self.rest.is_some() {
            core.events.told_singly = EVENTS.map(str::to_owned).to_vec();
        }
        core.registry.durable = self.data_dir.is_some();
        core.registry.discard_output = self.discard_output;
        let meta: Vec<(String, String)> = self.node_meta.clone().into_iter().collect();
        core.registry.node = Some(Box::new(NodeInfo {
            meta: pairs(&meta),
            datacenter: self.datacenter.as_str().into(),
            answers_dns: self
                .dns
                .as_ref()
                .is_some_and(|dns| is_reached_at(dns.addr.ip(), core.advertise.ip())),
            ..NodeInfo::default()
        }));
    }
}

/// Whether what is bound to one address answers at another.
fn is_reached_at(bound: IpAddr, addr: IpAddr) -> bool {
    bound == addr || bound.is_unspecified() && (bound.is_ipv6() || addr.is_ipv4())
}

/// What clients may register.
pub(super) fn allowed(settings: &Settings) -> Result<Allowed, String> {
    let (given, usual) = (settings.check_output_max_size, Allowed::default().output_max);
    let what = "a number of bytes ";
    let output_max = at_most("check_output_max_size", given, what, usual, Allowed::OUTPUT_LIMIT)?;
    Ok(Allowed { scripts: settings.enable_script_checks, output_max })
}

/// A domain without the dot at its end, in small letters; `None`: it is none.
pub(super) fn domain_name(text: &str) -> Option<String> {
    let domain = text.strip_suffix('.').unwrap_or(text).to_lowercase();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let label = |label: &str| (1..=63).contains(&label.len()) && label.chars().all(fits);
    // What stands before it in names needs some room.
    (domain.len() <= DOMAIN_MAX && domain.split('.').all(label)).then_some(domain)
}

fn http(settings: &Settings) -> Result<Option<HttpConfig>, String> {
    // What is wrong in there is wrong while nobody asks, too.
    let rules = settings.http.rules()?;
    let text = match (settings.http_addr.as_str(), settings.dev) {
        ("", false) => return Ok(None),
        ("", true) => "127.0.0.1",
        (text, _) => text,
    };
    let tls = match (settings.http_cert_file.as_str(), settings.http_key_file.as_str()) {
        ("", "") => None,
        (cert, key) if !cert.is_empty() && !key.is_empty() => Some((PathBuf::from(cert), PathBuf::from(key))),
        (_, "") => {
            return Err("-http-cert-file needs the certificate's key: set -http-key-file, too".to_owned());
        }
        _ => return Err("-http-key-file needs a certificate: set -http-cert-file, too".to_owned()),
    };
    let (addr, token) = served(settings, "HTTP", text, HTTP_PORT, tls.is_some())?;
    let ui = settings.ui || settings.dev;
    Ok(Some(HttpConfig { addr, token, tls, pretty: settings.dev, ui, rules }))
}

fn rest(settings: &Settings) -> Result<Option<RestConfig>, String> {
    let ttl = match settings.service_ttl {
        0 => SERVICE_TTL,
        given => u32::try_from(given).map_err(|_| {
            format!("'service_ttl' is {given}, but must be a number of seconds from 1 to {}", u32::MAX)
        })?,
    };
    if settings.rest_addr.is_empty() {
        return Ok(None);
    }
    let (addr, token) = served(settings, "REST", &settings.rest_addr, REST_PORT, false)?;
    Ok(Some(RestConfig { addr, token, ttl: Duration::from_secs(ttl.into()) }))
}

/// Where something is served, and what its clients have to show.
fn served(
    settings: &Settings,
    what: &str,
    text: &str,
    port: u16,
    tls: bool,
) -> Result<(SocketAddr, Option<String>), String> {
    let addr =
        net::resolve_with_port(text, port).map_err(|error| format!("Invalid {what} address: {error}"))?;
    let token = Some(settings.http_token.clone()).filter(|token| !token.is_empty());
    if !addr.ip().is_loopback() && token.is_none() && !tls && !settings.http_open {
        let or_tls = if what == "HTTP" { ", -http-cert-file and -http-key-file" } else { "" };
        return Err(format!(
            "{what} on {addr} can be reached from other hosts, who could register and deregister services: \
             set -http-token{or_tls}, or -http-open if that is wanted"
        ));
    }
    Ok((addr, token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_off_unless_asked_for_and_closed_to_other_hosts_unless_told_otherwise() {
        let of = |addr: &str, dev, token: &str, open| {
            let settings = Settings {
                http_addr: addr.into(),
                dev,
                http_token: token.into(),
                http_open: open,
                ..Settings::default()
            };
            http(&settings).map(|http| http.map(|http| http.addr.to_string()))
        };
        let at = |addr: &str| Ok(Some(addr.to_owned()));
        assert_eq!(of("", false, "", false), Ok(None));
        assert_eq!(of("", true, "", false), at("127.0.0.1:8500"));
        assert_eq!(of("127.0.0.1:1", true, "", false), at("127.0.0.1:1"));
        assert_eq!(of("[::1]", false, "", false), at("[::1]:8500"));
        assert_eq!(of(":8500", false, "t", false), at("0.0.0.0:8500"));
        assert_eq!(of("192.0.2.1", false, "", true), at("192.0.2.1:8500"));
        let secured = |cert: &str, key: &str| {
            let (http_cert_file, http_key_file) = (cert.to_owned(), key.to_owned());
            http(&Settings { http_addr: ":1".into(), http_cert_file, http_key_file, ..Settings::default() })
        };
        assert_eq!(secured("c", "k").unwrap().unwrap().tls, Some(("c".into(), "k".into())));
        assert!(secured("c", "").unwrap_err().contains("set -http-key-file"));
        assert!(secured("", "k").unwrap_err().contains("set -http-cert-file"));
        assert!(of("0.0.0.0:8500", false, "", false).unwrap_err().contains("-http-token"));
        assert_eq!(
            of("127.0.0.1:x", false, "", false).unwrap_err(),
            "Invalid HTTP address: address x: invalid port"
        );
    }

    #[test]
    fn rest_is_off_unless_asked_for_and_closed_to_other_hosts_unless_told_otherwise() {
        let of = |addr: &str, ttl, token: &str, open| {
            let settings = Settings {
                rest_addr: addr.into(),
                service_ttl: ttl,
                http_token: token.into(),
                http_open: open,
                ..Settings::default()
            };
            rest(&settings).map(|rest| rest.map(|rest| (rest.addr.to_string(), rest.ttl.as_secs())))
        };
        let at = |addr: &str, ttl| Ok(Some((addr.to_owned(), ttl)));
        assert_eq!(of("", 7, "", false), Ok(None));
        assert_eq!(of("127.0.0.1", 0, "", false), at("127.0.0.1:8341", 60));
        assert_eq!(of(":1", 7, "t", false), at("0.0.0.0:1", 7));
        assert_eq!(of("192.0.2.1", 0, "", true), at("192.0.2.1:8341", 60));
        assert!(of("0.0.0.0", 0, "", false).unwrap_err().starts_with("REST on 0.0.0.0:8341 can be reached"));
        assert!(of("", -1, "", false).unwrap_err().starts_with("'service_ttl' is -1, but must be"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let meta = |key: &str| [(key.to_owned(), String::new())].into();
        let cases = [
            (
                Settings { dev: true, data_dir: "d".into(), ..Settings::default() },
                "-dev keeps nothing on disk",
            ),
            (Settings { datacenter: "dc 1".into(), ..Settings::default() }, "Invalid datacenter: 'dc 1'"),
            (Settings { domain: "a..b".into(), ..Settings::default() }, "Invalid domain: 'a..b'"),
            (Settings { node_meta: meta("a b"), ..Settings::default() }, "Invalid node metadata: "),
        ];
        for (settings, expected) in cases {
            let error = RegistryConfig::new(&settings).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
