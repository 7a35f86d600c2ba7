//! What survives a restart: who was alive, and the clocks (serf-wire, section 8).
//!
//! The snapshot is a file of text lines that is only appended to, and written afresh when it has
//! grown too long. Here it is decided what is written; somebody else writes it. Reading is in
//! [`restore`](crate::serf::restore).

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt::Write as _;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;

use crate::output::Persist;
use crate::serf::clock::LamportTime;
use crate::serf::restore::Restored;
use crate::time::Time;

/// Time between looks at the member clock, and between flushes.
const INTERVAL: Duration = Duration::from_millis(500);
/// A file up to this size is never written afresh.
const SIZE_MIN: u64 = 128 << 10;
/// Bytes of the file for each member alive before it is written afresh: twice a generous line.
const SIZE_PER_MEMBER: u64 = 256;

/// Writes the snapshot of a running node.
///
/// After each call that may have added lines, [`poll`](Self::poll) hands them out. Memory grows
/// with the members alive, of which `members_max` at most are recorded.
#[derive(Clone, Debug)]
pub struct Snapshot {
    alive: BTreeMap<Arc<str>, SocketAddr>,
    members_max: usize,
    /// Remember the members across a leave.
    rejoin: bool,
    /// The last values written.
    clock: LamportTime,
    event_clock: LamportTime,
    query_clock: LamportTime,
    /// Members and events are not recorded after a leave.
    left: bool,
    /// Lines not handed out yet.
    pending: String,
    /// Bytes of the file, with the pending ones.
    size: u64,
    last_flush: Time,
    flush: bool,
    /// The file must be written afresh, whatever its size.
    rewrite: bool,
    /// When to write the member clock; set while it has moved on.
    clock_due: Option<Time>,
}

impl Snapshot {
    /// Goes on where the file read ended. With `rejoin`, members are remembered across a leave.
    #[must_use]
    pub fn new(restored: &Restored, rejoin: bool, members_max: usize, now: Time) -> Self {
        Snapshot {
            alive: restored.alive.iter().map(|(name, addr)| (Arc::from(name.as_str()), *addr)).collect(),
            members_max,
            rejoin,
            clock: restored.clock,
            event_clock: restored.event_clock,
            query_clock: restored.query_clock,
            left: false,
            pending: String::new(),
            size: restored.size,
            last_flush: now,
            flush: false,
            rewrite: restored.torn,
            clock_due: None,
        }
    }

    /// A member joined or came back. `clock` is the member clock now.
    pub fn joined(&mut self, now: Time, clock: LamportTime, name: &Arc<str>, addr: SocketAddr) {
        // A name with a line break would be read as something else.
        let recordable =
            !name.contains('\n') && (self.alive.len() < self.members_max || self.alive.contains_key(name));
        if !self.left && recordable {
            self.alive.insert(name.clone(), addr);
            self.line(now, format_args!("alive: {name} {addr}"));
        }
        self.write_clock(now, clock);
    }

    /// A member left or failed. `clock` is the member clock now.
    pub fn gone(&mut self, now: Time, clock: LamportTime, name: &str) {
        if !self.left && !name.contains('\n') {
            self.alive.remove(name);
            self.line(now, format_args!("not-alive: {name}"));
        }
        self.write_clock(now, clock);
    }

    /// A user event was delivered.
    pub fn event(&mut self, now: Time, ltime: LamportTime) {
        if !self.left && ltime > self.event_clock {
            self.event_clock = ltime;
            self.line(now, format_args!("event-clock: {ltime}"));
        }
    }

    /// A query was received, internal ones included.
    pub fn query(&mut self, now: Time, ltime: LamportTime) {
        if !self.left && ltime > self.query_clock {
            self.query_clock = ltime;
            self.line(now, format_args!("query-clock: {ltime}"));
        }
    }

    /// The node leaves gracefully: without `rejoin` it will start alone.
    pub fn leave(&mut self, now: Time) {
        if self.left {
            return;
        }
        self.left = true;
        if !self.rejoin {
            self.alive.clear();
        }
        self.line(now, format_args!("leave"));
        self.flush = true;
    }

