//! What must hold of a whole cluster.

use std::collections::BTreeMap;

use tidings_core::{Event, MemberEventKind, State, Status};

use super::Cluster;

impl Cluster {
    /// Whether every running node sees exactly the running nodes alive (and nobody else so).
    pub fn converged(&self) -> bool {
        self.disagreement().is_none()
    }

    /// Fails with the first disagreement found.
    #[track_caller]
    pub fn assert_converged(&self) {
        if let Some(what) = self.disagreement() {
            panic!("at {}: {what}", self.now);
        }
    }

    fn disagreement(&self) -> Option<String> {
        let living = self.living();
        // Most disagreements are of size, and a size is cheap to compare.
        for &host in &living {
            let known = self.hosts[host].node().view().len();
            if known < living.len() {
                return Some(format!("n{host} knows {known} members, {} are running", living.len()));
            }
        }
        for &host in &living {
            let view = self.hosts[host].node().view();
            let mut alive = 0;
            for member in view.iter() {
                if member.status() != Status::Alive {
                    continue;
                }
                alive += 1;
                let name = member.name();
                let Some(&real) = self.net.addresses.get(&member.addr()) else {
                    return Some(format!("n{host} knows {name} at {}, where nobody is", member.addr()));
                };
                if self.hosts[real].node.is_none() || self.hosts[real].config.name != name {
                    return Some(format!("n{host} thinks {name} alive at {}", member.addr()));
                }
                if member.state() != State::Alive {
                    return Some(format!("n{host} has {name} {:?} in the SWIM layer", member.state()));
                }
            }
            if alive != living.len() {
                return Some(format!("n{host} has {alive} of {} members alive", living.len()));
            }
        }
        None
    }

    /// Fails unless each host of `hosts` heard exactly once that `name` did this.
    #[track_caller]
    pub fn assert_heard_once(&self, hosts: &[usize], kind: MemberEventKind, name: &str) {
        for &host in hosts {
            let times = self.heard(host, kind, name);
            assert_eq!(times.len(), 1, "n{host} heard {kind} of {name} at {times:?}");
        }
    }

    /// Fails if anybody heard this about anybody.
    #[track_caller]
    pub fn assert_nobody_heard(&self, kind: MemberEventKind) {
        for host in 0..self.hosts.len() {
            let names = self.heard_of(host, kind);
            assert!(names.is_empty(), "n{host} heard {kind} of {names:?}");
        }
    }

    /// Fails unless each host of `hosts` holds this status of `name`.
    #[track_caller]
    pub fn assert_status(&self, hosts: &[usize], name: &str, status: Option<Status>) {
        let held: BTreeMap<usize, _> = hosts.iter().map(|h| (*h, self.status(*h, name))).collect();
        assert!(held.values().all(|held| *held == status), "{name} should be {status:?}: {held:?}");
    }

    /// Fails unless what each running host told its application makes sense from first to last: a
    /// member joins, may change, fails or leaves, and only then joins again.
    #[track_caller]
    pub fn assert_lawful_events(&self) {
        use MemberEventKind::{Failed, Join, Leave, Reap, Update};

        for host in self.living() {
            let host = &self.hosts[host];
            let mut last: BTreeMap<String, MemberEventKind> = BTreeMap::new();
            for (at, event) in &host.events[host.events_before..] {
                let Event::Members(news) = event else { continue };
                for member in &news.members {
                    let name = member.name().to_string();
                    let before = last.insert(name.clone(), news.kind);
                    let lawful = match news.kind {
                        Join => !matches!(before, Some(Join | Update)),
                        Update | Failed => !matches!(before, Some(Failed | Leave | Reap)),
                        Leave => !matches!(before, Some(Leave | Reap)),
                        Reap => !matches!(before, Some(Reap)),
                    };
                    let observer = &host.config.name;
                    assert!(lawful, "at {at} {observer} heard {} of {name} after {before:?}", news.kind);
                }
            }
        }
    }

    /// Fails if a stream is open anywhere: every exchange ends, and nobody forgets to close.
    #[track_caller]
    pub fn assert_no_open_streams(&self) {
        for host in self.living() {
            let open: Vec<_> = self.hosts[host].streams.keys().collect();
            assert!(open.is_empty(), "n{host} holds streams open: {open:?}");
        }
    }
}
