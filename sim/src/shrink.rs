//! Shrinking: the smallest script with which a seed still breaks the same invariant.
//!
//! What is tried, again and again until nothing helps: to end the faults' time at the violation; to
//! leave out faults, work and variants, halves first; to leave out the chosen core, zones, delays,
//! the join storm and single settings; fewer members; fewer lies; faults that strike fewer and are
//! shorter; work that is done less often; and everything sooner, and at round times. The quiet phase stays as long as
//! it was, or whoever does not agree at once would break L2 convergence.

mod parts;

use std::collections::HashSet;
use std::time::Duration;

use tidings_core::Time;

use crate::cluster::Cluster;
use crate::run::run_once;
use crate::script::{NetSettings, Script, Settings};
use crate::watch::Violation;

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

/// Takes away faults, work, settings, time and members as long as the named invariant is still
/// broken, in at most `runs_max` runs. `None`: the seed breaks none.
#[must_use]
pub fn shrink(script: &Script, seed: u64, runs_max: u32) -> Option<Shrunk> {
    shrink_watched(script, seed, runs_max, |_| {})
}

/// As [`shrink`], for invariants of your own: `before` is handed the cluster of each run before
/// anything happens, to have it watched. It must do the same each time.
///
/// ```
/// use tidings_core::Status;
/// use tidings_sim::Script;
/// use tidings_sim::shrink::shrink_watched;
///
/// let script = Script::parse(
///     "members = 10
///      time = '60s'
///      [[fault]]
///      at = '2s'
///      for = '1s'
///      do.loss = { rate = 0.1 }
///      [[fault]]
///      at = '5s'
///      do.crash = { members = [1], return = 'never' }",
/// )?;
/// let shrunk = shrink_watched(&script, 3, 500, |cluster| {
///     cluster.invariant("n0 holds n1 alive", |c| {
///         (c.status(0, 1) == Some(Status::Failed)).then(|| "n1 is missing".into())
///     });
/// });
/// let shrunk = shrunk.expect("it breaks");
/// assert_eq!(shrunk.invariant, "n0 holds n1 alive");
/// assert!(shrunk.script.members < 10 && shrunk.script.fault.len() == 1);
/// println!("{}", shrunk.script.to_text());
/// # Ok::<(), String>(())
/// ```
#[must_use]
pub fn shrink_watched(
    script: &Script,
    seed: u64,
    runs_max: u32,
    before: impl Fn(&mut Cluster),
) -> Option<Shrunk> {
    let mut best = script.expand(seed);
    // What is left keeps its luck when others are taken away.
    best.number_streams();
    let found = run_once(&best, seed, &before, |_| {}).violation?;
    let mut shrinker = Shrinker { seed, before, found, best, tried: HashSet::new(), runs: 1, runs_max };
    while shrinker.pass() {}
    let Shrinker { found, best, runs, .. } = shrinker;
    Some(Shrunk { script: best, invariant: found.invariant, runs })
}

struct Shrinker<F> {
    seed: u64,
    before: F,
    best: Script,
    /// What the best script breaks.
    found: Violation,
    /// Scripts that did not break it.
    tried: HashSet<String>,
    runs: u32,
    runs_max: u32,
}

impl<F: Fn(&mut Cluster)> Shrinker<F> {
    /// Tries a smaller script; keeps it if it still fails in the same way.
    fn attempt(&mut self, edit: impl FnOnce(&mut Script)) -> bool {
        let mut smaller = self.best.clone();
        edit(&mut smaller);
        if smaller == self.best || self.runs >= self.runs_max || !smaller.is_valid() {
            return false;
        }
        // Passes come back to what they tried before.
        if !self.tried.insert(smaller.to_text()) {
            return false;
        }
        self.runs += 1;
        let found = run_once(&smaller, self.seed, &self.before, |_| {}).violation;
        match found.filter(|found| found.invariant == self.found.invariant) {
            Some(found) => {
                (self.best, self.found) = (smaller, found);
                true
            }
            None => false,
        }
    }

    /// One round of everything; whether anything helped.
    fn pass(&mut self) -> bool {
        let mut helped = self.less_time();
        helped |= self.drop_parts(|script| &mut script.fault);
        helped |= self.drop_parts(|script| &mut script.work);
        helped |= self.drop_parts(|script| &mut script.variant);
        helped |= self.plainer();
        helped |= self.fewer_members();
        helped |= self.fewer_settings();
        helped |= self.smaller_faults();
        helped |= self.less_work();
        helped |= self.sooner();
        helped |= self.rounder();
        helped && self.runs < self.runs_max
    }

