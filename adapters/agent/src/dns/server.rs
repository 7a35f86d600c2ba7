//! Sockets: datagrams answered as they come, streams within limits.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, UdpSocket as StdSocket};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::counts::Counts;
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
    /// Where questions are counted.
    pub counts: Arc<Counts>,
}

/// A running DNS server. Dropped, it answers no more.
pub struct Server {
    addr: SocketAddr,
    serving: Arc<Serving>,
    domain: String,
    datacenter: String,
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
        let Setup { directory, config, domain, datacenter, limits, counts } = setup;
        let dice = Arc::new(Dice::seeded().map_err(|error| io::Error::other(error.to_string()))?);
        let site = site(directory, config, (&domain, &datacenter), dice, counts).map_err(io::Error::other)?;
        let udp = UdpSocket::from_std(sockets.udp)?;
        let tcp = TcpListener::from_std(sockets.tcp)?;
        let addr = udp.local_addr()?;
        let serving = Arc::new(Serving {
            site: RwLock::new(Arc::new(site)),
            recursions: Arc::new(Semaphore::new(limits.recursions)),
            limits,
        });
        let tasks = [
            tokio::spawn(datagrams(Arc::new(udp), Arc::clone(&serving))),
            tokio::spawn(streams(tcp, Arc::clone(&serving))),
        ];
        Ok(Server { addr, serving, domain, datacenter, tasks })
    }

    /// Answers as this says from the next question on. Where it listens stays.
    ///
    /// # Errors
    /// The names of the zone are too long; all is as it was.
    pub fn reconfigure(&self, config: DnsConfig) -> Result<(), String> {
        let before = self.serving.site();
        if before.config == config {
            return Ok(());
        }
        let (directory, dice, counts) =
            (before.directory.clone(), Arc::clone(&before.dice), Arc::clone(&before.counts));
        let site = site(directory, config, (&self.domain, &self.datacenter), dice, counts)?;
        *self.serving.site.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(site);
        Ok(())
    }

    /// Where it listens, on both protocols.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }
}

/// What questions are answered from, in a domain and a data centre.
fn site(
    directory: Directory,
    config: DnsConfig,
    (domain, datacenter): (&str, &str),
    dice: Arc<Dice>,
    counts: Arc<Counts>,
) -> Result<Site, String> {
    let agent = directory.node().config().name.clone();
    let zone = Zone::new(domain, config.alt_domain.as_deref(), datacenter, &agent)
        .ok_or_else(|| format!("the names in domain '{domain}' are too long"))?;
    let recursors = Recursors::new(config.recursors.clone(), config.recursor_timeout);
    Ok(Site { directory, zone, config, dice, recursors, counts })
}

struct Serving {
    /// Replaced when the configuration is read again.
    site: RwLock<Arc<Site>>,
    /// Free places for questions that others are asked about.
    recursions: Arc<Semaphore>,
    limits: Limits,
}

impl Serving {
    fn site(&self) -> Arc<Site> {
        Arc::clone(&self.site.read().unwrap_or_else(PoisonError::into_inner))
    }
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
        let site = serving.site();
        for _ in 0..BATCH {
            let (len, from) = match socket.try_recv_from(&mut query) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    tokio::time::sleep(PAUSE).await;
                    break;
                }
            };
            match site.respond(&query[..len], Transport::Udp) {
                Response::Nothing => {}
                // An answer that cannot be sent is lost, as any datagram may be.
                Response::Ready(answer) => drop(socket.send_to(&answer, from).await),
                Response::Later(pending) => match Arc::clone(&serving.recursions).try_acquire_owned() {
                    Ok(place) => {
                        let (socket, site) = (Arc::clone(&socket), Arc::clone(&site));
                        waiting.spawn(async move {
                            let answer = site.finish(pending).await;
                            drop(place);
                            let _ = socket.send_to(&answer, from).await;
                        });
                    }
                    Err(_) => drop(socket.send_to(&site.alone(&pending), from).await),
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
        let site = serving.site();
        let answer = match site.respond(&query, Transport::Tcp) {
            Response::Nothing => return Ok(()),
            Response::Ready(answer) => answer,
            Response::Later(pending) => match serving.recursions.try_acquire() {
                Ok(_place) => site.finish(pending).await,
                Err(_) => site.alone(&pending),
            },
        };
        let Ok(len) = u16::try_from(answer.len()) else { return Ok(()) };
        let mut framed = Vec::with_capacity(2 + answer.len());
        framed.extend_from_slice(&len.to_be_bytes());
        framed.extend_from_slice(&answer);
        timeout(idle, stream.write_all(&framed)).await??;
    }
}
