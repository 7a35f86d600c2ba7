//! Hands events to streams. A stream that does not read loses events, nobody else does.

use std::sync::{Arc, Mutex, PoisonError};

use tidings_core::Event;
use tokio::sync::mpsc;

use crate::handlers::EventFilter;
use crate::log::Log;

/// Events that wait for a slow stream; further ones are dropped.
const STREAM_EVENTS: usize = 512;

/// All running streams. Clones share them.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    log: Log,
    streams: Mutex<Vec<Subscriber>>,
}

struct Subscriber {
    filters: Vec<EventFilter>,
    events: mpsc::Sender<Arc<Event>>,
    /// Whom to blame for lagging.
    client: String,
    lagging: bool,
}

impl Hub {
    /// Without streams.
    #[must_use]
    pub fn new(log: Log) -> Hub {
        Hub(Arc::new(Inner { log, streams: Mutex::new(Vec::new()) }))
    }

    /// Events that match any of the filters, from now on. Dropping the receiver ends it.
    #[must_use]
    pub fn subscribe(&self, filters: Vec<EventFilter>, client: String) -> mpsc::Receiver<Arc<Event>> {
        let (events, receiver) = mpsc::channel(STREAM_EVENTS);
        let subscriber = Subscriber { filters, events, client, lagging: false };
        let mut streams = self.0.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.retain(|stream| !stream.events.is_closed());
        streams.push(subscriber);
        receiver
    }

    /// Hands an event to every stream that wants it.
    pub fn publish(&self, event: &Arc<Event>) {
        let mut streams = self.0.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.retain_mut(|stream| stream.offer(event, &self.0.log));
    }
}

impl Subscriber {
    /// `false`: nobody listens any more.
    fn offer(&mut self, event: &Arc<Event>, log: &Log) -> bool {
        if !self.filters.iter().any(|filter| filter.matches(event)) {
            return !self.events.is_closed();
        }
        match self.events.try_send(Arc::clone(event)) {
            Ok(()) => self.lagging = false,
            Err(mpsc::error::TrySendError::Closed(_)) => return false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                if !self.lagging {
                    log.warn("agent.ipc", format_args!("Dropping event to {}", self.client));
                }
                self.lagging = true;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tidings_core::{LamportTime, UserEvent};

    use super::*;
    use crate::log::Level;

    #[test]
    fn a_stream_that_does_not_read_loses_events_and_is_reported_once() {
        let log = Log::new(Level::Info, None);
        let hub = Hub::new(log.clone());
        let all = || EventFilter::parse_list("*").unwrap();
        let mut slow = hub.subscribe(all(), "127.0.0.1:9".into());
        drop(hub.subscribe(all(), "gone".into()));
        let event = Arc::new(Event::User(UserEvent {
            ltime: LamportTime(1),
            name: "e".into(),
            payload: Bytes::new(),
            coalesce: false,
        }));
        for _ in 0..1000 {
            hub.publish(&event);
        }
        let mut got = 0;
        while slow.try_recv().is_ok() {
            got += 1;
        }
        assert_eq!(got, STREAM_EVENTS);
        let lines = log.subscribe(Level::Warn, "test".into()).backlog;
        assert_eq!(lines.len(), 1);
        assert!(lines[0].text.ends_with("Dropping event to 127.0.0.1:9"));
    }
}
