//! The event loop: one queue, one clock, one place where nodes are handed their inputs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_core::{Command, Config, Event, Input, Node, Output, Time, Token, View, ViewPool};

use crate::digest::Digest;
use crate::draw::{Draw, Purpose};
use crate::faults::Faults;
use crate::glance::{Glance, Wake};
use crate::host::{Happening, Host};
use crate::net::stream::{Connections, Part};
use crate::net::{ConditionId, HostId, LostTo, Net};
use crate::queue::Queue;
use crate::registry::CheckLuck;
use crate::rider::{Rider, RiderInput};
use crate::watch::{Sight, Violation, Watch, Watcher};

/// Time-outs in a row that hosts may ask for without time moving on, for each host, before it is
/// called a hang.
const WAKES_AT_ONCE: u64 = 1000;
/// How long a name takes to be looked up, and a keyring to be written.
pub(crate) const LOCAL_WORK: Duration = Duration::from_millis(1);
/// Tokens of riders have this bit; those of stories do not.
const RIDER_TOKEN: u64 = 1 << 63;

/// Something to happen.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Datagram {
        from: u32,
        to: u32,
        for_rider: bool,
        payload: Bytes,
    },
    Wake {
        host: u32,
    },
    /// A processor has time again.
    Resume {
        host: u32,
    },
    /// Try to send what waits at one side of a connection.
    Pump {
        connection: u64,
        side: u8,
    },
    /// Part of a stream arrives at a side.
    Segment {
        connection: u64,
        side: u8,
        part: Box<Part>,
    },
    /// Something reaches this life of a host.
    Happening {
        host: u32,
        life: u32,
        what: Box<Happening>,
    },
    FaultStarts(u32),
    FaultEnds(u32),
    /// The next step of a fault that acts over time.
    FaultStep(u32, u32),
    /// A host comes back.
    Restart {
        host: u32,
        life: u32,
        contacts: Box<[HostId]>,
    },
    /// The next piece of work.
    Work(u32),
}

/// A datagram that waits for its link to be released.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) from: HostId,
    pub(crate) to: HostId,
    pub(crate) for_rider: bool,
    pub(crate) payload: Bytes,
}

/// What a run has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events taken from the queue.
    pub events: u64,
    /// Inputs handed to nodes.
    pub inputs: u64,
}

/// A cluster of hosts on a virtual network, in virtual time.
///
/// Everything that happens is a function of the seed and of what is asked of it.
/// [`Cluster`](crate::Cluster) has the words to tell stories with.
pub struct World<R: Rider = ()> {
    pub(crate) now: Time,
    pub(crate) hosts: Vec<Host<R>>,
    pub(crate) glances: Vec<Glance>,
    pub(crate) net: Net,
    pub(crate) queue: Queue<What>,
    pub(crate) connections: Connections,
    pub(crate) held: BTreeMap<ConditionId, Vec<Held>>,
    pub(crate) faults: Faults,
    pub(crate) seed: u64,
    pub(crate) keep_events: bool,
    /// Applications answer every query with their name.
    pub(crate) answer_queries: bool,
    /// How probes of services fare.
    pub(crate) check_luck: CheckLuck,
    pub(crate) violations: Vec<Violation>,
    pub(crate) works: Vec<crate::workload::Job>,
    pub(crate) watchers: Vec<Box<dyn Watcher<R>>>,
    pub(crate) make_rider: Rc<dyn Fn(HostId) -> R>,
    pub(crate) pool: ViewPool,
    pub(crate) digest: Digest,
    pub(crate) tally: Tally,
    pub(crate) tokens: u64,
    pub(crate) wakes_at_once: u64,
}

/// How a process starts.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// Alone, knowing nobody.
    Fresh,
    /// In the middle of a converged cluster.
    Converged(&'a View),
    /// With what it finds on its disk.
    Restored,
}

