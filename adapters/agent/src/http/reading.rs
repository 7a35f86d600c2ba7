//! Reading the catalog: what all such endpoints have in common. Filters, nearness, waiting for a
//! change, and the header lines that say which state was read (consul-http, sections 6 to 9).

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use tidings_core::registry::catalog::{Catalog, Instance, Node};
use tokio::time::Instant;

use super::Site;
use super::answer::{Answer, Body, WRITABLE};
use super::directory::Watch;
use super::params::Params;
use super::shape;
use crate::filter::{Filter, schema};

/// The header line with the count at which what was read changed last.
const INDEX: &str = "x-consul-index";

/// What an endpoint reads at one moment: the count at which it changed last, and the answer as JSON.
pub(super) type Read = (u64, Bytes);

/// Reads.
///
/// # Errors
/// The answer to parameters that contradict one another.
pub(super) fn read(
    site: &Site,
    params: &Params,
    look: impl FnOnce(&Catalog) -> Read,
) -> Result<Answer, Answer> {
    let consistency = params.consistency().map_err(Answer::bad)?;
    Ok(told(look(&site.directory.catalog()), consistency))
}

/// Reads, and reads again after each change of a part of the catalog, until there is something newer
/// than the client knows or its time is over.
pub(super) async fn wait<F: Future<Output = Answer>>(
    site: &Site,
    watch: Watch,
    since: u64,
    end: Instant,
    now: impl Fn() -> F,
) -> Answer {
    // Before the first look, so that no change is missed between looking and waiting.
    let mut changed = site.directory.watch(watch);
    loop {
        let answer = now().await;
        if answer.status != StatusCode::OK || index_of(&answer).is_none_or(|index| index > since) {
            return answer;
        }
        if !matches!(tokio::time::timeout_at(end, changed.changed()).await, Ok(Ok(()))) {
            return now().await;
        }
    }
}

fn index_of(answer: &Answer) -> Option<u64> {
    let (_, value) = answer.headers.iter().find(|(name, _)| name == INDEX)?;
    value.to_str().ok()?.parse().ok()
}

/// When a client that waits so long from now on has waited enough: up to a sixteenth later, so that
/// those who began together do not come back together.
pub(super) fn end(wait: Duration) -> Instant {
    let mut bytes = [0; 4];
    let spread = match getrandom::fill(&mut bytes) {
        Ok(()) => (wait / 16).mul_f64(f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)),
        Err(_) => Duration::ZERO,
    };
    Instant::now() + wait + spread
}

/// What was read, with the header lines that say so.
pub(super) fn told((index, json): Read, consistency: &str) -> Answer {
    state(index.max(1), Body::Written(json)).with("x-consul-effective-consistency", consistency)
}

/// A state with its index.
pub(super) fn state(index: u64, body: Body) -> Answer {
    Answer::new(StatusCode::OK, body)
        .with(INDEX, index)
        .with("x-consul-knownleader", "true")
        .with("x-consul-lastcontact", "0")
}

/// What a client wants to see of a list.
pub(super) struct Wanted {
    filter: Filter,
    node_meta: Vec<(String, String)>,
    tags: Vec<String>,
}

impl Wanted {
    /// Reads it from the parameters.
    ///
    /// # Errors
    /// The answer to a filter that is none.
    pub(super) fn of(params: &Params, fields: schema::Fields) -> Result<Self, Answer> {
        let text = params.get("filter").unwrap_or_default();
        let filter = Filter::new(text, fields).map_err(|error| Answer::refused(error.to_string()))?;
        let pair = |text: &str| match text.split_once(':') {
            Some((key, value)) => (key.to_owned(), value.to_owned()),
            None => (text.to_owned(), String::new()),
        };
        Ok(Wanted {
            filter,
            node_meta: params.all("node-meta").map(pair).collect(),
            tags: params.all("tag").filter(|tag| !tag.is_empty()).map(str::to_lowercase).collect(),
        })
    }

    /// Whether a node has the meta data asked for.
    pub(super) fn node(&self, node: &Node) -> bool {
        let has = |key: &str, value: &str| shape::meta(node).any(|entry| entry == (key, value));
        self.node_meta.iter().all(|(key, value)| has(key, value))
    }

    /// Whether an instance has the tags asked for, on a node with the meta data asked for.
    pub(super) fn instance(&self, instance: &Instance<'_>) -> bool {
        let has = |wanted: &String| instance.service.tags.iter().any(|tag| tag.to_lowercase() == *wanted);
        self.node(instance.node) && self.tags.iter().all(has)
    }

    /// Those of a list that pass the filter, written out.
    pub(super) fn list<T: Serialize>(&self, entries: impl IntoIterator<Item = T>) -> Bytes {
        let mut out = Vec::with_capacity(1024);
        for entry in entries.into_iter().filter(|entry| self.passes(entry)) {
            out.push(if out.is_empty() { b'[' } else { b',' });
            serde_json::to_writer(&mut out, &entry).expect(WRITABLE);
        }
        if out.is_empty() {
            out.push(b'[');
        }
        out.push(b']');
        out.into()
    }

    /// Whether something passes the filter.
    pub(super) fn passes(&self, entry: &impl Serialize) -> bool {
        self.filter.is_empty() || self.filter.matches(&shape::value(entry))
    }
}
