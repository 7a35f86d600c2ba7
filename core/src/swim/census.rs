//! How many members speak which versions, so that a merge need not ask them all.

use smallvec::SmallVec;

use crate::swim::member::{Member, State, Versions};

/// Counts of the members SWIM knows, by the versions they speak. Clusters have one or two kinds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Census {
    /// In the order of their bytes; none is counted with zero members.
    kinds: SmallVec<[Kind; 1]>,
}

#[derive(Clone, Copy, Debug)]
struct Kind {
    versions: Versions,
    /// Members of any state but forgotten.
    known: u32,
    /// Those of them that are alive.
    alive: u32,
}

impl Census {
    pub(crate) fn add(&mut self, member: &Member) {
        if member.state == State::Forgotten {
            return;
        }
        let versions = member.identity.versions;
        let place = self.place(versions).unwrap_or_else(|place| {
            self.kinds.insert(place, Kind { versions, known: 0, alive: 0 });
            place
        });
        let kind = &mut self.kinds[place];
        kind.known += 1;
        kind.alive += u32::from(member.state == State::Alive);
    }

    pub(crate) fn remove(&mut self, member: &Member) {
        let (false, Ok(place)) = (member.state == State::Forgotten, self.place(member.identity.versions))
        else {
            return;
        };
        let kind = &mut self.kinds[place];
        kind.known -= 1;
        kind.alive -= u32::from(member.state == State::Alive);
        if kind.known == 0 {
            self.kinds.remove(place);
        }
    }

    /// What is spoken, and whether anybody who is alive speaks it.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (Versions, bool)> {
        self.kinds.iter().map(|kind| (kind.versions, kind.alive > 0))
    }

    fn place(&self, versions: Versions) -> Result<usize, usize> {
        self.kinds.binary_search_by_key(&versions.to_bytes(), |kind| kind.versions.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::format;
    use alloc::sync::Arc;
    use alloc::vec::Vec;

    use bytes::Bytes;
    use quickcheck_macros::quickcheck;

    use super::*;
    use crate::serf::clock::LamportTime;
    use crate::swim::member::{Identity, Status};

    fn member(name: u8, speaks: u8, state: u8) -> Member {
        let addr = "127.0.0.1:1".parse().unwrap();
        let versions = Versions::ours(2 + speaks % 4);
        Member {
            identity: Arc::new(Identity::new(format!("n{name}").into(), addr, Bytes::new(), versions)),
            hash: u64::from(name),
            status_ltime: LamportTime(0),
            incarnation: 1,
            state: [State::Alive, State::Suspect, State::Dead, State::Forgotten][usize::from(state % 4)],
            status: Status::Alive,
        }
    }

    #[quickcheck]
    fn it_says_what_a_count_of_all_members_says(steps: Vec<(u8, u8, u8, bool)>) -> bool {
        let mut census = Census::default();
        let mut members = BTreeMap::new();
        for (name, speaks, state, put) in steps {
            if let Some(old) = members.remove(&name) {
                census.remove(&old);
            }
            if put {
                let member = member(name, speaks, state);
                census.add(&member);
                members.insert(name, member);
            }
        }
        let mut kinds = BTreeMap::new();
        for member in members.values().filter(|member| member.state != State::Forgotten) {
            let alive = kinds.entry(member.identity.versions.to_bytes()).or_insert(false);
            *alive |= member.state == State::Alive;
        }
        census.kinds().map(|(versions, alive)| (versions.to_bytes(), alive)).eq(kinds)
    }
}
