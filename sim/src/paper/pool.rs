//! Runs spread over threads; the outcome does not depend on how many.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

/// How runs are carried out.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// Threads; each works on a run of its own.
    pub threads: usize,
    /// Whether to show how far it is (on a terminal).
    pub progress: bool,
}

impl Pool {
    /// As many threads as the machine has processors.
    #[must_use]
    pub fn new() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Pool { threads, progress: false }
    }

    /// Does every job; the results are in the order of the jobs.
    pub fn map<J: Sync, T: Send>(&self, what: &str, jobs: &[J], run: impl Fn(&J) -> T + Sync) -> Vec<T> {
        let bar = if self.progress { ProgressBar::new(jobs.len() as u64) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{msg:24} {wide_bar} {pos}/{len} {elapsed} (eta {eta})");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(what.to_owned());
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::with_capacity(jobs.len()));
        std::thread::scope(|scope| {
            for _ in 0..self.threads.clamp(1, jobs.len().max(1)) {
                scope.spawn(|| {
                    loop {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        let Some(job) = jobs.get(place) else { break };
                        let result = run(job);
                        results.lock().expect("a run that panics ends all").push((place, result));
                        bar.inc(1);
                    }
                });
            }
        });
        bar.finish_and_clear();
        let mut results = results.into_inner().expect("a run that panics ends all");
        results.sort_by_key(|(place, _)| *place);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        let jobs: Vec<u64> = (0..100).collect();
        let squares: Vec<u64> = jobs.iter().map(|job| job * job).collect();
        for threads in [1, 3, 200] {
            assert_eq!(Pool { threads, progress: false }.map("squares", &jobs, |job| job * job), squares);
        }
    }
}
