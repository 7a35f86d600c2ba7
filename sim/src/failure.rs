//! What a failing story tells, and stories told with many seeds.

use std::cell::Cell;
use std::fmt::Write as _;
use std::ops::Range;
use std::thread;

use tidings_core::Time;

use crate::cluster::Cluster;
use crate::rider::Rider;

/// The environment variable with the one seed that [`each_seed`] is to use.
const SEED: &str = "TIDINGS_SIM_SEED";
/// The environment variable with the seeds that [`each_seed`] is to use, `A..B`.
const SEEDS: &str = "TIDINGS_SIM_SEEDS";

thread_local! {
    /// The seed that [`each_seed`] has come to.
    static PRESENT: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Tells a story once with each seed.
///
/// When one fails, the message names its seed and how to tell the story with that seed alone: with
/// `TIDINGS_SIM_SEED=17` in the environment. `TIDINGS_SIM_SEEDS=0..10000` is for the night.
///
/// ```
/// use std::time::Duration;
/// use tidings_sim::{Cluster, each_seed};
///
/// each_seed(0..5, |seed| {
///     let mut cluster = Cluster::lan(5).seed(seed).start();
///     cluster.loss(0.05).run(Duration::from_secs(30)).assert(|c| c.converged());
/// });
/// ```
///
/// # Panics
/// If the story does, or one of the variables does not say what it should.
pub fn each_seed(seeds: Range<u64>, mut story: impl FnMut(u64)) {
    let variable = |name: &str| std::env::var(name).ok();
    let seeds = chosen(seeds, variable(SEED).as_deref(), variable(SEEDS).as_deref());
    for seed in seeds.unwrap_or_else(|wrong| panic!("{wrong}")) {
        let told = Telling { seed, before: PRESENT.replace(Some(seed)) };
        story(seed);
        drop(told);
    }
}

/// The seeds that the environment asks for, else the test's own.
fn chosen(seeds: Range<u64>, one: Option<&str>, some: Option<&str>) -> Result<Range<u64>, String> {
    if let Some(text) = one {
        let seed: u64 = text.parse().map_err(|_| format!("{SEED}={text}: allowed is a whole number"))?;
        return Ok(seed..seed + 1);
    }
    let Some(text) = some else { return Ok(seeds) };
    let range = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    match range {
        Some(range) if !range.is_empty() => Ok(range),
        _ => Err(format!("{SEEDS}={text}: allowed is `A..B` with A below B, as in `0..1000`")),
    }
}

/// A story being told with a seed; says so if it ends in a panic.
struct Telling {
    seed: u64,
    before: Option<u64>,
}

impl Drop for Telling {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the story fails with seed {}; again: {}", self.seed, replay(self.seed));
        }
        PRESENT.set(self.before);
    }
}

/// The command that tells the present test's story again.
fn replay(seed: u64) -> String {
    let here = thread::current();
    let test = here.name().filter(|name| *name != "main").map(|name| format!(" {name} -- --exact"));
    let variable = if PRESENT.get() == Some(seed) { format!("{SEED}={seed} ") } else { String::new() };
    format!("{variable}cargo test{}", test.unwrap_or_default())
}

impl<R: Rider> Cluster<R> {
    /// Everything one needs to see a failure again.
    pub(crate) fn failure(&self, what: &str, at: Time, members: &[String]) -> String {
        let members = if members.is_empty() { "all".to_owned() } else { members.join(", ") };
        let (script, left_out) = self.script();
        let mut text = format!(
            "{what}\n  seed     {}\n  at       {at} of virtual time\n  members  {members}\n  replay   {}\n\
             who holds whom alive (A), suspect (s), failed (F), leaving (l), left (L), unknown (.):\n{}\
             as a script, for `tidings-sim run FILE --seed {0}`:\n{}",
            self.seed,
            replay(self.seed),
            self.picture(),
            script.to_text(),
        );
        for missing in left_out {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# not in this script: {missing}");
        }
        text
    }

    /// As [`failure`](Self::failure), now, with those who disagree.
    pub(crate) fn failure_now(&self, what: &str) -> String {
        match self.agreement() {
            Ok(()) => self.failure(&format!("{what}; all hosts agree"), self.now, &[]),
            Err(wrong) => {
                let members = [wrong.at.clone(), wrong.about.clone()];
                self.failure(&format!("{what}; {wrong}"), self.now, &members)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_chooses_seeds_and_is_told_what_is_wrong() {
        assert_eq!(chosen(0..3, None, None), Ok(0..3));
        assert_eq!(chosen(0..3, None, Some("5..9")), Ok(5..9));
        assert_eq!(chosen(0..3, Some("7"), Some("5..9")), Ok(7..8));
        for (one, some) in [(Some("x"), None), (None, Some("9..5")), (None, Some("5")), (None, Some("a..b"))]
        {
            let wrong = chosen(0..3, one, some).unwrap_err();
            assert!(wrong.contains("TIDINGS_SIM_SEED") && wrong.contains("allowed is"), "{wrong}");
        }
    }
}
