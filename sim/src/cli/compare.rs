//! `tidings-sim compare`: two scripts with the same seeds.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use indicatif::ProgressBar;

use super::{Failure, read, say, write};
use crate::compare::{Comparison, measure};
use crate::script::Script;

/// Two scripts, or one with two configurations, with the same seeds: distributions side by side,
/// and their difference seed by seed with its 95 % confidence interval.
#[derive(Debug, Args)]
pub(super) struct Compare {
    /// The one script, a TOML file.
    a: PathBuf,
    /// The other. They should differ only in what is to be compared, such as `[config]`.
    b: PathBuf,
    /// The seeds, `A..B` (B itself not).
    #[arg(long, default_value = "0..50", value_parser = super::check::seeds)]
    seeds: (u64, u64),
    /// Runs at the same time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: u16,
    /// Write the figures of each run to this file (`-`: print them).
    #[arg(long)]
    csv: Option<PathBuf>,
}

impl Compare {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let scripts = [read(&self.a)?, read(&self.b)?];
        if let Some(path) = self.csv.as_ref().filter(|path| *path != Path::new("-")) {
            // Better now than after an hour.
            write(path, "")?;
        }
        let comparison = self.run_all(&scripts);
        if let Some(path) = &self.csv {
            write(path, comparison.csv().trim_end())?;
        }
        say(format_args!("A: {}\nB: {}\n{comparison}", self.a.display(), self.b.display()));
        Ok(())
    }

    /// Threads take seed after seed; what each does depends on its seed alone.
    fn run_all(&self, scripts: &[Script; 2]) -> Comparison {
        let (from, to) = self.seeds;
        let next = AtomicU64::new(from);
        let runs = Mutex::new(Vec::new());
        let bar = ProgressBar::new(to - from);
        std::thread::scope(|scope| {
            for _ in 0..self.jobs {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= to {
                            break;
                        }
                        let sides = [0, 1].map(|side| measure(&scripts[side], seed));
                        runs.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((seed, sides));
                        bar.inc(1);
                    }
                });
            }
        });
        bar.finish_and_clear();
        let mut runs = runs.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        runs.sort_by_key(|(seed, _)| *seed);
        Comparison { runs }
    }
}
