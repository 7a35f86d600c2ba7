//! Forks: a running cluster goes on two times, from the same state.

use std::rc::Rc;

use tidings_core::ViewPool;

use crate::cluster::Cluster;
use crate::rider::Rider;
use crate::world::World;

/// A check of the whole cluster by name; says what is wrong, if something is.
pub(crate) struct Invariant<R: Rider> {
    pub(crate) name: String,
    pub(crate) check: Box<dyn Check<R>>,
}

/// A predicate that goes on checking in a fork.
pub(crate) trait Check<R: Rider>: FnMut(&Cluster<R>) -> Option<String> {
    fn fork(&self) -> Box<dyn Check<R>>;
}

impl<R: Rider, F: FnMut(&Cluster<R>) -> Option<String> + Clone + 'static> Check<R> for F {
    fn fork(&self) -> Box<dyn Check<R>> {
        Box::new(self.clone())
    }
}

impl<R: Rider + Clone> World<R> {
    /// A copy of the whole world at this moment; see [`Cluster::fork`].
    #[must_use]
    pub fn fork(&self) -> Self {
        World {
            now: self.now,
            hosts: self.hosts.clone(),
            glances: self.glances.clone(),
            net: self.net.clone(),
            queue: self.queue.clone(),
            connections: self.connections.clone(),
            held: self.held.clone(),
            faults: self.faults.clone(),
            seed: self.seed,
            keep_events: self.keep_events,
            answer_queries: self.answer_queries,
            check_luck: self.check_luck,
            violations: self.violations.clone(),
            works: self.works.clone(),
            watchers: self.watchers.iter().map(|watcher| watcher.fork()).collect(),
            make_rider: Rc::clone(&self.make_rider),
            // Views stay shared with the original's. What the two change from now on they would
            // hardly find in each other's pool.
            pool: ViewPool::new(),
            digest: self.digest,
            tally: self.tally,
            tokens: self.tokens,
            wakes_at_once: self.wakes_at_once,
        }
    }
}

impl<R: Rider + Clone> Cluster<R> {
    /// A second cluster that goes on from this one's present moment.
    ///
    /// The two have nothing to do with each other from here on. Given the same story they do the
    /// same, to the last byte; given different ones they show what the difference makes. All is
    /// copied: nodes, packets under way, clocks, disks, faults, riders, invariants and watchers.
    /// The members' views, by far the most of it, are shared until they change, so that a fork
    /// costs what nodes have beside them: some kilobytes each.
    ///
    /// Invariants and watchers are cloned; what a closure shares through an `Rc` stays shared.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidings_core::Status;
    /// use tidings_sim::Cluster;
    ///
    /// let secs = Duration::from_secs;
    /// let mut calm = Cluster::lan(5).seed(7).start();
    /// calm.run(secs(10));
    /// let mut troubled = calm.fork();
    /// troubled.crash(3).run(secs(30));
    /// calm.run(secs(30));
    /// assert_eq!(troubled.status(0, 3), Some(Status::Failed));
    /// assert_eq!(calm.status(0, 3), Some(Status::Alive));
    /// ```
    #[must_use]
    pub fn fork(&self) -> Self {
        let again = |known: &Invariant<R>| Invariant { name: known.name.clone(), check: known.check.fork() };
        Cluster {
            world: self.world.fork(),
            invariants: self.invariants.iter().map(again).collect(),
            cuts: self.cuts.clone(),
            holds: self.holds.clone(),
            story: self.story.clone(),
        }
    }
}
