//! Reports of runs: pictures for people, numbers for programs.
//!
//! A [`Recorder`] watches a cluster and changes nothing about it. What it has seen becomes a
//! [`Report`]: one file of HTML that needs nothing else, and a CSV file for each of its pictures.
//!
//! ```
//! use tidings_sim::{Report, Script};
//!
//! let script = Script::parse(
//!     "name = 'a crash'\nmembers = 8\ntime = '30s'\n[[fault]]\nat = '5s'\ndo.crash = { members = [3] }",
//! )?;
//! let (report, outcome) = Report::run(&script, 7, "crash.toml");
//! assert_eq!(report.recording.crashes[0].member, "n3");
//! assert!(report.html().contains("<svg") && outcome.violation.is_none());
//! # Ok::<(), String>(())
//! ```
//!
//! In a story, attach a recorder to the cluster (its nodes must be
//! [traced](crate::Plan::traced)):
//!
//! ```
//! use std::time::Duration;
//! use tidings_sim::{Cluster, Recorder};
//!
//! let mut cluster = Cluster::lan(5).traced().start();
//! let recorder = Recorder::new();
//! recorder.attach(&mut cluster);
//! cluster.run(Duration::from_secs(5)).crash(2).run(Duration::from_secs(30));
//! let report = recorder.report("one host crashes", &cluster);
//! let first = report.recording.crashes[0].first;
//! assert!(first.is_some_and(|time| time > Duration::from_secs(4)));
//! ```

mod alarm;
mod charts;
mod csv;
mod detect;
mod estimate;
pub(crate) mod names;
mod page;
mod recorder;
mod sample;
mod spread;
mod strip;
mod strip_chart;
mod svg;

use std::fs;
use std::path::Path;
use std::time::Duration;

pub use alarm::{Alarm, FailureEvent};
pub use detect::Crash;
pub use estimate::Estimate;
pub use recorder::{FaultSpan, Recorder, Recording};
pub use sample::Sample;
pub use spread::{Curve, Item, News, SHARES};
pub use strip::{Held, Row, Share, Truth};

use crate::cluster::Cluster;
use crate::digest::Digest;
use crate::rider::Rider;
use crate::run::Outcome;
use crate::script::Script;
use crate::statistics::run_recorded;
use crate::watch::Violation;

/// A run, ready to be looked at.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the run is about; may be empty.
    pub name: String,
    /// Its seed.
    pub seed: u64,
    /// The command that does it again; empty: there is none.
    pub command: String,
    /// What was wrong, if something was.
    pub violation: Option<Violation>,
    /// Digest of everything that happened.
    pub digest: Digest,
    /// From the last fault until all agreed, if that was asked for.
    pub healed_after: Option<Duration>,
    /// Events handled.
    pub events: u64,
    /// A line about speed.
    pub speed: String,
    /// What was seen.
    pub recording: Recording,
}

impl Report {
    /// Runs a script with a seed, watching. `path` is the script's, for the command that does it
    /// again.
    #[must_use]
    pub fn run(script: &Script, seed: u64, path: &str) -> (Report, Outcome) {
        let (outcome, recording) = run_recorded(script, seed);
        let report = Report {
            name: script.name.clone(),
            seed,
            command: format!("tidings-sim run {path} --seed {seed}"),
            violation: outcome.violation.clone(),
            digest: outcome.digest,
            healed_after: outcome.healed_after,
            events: outcome.events,
            speed: outcome.speed().to_string(),
            recording,
        };
        (report, outcome)
    }

    /// The report's title.
    #[must_use]
    pub fn title(&self) -> &str {
        if self.name.is_empty() { "A run of a cluster" } else { &self.name }
    }

    /// The report as one file of HTML that needs nothing else.
    #[must_use]
    pub fn html(&self) -> String {
        page::page(self)
    }

    /// The numbers behind the pictures: file names and contents.
    #[must_use]
    pub fn csv(&self) -> Vec<(&'static str, String)> {
        csv::files(&self.recording)
    }

    /// Writes the page to a file.
    ///
    /// # Errors
    /// The file and why it cannot be written.
    pub fn write_html(&self, path: &Path) -> Result<(), String> {
        fs::write(path, self.html()).map_err(|error| format!("cannot write {}: {error}", path.display()))
    }

    /// Writes the CSV files into a directory, which is made if it is missing.
    ///
    /// # Errors
    /// The file and why it cannot be written.
    pub fn write_csv(&self, directory: &Path) -> Result<(), String> {
        let wrong = |path: &Path, error| format!("cannot write {}: {error}", path.display());
        fs::create_dir_all(directory).map_err(|error| wrong(directory, error))?;
        for (name, text) in self.csv() {
            let path = directory.join(name);
            fs::write(&path, text).map_err(|error| wrong(&path, error))?;
        }
        Ok(())
    }
}

impl Recorder {
    /// Ends the watching of a story and makes its report.
    ///
    /// # Panics
    /// If nothing was watched.
    #[must_use]
    pub fn report<R: Rider>(&self, name: &str, cluster: &Cluster<R>) -> Report {
        let events = cluster.tally().events;
        Report {
            name: name.to_owned(),
            seed: cluster.seed,
            command: String::new(),
            violation: cluster.violations().first().cloned(),
            digest: cluster.digest(),
            healed_after: None,
            events,
            speed: format!("{events} events"),
            recording: self.finish(cluster),
        }
    }
}
