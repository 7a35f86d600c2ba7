//! What the agent serves besides gossip: the registry over HTTP, and what it keeps on disk.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use tidings_core::Config;
use tidings_core::registry::node::NodeInfo;

use super::net;
use super::settings::Settings;
use crate::http::{check_meta, pairs};

/// Where HTTP is served if only the host is given.
const HTTP_PORT: u16 = 8500;

/// How HTTP is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Where it listens.
    pub addr: SocketAddr,
    /// What clients have to show; `None`: nothing.
    pub token: Option<String>,
    /// Answers are always indented.
    pub pretty: bool,
}

/// Everything about the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryConfig {
    /// `None`: HTTP is off.
    pub http: Option<HttpConfig>,
    /// Where registrations are kept; `None`: they go with the process.
    pub data_dir: Option<PathBuf>,
    /// The data centre's name.
    pub datacenter: String,
    /// The domain of names looked up by DNS.
    pub domain: String,
    /// Checks may run programs.
    pub scripts: bool,
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
        if !datacenter.chars().all(fits) {
            return Err(format!(
                "Invalid datacenter: '{datacenter}': only letters, digits, '-' and '_' are allowed"
            ));
        }
        let domain = or(settings.domain.trim_end_matches('.'), "consul").to_lowercase();
        if domain.split('.').any(|label| label.is_empty() || label.len() > 63 || !label.chars().all(fits)) {
            return Err(format!("Invalid domain: '{}': it must be a DNS name", settings.domain));
        }
        let meta: Vec<(String, String)> = settings.node_meta.clone().into_iter().collect();
        check_meta(&meta).map_err(|what| format!("Invalid node metadata: {what}"))?;
        Ok(RegistryConfig {
            http: http(settings)?,
            data_dir: Some(&settings.data_dir).filter(|dir| !dir.is_empty()).map(PathBuf::from),
            datacenter,
            domain,
            scripts: settings.enable_script_checks,
            defines: !settings.definitions.is_empty(),
            node_meta: settings.node_meta.clone(),
        })
    }

    /// Whether there is anything to register with or to restore.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.http.is_some() || self.data_dir.is_some() || self.defines
    }

    /// Tells the core. Its generation and its ID are found at the start.
    pub(super) fn fill_core(&self, core: &mut Config) {
        if !self.is_on() {
            return;
        }
        core.registry.enabled = true;
        core.registry.durable = self.data_dir.is_some();
        let meta: Vec<(String, String)> = self.node_meta.clone().into_iter().collect();
        core.registry.node = Some(Box::new(NodeInfo {
            meta: pairs(&meta),
            datacenter: self.datacenter.as_str().into(),
            ..NodeInfo::default()
        }));
    }
}

fn http(settings: &Settings) -> Result<Option<HttpConfig>, String> {
    let text = match (settings.http_addr.as_str(), settings.dev) {
        ("", false) => return Ok(None),
        ("", true) => "127.0.0.1",
        (text, _) => text,
    };
    let addr =
        net::resolve_with_port(text, HTTP_PORT).map_err(|error| format!("Invalid HTTP address: {error}"))?;
    let token = Some(settings.http_token.clone()).filter(|token| !token.is_empty());
    if !addr.ip().is_loopback() && token.is_none() && !settings.http_open {
        return Err(format!(
            "HTTP on {addr} can be reached from other hosts, who could register and deregister services: \
             set -http-token, or -http-open if that is wanted"
        ));
    }
    Ok(Some(HttpConfig { addr, token, pretty: settings.dev }))
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
        assert!(of("0.0.0.0:8500", false, "", false).unwrap_err().contains("-http-token"));
        assert_eq!(
            of("127.0.0.1:x", false, "", false).unwrap_err(),
            "Invalid HTTP address: address x: invalid port"
        );
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
