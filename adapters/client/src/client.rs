//! The client: one method per command.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::connection::{Outgoing, drive};
use crate::dial::dial;
use crate::error::Error;
use crate::pending::{Answer, Feed, Table, Tally};
use crate::protocol::{
    Auth, Coordinate, CoordinateResponse, Event, ForceLeave, GetCoordinate, Handshake, Join, JoinResponse,
    KeyRequest, KeyResponse, LogRecord, Member, MembersFiltered, MembersResponse, Message, MicroApp, Monitor,
    Query, QueryRecord, Request, Respond, Router, StatsResponse, Stop, Stream, StreamRecord, Tags, VERSION,
};
use crate::subscription::Subscription;

/// Bounds of a connection.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time to resolve the agent's name, and to connect.
    pub connect: Duration,
    /// Time for the agent to take one request.
    pub write: Duration,
    /// Bytes of one object from the agent; the list of members is the largest.
    pub object_bytes_max: usize,
    /// Records a subscription holds until they are taken.
    pub records_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connect: Duration::from_secs(10),
            write: Duration::from_secs(10),
            object_bytes_max: 16 << 20,
            records_max: 512,
        }
    }
}

/// Requests that wait to be written; further ones wait with their callers.
const OUTGOING_MAX: usize = 64;

/// A connection to an agent. Clones share it, and may be used at the same time.
///
/// Answers are waited for without limit: a leave or a key command takes its time. Dropping all
/// clones and subscriptions closes the connection.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
}

/// What clones and subscriptions share.
pub(crate) struct Inner {
    outgoing: mpsc::Sender<Outgoing>,
    pub(crate) table: Arc<Table>,
    /// The number of the last request.
    seq: AtomicU64,
    records_max: usize,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("seq", &self.seq).finish_non_exhaustive()
    }
}

impl Client {
    /// Connects to `host:port`, agrees on the version and, if there is a key, shows it.
    ///
    /// Must be called inside a tokio runtime with I/O and time enabled.
    ///
    /// # Errors
    /// [`Error::Dial`] when the agent cannot be reached; [`Error::Agent`] when it refuses the key.
    pub async fn connect(addr: &str, auth_key: Option<&str>) -> Result<Client, Error> {
        Client::connect_with(addr, auth_key, Limits::default()).await
    }

