//! What each command does (serf-agent, section 8.4).

use std::time::Duration;

use bytes::Bytes;
use tidings_client::protocol::{
    self, Coordinate, CoordinateResponse, JoinResponse, KeyRequest, KeyResponse, MembersFiltered, Request,
    Respond, error_text,
};
use tidings_core::{CommandError, KeyCommand, KeyReport, QueryParams};
use tidings_tokio::Error;

use super::connection::{Close, Connection, Done};
use super::feed::{FEEDS_MAX, Feed};
use super::members::Filter;
use super::stats;
use crate::agent::Control;
use crate::config::decode_key;
use crate::handlers::EventFilter;
use crate::log::Level;

impl Connection<'_> {
    /// Carries out a request, at once or by leaving it to be finished later.
    pub(super) fn execute(&mut self, seq: u64, request: Request) -> Result<(), Close> {
        match request {
            Request::Handshake(body) => self.handshake(seq, body.version),
            Request::Auth(body) => self.auth(seq, &body.auth_key),
            Request::Members => self.members(seq),
            Request::MembersFiltered(body) => return self.members_filtered(seq, &body),
            Request::Stream(body) => self.stream(seq, &body.event_type),
            Request::Monitor(body) => self.monitor(seq, &body.log_level),
            Request::Stop(body) => {
                self.feeds.stop(body.stop);
                self.respond(seq, "");
            }
            Request::Respond(body) => self.answer(seq, body),
            Request::Query(body) => self.query(seq, body),
            Request::ListMicroApps | Request::ListRouters | Request::UpdateRouters(_) => {
                self.discover(seq, request);
            }
            Request::Stats => {
                let shared = self.shared.clone();
                self.later(seq, async move {
                    let stats = shared.control.node().stats().await;
                    done(stats.map(|stats| encoded(&stats::response(&shared, &stats))))
                });
            }
            other => self.operate(seq, other),
        }
        Ok(())
    }

    /// The commands that are passed on to the agent and answered when it is done.
    fn operate(&mut self, seq: u64, request: Request) {
        let control = self.shared.control.clone();
        match request {
            Request::Event(body) => self.later(seq, async move {
                done(control.user_event(body.name, body.payload, body.coalesce).await.map(|()| Vec::new()))
            }),
            Request::ForceLeave(body) => self.later(seq, async move {
                done(control.force_leave(body.node, body.prune).await.map(|()| Vec::new()))
            }),
            Request::Join(body) => self.later(seq, join(control, body.existing, body.replay)),
            Request::Tags(body) => self.later(seq, async move {
                done(control.update_tags(&body.delete_tags, body.tags).await.map(|()| Vec::new()))
            }),
            Request::InstallKey(body) => self.later(seq, keys(control, key(&body, KeyCommand::Install))),
            Request::UseKey(body) => self.later(seq, keys(control, key(&body, KeyCommand::Use))),
            Request::RemoveKey(body) => self.later(seq, keys(control, key(&body, KeyCommand::Remove))),
            Request::ListKeys => self.later(seq, keys(control, Ok(KeyCommand::List))),
            Request::GetCoordinate(body) => self.later(seq, coordinate(control, body.node)),
            Request::Leave => {
                control.log().info("agent.ipc", format_args!("Graceful leave triggered"));
                self.later(seq, async move {
                    let result = control.leave().await;
                    Done { left: result.is_ok(), ..done(result.map(|()| Vec::new())) }
                });
            }
            other => unreachable!("{other:?} is answered at once"),
        }
    }

    fn handshake(&mut self, seq: u64, version: i64) {
        if version != protocol::VERSION {
            self.respond(seq, error_text::UNSUPPORTED_IPC_VERSION);
        } else if self.handshake_done {
            self.respond(seq, error_text::HANDSHAKE_ALREADY_PERFORMED);
        } else {
            self.handshake_done = true;
            self.trust();
            self.respond(seq, "");
        }
    }

    fn auth(&mut self, seq: u64, key: &str) {
        if same_key(key, &self.shared.auth_key) {
            self.authenticated = true;
            self.trust();
            self.respond(seq, "");
        } else {
            self.respond(seq, error_text::INVALID_AUTHENTICATION_TOKEN);
        }
    }

    fn members(&mut self, seq: u64) {
        let body = self.shared.members.encoded(self.shared.control.node().view());
        self.respond_with(seq, &body);
    }

    fn members_filtered(&mut self, seq: u64, request: &MembersFiltered) -> Result<(), Close> {
        let filter = Filter::new(request).map_err(|error| {
            self.complain(&format!("Failed to evaluate request: {error}"));
            Close
        })?;
        if filter.is_empty() {
            self.members(seq);
        } else {
            let body = filter.encoded(&self.shared.control.node().view());
            self.respond_with(seq, &body);
        }
        Ok(())
    }

    fn stream(&mut self, seq: u64, filters: &str) {
        if self.feeds.any(|feed| feed.is_stream() && feed.seq == seq) {
            return self.respond(seq, error_text::STREAM_EXISTS);
        }
        let Ok(filters) = EventFilter::parse_list(filters) else {
            return self.respond(seq, error_text::INVALID_EVENT_FILTER);
        };
        if let Some(error) = self.too_many() {
            return self.respond(seq, &error);
        }
        let events = self.shared.hub.subscribe(filters, self.from.to_string());
        self.respond(seq, "");
        self.feeds.add(Feed::stream(seq, events));
    }

    fn monitor(&mut self, seq: u64, level: &str) {
        let Some(level) = Level::parse(level) else {
            return self.respond(seq, &format!("Unknown log level: {}", level.to_uppercase()));
        };
        if self.feeds.any(Feed::is_monitor) {
            return self.respond(seq, error_text::MONITOR_EXISTS);
        }
        let subscription = self.shared.control.log().subscribe(level, self.from.to_string());
        self.respond(seq, "");
        self.feeds.add(Feed::monitor(seq, subscription));
    }

    fn query(&mut self, seq: u64, request: protocol::Query) {
        if let Some(error) = self.too_many() {
            return self.respond(seq, &error);
        }
        let control = self.shared.control.clone();
        let params = QueryParams {
            name: request.name,
            payload: request.payload,
            nodes: request.filter_nodes,
            tags: request.filter_tags.unwrap_or_default().into_iter().collect(),
            ack: request.request_ack,
            relay_factor: request.relay_factor,
            timeout: Duration::from_nanos(u64::try_from(request.timeout).unwrap_or(0)),
        };
        self.later(seq, async move {
            match control.query(params).await {
                Ok(query) => Done { feed: Some(Feed::query(seq, query)), ..Done::default() },
                Err(error) => failed(&error),
            }
        });
    }

    /// Answers a query that came by a stream of this connection.
    fn answer(&mut self, seq: u64, request: Respond) {
        let Some(query) = self.queries.get(request.id) else {
            return self.respond(seq, error_text::NO_SUCH_QUERY);
        };
        let control = self.shared.control.clone();
        self.later(seq, async move {
            match control.node().respond(query, request.payload).await {
                Ok(()) => Done::default(),
                // The node has forgotten it, and so do we.
                Err(Error::Command(CommandError::PastDeadline)) => Done {
                    error: error_text::NO_SUCH_QUERY.to_owned(),
                    answered: Some(request.id),
                    ..Done::default()
                },
                Err(error) => failed(&format!("failed to respond to key query: {error}")),
            }
        });
    }

    fn too_many(&self) -> Option<String> {
        (self.feeds.len() >= FEEDS_MAX)
            .then(|| format!("{FEEDS_MAX} streams and queries are open on this connection; stop some"))
    }
}

