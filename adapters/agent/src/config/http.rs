//! What files may set of HTTP besides where it is served (consul-http, section 1).

use std::collections::BTreeMap;

use super::settings::{Slot, at_most};
use crate::http::{Limits, Rules};

/// What was given about HTTP in `http_config` and `limits`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpSettings {
    /// Header lines of every answer.
    pub response_headers: BTreeMap<String, String>,
    /// Beginnings of paths that are closed.
    pub block_endpoints: Vec<String>,
    /// Networks from which anything may be changed.
    pub allow_write_from: Vec<String>,
    /// Connections that one address may have.
    pub connections_per_client: i64,
}

/// Connections of one address that may be allowed.
const CONNECTIONS_LIMIT: usize = 1 << 16;

/// Keys of a configuration file about HTTP, in objects of their own.
pub(super) const KEYS: &[&str] = &[
    "http_config",
    "http_config.response_headers",
    "http_config.block_endpoints",
    "http_config.allow_write_http_from",
    "limits",
    "limits.http_max_conns_per_client",
];

impl HttpSettings {
    /// Where the value of `key` belongs; `None`: there is no such key.
    pub(super) fn slot(&mut self, key: &str) -> Option<Slot<'_>> {
        Some(match key {
            "http_config" | "limits" => Slot::Group,
            "http_config.response_headers" => Slot::Map(&mut self.response_headers),
            "http_config.block_endpoints" => Slot::Texts(&mut self.block_endpoints),
            "http_config.allow_write_http_from" => Slot::Texts(&mut self.allow_write_from),
            "limits.http_max_conns_per_client" => Slot::Int(&mut self.connections_per_client),
            _ => return None,
        })
    }

    /// The checked rules.
    ///
    /// # Errors
    /// The first thing that is wrong, as one line for the user.
    pub(super) fn rules(&self) -> Result<Rules, String> {
        Rules::new(&self.response_headers, &self.block_endpoints, &self.allow_write_from)
    }

    /// What clients may use.
    ///
    /// # Errors
    /// The first thing that is wrong, as one line for the user.
    pub(super) fn limits(&self) -> Result<Limits, String> {
        let usual = Limits::default();
        let (key, given) = ("limits.http_max_conns_per_client", self.connections_per_client);
        let connections_per_client =
            at_most(key, given, "", usual.connections_per_client, CONNECTIONS_LIMIT)?;
        Ok(Limits { connections_per_client, ..usual })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_connections_are_allowed_as_a_file_says() {
        let limits = |connections_per_client| {
            HttpSettings { connections_per_client, ..HttpSettings::default() }.limits()
        };
        assert_eq!(limits(0), Ok(Limits::default()), "what stands nowhere is as usual");
        assert_eq!(limits(5), Ok(Limits { connections_per_client: 5, ..Limits::default() }));
        for wrong in [-1, 65_537, i64::MIN] {
            assert!(limits(wrong).unwrap_err().contains("'limits.http_max_conns_per_client'"), "{wrong}");
        }
    }
}
