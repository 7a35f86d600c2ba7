//! Texts that many records share, held once.

use alloc::sync::Arc;

use hashbrown::HashSet;

use super::service::Text;

/// Texts in use. Owners, services and tags have few names and many records.
///
/// A text nobody else holds any more is dropped when the table has doubled since it was last
/// looked through, so that keeping order costs nothing a text.
#[derive(Clone, Debug)]
pub(crate) struct Texts {
    known: HashSet<Text, foldhash::fast::FixedState>,
    /// Texts that are let in before the table is looked through.
    sweep_at: usize,
    empty: Text,
}

/// The table is not looked through below this many texts.
const SWEEP_MIN: usize = 64;

impl Texts {
    pub(crate) fn new(hash_seed: u64) -> Self {
        let hasher = foldhash::fast::FixedState::with_seed(hash_seed);
        Texts { known: HashSet::with_hasher(hasher), sweep_at: SWEEP_MIN, empty: Arc::from("") }
    }

    /// This text, as others hold it.
    pub(crate) fn share(&mut self, text: &str) -> Text {
        if text.is_empty() {
            return self.empty.clone();
        }
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        if self.known.len() >= self.sweep_at {
            self.sweep();
        }
        let text = Text::from(text);
        self.known.insert(text.clone());
        text
    }

    fn sweep(&mut self) {
        self.known.retain(|text| Arc::strong_count(text) > 1);
        self.sweep_at = (2 * self.known.len()).max(SWEEP_MIN);
        self.known.shrink_to(self.sweep_at);
    }
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;
    use std::format;
    use std::vec::Vec;

    use super::Texts;

    #[test]
    fn equal_texts_are_one() {
        let mut texts = Texts::new(1);
        let (a, b) = (texts.share("web"), texts.share("web"));
        assert!(Arc::ptr_eq(&a, &b));
        assert!(Arc::ptr_eq(&texts.share(""), &texts.share("")));
    }

    #[test]
    fn what_nobody_holds_is_dropped_in_time() {
        let mut texts = Texts::new(1);
        let held: Vec<_> = (0..100).map(|i| texts.share(&format!("held {i}"))).collect();
        for i in 0..100_000 {
            texts.share(&format!("passing {i}"));
        }
        assert!(texts.known.len() <= 2 * held.len(), "{}", texts.known.len());
        assert!(held.iter().all(|text| Arc::ptr_eq(text, &texts.share(text))));
    }
}
