//! The table of members: one persistent view, and beside it what only a few members have.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::context::give_back;
use crate::rng::Rng;
use crate::shared::ViewPool;
use crate::swim::member::{Member, State, Status};
use crate::time::Time;
use crate::trie::Trie;
use crate::view::View;

/// A member's name, shared by everything that speaks of it.
pub(crate) type Name = Arc<str>;

/// What is remembered of a member that is dead, left or forgotten by SWIM.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    /// Since when.
    pub(crate) since: Time,
    /// Its place among those still told (the recently dead), if it is one of them.
    told: Option<usize>,
}

/// All members this node knows.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    view: View,
    /// Members SWIM knows: every state but forgotten.
    known: usize,
    /// Members by status.
    statuses: [usize; 5],
    gone: BTreeMap<Name, Gone>,
    /// The recently dead, who are still told what is new.
    told: Vec<Name>,
    /// Lent by the caller for the length of one input, so that equal views share their memory.
    pub(crate) pool: Option<ViewPool>,
}

impl Members {
    pub(crate) fn new(hash_seed: u64, me: Name) -> Self {
        Members {
            view: View::new(hash_seed, me),
            known: 0,
            statuses: [0; 5],
            gone: BTreeMap::new(),
            told: Vec::new(),
            pool: None,
        }
    }

    /// Gives back memory that busier times needed.
    pub(crate) fn rest(&mut self) {
        give_back(&mut self.gone);
        self.told.shrink_to(0);
    }

    /// A table that starts from a view in which everybody is alive.
    pub(crate) fn converged(view: &View, me: Name) -> Self {
        let mut statuses = [0; 5];
        statuses[Status::Alive as usize] = view.len();
        Members { view: view.seen_by(me.clone()), known: view.len(), statuses, ..Self::new(0, me) }
    }

    pub(crate) const fn view(&self) -> &View {
        &self.view
    }

    /// Everything in the table.
    pub(crate) fn trie(&self) -> &Trie<Member> {
        self.view.all()
    }

    pub(crate) fn hash(&self, name: &str) -> u64 {
        self.view.hash_of(name)
    }

    /// A member of any state and status.
    pub(crate) fn get(&self, name: &str) -> Option<&Member> {
        self.view.find(name)
    }

    /// A member SWIM knows.
    pub(crate) fn known(&self, name: &str) -> Option<&Member> {
        self.get(name).filter(|member| member.state != State::Forgotten)
    }

    /// How many members SWIM knows.
    pub(crate) fn known_len(&self) -> usize {
        self.known
    }

    /// How many members there are of a status.
    pub(crate) fn with_status(&self, status: Status) -> usize {
        self.statuses[status as usize]
    }

    /// How many members the Serf layer knows.
    pub(crate) fn serf_len(&self) -> usize {
        self.view.len()
    }

    /// Records in the table, of whatever state and status.
    pub(crate) fn len(&self) -> usize {
        self.trie().len()
    }

    /// Puts a member in, or in place of what was known of it. The only writer of the table.
    pub(crate) fn put(&mut self, member: Member) {
        self.known += usize::from(member.state != State::Forgotten);
        self.statuses[member.status as usize] += 1;
        if let Some(old) = self.view.upsert(member, self.pool.as_mut().map(ViewPool::members)) {
            self.uncount(&old);
        }
    }

