//! A persistent view of the cluster.

use alloc::sync::Arc;
use core::iter::FusedIterator;

use crate::hash::name_hash;
use crate::swim::census::Census;
use crate::swim::member::{Member, Status};
use crate::trie::{self, Pool, Trie};

/// The members as a node knew them at one moment. Cheap to clone; a clone never changes.
///
/// A member whose status is [`Status::None`] is held, because SWIM knows it, and hidden, because
/// the application does not; [`View::all`] has it.
#[derive(Clone, Debug, Default)]
pub struct View {
    members: Trie<Member>,
    /// How many members have a status other than `None`.
    known: usize,
    /// The versions spoken.
    census: Census,
    hash_seed: u64,
    local: Arc<str>,
}

impl View {
    /// The view of a node that knows nobody, not even itself.
    pub(crate) fn new(hash_seed: u64, local: Arc<str>) -> Self {
        View { members: Trie::new(), known: 0, census: Census::default(), hash_seed, local }
    }

    /// Number of members the application knows of, of any status.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.known
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.known == 0
    }

    /// Name of the node whose view this is.
    #[must_use]
    pub fn local_name(&self) -> &str {
        &self.local
    }

    /// The node whose view this is, as it sees itself.
    #[must_use]
    pub fn local(&self) -> Option<&Member> {
        self.get(&self.local)
    }

    /// A member by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Member> {
        self.find(name).filter(|member| known(member))
    }

    /// All members the application knows of, in an order that depends on their names and the hash
    /// seed alone.
    #[must_use]
    pub fn iter(&self) -> Members<'_> {
        Members { all: self.members.iter(), left: self.known }
    }

    /// Everything held: also the members that only SWIM knows of. For ranks, walks, digests and
    /// differences.
    #[must_use]
    pub const fn all(&self) -> &Trie<Member> {
        &self.members
    }

    /// Whether both hold the very same memory, and so the same members.
    #[must_use]
    pub fn same(&self, other: &View) -> bool {
        self.members.same(&other.members)
    }

    /// The versions spoken by the members SWIM knows.
    pub(crate) const fn census(&self) -> &Census {
        &self.census
    }

    /// The key of the hash that orders it.
    pub(crate) const fn hash_seed(&self) -> u64 {
        self.hash_seed
    }

    /// The same members as `local` sees them; shares their memory.
    pub(crate) fn seen_by(&self, local: Arc<str>) -> View {
        View { local, ..self.clone() }
    }

    /// The place of a name, for [`Member`]s to be put in.
    pub(crate) fn hash_of(&self, name: &str) -> u64 {
        name_hash(self.hash_seed, name)
    }

    /// A member by name, whatever its status.
    pub(crate) fn find(&self, name: &str) -> Option<&Member> {
        self.members.get(self.hash_of(name), name)
    }

    /// Puts a member in the place of the one of its name, and returns that one. An equal member
    /// changes nothing.
    pub(crate) fn upsert(&mut self, member: Member, pool: Option<&mut Pool<Member>>) -> Option<Member> {
        debug_assert_eq!(member.hash, self.hash_of(member.name()), "the hash of another seed");
        self.known += usize::from(known(&member));
        self.census.add(&member);
        let old = self.members.upsert(member, pool);
        self.uncount(old.as_ref());
        old
    }

    /// Forgets a member.
    pub(crate) fn remove(&mut self, name: &str, pool: Option<&mut Pool<Member>>) -> Option<Member> {
        let old = self.members.remove(self.hash_of(name), name, pool);
        self.uncount(old.as_ref());
        old
    }

    fn uncount(&mut self, old: Option<&Member>) {
        if let Some(old) = old {
            self.known -= usize::from(known(old));
            self.census.remove(old);
        }
    }
}

/// Whether the application knows of a member.
fn known(member: &Member) -> bool {
    member.status != Status::None
}

/// The members of a [`View`] that the application knows of.
#[derive(Clone)]
pub struct Members<'a> {
    all: trie::Iter<'a, Member>,
    left: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = &'a Member;

    fn next(&mut self) -> Option<&'a Member> {
        let member = self.all.find(|member| known(member))?;
        self.left -= 1;
        Some(member)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Members<'_> {}
impl FusedIterator for Members<'_> {}

impl<'a> IntoIterator for &'a View {
    type Item = &'a Member;
    type IntoIter = Members<'a>;

    fn into_iter(self) -> Members<'a> {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;
    use core::net::SocketAddr;
    use std::format;
    use std::vec::Vec;

    use bytes::Bytes;

    use super::View;
    use crate::serf::clock::LamportTime;
    use crate::swim::member::{Identity, Member, State, Status, Versions};
    use crate::trie::Record as _;

