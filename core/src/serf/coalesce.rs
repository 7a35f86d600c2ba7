//! Folding events that come in quick succession (serf-wire, section 7).
//!
//! The first event opens a window; it closes after the period, or earlier after some quiet. Times
//! are values: the caller asks [`poll_timeout`](MemberCoalescer::poll_timeout) and calls
//! [`handle_timeout`](MemberCoalescer::handle_timeout) then; late and extra calls are harmless.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::config::Coalesce;
use crate::event::{MemberEvent, MemberEventKind, UserEvent};
use crate::serf::clock::LamportTime;
use crate::swim::member::Member;
use crate::time::Time;

/// Bytes of user events held back at most; more close the window early.
const USER_BYTES_MAX: usize = 1 << 20;

/// When held events are due.
#[derive(Clone, Copy, Debug)]
struct Window {
    rule: Coalesce,
    /// Set while the window is open: the end of its period, and when it closes as things stand.
    open: Option<(Time, Time)>,
}

impl Window {
    const fn new(rule: Coalesce) -> Self {
        Window { rule, open: None }
    }

    /// An event came: opens the window if need be, and restarts the quiet time.
    fn touch(&mut self, now: Time) {
        let end = self.open.map_or(now + self.rule.period, |(end, _)| end);
        self.open = Some((end, end.min(now + self.rule.quiescent)));
    }

    /// There is too much to hold: due at once.
    fn hurry(&mut self, now: Time) {
        self.open = Some((now, now));
    }

    fn due(&self) -> Option<Time> {
        self.open.map(|(_, due)| due)
    }

    fn is_due(&self, now: Time) -> bool {
        self.due().is_some_and(|due| due <= now)
    }
}

/// Folds member events: of each member only the newest is told, and only if it is news.
///
/// Kinds are told in the order of [`MemberEventKind`], members of one event by name. Unlike the
/// original, which tells a past update again with every later flush, each update is told once.
#[derive(Clone, Debug)]
pub struct MemberCoalescer {
    window: Window,
    pending: BTreeMap<Arc<str>, (MemberEventKind, Member)>,
    /// The kind last told of each member that was not forgotten since.
    told: BTreeMap<Arc<str>, MemberEventKind>,
    members_max: usize,
}

impl MemberCoalescer {
    /// Holds nothing yet. At `members_max` members with news the window closes early; it is also
    /// the number of members whose last kind is remembered.
    #[must_use]
    pub const fn new(rule: Coalesce, members_max: usize) -> Self {
        MemberCoalescer {
            window: Window::new(rule),
            pending: BTreeMap::new(),
            told: BTreeMap::new(),
            members_max,
        }
    }

    /// Takes an event in.
    pub fn handle(&mut self, now: Time, event: MemberEvent) {
        self.window.touch(now);
        for member in event.members {
            self.pending.insert(member.identity().name.clone(), (event.kind, member));
        }
        if self.pending.len() >= self.members_max {
            self.window.hurry(now);
        }
    }

    /// When the window closes; `None`: it is not open.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.window.due()
    }

    /// What is to be told now: nothing before the window closes.
    #[must_use]
    pub fn handle_timeout(&mut self, now: Time) -> Vec<MemberEvent> {
        if self.window.is_due(now) { self.flush() } else { Vec::new() }
    }

    /// Closes the window at once, for shutting down.
    #[must_use]
    pub fn flush(&mut self) -> Vec<MemberEvent> {
        self.window.open = None;
        let mut by_kind: BTreeMap<MemberEventKind, SmallVec<[Member; 1]>> = BTreeMap::new();
        for (name, (kind, member)) in core::mem::take(&mut self.pending) {
            if self.is_news(name, kind) {
                by_kind.entry(kind).or_default().push(member);
            }
        }
        by_kind.into_iter().map(|(kind, members)| MemberEvent { kind, members }).collect()
    }

    /// Whether a kind differs from the one told last, or is an update, which always counts. Notes
    /// it as told; a member that is forgotten is forgotten here too.
    fn is_news(&mut self, name: Arc<str>, kind: MemberEventKind) -> bool {
        let last = self.told.get(&name);
        if last == Some(&kind) && kind != MemberEventKind::Update {
            return false;
        }
        if kind == MemberEventKind::Reap {
            self.told.remove(&name);
        } else if last.is_some() || self.told.len() < self.members_max {
            self.told.insert(name, kind);
        }
        true
    }
}

