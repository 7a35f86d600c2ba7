//! `tidings-sim check`: many seeds, several at a time.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, describe, junit, read, say, write};
use crate::report::Recording;
use crate::run::{Outcome, run};
use crate::script::Script;
use crate::statistics::{self, Statistics};

#[derive(Debug, Args)]
pub(super) struct Check {
    /// The script, a TOML file.
    script: PathBuf,
    /// The seeds, `A..B` (B itself not).
    #[arg(long, default_value = "0..100", value_parser = seeds)]
    seeds: (u64, u64),
    /// Runs at the same time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: u16,
    /// Begin no run after this time, as in `60s`.
    #[arg(long, value_parser = crate::span::parse)]
    budget: Option<Duration>,
    /// Go on after a violation and report all of them.
    #[arg(long)]
    collect: bool,
    /// Run each seed two times and compare.
    #[arg(long)]
    twice: bool,
    /// Write the outcomes as JSON to this file (`-`: print them).
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write the outcomes as JUnit XML to this file.
    #[arg(long)]
    junit: Option<PathBuf>,
    /// Write how long detection, spread and agreement took over all seeds, how often somebody was
    /// wrongly declared failed, and what it cost, as JSON to this file (`-`: print a table).
    #[arg(long)]
    stats: Option<PathBuf>,
}

/// Reads a range of seeds.
pub(super) fn seeds(text: &str) -> Result<(u64, u64), String> {
    let wrong = || format!("`{text}` is no range of seeds: `A..B`, as in `0..1000`");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let (from, to) = (from.parse().map_err(|_| wrong())?, to.parse().map_err(|_| wrong())?);
    if from >= to {
        return Err(format!("`{text}` holds no seed: the first must be below the end"));
    }
    Ok((from, to))
}

impl Check {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let script = read(&self.script)?;
        if self.budget.is_some_and(|most| most.is_zero()) {
            return Err("--budget 0s: no run would begin; allowed is more, as in `60s`".to_owned().into());
        }
        let files = self.json.iter().chain(&self.junit).chain(&self.stats);
        for path in files.filter(|path| path.as_os_str() != "-") {
            // Better now than after an hour.
            write(path, "")?;
        }
        let wall = Instant::now();
        let (outcomes, statistics) = self.run_all(&script, wall);
        self.report(&outcomes)?;
        self.report_statistics(&statistics)?;
        let violations = outcomes.iter().filter(|outcome| outcome.violation.is_some()).count();
        let events: u64 = outcomes.iter().map(|outcome| outcome.events).sum();
        let over = self.budget.is_some_and(|most| wall.elapsed() >= most);
        if over && violations == 0 && (outcomes.len() as u64) < self.seeds.1 - self.seeds.0 {
            let next = outcomes.last().map_or(self.seeds.0, |outcome| outcome.seed + 1);
            say(format_args!("the budget was over: seeds {next}..{} were not run", self.seeds.1));
        }
        say(format_args!(
            "{} seeds in {:.1} s, {:.2} M events/s: {violations} with violations",
            outcomes.len(),
            wall.elapsed().as_secs_f64(),
            events as f64 / wall.elapsed().as_secs_f64().max(1e-9) / 1e6,
        ));
        if violations == 0 { Ok(()) } else { Err(Failure::Found) }
    }

    /// Threads take seed after seed; what each does depends on its seed alone.
    fn run_all(&self, script: &Script, wall: Instant) -> (Vec<Outcome>, Statistics) {
        let (from, to) = self.seeds;
        let next = AtomicU64::new(from);
        let stop = AtomicBool::new(false);
        let done = Mutex::new((Vec::new(), Statistics::default()));
        let bar = ProgressBar::new(to - from);
        if let Ok(style) =
            ProgressStyle::with_template("{elapsed} [{bar:40}] {pos}/{len} seeds, {eta} to go {msg}")
        {
            bar.set_style(style);
        }
        std::thread::scope(|scope| {
            for _ in 0..self.jobs {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed)
                        && self.budget.is_none_or(|most| wall.elapsed() < most)
                    {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= to {
                            break;
                        }
                        let (outcome, recording) = self.run_seed(script, seed);
                        if let Some(text) = describe(&self.script, &outcome) {
                            bar.suspend(|| say(text));
                            stop.store(!self.collect, Ordering::Relaxed);
                        }
                        bar.inc(1);
                        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                        if let Some(recording) = recording {
                            done.1.add(&outcome, &recording);
                        }
                        done.0.push(outcome);
                    }
                });
            }
        });
        bar.finish_and_clear();
        let (mut outcomes, statistics) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        outcomes.sort_by_key(|outcome| outcome.seed);
        (outcomes, statistics)
    }

    fn run_seed(&self, script: &Script, seed: u64) -> (Outcome, Option<Recording>) {
        let (mut outcome, recording) = if self.stats.is_some() {
            let (outcome, recording) = statistics::run_recorded(script, seed);
            (outcome, Some(recording))
        } else {
            (run(script, seed), None)
        };
        if self.twice && outcome.violation.is_none() {
            let again = run(script, seed);
            if again.digest != outcome.digest {
                outcome.violation = Some(crate::watch::Violation {
                    invariant: "M17 determinism".into(),
                    at: tidings_core::Time::ZERO,
                    members: Vec::new(),
                    what: format!("two runs have digests {} and {}", outcome.digest, again.digest),
                });
            }
        }
        (outcome, recording)
    }

    fn report_statistics(&self, statistics: &Statistics) -> Result<(), String> {
        let Some(path) = &self.stats else { return Ok(()) };
        if path.as_os_str() == "-" {
            print!("{statistics}");
            return Ok(());
        }
        let json = serde_json::to_string_pretty(&statistics.figures());
        write(path, &json.map_err(|error| error.to_string())?)
    }

    fn report(&self, outcomes: &[Outcome]) -> Result<(), String> {
        if let Some(path) = &self.json {
            let records: Vec<_> = outcomes.iter().map(Outcome::record).collect();
            write(path, &serde_json::to_string_pretty(&records).map_err(|error| error.to_string())?)?;
        }
        match &self.junit {
            Some(path) => write(path, &junit::write(&self.script.display().to_string(), outcomes)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::seeds;

    #[test]
    fn ranges_of_seeds_are_read_and_wrong_ones_explained() {
        assert_eq!(seeds("3..7"), Ok((3, 7)));
        for wrong in ["7..3", "3..3"] {
            assert!(seeds(wrong).unwrap_err().contains("below"), "{wrong}");
        }
        for wrong in ["", "7", "a..b", "1..-2"] {
            assert!(seeds(wrong).unwrap_err().contains("A..B"), "{wrong}");
        }
    }
}
