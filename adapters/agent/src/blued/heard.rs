//! What agents of the original announce: addresses heard in events, or read from another agent. Agents
//! of this kind keep theirs in the registry and are not listened to here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidings_client::protocol::Router;
use tidings_core::registry::service::Text;
use tidings_core::serf::clock::LamportTime;

use super::address::ADDR_MAX;
use super::app::NAME_MAX;

/// Pairs of an address and a service; further ones are not taken.
const PAIRS_MAX: usize = 16_384;

/// Addresses by service. Each address is one node's.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    by_addr: BTreeMap<Text, Announced>,
    /// Addresses by service.
    by_service: BTreeMap<Text, BTreeSet<Text>>,
    by_node: BTreeMap<Text, BTreeSet<Text>>,
    pairs: usize,
    /// Counts changes.
    version: u64,
}

#[derive(Debug)]
struct Announced {
    node: Text,
    services: BTreeSet<Text>,
    /// When, on the cluster's event clock.
    at: LamportTime,
}

impl Heard {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Differs after every change; 0: nothing was ever heard.
    pub(super) fn version(&self) -> u64 {
        self.lock().version
    }

    /// An agent announces an address, in the place of all it stood for before; whether there was room
    /// for all of it.
    pub(super) fn announce(&self, node: &str, addr: &str, services: &[String], at: LamportTime) -> bool {
        let mut table = self.lock();
        if table.is_older(addr, at) {
            return true;
        }
        table.remove(addr);
        services.iter().map(|service| table.add(node, addr, service, at)).fold(true, |all, one| all & one)
    }

    /// An agent withdraws an address, if nothing later is known of it.
    pub(super) fn withdraw(&self, addr: &str, at: LamportTime) {
        let mut table = self.lock();
        if !table.is_older(addr, at) {
            table.remove(addr);
        }
    }

    /// A node is gone.
    pub(super) fn forget_node(&self, node: &str) {
        let mut table = self.lock();
        for addr in table.by_node.get(node).cloned().unwrap_or_default() {
            table.remove(&addr);
        }
    }

    /// Takes over what another agent has, in the place of everything; whether there was room.
    pub(super) fn replace(&self, routers: &[Router]) -> bool {
        let mut table = self.lock();
        *table = Table { version: table.version + 1, ..Table::default() };
        let pairs =
            routers.iter().flat_map(|router| router.addrs.iter().map(move |it| (&router.service, it)));
        pairs
            .map(|(service, it)| table.add(&it.node, &it.addr, service, LamportTime::default()))
            .fold(true, |all, one| all & one)
    }

    /// Nodes and addresses of a service.
    pub(super) fn of(&self, service: &str) -> Vec<(Text, Text)> {
        let table = self.lock();
        let addrs = table.by_service.get(service).into_iter().flatten();
        addrs.filter_map(|addr| Some((table.by_addr.get(addr)?.node.clone(), addr.clone()))).collect()
    }

    /// All services.
    pub(super) fn services(&self) -> Vec<Text> {
        self.lock().by_service.keys().cloned().collect()
    }
}

impl Table {
    fn is_older(&self, addr: &str, at: LamportTime) -> bool {
        self.by_addr.get(addr).is_some_and(|known| at < known.at)
    }

    fn add(&mut self, node: &str, addr: &str, service: &str, at: LamportTime) -> bool {
        let fits = |text: &str, max| !text.is_empty() && text.len() <= max;
        if self.pairs >= PAIRS_MAX
            || !fits(addr, ADDR_MAX)
            || !fits(service, NAME_MAX)
            || !fits(node, NAME_MAX)
        {
            return false;
        }
        if self.by_addr.get(addr).is_some_and(|known| *known.node != *node) {
            self.remove(addr);
        }
        let (addr, node, service) = (Text::from(addr), Text::from(node), Text::from(service));
        let announced = self.by_addr.entry(addr.clone()).or_insert_with(|| Announced {
            node: node.clone(),
            services: BTreeSet::new(),
            at,
        });
        if announced.services.insert(service.clone()) {
            self.pairs += 1;
        }
        self.by_service.entry(service).or_default().insert(addr.clone());
        self.by_node.entry(node).or_default().insert(addr);
        self.version += 1;
        true
    }

