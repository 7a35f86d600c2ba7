//! Probes on their way to whoever runs them: the node decides when, the application looks.

use std::sync::Arc;

use tidings_core::CheckId;
use tidings_core::registry::check::{CheckSpec, Health};
use tokio::sync::mpsc;

use crate::driver::Completion;

/// A probe to run, handed to the receiver of [`Options::checks`](crate::Options::checks).
#[derive(Debug)]
pub struct CheckRequest {
    /// What to do: its [`Probe::Run`](tidings_core::registry::check::Probe::Run).
    pub spec: Arc<CheckSpec>,
    /// Where the result goes.
    pub reply: CheckReply,
}

/// Tells the node what came of a probe. Dropped unused, it says that the check failed.
#[derive(Debug)]
pub struct CheckReply {
    id: CheckId,
    completions: Option<mpsc::UnboundedSender<Completion>>,
}

impl CheckReply {
    /// Reports the result, with what to show for it.
    pub fn done(mut self, status: Health, output: String) {
        self.report(status, output);
    }

    fn report(&mut self, status: Health, output: String) {
        if let Some(completions) = self.completions.take() {
            // Without a receiver the node is gone, and nobody waits.
            let _ = completions.send(Completion::Checked { id: self.id, status, output });
        }
    }
}

impl Drop for CheckReply {
    fn drop(&mut self) {
        self.report(Health::Critical, "the check was not run".into());
    }
}

/// The node's end: never waits for the runner.
#[derive(Debug)]
pub(crate) struct Checks {
    runner: Option<mpsc::Sender<CheckRequest>>,
    completions: mpsc::UnboundedSender<Completion>,
}

impl Checks {
    pub(crate) const fn new(
        runner: Option<mpsc::Sender<CheckRequest>>,
        completions: mpsc::UnboundedSender<Completion>,
    ) -> Self {
        Checks { runner, completions }
    }

    /// Hands a probe to the runner. If that cannot take it, the check fails (by the reply's drop).
    pub(crate) fn hand_over(&self, id: CheckId, spec: Arc<CheckSpec>) {
        let reply = CheckReply { id, completions: Some(self.completions.clone()) };
        if let Some(runner) = &self.runner {
            let _ = runner.try_send(CheckRequest { spec, reply });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidings_core::registry::check::{Action, Probe};

    use super::*;

    fn spec() -> Arc<CheckSpec> {
        let action = Arc::new(Action::Tcp { address: "127.0.0.1:1".into() });
        Arc::new(CheckSpec {
            id: "c".into(),
            name: "c".into(),
            notes: "".into(),
            service_id: "".into(),
            status: None,
            probe: Probe::Run { interval: Duration::ZERO, timeout: Duration::ZERO, action },
            success_before_passing: 0,
            failures_before_critical: 0,
            deregister_after: Duration::ZERO,
            output_max: 0,
        })
    }

    #[test]
    fn every_probe_has_a_result_whoever_runs_it() {
        let (completions, mut results) = mpsc::unbounded_channel();
        let status = |results: &mut mpsc::UnboundedReceiver<Completion>| match results.try_recv() {
            Ok(Completion::Checked { id, status, .. }) => (id.0, status),
            other => panic!("{other:?}"),
        };
        Checks::new(None, completions.clone()).hand_over(CheckId(1), spec());
        assert_eq!(status(&mut results), (1, Health::Critical));

        let (runner, mut requests) = mpsc::channel(1);
        let checks = Checks::new(Some(runner), completions);
        checks.hand_over(CheckId(2), spec());
        checks.hand_over(CheckId(3), spec());
        assert_eq!(status(&mut results), (3, Health::Critical), "there was no room for it");
        requests.try_recv().unwrap().reply.done(Health::Passing, String::new());
        assert_eq!(status(&mut results), (2, Health::Passing));
        assert!(results.try_recv().is_err());
    }
}
