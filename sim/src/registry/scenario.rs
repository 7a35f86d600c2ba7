//! Services at scale: thousands of hosts that know of a hundred thousand instances, and how long
//! they take to know of what is new.
//!
//! Every host starts with its share of the instances, registered long ago and known to all; each has a
//! check with a TTL.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tidings_core::Time;
use tidings_core::registry::RegistryView;
use tidings_core::registry::check::Health;
use tidings_core::registry::record::{Key, Kind, Record, Stamp};

use super::story::{Registration, check_id};
use crate::cluster::Cluster;
use crate::net::HostId;
use crate::speed::resident_bytes;

/// How often it is looked who knows.
const LOOK: Duration = Duration::from_millis(10);
/// The TTL of what does not expire in a scenario.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);
/// When what is to expire does.
const SHORT: Duration = Duration::from_secs(5);
/// Everything that is new must be known after this.
const WITHIN: Duration = Duration::from_secs(600);

/// What happens to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// Instances are registered anew, one a second.
    Spread {
        /// How many.
        changes: usize,
    },
    /// Some hosts are cut off for a time; so many instances on either side change meanwhile.
    Partition {
        /// How many hosts.
        hosts: usize,
        /// How long.
        lasts: Duration,
        /// How many.
        changes: usize,
    },
    /// The TTLs of so many instances end in the same moment.
    Expiry {
        /// How many.
        instances: usize,
    },
    /// So many hosts lose their power and come back with their disks after five seconds; three times.
    Storm {
        /// How many.
        hosts: usize,
    },
}

/// A cluster with services, and what happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Hosts.
    pub members: usize,
    /// Instances in all.
    pub services: usize,
    /// What happens.
    pub story: Story,
}

/// How it went.
#[derive(Clone, Debug)]
pub struct Measured {
    /// From each change, healing or return until this share of the hosts knew: half, 99 %, 99.9 %, all.
    /// Of several the longest.
    pub known: [(f64, Option<Duration>); 4],
    /// Virtual time in all.
    pub virtual_time: Duration,
    /// Real time it took to make the cluster.
    pub start: Duration,
    /// Real time of the rest.
    pub wall: Duration,
    /// Bytes the process had at most.
    pub memory: Option<u64>,
    /// Bytes sent in datagrams a host and second.
    pub datagram_rate: f64,
    /// Bytes sent on streams a host and second.
    pub stream_rate: f64,
}

/// Something everybody is to know.
#[derive(Clone, Debug)]
struct News {
    key: Key,
    is: Expected,
}

#[derive(Clone, Copy, Debug)]
enum Expected {
    /// Written at this stamp or later.
    Since(Stamp),
    /// It has turned critical.
    Critical,
}

impl News {
    fn is_known(&self, view: &RegistryView) -> bool {
        let record = view.get(&self.key);
        record.is_some_and(|record| match self.is {
            Expected::Since(stamp) => record.stamp() >= stamp,
            Expected::Critical => record.check().is_some_and(|check| check.status == Health::Critical),
        })
    }
}

/// A scenario under way.
struct Run {
    cluster: Cluster,
    per_host: usize,
    seed: u64,
    memory: Option<u64>,
    known: [(f64, Option<Duration>); 4],
}

impl Scenario {
    /// Runs it.
    #[must_use]
    pub fn measure(&self, seed: u64) -> Measured {
        let started = Instant::now();
        let mut run = Run::new(self, seed);
        let start = started.elapsed();
        let (wall, begun) = (Instant::now(), run.cluster.now());
        match self.story {
            Story::Spread { changes } => run.spread(changes),
            Story::Partition { hosts, lasts, changes } => run.partition(hosts, lasts, changes),
            Story::Expiry { instances } => run.expiry(instances),
            Story::Storm { hosts } => run.storm(hosts),
        }
        run.look_at_memory();
        let virtual_time = run.cluster.now().since(begun);
        let (datagrams, streams) = run.cluster.hosts().iter().filter_map(|host| host.node()).fold(
            (0, 0),
            |(datagrams, streams), node| {
                let metrics = node.metrics();
                (datagrams + metrics.datagram_bytes_out, streams + metrics.stream_bytes_out)
            },
        );
        let rate = |bytes: u64| bytes as f64 / self.members as f64 / virtual_time.as_secs_f64();
        Measured {
            known: run.known,
            virtual_time,
            start,
            wall: wall.elapsed(),
            memory: run.memory,
            datagram_rate: rate(datagrams),
            stream_rate: rate(streams),
        }
    }
}