    /// The node stops: what is pending goes down.
    pub fn shutdown(&mut self, now: Time, clock: LamportTime) {
        self.write_clock(now, clock);
        self.flush = true;
    }

    /// The member clock may have moved. Writes nothing yet: a clock in motion is written now and
    /// then, at [`poll_timeout`](Self::poll_timeout).
    pub fn observe_clock(&mut self, now: Time, clock: LamportTime) {
        if self.clock_due.is_none() && last_seen(clock) > self.clock {
            self.clock_due = Some(now + INTERVAL);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to write.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.clock_due
    }

    /// Writes the member clock if it is due; late and extra calls are harmless.
    pub fn handle_timeout(&mut self, now: Time, clock: LamportTime) {
        if self.clock_due.is_some_and(|due| due <= now) {
            self.write_clock(now, clock);
        }
    }

    /// What is to be done with the file, if anything: the lines since the last call, or the whole
    /// file afresh when it has grown too long.
    #[must_use]
    pub fn poll(&mut self) -> Option<Persist> {
        if self.pending.is_empty() && !self.flush && !self.rewrite {
            return None;
        }
        let flush = core::mem::take(&mut self.flush);
        let lines = core::mem::take(&mut self.pending);
        let size_max = SIZE_MIN.max(self.alive.len() as u64 * SIZE_PER_MEMBER);
        if self.rewrite || self.size > size_max {
            self.rewrite = false;
            let lines = self.compact();
            self.size = lines.len() as u64;
            return Some(Persist::Replace { lines });
        }
        Some(Persist::Append { lines: lines.into(), flush })
    }

    /// The whole content in as few lines as it takes. It knows no `leave`: after one, it lists
    /// nobody unless the node is to rejoin.
    #[must_use]
    pub fn compact(&self) -> Bytes {
        let mut lines = String::new();
        for (name, addr) in &self.alive {
            let _ = writeln!(lines, "alive: {name} {addr}");
        }
        let (clock, event, query) = (self.clock, self.event_clock, self.query_clock);
        let _ = writeln!(lines, "clock: {clock}\nevent-clock: {event}\nquery-clock: {query}");
        lines.into()
    }

    /// Writes the last time seen if it is greater than the one written last.
    fn write_clock(&mut self, now: Time, clock: LamportTime) {
        self.clock_due = None;
        let seen = last_seen(clock);
        if seen > self.clock {
            self.clock = seen;
            self.line(now, format_args!("clock: {seen}"));
        }
    }

    fn line(&mut self, now: Time, line: core::fmt::Arguments<'_>) {
        let before = self.pending.len();
        let _ = writeln!(self.pending, "{line}");
        self.size += (self.pending.len() - before) as u64;
        if now > self.last_flush + INTERVAL {
            self.last_flush = now;
            self.flush = true;
        }
    }
}

/// The greatest time a clock has witnessed: it stands one behind.
fn last_seen(clock: LamportTime) -> LamportTime {
    LamportTime(clock.0.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use quickcheck_macros::quickcheck;

    use super::{Arc, Duration, LamportTime, Persist, Restored, SIZE_MIN, Snapshot, SocketAddr, Time};

    const RUNNING: &str = include_str!("../../tests/vectors/snapshots/1-running-0.9.4.snap");
    const AFTER_LEAVE: &str = include_str!("../../tests/vectors/snapshots/3-after-leave-0.10.1.snap");
    const OVERSIZE_HEAD: &str = include_str!("../../tests/vectors/snapshots/6-oversize-input.head.txt");
    const COMPACTED: &str = include_str!("../../tests/vectors/snapshots/7-after-compaction-0.10.1.snap");

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    fn addr(last: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, last], 7946))
    }

    fn on(file: &str, rejoin: bool) -> Snapshot {
        Snapshot::new(&Restored::read(file.as_bytes(), rejoin, 100), rejoin, 100, at(0))
    }

    /// Applies what a snapshot hands out to a file, as a writer does.
    fn write(snapshot: &mut Snapshot, file: &mut String) {
        while let Some(persist) = snapshot.poll() {
            match &persist {
                Persist::Append { lines, .. } => file.push_str(core::str::from_utf8(lines).expect("text")),
                Persist::Replace { lines } => *file = core::str::from_utf8(lines).expect("text").into(),
                Persist::Keyring { .. } | Persist::Registry { .. } => panic!("{persist:?}"),
            }
        }
    }

    fn sorted(file: &str) -> Vec<&str> {
        let mut lines: Vec<_> = file.lines().collect();
        lines.sort_unstable();
        lines
    }

    #[test]
    fn a_fresh_node_writes_the_lines_of_the_original() {
        let mut snapshot = on("", false);
        let mut file = String::new();
        for (name, last) in [("sa", 161), ("sb", 162), ("sc node", 163)] {
            snapshot.joined(at(1), LamportTime(1), &name.into(), addr(last));
        }
        snapshot.observe_clock(at(2), LamportTime(2));
        snapshot.handle_timeout(at(502), LamportTime(2));
        snapshot.event(at(503), LamportTime(1));
        write(&mut snapshot, &mut file);
        assert_eq!(file, RUNNING);
    }

    #[test]
    fn a_restart_and_a_leave_append_the_lines_of_the_original() {
        let mut file = String::from(RUNNING);
        let mut snapshot = on(&file, false);
        for (name, last) in [("sa", 161), ("sc node", 163), ("sb", 162)] {
            snapshot.joined(at(1), LamportTime(2), &name.into(), addr(last));
        }
        snapshot.event(at(2), LamportTime(2));
        snapshot.leave(at(3));
        snapshot.leave(at(3));
        snapshot.gone(at(4), LamportTime(2), "sb");
        snapshot.event(at(5), LamportTime(9));
        snapshot.query(at(5), LamportTime(9));
        snapshot.shutdown(at(6), LamportTime(3));
        write(&mut snapshot, &mut file);
        assert_eq!(file, AFTER_LEAVE);
    }

    #[test]
    fn a_file_grown_too_long_is_written_afresh_as_by_the_original() {
        let head = OVERSIZE_HEAD.split_once("event-clock: 3\n").expect("the head").0;
        let mut file = String::from(head);
        (3..=7399).for_each(|n| file.push_str(&std::format!("event-clock: {n}\n")));
        assert_eq!(file.len(), 132_245, "the input of the recording");
        let mut snapshot = on(&file, false);
        assert_eq!(snapshot.poll(), None, "not before the first line");
        snapshot.joined(at(1), LamportTime(1), &"sbig".into(), addr(164));
        write(&mut snapshot, &mut file);
        assert_eq!(sorted(&file), sorted(COMPACTED));
        snapshot.event(at(2), LamportTime(7400));
        write(&mut snapshot, &mut file);
        assert!(file.ends_with("query-clock: 0\nevent-clock: 7400\n"), "and goes on");
    }

    #[test]
    fn compaction_waits_for_the_larger_of_both_sizes() {
        let alive = (0..1000).map(|n| (std::format!("n{n}"), addr(1))).collect();
        let mut restored = Restored { alive, ..Restored::default() };
        for (size, compacts) in [(SIZE_MIN, false), (255_000, false), (256_000, true)] {
            restored.size = size;
            let mut snapshot = Snapshot::new(&restored, false, 2000, at(0));
            snapshot.event(at(1), LamportTime(5));
            assert_eq!(matches!(snapshot.poll(), Some(Persist::Replace { .. })), compacts, "{size}");
        }
    }

    #[test]
    fn clocks_are_written_only_when_they_have_moved_on() {
        let (mut snapshot, mut file) = (on("clock: 5\nevent-clock: 3\n", false), String::new());
        snapshot.observe_clock(at(1), LamportTime(6));
        assert_eq!(snapshot.poll_timeout(), None);
        snapshot.observe_clock(at(2), LamportTime(7));
        snapshot.observe_clock(at(400), LamportTime(9));
        assert_eq!(snapshot.poll_timeout(), Some(at(502)));
        snapshot.handle_timeout(at(501), LamportTime(9));
        snapshot.handle_timeout(at(502), LamportTime(9));
        assert_eq!(snapshot.poll_timeout(), None);
        snapshot.event(at(503), LamportTime(3));
        snapshot.gone(at(504), LamportTime(9), "x");
        write(&mut snapshot, &mut file);
        assert_eq!(file, "clock: 8\nnot-alive: x\n");
    }

    #[test]
    fn a_flush_is_asked_for_now_and_then_and_at_the_end() {
        let mut snapshot = on("", false);
        let mut flushes = |millis: u64, leave: bool| {
            if leave {
                snapshot.leave(at(millis));
            } else {
                snapshot.event(at(millis), LamportTime(millis));
            }
            matches!(snapshot.poll(), Some(Persist::Append { flush: true, .. }))
        };
        let flushed: Vec<_> = [(100, false), (501, false), (900, false), (1002, false), (1003, true)]
            .map(|(millis, leave)| flushes(millis, leave))
            .into();
        assert_eq!(flushed, [false, true, false, true, true]);
        snapshot.shutdown(at(1004), LamportTime(1));
        assert_eq!(snapshot.poll(), Some(Persist::Append { lines: "".into(), flush: true }));
        assert_eq!(snapshot.poll(), None);
    }

    #[test]
    fn after_a_leave_only_a_node_that_will_rejoin_lists_members() {
        for (rejoin, listed) in [(false, 0), (true, 3)] {
            let mut snapshot = on(RUNNING, rejoin);
            snapshot.leave(at(1));
            let compact = snapshot.compact();
            assert_eq!(Restored::read(&compact, rejoin, 100).alive.len(), listed);
        }
    }

    #[test]
    fn a_torn_file_is_written_afresh_rather_than_continued() {
        let mut file = String::from("alive: a 127.0.0.1:1\nclock: 12\nalive: b 127.0.0.1:79");
        let mut snapshot = on(&file, false);
        write(&mut snapshot, &mut file);
        assert_eq!(file, "alive: a 127.0.0.1:1\nclock: 12\nevent-clock: 0\nquery-clock: 0\n");
    }

    #[test]
    fn names_that_would_break_lines_and_surplus_members_are_not_recorded() {
        let mut snapshot = on("", false);
        snapshot.members_max = 1;
        snapshot.joined(at(1), LamportTime(1), &"a\nleave".into(), addr(1));
        snapshot.gone(at(1), LamportTime(1), "a\nleave");
        assert_eq!(snapshot.poll(), None);
        for name in ["a", "b", "a"] {
            snapshot.joined(at(1), LamportTime(1), &name.into(), addr(1));
        }
        let mut file = String::new();
        write(&mut snapshot, &mut file);
        assert_eq!(file, "alive: a 127.0.0.1:7946\nalive: a 127.0.0.1:7946\n");
    }

    #[quickcheck]
    fn reading_the_file_gives_what_was_written(steps: Vec<(u8, u8, u16)>, v6: bool) -> bool {
        let (mut snapshot, mut file, mut clock) = (on("", true), String::new(), 0);
        for (kind, name, time) in steps {
            let name: Arc<str> = std::format!("node {}", name % 9).into();
            let ip = if v6 { "::1" } else { "10.0.0.1" }.parse().expect("an address");
            let time = u64::from(time);
            clock = clock.max(time);
            match kind % 6 {
                0 => snapshot.event(at(time), LamportTime(time)),
                1 => snapshot.query(at(time), LamportTime(time)),
                2 => snapshot.gone(at(time), LamportTime(clock), &name),
                3 if kind > 250 => snapshot.leave(at(time)),
                _ => snapshot.joined(at(time), LamportTime(clock), &name, SocketAddr::new(ip, time as u16)),
            }
            if kind % 4 == 0 {
                write(&mut snapshot, &mut file);
            }
        }
        write(&mut snapshot, &mut file);
        let read = Restored::read(file.as_bytes(), true, 100);
        let fresh = Restored::read(&snapshot.compact(), true, 100);
        let alive: Vec<_> =
            snapshot.alive.iter().map(|(name, addr)| (String::from(&**name), *addr)).collect();
        read.alive == alive
            && fresh.alive == alive
            && (read.clock, read.event_clock, read.query_clock)
                == (snapshot.clock, snapshot.event_clock, snapshot.query_clock)
            && (fresh.clock, fresh.event_clock) == (read.clock, read.event_clock)
            && read.ignored == 0
            && snapshot.size == file.len() as u64
    }
}
