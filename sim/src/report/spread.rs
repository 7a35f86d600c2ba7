//! How news spreads: from the first member that knows to all others.

use std::collections::BTreeMap;
use std::time::Duration;

use tidings_core::{Decision, Event, Member, State, Time};

use super::alarm::apart;
use crate::digest::Digest;
use crate::net::HostId;
use crate::rider::Rider;
use crate::world::World;

/// The first point of a curve, in seconds; prompt gossip takes a millisecond, rounds take seconds.
pub(super) const FIRST_POINT: f64 = 1e-4;
/// Points of a curve for a tenfold time.
const POINTS_PER_DECADE: f64 = 24.0;
/// Points of a curve: up to 100 s.
const POINTS: usize = 6 * POINTS_PER_DECADE as usize + 1;
/// What is heard later than this is not put down to gossip.
const LATE: Duration = Duration::from_secs(60);
/// News followed; more are counted only.
const ITEMS_MAX: usize = 50_000;

/// What sort of news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum News {
    /// A user event.
    Event,
    /// A member joined or came back.
    Join,
    /// A member failed or left.
    Gone,
    /// A member is suspected: often refuted before all have heard.
    Suspicion,
}

impl News {
    /// All sorts.
    pub const ALL: [News; 4] = [News::Event, News::Join, News::Gone, News::Suspicion];

    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "user events",
            Self::Join => "joins",
            Self::Gone => "failures and leaves",
            Self::Suspicion => "suspicions",
        }
    }
}

/// A piece of news.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its sort.
    pub news: News,
    /// The event's name, or the member's.
    pub name: String,
    /// When the first member knew.
    pub first: Time,
    /// Members it was news to and that could hear of it: they ran, were not hampered, and nothing
    /// cut them off from the first.
    pub population: u32,
    /// Those that heard within a minute.
    pub reached: u32,
    /// Time until half, 90 %, 99 % and all of the population had heard.
    pub times: [Option<Duration>; 4],
    /// Who has yet to hear, a bit each; given back when the item is old.
    waiting: Vec<u64>,
}

/// The shares of [`Item::times`].
pub const SHARES: [f64; 4] = [0.5, 0.9, 0.99, 1.0];

/// All news of a sort.
#[derive(Clone, Debug)]
pub struct Curve {
    /// Pieces of news.
    pub items: u64,
    /// Their populations together.
    pub population: u64,
    /// How many members heard of one between the point before and this one (see
    /// [`time`](Self::time)).
    pub heard: Vec<u64>,
}

/// Follows news.
#[derive(Debug, Default)]
pub(super) struct Spread {
    pub(super) items: Vec<Item>,
    pub(super) curves: BTreeMap<News, Curve>,
    /// News that were not followed any more.
    pub(super) left_out: u64,
    by_key: BTreeMap<(News, u64), usize>,
    /// Items before this one have given back their memory.
    fresh: usize,
}

impl Spread {
    pub(super) fn on_event<R: Rider>(&mut self, world: &World<R>, host: HostId, event: &Event) {
        if let Event::User(event) = event {
            let mut key = Digest::default();
            key.bytes(event.name.as_bytes());
            key.bytes(&event.payload);
            key.word(event.ltime.0);
            self.heard(world, host, (News::Event, &event.name, key.get()));
        }
    }

    pub(super) fn on_decision<R: Rider>(
        &mut self,
        world: &World<R>,
        host: HostId,
        decision: &Decision,
        subject: Option<HostId>,
    ) {
        let Decision::State { member, before, after, incarnation, .. } = decision else { return };
        let news = match (before, after) {
            (_, State::Suspect) => News::Suspicion,
            (_, State::Dead | State::Left) => News::Gone,
            (Some(State::Suspect), State::Alive) | (_, State::Forgotten) => return,
            (_, State::Alive) => News::Join,
        };
        let mut key = Digest::default();
        key.bytes(member.as_bytes());
        key.word(u64::from(*incarnation));
        key.word(subject.map_or(0, |subject| u64::from(world.hosts()[subject].life())));
        self.heard(world, host, (news, member, key.get()));
    }