impl Run {
    fn new(scenario: &Scenario, seed: u64) -> Self {
        let Scenario { members, services, story } = *scenario;
        let plan = Cluster::lan(members).seed(seed).keep_events(false).registry();
        let durable = matches!(story, Story::Storm { .. });
        let mut cluster = plan.configure(|_, config| config.registry.durable = durable).start();
        let per_host = services.div_ceil(members);
        let dying = if let Story::Expiry { instances } = story { instances } else { 0 };
        cluster.have_registered(|host| {
            let services = (0..per_host).filter(|nth| host * per_host + nth < services);
            let instance = |nth: usize| {
                // Spread over all hosts: the first of each, then the second.
                let dies = nth * members + host < dying;
                let service = name(nth);
                Registration::of(&service).port(8000 + nth as i64).ttl(if dies { SHORT } else { LONG })
            };
            services.map(instance).collect()
        });
        let known = [0.5, 0.99, 0.999, 1.0].map(|share| (share, Some(Duration::ZERO)));
        Run { cluster, per_host, seed, memory: resident_bytes(), known }
    }

    fn look_at_memory(&mut self) {
        self.memory = self.memory.max(resident_bytes());
    }

    /// Registers an instance of a host anew.
    fn change(&mut self, host: HostId, nth: usize, turn: usize) -> News {
        let service = name(nth % self.per_host);
        self.cluster.register(host, Registration::of(&service).port(20_000 + turn as i64).ttl(LONG));
        let machine = self.cluster.host(host);
        let view = machine.node().map(tidings_core::Node::registry).unwrap_or_default();
        let key = own(machine.name(), Kind::Service, &service);
        let stamp = view.get(&key).map(Record::stamp).unwrap_or_default();
        News { key, is: Expected::Since(stamp) }
    }

    /// The hosts whose turn it is, far from each other.
    fn some(&self, count: usize) -> Vec<HostId> {
        let n = self.cluster.hosts().len();
        let shift = self.seed as usize;
        (0..count).map(|nth| (shift + nth * (n / 2 + 1).max(1) + nth * n / count.max(1)) % n).collect()
    }

    /// Runs until all that is new is known to all; notes how long each share of the hosts took.
    fn until_known(&mut self, news: &[News]) {
        let start = self.cluster.now();
        let n = self.cluster.living().len();
        let mut reached = [None; 4];
        // Whether all is known in a state: most hosts hold the same.
        let mut judged: HashMap<u64, bool> = HashMap::new();
        // Who does not know all yet, and from where on.
        let mut lacking: Vec<(HostId, usize)> =
            self.cluster.living().into_iter().map(|host| (host, 0)).collect();
        while !lacking.is_empty() && self.cluster.now().since(start) < WITHIN {
            self.cluster.run(LOOK);
            lacking.retain_mut(|(host, place)| {
                let Some(node) = self.cluster.host(*host).node() else { return true };
                let view = node.registry();
                let knows = judged.entry(view.records().digest()).or_insert_with(|| {
                    while *place < news.len() && news[*place].is_known(&view) {
                        *place += 1;
                    }
                    // A host that restarts meanwhile may know less than it did.
                    *place == news.len() && news.iter().all(|news| news.is_known(&view))
                });
                !*knows
            });
            self.memory = self.memory.max(resident_bytes());
            let passed = self.cluster.now().since(start);
            for ((share, _), reached) in self.known.iter().zip(&mut reached) {
                let enough = (n - lacking.len()) as f64 >= (share * n as f64).floor();
                if enough && reached.is_none() {
                    *reached = Some(passed);
                }
            }
        }
        for ((_, longest), reached) in self.known.iter_mut().zip(reached) {
            *longest = longest.zip(reached).map(|(longest, reached)| longest.max(reached));
        }
    }

    fn spread(&mut self, changes: usize) {
        self.cluster.run(Duration::from_secs(1));
        for (turn, host) in self.some(changes).into_iter().enumerate() {
            let news = self.change(host, turn, turn);
            self.until_known(&[news]);
            self.cluster.run(Duration::from_secs(1));
        }
    }

