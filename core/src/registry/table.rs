//! All records known: of two versions the newer one stays.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::encoding::Told;
use super::node::NodeInfo;
use super::record::{Key, Kind, LentKey, Record, Stamp, owner_place};
use super::service::Text;
use crate::time::Time;
use crate::trie::{Pool, Trie};

/// What became of something that was told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Merged {
    /// It was new, and it is in force. What stood there before, if something did.
    News(Option<Record>),
    /// It was known, or never there: nothing to say.
    Known,
    /// What is known is newer: whoever told it should hear this.
    Older(Told),
    /// There is no room.
    Full,
}

/// The deletion of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tombstone {
    stamp: Stamp,
    /// Until when it is kept.
    until: Time,
}

/// The records known to a node, and those it knows to be gone.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    seed: u64,
    records: Trie<Record>,
    gone: BTreeMap<Key, Tombstone>,
    /// The same by time.
    gone_by_time: BTreeSet<(Time, Key)>,
    limits: Limits,
    /// Lent by the caller for the length of one input, so that equal tables share their memory.
    pub(crate) pool: Option<Pool<Record>>,
}

/// How much a table holds at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) records: usize,
    pub(crate) tombstones: usize,
}

impl Table {
    pub(crate) const fn new(seed: u64, limits: Limits) -> Self {
        Table {
            seed,
            records: Trie::new(),
            gone: BTreeMap::new(),
            gone_by_time: BTreeSet::new(),
            limits,
            pool: None,
        }
    }

    /// All records.
    pub(crate) const fn records(&self) -> &Trie<Record> {
        &self.records
    }

    /// Holds these in place of all records.
    pub(crate) fn adopt(&mut self, records: Trie<Record>) {
        self.records = records;
    }

    /// The seed its places are made with.
    pub(crate) const fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Record> {
        self.find(key.lent())
    }

    fn find(&self, key: LentKey<'_>) -> Option<&Record> {
        self.records.get_by(key.hash(self.seed), |it| it.lent().cmp(&key))
    }

    /// Whether the record of this key is known to the letter: of this stamp, and with a body whose
    /// bytes have this hash.
    pub(crate) fn holds(&self, key: LentKey<'_>, stamp: Stamp, content: impl FnOnce() -> u64) -> bool {
        self.find(key).is_some_and(|it| {
            it.stamp() == stamp && crate::trie::Record::digest(it) == key.digest(stamp, content())
        })
    }

    /// What is known of a key.
    pub(crate) fn told(&self, key: &Key) -> Option<Told> {
        match self.get(key) {
            Some(record) => Some(Told::Is(record.clone())),
            None => self.gone.get(key).map(|gone| Told::Gone(key.clone(), gone.stamp)),
        }
    }

    /// How many records are known to be gone.
    pub(crate) fn tombstones(&self) -> usize {
        self.gone.len()
    }

    /// Everything known to be gone.
    pub(crate) fn all_gone(&self) -> impl Iterator<Item = Told> {
        self.gone.iter().map(|(key, gone)| Told::Gone(key.clone(), gone.stamp))
    }

    /// The records of an owner.
    pub(crate) fn of_owner<'a>(&'a self, owner: &'a str) -> impl Iterator<Item = &'a Record> {
        self.place(owner).filter(move |record| *record.key().owner == *owner)
    }

    /// The records in the place of an owner: its own, and those of others that happen to share it.
    fn place(&self, owner: &str) -> impl Iterator<Item = &Record> {
        let start = owner_place(self.seed, owner);
        let end = start | u64::from(u32::MAX);
        let least = Key { owner: "".into(), node: "".into(), kind: Kind::Node, id: "".into() };
        let first = self.records.rank(start, &least);
        (first..)
            .map_while(|rank| self.records.nth(rank))
            .take_while(move |record| crate::trie::Record::hash(*record) <= end)
    }

    /// An agent's head: what it says of itself.
    pub(crate) fn head(&self, owner: &str) -> Option<&NodeInfo> {
        self.find(LentKey { owner, node: owner, kind: Kind::Node, id: "" })?.node()
    }

