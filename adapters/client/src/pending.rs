//! What a connection still waits for, by sequence number.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::protocol::{Malformed, Message, QueryRecord, QueryRecordKind, ResponseHeader, error_text};

/// An answer to a plain request: the agent's error text, empty if none, and the body, if any.
pub(crate) struct Answer {
    pub(crate) error: String,
    pub(crate) body: Option<Bytes>,
}

/// What both ends of a subscription see.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Records that found the queue full.
    pub(crate) missed: AtomicU64,
    /// The agent, or we, ended it in order.
    pub(crate) ended: AtomicBool,
}

/// The sending end of a subscription.
pub(crate) struct Feed {
    pub(crate) records: mpsc::Sender<Bytes>,
    pub(crate) tally: Arc<Tally>,
    /// The record that ends it is a query's; streams end when they are stopped.
    pub(crate) is_query: bool,
}

impl Feed {
    /// Hands a record on; false if it was the last.
    fn push(&self, record: Bytes) -> bool {
        if self.is_query && is_done(&record) {
            self.tally.ended.store(true, Ordering::Release);
            return false;
        }
        if let Err(mpsc::error::TrySendError::Full(_)) = self.records.try_send(record) {
            self.tally.missed.fetch_add(1, Ordering::Relaxed);
        }
        true
    }
}

/// Whether a query's time is over. A record that cannot be understood is left to the receiver.
fn is_done(record: &[u8]) -> bool {
    QueryRecord::decode(record).is_ok_and(|record| record.kind == QueryRecordKind::Done)
}

enum Waiting {
    /// For an answer; with a body if one follows its header.
    Answer { to: oneshot::Sender<Answer>, has_body: bool },
    /// For the answer that starts a subscription.
    Start { to: oneshot::Sender<Answer>, feed: Feed },
    /// For records.
    Records(Feed),
    /// For the answer to a stop nobody waits for; it ends this subscription.
    Stop { of: u64 },
}

/// What is waited for. Everything is let go when the connection ends.
pub(crate) struct Table(Mutex<Option<HashMap<u64, Waiting>>>);

/// What the connection's reader has to do with a header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing follows; the header was delivered.
    Header,
    /// A body or record follows.
    Body(u64, String),
}

impl Table {
    pub(crate) fn new() -> Self {
        Table(Mutex::new(Some(HashMap::new())))
    }

    /// Expects an answer to `seq`. False when the connection has ended.
    pub(crate) fn expect_answer(&self, seq: u64, to: oneshot::Sender<Answer>, has_body: bool) -> bool {
        self.insert(seq, Waiting::Answer { to, has_body })
    }

    /// Expects a subscription to start. False when the connection has ended.
    pub(crate) fn expect_records(&self, seq: u64, to: oneshot::Sender<Answer>, feed: Feed) -> bool {
        self.insert(seq, Waiting::Start { to, feed })
    }

    /// Expects the answer to a stop that nobody waits for. False when the connection has ended.
    pub(crate) fn expect_stop(&self, seq: u64, of: u64) -> bool {
        self.insert(seq, Waiting::Stop { of })
    }

    /// Ends a subscription in order.
    pub(crate) fn end(&self, seq: u64) {
        if let Some(waiting) = self.lock().as_mut()
            && let Some(Waiting::Records(feed)) = waiting.remove(&seq)
        {
            feed.tally.ended.store(true, Ordering::Release);
        }
    }

    /// Lets everything go: whoever waits learns that the connection has ended.
    pub(crate) fn close(&self) {
        self.lock().take();
    }

    /// Takes a header in, and delivers it if nothing follows.
    ///
    /// # Errors
    /// If nobody waits for it and what follows is therefore unknown.
    pub(crate) fn on_header(&self, header: ResponseHeader) -> Result<Next, Malformed> {
        let ResponseHeader { error, seq } = header;
        let mut guard = self.lock();
        let Some(table) = guard.as_mut() else { return Err(Malformed::Type) };
        match table.get(&seq) {
            Some(Waiting::Answer { has_body: true, .. }) if is_followed(&error) => {
                return Ok(Next::Body(seq, error));
            }
            Some(Waiting::Records(_)) if error.is_empty() => return Ok(Next::Body(seq, error)),
            Some(_) => {}
            // An agent that wants authentication takes the body for a second request of the same
            // number and refuses that as well (serf-agent, section 8.3).
            None if !error.is_empty() => return Ok(Next::Header),
            None => return Err(Malformed::Type),
        }
        match table.remove(&seq) {
            Some(Waiting::Answer { to, .. }) => _ = to.send(Answer { error, body: None }),
            Some(Waiting::Start { to, feed }) => {
                if error.is_empty() {
                    table.insert(seq, Waiting::Records(feed));
                }
                let _ = to.send(Answer { error, body: None });
            }
            Some(Waiting::Stop { of }) => _ = table.remove(&of),
            Some(Waiting::Records(_)) | None => {}
        }
        Ok(Next::Header)
    }

    /// Delivers the body or record that followed a header.
    pub(crate) fn on_body(&self, seq: u64, error: String, body: Bytes) {
        let mut guard = self.lock();
        let Some(table) = guard.as_mut() else { return };
        let is_over = match table.get(&seq) {
            Some(Waiting::Records(feed)) => !feed.push(body.clone()),
            _ => true,
        };
        if is_over && let Some(Waiting::Answer { to, .. }) = table.remove(&seq) {
            let _ = to.send(Answer { error, body: Some(body) });
        }
    }

    fn insert(&self, seq: u64, waiting: Waiting) -> bool {
        let mut guard = self.lock();
        guard.as_mut().map(|table| table.insert(seq, waiting)).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<HashMap<u64, Waiting>>> {
        // Nothing under the lock can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a body follows an answer with this error: it does, unless the command was not looked at.
fn is_followed(error: &str) -> bool {
    !matches!(
        error,
        error_text::AUTHENTICATION_REQUIRED
            | error_text::HANDSHAKE_REQUIRED
            | error_text::UNSUPPORTED_COMMAND
    )
}
