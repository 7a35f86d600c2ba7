//! S4: a query is delivered by nobody whom its filters exclude.

use std::collections::HashMap;

use regex::Regex;
use tidings_core::{Command, CommandError, Query, QueryId, Reply, Token};

use super::Place;
use crate::host::Host;
use crate::net::HostId;
use crate::watch::Violation;

/// Whom queries are for.
#[derive(Clone, Debug, Default)]
pub(super) struct Audiences {
    asking: HashMap<(HostId, Token), Audience>,
    asked: HashMap<QueryId, Audience>,
}

/// Whom a query is for: those of these names (empty: any) whose tags all match.
#[derive(Clone, Debug)]
struct Audience {
    names: Vec<String>,
    tags: Vec<(String, Regex)>,
}

impl Audience {
    fn includes<R>(&self, host: &Host<R>) -> bool {
        let named = self.names.is_empty() || self.names.iter().any(|name| *name == *host.name());
        let Some(own) = host.node().and_then(|node| node.members().local()) else { return named };
        let tags = own.tags();
        named && self.tags.iter().all(|(tag, expr)| expr.is_match(tags.get(tag).unwrap_or_default()))
    }
}

impl Audiences {
    pub(super) fn on_command(&mut self, host: HostId, token: Token, command: &Command) {
        let Command::Query(params) = command else { return };
        let tags = params.tags.iter().map(|(tag, expr)| Some((tag.clone(), Regex::new(expr).ok()?)));
        // An expression that is none is refused.
        let Some(tags) = tags.collect::<Option<Vec<_>>>() else { return };
        if !params.nodes.is_empty() || !tags.is_empty() {
            self.asking.insert((host, token), Audience { names: params.nodes.clone(), tags });
        }
    }

    pub(super) fn on_reply(&mut self, host: HostId, token: Token, result: &Result<Reply, CommandError>) {
        let audience = self.asking.remove(&(host, token));
        if let (Some(audience), Ok(Reply::QueryStarted { id, .. })) = (audience, result) {
            self.asked.insert(*id, audience);
        }
    }

    /// A host's application is asked.
    pub(super) fn on_query<R>(&self, place: Place<'_>, host: &Host<R>, query: &Query) -> Option<Violation> {
        if self.asked.get(&query.id).is_none_or(|audience| audience.includes(host)) {
            return None;
        }
        let what = format!("it delivers query {}, whose filters exclude it", query.name);
        place.violation("S4 query", "", what)
    }
}
