//! What a process uses, as Linux accounts for it under `/proc`.

use std::fs;
use std::io;
use std::time::Duration;

/// The kernel's tick, in which processor time is told: 100 a second.
const TICK: Duration = Duration::from_millis(10);

/// What one process uses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Processor time since its start, its ended threads included; whole ticks.
    pub cpu: Duration,
    /// Bytes in memory, program and libraries included.
    pub resident: u64,
    /// Bytes in memory of its own: heap and stacks. 0 where the kernel does not tell.
    pub anonymous: u64,
}

impl Usage {
    /// What the process with this number uses now.
    ///
    /// # Errors
    /// When it is gone, or the kernel tells it in no form known here.
    pub fn of(pid: u32) -> io::Result<Usage> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        parse(&stat, &status)
            .ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat cannot be understood")))
    }
}

/// Bytes in memory, where each page that several processes share counts for its share of it.
///
/// # Errors
/// When the process is gone, or the kernel does not tell.
pub fn proportional(pid: u32) -> io::Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    kib(&rollup, "Pss:").ok_or_else(|| io::Error::other("no Pss in smaps_rollup"))
}

/// The number of KiB behind a word at the start of a line, in bytes.
fn kib(text: &str, word: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

fn parse(stat: &str, status: &str) -> Option<Usage> {
    // The second field is the program's name and may hold anything, parentheses too.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let ticks: u32 = times.next()?.parse::<u32>().ok()? + times.next()?.parse::<u32>().ok()?;
    Some(Usage {
        cpu: TICK * ticks,
        resident: kib(status, "VmRSS:")?,
        anonymous: kib(status, "RssAnon:").unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194304 9 0 0 0 150 25 0 0 20 0 1 0 1 1 1";
        let usage = parse(stat, "Name:\ta\nVmRSS:\t  2048 kB\nRssAnon:\t 512 kB\n").unwrap();
        assert_eq!(usage.cpu, Duration::from_millis(1_750));
        assert_eq!((usage.resident, usage.anonymous), (2 << 20, 512 << 10));
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(Usage::of(std::process::id()).unwrap().resident > 0);
    }
}
