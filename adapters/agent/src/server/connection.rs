//! One client: requests in their order, records in between, and bounds on all that it can make
//! the agent hold.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tidings_client::protocol::{
    Command, Message as _, ObjectBuffer, RequestHeader, ResponseHeader, error_text,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::Instant;

use super::Shared;
use super::feed::{self, Feed, Feeds, PendingQueries, Record};

/// Bytes of one request object: a table of all routers that an agent takes over, if their names are not
/// among the longest.
const OBJECT_BYTES_MAX: usize = 4 << 20;
/// The same for a client that has not shaken hands and shown its key.
const STRANGER_BYTES_MAX: usize = 4 << 10;
/// Bytes of requests read ahead of the one that is carried out, besides one object.
const AHEAD_BYTES_MAX: usize = 32 << 10;
/// While this much waits to be sent, no request is taken up and no record added.
const UNSENT_BYTES_MAX: usize = 256 << 10;
/// Room for answers that a connection keeps while it has none.
const KEPT_BYTES_MAX: usize = 32 << 10;
/// A client has this long to finish its handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// A client that has finished sending has this long to take the rest of its answers, a piece each.
const DRAIN_TIME: Duration = Duration::from_secs(10);
/// Room for one read.
const READ_BYTES: usize = 4096;

/// A request that takes time; it goes on when the connection is closed meanwhile.
pub(super) type Pending = Pin<Box<dyn Future<Output = Done> + Send>>;

/// What came of a request.
#[derive(Default)]
pub(super) struct Done {
    /// Empty: it succeeded.
    pub(super) error: String,
    /// The encoded body of the response; empty: none.
    pub(super) body: Vec<u8>,
    /// Records that follow.
    pub(super) feed: Option<Feed>,
    /// The query that need not be remembered any more.
    pub(super) answered: Option<u64>,
    /// The agent has left the cluster.
    pub(super) left: bool,
}

/// Why a connection ends; the client is told nothing more.
pub(super) struct Close;

/// The state of a client's connection apart from its socket.
pub(super) struct Connection<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) from: SocketAddr,
    pub(super) feeds: Feeds,
    pub(super) queries: PendingQueries,
    pub(super) handshake_done: bool,
    pub(super) authenticated: bool,
    inbox: ObjectBuffer,
    object_bytes_max: usize,
    out: Vec<u8>,
    /// Bytes at the start of `out` that are sent already.
    sent: usize,
    /// The last header: one without command repeats it, as in the original.
    header: RequestHeader,
    /// The command whose body comes next.
    awaiting: Option<Command>,
    pending: Option<(u64, Pending)>,
    /// Nothing more is read; what is complete is still answered.
    ending: bool,
    left: bool,
}

/// Serves a client until it goes or has to.
pub(super) async fn serve(mut socket: TcpStream, from: SocketAddr, shared: &Arc<Shared>) {
    let mut connection = Connection::new(from, shared);
    let mut closing = shared.closing.subscribe();
    let (mut reader, mut writer) = socket.split();
    let _ = tokio::select! {
        end = connection.run(&mut reader, &mut writer) => end,
        _ = closing.wait_for(|closing| *closing) => Err(Close),
    };
    if connection.left {
        shared.left.send_replace(true);
    }
}

impl<'a> Connection<'a> {
    fn new(from: SocketAddr, shared: &'a Arc<Shared>) -> Self {
        Connection {
            shared,
            from,
            feeds: Feeds::default(),
            queries: PendingQueries::default(),
            handshake_done: false,
            authenticated: shared.auth_key.is_empty(),
            inbox: ObjectBuffer::new(STRANGER_BYTES_MAX),
            object_bytes_max: STRANGER_BYTES_MAX,
            out: Vec::new(),
            sent: 0,
            header: RequestHeader::default(),
            awaiting: None,
            pending: None,
            ending: false,
            left: false,
        }
    }

    async fn run(&mut self, reader: &mut ReadHalf<'_>, writer: &mut WriteHalf<'_>) -> Result<(), Close> {
        let handshake_deadline = Instant::now() + HANDSHAKE_TIME;
        loop {
            self.take_up_requests();
            if self.has_unsent() {
                // Most answers fit the socket's buffer: no need to ask whether it is ready.
                if let Ok(n) = writer.try_write(&self.out[self.sent..]) {
                    self.sent(n);
                    continue;
                }
            } else if self.pending.is_none() && (self.ending || self.left) {
                return Ok(());
            }
            self.wait(reader, writer, handshake_deadline).await?;
        }
    }

    /// Waits for one thing to happen and does it.
    async fn wait(
        &mut self,
        reader: &mut ReadHalf<'_>,
        writer: &mut WriteHalf<'_>,
        handshake_deadline: Instant,
    ) -> Result<(), Close> {
        let unsent = self.has_unsent();
        let room = self.has_room();
        let may_read = !self.ending && self.inbox.spare().len() < self.object_bytes_max + AHEAD_BYTES_MAX;
        let must_drain = unsent && self.ending;
        tokio::select! {
            result = writer.write(&self.out[self.sent..]), if unsent => {
                self.sent(result.map_err(|_| Close)?);
            }
            result = read(reader, &mut self.inbox), if may_read => {
                self.ending = result.map_err(|_| Close)? == 0;
            }
            done = finished(&mut self.pending), if self.pending.is_some() => {
                let (seq, done) = done;
                self.pending = None;
                self.finish(seq, done);
            }
            (seq, record) = next_record(&mut self.feeds), if room => {
                feed::encode(seq, record, &mut self.queries, &mut self.out);
            }
            () = tokio::time::sleep_until(handshake_deadline), if !self.handshake_done => {
                let from = self.from;
                self.shared.control.log().warn("agent.ipc", format_args!("No handshake in time, closing: {from}"));
                return Err(Close);
            }
            () = tokio::time::sleep(DRAIN_TIME), if must_drain => return Err(Close),
        }
        Ok(())
    }

