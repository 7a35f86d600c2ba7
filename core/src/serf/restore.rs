//! Reading a snapshot (serf-wire, section 8).

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use bytes::Bytes;

use crate::serf::clock::LamportTime;

/// Bytes of a line that is looked at: a name and an address are far shorter.
const LINE_MAX: usize = 1024;

/// What a snapshot says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Members to try to rejoin through, ordered by name; the node itself may be among them.
    pub alive: Vec<(String, SocketAddr)>,
    /// The member clock is to witness this.
    pub clock: LamportTime,
    /// The event clock is to witness this; events up to it are old.
    pub event_clock: LamportTime,
    /// The query clock is to witness this; queries up to it are old.
    pub query_clock: LamportTime,
    /// The node left, and no member was recorded since.
    pub left: bool,
    /// Lines that mean nothing here, for a warning.
    pub ignored: usize,
    /// Bytes read.
    pub size: u64,
    /// The log of registrations, as far as it can be read; empty if there is none.
    pub registrations: Bytes,
    /// The last line is incomplete; it was dropped, and the file must be written afresh before
    /// anything is appended.
    pub torn: bool,
}

impl Restored {
    /// Reads a whole file. Without `rejoin`, a `leave` makes everything before it forgotten; with
    /// it, the line is passed over. More than `members_max` members are not taken.
    ///
    /// Every file can be read: a line that means nothing is counted and passed over.
    #[must_use]
    pub fn read(file: &[u8], rejoin: bool, members_max: usize) -> Restored {
        let mut restored = Restored { size: file.len() as u64, ..Restored::default() };
        let mut alive = BTreeMap::new();
        for line in file.split_inclusive(|byte| *byte == b'\n') {
            match line.strip_suffix(b"\n") {
                None => restored.torn = true,
                Some(b"leave") => {
                    restored.left = true;
                    if !rejoin {
                        alive.clear();
                        restored.clock = LamportTime(0);
                        restored.event_clock = LamportTime(0);
                        restored.query_clock = LamportTime(0);
                    }
                }
                Some(line) if is_comment(line) => {}
                Some(line) => {
                    let line = core::str::from_utf8(line).ok().filter(|line| line.len() <= LINE_MAX);
                    if line.and_then(|line| restored.take(line, &mut alive, members_max)).is_none() {
                        restored.ignored += 1;
                    }
                }
            }
        }
        restored.alive = alive.into_iter().map(|(name, addr)| (name.to_owned(), addr)).collect();
        restored
    }

    /// Takes a line; `None`: it means nothing.
    fn take<'a>(
        &mut self,
        line: &'a str,
        alive: &mut BTreeMap<&'a str, SocketAddr>,
        members_max: usize,
    ) -> Option<()> {
        let (word, rest) = line.split_once(": ")?;
        match word {
            "alive" => {
                // The name may hold spaces.
                let (name, addr) = rest.rsplit_once(' ')?;
                let addr = addr.parse().ok()?;
                if alive.len() >= members_max && !alive.contains_key(name) {
                    return None;
                }
                alive.insert(name, addr);
                self.left = false;
            }
            "not-alive" => {
                alive.remove(rest);
            }
            "clock" => self.clock = time(rest)?,
            "event-clock" => self.event_clock = time(rest)?,
            "query-clock" => self.query_clock = time(rest)?,
            _ => return None,
        }
        Some(())
    }
}

/// Lines that say nothing on purpose; old versions wrote coordinates.
fn is_comment(line: &[u8]) -> bool {
    line.starts_with(b"#") || line.starts_with(b"coordinate: ")
}

