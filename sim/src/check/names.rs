//! Numbers for names, so that what is remembered of each host is not looked up by text.

use std::sync::Arc;

use crate::hash::FastMap;

/// Number of a name. Two members that claim one name have one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NameId(u32);

/// Something for each name, by its number.
pub(super) type ByName<T> = FastMap<NameId, T>;

/// Every name that was met, numbered from 0 in that order.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    ids: FastMap<Arc<str>, NameId>,
    texts: Vec<Arc<str>>,
}

impl Names {
    /// The number of a name, from now on if it has none.
    pub(super) fn id(&mut self, name: &str) -> NameId {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = NameId(self.ids.len() as u32);
        let name: Arc<str> = name.into();
        self.texts.push(name.clone());
        self.ids.insert(name, id);
        id
    }

    /// The name of a number.
    pub(super) fn text(&self, id: NameId) -> &str {
        &self.texts[id.place()]
    }
}

impl NameId {
    /// Its place in a table of all names.
    pub(super) const fn place(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number() {
        let mut names = Names::default();
        let ids = ["a", "b", "a", "c", "b"].map(|name| names.id(name).place());
        assert_eq!(ids, [0, 1, 0, 2, 1]);
        let b = names.id("b");
        assert_eq!(names.text(b), "b");
    }
}
