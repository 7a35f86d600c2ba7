//! `tidings-sim trace`: what happens in a run and why, a line each; and where two runs part.

use std::io::{BufRead as _, BufReader, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::{Failure, read, say};
use crate::trace::{Divergence, Filter, Line, Source, diff, trace};

/// What happens in a run, quiet phase and all, a line each; or where it parts from another.
///
/// Datagrams and streams are shown only if they are asked for (`--message`, `--kind sent`). With
/// `--diff` or `--diff-seed`, everything is compared; exit status 1: they differ.
#[derive(Debug, Args)]
pub(super) struct TraceArgs {
    /// The script, a TOML file; with `--diff` also a trace that was written with `--json`.
    script: PathBuf,
    /// Everything random follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only what happens at, or is about, this member. May be given again.
    #[arg(long)]
    member: Vec<String>,
    /// Only this sort of line: `state`, `suspicion`, `probe-ended`, `member-failed`, `fault`,
    /// `sent`, `received`, `lost`. May be given again.
    #[arg(long)]
    kind: Vec<String>,
    /// Datagrams with this kind of message: `ping`, `ack`, `suspect`, `user-event`, `any`. May be
    /// given again.
    #[arg(long)]
    message: Vec<String>,
    /// Only what this invariant is about: `M7`, `L2`.
    #[arg(long)]
    invariant: Option<String>,
    /// Only from this moment on.
    #[arg(long, default_value = "0s", value_parser = crate::span::parse)]
    from: Duration,
    /// Only up to this moment.
    #[arg(long, value_parser = crate::span::parse)]
    to: Option<Duration>,
    /// Lines of JSON, for programs and for a later `--diff`.
    #[arg(long)]
    json: bool,
    /// Compare with this: another script, or a trace written with `--json`, by another build
    /// perhaps.
    #[arg(long, value_name = "OTHER")]
    diff: Option<PathBuf>,
    /// The other run's seed; without `--diff`, of the same script.
    #[arg(long, value_name = "SEED")]
    diff_seed: Option<u64>,
    /// Lines shown before and after the place where they part.
    #[arg(long, default_value_t = 5)]
    context: usize,
}

impl TraceArgs {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let window = (self.from, self.to);
        let filter = Filter::new(&self.member, &self.kind, &self.message, self.invariant.as_deref(), window)?;
        if self.diff.is_some() || self.diff_seed.is_some() {
            return self.compare(&filter.with_everything());
        }
        let (script, json) = (read(&self.script)?, self.json);
        self.check_members(script.expand(self.seed).members)?;
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        trace(&script, self.seed, &filter, move |line| {
            let text = if json { to_json(&line) } else { line.to_string() };
            // Whoever reads may stop before the end.
            match writeln!(out, "{text}") {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        });
        Ok(())
    }

    /// Whoever comes back under another name is `n3~1`.
    fn check_members(&self, members: usize) -> Result<(), String> {
        let number = |name: &str| name.strip_prefix('n')?.split('~').next()?.parse::<usize>().ok();
        match self.member.iter().find(|name| number(name).is_none_or(|number| number >= members)) {
            Some(name) => Err(format!("there is no member `{name}`; allowed: n0 to n{}", members - 1)),
            None => Ok(()),
        }
    }

    fn compare(&self, filter: &Filter) -> Result<(), Failure> {
        let other = self.diff.as_ref().unwrap_or(&self.script);
        let left = source(&self.script, self.seed)?;
        let right = source(other, self.diff_seed.unwrap_or(self.seed))?;
        let (lines, parted) = diff(&left, &right, filter, self.context)?;
        match parted {
            None => {
                say(format_args!("no difference in {lines} lines"));
                Ok(())
            }
            Some(parted) => {
                say(self.shown(&parted).trim_end());
                Err(Failure::Found)
            }
        }
    }

    fn shown(&self, parted: &Divergence) -> String {
        let text = |line: &Line| if self.json { to_json(line) } else { line.to_string() };
        let mut shown = format!("{} lines are the same\n", parted.same);
        for line in &parted.before {
            shown.push_str(&format!("  {}\n", text(line)));
        }
        for (mark, lines) in [('<', &parted.left), ('>', &parted.right)] {
            for line in lines {
                shown.push_str(&format!("{mark} {}\n", text(line)));
            }
            if lines.is_empty() {
                shown.push_str(&format!("{mark} ends here\n"));
            }
        }
        shown
    }
}

fn to_json(line: &Line) -> String {
    serde_json::to_string(line).expect("a line is text and numbers")
}

/// A script to be run, or a trace that was written: its lines are JSON.
fn source(path: &Path, seed: u64) -> Result<Source, String> {
    let wrong = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let mut first = String::new();
    BufReader::new(std::fs::File::open(path).map_err(wrong)?).read_line(&mut first).map_err(wrong)?;
    if first.starts_with('{') {
        return Ok(Source::File(path.to_owned()));
    }
    Ok(Source::Run(Box::new(read(path)?), seed))
}
