//! Checkers that are told a history beside the one of a cluster.

use std::sync::Arc;
use std::time::Duration;

use tidings_core::{Cause, Command, Decision, Event, Input, Output, ProbeResult, Reply, State, Token, Trace};
use tidings_sim::{Checks, Cluster, Sight, Watch};

/// Checkers, and the cluster they believe to see. What is told without a host is told of host 0.
pub(crate) struct History {
    pub(crate) cluster: Cluster,
    checks: Checks,
}

impl History {
    pub(crate) fn of(cluster: Cluster) -> Self {
        let mut history = History { cluster, checks: Checks::new() };
        for host in history.cluster.living() {
            assert_eq!(history.tell_at(host, &Sight::Started), None);
        }
        history
    }

    /// Of four members that know each other.
    pub(crate) fn new() -> Self {
        Self::of(Cluster::lan(4).seed(3).start())
    }

    /// What is found when a host does this.
    pub(crate) fn tell_at(&mut self, host: usize, sight: &Sight<'_>) -> Option<String> {
        self.checks.see(&self.cluster, host, sight).map(|found| found.to_string())
    }

    pub(crate) fn tell(&mut self, sight: &Sight<'_>) -> Option<String> {
        self.tell_at(0, sight)
    }

    /// What is found once this much time has passed.
    pub(crate) fn after(&mut self, time: Duration) -> Option<String> {
        self.cluster.run(time);
        // Any sight will do to see that time has passed; this one tells nothing else.
        self.decide(Cause::Command, Decision::Awareness { before: 0, after: 0 })
    }

    pub(crate) fn decide_at(&mut self, host: usize, cause: Cause, decision: Decision) -> Option<String> {
        self.tell_at(host, &Sight::Output(&Output::Trace(Box::new(Trace { cause, decision }))))
    }

    pub(crate) fn decide(&mut self, cause: Cause, decision: Decision) -> Option<String> {
        self.decide_at(0, cause, decision)
    }

    pub(crate) fn output(&mut self, output: &Output) -> Option<String> {
        self.tell(&Sight::Output(output))
    }

    pub(crate) fn event_at(&mut self, host: usize, event: Event) -> Option<String> {
        self.tell_at(host, &Sight::Output(&Output::Event(event)))
    }

    pub(crate) fn event(&mut self, event: Event) -> Option<String> {
        self.event_at(0, event)
    }

    pub(crate) fn command_at(&mut self, host: usize, token: u64, command: Command) -> Option<String> {
        self.tell_at(host, &Sight::Input(&Input::Command { token: Token(token), command }))
    }

    pub(crate) fn command(&mut self, token: u64, command: Command) -> Option<String> {
        self.command_at(0, token, command)
    }

    pub(crate) fn reply_at(&mut self, host: usize, token: u64, reply: Reply) -> Option<String> {
        self.tell_at(host, &Sight::Output(&Output::Reply { token: Token(token), result: Ok(reply) }))
    }

    pub(crate) fn suspicion(&mut self, from: &str, confirmations: u32, remaining: u64) -> Option<String> {
        let remaining = Duration::from_secs(remaining);
        let decision = Decision::Suspicion { member: name("n2"), from: name(from), confirmations, remaining };
        self.decide(Cause::Timer, decision)
    }

    /// Host 0 changes its mind about host 2.
    pub(crate) fn state(&mut self, cause: Cause, before: Option<State>, after: State) -> Option<String> {
        let decision =
            Decision::State { member: name("n2"), before, after, incarnation: 1, from: name("n0") };
        self.decide(cause, decision)
    }

    /// A host changes its mind about another.
    pub(crate) fn state_at(&mut self, at: usize, of: usize, before: State, after: State) -> Option<String> {
        let (member, before) = (name(&format!("n{of}")), Some(before));
        let decision = Decision::State { member, before, after, incarnation: 1, from: name("n1") };
        self.decide_at(at, Cause::Command, decision)
    }

    pub(crate) fn probe(&mut self, target: &str, seq: u32) -> Option<String> {
        self.decide(Cause::Timer, Decision::ProbeStarted { target: name(target), seq })
    }

    pub(crate) fn probe_over(&mut self, target: &str, seq: u32) -> Option<String> {
        let result = ProbeResult::Acked;
        self.decide(Cause::Timer, Decision::ProbeEnded { target: name(target), seq, result })
    }
}

pub(crate) fn name(text: &str) -> Arc<str> {
    text.into()
}

#[track_caller]
pub(crate) fn assert_finds(found: Option<String>, parts: &[&str]) {
    let found = found.expect("a violation");
    for part in parts {
        assert!(found.contains(part), "{part} is missing in: {found}");
    }
}