    /// Leaves out some of a list: halves first, then one by one.
    fn drop_parts<T>(&mut self, list: impl Fn(&mut Script) -> &mut Vec<T>) -> bool {
        let mut helped = false;
        let mut size = list(&mut self.best).len();
        while size > 0 {
            let mut from = 0;
            while from < list(&mut self.best).len() {
                let to = (from + size).min(list(&mut self.best).len());
                if self.attempt(|script| drop(list(script).drain(from..to))) {
                    helped = true;
                } else {
                    from = to;
                }
            }
            size /= 2;
        }
        helped
    }

    /// What makes a script remarkable as a whole.
    fn plainer(&mut self) -> bool {
        let mut helped = self.attempt(|script| script.core = None);
        helped |= self.attempt(|script| script.shuffle_ties = false);
        helped |= self.attempt(|script| script.converged = true);
        helped |= self.attempt(|script| script.net = NetSettings::default());
        helped |= self.attempt(|script| (script.net.zones, script.net.between_zones) = (None, None));
        helped |= self.attempt(|script| script.net.latency = None);
        helped
    }

    /// The fewest members, by halves: nearly always, more of them fail as well.
    fn fewer_members(&mut self) -> bool {
        let all = self.best.members;
        let mut fewest = self.best.most_named().map_or(2, |host| host + 1).max(2);
        while fewest < self.best.members {
            let half = fewest + (self.best.members - fewest) / 2;
            if !self.attempt(|script| script.members = fewest) {
                fewest = if self.attempt(|script| script.members = half) { fewest + 1 } else { half + 1 };
            }
        }
        self.best.members < all
    }

    /// Settings that the failure does not need, each by itself.
    fn fewer_settings(&mut self) -> bool {
        let mut helped = self.attempt(|script| script.config = Settings::default());
        for key in self.best.config.keys() {
            helped |= self.attempt(|script| script.config = script.config.without(&key));
        }
        for number in 0..self.best.variant.len() {
            for key in self.best.variant[number].config.keys() {
                helped |= self.attempt(|script| {
                    let variant = &mut script.variant[number];
                    variant.config = variant.config.without(&key);
                });
            }
        }
        helped
    }

    /// Less time: up to the violation, whose past stays what it was; else less and less.
    fn less_time(&mut self) -> bool {
        let happened = self.found.at.since(Time::ZERO);
        let ends = Duration::from_secs(happened.as_secs() + 1);
        let mut helped = ends < self.best.time && self.attempt(|script| script.time = ends);
        for divisor in [2, 4] {
            helped |= self.attempt(|script| {
                // Down to whole seconds, so that it comes to an end.
                script.time -= Duration::from_secs(script.time.as_secs() / divisor);
            });
        }
        helped
    }

    /// The time before anything happens is left out, most of it.
    fn sooner(&mut self) -> bool {
        let at =
            self.best.fault.iter().map(|fault| fault.at).chain(self.best.work.iter().map(|work| work.at));
        let Some(first) = at.min().map(|at| at.as_secs()) else { return false };
        [first, first.saturating_sub(1), first / 2].into_iter().any(|seconds| {
            let early = Duration::from_secs(seconds);
            self.attempt(|script| {
                script.fault.iter_mut().for_each(|fault| fault.at -= early);
                script.work.iter_mut().for_each(|work| work.at -= early);
                script.time -= early.min(script.time.saturating_sub(Duration::from_secs(1)));
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_breaks_nothing_has_nothing_to_shrink() {
        let script = Script::parse("members = 3\ntime = '5s'").unwrap();
        assert!(shrink(&script, 1, 10).is_none());
    }

    #[test]
    fn no_more_runs_are_made_than_allowed() {
        fn bad(cluster: &mut Cluster) {
            cluster.invariant("never", |_| Some("always".into()));
        }
        let runs = std::cell::Cell::new(0);
        let shrunk = shrink_watched(&crate::script::mixed(6), 1, 7, |cluster| {
            runs.set(runs.get() + 1);
            bad(cluster);
        });
        assert_eq!((shrunk.unwrap().runs, runs.get()), (7, 7));
    }
}
