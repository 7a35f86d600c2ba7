//! Watching a run: what there is to see, and what may be found.

use std::fmt;

use tidings_core::{Input, Output, Time};

use crate::net::{HostId, LostTo};
use crate::rider::Rider;
use crate::world::World;

/// Something to see at a host.
#[derive(Debug)]
#[non_exhaustive]
pub enum Sight<'a> {
    /// Its process has started.
    Started,
    /// Its process is about to end.
    Stopped,
    /// Its node is about to be handed this.
    Input(&'a Input<'a>),
    /// Its node has put this out.
    Output(&'a Output),
    /// A datagram of its will not reach `to`; `None`: nobody has the address.
    Lost {
        /// Whom it was for.
        to: Option<HostId>,
        /// As it was sent.
        payload: &'a [u8],
        /// What it was lost to.
        why: LostTo,
    },
    /// A fault begins or ends; host 0 stands for all.
    Fault(&'a str),
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's stable name: `M4 no resurrection`.
    pub invariant: String,
    /// When, in the world's time.
    pub at: Time,
    /// The members concerned, the one that did wrong first.
    pub members: Vec<String>,
    /// What is wrong, in a sentence.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} ({}): {}", self.invariant, self.at, self.members.join(", "), self.what)
    }
}

/// Somebody who watches a run. It sees everything in the order in which it happens and changes
/// nothing.
pub trait Watch<R: Rider> {
    /// Looks; says what is wrong, if something is. The run then ends.
    fn see(&mut self, world: &World<R>, host: HostId, sight: &Sight<'_>) -> Option<Violation>;
}

impl<R: Rider, F: FnMut(&World<R>, HostId, &Sight<'_>) -> Option<Violation>> Watch<R> for F {
    fn see(&mut self, world: &World<R>, host: HostId, sight: &Sight<'_>) -> Option<Violation> {
        self(world, host, sight)
    }
}

/// Somebody who watches, and goes on watching in a fork of the world.
pub(crate) trait Watcher<R: Rider>: Watch<R> {
    fn fork(&self) -> Box<dyn Watcher<R>>;
}

impl<R: Rider, W: Watch<R> + Clone + 'static> Watcher<R> for W {
    fn fork(&self) -> Box<dyn Watcher<R>> {
        Box::new(self.clone())
    }
}