    fn has_unsent(&self) -> bool {
        self.sent < self.out.len()
    }

    fn has_room(&self) -> bool {
        self.out.len() - self.sent < UNSENT_BYTES_MAX
    }

    fn sent(&mut self, n: usize) {
        self.sent += n;
        if !self.has_unsent() {
            self.sent = 0;
            self.out.clear();
            // A single large answer must not keep its memory for ever.
            self.out.shrink_to(KEPT_BYTES_MAX);
        }
    }

    /// Carries out complete requests, one after another, until one takes time or there is no room
    /// for answers.
    fn take_up_requests(&mut self) {
        while self.pending.is_none() && !self.left && self.has_room() {
            let end = match self.inbox.next_object() {
                Ok(None) => return,
                Ok(Some(object)) => self.on_object(&object),
                Err(error) => {
                    self.complain(&format!("failed to decode request: {error}"));
                    Err(Close)
                }
            };
            if end.is_err() {
                // What was said before is still sent; the rest of the input is not looked at.
                self.ending = true;
                self.inbox = ObjectBuffer::new(STRANGER_BYTES_MAX);
                self.feeds = Feeds::default();
            }
        }
    }

    fn on_object(&mut self, object: &[u8]) -> Result<(), Close> {
        let Some(command) = self.awaiting.take() else { return self.on_header(object) };
        match command.decode_request(object) {
            Ok(request) => self.execute(self.header.seq, request),
            Err(error) => {
                self.complain(&format!("decode of {} failed: {error}", command.as_str()));
                Err(Close)
            }
        }
    }

    fn on_header(&mut self, object: &[u8]) -> Result<(), Close> {
        let header = match RequestHeader::decode(object) {
            Ok(header) => header,
            Err(error) => {
                self.complain(&format!("failed to decode request header: {error}"));
                return Err(Close);
            }
        };
        if !header.command.is_empty() || header.seq != 0 {
            self.header = header;
        }
        let (word, seq) = (self.header.command.as_str(), self.header.seq);
        self.shared.commands.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let command = Command::from_word(word);
        if !self.handshake_done && command != Some(Command::Handshake) {
            self.respond(seq, error_text::HANDSHAKE_REQUIRED);
            return Err(Close);
        }
        // The body, if there is one, is taken for a header: clients know it that way.
        if !self.authenticated && !matches!(command, Some(Command::Auth | Command::Handshake)) {
            self.respond(seq, error_text::AUTHENTICATION_REQUIRED);
            return Ok(());
        }
        match command {
            None => {
                self.respond(seq, error_text::UNSUPPORTED_COMMAND);
                Err(Close)
            }
            Some(command) if command.has_body() => {
                self.awaiting = Some(command);
                Ok(())
            }
            Some(command) => {
                let request = command.decode_request(&[]).map_err(|_| Close)?;
                self.execute(seq, request)
            }
        }
    }

    /// Takes larger requests from a client that is no stranger any more.
    pub(super) fn trust(&mut self) {
        if self.handshake_done && self.authenticated && self.object_bytes_max != OBJECT_BYTES_MAX {
            let mut inbox = ObjectBuffer::new(OBJECT_BYTES_MAX);
            inbox.extend(self.inbox.spare());
            self.inbox = inbox;
            self.object_bytes_max = OBJECT_BYTES_MAX;
        }
    }

    /// Appends a response without body.
    pub(super) fn respond(&mut self, seq: u64, error: &str) {
        ResponseHeader { error: error.to_owned(), seq }.encode(&mut self.out);
    }

    /// Appends a response with an encoded body.
    pub(super) fn respond_with(&mut self, seq: u64, body: &[u8]) {
        self.respond(seq, "");
        self.out.extend_from_slice(body);
    }

    /// Appends an encoded body.
    pub(super) fn append(&mut self, body: &[u8]) {
        self.out.extend_from_slice(body);
    }

    /// Leaves the request to be finished later; the next one waits.
    pub(super) fn later(&mut self, seq: u64, pending: impl Future<Output = Done> + Send + 'static) {
        self.pending = Some((seq, Box::pin(pending)));
    }

    /// Appends the response to a request that took time.
    fn finish(&mut self, seq: u64, done: Done) {
        self.respond(seq, &done.error);
        self.out.extend_from_slice(&done.body);
        if let Some(id) = done.answered {
            self.queries.forget(id);
        }
        if let Some(feed) = done.feed {
            self.feeds.add(feed);
        }
        self.left = done.left;
    }

    pub(super) fn complain(&self, problem: &str) {
        self.shared.control.log().error("agent.ipc", format_args!("{problem} client={}", self.from));
    }
}

async fn read(reader: &mut ReadHalf<'_>, inbox: &mut ObjectBuffer) -> std::io::Result<usize> {
    let spare = inbox.spare();
    spare.reserve(READ_BYTES);
    reader.read_buf(spare).await
}

/// Waits for the pending request; not to be called without one.
async fn finished(pending: &mut Option<(u64, Pending)>) -> (u64, Done) {
    match pending {
        Some((seq, pending)) => (*seq, pending.as_mut().await),
        None => std::future::pending().await,
    }
}

async fn next_record(feeds: &mut Feeds) -> (u64, Record) {
    std::future::poll_fn(|context| feeds.poll(context)).await
}
