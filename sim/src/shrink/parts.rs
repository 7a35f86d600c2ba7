//! What of a single fault, piece of work or set of settings can be smaller.

use std::time::Duration;

use super::Shrinker;
use crate::cluster::Cluster;
use crate::faults::{LinkPick, Pick, Shape, Trouble};
use crate::script::{Script, Settings};
use crate::workload::Task;

/// Faults are not made shorter than this: they would come to nothing.
const SHORTEST: Duration = Duration::from_millis(100);

impl<F: Fn(&mut Cluster)> Shrinker<F> {
    /// Faults that are shorter, strike fewer members, and tell fewer kinds of lies.
    pub(super) fn smaller_faults(&mut self) -> bool {
        let mut helped = false;
        for number in 0..self.best.fault.len() {
            for divisor in [2, 4] {
                while self.attempt(|script| shorten(&mut script.fault[number].lasts, divisor)) {
                    helped = true;
                }
            }
            helped |= self.fewer_lies(number);
            for pick in 0..troubled(&mut self.best.fault[number].what).len() {
                helped |= self.smaller_pick(|script| troubled(&mut script.fault[number].what).remove(pick));
            }
        }
        helped
    }

    /// Each kind of lie by itself.
    fn fewer_lies(&mut self, number: usize) -> bool {
        let told = |script: &Script| match &script.fault[number].what {
            Trouble::Hostile { lies, .. } => lies.len(),
            _ => 0,
        };
        let mut helped = false;
        let mut place = 0;
        while place < told(&self.best) && told(&self.best) > 1 {
            let left_out = self.attempt(|script| {
                if let Trouble::Hostile { lies, .. } = &mut script.fault[number].what {
                    lies.remove(place);
                }
            });
            helped |= left_out;
            place += usize::from(!left_out);
        }
        helped
    }

    /// Work that is done less often, by fewer.
    pub(super) fn less_work(&mut self) -> bool {
        let mut helped = false;
        for number in 0..self.best.work.len() {
            helped |=
                self.attempt(|script| (script.work[number].times, script.work[number].every) = (1, None));
            while self.attempt(|script| script.work[number].times = script.work[number].times.div_ceil(2)) {
                helped = true;
            }
            for pick in 0..tasked(&mut self.best.work[number].what).len() {
                helped |= self.smaller_pick(|script| tasked(&mut script.work[number].what).remove(pick));
            }
        }
        helped
    }

    /// Times and streams that are easier to read.
    pub(super) fn rounder(&mut self) -> bool {
        let mut helped = false;
        for grain in [Duration::from_secs(1), Duration::from_millis(100), Duration::from_millis(1)] {
            for number in 0..self.best.fault.len() {
                helped |= self.attempt(|script| round(&mut script.fault[number].at, grain));
                helped |= self.attempt(|script| {
                    script.fault[number].lasts.iter_mut().for_each(|lasts| round(lasts, grain));
                });
            }
            for number in 0..self.best.work.len() {
                helped |= self.attempt(|script| round(&mut script.work[number].at, grain));
                helped |= self.attempt(|script| {
                    script.work[number].every.iter_mut().for_each(|every| round(every, grain));
                });
            }
        }
        for number in 0..self.best.fault.len() {
            helped |= self.attempt(|script| script.fault[number].stream = Some(number as u64));
        }
        for number in 0..self.best.work.len() {
            helped |= self.attempt(|script| script.work[number].stream = Some(number as u64));
        }
        helped
    }

    /// Fewer members: one, half as many, or each of a list left out in turn; a random one gets a
    /// name.
    fn smaller_pick(&mut self, find: impl Fn(&mut Script) -> &mut Pick) -> bool {
        let mut helped = self.attempt(|script| {
            let pick = find(script);
            if matches!(pick, Pick::All | Pick::Share(_) | Pick::Zone(_) | Pick::Random(2..)) {
                *pick = Pick::Random(1);
            }
        });
        while self.attempt(|script| {
            if let Pick::Random(count @ 2..) = find(script) {
                *count = count.div_ceil(2);
            }
        }) {
            helped = true;
        }
        for host in [1, 0] {
            helped |= self.attempt(|script| {
                let pick = find(script);
                if *pick == Pick::Random(1) {
                    *pick = Pick::These(vec![host]);
                }
            });
        }
        let listed = |pick: &Pick| if let Pick::These(hosts) = pick { hosts.len() } else { 0 };
        let mut place = 0;
        while place < listed(find(&mut self.best)) && listed(find(&mut self.best)) > 1 {
            let left_out = self.attempt(|script| {
                if let Pick::These(hosts) = find(script) {
                    hosts.remove(place);
                }
            });
            helped |= left_out;
            place += usize::from(!left_out);
        }
        helped
    }
}

