//! What files may set of HTTP besides where it is served (consul-http, section 1).

use std::collections::BTreeMap;

use super::settings::Slot;
use crate::http::Rules;

/// What was given about HTTP in `http_config`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpSettings {
    /// Header lines of every answer.
    pub response_headers: BTreeMap<String, String>,
    /// Beginnings of paths that are closed.
    pub block_endpoints: Vec<String>,
    /// Networks from which anything may be changed.
    pub allow_write_from: Vec<String>,
}

/// Keys of a configuration file about HTTP, in an object of their own.
pub(super) const KEYS: &[&str] = &[
    "http_config",
    "http_config.response_headers",
    "http_config.block_endpoints",
    "http_config.allow_write_http_from",
];

impl HttpSettings {
    /// Where the value of `key` belongs; `None`: there is no such key.
    pub(super) fn slot(&mut self, key: &str) -> Option<Slot<'_>> {
        Some(match key {
            "http_config" => Slot::Group,
            "http_config.response_headers" => Slot::Map(&mut self.response_headers),
            "http_config.block_endpoints" => Slot::Texts(&mut self.block_endpoints),
            "http_config.allow_write_http_from" => Slot::Texts(&mut self.allow_write_from),
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
}
