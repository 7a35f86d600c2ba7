//! Which events a handler or a stream wants.

use std::fmt;

use tidings_core::{Event, MemberEventKind};

/// One element of a filter: a kind of event, and perhaps its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFilter {
    kind: Kind,
    /// Exact name of a user event or query; empty: any.
    name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    All,
    Members(MemberEventKind),
    User,
    Query,
}

impl Kind {
    fn parse(word: &str) -> Option<Kind> {
        Some(match word {
            "*" => Kind::All,
            "member-join" => Kind::Members(MemberEventKind::Join),
            "member-leave" => Kind::Members(MemberEventKind::Leave),
            "member-failed" => Kind::Members(MemberEventKind::Failed),
            "member-update" => Kind::Members(MemberEventKind::Update),
            "member-reap" => Kind::Members(MemberEventKind::Reap),
            "user" => Kind::User,
            "query" => Kind::Query,
            _ => return None,
        })
    }

    const fn as_str(self) -> &'static str {
        match self {
            Kind::All => "*",
            Kind::Members(kind) => kind.as_str(),
            Kind::User => "user",
            Kind::Query => "query",
        }
    }
}

/// A word that names no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidFilter(pub String);

impl EventFilter {
    /// Parses a comma list; an empty one means all events.
    ///
    /// # Errors
    /// The first word that names no event.
    pub fn parse_list(list: &str) -> Result<Vec<EventFilter>, InvalidFilter> {
        let list = if list.is_empty() { "*" } else { list };
        list.split(',').map(EventFilter::parse).collect()
    }

    fn parse(word: &str) -> Result<EventFilter, InvalidFilter> {
        let named = word.strip_prefix("user:").map(|name| (Kind::User, name));
        let named = named.or_else(|| word.strip_prefix("query:").map(|name| (Kind::Query, name)));
        if let Some((kind, name)) = named {
            return Ok(EventFilter { kind, name: name.to_owned() });
        }
        match Kind::parse(word) {
            Some(kind) => Ok(EventFilter { kind, name: String::new() }),
            None => Err(InvalidFilter(word.to_owned())),
        }
    }

    /// Whether the event is wanted.
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        match (self.kind, event) {
            (Kind::All, Event::Members(_) | Event::User(_) | Event::Query(_)) => true,
            (Kind::Members(kind), Event::Members(event)) => kind == event.kind,
            (Kind::User, Event::User(event)) => self.name.is_empty() || *self.name == *event.name,
            (Kind::Query, Event::Query(query)) => self.name.is_empty() || *self.name == *query.name,
            _ => false,
        }
    }
}

impl fmt::Display for EventFilter {
    /// `EVENT:NAME`, the name perhaps empty: the form that statistics show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.name)
    }
}

/// A script and the event it runs for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventScript {
    /// When it runs.
    pub filter: EventFilter,
    /// What `/bin/sh -c` gets.
    pub script: String,
}

impl EventScript {
    /// Parses `[FILTER=]SCRIPT`, split at the first `=`; one entry for each element of the filter.
    ///
    /// # Errors
    /// The word that names no event, with the script, in the words of the original.
    pub fn parse(spec: &str) -> Result<Vec<EventScript>, String> {
        let (filter, script) = spec.split_once('=').unwrap_or(("", spec));
        let filters = EventFilter::parse_list(filter)
            .map_err(|InvalidFilter(word)| format!("Event '{word}' invoking '{script}'"))?;
        Ok(filters.into_iter().map(|filter| EventScript { filter, script: script.to_owned() }).collect())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tidings_core::{LamportTime, UserEvent};

    use super::*;

    fn user(name: &str) -> Event {
        Event::User(UserEvent {
            ltime: LamportTime(1),
            name: name.into(),
            payload: Bytes::new(),
            coalesce: false,
        })
    }

    #[test]
    fn a_specification_gives_one_entry_for_each_event_it_names() {
        let cases = [
            ("script.sh", &["*:"][..], "script.sh"),
            ("=a=b", &["*:"], "a=b"),
            ("user:deploy=x", &["user:deploy"], "x"),
            ("member-join,query:q,user=a=b", &["member-join:", "query:q", "user:"], "a=b"),
        ];
        for (spec, filters, script) in cases {
            let parsed = EventScript::parse(spec).unwrap();
            let shown: Vec<_> = parsed.iter().map(|entry| entry.filter.to_string()).collect();
            assert_eq!(shown, filters, "{spec}");
            assert!(parsed.iter().all(|entry| entry.script == script), "{spec}");
        }
        let error = EventScript::parse("member-explode=/bin/true").unwrap_err();
        assert_eq!(error, "Event 'member-explode' invoking '/bin/true'");
    }

    #[test]
    fn names_match_exactly_and_star_means_everything_an_application_sends() {
        let wants = |filter: &str, event: &Event| {
            EventFilter::parse_list(filter).unwrap().iter().any(|f| f.matches(event))
        };
        assert!(wants("user", &user("deploy")));
        assert!(wants("user:deploy", &user("deploy")));
        assert!(!wants("user:deploy", &user("deploys")));
        assert!(!wants("query:deploy,member-join", &user("deploy")));
        assert!(wants("", &user("deploy")));
        let other = Event::NameLost { matching: 0, responses: 1 };
        assert!(!wants("*", &other));
        assert_eq!(EventFilter::parse_list("bogus"), Err(InvalidFilter("bogus".into())));
    }
}