    /// Takes in what was told. Tombstones are kept until `until`.
    pub(crate) fn merge(&mut self, told: Told, until: Time) -> Merged {
        let key = told.key();
        let floor = self.head(&key.owner).map_or(0, |head| head.floor);
        if told.stamp().generation < floor {
            // Its owner does not remember it.
            return self.better_than(&told).map_or(Merged::Known, Merged::Older);
        }
        if let Some(gone) = self.gone.get(key)
            && gone.stamp >= told.stamp()
        {
            let older = gone.stamp > told.stamp() || matches!(told, Told::Is(_));
            return if older { Merged::Older(Told::Gone(key.clone(), gone.stamp)) } else { Merged::Known };
        }
        match told {
            Told::Is(record) => self.put(record),
            Told::Gone(key, stamp) => self.bury(key, stamp, until),
        }
    }

    /// What is known of a key, if it is newer than what was told.
    pub(crate) fn better_than(&self, told: &Told) -> Option<Told> {
        let (key, stamp) = (told.key(), told.stamp());
        let floor = self.head(&key.owner).map_or(0, |head| head.floor);
        let known = self.told(key).filter(|known| known.stamp() > stamp);
        let void = (stamp.generation < floor)
            .then(|| Told::Gone(key.clone(), Stamp { generation: floor, version: 0 }));
        known.or(void)
    }

    fn put(&mut self, record: Record) -> Merged {
        let old = self.get(record.key());
        match old {
            Some(old) if *old == record => return Merged::Known,
            Some(old) if !record.beats(old) => return Merged::Older(Told::Is(old.clone())),
            None if self.records.len() >= self.limits.records => return Merged::Full,
            _ => {}
        }
        self.unbury(record.key());
        let raised = self.floor_raised_by(&record);
        let old = self.records.upsert(record, self.pool.as_mut());
        if let Some((owner, floor)) = raised {
            self.drop_below(&owner, floor);
        }
        Merged::News(old)
    }

    /// Whose earlier generations a record makes void.
    fn floor_raised_by(&self, record: &Record) -> Option<(Text, u64)> {
        let key = record.key();
        let floor = record.node().filter(|_| key.node == key.owner)?.floor;
        let before = self.head(&key.owner).map_or(0, |head| head.floor);
        (floor > before).then(|| (key.owner.clone(), floor))
    }

    fn drop_below(&mut self, owner: &str, floor: u64) {
        let void: Vec<Key> = self
            .of_owner(owner)
            .filter(|record| record.stamp().generation < floor)
            .map(|record| record.key().clone())
            .collect();
        for key in void {
            self.take_out(&key);
        }
    }

    /// Forgets a record.
    pub(crate) fn take_out(&mut self, key: &Key) -> Option<Record> {
        self.records.remove(key.hash(self.seed), key, self.pool.as_mut())
    }

    fn bury(&mut self, key: Key, stamp: Stamp, until: Time) -> Merged {
        if let Some(old) = self.get(&key)
            && old.stamp() > stamp
        {
            return Merged::Older(Told::Is(old.clone()));
        }
        self.unbury(&key);
        let old = self.take_out(&key);
        self.gone.insert(key.clone(), Tombstone { stamp, until });
        self.gone_by_time.insert((until, key));
        while self.gone.len() > self.limits.tombstones {
            self.drop_oldest_tombstone();
        }
        Merged::News(old)
    }

    fn unbury(&mut self, key: &Key) {
        if let Some(gone) = self.gone.remove(key) {
            self.gone_by_time.remove(&(gone.until, key.clone()));
        }
    }

    fn drop_oldest_tombstone(&mut self) {
        if let Some((_, key)) = self.gone_by_time.pop_first() {
            self.gone.remove(&key);
        }
    }

    /// Forgets tombstones whose time is over.
    pub(crate) fn expire(&mut self, now: Time) {
        while self.gone_by_time.first().is_some_and(|(until, _)| *until <= now) {
            self.drop_oldest_tombstone();
        }
    }

