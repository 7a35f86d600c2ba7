//! Streams: one task each, which connects, reads slices, writes what waits and closes.
//!
//! The core owns their deadlines. This side bounds what they hold: sockets by places, unread
//! bytes by the queue of reports, unwritten bytes by room for each stream and for all together.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use tidings_core::StreamId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::accept::Incoming;
use crate::error::os_text;
use crate::runtime::{Alarm, Runtime, Stream};
use crate::udp::canonical;

/// Bytes read at once.
const SLICE: usize = 16 << 10;
/// Reports waiting for the node; beyond, streams stop reading.
const REPORTS_MAX: usize = 64;
/// After what is pending was written, how long the peer may take to finish.
const DRAIN: Duration = Duration::from_secs(1);

/// Something a stream has to tell the node.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) id: StreamId,
    pub(crate) news: News,
}

/// What it tells; the owned twin of [`StreamEvent`](tidings_core::StreamEvent).
#[derive(Debug)]
pub(crate) enum News {
    Connected,
    Data(Bytes),
    Closed,
    Failed(String),
}

/// What streams may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Streams connected by this node.
    pub(crate) dialled_max: usize,
    /// Bytes waiting to be written on one stream.
    pub(crate) backlog_each_max: usize,
    /// Bytes waiting to be written on all.
    pub(crate) backlog_max: usize,
    /// How long a closed stream may still write.
    pub(crate) linger: Duration,
}

/// All open streams, as the node's task sees them.
#[derive(Debug)]
pub(crate) struct Streams<R> {
    runtime: R,
    links: HashMap<StreamId, Link>,
    accepted: u64,
    reporter: mpsc::Sender<Report>,
    pub(crate) reports: mpsc::Receiver<Report>,
    places: Arc<Semaphore>,
    room: Arc<Semaphore>,
    limits: Limits,
}

/// The way to one stream's task. Dropped, it ends the task at once.
#[derive(Debug)]
struct Link {
    orders: mpsc::UnboundedSender<Order>,
    room: Arc<Semaphore>,
}

#[derive(Debug)]
enum Order {
    Write(Pending),
    Close,
}

/// Bytes to write, and the room they occupy until they are dropped.
#[derive(Debug)]
struct Pending {
    bytes: Bytes,
    _room: [OwnedSemaphorePermit; 2],
}

impl<R: Runtime> Streams<R> {
    pub(crate) fn new(runtime: R, limits: Limits) -> Self {
        let (reporter, reports) = mpsc::channel(REPORTS_MAX);
        Streams {
            runtime,
            links: HashMap::new(),
            accepted: 0,
            reporter,
            reports,
            places: Arc::new(Semaphore::new(limits.dialled_max)),
            room: Arc::new(Semaphore::new(limits.backlog_max)),
            limits,
        }
    }

    /// Whether the core has not closed this stream; reports about others are of no interest.
    pub(crate) fn is_open(&self, id: StreamId) -> bool {
        self.links.contains_key(&id)
    }

    /// Takes over an accepted connection.
    pub(crate) fn accept(&mut self, incoming: Incoming<R::Stream>) -> StreamId {
        let id = StreamId::accepted(self.accepted);
        self.accepted += 1;
        let worker = self.worker(id, incoming.place);
        self.runtime.spawn(worker.serve(incoming.stream));
        id
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// Too many are open.
    pub(crate) fn connect(&mut self, id: StreamId, to: SocketAddr) -> Result<(), String> {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return Err(format!("dial tcp {to}: too many streams open"));
        };
        let worker = self.worker(id, place);
        self.runtime.spawn(worker.dial(to));
        Ok(())
    }

    /// Writes bytes after all earlier ones. Unknown streams have failed already.
    ///
    /// # Errors
    /// The bytes have no room to wait in; the stream is gone.
    pub(crate) fn send(&mut self, id: StreamId, bytes: Bytes) -> Result<(), String> {
        let Some(link) = self.links.get(&id) else { return Ok(()) };
        let len = bytes.len();
        let room = u32::try_from(len).ok().and_then(|permits| {
            let own = link.room.clone().try_acquire_many_owned(permits).ok()?;
            let shared = self.room.clone().try_acquire_many_owned(permits).ok()?;
            Some([own, shared])
        });
        let Some(room) = room else {
            self.links.remove(&id);
            return Err(format!("write: no room for {len} more bytes, the peer reads too slowly"));
        };
        // Without a receiver the task has failed, and its report is on the way.
        let _ = link.orders.send(Order::Write(Pending { bytes, _room: room }));
        Ok(())
    }

    /// Writes what is pending, then closes. Nothing more is reported about this stream.
    pub(crate) fn close(&mut self, id: StreamId) {
        if let Some(link) = self.links.remove(&id) {
            let _ = link.orders.send(Order::Close);
        }
    }

    /// Forgets a stream that failed.
    pub(crate) fn forget(&mut self, id: StreamId) {
        self.links.remove(&id);
    }

    fn worker(&mut self, id: StreamId, place: OwnedSemaphorePermit) -> Worker<R> {
        let (sender, orders) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(self.limits.backlog_each_max));
        self.links.insert(id, Link { orders: sender, room });
        Worker {
            runtime: self.runtime.clone(),
            id,
            orders,
            reporter: self.reporter.clone(),
            pending: VecDeque::new(),
            linger: self.limits.linger,
            _place: place,
        }
    }
}

