//! Whom a fault concerns.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::draw::Draw;
use crate::net::{HostId, Links, Net};
use crate::script::{is_usual, is_yes};

/// Some of the cluster's hosts.
///
/// As text: `"all"`, `[0, 3]`, `"random 2"`, `"share 0.5"`, `"zone 1"`.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Pick {
    /// Every host.
    #[default]
    All,
    /// These.
    These(Vec<HostId>),
    /// So many, drawn by the fault.
    Random(usize),
    /// This share of all (at least one), drawn by the fault.
    Share(f64),
    /// Those of a zone.
    Zone(u32),
}

impl Pick {
    /// The hosts picked among `n`.
    #[must_use]
    pub fn of(&self, n: usize, net: &Net, draw: &mut Draw) -> Vec<HostId> {
        match self {
            Self::All => (0..n).collect(),
            Self::These(hosts) => hosts.iter().copied().filter(|host| *host < n).collect(),
            Self::Random(count) => draw.choose(n, *count),
            Self::Share(share) => draw.choose(n, ((share * n as f64).round() as usize).max(1)),
            Self::Zone(zone) => (0..n).filter(|host| net.zone(*host) == *zone).collect(),
        }
    }

    fn parse(text: &str) -> Option<Pick> {
        if text == "all" {
            return Some(Self::All);
        }
        let (word, number) = text.split_once(' ')?;
        match word {
            "random" => number.parse().ok().map(Self::Random),
            "share" => number.parse().ok().filter(|share| (0.0..=1.0).contains(share)).map(Self::Share),
            "zone" => number.parse().ok().map(Self::Zone),
            _ => None,
        }
    }
}

struct Text;

impl<'de> Visitor<'de> for Text {
    type Value = Pick;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("members: \"all\", a list of numbers, \"random N\", \"share 0.0 to 1.0\" or \"zone N\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Pick, E> {
        Pick::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Pick, A::Error> {
        let mut hosts = Vec::new();
        while let Some(host) = list.next_element()? {
            hosts.push(host);
        }
        Ok(Pick::These(hosts))
    }
}

impl<'de> Deserialize<'de> for Pick {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Text)
    }
}

impl Serialize for Pick {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("all"),
            Self::These(hosts) => serializer.collect_seq(hosts),
            Self::Random(count) => serializer.serialize_str(&format!("random {count}")),
            Self::Share(share) => serializer.serialize_str(&format!("share {share}")),
            Self::Zone(zone) => serializer.serialize_str(&format!("zone {zone}")),
        }
    }
}

/// Some of the links: from some hosts to others, both ways unless said otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkPick {
    /// Senders.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub from: Pick,
    /// Receivers.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub to: Pick,
    /// Also the way back.
    #[serde(default = "super::yes", skip_serializing_if = "is_yes")]
    pub both: bool,
}

impl Default for LinkPick {
    fn default() -> Self {
        LinkPick { from: Pick::All, to: Pick::All, both: true }
    }
}

impl LinkPick {
    /// The links picked.
    #[must_use]
    pub fn of(&self, n: usize, net: &Net, draw: &mut Draw) -> Links {
        let set = |hosts: Vec<HostId>| hosts.into_iter().collect::<BTreeSet<_>>();
        match (&self.from, &self.to) {
            (Pick::All, Pick::All) => Links::All,
            (Pick::All, some) | (some, Pick::All) if self.both => Links::Touching(set(some.of(n, net, draw))),
            (from, to) => {
                let from = set(from.of(n, net, draw));
                Links::Between { from, to: set(to.of(n, net, draw)), both: self.both }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Purpose;

    #[test]
    fn picks_pick() {
        let mut net = Net::new(1);
        net.zone_of = vec![0, 1, 1, 0];
        let mut draw = Draw::of(1, Purpose::Fault, 0);
        let mut pick = |text: &str| Pick::parse(text).map(|pick| pick.of(4, &net, &mut draw));
        assert_eq!(pick("all"), Some(vec![0, 1, 2, 3]));
        assert_eq!(pick("zone 1"), Some(vec![1, 2]));
        assert_eq!(pick("random 2").map(|hosts| hosts.len()), Some(2));
        assert_eq!(pick("share 0.5").map(|hosts| hosts.len()), Some(2));
        assert_eq!(pick("share 2"), None);
        assert_eq!(pick("some"), None);
    }
}
