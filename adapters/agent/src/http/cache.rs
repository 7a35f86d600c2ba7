//! Answers kept as they were written out, for as long as nothing of what they show changes.
//!
//! Many clients ask for the same: building an answer costs a hundred times what finding it does.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

use super::answer::{Answer, Body};

/// Answers kept.
const KEPT: usize = 256;
/// Bytes of an answer that is kept.
const ANSWER_MAX: usize = 128 << 10;

/// The last answers.
#[derive(Default)]
pub(super) struct Cache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// What the catalog had come to when they were built.
    version: u64,
    answers: HashMap<String, Written>,
}

#[derive(Clone)]
struct Written {
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Written {
    fn answer(self) -> Answer {
        let answer = Answer::new(StatusCode::OK, Body::Other("application/json", self.body));
        Answer { headers: self.headers, ..answer }
    }
}

impl Cache {
    /// What was answered to this at this version.
    pub(super) fn get(&self, version: u64, asked: &str) -> Option<Answer> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.version == version).then(|| kept.answers.get(asked).cloned().map(Written::answer))?
    }

    /// Keeps an answer that was built no earlier than at this version, if it is one to keep.
    pub(super) fn put(&self, version: u64, asked: String, mut answer: Answer) -> Answer {
        let Body::Json(value) = &answer.body else { return answer };
        let Ok(bytes) = serde_json::to_vec(value) else { return answer };
        let body = Bytes::from(bytes);
        answer.body = Body::Other("application/json", body.clone());
        if answer.status != StatusCode::OK || body.len() > ANSWER_MAX {
            return answer;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.version > version {
            return answer;
        }
        if kept.version < version || kept.answers.len() >= KEPT {
            kept.answers.clear();
            kept.version = version;
        }
        kept.answers.insert(asked, Written { headers: answer.headers.clone(), body });
        answer
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(answer: Option<Answer>) -> Option<String> {
        match answer?.body {
            Body::Other(_, bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_is_kept_until_something_changes() {
        let cache = Cache::default();
        cache.put(1, "a".into(), Answer::json(json!([1])));
        cache.put(1, "b".into(), Answer::bad("no"));
        assert_eq!(text(cache.get(1, "a")).as_deref(), Some("[1]"));
        assert!(cache.get(1, "b").is_none(), "errors are not kept");
        assert!(cache.get(2, "a").is_none(), "it may have changed");
        cache.put(2, "a".into(), Answer::json(json!([2])));
        cache.put(1, "a".into(), Answer::json(json!([1])));
        assert_eq!(text(cache.get(2, "a")).as_deref(), Some("[2]"), "what is older does not come back");
        for n in 0..10 * KEPT {
            cache.put(2, n.to_string(), Answer::json(json!(n)));
        }
        assert!(cache.0.lock().unwrap().answers.len() <= KEPT);
    }
}
