//! A running cluster, and the words to tell stories with.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tidings_core::{Command, QueryParams, Time, Token};

use crate::faults::{Fault, LinkPick, Pick, Return, Shape, Trouble};
use crate::fork::Invariant;
use crate::net::HostId;
use crate::rider::Rider;
use crate::story::Story;
use crate::watch::Violation;
use crate::workload::{Task, Work};
use crate::world::{Start, World};

/// How often [`Cluster::eventually`] looks.
const LOOK: Duration = Duration::from_millis(10);

/// A cluster in virtual time.
///
/// ```
/// use std::time::Duration;
/// use tidings_core::Status;
/// use tidings_sim::Cluster;
///
/// let secs = Duration::from_secs;
/// let mut cluster = Cluster::lan(5).seed(7).start();
/// cluster.run(secs(2));
/// cluster.crash(3);
/// cluster.eventually(secs(60), |c| c.all_hold(3, Some(Status::Failed)));
/// cluster.restart(3);
/// cluster.eventually(secs(30), |c| c.converged());
/// ```
///
/// Whatever is asked of it happens at the cluster's present moment; time passes only in
/// [`run`](Self::run) and [`eventually`](Self::eventually). Two clusters with the same plan and
/// the same story are equal to the last byte; [`digest`](World::digest) tells.
pub struct Cluster<R: Rider = ()> {
    pub(crate) world: World<R>,
    pub(crate) invariants: Vec<Invariant<R>>,
    /// Partitions and cuts made by the story.
    pub(crate) cuts: Vec<usize>,
    /// The story's own pauses, by host.
    pub(crate) holds: BTreeMap<HostId, Vec<usize>>,
    /// What it has done, for a script.
    pub(crate) story: Story,
}

impl<R: Rider> std::ops::Deref for Cluster<R> {
    type Target = World<R>;

    fn deref(&self) -> &World<R> {
        &self.world
    }
}

impl<R: Rider> std::ops::DerefMut for Cluster<R> {
    fn deref_mut(&mut self) -> &mut World<R> {
        &mut self.world
    }
}

impl<R: Rider> Cluster<R> {
    pub(crate) fn of(world: World<R>) -> Self {
        Cluster {
            world,
            invariants: Vec::new(),
            cuts: Vec::new(),
            holds: BTreeMap::new(),
            story: Story::default(),
        }
    }

    /// Lets time pass.
    ///
    /// # Panics
    /// If a watcher or an invariant finds something wrong: the message says what.
    #[track_caller]
    pub fn run(&mut self, time: Duration) -> &mut Self {
        if let Err(violation) = self.try_run(time) {
            panic!("{}", self.failure(&violation.to_string(), violation.at, &violation.members));
        }
        self
    }

    /// Lets time pass, until something is found to be wrong. The invariants of
    /// [`Cluster::invariant`] are asked whenever a node has handled something.
    ///
    /// # Errors
    /// What is wrong.
    pub fn try_run(&mut self, time: Duration) -> Result<(), Violation> {
        let until = self.now + time;
        if self.invariants.is_empty() {
            self.world.run_until(until);
        } else {
            let mut inputs = self.tally().inputs;
            while self.world.violations.is_empty() && self.world.step(until) {
                if std::mem::replace(&mut inputs, self.tally().inputs) != inputs {
                    self.check_invariants();
                }
            }
            if self.world.violations.is_empty() {
                self.world.now = until;
            }
        }
        match self.world.violations.first() {
            Some(violation) => Err(violation.clone()),
            None => Ok(()),
        }
    }

    /// A predicate over the whole cluster that must hold at every event from now on; it says what
    /// is wrong.
    pub fn invariant(
        &mut self,
        name: impl Into<String>,
        check: impl FnMut(&Cluster<R>) -> Option<String> + Clone + 'static,
    ) -> &mut Self {
        self.invariants.push(Invariant { name: name.into(), check: Box::new(check) });
        self
    }

    fn check_invariants(&mut self) {
        let mut invariants = std::mem::take(&mut self.invariants);
        for Invariant { name, check } in &mut invariants {
            if let Some(what) = check(self) {
                let violation =
                    Violation { invariant: name.clone(), at: self.now, members: Vec::new(), what };
                self.world.violations.push(violation);
            }
        }
        self.invariants = invariants;
    }

    /// Demands something of the cluster as it is now.
    ///
    /// # Panics
    /// If it does not hold.
    #[track_caller]
    pub fn assert(&mut self, holds: impl FnOnce(&Cluster<R>) -> bool) -> &mut Self {
        assert!(holds(self), "{}", self.failure_now("it does not hold"));
        self
    }

    /// Runs until something holds, looking every 10 ms; returns how long it took.
    ///
    /// # Panics
    /// If it does not hold in time.
    #[track_caller]
    pub fn eventually(&mut self, within: Duration, mut holds: impl FnMut(&Cluster<R>) -> bool) -> Duration {
        let start = self.now;
        while !holds(self) {
            let passed = self.now.since(start);
            assert!(passed < within, "{}", self.failure_now(&format!("not within {within:?}")));
            self.run(LOOK);
        }
        self.now.since(start)
    }

    // What happens to hosts.