    /// Takes a member out.
    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(old) = self.view.remove(name, self.pool.as_mut().map(ViewPool::members)) {
            self.uncount(&old);
        }
        self.came_back(name);
    }

    fn uncount(&mut self, old: &Member) {
        self.known -= usize::from(old.state != State::Forgotten);
        self.statuses[old.status as usize] -= 1;
    }

    /// Remembers that a member is gone; a dead one is still told what is new for a while.
    pub(crate) fn went(&mut self, name: &Name, now: Time, tell: bool) {
        self.came_back(name);
        let told = tell.then(|| {
            self.told.push(name.clone());
            self.told.len() - 1
        });
        self.gone.insert(name.clone(), Gone { since: now, told });
    }

    /// Forgets that a member was gone.
    pub(crate) fn came_back(&mut self, name: &str) {
        self.tell_no_longer(name);
        self.gone.remove(name);
    }

    /// The member is dead for so long that it is told nothing more.
    pub(crate) fn tell_no_longer(&mut self, name: &str) {
        let Some(place) = self.gone.get_mut(name).and_then(|gone| gone.told.take()) else { return };
        self.told.swap_remove(place);
        let moved = self.told.get(place).and_then(|moved| self.gone.get_mut(moved));
        if let Some(gone) = moved {
            gone.told = Some(place);
        }
        if self.told.is_empty() {
            self.told = Vec::new();
        }
    }

    /// Since when a member is gone.
    pub(crate) fn gone(&self, name: &str) -> Option<Gone> {
        self.gone.get(name).copied()
    }

    /// Everyone who is gone, by name.
    pub(crate) fn all_gone(&self) -> impl ExactSizeIterator<Item = (&Name, &Gone)> {
        self.gone.iter()
    }

    /// Whom to tell what is new in a round of `count`: the living, and as one of them perhaps
    /// somebody recently dead, as likely as its share. Were the dead drawn like the living, a mass
    /// failure would swallow the copies that the survivors need.
    pub(crate) fn audience(
        &self,
        rng: &mut Rng,
        count: usize,
        accept: impl FnMut(&Member) -> bool,
    ) -> SmallVec<[Member; 4]> {
        let live = self.trie().live();
        let drawn = rng.index(live + self.told.len()).checked_sub(live);
        let few = live.saturating_sub(1) < count;
        let place = if few { Some(rng.index(self.told.len())) } else { drawn };
        let dead = place.and_then(|place| self.told.get(place)).and_then(|name| self.known(name)).cloned();
        let count = count - usize::from(dead.is_some() && !few);
        let mut audience = self.random(rng, count, accept);
        audience.extend(dead);
        audience
    }

    /// Up to `count` different members, uniformly among those alive or suspect that `accept` takes.
    pub(crate) fn random(
        &self,
        rng: &mut Rng,
        count: usize,
        accept: impl FnMut(&Member) -> bool,
    ) -> SmallVec<[Member; 4]> {
        self.draw(rng, count, self.trie().live(), |rank| self.trie().nth_live(rank), accept)
    }

    /// As [`random`](Self::random), of the members that keep a registry.
    pub(crate) fn random_marked(
        &self,
        rng: &mut Rng,
        count: usize,
        accept: impl FnMut(&Member) -> bool,
    ) -> SmallVec<[Member; 4]> {
        self.draw(rng, count, self.trie().marked(), |rank| self.trie().nth_marked(rank), accept)
    }

    /// Up to `count` different members of the `total` that `nth` numbers.
    fn draw<'m>(
        &self,
        rng: &mut Rng,
        count: usize,
        total: usize,
        nth: impl Fn(usize) -> Option<&'m Member>,
        mut accept: impl FnMut(&Member) -> bool,
    ) -> SmallVec<[Member; 4]> {
        let mut chosen: SmallVec<[Member; 4]> = SmallVec::new();
        // Few members: all of them in random order, so that none is missed by chance.
        let mut ranks: SmallVec<[usize; 16]> = SmallVec::new();
        let few = total <= 3 * count.max(4);
        if few {
            ranks.extend(0..total);
            rng.shuffle(&mut ranks);
        }
        // Many: draw; what is drawn twice or not accepted costs a draw.
        for draw in 0..if few { total } else { 3 * count + 16 } {
            if chosen.len() == count {
                break;
            }
            let rank = if few { ranks[draw] } else { rng.index(total) };
            let Some(member) = nth(rank) else { continue };
            if accept(member)
                && !chosen.iter().any(|known| known.hash == member.hash && known.name() == member.name())
            {
                chosen.push(member.clone());
            }
        }
        chosen
    }
}

/// The order in which members are probed: a walk through the view in the order of `hash XOR mask`.
///
/// Each pass draws a mask and starts at a uniformly random member. Every member present throughout
/// a pass is visited exactly once, whoever joins or leaves meanwhile; two visits are at most
/// `2n - 1` steps apart. Nothing is stored but the cursor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Walk {
    pass: Option<Pass>,
}

#[derive(Clone, Debug)]
struct Pass {
    mask: u64,
    /// Where the pass began: it ends before coming here again.
    start: (u64, Name),
    at: (u64, Name),
    wrapped: bool,
}

impl Walk {
    /// The next live member that is not `me`; `None` when there is no other.
    pub(crate) fn next(&mut self, members: &Members, rng: &mut Rng, me: &str) -> Option<Member> {
        // Oneself is one step; with somebody else alive a pass has another.
        for _ in 0..4 {
            let member = match self.step(members) {
                Some(member) => member,
                None => self.begin(members, rng)?,
            };
            if member.name() != me {
                return Some(member);
            }
        }
        None
    }

    fn begin(&mut self, members: &Members, rng: &mut Rng) -> Option<Member> {
        let mask = rng.u64();
        let rank = rng.index(members.trie().live());
        let first = members.trie().walk_first(mask, rank)?.clone();
        let start = (first.hash ^ mask, first.identity.name.clone());
        let at = (first.hash, first.identity.name.clone());
        self.pass = Some(Pass { mask, start, at, wrapped: false });
        Some(first)
    }

    fn step(&mut self, members: &Members) -> Option<Member> {
        let pass = self.pass.as_mut()?;
        let mut next = members.trie().walk_next_live(pass.mask, pass.at.0, &pass.at.1);
        if next.is_none() && !pass.wrapped {
            pass.wrapped = true;
            next = members.trie().walk_first(pass.mask, 0);
        }
        let over = |member: &&Member| {
            pass.wrapped && (member.hash ^ pass.mask, member.name()) >= (pass.start.0, &*pass.start.1)
        };
        let Some(next) = next.filter(|member| !over(member)) else {
            self.pass = None;
            return None;
        };
        pass.at = (next.hash, next.identity.name.clone());
        Some(next.clone())
    }
}
