//! Which lines of a trace somebody wants to see.

use std::time::Duration;

use tidings_core::Time;

use super::words::DECISIONS;
use super::{Line, VIOLATION};
use crate::letter::Letter;

/// Sorts of lines beside decisions.
const HAPPENINGS: [&str; 12] = [
    "started",
    "ended",
    "fault",
    VIOLATION,
    "user-event",
    "query",
    "member-join",
    "member-leave",
    "member-failed",
    "member-update",
    "member-reap",
    "stream",
];
/// What becomes of datagrams.
const DATAGRAMS: [&str; 3] = ["sent", "received", "lost"];
/// Invariants and the lines in which they can be seen: sorts of lines, kinds of messages.
const INVARIANTS: [(&str, &[&str], &[&str]); 24] = [
    ("M1", &["state", "refuted"], &["alive", "suspect", "dead"]),
    ("M2", &["state", "refuted"], &["alive", "suspect", "dead"]),
    ("M3", &["state"], &["alive", "suspect", "dead"]),
    ("M4", &["state", "forgotten", "started", "ended"], &["alive", "dead"]),
    ("M5", &["state", "status"], &["dead", "leave-intent", "join-intent"]),
    ("M6", &["state", "refuted"], &["suspect", "dead"]),
    ("M7", &["state", "suspicion", "suspicion-over"], &["suspect", "dead"]),
    ("M8", &["probe-started", "probe-late", "probe-ended"], &[]),
    ("M9", &["probe-started"], &[]),
    ("M10", &["broadcast-finished"], &["alive", "suspect", "dead"]),
    ("M11", &["sent"], &[]),
    ("M12", &["awareness", "probe-ended", "refuted"], &[]),
    ("M13", &["suspicion", "probe-started"], &["ping", "suspect"]),
    ("M14", &["probe-late", "probe-ended"], &["indirect-ping", "ack", "nack"]),
    ("M15", &["started", "ended", "state"], &["alive"]),
    (
        "M16",
        &["state", "status", "member-join", "member-leave", "member-failed", "member-update", "member-reap"],
        &[],
    ),
    ("S1", &["status", "user-event", "query"], &[]),
    ("S2", &["user-event"], &["user-event"]),
    ("S3", &["user-event"], &["user-event"]),
    ("S4", &["query"], &["query", "query-response", "relay"]),
    ("S5", &["status"], &["join-intent", "leave-intent"]),
    ("S6", &["user-event", "query"], &["user-event", "query"]),
    ("S7", &["member-update", "member-join"], &["alive"]),
    ("L", &["state", "status", "refuted", "awareness", "started", "ended", "user-event"], &[]),
];

/// What somebody wants to see. By default: everything but datagrams and streams.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filter {
    /// Only what happens at, or is about, one of these.
    members: Vec<String>,
    /// Only these sorts of lines.
    kinds: Vec<String>,
    /// Datagrams with messages of these kinds.
    messages: Vec<String>,
    from: Duration,
    to: Option<Duration>,
    /// Everything, datagrams and streams as well.
    all: bool,
}

/// `ProbeEnded` and `probe_ended` as `probe-ended`.
fn kebab(word: &str) -> String {
    let mut kebab = String::new();
    for c in word.chars() {
        if c.is_uppercase() && !kebab.is_empty() && !kebab.ends_with('-') {
            kebab.push('-');
        }
        kebab.push(if c == '_' || c == ' ' { '-' } else { c.to_ascii_lowercase() });
    }
    kebab
}

fn known<'a>(
    what: &str,
    words: &[String],
    allowed: impl Iterator<Item = &'a str> + Clone,
) -> Result<Vec<String>, String> {
    let find = |word: &String| {
        let kebab = kebab(word);
        match allowed.clone().find(|known| *known == kebab) {
            Some(_) => Ok(kebab),
            None => {
                let list: Vec<_> = allowed.clone().collect();
                Err(format!("there is no {what} `{word}`; allowed: {}", list.join(", ")))
            }
        }
    };
    words.iter().map(find).collect()
}

