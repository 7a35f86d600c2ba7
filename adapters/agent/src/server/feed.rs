//! What a connection sends on its own: events of streams, lines of a monitor, answers to queries.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tidings_client::protocol::{
    LogRecord, Message as _, QueryRecord, QueryRecordKind, ResponseHeader, StreamRecord,
};
use tidings_core::{Event, Query, QueryId};
use tidings_tokio::{QueryItem, QueryStream};
use tokio::sync::mpsc;

use super::members;
use crate::log::{Line, Subscription};

/// Streams, monitors and queries of one connection at the same time.
pub(super) const FEEDS_MAX: usize = 256;
/// Queries of one connection that may still be answered; the oldest are forgotten first.
const QUERIES_MAX: usize = 1024;
/// Answers that wait for a connection that does not read; then the query's own queue fills.
const ANSWERS_WAITING: usize = 64;

/// Something the connection sends records of.
pub(super) struct Feed {
    /// The number of the request that started it.
    pub(super) seq: u64,
    source: Source,
}

enum Source {
    Stream(mpsc::Receiver<Arc<Event>>),
    Monitor { backlog: VecDeque<Line>, live: mpsc::Receiver<Line> },
    Query(mpsc::Receiver<QueryRecord>),
}

/// A record, not yet encoded.
pub(super) enum Record {
    Event(Arc<Event>),
    Line(Line),
    Answer(QueryRecord),
}

impl Feed {
    pub(super) fn stream(seq: u64, events: mpsc::Receiver<Arc<Event>>) -> Feed {
        Feed { seq, source: Source::Stream(events) }
    }

    pub(super) fn monitor(seq: u64, subscription: Subscription) -> Feed {
        let Subscription { backlog, live } = subscription;
        Feed { seq, source: Source::Monitor { backlog: backlog.into(), live } }
    }

    /// Answers are forwarded by a task that ends with the query or the connection.
    pub(super) fn query(seq: u64, mut query: QueryStream) -> Feed {
        let (records, receiver) = mpsc::channel(ANSWERS_WAITING);
        tokio::spawn(async move {
            while let Some(item) = query.next().await {
                let Some(record) = query_record(item) else { continue };
                if records.send(record).await.is_err() {
                    return;
                }
            }
        });
        Feed { seq, source: Source::Query(receiver) }
    }

    pub(super) fn is_stream(&self) -> bool {
        matches!(self.source, Source::Stream(_))
    }

    pub(super) fn is_monitor(&self) -> bool {
        matches!(self.source, Source::Monitor { .. })
    }

    /// The next record; `None`: there will be no more.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Record>> {
        match &mut self.source {
            Source::Stream(events) => events.poll_recv(context).map(|event| event.map(Record::Event)),
            Source::Monitor { backlog, live } => match backlog.pop_front() {
                Some(line) => Poll::Ready(Some(Record::Line(line))),
                None => live.poll_recv(context).map(|line| line.map(Record::Line)),
            },
            Source::Query(records) => records.poll_recv(context).map(|record| record.map(Record::Answer)),
        }
    }
}

fn query_record(item: QueryItem) -> Option<QueryRecord> {
    let record = |kind, from: &str, payload| Some(QueryRecord { from: from.to_owned(), kind, payload });
    match item {
        QueryItem::Ack { from } => record(QueryRecordKind::Ack, &from, Bytes::new()),
        QueryItem::Response { from, payload } => record(QueryRecordKind::Response, &from, payload),
        QueryItem::Done { .. } => record(QueryRecordKind::Done, "", Bytes::new()),
        _ => None,
    }
}

/// All feeds of a connection; each gets its turn.
#[derive(Default)]
pub(super) struct Feeds {
    list: Vec<Feed>,
    /// Where the next look begins.
    turn: usize,
}

impl Feeds {
    pub(super) fn add(&mut self, feed: Feed) {
        self.list.push(feed);
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn any(&self, test: impl Fn(&Feed) -> bool) -> bool {
        self.list.iter().any(test)
    }

    /// Ends the stream or monitor of this number.
    pub(super) fn stop(&mut self, seq: u64) {
        self.list.retain(|feed| feed.seq != seq || !(feed.is_stream() || feed.is_monitor()));
    }

    /// The next record of any feed, with the number it goes under.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<(u64, Record)> {
        let mut looked = 0;
        while looked < self.list.len() {
            let index = self.turn % self.list.len();
            match self.list[index].poll(context) {
                Poll::Ready(Some(record)) => {
                    self.turn = index + 1;
                    return Poll::Ready((self.list[index].seq, record));
                }
                Poll::Ready(None) => {
                    self.list.swap_remove(index);
                }
                Poll::Pending => {
                    self.turn = index + 1;
                    looked += 1;
                }
            }
        }
        Poll::Pending
    }
}

/// The queries a connection has been told of and may answer.
#[derive(Default)]
pub(super) struct PendingQueries {
    last_id: u64,
    open: BTreeMap<u64, QueryId>,
}

impl PendingQueries {
    fn add(&mut self, query: &Query) -> u64 {
        self.last_id += 1;
        self.open.insert(self.last_id, query.id);
        if self.open.len() > QUERIES_MAX {
            self.open.pop_first();
        }
        self.last_id
    }

    /// The query of this number.
    pub(super) fn get(&self, id: u64) -> Option<QueryId> {
        self.open.get(&id).copied()
    }

    pub(super) fn forget(&mut self, id: u64) {
        self.open.remove(&id);
    }
}

/// Appends a record with its header.
pub(super) fn encode(seq: u64, record: Record, queries: &mut PendingQueries, out: &mut Vec<u8>) {
    ResponseHeader { error: String::new(), seq }.encode(out);
    match record {
        Record::Event(event) => encode_event(&event, queries, out),
        Record::Line(line) => LogRecord { log: line.text.to_string() }.encode(out),
        Record::Answer(record) => record.encode(out),
    }
}

fn encode_event(event: &Event, queries: &mut PendingQueries, out: &mut Vec<u8>) {
    let record = match event {
        Event::Members(event) => StreamRecord::Members {
            event: event.kind.as_str().to_owned(),
            members: event.members.iter().map(members::to_protocol).collect(),
        },
        Event::User(event) => StreamRecord::User {
            coalesce: event.coalesce,
            ltime: event.ltime.0,
            name: event.name.to_string(),
            payload: event.payload.clone(),
        },
        Event::Query(query) => StreamRecord::Query {
            id: queries.add(query),
            ltime: query.id.ltime.0,
            name: query.name.to_string(),
            payload: query.payload.clone(),
        },
        _ => unreachable!("filters match members, user events and queries only"),
    };
    record.encode(out);
}
