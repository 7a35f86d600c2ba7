//! The receiving ends of a stream, a monitor and a query.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::client::Inner;
use crate::error::Error;
use crate::pending::Tally;
use crate::protocol::{Message, Request, Stop};

/// Records of one stream, monitor or query, in the order they came.
///
/// The agent's side is never held up: records that find the queue full are dropped and counted
/// ([`missed`](Self::missed)). Dropping a subscription tells the agent to stop, as far as it has
/// something to stop.
#[derive(Debug)]
pub struct Subscription<M> {
    records: mpsc::Receiver<Bytes>,
    tally: Arc<Tally>,
    seq: u64,
    /// A query ends by itself; the others must be stopped.
    must_stop: bool,
    client: Arc<Inner>,
    kind: PhantomData<fn() -> M>,
}

impl<M: Message> Subscription<M> {
    pub(crate) fn new(
        records: mpsc::Receiver<Bytes>,
        tally: Arc<Tally>,
        seq: u64,
        must_stop: bool,
        client: Arc<Inner>,
    ) -> Self {
        Subscription { records, tally, seq, must_stop, client, kind: PhantomData }
    }

    /// The agent refused it: there is nothing to stop.
    pub(crate) fn never_started(&mut self) {
        self.must_stop = false;
    }

    /// The next record; `None` once a query's time is over. It can be dropped and called again
    /// without losing a record.
    ///
    /// # Errors
    /// [`Error::Closed`] when the connection has ended before, [`Error::Answer`] for a record that
    /// cannot be understood (the next one may be).
    pub async fn next(&mut self) -> Result<Option<M>, Error> {
        match self.records.recv().await {
            Some(record) => Ok(Some(M::decode(&record)?)),
            None if self.tally.ended.load(Ordering::Acquire) => Ok(None),
            None => Err(Error::Closed),
        }
    }

    /// Records dropped so far because nobody took them in time.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.tally.missed.load(Ordering::Relaxed)
    }

    /// Ends it and waits until the agent has. A query cannot be ended early: it is only no longer
    /// listened to.
    ///
    /// # Errors
    /// [`Error::Closed`] when the connection has ended.
    pub async fn stop(mut self) -> Result<(), Error> {
        if std::mem::take(&mut self.must_stop) {
            self.client.request(&Request::Stop(Stop { stop: self.seq })).await?;
            self.client.table.end(self.seq);
        }
        Ok(())
    }
}

impl<M> Drop for Subscription<M> {
    fn drop(&mut self) {
        if self.must_stop {
            self.client.stop_unattended(self.seq);
        }
    }
}
