//! What a node holds, and how much of it it may hold: the bounds that no input moves.

use core::fmt;

use crate::node::Node;
use crate::time::Time;

/// How much a node holds of something that peers or the application can make grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// What it is: `members`, `event queue`.
    pub what: &'static str,
    /// How much there is of it now.
    pub held: usize,
    /// How much the configuration allows.
    pub most: usize,
}

impl Holding {
    pub(crate) const fn new(what: &'static str, held: usize, most: usize) -> Self {
        Holding { what, held, most }
    }

    /// Whether there is more than allowed.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.held > self.most
    }
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} of at most {}", self.what, self.held, self.most)
    }
}

impl Node {
    /// How much the node holds of everything that can grow, beside how much it may (papers,
    /// section 7.4, L7). Counting costs nothing: each is known.
    pub fn holdings(&self) -> impl Iterator<Item = Holding> + '_ {
        let config = self.config();
        let layers = self.swim.holdings(config).into_iter().chain(self.serf.holdings(config));
        layers.chain(self.registry.iter().flat_map(|registry| registry.holdings(config)))
    }

    /// When the oldest intent about a member that is unknown arrived; such intents are kept for
    /// [`recent_intent_timeout`](crate::config::Members::recent_intent_timeout), and until the next
    /// reaping.
    #[must_use]
    pub fn oldest_intent(&self) -> Option<Time> {
        self.serf.oldest_intent()
    }
}