    fn partition(&mut self, hosts: usize, lasts: Duration, changes: usize) {
        self.cluster.run(Duration::from_secs(1));
        let n = self.cluster.hosts().len();
        let side: Vec<HostId> = (0..hosts).collect();
        self.cluster.partition(&side);
        let mut news = Vec::new();
        for turn in 0..changes {
            for (first, size) in [(0, hosts), (hosts, n - hosts)] {
                news.push(self.change(first + turn % size, turn / size, turn));
            }
        }
        self.cluster.run(lasts);
        self.look_at_memory();
        self.cluster.heal();
        self.until_known(&news);
    }

    fn expiry(&mut self, instances: usize) {
        let n = self.cluster.hosts().len();
        let news: Vec<News> = (0..instances)
            .map(|of| {
                let (host, nth) = (of % n, of / n);
                let id = check_id("ttl", &name(nth));
                let key = own(self.cluster.host(host).name(), Kind::Check, &id);
                News { key, is: Expected::Critical }
            })
            .collect();
        let expires = Time::ZERO + SHORT;
        self.cluster.run(expires.since(self.cluster.now()));
        self.until_known(&news);
    }

    fn storm(&mut self, hosts: usize) {
        use crate::faults::{Pick, Return, Trouble};

        let (down, secs) = (Duration::from_secs(5), Duration::from_secs);
        for round in 0..3 {
            self.cluster.run(secs(2));
            let members = Pick::Random(hosts);
            let comes_back = Return::WithState;
            self.cluster.trouble(down, Trouble::PowerLoss { members, comes_back });
            self.cluster.run(down + LOOK);
            self.look_at_memory();
            // What every host knows of itself, the restarted ones among them, is known to all.
            let news = self.everything(round);
            self.until_known(&news);
        }
    }

    /// Every record of the cluster as its owner holds it, and one that is new.
    fn everything(&mut self, turn: usize) -> Vec<News> {
        let host = self.some(3)[turn % 3];
        let mut news = vec![self.change(host, turn, turn)];
        let n = self.cluster.hosts().len();
        for host in 0..n {
            let machine = self.cluster.host(host);
            let Some(node) = machine.node() else { continue };
            let view = node.registry();
            for nth in 0..self.per_host {
                let key = own(machine.name(), Kind::Service, &name(nth));
                let stamp = view.get(&key).map(Record::stamp);
                news.extend(stamp.map(|stamp| News { key, is: Expected::Since(stamp) }));
            }
        }
        news
    }
}

/// The name of the nth service of each host.
fn name(nth: usize) -> String {
    format!("service-{nth}")
}

fn own(host: &str, kind: Kind, id: &str) -> Key {
    Key { owner: host.into(), node: host.into(), kind, id: id.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(story: Story) -> Measured {
        Scenario { members: 60, services: 600, story }.measure(3)
    }

    fn all_know(measured: &Measured) -> Duration {
        measured.known[3].1.unwrap_or_else(|| panic!("not all came to know: {measured:?}"))
    }

    #[test]
    fn a_change_is_known_to_all_within_three_seconds() {
        let measured = measure(Story::Spread { changes: 5 });
        assert!(measured.known[2].1.is_some_and(|time| time <= Duration::from_secs(3)), "{measured:?}");
        all_know(&measured);
    }

    #[test]
    fn after_a_partition_both_sides_know_what_the_other_did() {
        let story = Story::Partition { hosts: 30, lasts: Duration::from_secs(40), changes: 30 };
        assert!(all_know(&measure(story)) < Duration::from_secs(120));
    }

    #[test]
    fn when_hundreds_of_ttls_end_at_once_all_hear_of_each() {
        assert!(all_know(&measure(Story::Expiry { instances: 200 })) < Duration::from_secs(5));
    }

    #[test]
    fn restarts_by_the_dozen_lose_nothing_and_are_over_soon() {
        // Of those that come back, some learn from others that have just come back, and were told of
        // hundreds of records before they heard that the owners are there.
        assert!(all_know(&measure(Story::Storm { hosts: 15 })) < Duration::from_secs(6));
    }
}