impl<R: Rider> World<R> {
    /// A world without hosts.
    #[must_use]
    pub fn new(seed: u64, make_rider: impl Fn(HostId) -> R + 'static) -> Self {
        World {
            now: Time::ZERO,
            hosts: Vec::new(),
            glances: Vec::new(),
            net: Net::new(seed),
            queue: Queue::new(),
            connections: Connections::default(),
            held: BTreeMap::new(),
            faults: Faults::default(),
            seed,
            keep_events: true,
            answer_queries: true,
            check_luck: CheckLuck::default(),
            violations: Vec::new(),
            works: Vec::new(),
            watchers: Vec::new(),
            make_rider: Rc::new(make_rider),
            pool: ViewPool::new(),
            digest: Digest::default(),
            tally: Tally::default(),
            tokens: 0,
            wakes_at_once: 0,
        }
    }

    /// The world's time, which no host's clock need show.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// The hosts, by number.
    #[must_use]
    pub fn hosts(&self) -> &[Host<R>] {
        &self.hosts
    }

    /// The network.
    #[must_use]
    pub const fn net(&self) -> &Net {
        &self.net
    }

    /// Digest of everything that any host has done, in order.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// What the run has done so far.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// What watchers have found to be wrong.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Has somebody watch from now on. In a [fork](crate::Cluster::fork) a clone of it goes on.
    pub fn watch(&mut self, watcher: impl Watch<R> + Clone + 'static) {
        self.watchers.push(Box::new(watcher));
    }

    /// As [`watch`](Self::watch), for one who comes late: it is first shown every running process
    /// as if it had just started.
    pub fn watch_from_now(&mut self, mut watcher: impl Watch<R> + Clone + 'static) {
        for host in 0..self.hosts.len() {
            if self.hosts[host].node.is_some() {
                self.violations.extend(watcher.see(self, host, &Sight::Started));
            }
        }
        self.watch(watcher);
    }

    /// Adds a host whose process does not run yet; returns its number.
    pub fn add(&mut self, config: impl Into<Arc<Config>>) -> HostId {
        let host = self.hosts.len();
        let config = config.into();
        self.net.addresses.insert(config.advertise, host);
        self.glances.push(Glance::new(config.advertise));
        let rider = (self.make_rider)(host);
        self.hosts.push(Host::new(config, rider));
        host
    }

    /// Starts a host's process.
    ///
    /// # Panics
    /// If it runs already, or its configuration is not valid.
    pub fn start(&mut self, host: HostId, how: Start<'_>) {
        assert!(self.hosts[host].node.is_none(), "{} runs already", self.hosts[host].name());
        let seed =
            Draw::of(self.seed, Purpose::Node, host as u64).part(u64::from(self.hosts[host].life)).seed();
        if self.hosts[host].life > 0 {
            self.hosts[host].rider = (self.make_rider)(host);
        }
        self.number_run(host);
        let machine = &mut self.hosts[host];
        if !matches!(how, Start::Restored) {
            machine.disk.set_other(true);
        }
        machine.powered = true;
        let (config, local) = (machine.config.clone(), machine.clock.local(self.now));
        self.net.addresses.insert(config.advertise, host);
        self.glances[host].addr = config.advertise;
        let node = match how {
            Start::Fresh => Node::new(config, seed, local),
            Start::Converged(view) => Node::converged(config, seed, local, view),
            Start::Restored => {
                let (config, restored) = self.restored(host, config);
                Node::restore(config, seed, local, &restored)
            }
        };
        let node = node.unwrap_or_else(|error| panic!("the configuration of host {host}: {error}"));
        self.hosts[host].node = Some(node);
        self.hosts[host].restored = matches!(how, Start::Restored);
        self.see(host, &Sight::Started);
        self.hosts[host].disk.set_other(false);
        if self.hosts[host].blocked > 0 {
            self.deliver(host, Happening::Stalled(true));
        }
        self.tell_rider(host, RiderInput::Started);
        self.drain(host);
        self.arm(host);
    }

