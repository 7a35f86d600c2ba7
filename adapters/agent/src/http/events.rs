//! `/v1/event/...`: user events under a name of their own, with who is to see them (consul-http,
//! section 11).
//!
//! They travel as the original's do: as user events of Serf whose name begins with `consul:event:`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde_json::{Value, json};
use tidings_core::wire::msgpack::{Dialect, Reader, Writer};
use tidings_core::{Event, UserEvent};
use tidings_tokio::Notice;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Site;
use super::answer::Answer;
use super::directory::Directory;
use super::params::{Params, Since};

/// What stands before a name in gossip.
const PREFIX: &str = "consul:event:";
/// Events remembered; the oldest go first.
const KEPT: usize = 256;
/// Bytes that a filter may become.
const FILTER_MAX: usize = 1 << 20;

const NAMES: [&str; 7] = ["ID", "Name", "Payload", "NodeFilter", "ServiceFilter", "TagFilter", "Version"];

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Fired {
    id: String,
    name: String,
    payload: Vec<u8>,
    node: String,
    service: String,
    tag: String,
    version: u64,
    ltime: u64,
}

impl Fired {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, Dialect::Gossip);
        writer.map(NAMES.len());
        writer.str("ID").str(&self.id).str("Name").str(&self.name);
        writer.str("NodeFilter").str(&self.node).str("Payload").bytes(&self.payload);
        writer.str("ServiceFilter").str(&self.service).str("TagFilter").str(&self.tag);
        writer.str("Version").uint(self.version);
        out
    }

    /// What another agent fired; `None`: it is nothing of the kind.
    fn decode(event: &UserEvent) -> Option<Fired> {
        event.name.strip_prefix(PREFIX)?;
        let mut fired = Fired { ltime: event.ltime.0, ..Fired::default() };
        let read = Reader::new(&event.payload).fields(&NAMES, |field, reader| {
            match field {
                0 => reader.str()?.clone_into(&mut fired.id),
                1 => reader.str()?.clone_into(&mut fired.name),
                2 if reader.take_nil() => {}
                2 => reader.bytes()?.clone_into(&mut fired.payload),
                3 => reader.str()?.clone_into(&mut fired.node),
                4 => reader.str()?.clone_into(&mut fired.service),
                5 => reader.str()?.clone_into(&mut fired.tag),
                _ => fired.version = reader.u64()?,
            }
            Ok(())
        });
        read.ok().map(|()| fired)
    }

    fn shown(&self) -> Value {
        let payload = (!self.payload.is_empty()).then(|| STANDARD.encode(&self.payload));
        json!({
            "ID": self.id,
            "Name": self.name,
            "Payload": payload,
            "NodeFilter": self.node,
            "ServiceFilter": self.service,
            "TagFilter": self.tag,
            "Version": self.version,
            "LTime": self.ltime,
        })
    }

    /// Whether it is meant for this agent.
    fn is_for(&self, directory: &Directory) -> bool {
        let matches = |filter: &str, text: &str| {
            filter.is_empty() || compile(filter).is_ok_and(|filter| filter.is_match(text))
        };
        let me = &directory.node().config().name;
        if !matches(&self.node, me) {
            return false;
        }
        if self.service.is_empty() {
            return true;
        }
        let catalog = directory.catalog();
        catalog.node(me).is_some_and(|node| {
            node.services().filter_map(|shown| shown.record().service()).any(|service| {
                let tagged = self.tag.is_empty() || service.tags.iter().any(|tag| matches(&self.tag, tag));
                matches(&self.service, &service.name) && tagged
            })
        })
    }
}

fn compile(filter: &str) -> Result<Regex, regex::Error> {
    regex::RegexBuilder::new(filter).size_limit(FILTER_MAX).build()
}

/// The last events this agent saw. Clones share them.
#[derive(Clone)]
pub(super) struct EventLog(Arc<Inner>);

struct Inner {
    kept: Mutex<VecDeque<Fired>>,
    news: watch::Sender<()>,
}

