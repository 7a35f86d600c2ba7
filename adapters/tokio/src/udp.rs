//! Datagrams: many received in one wake-up, sent without waiting.
//!
//! A plain loop over the non-blocking socket. Receiving with `recvmmsg` (the crate `quinn-udp`, 32
//! buffers) was measured on the loopback interface: for a burst of 64 datagrams both take 0.7 us
//! each, for a single one the loop takes 1.1 to 1.4 us and `recvmmsg` 2.3 to 2.6. Bursts are rare,
//! and 32 buffers of the largest datagram are 2 MiB: the loop stays.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::metrics::Counters;
use crate::runtime::{Datagrams, Runtime};

/// Datagrams taken in one wake-up, so that timers and streams get their turn.
pub(crate) const BATCH_MAX: usize = 64;

/// A datagram has at most 65,535 bytes.
const DATAGRAM_MAX: usize = 65_536;

/// Receive buffer asked of the system; halved until it agrees (gossip-wire, section 1).
const SOCKET_BUFFER: usize = 2 << 20;

/// The gossip socket.
#[derive(Debug)]
pub(crate) struct Udp<D> {
    socket: D,
    buffer: Box<[u8]>,
    /// Datagrams the socket had no room for, oldest first.
    backlog: VecDeque<(SocketAddr, Bytes)>,
    backlog_max: usize,
    is_ipv6: bool,
    counters: Arc<Counters>,
}

impl<D: Datagrams> Udp<D> {
    pub(crate) fn new(
        runtime: &impl Runtime<Datagrams = D>,
        socket: std::net::UdpSocket,
        backlog_max: usize,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        enlarge_buffer(&socket);
        let is_ipv6 = socket.local_addr()?.is_ipv6();
        Ok(Udp {
            socket: runtime.datagrams(socket)?,
            buffer: vec![0; DATAGRAM_MAX].into_boxed_slice(),
            backlog: VecDeque::new(),
            backlog_max,
            is_ipv6,
            counters,
        })
    }

    /// Waits until datagrams can be received, or waiting ones sent.
    pub(crate) async fn ready(&self) {
        self.socket.ready(!self.backlog.is_empty()).await;
    }

    /// Hands at most [`BATCH_MAX`] received datagrams to `each`.
    pub(crate) fn receive(&mut self, mut each: impl FnMut(SocketAddr, &[u8])) {
        for _ in 0..BATCH_MAX {
            match self.socket.try_recv_from(&mut self.buffer) {
                Ok((size, from)) => each(canonical(from), &self.buffer[..size]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_error) => {
                    self.counters.receive_errors.add(1);
                    #[cfg(feature = "tracing")]
                    tracing::debug!(error = %_error, "receiving a datagram failed");
                }
            }
        }
    }

    /// Sends a datagram now, or when the socket has room again; drops it if too many wait.
    pub(crate) fn send(&mut self, to: SocketAddr, payload: Bytes) {
        if self.backlog.is_empty() && self.try_send(to, &payload) {
            return;
        }
        if self.backlog.len() < self.backlog_max {
            self.backlog.push_back((to, payload));
        } else {
            self.counters.datagrams_dropped.add(1);
        }
    }

    /// Sends what waits, as far as the socket has room.
    pub(crate) fn flush(&mut self) {
        while let Some((to, payload)) = self.backlog.front() {
            if !self.try_send(*to, payload) {
                return;
            }
            self.backlog.pop_front();
        }
    }

    /// Whether this datagram is dealt with: sent, or refused by the system for good.
    fn try_send(&self, to: SocketAddr, payload: &[u8]) -> bool {
        let target = if self.is_ipv6 { mapped(to) } else { to };
        match self.socket.try_send_to(payload, target) {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(_error) => {
                self.counters.send_errors.add(1);
                #[cfg(feature = "tracing")]
                tracing::debug!(%to, error = %_error, "sending a datagram failed");
                true
            }
        }
    }
}

/// Asks for a large receive buffer: a burst must survive until the node's next turn.
fn enlarge_buffer(socket: &std::net::UdpSocket) {
    let socket = socket2::SockRef::from(socket);
    let mut size = SOCKET_BUFFER;
    while size > 0 && socket.set_recv_buffer_size(size).is_err() {
        size /= 2;
    }
}

/// The address members know: IPv4 as such, even when it came through an IPv6 socket.
pub(crate) fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V6(v6) if v6.ip().to_ipv4_mapped().is_some() => {
            SocketAddr::new(addr.ip().to_canonical(), addr.port())
        }
        // As it is: a link-local address is of no use without its scope.
        _ => addr,
    }
}

