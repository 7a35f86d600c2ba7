//! News to those who subscribed, answers to those who asked. Neither can stop the node.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tidings_core::{AnswerKind, Event, QueryId, Trace};
use tokio::sync::{broadcast, mpsc};

/// What a subscriber reads.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// Something happened. All subscribers share it.
    Event(Arc<Event>),
    /// The node decided something; only when [`Config::trace`](tidings_core::Config::trace) asks
    /// for it.
    Decision(Arc<Trace>),
    /// This many events are gone because they were not read in time. What follows is newer;
    /// [`Handle::view`](crate::Handle::view) tells how things stand.
    Missed(u64),
}

/// A subscription to a node's events, in their order, from the moment of subscribing.
///
/// At most [`Options::events_max`](crate::Options::events_max) events wait; then the oldest go, and
/// the reader is told how many it missed. A subscription does not keep its node running.
#[derive(Debug)]
pub struct Events {
    receiver: broadcast::Receiver<Notice>,
}

impl Events {
    pub(crate) fn new(receiver: broadcast::Receiver<Notice>) -> Self {
        Events { receiver }
    }

    /// A subscription to a node that is gone.
    pub(crate) fn ended() -> Self {
        Events { receiver: broadcast::channel(1).1 }
    }

    /// Waits for the next notice; `None`: the node has stopped and everything was read.
    ///
    /// Cancel safe: nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Notice> {
        match self.receiver.recv().await {
            Ok(notice) => Some(notice),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Notice::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// What comes back for a query.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryItem {
    /// A member has the query.
    Ack {
        /// The member.
        from: Arc<str>,
    },
    /// A member's answer.
    Response {
        /// The member.
        from: Arc<str>,
        /// What it says.
        payload: Bytes,
    },
    /// This many acks and responses are gone because they were not read in time.
    Missed(u64),
    /// The query's time is over; the last item.
    Done {
        /// How long it was open.
        after: Duration,
    },
}

/// The answers to a query, as they come.
///
/// Room is for two of each member, or [`Options::events_max`](crate::Options::events_max) if that is
/// more; what has no room is lost, and the reader is told how many. Dropping it is fine at any time.
#[derive(Debug)]
pub struct QueryStream {
    id: QueryId,
    timeout: Duration,
    items: mpsc::UnboundedReceiver<QueryItem>,
    state: Arc<QueueState>,
}

impl QueryStream {
    pub(crate) fn new(id: QueryId, timeout: Duration, queue: AnswerReceiver) -> Self {
        QueryStream { id, timeout, items: queue.items, state: queue.state }
    }

    /// The query's identity in the cluster.
    #[must_use]
    pub fn id(&self) -> QueryId {
        self.id
    }

    /// How long answers are awaited, counted from the start of the query.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Waits for the next item; `None` after [`QueryItem::Done`], or when the node has stopped.
    ///
    /// Cancel safe: nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<QueryItem> {
        if let Some(missed) = self.state.take_missed() {
            return Some(QueryItem::Missed(missed));
        }
        let item = self.items.recv().await?;
        self.state.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(item)
    }
}

/// Both ends of a query's queue of at most `max` answers, and room for the last item.
pub(crate) fn answers(max: usize) -> (AnswerSender, AnswerReceiver) {
    let (sender, items) = mpsc::unbounded_channel();
    let state = Arc::new(QueueState::default());
    (AnswerSender { sender, max, state: state.clone() }, AnswerReceiver { items, state })
}

#[derive(Debug, Default)]
struct QueueState {
    waiting: AtomicUsize,
    missed: AtomicU64,
}

impl QueueState {
    fn take_missed(&self) -> Option<u64> {
        Some(self.missed.swap(0, Ordering::Relaxed)).filter(|missed| *missed > 0)
    }
}

/// The asker's end, before the query's identity is known.
#[derive(Debug)]
pub(crate) struct AnswerReceiver {
    items: mpsc::UnboundedReceiver<QueryItem>,
    state: Arc<QueueState>,
}

/// The node's end.
#[derive(Debug)]
pub(crate) struct AnswerSender {
    sender: mpsc::UnboundedSender<QueryItem>,
    max: usize,
    state: Arc<QueueState>,
}

impl AnswerSender {
    /// Queues an answer, or counts it as missed. Never waits.
    pub(crate) fn send(&self, kind: AnswerKind) {
        let item = match kind {
            AnswerKind::Ack { from } => QueryItem::Ack { from },
            AnswerKind::Response { from, payload } => QueryItem::Response { from, payload },
            AnswerKind::Done { after } => QueryItem::Done { after },
        };
        let last = matches!(item, QueryItem::Done { .. });
        if !last && self.state.waiting.load(Ordering::Relaxed) >= self.max {
            self.state.missed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.state.waiting.fetch_add(1, Ordering::Relaxed);
        // Without a receiver nobody wants the answers any more.
        let _ = self.sender.send(item);
    }
}

#[cfg(all(test, feature = "rt"))]
mod tests {
    use super::*;

    fn ack(n: usize) -> AnswerKind {
        AnswerKind::Ack { from: format!("node-{n}").into() }
    }

    #[tokio::test]
    async fn a_slow_asker_is_told_how_many_answers_it_missed_and_still_gets_the_end() {
        let (sender, receiver) = answers(2);
        let id = QueryId { ltime: tidings_core::LamportTime::default(), id: 1 };
        let mut stream = QueryStream::new(id, Duration::from_secs(1), receiver);
        for n in 0..5 {
            sender.send(ack(n));
        }
        sender.send(AnswerKind::Done { after: Duration::from_secs(1) });
        drop(sender);
        assert_eq!(stream.next().await, Some(QueryItem::Missed(3)));
        assert_eq!(stream.next().await, Some(QueryItem::Ack { from: "node-0".into() }));
        assert_eq!(stream.next().await, Some(QueryItem::Ack { from: "node-1".into() }));
        assert_eq!(stream.next().await, Some(QueryItem::Done { after: Duration::from_secs(1) }));
        assert_eq!(stream.next().await, None);
    }

    #[tokio::test]
    async fn reading_makes_room_for_more_answers() {
        let (sender, receiver) = answers(1);
        let id = QueryId { ltime: tidings_core::LamportTime::default(), id: 1 };
        let mut stream = QueryStream::new(id, Duration::from_secs(1), receiver);
        for n in 0..10 {
            sender.send(ack(n));
            assert_eq!(stream.next().await, Some(QueryItem::Ack { from: format!("node-{n}").into() }));
        }
    }

    #[tokio::test]
    async fn a_subscription_to_a_node_that_is_gone_ends_at_once() {
        assert!(Events::ended().next().await.is_none());
    }
}
