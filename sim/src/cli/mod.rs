//! The command line: `tidings-sim run`, `check`, `expand`, `trace`, `explain`, `compare`,
//! `shrink`, `paper`, `bench`, `registry`.

mod bench;
mod check;
mod compare;
mod explain;
mod junit;
mod paper;
mod registry;
mod stop;
mod trace;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use crate::report::Report;
use crate::run::{Outcome, run};
use crate::script::Script;
use crate::shrink::shrink_watched;

/// The simulator of Tidings clusters: thousands of real nodes, one seed.
#[derive(Debug, Parser)]
#[command(name = "tidings-sim", version = env!("CARGO_PKG_VERSION"))]
struct Line {
    #[command(subcommand)]
    command: Ask,
}

#[derive(Debug, Subcommand)]
enum Ask {
    /// Run a script once, all of it or up to a moment.
    #[command(visible_alias = "replay")]
    Run {
        /// The script, a TOML file.
        script: PathBuf,
        /// Everything random follows from it.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Run it two times and compare.
        #[arg(long)]
        twice: bool,
        /// Stop at this moment, as in `12.5s`, and print who holds what of whom.
        #[arg(long, value_parser = crate::span::parse, conflicts_with_all = ["twice", "json", "report", "csv"])]
        stop_at: Option<Duration>,
        /// Write the outcome as JSON to this file (`-`: print it).
        #[arg(long)]
        json: Option<PathBuf>,
        /// Write a report with pictures to this file (`-`: print it): HTML that needs nothing else.
        #[arg(long)]
        report: Option<PathBuf>,
        /// Write the numbers behind the pictures to this directory, a CSV file each.
        #[arg(long)]
        csv: Option<PathBuf>,
    },
    /// Run a script with many seeds.
    Check(check::Check),
    /// Print the script that a seed makes of one with a `[random]` part.
    #[command(alias = "record")]
    Expand {
        /// The script, a TOML file.
        script: PathBuf,
        /// Everything random follows from it.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Run a published experiment again and compare. Exit status 1: a figure lies outside its band.
    Paper(paper::Paper),
    Trace(trace::TraceArgs),
    Explain(explain::Explain),
    Compare(compare::Compare),
    /// Measure how fast the simulator is.
    Bench(bench::Bench),
    Registry(registry::Registry),
    /// Find the smallest script that still breaks the same invariant, and print it.
    Shrink {
        /// The script, a TOML file.
        script: PathBuf,
        /// The seed that fails.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Runs to try at most.
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
        runs: u32,
    },
}

/// What went wrong, as the exit status tells it.
enum Failure {
    /// An invariant does not hold, or a figure lies outside its band: 1.
    Found,
    /// The command line, a file or a script is wrong: 2.
    Wrong(String),
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Failure::Wrong(text)
    }
}

/// Runs the command line of this process. Exit status 0: nothing wrong; 1: an invariant does not
/// hold; 2: the request is wrong.
#[must_use]
pub fn main() -> ExitCode {
    let line = Line::parse();
    let done = match line.command {
        Ask::Run { script, seed, stop_at: Some(at), .. } => stop::stop(&script, seed, at),
        Ask::Run { script, seed, twice, json, report, csv, .. } => {
            let files = Files { json, report, csv };
            run_one(&script, seed, twice, &files)
        }
        Ask::Check(check) => check.run(),
        Ask::Expand { script, seed } => {
            let text = read(&script).map(|script| script.expand(seed).to_text());
            text.map(|text| say(text.trim_end())).map_err(Failure::from)
        }
        Ask::Paper(paper) => paper.run(),
        Ask::Trace(trace) => trace.run(),
        Ask::Explain(explain) => explain.run(),
        Ask::Compare(compare) => compare.run(),
        Ask::Bench(bench) => bench.run(),
        Ask::Registry(registry) => registry.run(),
        Ask::Shrink { script, seed, runs } => shrink(&script, seed, runs),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Found) => ExitCode::from(1),
        Err(Failure::Wrong(text)) => {
            eprintln!("{text}");
            ExitCode::from(2)
        }
    }
}