/// The address an IPv6 socket can send to.
fn mapped(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V4(v4) => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
        SocketAddr::V6(_) => addr,
    }
}

#[cfg(all(test, feature = "rt"))]
mod tests {
    use tokio::net::UdpSocket;

    use super::*;
    use crate::on_tokio::Tokio;

    fn udp(bind: &str, backlog_max: usize) -> (Udp<UdpSocket>, Arc<Counters>) {
        let tokio = Tokio::current().unwrap();
        let counters = Arc::new(Counters::default());
        let socket = std::net::UdpSocket::bind(bind).unwrap();
        (Udp::new(&tokio, socket, backlog_max, counters.clone()).unwrap(), counters)
    }

    #[tokio::test]
    async fn a_batch_ends_at_its_bound_and_the_rest_is_read_in_the_next() {
        let (mut receiver, _) = udp("127.0.0.1:0", 8);
        let to = receiver.socket.local_addr().unwrap();
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for n in 0..100_u8 {
            sender.send_to(&[n], to).unwrap();
        }
        let (mut seen, mut largest) = (Vec::new(), 0);
        while seen.len() < 100 {
            receiver.ready().await;
            let before = seen.len();
            receiver.receive(|from, payload| {
                assert_eq!(from, sender.local_addr().unwrap());
                seen.extend_from_slice(payload);
            });
            largest = largest.max(seen.len() - before);
        }
        assert_eq!(seen, (0..100).collect::<Vec<u8>>());
        assert_eq!(largest, BATCH_MAX);
    }

    #[tokio::test]
    async fn datagrams_the_system_refuses_are_counted_and_forgotten() {
        let (mut udp, counters) = udp("127.0.0.1:0", 8);
        udp.socket.writable().await.unwrap();
        udp.send("127.0.0.1:9".parse().unwrap(), Bytes::from(vec![0; 70_000]));
        assert_eq!(counters.snapshot().send_errors, 1);
        assert!(udp.backlog.is_empty());
    }

    #[tokio::test]
    async fn a_full_backlog_drops_what_comes_and_a_flush_sends_what_waits() {
        let (mut udp, counters) = udp("127.0.0.1:0", 2);
        let receiver = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = receiver.local_addr().unwrap();
        udp.backlog.push_back((to, Bytes::from_static(b"first")));
        udp.send(to, Bytes::from_static(b"second"));
        udp.send(to, Bytes::from_static(b"third"));
        assert_eq!(counters.snapshot().datagrams_dropped, 1);

        while !udp.backlog.is_empty() {
            udp.ready().await;
            udp.flush();
        }
        let mut buffer = [0; 16];
        for expected in [b"first".as_slice(), b"second"] {
            let (size, _) = receiver.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..size], expected);
        }
    }

    #[tokio::test]
    async fn an_ipv6_socket_talks_to_ipv4_peers_under_their_own_addresses() {
        let Ok(socket) = std::net::UdpSocket::bind("[::]:0") else { return };
        let counters = Arc::new(Counters::default());
        let mut udp = Udp::new(&Tokio::current().unwrap(), socket, 8, counters.clone()).unwrap();
        let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = peer.local_addr().unwrap();
        let own = SocketAddr::new("127.0.0.1".parse().unwrap(), udp.socket.local_addr().unwrap().port());
        peer.send_to(b"hello", own).unwrap();
        let mut from = None;
        while from.is_none() {
            udp.ready().await;
            udp.receive(|addr, _| from = Some(addr));
        }
        assert_eq!(from, Some(addr));
        udp.socket.writable().await.unwrap();
        udp.send(addr, Bytes::from_static(b"hello yourself"));
        assert_eq!(counters.snapshot().send_errors, 0);
        assert_eq!(peer.recv_from(&mut [0; 32]).unwrap().0, 14);
    }

    #[test]
    fn addresses_survive_the_way_through_an_ipv6_socket() {
        for (seen, known) in [
            ("[::ffff:10.0.0.1]:7946", "10.0.0.1:7946"),
            ("10.0.0.1:7946", "10.0.0.1:7946"),
            ("[fe80::1%3]:7946", "[fe80::1%3]:7946"),
            ("[::1]:7946", "[::1]:7946"),
        ] {
            let (seen, known): (SocketAddr, SocketAddr) = (seen.parse().unwrap(), known.parse().unwrap());
            assert_eq!(canonical(seen), known);
            assert_eq!(canonical(mapped(known)), known);
        }
    }
}
