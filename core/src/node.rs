//! The node: sends each input to its part, keeps the output queue and the one deadline.

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use crate::config::Config;
use crate::error::{ConfigError, Misuse};
use crate::input::Input;
use crate::metrics::{Metrics, Stats};
use crate::output::Output;
use crate::time::Time;

/// One member of a cluster: inputs in, outputs out, nothing else touched.
#[derive(Debug)]
pub struct Node {
    config: Arc<Config>,
    outputs: VecDeque<Output>,
    metrics: Metrics,
}

impl Node {
    /// Makes a node, alone in its cluster.
    ///
    /// # Errors
    /// What [`Config::validate`] finds.
    pub fn new(config: impl Into<Arc<Config>>, _seed: [u8; 32], _now: Time) -> Result<Node, ConfigError> {
        let config = config.into();
        config.validate()?;
        Ok(Node { config, outputs: VecDeque::new(), metrics: Metrics::default() })
    }

    /// The configuration it was made with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Takes in one thing that happened.
    ///
    /// # Errors
    /// [`Misuse`]: the caller broke the law of use; the node is as it was.
    pub fn handle_input(&mut self, _now: Time, _input: Input<'_>) -> Result<(), Misuse> {
        Ok(())
    }

    /// The next thing to do; `None`: nothing until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to hand in [`Input::Timeout`]; `None`: not at all.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        None
    }

    /// What this node has done so far.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How this node stands.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::default()
    }

    /// The members as they are now: an immutable copy, made in O(1).
    #[must_use]
    pub fn view(&self) -> crate::view::View {
        crate::view::View::default()
    }
}
