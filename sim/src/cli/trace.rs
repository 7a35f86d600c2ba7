//! `tidings-sim trace`: what the nodes of a run decide and why, a line each.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use tidings_core::{Event, Output};

use super::read;
use crate::net::HostId;
use crate::watch::Sight;
use crate::world::World;

#[derive(Debug, Args)]
pub(super) struct TraceArgs {
    /// The script, a TOML file.
    script: PathBuf,
    /// Everything random follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only what happens at, or is about, this member.
    #[arg(long)]
    member: Option<String>,
    /// Only lines with this word: `Suspicion`, `ProbeEnded`, `member-failed`, `fault`.
    #[arg(long)]
    only: Option<String>,
    /// Only from this moment on.
    #[arg(long, default_value = "0s", value_parser = crate::span::parse)]
    from: Duration,
    /// Only up to this moment.
    #[arg(long, value_parser = crate::span::parse)]
    to: Option<Duration>,
}

impl TraceArgs {
    pub(super) fn run(&self) -> Result<(), String> {
        let script = read(&self.script)?.expand(self.seed);
        let mut cluster = script.start(self.seed);
        let text = Rc::new(RefCell::new(String::new()));
        let lines = text.clone();
        cluster.watch(move |world: &World, host: HostId, sight: &Sight<'_>| {
            line(world, host, sight, &mut lines.borrow_mut());
            None
        });
        let end = self.to.unwrap_or(script.time).min(script.time + script.quiet);
        let step = Duration::from_millis(100);
        let mut ended = Ok(());
        while ended.is_ok() && cluster.now() < tidings_core::Time::ZERO + end {
            ended = cluster.try_run(step);
            self.print(&mut text.borrow_mut());
        }
        if let Err(violation) = ended {
            println!("{violation}");
        }
        Ok(())
    }

    fn print(&self, text: &mut String) {
        use std::io::Write as _;

        let mut out = std::io::stdout().lock();
        for line in text.lines() {
            let at: f64 = line.split('s').next().and_then(|number| number.parse().ok()).unwrap_or(0.0);
            let member = self.member.as_ref().is_none_or(|member| mentions(line, member));
            let only = self.only.as_ref().is_none_or(|only| line.contains(only.as_str()));
            if at >= self.from.as_secs_f64() && member && only {
                // Whoever reads may stop before the end.
                let _ = writeln!(out, "{line}");
            }
        }
        text.clear();
    }
}

/// Whether a line names a member: `n1`, not `n10`.
fn mentions(line: &str, member: &str) -> bool {
    line.split(|c: char| !(c.is_alphanumeric() || "-.~".contains(c))).any(|word| word == member)
}

fn line(world: &World, host: HostId, sight: &Sight<'_>, text: &mut String) {
    let at = world.now();
    let name = world.hosts()[host].name();
    // Writing to a string cannot fail.
    let _ = match sight {
        Sight::Started => writeln!(text, "{at} {name} process started"),
        Sight::Stopped => writeln!(text, "{at} {name} process ended"),
        Sight::Fault(what) => writeln!(text, "{at} fault {what}"),
        Sight::Output(Output::Trace(trace)) => {
            writeln!(text, "{at} {name} {:?} because of {:?}", trace.decision, trace.cause)
        }
        Sight::Output(Output::Event(Event::Members(news))) => {
            let members: Vec<_> = news.members.iter().map(tidings_core::Member::name).collect();
            writeln!(text, "{at} {name} is told {} {}", news.kind, members.join(", "))
        }
        Sight::Output(Output::Event(Event::User(event))) => {
            writeln!(text, "{at} {name} is told event {} of time {}", event.name, event.ltime)
        }
        _ => Ok(()),
    };
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn members_are_found_by_their_whole_name() {
        assert!(mentions("1.0s n1 Suspicion { member: \"n10\" }", "n10"));
        assert!(!mentions("1.0s n12 Suspicion { member: \"n10\" }", "n1"));
    }
}