    fn heard<R: Rider>(&mut self, world: &World<R>, host: HostId, what: (News, &str, u64)) {
        let now = world.now();
        let (news, _, key) = what;
        let place = match self.by_key.get(&(news, key)) {
            Some(place) => *place,
            None if self.items.len() >= ITEMS_MAX => return self.left_out += 1,
            None => self.begin(world, host, what),
        };
        let item = &mut self.items[place];
        let delay = now.since(item.first);
        let Some(word) = item.waiting.get_mut(host / 64).filter(|_| delay <= LATE) else { return };
        if *word & (1 << (host % 64)) == 0 {
            return;
        }
        *word &= !(1 << (host % 64));
        item.reached += 1;
        for (time, share) in item.times.iter_mut().zip(SHARES) {
            if time.is_none() && f64::from(item.reached) >= share * f64::from(item.population) {
                *time = Some(delay);
            }
        }
        let curve = self.curves.get_mut(&news).expect("made with the item");
        if let Some(count) = curve.heard.get_mut(Curve::point(delay)) {
            *count += 1;
        }
    }

    fn begin<R: Rider>(
        &mut self,
        world: &World<R>,
        first: HostId,
        (news, name, key): (News, &str, u64),
    ) -> usize {
        let now = world.now();
        while self.items.get(self.fresh).is_some_and(|old| now.since(old.first) > LATE) {
            self.items[self.fresh].waiting = Vec::new();
            self.fresh += 1;
        }
        let mut waiting = vec![0; world.hosts().len().div_ceil(64)];
        let mut population = 0;
        for host in 0..world.hosts().len() {
            if host == first || can_hear(world, first, host) && is_news(world, host, news, name) {
                waiting[host / 64] |= 1 << (host % 64);
                population += 1;
            }
        }
        let fresh = || Curve { items: 0, population: 0, heard: vec![0; POINTS] };
        let curve = self.curves.entry(news).or_insert_with(fresh);
        curve.items += 1;
        curve.population += u64::from(population);
        self.by_key.insert((news, key), self.items.len());
        let name = name.to_owned();
        self.items.push(Item { news, name, first: now, population, reached: 0, times: [None; 4], waiting });
        self.items.len() - 1
    }
}

/// Whether a host can hear what another says now.
fn can_hear<R: Rider>(world: &World<R>, from: HostId, to: HostId) -> bool {
    let host = &world.hosts()[to];
    host.node().is_some() && !host.is_hampered() && !apart(world, from, to)
}

/// Whether a host has yet to change what it holds.
fn is_news<R: Rider>(world: &World<R>, host: HostId, news: News, name: &str) -> bool {
    let machine = &world.hosts()[host];
    if news == News::Event {
        return true;
    }
    let state = machine.node().and_then(|node| node.view().get(name).map(Member::state));
    let own = machine.name() == name;
    !own && match news {
        News::Event => true,
        News::Join => !matches!(state, Some(State::Alive | State::Suspect)),
        News::Gone => matches!(state, Some(State::Alive | State::Suspect)),
        News::Suspicion => state == Some(State::Alive),
    }
}

impl Curve {
    /// The time of a point, in seconds since the first knew: 24 points for a tenfold time, from
    /// 0.1 ms on.
    #[must_use]
    pub fn time(point: usize) -> f64 {
        FIRST_POINT * libm::pow(10.0, point as f64 / POINTS_PER_DECADE)
    }

    /// The first point that is not before a time.
    fn point(delay: Duration) -> usize {
        let decades = libm::log10(delay.as_secs_f64().max(FIRST_POINT) / FIRST_POINT);
        libm::ceil(POINTS_PER_DECADE * decades - 1e-9) as usize
    }

    /// The share that has heard, point by point.
    pub fn shares(&self) -> impl Iterator<Item = f64> + '_ {
        let all = self.population.max(1) as f64;
        self.heard.iter().scan(0, move |sum, count| {
            *sum += count;
            Some(*sum as f64 / all)
        })
    }
}