/// Down to a multiple of this, unless nothing would be left.
fn round(time: &mut Duration, grain: Duration) {
    let over = Duration::from_nanos((time.as_nanos() % grain.as_nanos()) as u64);
    if over < *time {
        *time -= over;
    }
}

fn shorten(lasts: &mut Option<Duration>, divisor: u64) {
    if let Some(lasts) = lasts.as_mut().filter(|lasts| **lasts > SHORTEST) {
        *lasts = (*lasts - Duration::from_millis(lasts.as_millis() as u64 / divisor)).max(SHORTEST);
    }
}

impl Script {
    /// The highest number by which a fault, a task, a variant or the core names a member.
    pub(super) fn most_named(&self) -> Option<usize> {
        let mut copy = self.clone();
        let faults = copy.fault.iter_mut().flat_map(|fault| troubled(&mut fault.what));
        let work = copy.work.iter_mut().flat_map(|work| tasked(&mut work.what));
        let variants = copy.variant.iter_mut().map(|variant| &mut variant.members);
        let core = copy.core.iter_mut().map(|core| &mut core.members);
        let picks = faults.chain(work).chain(variants).chain(core);
        let highest = |pick: &mut Pick| match pick {
            Pick::These(hosts) => hosts.iter().max().copied(),
            _ => None,
        };
        picks.filter_map(highest).max()
    }
}

impl Settings {
    /// The keys that are set.
    pub(super) fn keys(&self) -> Vec<String> {
        toml::Table::try_from(self)
            .map(|table| table.into_iter().map(|(key, _)| key).collect())
            .unwrap_or_default()
    }

    /// The same without one of them.
    pub(super) fn without(&self, key: &str) -> Settings {
        let less = toml::Table::try_from(self).ok().and_then(|mut table| {
            table.remove(key);
            table.try_into().ok()
        });
        less.unwrap_or_else(|| self.clone())
    }
}

/// Whom a fault strikes.
fn troubled(what: &mut Trouble) -> Vec<&mut Pick> {
    match what {
        Trouble::Loss { links, .. }
        | Trouble::Burst { links, .. }
        | Trouble::Duplicate { links, .. }
        | Trouble::Reorder { links, .. }
        | Trouble::Replay { links, .. }
        | Trouble::Corrupt { links, .. }
        | Trouble::Truncate { links, .. }
        | Trouble::DropType { links, .. }
        | Trouble::DropNth { links, .. }
        | Trouble::Delay { links, .. }
        | Trouble::Rate { links, .. }
        | Trouble::Mtu { links, .. }
        | Trouble::Block { links, .. }
        | Trouble::Clog { links } => {
            let LinkPick { from, to, .. } = links;
            vec![from, to]
        }
        Trouble::Partition { shape } | Trouble::Flap { shape, .. } => match shape {
            Shape::Apart(members) | Shape::OneWay(members) => vec![members],
            _ => Vec::new(),
        },
        Trouble::SwizzleClog { members, .. }
        | Trouble::ResetStreams { members }
        | Trouble::Crash { members, .. }
        | Trouble::PowerLoss { members, .. }
        | Trouble::Freeze { members }
        | Trouble::BlockIo { members }
        | Trouble::Pauses { members, .. }
        | Trouble::SlowCpu { members, .. }
        | Trouble::ClockJump { members, .. }
        | Trouble::ClockDrift { members, .. }
        | Trouble::CoarseTimers { members, .. }
        | Trouble::Suspend { members }
        | Trouble::FullDisk { members }
        | Trouble::Hostile { members, .. } => vec![members],
    }
}

/// Who works, and whom it concerns.
fn tasked(what: &mut Task) -> Vec<&mut Pick> {
    match what {
        Task::Event { members, .. }
        | Task::Tags { members, .. }
        | Task::Leave { members }
        | Task::ForceLeave { members, .. } => vec![members],
        Task::Query { members, to, .. } => std::iter::once(members).chain(to).collect(),
        Task::Join { members, via } | Task::Start { members, via } | Task::Double { members, via } => {
            vec![members, via]
        }
        Task::Registry(task) => vec![task.members_mut()],
    }
}
