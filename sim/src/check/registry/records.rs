//! R1, R2, R5 and the half of R6 that is about records: what a host comes to hold, and ceases to.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidings_core::registry::RegistryView;
use tidings_core::registry::record::{Key, Kind, Record, Stamp};
use tidings_core::{Node, Status};

use super::super::Place;
use super::{Issued, of};
use crate::hash::FastMap;
use crate::watch::Violation;

/// What is remembered of the records a host holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    /// How many of each owner.
    owners: FastMap<Arc<str>, usize>,
    /// The stamps at which records were when they were taken back, by owner.
    gone: FastMap<Arc<str>, FastMap<Key, Stamp>>,
}

/// Where a change is looked at.
pub(super) struct Scene<'a> {
    pub(super) place: Place<'a>,
    pub(super) node: &'a Node,
    pub(super) issued: &'a Issued,
    /// What the host holds now.
    pub(super) view: &'a RegistryView,
    /// Members that it has forgotten just now.
    pub(super) forgotten: &'a BTreeSet<Arc<str>>,
    pub(super) lies: bool,
}

impl Scene<'_> {
    fn status(&self, member: &str) -> Status {
        self.node.members().get(member).map_or(Status::None, tidings_core::Member::status)
    }

    /// The generation below which an owner's records are void.
    fn floor(&self, owner: &Arc<str>) -> u64 {
        let key = Key { owner: owner.clone(), node: owner.clone(), kind: Kind::Node, id: "".into() };
        self.view.get(&key).and_then(Record::node).map_or(0, |head| head.floor)
    }
}

impl Held {
    /// A host starts with these.
    pub(super) fn begin(&mut self, view: &RegistryView) {
        for record in view.records() {
            *self.owners.entry(record.key().owner.clone()).or_default() += 1;
        }
    }

    /// A record has changed.
    pub(super) fn changed(
        &mut self,
        scene: &Scene<'_>,
        old: Option<&Record>,
        new: Option<&Record>,
    ) -> Option<Violation> {
        let owner = &old.or(new)?.key().owner;
        if scene.forgotten.contains(owner) {
            self.gone.remove(owner);
        }
        match (old, new) {
            (old, Some(new)) => {
                if old.is_none() {
                    *self.owners.entry(owner.clone()).or_default() += 1;
                }
                self.came(scene, old, new)
            }
            (Some(old), None) => {
                if let Some(count) = self.owners.get_mut(owner) {
                    *count -= 1;
                }
                self.went(scene, old)
            }
            (None, None) => None,
        }
    }

    fn came(&self, scene: &Scene<'_>, old: Option<&Record>, new: &Record) -> Option<Violation> {
        let (place, owner) = (scene.place, &new.key().owner);
        let wrong = |invariant: &str, what: String| place.violation(invariant, owner, what);
        if !scene.lies && !scene.issued.has(new) {
            return wrong("R1 owner writes", format!("it holds {}, which its owner never wrote", of(new)));
        }
        if let Some(old) =
            old.filter(|old| (old.stamp() >= new.stamp()) && !(scene.lies && old.stamp() == new.stamp()))
        {
            let what = format!("it held {}, and now holds {}", of(old), of(new));
            return wrong("R2 version order", what);
        }
        let floor = scene.floor(owner);
        if new.stamp().generation < floor {
            let what = format!("it holds {}, and knows that all below {floor} is void", of(new));
            return wrong("R2 version order", what);
        }
        let buried = self.gone.get(owner).and_then(|gone| gone.get(new.key()));
        if let Some(buried) = buried.filter(|buried| **buried >= new.stamp()) {
            let what = format!("it holds {}, which was taken back after {buried}", of(new));
            return wrong("R5 no resurrection", what);
        }
        (scene.status(owner) == Status::None && !scene.forgotten.contains(owner))
            .then(|| wrong("R6 member death", format!("it holds {} of nobody it knows", of(new))))?
    }

    fn went(&mut self, scene: &Scene<'_>, old: &Record) -> Option<Violation> {
        let owner = &old.key().owner;
        let status = scene.status(owner);
        if scene.forgotten.contains(owner) || status == Status::None {
            return None;
        }
        if old.stamp().generation < scene.floor(owner) || scene.issued.is_void(old) {
            return None;
        }
        if scene.issued.gone_since(old.key(), old.stamp()) {
            self.gone.entry(owner.clone()).or_default().insert(old.key().clone(), old.stamp());
            return None;
        }
        if scene.lies {
            return None;
        }
        let what = format!("it dropped {}, which nobody took back; the owner is {status:?}", of(old));
        let dead = matches!(status, Status::Failed | Status::Left);
        let invariant = if dead { "R6 member death" } else { "R1 owner writes" };
        scene.place.violation(invariant, owner, what)
    }

    /// Members have been forgotten: with them went all that they said.
    pub(super) fn forgotten(&self, scene: &Scene<'_>) -> Option<Violation> {
        let left = |owner: &&Arc<str>| self.owners.get(*owner).is_some_and(|count| *count > 0);
        let unknown = |owner: &&Arc<str>| scene.status(owner) == Status::None;
        let owner = scene.forgotten.iter().find(|owner| left(owner) && unknown(owner))?;
        let what = format!("{owner} is forgotten, and {} of its records are held", self.owners[owner]);
        scene.place.violation("R6 member death", owner, what)
    }
}
