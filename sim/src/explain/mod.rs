//! Why a member holds another suspect, failed, left or alive: the causal chain, from what it
//! decided last back to the probe that failed or to what the other said itself.
//!
//! ```
//! use std::time::Duration;
//! use tidings_core::Time;
//! use tidings_sim::{Script, explain};
//!
//! let script = Script::parse(
//!     "members = 5\ntime = '60s'\n[[fault]]\nat = '5s'\ndo.crash = { members = [3] }",
//! )?;
//! let why = explain::explain(&script, 7, Time::ZERO + Duration::from_secs(30), "n0", "n3")?;
//! assert!(why.headline.contains("n0 holds n3 failed"), "{why}");
//! assert!(why.to_string().contains("lost to a process that does not run"), "{why}");
//! # Ok::<(), String>(())
//! ```

mod chain;
mod probe;
mod record;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use tidings_core::{State, Time};

use crate::net::HostId;
use crate::run::run_watched;
use crate::script::Script;
use crate::watch::{Sight, Violation};
use crate::world::World;
use record::{Change, Chronicle, What};

/// What a run is stopped with once it has come to the moment in question.
const THERE: &str = "there";

/// Why somebody holds what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What is held, in a sentence.
    pub headline: String,
    /// From effect to cause.
    pub steps: Vec<Step>,
}

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Time,
    /// At which member.
    pub member: String,
    /// What happened there.
    pub what: String,
    /// The packets behind it, and what became of them.
    pub details: Vec<String>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline)?;
        for step in &self.steps {
            writeln!(f, "{:>12}  {} {}", step.at.to_string(), step.member, step.what)?;
            for detail in &step.details {
                writeln!(f, "{:14}  {detail}", "")?;
            }
        }
        Ok(())
    }
}

/// Why `member` holds `about` what it holds it to be at a moment of a run; later than its end: at
/// its end.
///
/// # Errors
/// There is no such member, or its process does not run then.
pub fn explain(
    script: &Script,
    seed: u64,
    at: Time,
    member: &str,
    about: &str,
) -> Result<Explanation, String> {
    if member == about {
        return Err(format!("{member} always holds itself alive; ask another about it"));
    }
    let chronicle = Rc::new(RefCell::new(Chronicle::new(about)));
    let watching = chronicle.clone();
    let mut end = Time::ZERO;
    // How the run ends does not matter here: a violation later than the moment is not reached.
    let _ = run_watched(
        script,
        seed,
        |cluster| {
            cluster.watch_from_now(move |world: &World, host: HostId, sight: &Sight<'_>| {
                if world.now() > at {
                    return Some(Violation {
                        invariant: THERE.into(),
                        at,
                        members: Vec::new(),
                        what: String::new(),
                    });
                }
                watching.borrow_mut().see(world, host, sight);
                None
            });
        },
        |cluster| end = cluster.now(),
    );
    let chronicle = chronicle.take();
    let at = at.min(end);
    let holder = chronicle.host(member)?;
    chronicle.host(about)?;
    let last = chronicle.changes.iter().rposition(|change| change.host == holder && change.is_own_view());
    let Some(last) = last else { return Err(format!("the process of {member} does not run at {at}")) };
    let held = match &chronicle.changes[last].what {
        What::Started { held } => *held,
        What::Stopped => return Err(format!("the process of {member} does not run at {at}")),
        What::State { after, .. } => Some(*after),
        What::Suspicion { .. } | What::Refuted { .. } => None,
    };
    let headline = match held {
        Some(held) => format!("At {at} {member} holds {about} {}.", word(held)),
        None => format!("At {at} {member} does not know {about}."),
    };
    Ok(Explanation { headline, steps: chain::walk(&chronicle, last) })
}

/// A state in the words of people.
const fn word(state: State) -> &'static str {
    match state {
        State::Alive => "alive",
        State::Suspect => "suspect",
        State::Dead => "failed",
        State::Left => "left",
        State::Forgotten => "forgotten",
    }
}

impl Change {
    /// Whether it changes what its host holds.
    const fn is_own_view(&self) -> bool {
        matches!(self.what, What::Started { .. } | What::Stopped | What::State { .. })
    }
}
