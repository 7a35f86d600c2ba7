//! A running cluster, and the words to tell stories with.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tidings_core::{
    Command, CommandError, Event, Member, MemberEventKind, QueryParams, Reply, State, Status, Time, Token,
    UserEvent,
};

use crate::faults::{Fault, LinkPick, Pick, Return, Shape, Trouble};
use crate::host::Host;
use crate::net::HostId;
use crate::rider::Rider;
use crate::watch::Violation;
use crate::workload::Work;
use crate::world::{Start, World};

/// How often [`Cluster::eventually`] looks.
const LOOK: Duration = Duration::from_millis(10);

/// A check of the whole cluster, by name; says what is wrong, if something is.
type Invariant<R> = (String, Box<dyn FnMut(&Cluster<R>) -> Option<String>>);

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
    world: World<R>,
    invariants: Vec<Invariant<R>>,
    /// Partitions and cuts made by the story.
    cuts: Vec<usize>,
    /// The story's own pauses, by host.
    holds: BTreeMap<HostId, Vec<usize>>,
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
        Cluster { world, invariants: Vec::new(), cuts: Vec::new(), holds: BTreeMap::new() }
    }

    /// A host by number.
    ///
    /// # Panics
    /// If there is no such host.
    #[must_use]
    pub fn host(&self, host: HostId) -> &Host<R> {
        &self.hosts[host]
    }

    /// Lets time pass.
    ///
    /// # Panics
    /// If a watcher or an invariant finds something wrong: the message says what.
    pub fn run(&mut self, time: Duration) -> &mut Self {
        if let Err(violation) = self.try_run(time) {
            panic!("{violation}\nseed {}", self.seed);
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
        check: impl FnMut(&Cluster<R>) -> Option<String> + 'static,
    ) -> &mut Self {
        self.invariants.push((name.into(), Box::new(check)));
        self
    }

    fn check_invariants(&mut self) {
        let mut invariants = std::mem::take(&mut self.invariants);
        for (name, check) in &mut invariants {
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
        assert!(holds(self), "it does not hold at {} (seed {})\n{}", self.now, self.seed, self.picture());
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
            assert!(passed < within, "not within {within:?} (seed {})\n{}", self.seed, self.picture());
            self.run(LOOK);
        }
        self.now.since(start)
    }

    // What happens to hosts.

    /// Ends a host's process without a word; its machine goes on.
    pub fn crash(&mut self, host: HostId) -> &mut Self {
        self.world.stop(host, true);
        self
    }

    /// Starts a crashed host afresh; it joins through all hosts that run.
    pub fn restart(&mut self, host: HostId) -> &mut Self {
        let remembers = !self.hosts[host].disk.snapshot().is_empty();
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
        let fault = self.begin(what);
        self.holds.entry(host).or_default().push(fault);
        self
    }

    /// Begins a trouble that lasts until the story ends it.
    fn begin(&mut self, what: Trouble) -> usize {
        let number = self.world.faults.planned.len();
        let at = self.now.since(Time::ZERO);
        let fault = Fault { at, lasts: None, stream: None, what };
        self.world.faults.planned.push(crate::faults::Planned::new(fault));
        self.world.fault_starts(number);
        number
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
        let cut = self.begin(Trouble::Partition { shape: Shape::Apart(Pick::These(side.to_vec())) });
        self.cuts.push(cut);
        self
    }

    /// Nothing gets from one host to another any more; the way back stays.
    pub fn cut(&mut self, from: HostId, to: HostId) -> &mut Self {
        let links = LinkPick { from: Pick::These(vec![from]), to: Pick::These(vec![to]), both: false };
        let cut = self.begin(Trouble::Block { datagrams: true, streams: true, links });
        self.cuts.push(cut);
        self
    }

    /// This share of the packets is lost from now on.
    pub fn loss(&mut self, rate: f64) -> &mut Self {
        let cut = self.begin(Trouble::Loss { rate, links: LinkPick::default() });
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
        for host in 0..self.hosts.len() {
            if host != through {
                self.world.join(host, &[through]);
            }
        }
        self
    }

    /// A host leaves.
    pub fn leave(&mut self, host: HostId) -> Token {
        self.world.command(host, Command::Leave)
    }

    /// A host sends a user event.
    pub fn event(&mut self, host: HostId, name: &str, payload: &[u8]) -> Token {
        let payload = Bytes::copy_from_slice(payload);
        self.world.command(host, Command::UserEvent { name: name.into(), payload, coalesce: false })
    }

    /// A host asks a query.
    pub fn query(&mut self, host: HostId, params: QueryParams) -> Token {
        self.world.command(host, Command::Query(Box::new(params)))
    }

    /// A host changes its tags.
    pub fn set_tags(&mut self, host: HostId, tags: &[(&str, &str)]) -> Token {
        let set = tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        self.world.command(host, Command::UpdateTags { delete: Vec::new(), set, replace: false })
    }

    /// How a command was answered; `None`: not yet.
    #[must_use]
    pub fn reply(&self, host: HostId, token: Token) -> Option<&Result<Reply, CommandError>> {
        self.hosts[host].replies.get(&token).map(|(_, result)| result)
    }

    // What there is to ask.

    /// The hosts whose process runs.
    #[must_use]
    pub fn living(&self) -> Vec<HostId> {
        (0..self.hosts.len()).filter(|host| self.hosts[*host].node.is_some()).collect()
    }

    /// What one host holds of another.
    #[must_use]
    pub fn member(&self, at: HostId, of: HostId) -> Option<Member> {
        self.hosts[at].node.as_ref()?.view().get(&self.hosts[of].config.name).cloned()
    }

    /// What one host tells its application of another.
    #[must_use]
    pub fn status(&self, at: HostId, of: HostId) -> Option<Status> {
        self.member(at, of).map(|member| member.status())
    }

    /// What the failure detector of one host thinks of another.
    #[must_use]
    pub fn state(&self, at: HostId, of: HostId) -> Option<State> {
        self.member(at, of).map(|member| member.state())
    }

    /// Whether every other running host holds this status of a host.
    #[must_use]
    pub fn all_hold(&self, of: HostId, status: Option<Status>) -> bool {
        self.living().into_iter().filter(|at| *at != of).all(|at| self.status(at, of) == status)
    }

    /// Whether all running hosts agree on all members, hold each other alive and nobody else, save
    /// for the failed and the left.
    #[must_use]
    pub fn converged(&self) -> bool {
        self.unlike().is_none()
    }

    /// Two running hosts that do not agree, or one that is wrong about another; `None`: converged.
    #[must_use]
    pub fn unlike(&self) -> Option<(HostId, HostId)> {
        let living = self.living();
        let first = *living.first()?;
        let reference = self.hosts[first].node.as_ref()?.view();
        if let Some(wrong) = living.iter().find(|of| self.status(first, **of) != Some(Status::Alive)) {
            return Some((first, *wrong));
        }
        let alive = reference.iter().filter(|member| member.status() == Status::Alive).count();
        if alive != living.len() {
            return Some((first, first));
        }
        let differs = |at: &HostId| {
            let view = self.hosts[*at].node.as_ref().map(tidings_core::Node::view);
            !view.is_some_and(|view| agree(&reference, &view))
        };
        living.iter().copied().skip(1).find(differs).map(|at| (first, at))
    }

    /// When a host's application was told this of another.
    #[must_use]
    pub fn heard(&self, at: HostId, kind: MemberEventKind, of: HostId) -> Vec<Time> {
        let name = &self.hosts[of].config.name;
        let news = self.hosts[at].events.iter().filter_map(|(when, event)| match event {
            Event::Members(news) if news.kind == kind => {
                news.members.iter().any(|member| member.name() == name).then_some(*when)
            }
            _ => None,
        });
        news.collect()
    }

    /// The user events of a name that a host's application was told.
    #[must_use]
    pub fn user_events(&self, at: HostId, name: &str) -> Vec<&UserEvent> {
        let news = self.hosts[at].events.iter().filter_map(|(_, event)| match event {
            Event::User(event) if &*event.name == name => Some(event),
            _ => None,
        });
        news.collect()
    }

    /// A line for each host: what it holds of each other, one letter each.
    #[must_use]
    pub fn picture(&self) -> String {
        let mut text = String::new();
        for at in 0..self.hosts.len().min(60) {
            text.push_str(&format!("{:>6} ", self.hosts[at].name()));
            for of in 0..self.hosts.len().min(100) {
                text.push(match self.member(at, of).map(|member| (member.status(), member.state())) {
                    _ if self.hosts[at].node.is_none() => ' ',
                    None => '.',
                    Some((Status::Alive, State::Suspect)) => 's',
                    Some((Status::Alive, _)) => 'A',
                    Some((Status::Leaving, _)) => 'l',
                    Some((Status::Left, _)) => 'L',
                    Some((Status::Failed, _)) => 'F',
                    Some((Status::None, _)) => '-',
                });
            }
            text.push('\n');
        }
        text
    }

    /// Plans that a host comes back in a way of its own.
    pub fn crash_for(&mut self, host: HostId, time: Duration, comes_back: Return) -> &mut Self {
        let members = Pick::These(vec![host]);
        self.trouble(time, Trouble::Crash { members, comes_back, rolling: false })
    }
}

/// Whether two views hold the same of everybody, but for the time of the status, which hosts learn
/// in different ways.
fn agree(a: &tidings_core::View, b: &tidings_core::View) -> bool {
    if a.same(b) {
        return true;
    }
    let here = |member: &Member| matches!(member.status(), Status::Alive | Status::Leaving);
    let mut equal = true;
    a.all().diff(b.all(), |old, new| {
        equal &= match (old, new) {
            // Nobody tells the details of those who are gone any more.
            (Some(old), Some(new)) if !here(old) && !here(new) => old.status() == new.status(),
            (Some(old), Some(new)) => {
                (old.status(), old.state(), old.incarnation(), old.identity())
                    == (new.status(), new.state(), new.incarnation(), new.identity())
            }
            // Newcomers are not told of those who went before them.
            (Some(only), None) | (None, Some(only)) => !here(only),
            (None, None) => true,
        };
    });
    equal
}