/// Folds user events that allow it: of each name only those with the newest Lamport time are told,
/// the earliest time first, then by name, then as they came.
#[derive(Clone, Debug)]
pub struct UserCoalescer {
    window: Window,
    pending: BTreeMap<Arc<str>, Newest>,
    bytes: usize,
}

/// The events of one name with the newest time.
#[derive(Clone, Debug)]
struct Newest {
    ltime: LamportTime,
    events: SmallVec<[UserEvent; 1]>,
}

impl UserCoalescer {
    /// Holds nothing yet.
    #[must_use]
    pub const fn new(rule: Coalesce) -> Self {
        UserCoalescer { window: Window::new(rule), pending: BTreeMap::new(), bytes: 0 }
    }

    /// Takes an event in, or hands it back to be told at once if it may not be folded.
    pub fn handle(&mut self, now: Time, event: UserEvent) -> Option<UserEvent> {
        if !event.coalesce {
            return Some(event);
        }
        self.window.touch(now);
        let newest = self
            .pending
            .entry(event.name.clone())
            .or_insert_with(|| Newest { ltime: event.ltime, events: SmallVec::new() });
        if event.ltime > newest.ltime {
            self.bytes -= newest.events.iter().map(cost).sum::<usize>();
            newest.ltime = event.ltime;
            newest.events.clear();
        }
        if event.ltime == newest.ltime {
            self.bytes += cost(&event);
            newest.events.push(event);
        }
        if self.bytes >= USER_BYTES_MAX {
            self.window.hurry(now);
        }
        None
    }

    /// When the window closes; `None`: it is not open.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.window.due()
    }

    /// What is to be told now: nothing before the window closes.
    #[must_use]
    pub fn handle_timeout(&mut self, now: Time) -> Vec<UserEvent> {
        if self.window.is_due(now) { self.flush() } else { Vec::new() }
    }

    /// Closes the window at once, for shutting down.
    #[must_use]
    pub fn flush(&mut self) -> Vec<UserEvent> {
        self.window.open = None;
        self.bytes = 0;
        let pending = core::mem::take(&mut self.pending);
        let mut events: Vec<UserEvent> = pending.into_values().flat_map(|newest| newest.events).collect();
        // Stable: keeps the order of names and arrival within one time.
        events.sort_by_key(|event| event.ltime);
        events
    }
}