    /// Ends a host's process without a word. If the machine keeps its power, its kernel resets its
    /// streams.
    pub fn stop(&mut self, host: HostId, powered: bool) {
        if self.hosts[host].node.is_none() {
            return;
        }
        self.see(host, &Sight::Stopped);
        self.hosts[host].clear();
        self.hosts[host].disk.closed();
        self.glances[host].disarm();
        self.hosts[host].powered = powered;
        self.drop_streams(host, powered);
    }

    /// Hands a command to a host's node now, or as soon as it is able to listen; the token finds
    /// its reply.
    pub fn command(&mut self, host: HostId, command: Command) -> Token {
        let token = self.token();
        let what = Happening::Command { token, command: Box::new(command) };
        self.deliver(host, what);
        token
    }

    pub(crate) fn command_later(&mut self, host: HostId, command: Command) {
        let token = self.token();
        self.happen(self.now, host, Happening::Command { token, command: Box::new(command) });
    }

    const fn token(&mut self) -> Token {
        self.tokens += 1;
        Token(self.tokens)
    }

    /// A datagram from anywhere arrives at a host now.
    pub fn inject(&mut self, from: SocketAddr, host: HostId, payload: &[u8]) {
        self.deliver(host, Happening::Datagram { from, payload: Bytes::copy_from_slice(payload) });
    }

    /// Handles the next event if it is due by `until`; `false`: there is none.
    pub fn step(&mut self, until: Time) -> bool {
        let Some((at, what)) = self.queue.pop(until.as_nanos()) else { return false };
        let at = Time::from_nanos(at);
        if at > self.now {
            self.wakes_at_once = 0;
            self.now = at;
        }
        self.tally.events += 1;
        match what {
            What::Datagram { from, to, for_rider, payload } => {
                let from = self.glances[from as usize].addr;
                let what = if for_rider {
                    Happening::Message { from, payload }
                } else {
                    Happening::Datagram { from, payload }
                };
                self.deliver(to as usize, what);
            }
            What::Wake { host } => self.wake(host as usize, at),
            What::Resume { host } => {
                self.hosts[host as usize].resuming = false;
                self.resume(host as usize);
            }
            What::Pump { connection, side } => self.pump_again(connection, side.into()),
            What::Segment { connection, side, part } => self.segment_arrives(connection, side.into(), *part),
            What::Happening { host, life, what } => {
                if self.hosts[host as usize].life == life {
                    self.deliver(host as usize, *what);
                }
            }
            What::FaultStarts(fault) => self.fault_starts(fault as usize),
            What::FaultEnds(fault) => self.fault_ends(fault as usize),
            What::FaultStep(fault, step) => self.fault_step(fault as usize, step),
            What::Restart { host, life, contacts } => self.come_back(host as usize, life, &contacts),
            What::Work(job) => self.work(job as usize),
        }
        true
    }

    /// Runs until a moment, or until a watcher has found something wrong.
    pub fn run_until(&mut self, until: Time) {
        while self.violations.is_empty() && self.step(until) {}
        if self.violations.is_empty() {
            self.now = self.now.max(until);
        }
    }

    pub(crate) fn schedule(&mut self, at: Time, what: What) {
        self.queue.push(at.max(self.now).as_nanos(), what);
    }

    /// Something will reach this life of a host.
    pub(crate) fn happen(&mut self, at: Time, host: HostId, what: Happening) {
        let life = self.hosts[host].life;
        self.schedule(at, What::Happening { host: host as u32, life, what: Box::new(what) });
    }

    /// Something reaches a host: its process takes it in now, or it waits, or it is lost.
    pub(crate) fn deliver(&mut self, host: HostId, what: Happening) {
        let machine = &mut self.hosts[host];
        if machine.node.is_none() {
            return self.lose_arrived(host, &what, LostTo::NoProcess);
        }
        if machine.must_wait(self.now, &what) {
            if let Some(dropped) = machine.wait(what) {
                self.lose_arrived(host, &dropped, LostTo::SocketBuffer);
            }
        } else {
            self.feed(host, &what);
        }
    }

