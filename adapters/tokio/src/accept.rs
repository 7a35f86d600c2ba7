//! Taking connections, as many as there is room for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::Counters;
use crate::runtime::{Alarm, Listener, Runtime};
use crate::udp::canonical;

/// The first pause after a failed accept; each further failure doubles it.
const PAUSE_MIN: Duration = Duration::from_millis(5);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A connection that came in, with its place among the open ones.
#[derive(Debug)]
pub(crate) struct Incoming<S> {
    pub(crate) stream: S,
    pub(crate) from: SocketAddr,
    pub(crate) place: OwnedSemaphorePermit,
}

/// The listening socket. When all places are taken, peers wait in the system's queue.
pub(crate) struct Acceptor<R: Runtime> {
    listener: R::Listener,
    places: Arc<Semaphore>,
    pause: Duration,
    /// After a failure, such as having no more file descriptors, retrying at once would spin.
    is_paused: bool,
    alarm: R::Alarm,
    counters: Arc<Counters>,
}

impl<R: Runtime> Acceptor<R> {
    pub(crate) fn new(
        runtime: &R,
        listener: std::net::TcpListener,
        open_max: usize,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Acceptor {
            listener: runtime.listener(listener)?,
            places: Arc::new(Semaphore::new(open_max)),
            pause: PAUSE_MIN,
            is_paused: false,
            alarm: runtime.alarm(),
            counters,
        })
    }

    /// Waits for the next connection. Cancel safe.
    pub(crate) async fn next(&mut self) -> Incoming<R::Stream> {
        loop {
            if self.is_paused {
                self.alarm.rings().await;
                self.is_paused = false;
            }
            let Ok(place) = self.places.clone().acquire_owned().await else {
                unreachable!("the semaphore is never closed")
            };
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    self.pause = PAUSE_MIN;
                    return Incoming { stream, from: canonical(from), place };
                }
                Err(error) => self.on_failure(&error),
            }
        }
    }

    fn on_failure(&mut self, error: &io::Error) {
        self.counters.accept_errors.add(1);
        #[cfg(feature = "tracing")]
        tracing::warn!(%error, pause = ?self.pause, "accepting a connection failed");
        // The peer gave up while it waited: the next one may be fine.
        if error.kind() != io::ErrorKind::ConnectionAborted {
            self.alarm.set(Instant::now() + self.pause);
            self.is_paused = true;
            self.pause = (self.pause * 2).min(PAUSE_MAX);
        }
    }
}

#[cfg(all(test, feature = "rt"))]
mod tests {
    use tokio::net::TcpStream;

    use super::*;
    use crate::on_tokio::Tokio;

    fn acceptor(open_max: usize) -> (Acceptor<Tokio>, SocketAddr, Arc<Counters>) {
        let counters = Arc::new(Counters::default());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let tokio = Tokio::current().unwrap();
        (Acceptor::new(&tokio, listener, open_max, counters.clone()).unwrap(), addr, counters)
    }

    #[tokio::test]
    async fn a_full_house_accepts_again_when_a_place_is_given_back() {
        let (mut acceptor, addr, _) = acceptor(1);
        let _first = TcpStream::connect(addr).await.unwrap();
        let second = TcpStream::connect(addr).await.unwrap();
        let incoming = acceptor.next().await;
        {
            let mut waiting = std::pin::pin!(acceptor.next());
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(Future::poll(waiting.as_mut(), &mut context).is_pending());
        }
        drop(incoming);
        assert_eq!(acceptor.next().await.from, second.local_addr().unwrap());
    }

    #[tokio::test]
    async fn failures_are_counted_and_followed_by_growing_pauses() {
        let (mut acceptor, addr, counters) = acceptor(1);
        for expected in [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000] {
            assert_eq!(acceptor.pause, Duration::from_millis(expected));
            acceptor.on_failure(&io::Error::from(io::ErrorKind::OutOfMemory));
        }
        assert_eq!(counters.snapshot().accept_errors, 10);
        acceptor.alarm.set(Instant::now());
        let _peer = TcpStream::connect(addr).await.unwrap();
        acceptor.next().await;
        assert_eq!(acceptor.pause, PAUSE_MIN);
    }
}