async fn join(control: Control, addresses: Vec<String>, replay: bool) -> Done {
    let (num, error) = match control.join(addresses, replay).await {
        Ok(joined) => (i64::try_from(joined.contacted).unwrap_or(i64::MAX), String::new()),
        Err(error) => (0, error.to_string()),
    };
    Done { error, body: encoded(&JoinResponse { num }), ..Done::default() }
}

fn key(request: &KeyRequest, make: impl FnOnce(Bytes) -> KeyCommand) -> Result<KeyCommand, String> {
    decode_key(&request.key).map(make)
}

async fn keys(control: Control, command: Result<KeyCommand, String>) -> Done {
    let listing = matches!(command, Ok(KeyCommand::List));
    let result = match command {
        Ok(command) => control.keys(command).await,
        Err(error) => return key_response(error, KeyReport::default(), listing),
    };
    match result {
        Ok(report) => key_response(String::new(), report, listing),
        Err(Error::Command(CommandError::Keys(report))) => {
            key_response(report.failure().unwrap_or_default(), *report, listing)
        }
        Err(error) => key_response(error.to_string(), KeyReport::default(), listing),
    }
}

fn key_response(error: String, report: KeyReport, listing: bool) -> Done {
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let keys = report.keys.into_iter().map(|(key, nodes)| (key, number(nodes))).collect();
    let body = KeyResponse {
        keys: listing.then_some(keys),
        messages: report.messages.into_iter().collect(),
        num_err: number(report.errors),
        num_nodes: number(report.nodes),
        num_resp: number(report.responses),
    };
    Done { error, body: encoded(&body), ..Done::default() }
}

async fn coordinate(control: Control, node: String) -> Done {
    let found = control.node().inspect(move |core| core.coordinate(&node)).await;
    done(found.map(|found| {
        let ok = found.is_some();
        let coord = found.map_or_else(Coordinate::default, |c| Coordinate {
            adjustment: c.adjustment,
            error: c.error,
            height: c.height,
            vec: c.vec.to_vec(),
        });
        encoded(&CoordinateResponse { coord, ok })
    }))
}

fn encoded(message: &impl protocol::Message) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out);
    out
}

fn done<E: ToString>(result: Result<Vec<u8>, E>) -> Done {
    match result {
        Ok(body) => Done { body, ..Done::default() },
        Err(error) => failed(&error),
    }
}

fn failed(error: &impl ToString) -> Done {
    Done { error: error.to_string(), ..Done::default() }
}

/// Compares keys in a time that does not tell how much of a wrong one was right. An empty key is
/// right where none is needed.
fn same_key(given: &str, wanted: &str) -> bool {
    let differences = given.bytes().zip(wanted.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    given.len() == wanted.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_key_is_right() {
        assert!(same_key("s3cret", "s3cret"));
        assert!(same_key("", ""));
        for wrong in ["", "s3cre", "s3crets", "S3cret"] {
            assert!(!same_key(wrong, "s3cret"), "{wrong}");
        }
    }
}