/// A time that a cluster can have counted to.
fn time(text: &str) -> Option<LamportTime> {
    text.parse().ok().map(LamportTime).filter(|time| time.is_credible())
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};
    use std::vec::Vec;

    use quickcheck_macros::quickcheck;

    use super::{LINE_MAX, LamportTime, Restored};

    fn names(restored: &Restored) -> Vec<&str> {
        restored.alive.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn clocks(restored: &Restored) -> (u64, u64, u64) {
        (restored.clock.0, restored.event_clock.0, restored.query_clock.0)
    }

    #[test]
    fn recorded_files_are_read_as_the_original_reads_them() {
        let everyone = &["sa", "sb", "sc node"][..];
        for (file, rejoin, alive, times, left) in [
            (
                &include_bytes!("../../tests/vectors/snapshots/1-running-0.9.4.snap")[..],
                false,
                everyone,
                (1, 1, 0),
                false,
            ),
            (
                include_bytes!("../../tests/vectors/snapshots/2-after-kill9.snap"),
                true,
                everyone,
                (1, 1, 0),
                false,
            ),
            (
                include_bytes!("../../tests/vectors/snapshots/3-after-leave-0.10.1.snap"),
                false,
                &[],
                (2, 0, 0),
                true,
            ),
            (
                include_bytes!("../../tests/vectors/snapshots/3-after-leave-0.10.1.snap"),
                true,
                everyone,
                (2, 2, 0),
                true,
            ),
            (
                include_bytes!("../../tests/vectors/snapshots/4-restart-after-leave-no-rejoin.snap"),
                false,
                &["sa"],
                (2, 0, 0),
                false,
            ),
            (
                include_bytes!("../../tests/vectors/snapshots/5-rejoin-flag-then-sigint.snap"),
                true,
                everyone,
                (5, 2, 0),
                true,
            ),
            (
                include_bytes!("../../tests/vectors/snapshots/5-rejoin-flag-then-sigint.snap"),
                false,
                &[],
                (5, 0, 0),
                true,
            ),
            (
                include_bytes!("../../tests/vectors/snapshots/7-after-compaction-0.10.1.snap"),
                false,
                &["sa", "sb", "sbig", "sc node"],
                (1, 7399, 0),
                false,
            ),
        ] {
            let restored = Restored::read(file, rejoin, 100);
            assert_eq!(names(&restored), alive);
            assert_eq!(clocks(&restored), times);
            assert_eq!((restored.left, restored.torn, restored.ignored), (left, false, 0));
            assert_eq!(restored.size, file.len() as u64);
        }
    }

    #[test]
    fn the_rules_line_by_line() {
        for (file, alive, times, ignored) in [
            ("", &[][..], (0, 0, 0), 0),
            ("alive: a 127.0.0.1:1\nnot-alive: a\n", &[], (0, 0, 0), 0),
            ("alive: a b  c [::1]:7946\n", &["a b  c"], (0, 0, 0), 0),
            ("not-alive: nobody\n", &[], (0, 0, 0), 0),
            ("alive: bad\nalive: bad addr\nalive:\n", &[], (0, 0, 0), 3),
            ("clock: 7\nclock: 5\n", &[], (5, 0, 0), 0),
            (
                "clock: x\nclock: -1\nclock: 18446744073709551615\nclock: 18446744073709551616\n",
                &[],
                (0, 0, 0),
                4,
            ),
            ("clock: 9223372036854775808\n", &[], (1 << 63, 0, 0), 0),
            ("event-clock: 1\nquery-clock: 2\n", &[], (0, 1, 2), 0),
            ("coordinate: {}\n# comment\n#\n", &[], (0, 0, 0), 0),
            ("\nnonsense\nleaving\n leave\n", &[], (0, 0, 0), 4),
            ("alive: a 1.2.3.4:5\nclock: 3\nleave\nclock: 4\n", &[], (4, 0, 0), 0),
        ] {
            let restored = Restored::read(file.as_bytes(), false, 100);
            assert_eq!(names(&restored), alive, "{file:?}");
            assert_eq!((clocks(&restored), restored.ignored), (times, ignored), "{file:?}");
        }
    }

    #[test]
    fn an_incomplete_last_line_is_dropped() {
        let restored = Restored::read(b"alive: a 127.0.0.1:7946\nalive: b 127.0.0.1:79", false, 100);
        assert_eq!(names(&restored), ["a"]);
        assert!(restored.torn);
        assert!(Restored::read(b"leave", false, 100).torn);
        assert!(!Restored::read(b"leave", false, 100).left);
    }

    #[test]
    fn members_and_lines_are_bounded() {
        let file: String = (0..50).map(|n| std::format!("alive: n{n} 127.0.0.1:1\n")).collect();
        let restored = Restored::read(file.as_bytes(), false, 10);
        assert_eq!((restored.alive.len(), restored.ignored), (10, 40));
        let long = std::format!("alive: {} 127.0.0.1:1\n", "x".repeat(LINE_MAX));
        assert_eq!(Restored::read(long.as_bytes(), false, 10).ignored, 1);
        assert_eq!(Restored::read(b"alive: \xff 127.0.0.1:1\n", false, 10).ignored, 1);
    }

    #[quickcheck]
    fn any_file_can_be_read(words: Vec<(u8, u64)>, bytes: Vec<u8>) -> bool {
        let mut file: Vec<u8> = Vec::new();
        for (word, number) in words {
            let word = ["alive: a ", "not-alive: ", "clock: ", "leave", "\n", "1.2.3.4:5\n", "#"]
                [usize::from(word % 7)];
            file.extend_from_slice(word.as_bytes());
            if number.is_multiple_of(2) {
                file.extend_from_slice(number.to_string().as_bytes());
            }
        }
        file.extend_from_slice(&bytes);
        let restored = Restored::read(&file, bytes.len().is_multiple_of(2), 3);
        restored.alive.len() <= 3
            && restored.clock <= LamportTime::LAST_CREDIBLE
            && restored.torn == file.last().is_some_and(|byte| *byte != b'\n')
    }
}
