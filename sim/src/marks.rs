//! Bugs and rare branches of the nodes, as scripts name them. Only with `--cfg tidings_bugs`.

use serde::{Deserialize, Deserializer, Serializer, de};
use tidings_core::bugs::Bug;
use tidings_core::rare::Rare;

/// A mark in the core that has a name.
pub(crate) trait Mark: Copy + 'static {
    const ALL: &'static [Self];
    fn name(self) -> &'static str;
}

impl Mark for Bug {
    const ALL: &'static [Bug] = Bug::ALL;

    fn name(self) -> &'static str {
        Bug::name(self)
    }
}

impl Mark for Rare {
    const ALL: &'static [Rare] = Rare::ALL;

    fn name(self) -> &'static str {
        Rare::name(self)
    }
}

pub(crate) fn serialize<M: Mark, S: Serializer>(marks: &[M], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(marks.iter().map(|mark| mark.name()))
}

/// Reads a list of names; `all` stands for every one.
pub(crate) fn deserialize<'de, M: Mark, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<M>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let mut marks = Vec::new();
    for name in names {
        match M::ALL.iter().find(|mark| mark.name() == name) {
            Some(mark) => marks.push(*mark),
            None if name == "all" => marks.extend(M::ALL),
            None => {
                let allowed: Vec<_> = M::ALL.iter().map(|mark| mark.name()).collect();
                let what = format!("`{name}` is not known; there are all, {}", allowed.join(", "));
                return Err(de::Error::custom(what));
            }
        }
    }
    Ok(marks)
}
