//! Shrinking: the smallest script with which a seed still breaks the same invariant.

use std::time::Duration;

use crate::faults::{Fault, Pick, Trouble};
use crate::run::run_once;
use crate::script::Script;

/// What is left after shrinking.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest script found.
    pub script: Script,
    /// The invariant it breaks.
    pub invariant: String,
    /// Runs it took.
    pub runs: u32,
}

struct Shrinker {
    seed: u64,
    invariant: String,
    best: Script,
    runs: u32,
    runs_max: u32,
}

/// Takes away faults, work, time and members as long as the named invariant is still broken.
/// `None`: the seed breaks none.
#[must_use]
pub fn shrink(script: &Script, seed: u64, runs_max: u32) -> Option<Shrunk> {
    let best = script.expand(seed);
    let invariant = run_once(&best, seed, |_| {}, |_| {}).violation?.invariant;
    let mut shrinker = Shrinker { seed, invariant, best, runs: 1, runs_max };
    while shrinker.pass() {}
    let Shrinker { invariant, best, runs, .. } = shrinker;
    Some(Shrunk { script: best, invariant, runs })
}

impl Shrinker {
    /// Tries a smaller script; keeps it if it still fails in the same way.
    fn attempt(&mut self, edit: impl FnOnce(&mut Script)) -> bool {
        if self.runs >= self.runs_max {
            return false;
        }
        let mut smaller = self.best.clone();
        edit(&mut smaller);
        if smaller == self.best {
            return false;
        }
        self.runs += 1;
        let found = run_once(&smaller, self.seed, |_| {}, |_| {}).violation;
        let same = found.is_some_and(|found| found.invariant == self.invariant);
        if same {
            self.best = smaller;
        }
        same
    }

    /// One round of everything; whether anything helped.
    fn pass(&mut self) -> bool {
        let mut helped = self.drop_parts();
        helped |= self.attempt(|script| script.shuffle_ties = false);
        helped |= self.fewer_members();
        for divisor in [2, 4] {
            helped |= self.attempt(|script| {
                // Down to whole seconds, so that it comes to an end.
                script.time -= Duration::from_secs(script.time.as_secs() / divisor);
            });
            for number in 0..self.best.fault.len() {
                helped |= self.attempt(|script| shorten(&mut script.fault[number], divisor));
            }
        }
        for number in 0..self.best.work.len() {
            helped |=
                self.attempt(|script| script.work[number].times = script.work[number].times.div_ceil(2));
        }
        helped && self.runs < self.runs_max
    }

    /// Leaves out faults and work: halves first, then one by one.
    fn drop_parts(&mut self) -> bool {
        let mut helped = false;
        let mut size = self.best.fault.len().max(self.best.work.len());
        while size > 0 {
            let mut from = 0;
            while from < self.best.fault.len() {
                let to = (from + size).min(self.best.fault.len());
                if self.attempt(|script| drop(script.fault.drain(from..to))) {
                    helped = true;
                } else {
                    from = to;
                }
            }
            let mut from = 0;
            while from < self.best.work.len() {
                let to = (from + size).min(self.best.work.len());
                if self.attempt(|script| drop(script.work.drain(from..to))) {
                    helped = true;
                } else {
                    from = to;
                }
            }
            size /= 2;
        }
        helped
    }

    fn fewer_members(&mut self) -> bool {
        let most_named = self.best.fault.iter().filter_map(highest).max().map_or(2, |host| host + 1);
        let mut helped = false;
        for smaller in [self.best.members / 2, self.best.members * 3 / 4, self.best.members.saturating_sub(1)]
        {
            if smaller >= most_named.max(2) && smaller < self.best.members {
                helped |= self.attempt(|script| script.members = smaller);
            }
        }
        helped
    }
}

fn shorten(fault: &mut Fault, divisor: u64) {
    if let Some(lasts) = &mut fault.lasts {
        *lasts -= Duration::from_millis(lasts.as_millis() as u64 / divisor);
    }
}

/// The highest number a fault names a member by.
fn highest(fault: &Fault) -> Option<usize> {
    let (Trouble::Crash { members, .. } | Trouble::Freeze { members } | Trouble::BlockIo { members }) =
        &fault.what
    else {
        return None;
    };
    match members {
        Pick::These(hosts) => hosts.iter().max().copied(),
        _ => None,
    }
}