/// One stream's task.
#[derive(Debug)]
struct Worker<R> {
    runtime: R,
    id: StreamId,
    orders: mpsc::UnboundedReceiver<Order>,
    reporter: mpsc::Sender<Report>,
    pending: VecDeque<Pending>,
    linger: Duration,
    _place: OwnedSemaphorePermit,
}

/// What one attempt to read gave.
enum Slice {
    Data(Bytes),
    End,
    NotReady,
}

impl<R: Runtime> Worker<R> {
    /// Connects, then serves the connection; a close before that abandons it.
    async fn dial(mut self, to: SocketAddr) {
        let stream = {
            let mut connecting = std::pin::pin!(self.runtime.connect(to));
            loop {
                tokio::select! {
                    result = &mut connecting => break result,
                    order = self.orders.recv() => match order {
                        Some(Order::Write(pending)) => self.pending.push_back(pending),
                        Some(Order::Close) | None => return,
                    },
                }
            }
        };
        match stream {
            Ok(stream) => {
                if self.report(News::Connected).await {
                    self.serve(stream).await;
                }
            }
            Err(error) => {
                let text = format!("dial tcp {to}: connect: {}", os_text(&error));
                self.report(News::Failed(text)).await;
            }
        }
    }

    /// Moves bytes both ways until the core closes the stream or it fails.
    async fn serve(mut self, stream: R::Stream) {
        // Messages are written as a whole; waiting for more would only delay them.
        let _ = stream.socket().set_tcp_nodelay(true);
        let mut reading = true;
        let mut answered = !self.pending.is_empty();
        let mut buffer = BytesMut::new();
        loop {
            let result = tokio::select! {
                order = self.orders.recv() => match order {
                    Some(Order::Write(pending)) => {
                        answered = true;
                        self.pending.push_back(pending);
                        Ok(())
                    }
                    // Turned away without a word: nothing to flush or to wait for.
                    Some(Order::Close) if !answered => return,
                    Some(Order::Close) => return self.close(&stream).await,
                    None => return,
                },
                _ = stream.readable(), if reading => match read(&stream, &mut buffer) {
                    Ok(Slice::NotReady) => Ok(()),
                    Ok(Slice::Data(bytes)) => {
                        if !self.report(News::Data(bytes)).await {
                            return;
                        }
                        Ok(())
                    }
                    Ok(Slice::End) => {
                        reading = false;
                        if !self.report(News::Closed).await {
                            return;
                        }
                        Ok(())
                    }
                    Err(error) => Err(("read", error)),
                },
                _ = stream.writable(), if !self.pending.is_empty() =>
                    write(&stream, &mut self.pending).map_err(|error| ("write", error)),
            };
            if let Err((doing, error)) = result {
                let text = failure(&stream, doing, &error);
                self.report(News::Failed(text)).await;
                return;
            }
        }
    }

    /// Writes what is pending and closes, both within bounds.
    async fn close(mut self, stream: &R::Stream) {
        let mut alarm = self.runtime.alarm();
        alarm.set(Instant::now() + self.linger);
        while !self.pending.is_empty() {
            tokio::select! {
                _ = stream.writable() => if write(stream, &mut self.pending).is_err() {
                    return;
                },
                () = alarm.rings() => return,
            }
        }
        if stream.socket().shutdown(Shutdown::Write).is_err() {
            return;
        }
        // Closing with bytes unread would reset the connection, and with it destroy what the peer has
        // not read yet: let it finish first.
        alarm.set(Instant::now() + DRAIN);
        let mut scratch = BytesMut::with_capacity(1 << 10);
        loop {
            tokio::select! {
                _ = stream.readable() => match stream.try_read(&mut scratch, 1 << 10) {
                    Ok(1..) => scratch.clear(),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Ok(0) | Err(_) => return,
                },
                () = alarm.rings() => return,
            }
        }
    }

    /// Tells the node; `false` if it is gone.
    async fn report(&self, news: News) -> bool {
        self.reporter.send(Report { id: self.id, news }).await.is_ok()
    }
}

fn read(stream: &impl Stream, buffer: &mut BytesMut) -> io::Result<Slice> {
    // Space is taken only now that there is something to read: idle connections hold none.
    if buffer.capacity() < SLICE / 4 {
        buffer.reserve(SLICE);
    }
    match stream.try_read(buffer, SLICE) {
        Ok(0) => Ok(Slice::End),
        Ok(_) => Ok(Slice::Data(buffer.split().freeze())),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Slice::NotReady),
        Err(error) => Err(error),
    }
}

/// Writes as much as the socket takes.
fn write(stream: &impl Stream, pending: &mut VecDeque<Pending>) -> io::Result<()> {
    while let Some(first) = pending.front_mut() {
        if !first.bytes.is_empty() {
            match stream.try_write(&first.bytes) {
                Ok(written) => first.bytes.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        if first.bytes.is_empty() {
            pending.pop_front();
        }
    }
    Ok(())
}

/// A broken stream in the words of the original: `read tcp LOCAL->PEER: read: reason`.
fn failure(stream: &impl Stream, doing: &str, error: &io::Error) -> String {
    let reason = os_text(error);
    let socket = stream.socket();
    let addr = |addr: io::Result<socket2::SockAddr>| addr.ok()?.as_socket();
    match (addr(socket.local_addr()), addr(socket.peer_addr())) {
        (Some(local), Some(peer)) => {
            format!("{doing} tcp {}->{}: {doing}: {reason}", canonical(local), canonical(peer))
        }
        _ => format!("{doing} tcp: {doing}: {reason}"),
    }
}

#[cfg(all(test, feature = "rt"))]
mod tests;
