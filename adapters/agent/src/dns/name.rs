//! Domain names as they stand in messages.

use std::fmt;
use std::sync::Arc;

/// Bytes of a label.
const LABEL_MAX: usize = 63;
/// Bytes of a whole name, with the lengths of its labels and the zero at its end.
const NAME_MAX: usize = 255;

/// A domain name: each label behind its length, and a zero. Never longer than 255 bytes. Letters are
/// kept as they were spelt.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Name(Arc<[u8]>);

impl Name {
    /// A name of these labels; `None`: one is empty or too long, or there are too many.
    pub(super) fn of_labels<'a>(labels: impl IntoIterator<Item = &'a [u8]>) -> Option<Name> {
        let mut wire = Vec::with_capacity(64);
        for label in labels {
            push(&mut wire, label)?;
        }
        Name::ended(wire, &[0])
    }

    /// A name of texts with dots between their labels.
    pub(super) fn parse(text: &str) -> Option<Name> {
        let text = text.strip_suffix('.').unwrap_or(text);
        Name::of_labels(text.split('.').map(str::as_bytes))
    }

    /// This name with the labels of a text, dots between them, before it.
    pub(super) fn with(&self, text: &str) -> Option<Name> {
        let mut wire = Vec::with_capacity(text.len() + 1 + self.0.len());
        for label in text.split('.') {
            push(&mut wire, label.as_bytes())?;
        }
        Name::ended(wire, &self.0)
    }

    fn ended(mut wire: Vec<u8>, end: &[u8]) -> Option<Name> {
        wire.extend_from_slice(end);
        (wire.len() <= NAME_MAX).then(|| Name(wire.into()))
    }

    /// As it stands in a message that does not abbreviate names.
    pub(super) fn wire(&self) -> &[u8] {
        &self.0
    }

    /// Its labels, the first one first.
    pub(super) fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let (&len, behind) = rest.split_first().filter(|(len, _)| **len > 0)?;
            let (label, behind) = behind.split_at(usize::from(len));
            rest = behind;
            Some(label)
        })
    }

    /// The same in small letters.
    pub(super) fn to_lower(&self) -> Name {
        // Lengths of labels are no letters.
        Name(self.0.to_ascii_lowercase().into())
    }

    /// How many of its labels stand before those of `zone`; `None`: it does not end in them.
    pub(super) fn labels_before(&self, zone: &Name) -> Option<usize> {
        let (own, all) = (self.labels().count(), zone.labels().count());
        let before = own.checked_sub(all)?;
        let same = self.labels().skip(before).zip(zone.labels()).all(|(a, b)| a.eq_ignore_ascii_case(b));
        same.then_some(before)
    }
}

fn push(wire: &mut Vec<u8>, label: &[u8]) -> Option<()> {
    if label.is_empty() || label.len() > LABEL_MAX {
        return None;
    }
    wire.push(label.len() as u8);
    wire.extend_from_slice(label);
    Some(())
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for label in self.labels() {
            write!(f, "{}.", label.escape_ascii())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_put_together_within_their_limits() {
        let zone = Name::parse("consul.").unwrap();
        assert_eq!(zone.wire(), b"\x06consul\0");
        let name = zone.with("My_node.x.node").unwrap();
        assert_eq!(format!("{name:?}"), "My_node.x.node.consul.");
        assert_eq!(name.to_lower(), Name::parse("my_node.x.node.consul").unwrap());
        assert_eq!(Name::of_labels([]).unwrap().wire(), b"\0");
        let long = "x".repeat(63);
        assert!(zone.with(&long).is_some());
        assert!(zone.with(&format!("{long}x")).is_none());
        assert!(zone.with("a..b").is_none() && zone.with("").is_none());
        let most = [long.as_str(); 3].join(".");
        assert!(zone.with(&format!("{most}.{}", "y".repeat(54))).is_some(), "255 bytes");
        assert!(zone.with(&format!("{most}.{}", "y".repeat(55))).is_none());
    }

    #[test]
    fn a_name_lies_in_a_zone_if_it_ends_in_its_labels() {
        let before =
            |name: &str, zone: &str| Name::parse(name).unwrap().labels_before(&Name::parse(zone).unwrap());
        assert_eq!(before("a.b.Consul", "consul"), Some(2));
        assert_eq!(before("CONSUL", "consul"), Some(0));
        assert_eq!(before("a.xconsul", "consul"), None);
        assert_eq!(before("consul", "a.consul"), None);
        assert_eq!(before("x.internal.example", "internal.example"), Some(1));
    }
}