    /// Handles what has waited, as far as the host is able to.
    pub(crate) fn resume(&mut self, host: HostId) {
        while self.hosts[host].node.is_some()
            && let Some(what) = self.hosts[host].next_waiting(self.now)
        {
            self.feed(host, &what);
        }
        let machine = &mut self.hosts[host];
        if machine.node.is_some() && machine.frozen == 0 {
            self.rearm(host);
        }
    }

    fn wake(&mut self, host: HostId, at: Time) {
        match self.glances[host].wake(at) {
            Wake::Void => return,
            Wake::Later(due) => return self.queue.push(due.as_nanos(), What::Wake { host: host as u32 }),
            Wake::Now => {}
        }
        let most = WAKES_AT_ONCE * (self.hosts.len() as u64 + 1);
        let machine = &mut self.hosts[host];
        let Some(node) = machine.node.as_ref() else { return };
        if machine.frozen > 0 || machine.busy_until > self.now {
            return;
        }
        self.wakes_at_once += 1;
        assert!(
            self.wakes_at_once < most,
            "{} asks for time-outs without end at {}",
            machine.config.name,
            self.now
        );
        let local = machine.clock.local(self.now);
        if machine.rider.poll_timeout().is_some_and(|due| due <= local) {
            machine.rider.handle_input(local, node, RiderInput::Timeout);
        }
        if node.poll_timeout().is_some_and(|due| due <= local) {
            self.input(host, local, Input::Timeout);
        }
        self.follow_rider(host);
        self.arm(host);
    }

    /// The one place where a process is handed what comes from outside.
    fn feed(&mut self, host: HostId, what: &Happening) {
        let now = self.now;
        if let Happening::Stream { id, event } = what
            && !self.stream_event_passes(host, *id, event)
        {
            return;
        }
        if let Happening::Persisted { id, result: Ok(()) } = what {
            self.hosts[host].disk.synced(*id);
        }
        let local = self.hosts[host].clock.local(now);
        match (what, what.as_input()) {
            (_, Some(input)) => self.input(host, local, input),
            (Happening::Message { from, payload }, _) => {
                self.tell_rider(host, RiderInput::Message { from: *from, payload });
            }
            _ => return self.stop(host, true),
        }
        let machine = &mut self.hosts[host];
        if machine.machine.service > Duration::ZERO {
            machine.busy_until = now + machine.machine.service;
            if !machine.resuming {
                machine.resuming = true;
                let at = machine.busy_until;
                self.schedule(at, What::Resume { host: host as u32 });
            }
        }
        self.arm(host);
    }

    /// The one place where a node is handed an input.
    fn input(&mut self, host: HostId, local: Time, input: Input<'_>) {
        self.tally.inputs += 1;
        if !self.watchers.is_empty() {
            self.see(host, &Sight::Input(&input));
        }
        let Some(node) = self.hosts[host].node.as_mut() else { return };
        node.handle_input_with(local, input, &mut self.pool).expect("the simulator keeps the law");
        self.drain(host);
    }

    pub(crate) fn drain(&mut self, host: HostId) {
        while let Some(output) = self.hosts[host].node.as_mut().and_then(Node::poll_output) {
            self.digest.output(self.now, host, &output);
            if !self.watchers.is_empty() {
                self.see(host, &Sight::Output(&output));
            }
            self.perform(host, output);
        }
    }

    /// Sees to it that the host wakes when its node or its rider wants to.
    fn arm(&mut self, host: HostId) {
        let machine = &self.hosts[host];
        let Some(node) = &machine.node else { return };
        let (node, rider) = (node.poll_timeout(), machine.rider.poll_timeout());
        let due = node.into_iter().chain(rider).min().and_then(|due| machine.clock.world(due));
        let due = due.map_or(Time::MAX, |due| due.max(self.now).max(machine.busy_until));
        if self.glances[host].want(due) {
            self.queue.push(due.as_nanos(), What::Wake { host: host as u32 });
        }
    }

