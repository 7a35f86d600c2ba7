//! A persistent view of the cluster.

use crate::swim::member::Member;

/// The members as a node knew them at one moment. Cheap to clone, never changes.
#[derive(Clone, Debug, Default)]
pub struct View {}

impl View {
    /// Number of members the application knows of, of any status.
    #[must_use]
    pub fn len(&self) -> usize {
        0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        true
    }

    /// A member by name.
    #[must_use]
    pub fn get(&self, _name: &str) -> Option<&Member> {
        None
    }

    /// All members the application knows of, in an order that depends on their names alone.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        core::iter::empty()
    }

    /// Whether both hold the very same memory, and so the same members.
    #[must_use]
    pub fn same(&self, _other: &View) -> bool {
        true
    }
}
