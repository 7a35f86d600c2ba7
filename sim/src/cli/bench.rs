//! `tidings-sim bench`: how fast the simulator is.

use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;

use super::{Failure, say};
use crate::bench::{Progress, SCENARIOS, Scenario};

/// How often a line on the terminal shows that it still runs.
const TICK: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(super) struct Bench {
    /// What to run; all of it if nothing is named. A quiet cluster, or one of which 1 % (of
    /// 100,000: one) crash, until all others agree.
    #[arg(value_parser = scenario)]
    scenarios: Vec<Scenario>,
    /// Members of the cluster, in place of the scenario's own number.
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    members: Option<u32>,
    /// Virtual time in which nothing happens, as in `60s`.
    #[arg(long, value_parser = crate::span::parse)]
    quiet: Option<Duration>,
    /// How often each is run.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Everything random follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// With all invariants checked.
    #[arg(long)]
    checked: bool,
}

fn scenario(name: &str) -> Result<Scenario, String> {
    Scenario::named(name).ok_or_else(|| {
        let known: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        format!("there is no scenario `{name}`; there are {}", known.join(", "))
    })
}

impl Bench {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let all = SCENARIOS.to_vec();
        let scenarios = if self.scenarios.is_empty() { &all } else { &self.scenarios };
        let mut disagreed = false;
        for scenario in scenarios {
            let mut scenario = scenario.clone();
            if let Some(members) = self.members {
                // The same share of them crashes.
                scenario.crash = (scenario.crash * members as usize).div_ceil(scenario.members);
                scenario.members = members as usize;
            }
            scenario.quiet = self.quiet.unwrap_or(scenario.quiet);
            for _ in 0..self.runs {
                disagreed |= !self.run_one(&scenario);
            }
        }
        if disagreed { Err(Failure::Found) } else { Ok(()) }
    }

    /// Whether all agreed. Each figure is printed as soon as it is known.
    fn run_one(&self, scenario: &Scenario) -> bool {
        let Scenario { name, members, crash, within, .. } = scenario;
        let bar = ProgressBar::new_spinner();
        bar.set_message(format!("{name}: making {members} members"));
        bar.enable_steady_tick(TICK);
        let measured = scenario.measure_telling(self.seed, self.checked, &mut |progress| match progress {
            Progress::Made(took) => bar.suspend(|| {
                say(format_args!("{name}: {members} members, made in {:.2} s", took.as_secs_f64()));
            }),
            Progress::At(time) => bar.set_message(format!("{name}: at {time} of virtual time")),
            Progress::Quiet(speed) => bar.suspend(|| say(format_args!("  quiet     {speed}"))),
            Progress::Crash(speed) => bar.suspend(|| say(format_args!("  {crash} crash  {speed}"))),
        });
        bar.finish_and_clear();
        if !measured.agreed {
            eprintln!("{name}: {within:?} after the crash they do not agree");
        }
        measured.agreed
    }
}
