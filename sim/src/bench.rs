//! How fast the simulator is: named scenarios, timed.

use std::time::{Duration, Instant};

use tidings_core::{Status, Time};

use crate::check::Checks;
use crate::cluster::Cluster;
use crate::net::HostId;
use crate::speed::{Speed, growth, processor_time, resident_bytes};

/// How often a crash is looked at, to see whether all know of it.
const LOOK: Duration = Duration::from_millis(200);

/// The quiet time is told of in so many parts.
const SLICES: u32 = 50;

/// A cluster that starts converged, and what happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Members at the start.
    pub members: usize,
    /// Virtual time in which nothing happens.
    pub quiet: Duration,
    /// Members that crash together after that; the run goes on until all others agree on it.
    pub crash: usize,
    /// Virtual time they are given for that.
    pub within: Duration,
}

/// Every scenario, by the names it has.
pub const SCENARIOS: [Scenario; 5] = [
    quiet("quiet-1000", 1_000, 60),
    quiet("quiet-4000", 4_000, 30),
    Scenario { crash: 10, ..quiet("crash-1000", 1_000, 5) },
    Scenario { crash: 100, ..quiet("crash-10000", 10_000, 5) },
    Scenario { crash: 1, ..quiet("quiet-100000", 100_000, 5) },
];

const fn quiet(name: &'static str, members: usize, seconds: u64) -> Scenario {
    let (quiet, within) = (Duration::from_secs(seconds), Duration::from_secs(300));
    Scenario { name, members, quiet, crash: 0, within }
}

/// How a scenario went.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The quiet time.
    pub quiet: Speed,
    /// From the crash until all agreed, if there was one.
    pub crash: Option<Speed>,
    /// Real time it took to make the cluster.
    pub start: Duration,
    /// Whether all came to agree in time.
    pub agreed: bool,
}

/// How far a scenario has come.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// The cluster is there; real time it took.
    Made(Duration),
    /// Virtual time that it has reached.
    At(Time),
    /// The quiet time is over.
    Quiet(&'a Speed),
    /// All agree on the crash, or the time for that is over.
    Crash(&'a Speed),
}

impl Scenario {
    /// The scenario of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Scenario> {
        SCENARIOS.into_iter().find(|scenario| scenario.name == name)
    }

    /// Runs it, with all invariants checked if asked for.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidings_sim::bench::Scenario;
    ///
    /// let known = Scenario::named("crash-1000").expect("it is one of SCENARIOS");
    /// let small = Scenario { members: 30, crash: 1, quiet: Duration::from_secs(2), ..known };
    /// let measured = small.measure(7, true);
    /// assert!(measured.agreed);
    /// println!("quiet {}", measured.quiet);
    /// ```
    ///
    /// # Panics
    /// If an invariant is violated.
    #[must_use]
    pub fn measure(&self, seed: u64, checked: bool) -> Measured {
        self.measure_telling(seed, checked, &mut |_| {})
    }

    /// As [`measure`](Self::measure), telling how far it has come: of 100,000 members the end is long
    /// in coming.
    ///
    /// # Panics
    /// If an invariant is violated.
    #[must_use]
    pub fn measure_telling(&self, seed: u64, checked: bool, tell: &mut dyn FnMut(Progress<'_>)) -> Measured {
        let before = resident_bytes();
        let started = Instant::now();
        let plan = Cluster::lan(self.members).seed(seed).keep_events(false);
        let plan = plan.configure(|_, config| config.trace = checked);
        let mut cluster = plan.start();
        if checked {
            cluster.watch_from_now(Checks::new());
        }
        let start = started.elapsed();
        tell(Progress::Made(start));
        let quiet = timed(&mut cluster, before, |cluster| {
            let until = cluster.now() + self.quiet;
            while cluster.now() < until {
                let left = until.since(cluster.now());
                cluster.run((self.quiet / SLICES).max(LOOK).min(left));
                tell(Progress::At(cluster.now()));
            }
        });
        tell(Progress::Quiet(&quiet));
        let crashed = self.victims();
        let mut agreed = true;
        let crash = (self.crash > 0).then(|| {
            timed(&mut cluster, before, |cluster| {
                for host in &crashed {
                    cluster.crash(*host);
                }
                agreed = know(cluster, &crashed, self.within, tell);
            })
        });
        if let Some(crash) = &crash {
            tell(Progress::Crash(crash));
        }
        Measured { quiet, crash, start, agreed }
    }

    /// Who crashes: spread over all numbers, never the first.
    fn victims(&self) -> Vec<HostId> {
        (0..self.crash).map(|nth| (2 * nth + 1) * self.members / (2 * self.crash)).collect()
    }
}

/// Does something with a cluster and says how fast that went.
fn timed(cluster: &mut Cluster, before: Option<u64>, what: impl FnOnce(&mut Cluster)) -> Speed {
    let (wall, virtual_start, inputs) = (Instant::now(), cluster.now(), cluster.tally().inputs);
    let processor = processor_time();
    what(cluster);
    Speed {
        virtual_time: cluster.now().since(virtual_start),
        wall_time: wall.elapsed(),
        processor_time: processor_time().zip(processor).map(|(after, before)| after.saturating_sub(before)),
        inputs: cluster.tally().inputs - inputs,
        members: cluster.hosts().len(),
        bytes: growth(before),
    }
}

/// Runs until every living host holds all of these failed and all others alive; `false`: it did
/// not come to that in time.
fn know(
    cluster: &mut Cluster,
    crashed: &[HostId],
    within: Duration,
    tell: &mut dyn FnMut(Progress<'_>),
) -> bool {
    let until: Time = cluster.now() + within;
    let told = |cluster: &Cluster| crashed.iter().all(|of| cluster.status(0, *of) == Some(Status::Failed));
    while !(told(cluster) && cluster.converged()) {
        if cluster.now() >= until {
            return false;
        }
        cluster.run(LOOK);
        tell(Progress::At(cluster.now()));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_is_measured_until_all_know_of_it() {
        let scenario = Scenario { members: 40, crash: 2, ..quiet("small", 40, 3) };
        assert_eq!(scenario.victims(), [10, 30]);
        let (mut steps, mut reached) = (0, Time::ZERO);
        let measured = scenario.measure_telling(1, true, &mut |progress| match progress {
            Progress::At(time) => reached = time,
            _ => steps += 1,
        });
        assert!(measured.agreed && steps == 3);
        assert!(reached.since(Time::ZERO) > Duration::from_secs(7), "{reached}");
        assert_eq!(measured.quiet.virtual_time, Duration::from_secs(3));
        // Three inputs a member and second: the time to probe, a ping, an ack.
        assert!((300..500).contains(&measured.quiet.inputs), "{}", measured.quiet.inputs);
        let crash = measured.crash.unwrap();
        assert!(crash.virtual_time > Duration::from_secs(4), "{:?}", crash.virtual_time);
    }

    #[test]
    fn names_are_unique() {
        for scenario in SCENARIOS {
            assert_eq!(Scenario::named(scenario.name), Some(scenario));
        }
        assert_eq!(Scenario::named("quiet"), None);
    }
}