    /// A host's clock was changed: its wake-ups are set anew.
    pub(crate) fn rearm(&mut self, host: HostId) {
        self.glances[host].disarm();
        self.arm(host);
    }

    fn perform(&mut self, host: HostId, output: Output) {
        match output {
            Output::Datagram { to, payload } => self.send_datagram(host, to, payload),
            Output::Stream { id, action } => self.stream_action(host, id, action),
            Output::Reply { token, result } => {
                if token.0 & RIDER_TOKEN != 0 {
                    let token = Token(token.0 & !RIDER_TOKEN);
                    self.tell_rider(host, RiderInput::Reply { token, result: &result });
                } else {
                    self.hosts[host].replies.insert(token, (self.now, result));
                }
            }
            Output::Event(event) => self.on_event(host, event),
            Output::Resolve { id, host: name, port } => {
                let result = match self.net.names.get(&name) {
                    Some(found) => Ok(found.iter().map(|ip| SocketAddr::new(*ip, port)).collect()),
                    None => Err(format!("lookup {name}: no such host")),
                };
                self.happen(self.now + LOCAL_WORK, host, Happening::Resolved { id, result });
            }
            Output::Persist(persist) => self.persist(host, &persist),
            check @ Output::RunCheck { .. } => self.run_check(host, &check),
            // Decisions are for watchers, who have seen them.
            _ => {}
        }
    }

    fn on_event(&mut self, host: HostId, event: Event) {
        self.tell_rider(host, RiderInput::Event(&event));
        if matches!(event, Event::NameLost { .. }) {
            // As the agent does: it must stop, without leaving.
            self.schedule(
                self.now,
                What::Happening {
                    host: host as u32,
                    life: self.hosts[host].life,
                    what: Box::new(Happening::Stop),
                },
            );
        }
        if let (Event::Query(query), true) = (&event, self.answer_queries) {
            let payload = Bytes::from(self.hosts[host].config.name.clone());
            self.command_later(host, Command::Respond { id: query.id, payload });
        }
        if self.keep_events {
            self.hosts[host].events.push((self.now, event));
        }
    }

    fn tell_rider(&mut self, host: HostId, input: RiderInput<'_>) {
        let machine = &mut self.hosts[host];
        let Some(node) = &machine.node else { return };
        machine.rider.handle_input(machine.clock.local(self.now), node, input);
        self.follow_rider(host);
    }

    /// Does what a rider wants.
    fn follow_rider(&mut self, host: HostId) {
        use crate::rider::RiderOutput;

        while let Some(output) = self.hosts[host].rider.poll_output() {
            match output {
                RiderOutput::Command { token, command } => {
                    let token = Token(token.0 | RIDER_TOKEN);
                    self.happen(self.now, host, Happening::Command { token, command: Box::new(command) });
                }
                RiderOutput::Send { to, payload } => self.send_message(host, to, payload),
            }
        }
    }

    /// Shows those who watch that a host does not get what has reached its machine.
    fn lose_arrived(&mut self, to: HostId, what: &Happening, why: LostTo) {
        if let Happening::Datagram { from, payload } = what
            && !self.watchers.is_empty()
            && let Some(&from) = self.net.addresses.get(from)
        {
            self.see(from, &Sight::Lost { to: Some(to), payload, why });
        }
    }

    /// Shows those who watch that a datagram is lost where it was sent, or on its way.
    pub(crate) fn lose_sent(&mut self, from: HostId, to: Option<HostId>, payload: &[u8], why: LostTo) {
        if !self.watchers.is_empty() {
            self.see(from, &Sight::Lost { to, payload, why });
        }
    }

    /// Shows something to all who watch.
    pub(crate) fn see(&mut self, host: HostId, sight: &Sight<'_>) {
        let mut watchers = std::mem::take(&mut self.watchers);
        for watcher in &mut watchers {
            if let Some(found) = watcher.see(self, host, sight) {
                self.violations.push(found);
            }
        }
        // Whoever began to watch meanwhile comes last.
        watchers.append(&mut self.watchers);
        self.watchers = watchers;
    }
}
