//! Faults begin, go on, and end.

use std::time::Duration;

use tidings_core::Time;
use tidings_core::wire::message::MessageType;

use super::{Fault, LinkPick, Pick, Planned, Trouble, Undo};
use crate::draw::{Draw, Purpose};
use crate::host::Happening;
use crate::net::condition::Change;
use crate::net::{Condition, HostId, Latency, Links};
use crate::rider::Rider;
use crate::watch::Sight;
use crate::world::{Held, What, World};

/// Parts of a fault's stream: whom it hits, and what its conditions do.
const PICKS: u64 = 0;
const PACKETS: u64 = 1;

impl<R: Rider> World<R> {
    /// Plans a fault; what lies in the past begins at once.
    pub fn plan(&mut self, fault: Fault) {
        let number = self.faults.planned.len() as u32;
        let start = Time::ZERO + fault.at;
        self.schedule(start, What::FaultStarts(number));
        if let Some(lasts) = fault.lasts {
            self.schedule(start + lasts, What::FaultEnds(number));
        }
        self.faults.planned.push(Planned::new(fault));
    }

    /// Ends every fault that is under way and forgets those to come: the quiet phase.
    pub fn end_faults(&mut self) {
        for number in 0..self.faults.planned.len() {
            self.fault_ends(number);
        }
    }

    /// Whether no fault is under way. What one has left behind may still have to heal.
    #[must_use]
    pub fn is_peaceful(&self) -> bool {
        self.faults.active == 0
    }

    /// The stream of a fault.
    pub(super) fn fault_draw(&self, number: usize) -> Draw {
        let stream = self.faults.planned[number].fault.stream.unwrap_or(number as u64);
        Draw::of(self.seed, Purpose::Fault, stream)
    }

    /// The hosts a fault picks; the same each time it is asked.
    fn pick(&self, number: usize, pick: &Pick) -> Vec<HostId> {
        pick.of(self.hosts.len(), &self.net, &mut self.fault_draw(number).part(PICKS))
    }

    pub(crate) fn fault_starts(&mut self, number: usize) {
        if self.faults.planned[number].over {
            return;
        }
        self.faults.planned[number].begun = true;
        self.faults.active += 1;
        let fault = self.faults.planned[number].fault.clone();
        self.see(0, &Sight::Fault(&format!("begins: {}", fault.what)));
        if let Some((links, change)) = self.change(number, &fault.what) {
            return self.impose(number, links, change);
        }
        match &fault.what {
            Trouble::Partition { shape } | Trouble::Flap { shape, .. } => {
                let links =
                    shape.links(self.hosts.len(), &self.net, &mut self.fault_draw(number).part(PICKS));
                self.impose(number, links, Change::Block { datagrams: true, streams: true });
                if let Trouble::Flap { every, .. } = fault.what {
                    self.step_later(number, every, 1);
                }
            }
            Trouble::ResetStreams { members } => {
                for host in self.pick(number, members) {
                    self.reset_streams(host);
                }
            }
            Trouble::SwizzleClog { members, .. } => self.start_steps(number, members),
            Trouble::Pauses { members, .. } | Trouble::Hostile { members, .. } => {
                self.start_steps(number, members);
            }
            Trouble::Crash { members, rolling: true, .. } => self.start_steps(number, members),
            Trouble::Crash { members, comes_back, .. } => {
                for host in self.pick(number, members) {
                    self.crash(number, host, *comes_back, true);
                }
            }
            Trouble::PowerLoss { members, comes_back } => {
                for host in self.pick(number, members) {
                    self.crash(number, host, *comes_back, false);
                }
            }
            other => self.hamper(number, other),
        }
    }

    /// Faults that make machines worse without ending their processes.
    fn hamper(&mut self, number: usize, trouble: &Trouble) {
        let now = self.now;
        let (Trouble::Freeze { members }
        | Trouble::BlockIo { members }
        | Trouble::SlowCpu { members, .. }
        | Trouble::ClockJump { members, .. }
        | Trouble::ClockDrift { members, .. }
        | Trouble::CoarseTimers { members, .. }
        | Trouble::Suspend { members }
        | Trouble::FullDisk { members }) = trouble
        else {
            return;
        };
        for host in self.pick(number, members) {
            let machine = &mut self.hosts[host];
            machine.disturbed = true;
            let undo = match trouble {
                Trouble::Freeze { .. } => {
                    machine.frozen += 1;
                    Undo::Thaw(host)
                }
                Trouble::BlockIo { .. } => {
                    machine.blocked += 1;
                    self.deliver(host, Happening::Stalled(true));
                    Undo::UnblockIo(host)
                }
                Trouble::SlowCpu { service, .. } => {
                    machine.machine.service += *service;
                    Undo::Service(host, *service)
                }
                Trouble::ClockDrift { ppm, .. } => {
                    machine.clock.drift(now, *ppm);
                    machine.clock_wrong_until = Some(Time::MAX);
                    Undo::Drift(host)
                }
                Trouble::CoarseTimers { grain, .. } => {
                    machine.clock.coarsen(*grain);
                    machine.clock_wrong_until = Some(Time::MAX);
                    Undo::Grain(host)
                }
                Trouble::Suspend { .. } => {
                    machine.frozen += 1;
                    machine.clock.stop(now, true);
                    Undo::ResumeClock(host)
                }
                Trouble::FullDisk { .. } => {
                    machine.disk.set_full(true);
                    Undo::DiskSpace(host)
                }
                Trouble::ClockJump { by, .. } => {
                    machine.clock.jump(now, *by);
                    machine.clock_wrong_until = machine.clock_wrong_until.max(Some(now));
                    self.rearm(host);
                    continue;
                }
                _ => continue,
            };
            self.faults.planned[number].undo.push(undo);
            self.rearm(host);
        }
    }