impl Filter {
    /// A filter from the words of a user.
    ///
    /// # Errors
    /// Which word is wrong and what is allowed.
    pub(crate) fn new(
        members: &[String],
        kinds: &[String],
        messages: &[String],
        invariant: Option<&str>,
        (from, to): (Duration, Option<Duration>),
    ) -> Result<Filter, String> {
        if let Some(to) = to.filter(|to| *to < from) {
            let (from, to) = (crate::span::format(from), crate::span::format(to));
            return Err(format!("the trace ends before it begins: --from {from}, --to {to}"));
        }
        let sorts = DECISIONS.into_iter().chain(HAPPENINGS).chain(DATAGRAMS);
        let mut kinds = known("sort of line", kinds, sorts)?;
        let mut messages = known("kind of message", messages, Letter::kinds().chain(std::iter::once("any")))?;
        if let Some(name) = invariant {
            let id = name.split(' ').next().unwrap_or_default();
            let liveness = ["L1", "L2", "L3", "L4", "L5", "L6", "L7", "L8", "L9"].contains(&id);
            let fits = |known: &str| id == known || known == "L" && liveness;
            let Some((_, sorts, letters)) = INVARIANTS.iter().find(|(known, ..)| fits(known)) else {
                return Err(format!(
                    "there is no invariant `{name}`; allowed: M1 to M16, S1 to S7, L1 to L9"
                ));
            };
            kinds.extend(sorts.iter().map(|sort| (*sort).to_owned()));
            messages.extend(letters.iter().map(|letter| (*letter).to_owned()));
        }
        Ok(Filter { members: members.to_vec(), kinds, messages, from, to, all: false })
    }

    /// The same, with datagrams and streams, if no sorts were asked for.
    pub(crate) fn with_everything(mut self) -> Filter {
        self.all = self.kinds.is_empty() && self.messages.is_empty();
        self
    }

    /// Whether datagrams and streams may have to be shown.
    pub(super) fn wants_packets(&self) -> bool {
        let of_packets = |kind: &String| kind == "stream" || DATAGRAMS.contains(&kind.as_str());
        self.all || !self.messages.is_empty() || self.kinds.iter().any(of_packets)
    }

    /// Whether nothing that happens from now on is to be shown.
    pub(super) fn is_over(&self, now: Time) -> bool {
        self.to.is_some_and(|to| now > Time::ZERO + to)
    }

    /// Whether a line is to be shown.
    pub(crate) fn passes(&self, line: &Line) -> bool {
        if line.what == VIOLATION {
            return true;
        }
        let at = Duration::from_nanos(line.at_ns);
        let in_time = at >= self.from && self.to.is_none_or(|to| at <= to);
        let of_member = self.members.is_empty()
            || line.member.is_empty()
            || self.members.iter().any(|name| line.member == *name || line.about.contains(name));
        in_time && of_member && self.is_asked_for(line)
    }

    fn is_asked_for(&self, line: &Line) -> bool {
        let datagram = DATAGRAMS.contains(&line.what.as_str());
        if self.kinds.is_empty() && self.messages.is_empty() {
            return self.all || !datagram && line.what != "stream";
        }
        let any = || self.messages.iter().any(|kind| kind == "any" || line.messages.contains(kind));
        self.kinds.contains(&line.what) || datagram && any()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(member: &str, what: &str, about: &[&str], messages: &[&str]) -> Line {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let (about, messages) = (owned(about), owned(messages));
        let (member, what) = (member.to_owned(), what.to_owned());
        Line { at_ns: 5_000_000_000, member, what, about, messages, text: String::new() }
    }

    fn filter(members: &[&str], kinds: &[&str], messages: &[&str], invariant: Option<&str>) -> Filter {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let window = (Duration::ZERO, None);
        Filter::new(&owned(members), &owned(kinds), &owned(messages), invariant, window).expect("a filter")
    }

    #[test]
    fn lines_are_chosen_by_member_sort_message_and_invariant() {
        let state = line("n1", "state", &["n10"], &[]);
        let ping = line("n1", "sent", &["n2", "n2"], &["ping", "suspect"]);
        for (filter, chosen) in [
            (filter(&[], &[], &[], None), [true, false]),
            (filter(&["n10"], &[], &[], None), [true, false]),
            (filter(&["n0"], &[], &[], None), [false, false]),
            (filter(&[], &["State"], &[], None), [true, false]),
            (filter(&[], &["ProbeEnded"], &[], None), [false, false]),
            (filter(&[], &[], &["suspect"], None), [false, true]),
            (filter(&[], &[], &["nack"], None), [false, false]),
            (filter(&["n2"], &["state"], &["any"], None), [false, true]),
            (filter(&[], &[], &[], Some("M3 precedence")), [true, true]),
            (filter(&[], &[], &[], Some("L2")), [true, false]),
            (filter(&[], &[], &[], None).with_everything(), [true, true]),
        ] {
            assert_eq!([filter.passes(&state), filter.passes(&ping)], chosen, "{filter:?}");
        }
    }

    #[test]
    fn sorts_of_invariants_exist() {
        for (name, sorts, letters) in INVARIANTS {
            assert!(!sorts.is_empty(), "{name}");
            for sort in sorts {
                filter(&[], &[sort], &[], None);
            }
            for letter in letters {
                filter(&[], &[], &[letter], None);
            }
        }
    }
}
