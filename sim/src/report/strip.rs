//! What the members hold of each other over time, beside how they truly are.

use std::collections::BTreeMap;

use tidings_core::{Decision, State};

use super::names::Names;
use crate::net::HostId;
use crate::rider::Rider;
use crate::world::World;

/// Members whose opinion is followed; in larger clusters, these many, evenly spread.
const HOLDERS_MAX: usize = 256;
/// Members of whom something other than "alive" is remembered; of more, nothing is.
const ROWS_MAX: usize = 2_000;
/// Of clusters up to this size, everything is remembered of everybody.
const ROWS_ALL: usize = 100;

/// What others hold of a member: the worst that any of them holds, and how many do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Held {
    /// Everybody holds it alive.
    #[default]
    Alive,
    /// It has left.
    Left(Share),
    /// It is suspected.
    Suspect(Share),
    /// It is held failed.
    Failed(Share),
}

/// How many of the others hold something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Share {
    /// Fewer than a third.
    Few,
    /// Up to nine in ten.
    Many,
    /// Nine in ten, or more.
    Nearly,
}

impl Share {
    fn of(part: usize, all: usize) -> Share {
        if 3 * part < all {
            Share::Few
        } else if 10 * part < 9 * all {
            Share::Many
        } else {
            Share::Nearly
        }
    }
}

/// How a member truly is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Truth {
    /// It runs.
    #[default]
    Up,
    /// It runs, but a fault has it frozen or blocks its I/O.
    Hampered,
    /// Its process does not run.
    Down,
}

/// A member over time, a cell for each step.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name.
    pub name: String,
    pub(super) host: HostId,
    /// Cells, step by step.
    pub cells: Vec<(Held, Truth)>,
    /// Holders of each opinion, by [`opinion`]; and the most there were since the last step.
    counts: [usize; 4],
    most: [usize; 4],
}

const ALIVE: u8 = 0;
const LEFT: u8 = 1;
const SUSPECT: u8 = 2;
const FAILED: u8 = 3;

/// What SWIM forgets, the Serf layer still holds as it was.
const fn opinion(state: State) -> Option<u8> {
    match state {
        State::Alive => Some(ALIVE),
        State::Suspect => Some(SUSPECT),
        State::Dead => Some(FAILED),
        State::Left => Some(LEFT),
        State::Forgotten => None,
    }
}

/// Follows opinions.
#[derive(Debug)]
pub(super) struct Strip {
    pub(super) rows: Vec<Row>,
    pub(super) left_out: bool,
    by_name: BTreeMap<String, usize>,
    /// What each holder holds of each row.
    opinions: Vec<Vec<u8>>,
    /// Holders are the hosts whose number this divides.
    stride: usize,
    steps: usize,
}

impl Strip {
    pub(super) fn new(hosts: usize) -> Self {
        let stride = hosts.div_ceil(HOLDERS_MAX).max(1);
        Strip {
            rows: Vec::new(),
            left_out: false,
            by_name: BTreeMap::new(),
            opinions: Vec::new(),
            stride,
            steps: 0,
        }
    }

    /// Members whose opinion is followed.
    pub(super) fn is_sampled(&self) -> bool {
        self.stride > 1
    }

    fn row(&mut self, names: &Names, name: &str) -> Option<usize> {
        if let Some(row) = self.by_name.get(name) {
            return Some(*row);
        }
        let host = names.host(name)?;
        if self.rows.len() >= ROWS_MAX {
            self.left_out = true;
            return None;
        }
        let cells = vec![(Held::Alive, Truth::Up); self.steps];
        self.by_name.insert(name.to_owned(), self.rows.len());
        self.rows.push(Row { name: name.to_owned(), host, cells, counts: [0; 4], most: [0; 4] });
        Some(self.rows.len() - 1)
    }

