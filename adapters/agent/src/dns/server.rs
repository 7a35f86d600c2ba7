//! Sockets: datagrams answered as they come, streams within limits.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, UdpSocket as StdSocket};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::fit::Transport;
use super::recursor::Recursors;
use super::respond::{Response, Site};
use super::zone::Zone;
use crate::config::DnsConfig;
use crate::dice::Dice;
use crate::errors::reason;
use crate::http::Directory;

/// Datagrams answered before others get their turn.
const BATCH: usize = 32;
/// Bytes of a query on a stream.
const QUERY_MAX: u16 = 4096;
/// Ports tried until one is free for both protocols, if any will do.
const PORTS_TRIED: usize = 32;

/// What clients may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Streams open at once; more are closed without an answer.
    pub streams: usize,
    /// How long a stream may be silent, and how long its client may take to send a question or to
    /// take an answer.
    pub idle: Duration,
    /// Questions that others are being asked about; more fail.
    pub recursions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { streams: 256, idle: Duration::from_secs(10), recursions: 256 }
    }
}

/// Open sockets on one port.
#[derive(Debug)]
pub struct Sockets {
    udp: StdSocket,
    tcp: StdListener,
}

impl Sockets {
    /// Opens both.
    ///
    /// # Errors
    /// Why that cannot be done, as one line for the user.
    pub fn bind(addr: SocketAddr) -> Result<Sockets, String> {
        let mut tries = if addr.port() == 0 { PORTS_TRIED } else { 1 };
        loop {
            tries -= 1;
            let failed = |how: &str, at: SocketAddr, error: &io::Error| {
                format!("listen {how} {at}: bind: {}", reason(error))
            };
            let tcp = StdListener::bind(addr).map_err(|error| failed("tcp", addr, &error))?;
            let at = tcp.local_addr().map_err(|error| failed("tcp", addr, &error))?;
            match StdSocket::bind(at) {
                Ok(udp) => {
                    let blocking = udp.set_nonblocking(true).and_then(|()| tcp.set_nonblocking(true));
                    return blocking
                        .map(|()| Sockets { udp, tcp })
                        .map_err(|error| failed("udp", at, &error));
                }
                Err(error) if tries == 0 => return Err(failed("udp", at, &error)),
                Err(_) => {}
            }
        }
    }
}

/// What a server serves.
pub struct Setup {
    /// The catalog, which somebody else keeps up to date.
    pub directory: Directory,
    /// How.
    pub config: DnsConfig,
    /// The domain of its names.
    pub domain: String,
    /// The name of the data centre.
    pub datacenter: String,
    /// What clients may use.
    pub limits: Limits,
}

/// A running DNS server. Dropped, it answers no more.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Server {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Server {
    /// Serves a node's registry on open sockets.
    ///
    /// # Errors
    /// The runtime does not take the sockets, the system has no random numbers, or the names of the
    /// zone are too long.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(sockets: Sockets, setup: Setup) -> io::Result<Server> {
        let Setup { directory, config, domain, datacenter, limits } = setup;
        let agent = directory.node().config().name.clone();
        let too_long = || io::Error::other(format!("the names in domain '{domain}' are too long"));
        let zone = Zone::new(&domain, config.alt_domain.as_deref(), &datacenter, &agent);
        let dice = Dice::seeded().map_err(|error| io::Error::other(error.to_string()))?;
        let recursors = Recursors::new(config.recursors.clone(), config.recursor_timeout);
        let zone = zone.ok_or_else(too_long)?;
        let udp = UdpSocket::from_std(sockets.udp)?;
        let tcp = TcpListener::from_std(sockets.tcp)?;
        let addr = udp.local_addr()?;
        let serving = Arc::new(Serving {
            site: Site { directory, zone, config, dice, recursors },
            recursions: Arc::new(Semaphore::new(limits.recursions)),
            limits,
        });
        let tasks = [
            tokio::spawn(datagrams(Arc::new(udp), Arc::clone(&serving))),
            tokio::spawn(streams(tcp, serving)),
        ];
        Ok(Server { addr, tasks })
    }

    /// Where it listens, on both protocols.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }
}

struct Serving {
    site: Site,
    /// Free places for questions that others are asked about.
    recursions: Arc<Semaphore>,
    limits: Limits,
}

/// Time until something that failed may work again.
const PAUSE: Duration = Duration::from_millis(50);

async fn datagrams(socket: Arc<UdpSocket>, serving: Arc<Serving>) {
    let mut query = vec![0; usize::from(u16::MAX)];
    // Dropped with the server: then nobody is asked any more.
    let mut waiting = JoinSet::new();
    loop {
        if socket.readable().await.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
        while waiting.try_join_next().is_some() {}
        for _ in 0..BATCH {
            let (len, from) = match socket.try_recv_from(&mut query) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    tokio::time::sleep(PAUSE).await;
                    break;
                }
            };
            match serving.site.respond(&query[..len], Transport::Udp) {
                Response::Nothing => {}
                // An answer that cannot be sent is lost, as any datagram may be.
                Response::Ready(answer) => drop(socket.send_to(&answer, from).await),
                Response::Later(pending) => match Arc::clone(&serving.recursions).try_acquire_owned() {
                    Ok(place) => {
                        let (socket, serving) = (Arc::clone(&socket), Arc::clone(&serving));
                        waiting.spawn(async move {
                            let answer = serving.site.finish(pending).await;
                            drop(place);
                            let _ = socket.send_to(&answer, from).await;
                        });
                    }
                    Err(_) => drop(socket.send_to(&serving.site.alone(&pending), from).await),
                },
            }
        }
        // Gossip and everybody else have their turn.
        tokio::task::yield_now().await;
    }
}

async fn streams(listener: TcpListener, serving: Arc<Serving>) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if open.len() < serving.limits.streams => {
                    let serving = Arc::clone(&serving);
                    open.spawn(async move {
                        // The client is gone, or too slow, or talks nonsense.
                        let _ = stream_to_its_end(stream, &serving).await;
                    });
                }
                Ok(_) => {}
                // No more files, or the client is gone already: others may fare better soon.
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            Some(_) = open.join_next() => {}
        }
    }
}

/// Answers the questions of one client, each after the one before.
async fn stream_to_its_end(mut stream: TcpStream, serving: &Serving) -> io::Result<()> {
    let idle = serving.limits.idle;
    stream.set_nodelay(true)?;
    loop {
        let len = timeout(idle, stream.read_u16()).await??;
        if len > QUERY_MAX {
            return Ok(());
        }
        let mut query = vec![0; usize::from(len)];
        timeout(idle, stream.read_exact(&mut query)).await??;
        let answer = match serving.site.respond(&query, Transport::Tcp) {
            Response::Nothing => return Ok(()),
            Response::Ready(answer) => answer,
            Response::Later(pending) => match serving.recursions.try_acquire() {
                Ok(_place) => serving.site.finish(pending).await,
                Err(_) => serving.site.alone(&pending),
            },
        };
        let Ok(len) = u16::try_from(answer.len()) else { return Ok(()) };
        let mut framed = Vec::with_capacity(2 + answer.len());
        framed.extend_from_slice(&len.to_be_bytes());
        framed.extend_from_slice(&answer);
        timeout(idle, stream.write_all(&framed)).await??;
    }
}