    fn identity(name: &str) -> Identity {
        let addr = SocketAddr::from(([10, 0, 0, 1], 7946));
        Identity::new(name.into(), addr, Bytes::from_static(b"\xff\x80"), Versions::ours(5))
    }

    fn member(view: &View, name: &str, state: State, status: Status) -> Member {
        Member {
            identity: Arc::new(identity(name)),
            hash: view.hash_of(name),
            status_ltime: LamportTime(3),
            incarnation: 7,
            state,
            status,
        }
    }

    #[test]
    fn a_member_takes_32_bytes() {
        assert!(size_of::<Member>() <= 32);
    }

    #[test]
    fn members_without_a_status_are_held_and_hidden() {
        let mut view = View::new(1, "a".into());
        assert!(view.is_empty());
        let seen = member(&view, "a", State::Alive, Status::Alive);
        let hidden = member(&view, "b", State::Suspect, Status::None);
        assert_eq!(view.upsert(seen.clone(), None), None);
        assert_eq!(view.upsert(hidden.clone(), None), None);
        assert_eq!((view.len(), view.all().len(), view.all().live()), (1, 2, 2));
        assert_eq!((view.local_name(), view.local()), ("a", Some(&seen)));
        assert_eq!((view.get("b"), view.find("b")), (None, Some(&hidden)));
        assert!(view.iter().eq([&seen]));

        let failed = member(&view, "b", State::Dead, Status::Failed);
        assert_eq!(view.upsert(failed.clone(), None), Some(hidden));
        assert_eq!((view.len(), view.all().live()), (2, 1));
        assert_eq!((view.iter().len(), view.iter().count()), (2, 2));
        assert_eq!(view.upsert(failed.clone(), None), Some(failed.clone()));
        assert_eq!(view.len(), 2);

        assert_eq!(view.remove("b", None), Some(failed));
        assert_eq!(view.remove("b", None), None);
        assert_eq!((view.len(), view.all().len()), (1, 1));
    }

    #[test]
    fn views_go_to_other_threads() {
        fn goes<T: Send + Sync + 'static>() {}
        goes::<View>();
    }

    #[test]
    fn a_published_view_never_changes() {
        let mut view = View::new(1, "node-0".into());
        for i in 0..100 {
            let member = member(&view, &format!("node-{i}"), State::Alive, Status::Alive);
            view.upsert(member, None);
        }
        let published = view.clone();
        assert!(published.same(&view));
        for i in 0..50 {
            view.remove(&format!("node-{i}"), None);
        }
        assert!(!published.same(&view));
        assert_eq!((published.len(), view.len()), (100, 50));
        assert_eq!(published.iter().count(), 100);
        let mut gone = 0;
        published.all().diff(view.all(), |old, new| gone += u32::from(old.is_some() && new.is_none()));
        assert_eq!(gone, 50);
    }

    #[test]
    fn whatever_tells_members_apart_tells_their_digests_apart() {
        let view = View::new(1, "a".into());
        let base = member(&view, "a", State::Alive, Status::Alive);
        let who = |change: &dyn Fn(&mut Identity)| {
            let mut parts = identity("a");
            change(&mut parts);
            let Identity { name, addr, meta, versions, .. } = parts;
            Member { identity: Arc::new(Identity::new(name, addr, meta, versions)), ..base.clone() }
        };
        let variants = [
            base.clone(),
            Member { hash: base.hash + 1, ..base.clone() },
            Member { status_ltime: LamportTime(4), ..base.clone() },
            Member { incarnation: 8, ..base.clone() },
            Member { state: State::Suspect, ..base.clone() },
            Member { status: Status::Leaving, ..base.clone() },
            who(&|identity| identity.name = "b".into()),
            who(&|identity| identity.meta = Bytes::from_static(b"\xff")),
            who(&|identity| identity.meta = Bytes::new()),
            who(&|identity| identity.versions.protocol_max = 4),
            who(&|identity| identity.versions.delegate_cur = 4),
            who(&|identity| identity.addr.set_port(7947)),
            who(&|identity| identity.addr = "10.0.0.2:7946".parse().unwrap()),
            who(&|identity| identity.addr = "[::ffff:10.0.0.1]:7946".parse().unwrap()),
            who(&|identity| identity.addr = "[::a00:1]:7946".parse().unwrap()),
            who(&|identity| identity.addr = "[fe80::1%1]:7946".parse().unwrap()),
            who(&|identity| identity.addr = "[fe80::1%2]:7946".parse().unwrap()),
        ];
        let digests: Vec<u64> = variants.iter().map(Member::digest).collect();
        for (i, digest) in digests.iter().enumerate() {
            assert!(!digests[..i].contains(digest), "{:?}", variants[i]);
        }
        assert_eq!(who(&|_| {}), base);
        assert_eq!(who(&|_| {}).digest(), base.digest());
    }
}
