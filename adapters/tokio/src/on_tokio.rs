//! Tokio as the driver's runtime.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Instant;

use bytes::{BufMut as _, BytesMut};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::Sleep;

use crate::runtime::{Alarm, Datagrams, Listener, Runtime, Stream};

/// The tokio runtime a node was spawned on.
#[derive(Clone, Debug)]
pub(crate) struct Tokio(tokio::runtime::Handle);

impl Tokio {
    /// The one this is called from.
    pub(crate) fn current() -> Option<Self> {
        tokio::runtime::Handle::try_current().ok().map(Tokio)
    }
}

impl Runtime for Tokio {
    type Datagrams = UdpSocket;
    type Listener = TcpListener;
    type Stream = TcpStream;
    type Alarm = TokioAlarm;

    fn datagrams(&self, socket: std::net::UdpSocket) -> io::Result<UdpSocket> {
        UdpSocket::from_std(socket)
    }

    fn listener(&self, listener: std::net::TcpListener) -> io::Result<TcpListener> {
        TcpListener::from_std(listener)
    }

    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<TcpStream>> + Send + 'static {
        TcpStream::connect(to)
    }

    #[expect(clippy::manual_async_fn, reason = "an `async fn` would borrow the runtime")]
    fn look_up(
        &self,
        host: String,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        async move { Ok(tokio::net::lookup_host((host.as_str(), port)).await?.collect()) }
    }

    fn alarm(&self) -> TokioAlarm {
        TokioAlarm(None)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(task);
    }
}

impl Datagrams for UdpSocket {
    async fn ready(&self, sending: bool) {
        let interest = if sending { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        // Fails only when the runtime shuts down, and this task with it.
        let _ = UdpSocket::ready(self, interest).await;
    }

    fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        UdpSocket::try_recv_from(self, buffer)
    }

    fn try_send_to(&self, payload: &[u8], to: SocketAddr) -> io::Result<usize> {
        UdpSocket::try_send_to(self, payload, to)
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send {
        TcpListener::accept(self)
    }
}

impl Stream for TcpStream {
    fn readable(&self) -> impl Future<Output = io::Result<()>> + Send {
        TcpStream::readable(self)
    }

    fn writable(&self) -> impl Future<Output = io::Result<()>> + Send {
        TcpStream::writable(self)
    }

    fn try_read(&self, buffer: &mut BytesMut, most: usize) -> io::Result<usize> {
        self.try_read_buf(&mut buffer.limit(most))
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        TcpStream::try_write(self, bytes)
    }

    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self)
    }
}

/// Made when it is first set: its place in the runtime's wheel is then kept.
#[derive(Debug)]
pub(crate) struct TokioAlarm(Option<Pin<Box<Sleep>>>);

impl Alarm for TokioAlarm {
    fn set(&mut self, moment: Instant) {
        match &mut self.0 {
            Some(sleep) => sleep.as_mut().reset(moment.into()),
            None => self.0 = Some(Box::pin(tokio::time::sleep_until(moment.into()))),
        }
    }

    async fn rings(&mut self) {
        match &mut self.0 {
            Some(sleep) => sleep.as_mut().await,
            None => std::future::pending().await,
        }
    }
}