    /// Forgets everything of an owner that is no member any more.
    pub(crate) fn forget(&mut self, owner: &str) {
        let keys: Vec<Key> = self.of_owner(owner).map(|record| record.key().clone()).collect();
        for key in keys {
            self.take_out(&key);
        }
        let gone: Vec<Key> = self.gone.keys().filter(|key| *key.owner == *owner).cloned().collect();
        gone.iter().for_each(|key| self.unbury(key));
    }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use quickcheck_macros::quickcheck;

    use super::*;
    use crate::registry::encoding::sealed;
    use crate::registry::record::Body;
    use crate::registry::service::Service;

    const SEED: u64 = 3;
    const LATER: Time = Time::from_nanos(1000);

    fn table() -> Table {
        Table::new(SEED, Limits { records: 100, tombstones: 10 })
    }

    fn key(owner: &str, kind: Kind, id: &str) -> Key {
        Key { owner: owner.into(), node: owner.into(), kind, id: id.into() }
    }

    fn service(owner: &str, id: &str, generation: u64, version: u64) -> Told {
        let body = Body::Service(Service { name: "web".into(), ..Service::default() });
        Told::Is(sealed(SEED, key(owner, Kind::Service, id), Stamp { generation, version }, body))
    }

    fn head(owner: &str, floor: u64, generation: u64, version: u64) -> Told {
        let body = Body::Node(NodeInfo { floor, ..NodeInfo::default() });
        Told::Is(sealed(SEED, key(owner, Kind::Node, ""), Stamp { generation, version }, body))
    }

    fn gone(owner: &str, id: &str, generation: u64, version: u64) -> Told {
        Told::Gone(key(owner, Kind::Service, id), Stamp { generation, version })
    }

    #[test]
    fn the_newer_one_stays() {
        // What is known, what is told, what follows, and whether the record stands after it.
        let cases = [
            (vec![], service("a", "s", 1, 1), "news", true),
            (vec![service("a", "s", 1, 1)], service("a", "s", 1, 1), "known", true),
            (vec![service("a", "s", 1, 1)], service("a", "s", 1, 2), "news", true),
            (vec![service("a", "s", 1, 2)], service("a", "s", 1, 1), "older", true),
            (vec![service("a", "s", 2, 1)], service("a", "s", 1, 9), "older", true),
            (vec![service("a", "s", 1, 1)], gone("a", "s", 1, 1), "news", false),
            (vec![service("a", "s", 1, 2)], gone("a", "s", 1, 1), "older", true),
            (vec![gone("a", "s", 1, 2)], service("a", "s", 1, 1), "older", false),
            (vec![gone("a", "s", 1, 2)], service("a", "s", 1, 2), "older", false),
            (vec![gone("a", "s", 1, 2)], gone("a", "s", 1, 2), "known", false),
            (vec![gone("a", "s", 1, 2)], gone("a", "s", 1, 3), "news", false),
            (vec![gone("a", "s", 1, 2)], service("a", "s", 1, 3), "news", true),
            (vec![head("a", 5, 5, 1)], service("a", "s", 4, 9), "older", false),
            (vec![head("a", 5, 5, 1)], service("a", "s", 5, 9), "news", true),
            (vec![head("b", 5, 5, 1)], service("a", "s", 4, 9), "news", true),
        ];
        for (known, told, expected, stands) in cases {
            let mut table = table();
            for told in known.clone() {
                table.merge(told, LATER);
            }
            let merged = match table.merge(told.clone(), LATER) {
                Merged::News(_) => "news",
                Merged::Known => "known",
                Merged::Older(_) => "older",
                Merged::Full => "full",
            };
            assert_eq!(merged, expected, "{known:?} then {told:?}");
            assert_eq!(table.get(told.key()).is_some(), stands, "{known:?} then {told:?}");
        }
    }