fn cost(event: &UserEvent) -> usize {
    size_of::<UserEvent>() + event.name.len() + event.payload.len()
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::string::{String, ToString};
    use std::vec::Vec;

    use bytes::Bytes;
    use quickcheck_macros::quickcheck;
    use smallvec::smallvec;

    use super::{
        Arc, Coalesce, LamportTime, Member, MemberCoalescer, MemberEvent, MemberEventKind, Time,
        USER_BYTES_MAX, UserCoalescer, UserEvent,
    };
    use crate::swim::member::{Identity, State, Status, Versions};

    const RULE: Coalesce = Coalesce { period: Duration::from_secs(3), quiescent: Duration::from_secs(1) };

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    fn member(name: &str) -> Member {
        Member {
            identity: Arc::new(Identity::new(
                name.into(),
                "127.0.0.1:7946".parse().expect("an address"),
                Bytes::new(),
                Versions::ours(5),
            )),
            hash: 0,
            status_ltime: LamportTime(0),
            incarnation: 0,
            state: State::Alive,
            status: Status::Alive,
        }
    }

    fn member_event(kind: MemberEventKind, name: &str) -> MemberEvent {
        MemberEvent { kind, members: smallvec![member(name)] }
    }

    fn told(events: Vec<MemberEvent>) -> Vec<(MemberEventKind, Vec<String>)> {
        let names = |e: &MemberEvent| e.members.iter().map(|m| m.name().to_string()).collect();
        events.iter().map(|event| (event.kind, names(event))).collect()
    }

    fn user(ltime: u64, name: &str, payload: &'static str) -> UserEvent {
        UserEvent {
            ltime: LamportTime(ltime),
            name: name.into(),
            payload: Bytes::from_static(payload.as_bytes()),
            coalesce: true,
        }
    }

    #[test]
    fn the_window_closes_after_quiet_or_after_its_period() {
        let mut coalescer = UserCoalescer::new(RULE);
        assert_eq!(coalescer.poll_timeout(), None);
        for (millis, due) in [(0, 1000), (500, 1500), (1400, 2400), (2100, 3000), (2900, 3000)] {
            assert!(coalescer.handle(at(millis), user(1, "a", "")).is_none());
            assert_eq!(coalescer.poll_timeout(), Some(at(due)), "after the event at {millis} ms");
        }
        assert!(coalescer.handle_timeout(at(2999)).is_empty());
        assert_eq!(coalescer.handle_timeout(at(3000)).len(), 5);
        assert_eq!(coalescer.poll_timeout(), None);
        assert!(coalescer.handle_timeout(at(9000)).is_empty());
    }

    #[test]
    fn only_the_newest_change_of_a_member_is_told_and_members_share_an_event() {
        use MemberEventKind::{Failed, Join, Leave};
        let mut coalescer = MemberCoalescer::new(RULE, 100);
        for (kind, name) in [(Join, "c"), (Join, "a"), (Join, "b"), (Failed, "b"), (Join, "d"), (Leave, "d")]
        {
            coalescer.handle(at(0), member_event(kind, name));
        }
        assert_eq!(
            told(coalescer.handle_timeout(at(1000))),
            [
                (Join, Vec::from(["a".to_string(), "c".to_string()])),
                (Leave, Vec::from(["d".to_string()])),
                (Failed, Vec::from(["b".to_string()]))
            ]
        );
    }

    #[test]
    fn a_kind_told_last_is_not_told_again_except_updates_and_after_a_reap() {
        use MemberEventKind::{Failed, Join, Reap, Update};
        let mut coalescer = MemberCoalescer::new(RULE, 100);
        let mut window = 0;
        for (kinds, expected) in [
            (&[Join][..], Some(Join)),
            (&[Failed, Join], None),
            (&[Update], Some(Update)),
            (&[Update], Some(Update)),
            (&[], None),
            (&[Failed], Some(Failed)),
            (&[Failed], None),
            (&[Reap], Some(Reap)),
            (&[Failed], Some(Failed)),
        ] {
            window += 1000;
            for kind in kinds {
                coalescer.handle(at(window), member_event(*kind, "a"));
            }
            let events = coalescer.handle_timeout(at(window + 1000));
            assert_eq!(events.first().map(|event| event.kind), expected, "{kinds:?}");
        }
    }

    #[test]
    fn a_reaped_member_takes_no_memory() {
        let mut coalescer = MemberCoalescer::new(RULE, 100);
        coalescer.handle(at(0), member_event(MemberEventKind::Join, "a"));
        assert_eq!(coalescer.flush().len(), 1);
        coalescer.handle(at(0), member_event(MemberEventKind::Reap, "a"));
        assert_eq!(coalescer.flush().len(), 1);
        assert!(coalescer.told.is_empty() && coalescer.pending.is_empty());
    }

    #[test]
    fn too_many_members_with_news_are_told_early() {
        let mut coalescer = MemberCoalescer::new(RULE, 2);
        coalescer.handle(at(5), member_event(MemberEventKind::Join, "a"));
        assert_eq!(coalescer.poll_timeout(), Some(at(1005)));
        coalescer.handle(at(6), member_event(MemberEventKind::Join, "b"));
        assert_eq!(coalescer.poll_timeout(), Some(at(6)));
        assert_eq!(coalescer.handle_timeout(at(6))[0].members.len(), 2);
    }

    #[test]
    fn of_each_name_the_events_of_the_newest_time_are_told() {
        let mut coalescer = UserCoalescer::new(RULE);
        let events =
            [(3, "b", "1"), (1, "a", "2"), (4, "a", "3"), (4, "a", "4"), (2, "a", "5"), (3, "a2", "6")];
        for (ltime, name, payload) in events {
            assert_eq!(coalescer.handle(at(0), user(ltime, name, payload)), None);
        }
        assert_eq!(
            coalescer.handle_timeout(at(1000)),
            [user(3, "a2", "6"), user(3, "b", "1"), user(4, "a", "3"), user(4, "a", "4")]
        );
    }

    #[test]
    fn an_event_that_may_not_be_folded_passes_at_once() {
        let mut coalescer = UserCoalescer::new(RULE);
        let event = UserEvent { coalesce: false, ..user(1, "a", "") };
        assert_eq!(coalescer.handle(at(0), event.clone()), Some(event));
        assert_eq!(coalescer.poll_timeout(), None);
    }

    #[test]
    fn too_many_bytes_close_the_window_early() {
        let mut coalescer = UserCoalescer::new(RULE);
        let big = UserEvent { payload: Bytes::from(std::vec![0; USER_BYTES_MAX / 2]), ..user(1, "a", "") };
        coalescer.handle(at(7), big.clone());
        assert_eq!(coalescer.poll_timeout(), Some(at(1007)));
        coalescer.handle(at(7), UserEvent { ltime: LamportTime(2), ..big.clone() });
        assert_eq!(coalescer.poll_timeout(), Some(at(1007)), "the older one was dropped");
        coalescer.handle(at(8), UserEvent { name: "b".into(), ..big });
        assert_eq!(coalescer.poll_timeout(), Some(at(8)));
        assert_eq!(coalescer.handle_timeout(at(8)).len(), 2);
        assert_eq!(coalescer.bytes, 0);
    }

    #[quickcheck]
    fn a_window_is_never_open_longer_than_its_period(gaps: Vec<u16>) -> bool {
        let mut coalescer = UserCoalescer::new(RULE);
        let (mut now, mut opened) = (0, None);
        gaps.into_iter().all(|gap| {
            now += u64::from(gap % 1500);
            if !coalescer.handle_timeout(at(now)).is_empty() {
                opened = None;
            }
            coalescer.handle(at(now), user(1, "a", ""));
            let since = *opened.get_or_insert(now);
            let due = coalescer.poll_timeout();
            due.is_some_and(|due| due > at(now) && due <= at(since + 3000) && due <= at(now + 1000))
        })
    }

    #[quickcheck]
    fn what_is_told_last_of_a_member_is_its_newest_kind(steps: Vec<(u8, u8, bool)>) -> bool {
        use MemberEventKind::{Failed, Join, Leave, Reap, Update};
        let mut coalescer = MemberCoalescer::new(RULE, 100);
        let (mut newest, mut seen) = (std::collections::BTreeMap::new(), std::collections::BTreeMap::new());
        let mut note = |events: Vec<MemberEvent>| {
            for (kind, names) in told(events) {
                seen.extend(names.into_iter().map(|name| (name, kind)));
            }
        };
        for (name, kind, flush) in steps {
            let (name, kind) =
                ((name % 5).to_string(), [Join, Leave, Failed, Update, Reap][usize::from(kind % 5)]);
            coalescer.handle(at(0), member_event(kind, &name));
            newest.insert(name, kind);
            if flush {
                note(coalescer.flush());
            }
        }
        note(coalescer.flush());
        seen == newest
    }
}
