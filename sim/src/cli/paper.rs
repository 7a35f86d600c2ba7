//! `tidings-sim paper`: the published experiments, run again.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Failure, write};
use crate::paper::table::Verdict;
use crate::paper::{self, Pool, Record, Scale, Table};

/// An experiment of the literature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Experiment {
    /// Load, detection, dissemination and loss (Das, Gupta, Motivala 2002).
    Swim,
    /// Latency, false positives and load (Dadgar, Phillips, Currey 2018).
    Lifeguard,
    /// Rumour mongering and gossip (Demers et al. 1987; Karp et al. 2000).
    Epidemic,
}

#[derive(Debug, Args)]
pub(super) struct Paper {
    /// The experiment.
    #[arg(value_enum)]
    experiment: Experiment,
    /// A part of the experiment that takes minutes on two cores, as run on every change. Without it
    /// `lifeguard` runs the paper's whole grid for all five configurations and nine tunings: 63,180
    /// runs, some seven hours of processor time; see --times and --runs.
    #[arg(long)]
    reduced: bool,
    /// Runs of each combination; as many as the paper's unless said otherwise.
    #[arg(long, conflicts_with = "reduced", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    times: Option<u16>,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs at the same time; as many as there are processors unless said otherwise.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Keep Lifeguard's runs in this file, a line each, and do not do again those found in it: a
    /// grid that was stopped goes on where it was. Begin a new file for another build.
    #[arg(long)]
    runs: Option<PathBuf>,
    /// Write the tables as JSON to this file (`-`: print them).
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write the tables as CSV to this file (`-`: print them).
    #[arg(long)]
    csv: Option<PathBuf>,
}

impl Paper {
    pub(super) fn run(&self) -> Result<(), Failure> {
        for path in self.json.iter().chain(&self.csv).filter(|path| path.as_os_str() != "-") {
            // Better now than after hours.
            write(path, "")?;
        }
        let tables = self.tables()?;
        for table in &tables {
            println!("{table}");
        }
        if let Some(path) = &self.json {
            let records: Vec<_> = tables.iter().map(Table::record).collect();
            write(path, &serde_json::to_string_pretty(&records).map_err(|error| error.to_string())?)?;
        }
        if let Some(path) = &self.csv {
            write(path, &paper::table::csv(&tables))?;
        }
        let count = |verdict| tables.iter().map(|table| table.with(verdict).count()).sum::<usize>();
        let (ok, outside, missed) = (count(Verdict::Ok), count(Verdict::Outside), count(Verdict::Missed));
        println!("{ok} figures lie in their bands, {outside} outside as stated, {missed} missed");
        if missed == 0 { Ok(()) } else { Err(Failure::Found) }
    }

    fn tables(&self) -> Result<Vec<Table>, String> {
        if self.runs.is_some() && self.experiment != Experiment::Lifeguard {
            return Err("--runs is for lifeguard; the other experiments take minutes".into());
        }
        let record = self.runs.as_deref().map(Record::open).transpose()?;
        let mut pool = Pool { progress: true, ..Pool::new() };
        if let Some(jobs) = self.jobs {
            pool.threads = jobs.into();
        }
        let scale = match (self.reduced, self.times) {
            (true, _) => Scale::Reduced,
            (false, times) => Scale::Full { times: times.map(u64::from) },
        };
        Ok(match self.experiment {
            Experiment::Swim => paper::swim_tables::tables(scale, self.seed, &pool),
            Experiment::Lifeguard => {
                paper::lifeguard_tables::tables(scale, self.seed, &pool, record.as_ref())
            }
            Experiment::Epidemic => paper::epidemic::tables(scale, self.seed, &pool),
        })
    }
}