    #[test]
    fn a_new_floor_voids_what_stands_below_it() {
        let mut table = table();
        for told in [service("a", "old", 4, 1), service("a", "new", 6, 1), service("b", "other", 1, 1)] {
            table.merge(told, LATER);
        }
        table.merge(head("a", 5, 6, 2), LATER);
        assert!(table.get(&key("a", Kind::Service, "old")).is_none());
        assert!(table.get(&key("a", Kind::Service, "new")).is_some());
        assert!(table.get(&key("b", Kind::Service, "other")).is_some());
        let told = table.merge(service("a", "old", 4, 1), LATER);
        assert_eq!(told, Merged::Older(gone("a", "old", 5, 0)));
        // Who holds an older head, or an older version of what stands, is not told that it is gone.
        let told = table.merge(head("a", 4, 4, 1), LATER);
        assert_eq!(told, Merged::Older(head("a", 5, 6, 2)));
        let told = table.merge(service("a", "new", 4, 1), LATER);
        assert_eq!(told, Merged::Older(service("a", "new", 6, 1)));
    }

    #[test]
    fn tombstones_end_and_are_bounded() {
        let mut table = table();
        for i in 0..20u64 {
            table.merge(gone("a", &std::format!("{i}"), 1, 1), Time::from_nanos(i));
        }
        assert_eq!(table.all_gone().count(), 10);
        table.expire(Time::from_nanos(18));
        assert_eq!(table.all_gone().count(), 1);
        assert!(matches!(table.merge(service("a", "19", 1, 1), LATER), Merged::Older(_)));
        table.expire(Time::from_nanos(19));
        assert!(matches!(table.merge(service("a", "19", 1, 1), LATER), Merged::News(None)));
    }

    #[test]
    fn a_full_table_takes_newer_versions_only() {
        let mut table = table();
        for i in 0..100u64 {
            table.merge(service("a", &std::format!("{i}"), 1, 1), LATER);
        }
        assert_eq!(table.merge(service("a", "100", 1, 1), LATER), Merged::Full);
        assert!(matches!(table.merge(service("a", "99", 1, 2), LATER), Merged::News(Some(_))));
        table.merge(gone("a", "99", 1, 3), LATER);
        assert!(matches!(table.merge(service("a", "100", 1, 1), LATER), Merged::News(None)));
    }

    #[test]
    fn an_owner_is_forgotten_as_a_whole() {
        let mut table = table();
        for (owner, id) in [("a", "1"), ("b", "1"), ("a", "2"), ("c", "1")] {
            table.merge(service(owner, id, 1, 1), LATER);
        }
        table.merge(gone("a", "3", 1, 1), LATER);
        assert_eq!(table.of_owner("a").count(), 2);
        table.forget("a");
        assert_eq!((table.of_owner("a").count(), table.records().len(), table.all_gone().count()), (0, 2, 0));
    }

    /// What is told, in any order and any number of times, ends in the same table.
    #[quickcheck]
    fn order_does_not_matter(told: Vec<(u8, u8, u8, bool)>, order: Vec<usize>) -> bool {
        let told: Vec<Told> = told
            .into_iter()
            .map(|(id, generation, version, dead)| {
                let (id, generation, version) =
                    (std::format!("{}", id % 4), u64::from(generation % 3), u64::from(version % 4));
                match (version, dead) {
                    (0, _) => head("a", generation, generation, version),
                    (_, true) => gone("a", &id, generation, version),
                    (_, false) => service("a", &id, generation, version),
                }
            })
            .collect();
        let mut shuffled = told.clone();
        for (i, at) in order.iter().enumerate().take(shuffled.len()) {
            let at = at % shuffled.len();
            shuffled.swap(i, at);
        }
        let settle = |list: &[Told]| {
            let mut table = Table::new(SEED, Limits { records: 100, tombstones: 100 });
            // Twice: what was told too early is told again.
            for told in list.iter().chain(list) {
                table.merge(told.clone(), LATER);
            }
            table
        };
        settle(&told).records() == settle(&shuffled).records()
    }
}