    fn remove(&mut self, addr: &str) {
        let Some((addr, announced)) = self.by_addr.remove_entry(addr) else { return };
        self.version += 1;
        self.pairs -= announced.services.len();
        for service in &announced.services {
            take_out(&mut self.by_service, service, &addr);
        }
        take_out(&mut self.by_node, &announced.node, &addr);
    }
}

/// Takes an address out of a set, and leaves no empty set behind.
fn take_out(sets: &mut BTreeMap<Text, BTreeSet<Text>>, key: &Text, addr: &Text) {
    if let Some(set) = sets.get_mut(key) {
        set.remove(addr);
        if set.is_empty() {
            sets.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use tidings_client::protocol::RouterAddr;

    use super::*;

    fn texts(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn addrs(heard: &Heard, service: &str) -> Vec<String> {
        heard.of(service).iter().map(|(node, addr)| format!("{node}={addr}")).collect()
    }

    fn at(time: u64) -> LamportTime {
        LamportTime(time)
    }

    #[test]
    fn an_announcement_stands_in_the_place_of_the_one_before() {
        let heard = Heard::default();
        assert!(heard.announce("n", "a", &texts(&["x", "y"]), at(1)));
        assert!(heard.announce("m", "b", &texts(&["x"]), at(2)));
        assert_eq!(addrs(&heard, "x"), ["n=a", "m=b"]);
        heard.announce("m", "a", &texts(&["z"]), at(3));
        assert_eq!((addrs(&heard, "x"), addrs(&heard, "z")), (texts(&["m=b"]), texts(&["m=a"])));
        assert_eq!(heard.services(), ["x".into(), "z".into()], "y is gone with its last address");
        heard.forget_node("n");
        heard.forget_node("m");
        assert_eq!((heard.services().len(), heard.lock().pairs), (0, 0));
        assert!(heard.lock().by_node.is_empty());
    }

    #[test]
    fn what_comes_late_does_not_undo_what_was_said_after_it() {
        let heard = Heard::default();
        heard.announce("n", "a", &texts(&["x"]), at(5));
        let version = heard.version();
        heard.withdraw("a", at(4));
        heard.announce("o", "a", &texts(&["y"]), at(4));
        assert_eq!((addrs(&heard, "x"), heard.version()), (texts(&["n=a"]), version));
        heard.withdraw("a", at(6));
        assert!(addrs(&heard, "x").is_empty());
        assert_ne!(heard.version(), version);
    }

    #[test]
    fn another_agents_table_replaces_all() {
        let heard = Heard::default();
        heard.announce("n", "a", &texts(&["x"]), at(5));
        let addr = RouterAddr { node: "m".into(), addr: "b".into() };
        let router = |service: &str| Router {
            service: service.into(),
            addrs: vec![addr.clone()],
            ..Router::default()
        };
        assert!(heard.replace(&[router("x"), router("y")]));
        assert_eq!((addrs(&heard, "x"), addrs(&heard, "y")), (texts(&["m=b"]), texts(&["m=b"])));
        assert!(!heard.replace(&[router("")]), "a service without a name is none");
        assert!(heard.services().is_empty());
    }

    #[test]
    fn there_is_room_for_so_much() {
        let heard = Heard::default();
        let many: Vec<String> = (0..=PAIRS_MAX).map(|n| n.to_string()).collect();
        assert!(!heard.announce("n", "a", &many, at(1)));
        assert_eq!(heard.lock().pairs, PAIRS_MAX);
        assert!(!heard.announce("n", &"a".repeat(513), &texts(&["x"]), at(1)));
    }
}
