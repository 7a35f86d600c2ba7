//! The apps registered at this agent, each until its time is over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::app::App;

/// Apps at one agent; further ones are refused.
pub(super) const APPS_MAX: usize = 16_384;

/// The apps by their addresses. Every operation costs the logarithm of their number, listing them
/// excepted.
#[derive(Debug, Default)]
pub(super) struct Apps(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    by_addr: BTreeMap<Arc<str>, Entry>,
    /// Exactly one for each app.
    by_deadline: BTreeSet<(Instant, Arc<str>)>,
}

#[derive(Clone, Debug)]
struct Entry {
    app: Arc<App>,
    deadline: Instant,
    life: u64,
}

/// An app whose time is not over.
#[derive(Clone, Debug)]
pub(super) struct Live {
    pub(super) app: Arc<App>,
    /// In which life of this member it was announced last.
    pub(super) life: u64,
}

impl Apps {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An app that is live now.
    pub(super) fn live(&self, addr: &str, now: Instant) -> Option<Live> {
        let table = self.lock();
        let entry = table.by_addr.get(addr).filter(|entry| entry.deadline > now)?;
        Some(Live { app: Arc::clone(&entry.app), life: entry.life })
    }

    /// An app, also one whose time is over that has not been taken out yet.
    pub(super) fn known(&self, addr: &str) -> Option<Arc<App>> {
        self.lock().by_addr.get(addr).map(|entry| Arc::clone(&entry.app))
    }

    /// Whether there is room for this one.
    pub(super) fn has_room(&self, addr: &str) -> bool {
        let table = self.lock();
        table.by_addr.len() < APPS_MAX || table.by_addr.contains_key(addr)
    }

    /// Puts an app in the place of the one at its address; whether its deadline is the first of all.
    pub(super) fn put(&self, app: Arc<App>, deadline: Instant, life: u64) -> bool {
        let mut table = self.lock();
        let addr: Arc<str> = app.addr.as_str().into();
        if let Some(old) = table.by_addr.insert(Arc::clone(&addr), Entry { app, deadline, life }) {
            table.by_deadline.remove(&(old.deadline, Arc::clone(&addr)));
        }
        table.by_deadline.insert((deadline, Arc::clone(&addr)));
        table.by_deadline.first().is_some_and(|(_, first)| *first == addr)
    }

    /// Takes an app out.
    pub(super) fn remove(&self, addr: &str) -> Option<Arc<App>> {
        let mut table = self.lock();
        let (addr, entry) = table.by_addr.remove_entry(addr)?;
        table.by_deadline.remove(&(entry.deadline, addr));
        Some(entry.app)
    }

    /// When the next app's time is over.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.lock().by_deadline.first().map(|(deadline, _)| *deadline)
    }

    /// An app whose time is over, the first of them.
    pub(super) fn expired(&self, now: Instant) -> Option<Arc<str>> {
        let table = self.lock();
        table.by_deadline.first().filter(|(deadline, _)| *deadline <= now).map(|(_, addr)| Arc::clone(addr))
    }

    /// All that are live now, by address.
    pub(super) fn list(&self, now: Instant) -> Vec<Arc<App>> {
        let table = self.lock();
        let live = table.by_addr.values().filter(|entry| entry.deadline > now);
        live.map(|entry| Arc::clone(&entry.app)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn app(addr: &str) -> Arc<App> {
        Arc::new(App { addr: addr.into(), ..App::default() })
    }

    #[test]
    fn an_app_is_there_until_its_deadline_and_no_longer() {
        let (apps, start) = (Apps::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(apps.put(app("b"), at(2), 0));
        assert!(!apps.put(app("c"), at(3), 0));
        assert!(apps.put(app("a"), at(1), 0));
        assert!(!apps.put(app("b"), at(1), 7), "a tie goes by address");
        apps.put(app("b"), at(4), 7);
        assert_eq!(apps.next_deadline(), Some(at(1)));
        assert_eq!(apps.live("b", at(3)).map(|live| live.life), Some(7));
        assert!(apps.live("a", at(1)).is_none());
        assert!(apps.known("a").is_some());
        let addrs = |now| apps.list(now).iter().map(|app| app.addr.clone()).collect::<Vec<_>>();
        assert_eq!(addrs(at(0)), ["a", "b", "c"]);
        assert_eq!(addrs(at(3)), ["b"]);
        assert_eq!(apps.expired(at(0)), None);
        assert_eq!(apps.expired(at(9)).as_deref(), Some("a"));
        assert!(apps.remove("a").is_some());
        assert!(apps.remove("a").is_none());
        assert_eq!(apps.expired(at(3)).as_deref(), Some("c"));
        apps.remove("c");
        assert_eq!((apps.expired(at(3)), apps.next_deadline()), (None, Some(at(4))));
    }

    #[test]
    fn there_is_room_for_so_many() {
        let (apps, now) = (Apps::default(), Instant::now());
        for n in 0..APPS_MAX {
            assert!(apps.has_room(&n.to_string()));
            apps.put(app(&n.to_string()), now, 0);
        }
        assert!(!apps.has_room("x"));
        assert!(apps.has_room("7"), "it takes its own place");
    }
}