/// Reads a script.
fn read(path: &Path) -> Result<Script, String> {
    let text =
        fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Script::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Prints lines. Whoever reads may stop before the end, as `head` does.
fn say(text: impl std::fmt::Display) {
    use std::io::Write as _;

    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Writes a file, or prints it.
fn write(path: &Path, text: &str) -> Result<(), String> {
    if path == Path::new("-") {
        say(text);
        return Ok(());
    }
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// What a user needs to see and do about a violation.
fn describe(script: &Path, outcome: &Outcome) -> Option<String> {
    let found = outcome.violation.as_ref()?;
    let indented = |line: &String| format!("\n           {line}");
    let none = outcome.packets.is_empty().then(|| "  none between them".to_owned());
    let packets: String = none.into_iter().chain(outcome.packets.iter().map(indented)).collect();
    Some(format!(
        "violation: {}\n  seed     {}\n  at       {} of virtual time\n  members  {}\n  what     {}\n  \
         packets{packets}\n  replay   tidings-sim run {} --seed {}\n  trace    tidings-sim trace {} --seed {} \
         --member {}",
        found.invariant,
        outcome.seed,
        found.at,
        found.members.join(", "),
        found.what,
        script.display(),
        outcome.seed,
        script.display(),
        outcome.seed,
        found.members.first().map_or("n0", String::as_str),
    ))
}

/// What a run is to leave behind.
struct Files {
    json: Option<PathBuf>,
    report: Option<PathBuf>,
    csv: Option<PathBuf>,
}

impl Files {
    /// Better told before the run than after it.
    fn check(&self) -> Result<(), String> {
        let wrong = |path: &Path, error: std::io::Error| format!("cannot write {}: {error}", path.display());
        for path in self.json.iter().chain(&self.report).filter(|path| path.as_os_str() != "-") {
            fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(path)
                .map_err(|error| wrong(path, error))?;
        }
        if let Some(directory) = &self.csv {
            fs::create_dir_all(directory).map_err(|error| wrong(directory, error))?;
            // A directory that is there need not be writable.
            let probe = directory.join("faults.csv");
            fs::write(&probe, "").map_err(|error| wrong(&probe, error))?;
        }
        Ok(())
    }

    /// Runs a script, watching only if somebody wants to see.
    fn run(&self, path: &Path, script: &Script, seed: u64) -> Result<Outcome, String> {
        if self.report.is_none() && self.csv.is_none() {
            return Ok(run(script, seed));
        }
        let (report, outcome) = Report::run(script, seed, &path.display().to_string());
        if let Some(file) = &self.report {
            write(file, &report.html())?;
        }
        if let Some(directory) = &self.csv {
            report.write_csv(directory)?;
        }
        Ok(outcome)
    }
}

fn run_one(path: &Path, seed: u64, twice: bool, files: &Files) -> Result<(), Failure> {
    let script = read(path)?;
    files.check()?;
    let outcome = files.run(path, &script, seed)?;
    if twice {
        let again = run(&script, seed);
        if again.digest != outcome.digest {
            let digests = (outcome.digest, again.digest);
            say(format_args!("violation: M17 determinism\n  seed {seed}: {} and {}", digests.0, digests.1));
            return Err(Failure::Found);
        }
    }
    if let Some(json) = &files.json {
        let text = serde_json::to_string_pretty(&outcome.record()).map_err(|error| error.to_string())?;
        write(json, &text)?;
    }
    say(format_args!("seed {seed}  digest {}  {}", outcome.digest, outcome.speed()));
    match describe(path, &outcome) {
        Some(text) => {
            say(text);
            Err(Failure::Found)
        }
        None => {
            say(format_args!("no violation; {} datagrams, {} bytes", outcome.datagrams, outcome.bytes));
            Ok(())
        }
    }
}

fn shrink(path: &Path, seed: u64, runs: u32) -> Result<(), Failure> {
    let script = read(path)?;
    let bar = ProgressBar::new_spinner().with_message("runs tried");
    if let Ok(style) = ProgressStyle::with_template("{elapsed} {spinner} {pos} {msg}") {
        bar.set_style(style);
    }
    let found = shrink_watched(&script, seed, runs, |_| bar.inc(1));
    bar.finish_and_clear();
    let Some(found) = found else {
        return Err(format!("seed {seed} of {} breaks no invariant", path.display()).into());
    };
    let more = if found.runs < runs { "" } else { ", as many as --runs allows: it may become smaller yet" };
    eprintln!("{} still does not hold; {} runs{more}", found.invariant, found.runs);
    say(format_args!("# seed {seed}: {}\n{}", found.invariant, found.script.to_text().trim_end()));
    Ok(())
}
