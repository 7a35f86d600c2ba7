//! Async-io's reactor as the driver's runtime, and an executor within the node's own future.

use std::future::Future;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::sync::{Arc, Weak};
use std::time::Instant;

use async_executor::Executor;
use async_io::{Async, Timer};
use bytes::BytesMut;
use futures_lite::future;
use socket2::SockRef;
use tidings_tokio::runtime::{Alarm, Datagrams, Listener, Runtime, Stream};

/// Runs a node's streams and look-ups, and the node itself.
pub(crate) struct Tasks(Arc<Executor<'static>>);

impl Tasks {
    pub(crate) fn new() -> Self {
        Tasks(Arc::new(Executor::new()))
    }

    /// The runtime of the node.
    pub(crate) fn runtime(&self) -> AsyncIo {
        AsyncIo { tasks: Arc::downgrade(&self.0) }
    }

    /// Runs the node, and beside it whatever it spawns; streams that still write may end after it.
    pub(crate) async fn run(self, node: impl Future<Output = ()>) {
        self.0.run(node).await;
        while !self.0.is_empty() {
            self.0.tick().await;
        }
    }
}

/// What one node runs on.
#[derive(Clone)]
pub(crate) struct AsyncIo {
    /// Weak, since tasks hold it: when the node's future is dropped, so are they.
    tasks: Weak<Executor<'static>>,
}

impl Runtime for AsyncIo {
    type Datagrams = Udp;
    type Listener = Listening;
    type Stream = Tcp;
    type Alarm = Clock;

    fn datagrams(&self, socket: UdpSocket) -> io::Result<Udp> {
        Async::new(socket).map(Udp)
    }

    fn listener(&self, listener: TcpListener) -> io::Result<Listening> {
        Async::new(listener).map(Listening)
    }

    #[expect(clippy::manual_async_fn, reason = "an `async fn` would borrow the runtime")]
    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<Tcp>> + Send + 'static {
        async move { Async::<TcpStream>::connect(to).await.map(Tcp) }
    }

    #[expect(clippy::manual_async_fn, reason = "an `async fn` would borrow the runtime")]
    fn look_up(
        &self,
        host: String,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        // A task of a pool of threads begins when it is made; this one waits for its turn.
        async move { blocking::unblock(move || Ok((host, port).to_socket_addrs()?.collect())).await }
    }

    fn alarm(&self) -> Clock {
        Clock(Timer::never())
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = self.tasks.upgrade() {
            tasks.spawn(task).detach();
        }
    }
}

/// A UDP socket.
#[derive(Debug)]
pub(crate) struct Udp(Async<UdpSocket>);

impl Datagrams for Udp {
    async fn ready(&self, sending: bool) {
        // These fail only with the reactor.
        if sending {
            let _ = future::or(self.0.readable(), self.0.writable()).await;
        } else {
            let _ = self.0.readable().await;
        }
    }

    fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.get_ref().recv_from(buffer)
    }

    fn try_send_to(&self, payload: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.0.get_ref().send_to(payload, to)
    }
}

/// A listening TCP socket.
#[derive(Debug)]
pub(crate) struct Listening(Async<TcpListener>);

impl Listener for Listening {
    type Stream = Tcp;

    async fn accept(&self) -> io::Result<(Tcp, SocketAddr)> {
        let (stream, from) = self.0.accept().await?;
        Ok((Tcp(stream), from))
    }
}

/// A TCP connection.
#[derive(Debug)]
pub(crate) struct Tcp(Async<TcpStream>);

impl Stream for Tcp {
    fn readable(&self) -> impl Future<Output = io::Result<()>> + Send {
        self.0.readable()
    }

    fn writable(&self) -> impl Future<Output = io::Result<()>> + Send {
        self.0.writable()
    }

    fn try_read(&self, buffer: &mut BytesMut, most: usize) -> io::Result<usize> {
        let held = buffer.len();
        buffer.resize(held + most, 0);
        let result = self.0.get_ref().read(&mut buffer[held..]);
        buffer.truncate(held + result.as_ref().map_or(0, |read| *read));
        result
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.get_ref().write(bytes)
    }

    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self.0.get_ref())
    }
}

/// An alarm clock.
#[derive(Debug)]
pub(crate) struct Clock(Timer);

impl Alarm for Clock {
    fn set(&mut self, moment: Instant) {
        self.0.set_at(moment);
    }

    async fn rings(&mut self) {
        (&mut self.0).await;
    }
}