    /// The links and the change of a fault that is about packets and links.
    fn change(&self, number: usize, trouble: &Trouble) -> Option<(Links, Change)> {
        let (links, change): (&LinkPick, Change) = match trouble {
            Trouble::Loss { rate, links } => (links, Change::Loss(*rate)),
            Trouble::Burst { enter, leave, rate, links } => {
                (links, Change::Burst { enter: *enter, leave: *leave, loss: *rate })
            }
            Trouble::Duplicate { rate, later, links } => (links, Change::Duplicate(*rate, *later)),
            Trouble::Reorder { rate, later, links } => (links, Change::Reorder(*rate, *later)),
            Trouble::Replay { rate, after, until, links } => (links, Change::Replay(*rate, *after, *until)),
            Trouble::Corrupt { rate, links } => (links, Change::Corrupt(*rate)),
            Trouble::Truncate { rate, links } => (links, Change::Truncate(*rate)),
            Trouble::DropType { message, links } => (links, Change::DropType(message_type(message)?)),
            Trouble::DropNth { nth, links } => (links, Change::DropNth(*nth)),
            Trouble::Delay { min, mean, links } => {
                (links, Change::Delay(Latency::Exponential { min: *min, mean: *mean }))
            }
            Trouble::Rate { bytes_per_second, queue_bytes, links } => {
                (links, Change::Rate { bytes_per_second: *bytes_per_second, queue_bytes: *queue_bytes })
            }
            Trouble::Mtu { bytes, links } => (links, Change::Mtu(*bytes)),
            Trouble::Block { datagrams, streams, links } => {
                (links, Change::Block { datagrams: *datagrams, streams: *streams })
            }
            Trouble::Clog { links } => (links, Change::Hold),
            _ => return None,
        };
        let mut draw = self.fault_draw(number).part(PICKS);
        Some((links.of(self.hosts.len(), &self.net, &mut draw), change))
    }

    fn impose(&mut self, number: usize, links: Links, change: Change) {
        let draw = self.fault_draw(number).part(PACKETS);
        let condition = self.net.impose(Condition::new(links, change, draw));
        self.faults.planned[number].undo.push(Undo::Lift(condition));
    }

    fn start_steps(&mut self, number: usize, members: &Pick) {
        self.faults.planned[number].hosts = self.pick(number, members);
        self.fault_step(number, 0);
    }

    fn step_later(&mut self, number: usize, after: Duration, step: u32) {
        self.schedule(self.now + after, What::FaultStep(number as u32, step));
    }

    /// A fault that acts over time does its next step.
    pub(crate) fn fault_step(&mut self, number: usize, step: u32) {
        let planned = &self.faults.planned[number];
        if planned.over {
            return;
        }
        let (what, hosts) = (planned.fault.what.clone(), planned.hosts.clone());
        let lasts = planned.fault.lasts.unwrap_or(Duration::from_secs(30));
        let next = step + 1;
        match what {
            Trouble::Flap { shape, every } => {
                if step % 2 == 1 {
                    self.undo_all(number);
                } else {
                    let mut draw = self.fault_draw(number).part(PICKS);
                    let links = shape.links(self.hosts.len(), &self.net, &mut draw);
                    self.impose(number, links, Change::Block { datagrams: true, streams: true });
                }
                self.step_later(number, every, next);
            }
            Trouble::Pauses { on, off, .. } => {
                if step % 2 == 1 {
                    self.undo_all(number);
                } else {
                    for host in hosts {
                        self.hosts[host].frozen += 1;
                        self.hosts[host].disturbed = true;
                        self.faults.planned[number].undo.push(Undo::Thaw(host));
                    }
                }
                self.step_later(number, if step % 2 == 1 { off } else { on }, next);
            }
            Trouble::SwizzleClog { over, .. } => self.swizzle(number, &hosts, over, step),
            Trouble::Hostile { every, lies, .. } => {
                for host in hosts {
                    self.lie(number, host, step, &lies);
                }
                self.step_later(number, every, next);
            }
            Trouble::Crash { comes_back, .. } => {
                // One after the other: the last is down when the next goes.
                self.undo_all(number);
                if let Some(host) = hosts.get(step as usize) {
                    self.crash(number, *host, comes_back, true);
                    self.step_later(number, lasts / (hosts.len() as u32 + 1), next);
                }
            }
            _ => {}
        }
    }