    fn set(&mut self, holder: HostId, row: usize, opinion: u8) {
        if self.rows[row].host == holder {
            return;
        }
        let place = holder / self.stride;
        if self.opinions.len() <= place {
            self.opinions.resize(place + 1, Vec::new());
        }
        let own = &mut self.opinions[place];
        if own.len() <= row {
            own.resize(row + 1, ALIVE);
        }
        let before = std::mem::replace(&mut own[row], opinion);
        let row = &mut self.rows[row];
        row.counts[before as usize] = row.counts[before as usize].saturating_sub(1);
        row.counts[opinion as usize] += 1;
        let most = &mut row.most[opinion as usize];
        *most = (*most).max(row.counts[opinion as usize]);
    }

    pub(super) fn on_decision(&mut self, names: &Names, holder: HostId, decision: &Decision) {
        let Decision::State { member, after, .. } = decision else { return };
        let Some(opinion) = opinion(*after).filter(|_| holder.is_multiple_of(self.stride)) else { return };
        let known = self.by_name.contains_key(&**member);
        if (known || opinion != ALIVE)
            && let Some(row) = self.row(names, member)
        {
            self.set(holder, row, opinion);
        }
    }

    /// A process starts with a view, or ends and holds nothing any more.
    pub(super) fn on_life<R: Rider>(&mut self, world: &World<R>, names: &Names, host: HostId, begins: bool) {
        if world.hosts().len() <= ROWS_ALL || world.hosts()[host].life() > 0 || !begins {
            self.row(names, world.hosts()[host].name());
        }
        if !host.is_multiple_of(self.stride) {
            return;
        }
        for row in 0..self.rows.len() {
            self.set(host, row, ALIVE);
        }
        let Some(node) = world.hosts()[host].node().filter(|_| begins) else { return };
        for member in node.view().iter() {
            if let Some(opinion) = opinion(member.state()).filter(|opinion| *opinion != ALIVE)
                && let Some(row) = self.row(names, member.name())
            {
                self.set(host, row, opinion);
            }
        }
    }

    /// A fault may have changed how hosts are: they get rows of their own.
    pub(super) fn on_fault<R: Rider>(&mut self, world: &World<R>, names: &Names) {
        for host in world.hosts().iter().filter(|host| host.is_hampered()) {
            self.row(names, host.name());
        }
    }

    /// Ends a step.
    pub(super) fn end<R: Rider>(&mut self, world: &World<R>) {
        self.steps += 1;
        let holders: Vec<bool> =
            world.hosts().iter().step_by(self.stride).map(|host| host.node().is_some()).collect();
        let running = holders.iter().filter(|runs| **runs).count();
        for row in &mut self.rows {
            let machine = &world.hosts()[row.host];
            let own = row.host.is_multiple_of(self.stride) && machine.node().is_some();
            let others = (running - usize::from(own)).max(1);
            let share = |opinion: u8| Share::of(row.most[opinion as usize], others);
            let held = if row.most[FAILED as usize] > 0 {
                Held::Failed(share(FAILED))
            } else if row.most[SUSPECT as usize] > 0 {
                Held::Suspect(share(SUSPECT))
            } else if row.most[LEFT as usize] > 0 {
                Held::Left(share(LEFT))
            } else {
                Held::Alive
            };
            let truth = match machine.node() {
                None => Truth::Down,
                // Renamed hosts live on in another row.
                Some(_) if machine.name() != row.name => Truth::Down,
                Some(_) if machine.is_hampered() => Truth::Hampered,
                Some(_) => Truth::Up,
            };
            row.cells.push((held, truth));
            row.most = row.counts;
        }
    }

    /// Joins neighbouring steps; the worse of two remains.
    pub(super) fn halve(&mut self) {
        for row in &mut self.rows {
            row.cells = row
                .cells
                .chunks(2)
                .map(|pair| {
                    let last = pair.last().unwrap_or(&pair[0]);
                    (pair[0].0.max(last.0), pair[0].1.max(last.1))
                })
                .collect();
        }
        self.steps = self.steps.div_ceil(2);
    }
}
