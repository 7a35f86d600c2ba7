//! What a request is answered with.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::registration::{Bad, SCRIPTS_OFF};
use crate::log::Line;

/// Why writing an answer out does not fail.
pub(super) const WRITABLE: &str = "all keys of answers are texts";

/// A value as JSON without blanks.
pub(super) fn written(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect(WRITABLE).into()
}

/// An answer, before it is written out.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Body,
    /// The agent ends when this has been sent: it is dropped with the connection.
    pub(crate) last: Option<oneshot::Sender<()>>,
}

/// What stands in an answer.
#[derive(Debug)]
pub(crate) enum Body {
    Empty,
    Text(String),
    Json(Value),
    /// JSON that is written already, without blanks.
    Written(Bytes),
    /// Of another kind, which is named.
    Other(&'static str, Bytes),
    /// Lines of the log as they come.
    Log {
        lines: mpsc::Receiver<Line>,
        json: bool,
    },
}

impl Answer {
    pub(crate) const fn new(status: StatusCode, body: Body) -> Self {
        Answer { status, headers: Vec::new(), body, last: None }
    }

    /// 200, with nothing to tell.
    pub(crate) const fn done() -> Self {
        Answer::new(StatusCode::OK, Body::Empty)
    }

    /// 200 with this.
    pub(crate) const fn json(value: Value) -> Self {
        Answer::new(StatusCode::OK, Body::Json(value))
    }

    /// An error in these words.
    pub(crate) fn error(status: StatusCode, words: impl Into<String>) -> Self {
        Answer::new(status, Body::Text(words.into()))
    }

    /// 400 in these words.
    pub(crate) fn bad(words: impl Into<String>) -> Self {
        Answer::error(StatusCode::BAD_REQUEST, words)
    }

    /// 500 in these words, which the API has for much that is the client's fault.
    pub(crate) fn refused(words: impl Into<String>) -> Self {
        Answer::error(StatusCode::INTERNAL_SERVER_ERROR, words)
    }

    /// Whether it says that nothing is served under a path.
    pub(crate) const fn is_unknown(&self) -> bool {
        matches!((self.status, &self.body), (StatusCode::NOT_FOUND, Body::Empty))
    }

    /// With one more header line; one that cannot be sent is left out.
    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        if let Ok(value) = HeaderValue::try_from(value.to_string()) {
            self.headers.push((HeaderName::from_static(name), value));
        }
        self
    }
}

/// A refusal is an answer like any other.
impl From<Result<Answer, Answer>> for Answer {
    fn from(result: Result<Answer, Answer>) -> Self {
        match result {
            Ok(answer) | Err(answer) => answer,
        }
    }
}

impl From<Bad> for Answer {
    fn from(bad: Bad) -> Self {
        match bad {
            Bad::Body(error) => Answer::bad(format!("Request decode failed: {error}")),
            Bad::Words(words) => Answer::bad(words),
            Bad::Refused(words) => Answer::refused(words),
            Bad::ScriptsOff => Answer::refused(SCRIPTS_OFF),
            Bad::In(_, bad) => (*bad).into(),
        }
    }
}