    /// Ends a host's process without a word; its machine goes on.
    pub fn crash(&mut self, host: HostId) -> &mut Self {
        self.story.crashes(self.world.now, host);
        self.world.stop(host, true);
        self
    }

    /// Starts a crashed host afresh; it joins through all hosts that run.
    pub fn restart(&mut self, host: HostId) -> &mut Self {
        self.story.restarts(self.world.now, host);
        let remembers = self.hosts[host].disk.remembers();
        self.world.start(host, if remembers { Start::Restored } else { Start::Fresh });
        let via = self.living();
        self.world.join(host, &via[..via.len().min(4)]);
        self
    }

    /// Stops a host's process; it finds everything when it goes on.
    pub fn freeze(&mut self, host: HostId) -> &mut Self {
        self.hold(host, Trouble::Freeze { members: Pick::These(vec![host]) })
    }

    /// Blocks a host's network I/O while its timers run.
    pub fn block_io(&mut self, host: HostId) -> &mut Self {
        self.hold(host, Trouble::BlockIo { members: Pick::These(vec![host]) })
    }

    /// Ends what [`freeze`](Self::freeze) and [`block_io`](Self::block_io) did to a host.
    pub fn thaw(&mut self, host: HostId) -> &mut Self {
        for fault in self.holds.remove(&host).unwrap_or_default() {
            self.world.fault_ends(fault);
        }
        self
    }

    fn hold(&mut self, host: HostId, what: Trouble) -> &mut Self {
        let fault = self.world.begin(what);
        self.holds.entry(host).or_default().push(fault);
        self
    }

    /// Plans a fault, its times counted from the start of the run.
    pub fn fault(&mut self, fault: Fault) -> &mut Self {
        self.world.plan(fault);
        self
    }

    /// Plans work, its times counted from the start of the run.
    pub fn work(&mut self, work: Work) -> &mut Self {
        self.world.plan_work(work);
        self
    }

    /// A trouble begins now and lasts for a while.
    pub fn trouble(&mut self, lasts: Duration, what: Trouble) -> &mut Self {
        let at = self.now.since(Time::ZERO);
        self.fault(Fault::new(at, lasts, what))
    }

    // What happens to the network.

    /// Splits the network: these hosts against the rest.
    pub fn partition(&mut self, side: &[HostId]) -> &mut Self {
        let cut = self.world.begin(Trouble::Partition { shape: Shape::Apart(Pick::These(side.to_vec())) });
        self.cuts.push(cut);
        self
    }

    /// Nothing gets from one host to another any more; the way back stays.
    pub fn cut(&mut self, from: HostId, to: HostId) -> &mut Self {
        let links = LinkPick { from: Pick::These(vec![from]), to: Pick::These(vec![to]), both: false };
        let cut = self.world.begin(Trouble::Block { datagrams: true, streams: true, links });
        self.cuts.push(cut);
        self
    }

    /// This share of the packets is lost from now on.
    pub fn loss(&mut self, rate: f64) -> &mut Self {
        let cut = self.world.begin(Trouble::Loss { rate, links: LinkPick::default() });
        self.cuts.push(cut);
        self
    }

    /// Ends every partition, cut and loss that the story made.
    pub fn heal(&mut self) -> &mut Self {
        for fault in std::mem::take(&mut self.cuts) {
            self.world.fault_ends(fault);
        }
        self
    }

    // What applications do.

    /// All others join through one host.
    pub fn join_all(&mut self, through: HostId) -> &mut Self {
        self.story.joins(self.world.now, through);
        for host in 0..self.hosts.len() {
            if host != through {
                self.world.join(host, &[through]);
            }
        }
        self
    }

    /// A host leaves.
    pub fn leave(&mut self, host: HostId) -> Token {
        self.story.does(self.world.now, Task::Leave { members: Pick::These(vec![host]) });
        self.world.command(host, Command::Leave)
    }

    /// A host sends a user event.
    pub fn event(&mut self, host: HostId, name: &str, payload: &[u8]) -> Token {
        let (members, bytes) = (Pick::These(vec![host]), payload.len());
        self.story.does(self.world.now, Task::Event { members, name: name.into(), bytes });
        let payload = Bytes::copy_from_slice(payload);
        self.world.command(host, Command::UserEvent { name: name.into(), payload, coalesce: false })
    }

    /// A host asks a query.
    pub fn query(&mut self, host: HostId, params: QueryParams) -> Token {
        let (members, name, relay) = (Pick::These(vec![host]), params.name.clone(), params.relay_factor);
        self.story.does(self.world.now, Task::Query { members, name, relay, to: None });
        self.world.command(host, Command::Query(Box::new(params)))
    }

    /// A host changes its tags.
    pub fn set_tags(&mut self, host: HostId, tags: &[(&str, &str)]) -> Token {
        for (key, _) in tags {
            let members = Pick::These(vec![host]);
            self.story.does(self.world.now, Task::Tags { members, key: (*key).into() });
        }
        let set = tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        self.world.command(host, Command::UpdateTags { delete: Vec::new(), set, replace: false })
    }

    /// Plans that a host comes back in a way of its own.
    pub fn crash_for(&mut self, host: HostId, time: Duration, comes_back: Return) -> &mut Self {
        let members = Pick::These(vec![host]);
        self.trouble(time, Trouble::Crash { members, comes_back, rolling: false })
    }
}