    /// As [`connect`](Self::connect), with other bounds.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_with(addr: &str, auth_key: Option<&str>, limits: Limits) -> Result<Client, Error> {
        let stream = dial(addr, limits.connect).await?;
        let (outgoing, requests) = mpsc::channel(OUTGOING_MAX);
        let table = Arc::new(Table::new());
        let connection = drive(stream, requests, Arc::clone(&table), limits.object_bytes_max, limits.write);
        tokio::spawn(connection);
        let seq = AtomicU64::new(0);
        // A channel without room cannot be made.
        let records_max = limits.records_max.max(1);
        let client = Client { inner: Arc::new(Inner { outgoing, table, seq, records_max }) };
        client.inner.request(&Request::Handshake(Handshake { version: VERSION })).await?;
        if let Some(key) = auth_key {
            client.inner.request(&Request::Auth(Auth { auth_key: key.to_owned() })).await?;
        }
        Ok(client)
    }

    /// Sends a user event to the cluster.
    ///
    /// # Errors
    /// [`Error::Agent`] when it is too large.
    pub async fn user_event(&self, event: Event) -> Result<(), Error> {
        self.inner.request(&Request::Event(event)).await
    }

    /// Makes a failed member one that left; with `prune` it is forgotten at once.
    ///
    /// # Errors
    /// [`Error::Agent`] when the word could not be spread.
    pub async fn force_leave(&self, node: &str, prune: bool) -> Result<(), Error> {
        self.inner.request(&Request::ForceLeave(ForceLeave { node: node.to_owned(), prune })).await
    }

    /// Joins a cluster through any of the addresses and returns how many worked.
    ///
    /// # Errors
    /// [`Error::Agent`] when none did.
    pub async fn join(&self, addresses: Vec<String>, replay: bool) -> Result<i64, Error> {
        let request = Request::Join(Join { existing: addresses, replay });
        Ok(self.inner.ask::<JoinResponse>(&request).await?.num)
    }

    /// All members, in no particular order.
    ///
    /// # Errors
    /// As for every request: [`Error::Closed`], [`Error::Agent`].
    pub async fn members(&self) -> Result<Vec<Member>, Error> {
        Ok(self.inner.ask::<MembersResponse>(&Request::Members).await?.members)
    }

    /// The members that match.
    ///
    /// # Errors
    /// [`Error::Closed`] also when an expression is not valid: Serf's agent closes the connection.
    pub async fn members_filtered(&self, filter: MembersFiltered) -> Result<Vec<Member>, Error> {
        Ok(self.inner.ask::<MembersResponse>(&Request::MembersFiltered(filter)).await?.members)
    }

    /// Makes the agent leave its cluster and end.
    ///
    /// # Errors
    /// [`Error::Agent`] when it is leaving already.
    pub async fn leave(&self) -> Result<(), Error> {
        self.inner.request(&Request::Leave).await
    }

    /// Changes the agent's tags: deletions first, then settings.
    ///
    /// # Errors
    /// [`Error::Agent`] when they become too large.
    pub async fn update_tags(&self, set: BTreeMap<String, String>, delete: Vec<String>) -> Result<(), Error> {
        self.inner.request(&Request::Tags(Tags { tags: set, delete_tags: delete })).await
    }

    /// Describes the agent: groups of named values.
    ///
    /// # Errors
    /// As for every request: [`Error::Closed`], [`Error::Agent`].
    pub async fn stats(&self) -> Result<StatsResponse, Error> {
        self.inner.ask(&Request::Stats).await
    }

    /// Where a member is in the network; `None` if nothing is known of it.
    ///
    /// # Errors
    /// As for every request: [`Error::Closed`], [`Error::Agent`].
    pub async fn coordinate(&self, node: &str) -> Result<Option<Coordinate>, Error> {
        let request = Request::GetCoordinate(GetCoordinate { node: node.to_owned() });
        let response: CoordinateResponse = self.inner.ask(&request).await?;
        Ok(response.ok.then_some(response.coord))
    }

    /// Gives every member a further key (base64).
    ///
    /// # Errors
    /// [`Error::Keys`] with each node's answer when not all could take it.
    pub async fn install_key(&self, key: &str) -> Result<KeyResponse, Error> {
        self.keys(&Request::InstallKey(KeyRequest { key: key.to_owned() })).await
    }

    /// Makes every member encrypt with a key it has (base64).
    ///
    /// # Errors
    /// As [`install_key`](Self::install_key).
    pub async fn use_key(&self, key: &str) -> Result<KeyResponse, Error> {
        self.keys(&Request::UseKey(KeyRequest { key: key.to_owned() })).await
    }

    /// Takes a key from every member (base64).
    ///
    /// # Errors
    /// As [`install_key`](Self::install_key).
    pub async fn remove_key(&self, key: &str) -> Result<KeyResponse, Error> {
        self.keys(&Request::RemoveKey(KeyRequest { key: key.to_owned() })).await
    }

    /// Asks every member for its keys.
    ///
    /// # Errors
    /// As [`install_key`](Self::install_key).
    pub async fn list_keys(&self) -> Result<KeyResponse, Error> {
        self.keys(&Request::ListKeys).await
    }

    /// The apps that are registered at the agent by its REST interface.
    ///
    /// # Errors
    /// [`Error::Agent`] when it has none; [`Error::Closed`] when it does not know the command, as
    /// Serf's agents do not.
    pub async fn micro_apps(&self) -> Result<Vec<MicroApp>, Error> {
        self.inner.ask(&Request::ListMicroApps).await
    }

    /// Where each service is, as far as the agent knows.
    ///
    /// # Errors
    /// As [`micro_apps`](Self::micro_apps).
    pub async fn routers(&self) -> Result<Vec<Router>, Error> {
        self.inner.ask(&Request::ListRouters).await
    }

    /// Has the agent take over what another one knows of where services are.
    ///
    /// # Errors
    /// As [`micro_apps`](Self::micro_apps).
    pub async fn update_routers(&self, routers: Vec<Router>) -> Result<(), Error> {
        self.inner.request(&Request::UpdateRouters(routers)).await
    }

    /// Answers a query that came by a stream of this connection.
    ///
    /// # Errors
    /// [`Error::Agent`] when it is unknown, over, answered already, or the answer is too large.
    pub async fn respond(&self, id: u64, payload: Bytes) -> Result<(), Error> {
        self.inner.request(&Request::Respond(Respond { id, payload })).await
    }

    /// Receives events from now on: a comma list such as `member-join,user:deploy,query`, or `*`.
    ///
    /// # Errors
    /// [`Error::Agent`] when the list holds an unknown word.
    pub async fn stream(&self, event_type: &str) -> Result<Subscription<StreamRecord>, Error> {
        let request = Request::Stream(Stream { event_type: event_type.to_owned() });
        self.inner.subscribe(&request, true).await
    }

    /// Receives the agent's log, the last lines first. One monitor per connection.
    ///
    /// # Errors
    /// [`Error::Agent`] when the level is unknown or there is a monitor already.
    pub async fn monitor(&self, log_level: &str) -> Result<Subscription<LogRecord>, Error> {
        let request = Request::Monitor(Monitor { log_level: log_level.to_owned() });
        self.inner.subscribe(&request, true).await
    }

    /// Asks the cluster; acknowledgements and answers come until the query's time is over.
    ///
    /// # Errors
    /// [`Error::Agent`] when the query is too large or its name reserved.
    pub async fn query(&self, query: Query) -> Result<Subscription<QueryRecord>, Error> {
        self.inner.subscribe(&Request::Query(query), false).await
    }

    async fn keys(&self, request: &Request) -> Result<KeyResponse, Error> {
        let Answer { error, body } = self.inner.exchange(request, true).await?;
        let report = body.map(|body| KeyResponse::decode(&body)).transpose()?;
        match report {
            Some(report) if error.is_empty() => Ok(report),
            Some(report) => Err(Error::Keys { error, report }),
            None => Err(Error::Agent(error)),
        }
    }
}