    /// Stops one more member's links, or, when all are stopped, releases one.
    fn swizzle(&mut self, number: usize, hosts: &[HostId], over: Duration, step: u32) {
        let count = hosts.len() as u32;
        if let Some(host) = hosts.get(step as usize) {
            self.impose(number, Links::Touching([*host].into()), Change::Hold);
        } else {
            let left = self.faults.planned[number].undo.len();
            let mut draw = self.fault_draw(number).part(2 + u64::from(step));
            if left == 0 {
                return;
            }
            let undo = self.faults.planned[number].undo.swap_remove(draw.index(left));
            self.undo(number, undo);
        }
        self.step_later(number, over / (2 * count).max(1), step + 1);
    }

    pub(crate) fn fault_ends(&mut self, number: usize) {
        let now = self.now;
        let planned = &mut self.faults.planned[number];
        if planned.over {
            return;
        }
        planned.over = true;
        if planned.begun && planned.fault.lasts.is_none() {
            planned.fault.lasts = Some(now.since(Time::ZERO + planned.fault.at));
        }
        if planned.begun {
            self.faults.active -= 1;
        }
        self.see(0, &Sight::Fault(&format!("ends: {}", self.faults.planned[number].fault.what)));
        self.undo_all(number);
    }

    fn undo_all(&mut self, number: usize) {
        for undo in std::mem::take(&mut self.faults.planned[number].undo) {
            self.undo(number, undo);
        }
    }

    /// What waited for a link goes on its way, in order.
    pub(super) fn release(&mut self, held: Vec<Held>) {
        for held in held {
            self.carry(held.from, held.to, held.payload, held.for_rider);
        }
    }

    pub(super) fn undo(&mut self, number: usize, undo: Undo) {
        let now = self.now;
        match undo {
            Undo::Lift(condition) => {
                self.net.lift(condition);
                let held = self.held.remove(&condition).unwrap_or_default();
                self.release(held);
            }
            Undo::Restart { host, comes_back, contacts } => {
                self.bring_back(number, host, comes_back, contacts)
            }
            Undo::Thaw(host) => {
                self.hosts[host].frozen -= 1;
                self.hosts[host].eased = Some(now);
                self.resume(host);
            }
            Undo::UnblockIo(host) => {
                self.hosts[host].blocked -= 1;
                self.hosts[host].eased = Some(now);
                if self.hosts[host].blocked == 0 {
                    self.flush_outbox(host);
                    self.deliver(host, Happening::Stalled(false));
                    self.resume(host);
                }
            }
            Undo::Service(host, added) => {
                self.hosts[host].machine.service -= added;
                self.hosts[host].eased = Some(now);
            }
            Undo::Drift(host) => {
                self.hosts[host].clock.drift(now, 0);
                self.hosts[host].clock_wrong_until = Some(now);
                self.rearm(host);
            }
            Undo::Grain(host) => {
                self.hosts[host].clock.coarsen(Duration::ZERO);
                self.hosts[host].clock_wrong_until = Some(now);
                self.rearm(host);
            }
            Undo::ResumeClock(host) => {
                self.hosts[host].clock.stop(now, false);
                self.hosts[host].frozen -= 1;
                self.hosts[host].eased = Some(now);
                self.resume(host);
            }
            Undo::DiskSpace(host) => self.hosts[host].disk.set_full(false),
        }
    }
}

/// The message types that scripts can name.
pub(crate) const MESSAGE_NAMES: [&str; 10] =
    ["ping", "indirect-ping", "ack", "nack", "suspect", "alive", "dead", "compound", "user", "compress"];

/// A message type by the name that scripts use.
#[must_use]
pub(crate) fn message_type(name: &str) -> Option<MessageType> {
    const TYPES: [MessageType; 10] = [
        MessageType::Ping,
        MessageType::IndirectPing,
        MessageType::Ack,
        MessageType::Nack,
        MessageType::Suspect,
        MessageType::Alive,
        MessageType::Dead,
        MessageType::Compound,
        MessageType::User,
        MessageType::Compress,
    ];
    MESSAGE_NAMES.iter().position(|known| *known == name).map(|place| TYPES[place])
}
