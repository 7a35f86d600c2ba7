//! Answers kept as they were written out, for as long as nothing of what they show changes.
//!
//! Many clients ask for the same: building an answer costs many times what finding it does. Each answer
//! is kept with the count at which the part of the catalog that it shows changed last, so that changes
//! elsewhere do not touch it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

use super::answer::{Answer, Body};

/// Answers kept.
const KEPT: usize = 4096;
/// Bytes of all of them, without their names and header lines.
const BYTES_MAX: usize = 16 << 20;
/// Bytes of an answer that is kept.
const ANSWER_MAX: usize = 1 << 20;

/// The last answers.
#[derive(Default)]
pub(super) struct Cache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    answers: HashMap<String, Written>,
    bytes: usize,
}

#[derive(Clone)]
struct Written {
    /// What the part of the catalog that it shows had come to, at the latest, when it was built.
    stamp: u64,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Cache {
    /// What was answered to this, if that is what would be answered now.
    pub(super) fn get(&self, stamp: u64, asked: &str) -> Option<Answer> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Written { headers, body, .. } = kept.answers.get(asked).filter(|it| it.stamp == stamp)?.clone();
        Some(Answer { headers, ..Answer::new(StatusCode::OK, Body::Written(body)) })
    }

    /// Keeps an answer that was built no earlier than at this count, if it is one to keep.
    pub(super) fn put(&self, stamp: u64, asked: String, answer: &Answer) {
        let Body::Written(body) = &answer.body else { return };
        if answer.status != StatusCode::OK || body.len() > ANSWER_MAX {
            return;
        }
        let written = Written { stamp, headers: answer.headers.clone(), body: body.clone() };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.answers.get(&asked).is_some_and(|it| it.stamp > stamp) {
            return;
        }
        if kept.answers.len() >= KEPT || kept.bytes + body.len() > BYTES_MAX {
            // Those that are asked for come back at once.
            *kept = Kept::default();
        }
        kept.bytes += body.len();
        if let Some(before) = kept.answers.insert(asked, written) {
            kept.bytes -= before.body.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Answer {
        Answer::new(StatusCode::OK, Body::Written(text.to_owned().into()))
    }

    fn text(answer: Option<Answer>) -> Option<String> {
        match answer?.body {
            Body::Written(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_is_kept_until_what_it_shows_changes() {
        let cache = Cache::default();
        cache.put(1, "a".into(), &answer("[1]"));
        cache.put(1, "b".into(), &Answer::bad("no"));
        assert_eq!(text(cache.get(1, "a")).as_deref(), Some("[1]"));
        assert!(cache.get(1, "b").is_none(), "errors are not kept");
        assert!(cache.get(2, "a").is_none(), "it may have changed");
        cache.put(2, "a".into(), &answer("[2]"));
        cache.put(1, "a".into(), &answer("[1]"));
        assert_eq!(text(cache.get(2, "a")).as_deref(), Some("[2]"), "what is older does not come back");
    }

    #[test]
    fn there_is_room_for_so_much() {
        let cache = Cache::default();
        for n in 0..3 * KEPT {
            cache.put(2, n.to_string(), &answer("1"));
            assert!(cache.0.lock().unwrap().answers.len() <= KEPT);
        }
        let large = "x".repeat(ANSWER_MAX);
        for n in 0..40 {
            // Each twice: what stood in its place goes.
            cache.put(2, format!("large {}", n / 2), &answer(&large));
            let kept = cache.0.lock().unwrap();
            assert!(kept.bytes <= BYTES_MAX);
            assert_eq!(kept.bytes, kept.answers.values().map(|it| it.body.len()).sum::<usize>());
        }
        cache.put(2, "too large".into(), &answer(&format!("{large}x")));
        assert!(cache.get(2, "too large").is_none());
    }
}