impl Inner {
    /// Sends a request whose answer has no body.
    pub(crate) async fn request(&self, request: &Request) -> Result<(), Error> {
        let answer = self.exchange(request, false).await?;
        if answer.error.is_empty() { Ok(()) } else { Err(Error::Agent(answer.error)) }
    }

    /// Sends a request whose answer has a body.
    async fn ask<M: Message>(&self, request: &Request) -> Result<M, Error> {
        match self.exchange(request, true).await? {
            Answer { error, body: Some(body) } if error.is_empty() => Ok(M::decode(&body)?),
            Answer { error, .. } => Err(Error::Agent(error)),
        }
    }

    async fn exchange(&self, request: &Request, has_body: bool) -> Result<Answer, Error> {
        let (to, answer) = oneshot::channel();
        let (_, failed) = self.send(request, |seq| self.table.expect_answer(seq, to, has_body)).await?;
        wait(answer, failed).await
    }

    async fn subscribe<M: Message>(
        self: &Arc<Self>,
        request: &Request,
        must_stop: bool,
    ) -> Result<Subscription<M>, Error> {
        let (to, answer) = oneshot::channel();
        let (records, receiver) = mpsc::channel(self.records_max);
        let tally = Arc::new(Tally::default());
        let feed = Feed { records, tally: Arc::clone(&tally), is_query: !must_stop };
        let (seq, failed) = self.send(request, |seq| self.table.expect_records(seq, to, feed)).await?;
        // Made before the answer, so that giving up while waiting stops it as well.
        let mut subscription = Subscription::new(receiver, tally, seq, must_stop, Arc::clone(self));
        let answer = wait(answer, failed).await?;
        if answer.error.is_empty() {
            return Ok(subscription);
        }
        subscription.never_started();
        Err(Error::Agent(answer.error))
    }

    /// Queues a request. `expect` is called with its number and says whether the connection lives.
    ///
    /// Between the two there is no await: whoever gives up waiting leaves nothing half done.
    async fn send(
        &self,
        request: &Request,
        expect: impl FnOnce(u64) -> bool,
    ) -> Result<(u64, oneshot::Receiver<Error>), Error> {
        let permit = self.outgoing.reserve().await.map_err(|_| Error::Closed)?;
        let seq = self.next_seq();
        if !expect(seq) {
            return Err(Error::Closed);
        }
        let mut bytes = Vec::new();
        request.encode(seq, &mut bytes);
        let (failure, failed) = oneshot::channel();
        permit.send(Outgoing { bytes, failure: Some(failure) });
        Ok((seq, failed))
    }

    /// Stops a subscription that nobody listens to, if there is room for the request now; if not,
    /// its records go nowhere.
    pub(crate) fn stop_unattended(&self, of: u64) {
        let seq = self.next_seq();
        let mut bytes = Vec::new();
        Request::Stop(Stop { stop: of }).encode(seq, &mut bytes);
        if let Ok(permit) = self.outgoing.try_reserve()
            && self.table.expect_stop(seq, of)
        {
            permit.send(Outgoing { bytes, failure: None });
        }
    }

    fn next_seq(&self) -> u64 {
        self.seq.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }
}

/// Waits for the answer, or for what kept the request from being written.
async fn wait(
    answer: oneshot::Receiver<Answer>,
    mut failed: oneshot::Receiver<Error>,
) -> Result<Answer, Error> {
    answer.await.map_err(|_| failed.try_recv().unwrap_or(Error::Closed))
}
