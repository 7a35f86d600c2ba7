//! What a node's driver needs of a runtime: sockets that say when they are ready, one alarm, names
//! looked up, and tasks.
//!
//! [`spawn`](crate::spawn) is for tokio. Another runtime implements [`Runtime`] and drives the future
//! that [`node`](crate::node) gives; the crate `tidings-async-std` does so. Everything else - handles,
//! subscriptions, bounds, back-off - is here once.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::BytesMut;
use socket2::SockRef;

/// A runtime with sockets, time and tasks. Clones are the same runtime.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// A UDP socket.
    type Datagrams: Datagrams;
    /// A listening TCP socket.
    type Listener: Listener<Stream = Self::Stream>;
    /// A TCP connection.
    type Stream: Stream;
    /// An alarm clock.
    type Alarm: Alarm;

    /// Takes over a socket that does not block.
    ///
    /// # Errors
    /// What the system says.
    fn datagrams(&self, socket: std::net::UdpSocket) -> io::Result<Self::Datagrams>;

    /// Takes over a listening socket that does not block.
    ///
    /// # Errors
    /// What the system says.
    fn listener(&self, listener: std::net::TcpListener) -> io::Result<Self::Listener>;

    /// Opens a connection. Dropping the future gives it up.
    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static;

    /// Asks the system's resolver.
    fn look_up(
        &self,
        host: String,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static;

    /// An alarm that is not set.
    fn alarm(&self) -> Self::Alarm;

    /// Runs a task to its end, beside the one that asks.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);
}

/// A UDP socket.
pub trait Datagrams: Send + Sync + 'static {
    /// Waits until there may be something to receive or, if `sending`, room to send. Cancel safe.
    fn ready(&self, sending: bool) -> impl Future<Output = ()> + Send;

    /// Receives a datagram, if there is one.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if there is none; else what the system says.
    fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)>;

    /// Sends a datagram, if there is room.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if there is none; else what the system says.
    fn try_send_to(&self, payload: &[u8], to: SocketAddr) -> io::Result<usize>;
}

/// A listening TCP socket.
pub trait Listener: Send + Sync + 'static {
    /// The connections it gives.
    type Stream: Stream;

    /// Waits for a connection. Cancel safe.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;
}

/// A TCP connection.
pub trait Stream: Send + Sync + 'static {
    /// Waits until there may be something to read. Cancel safe.
    fn readable(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// Waits until there may be room to write. Cancel safe.
    fn writable(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// Appends what there is to read, at most `most` bytes; 0: the peer has finished.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if there is nothing yet; else what the system says.
    fn try_read(&self, buffer: &mut BytesMut, most: usize) -> io::Result<usize>;

    /// Writes as much as there is room for.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if there is none; else what the system says.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// The socket itself, for its addresses and options.
    fn socket(&self) -> SockRef<'_>;
}

/// An alarm clock.
pub trait Alarm: Send + 'static {
    /// Sets it anew.
    fn set(&mut self, moment: Instant);

    /// Waits for the moment it was set to. Cancel safe; never ends if it is not set.
    fn rings(&mut self) -> impl Future<Output = ()> + Send;
}