impl EventLog {
    pub(super) fn new() -> Self {
        EventLog(Arc::new(Inner { kept: Mutex::default(), news: watch::Sender::new(()) }))
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Fired>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes events until the node ends.
    pub(super) async fn follow(self, directory: Directory) {
        let mut events = directory.node().subscribe();
        while let Some(notice) = events.next().await {
            let Notice::Event(event) = notice else { continue };
            let Event::User(event) = &*event else { continue };
            if let Some(fired) = Fired::decode(event).filter(|fired| fired.is_for(&directory)) {
                let mut kept = self.kept();
                if kept.len() == KEPT {
                    kept.pop_front();
                }
                kept.push_back(fired);
                drop(kept);
                self.0.news.send_replace(());
            }
        }
    }

    /// The events of a name, or all; and the index that stands for the last of them.
    fn read(&self, name: &str) -> (u64, Value) {
        let kept = self.kept();
        let wanted: Vec<&Fired> = kept.iter().filter(|it| name.is_empty() || it.name == name).collect();
        let index = wanted.last().map_or(1, |last| index_of(&last.id));
        (index, wanted.into_iter().map(Fired::shown).collect())
    }
}

/// A number that stands for an event: of its ID's digits, so that it is the same at every agent.
fn index_of(id: &str) -> u64 {
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    u64::from_str_radix(&digits, 16).unwrap_or(0).max(2)
}

pub(super) async fn fire(site: &Site, params: &Params, name: &str, body: &[u8]) -> Answer {
    if name.is_empty() {
        return Answer::bad("Missing name");
    }
    let of = |name| params.get(name).unwrap_or_default().to_owned();
    let (node, service, tag) = (of("node"), of("service"), of("tag"));
    if !tag.is_empty() && service.is_empty() {
        return Answer::refused("Cannot provide tag filter without service filter");
    }
    for (what, filter) in [("node", &node), ("service", &service), ("tag", &tag)] {
        if let Err(error) = compile(filter) {
            return Answer::refused(format!("Invalid {what} filter: error parsing regexp: {error}"));
        }
    }
    let id = match crate::uuid::random() {
        Ok(id) => id,
        Err(error) => return Answer::refused(error),
    };
    let payload = body.to_vec();
    let fired = Fired { id, name: name.to_owned(), payload, node, service, tag, version: 1, ltime: 0 };
    match site.control.user_event(format!("{PREFIX}{name}"), fired.encode().into(), false).await {
        Ok(()) => Answer::json(fired.shown()),
        Err(error) => Answer::refused(format!(
            "1 error occurred:\n\t* error broadcasting event to segment \"\": {error}\n\n"
        )),
    }
}

pub(super) async fn list(site: &Site, params: &Params) -> Answer {
    let name = params.get("name").unwrap_or_default();
    let waiting = match params.waiting() {
        Ok(waiting) => waiting,
        Err(words) => return Answer::bad(words),
    };
    let known = waiting.and_then(|waiting| match waiting.since {
        Since::Index(index) => Some((index, Instant::now() + waiting.wait)),
        Since::Hash(_) => None,
    });
    let mut news = site.events.0.news.subscribe();
    loop {
        let (index, events) = site.events.read(name);
        let over = match known {
            Some((known, end)) if known == index => {
                !matches!(tokio::time::timeout_at(end, news.changed()).await, Ok(Ok(())))
            }
            _ => true,
        };
        if over {
            return Answer::json(events).with("x-consul-index", index);
        }
    }
}

#[cfg(test)]
mod tests {
    use tidings_core::LamportTime;

    use super::*;

    #[test]
    fn an_event_is_read_as_it_was_written_and_nonsense_is_passed_over() {
        let fired = Fired {
            id: "i".into(),
            name: "deploy".into(),
            payload: b"p".to_vec(),
            node: "n".into(),
            service: "s".into(),
            tag: "t".into(),
            version: 1,
            ltime: 7,
        };
        let event = |name: &str, payload: Vec<u8>| UserEvent {
            ltime: LamportTime(7),
            name: name.into(),
            payload: payload.into(),
            coalesce: false,
        };
        let bytes = fired.encode();
        assert_eq!(Fired::decode(&event("consul:event:deploy", bytes.clone())), Some(fired));
        assert_eq!(Fired::decode(&event("deploy", bytes.clone())), None);
        for len in 0..bytes.len() {
            assert_eq!(Fired::decode(&event("consul:event:deploy", bytes[..len].to_vec())), None);
        }
    }
}
