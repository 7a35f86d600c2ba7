//! The way of a node's news: into the log at once, folded to scripts and streams.

use std::sync::Arc;
use std::time::Duration;

use tidings_core::config::Coalesce;
use tidings_core::serf::coalesce::MemberCoalescer;
use tidings_core::{Event, Time};
use tidings_tokio::{Events, Handle, Notice};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::handlers::{Handlers, Job};
use crate::log::{Log, Renderer};
use crate::server::Hub;

/// How long the node's first event is awaited.
const FIRST_EVENT: Duration = Duration::from_millis(200);

/// Takes a node's events until it stops.
pub(super) struct Dispatcher {
    node: Handle,
    log: Log,
    renderer: Renderer,
    handlers: Arc<Handlers>,
    hub: Hub,
    members: MemberCoalescer,
    /// The origin of the coalescer's time.
    start: Instant,
    name_lost: watch::Sender<bool>,
}

impl Dispatcher {
    pub(super) fn new(
        node: Handle,
        log: Log,
        handlers: Arc<Handlers>,
        hub: Hub,
        rule: Coalesce,
        name_lost: watch::Sender<bool>,
    ) -> Self {
        let config = node.config();
        let renderer = Renderer::new(log.clone(), config.name.clone(), config.members.resolve_conflicts);
        let members = MemberCoalescer::new(rule, config.members.max);
        Dispatcher { renderer, members, start: Instant::now(), node, log, handlers, hub, name_lost }
    }

    /// Takes the node's first event, its own join, so that its line stands before all that follows.
    pub(super) async fn begin(&mut self, events: &mut Events) {
        let first = async {
            loop {
                match events.next().await {
                    Some(Notice::Event(event)) => return Some(event),
                    Some(_) => {}
                    None => return None,
                }
            }
        };
        if let Ok(Some(event)) = tokio::time::timeout(FIRST_EVENT, first).await {
            self.take(event);
        }
    }

    pub(super) async fn run(mut self, mut events: Events) {
        loop {
            let due = self.members.poll_timeout();
            let notice = tokio::select! {
                notice = events.next() => notice,
                () = sleep_until(self.start, due) => {
                    self.flush_due();
                    continue;
                }
            };
            match notice {
                Some(Notice::Event(event)) => self.take(event),
                Some(Notice::Decision(trace)) => self.renderer.decision(&trace),
                Some(Notice::Missed(count)) => {
                    self.log.warn("agent", format_args!("{count} events were missed: too many at once"));
                }
                Some(_) => {}
                // What is still being folded is about an agent that ends: nobody is left to tell.
                None => return,
            }
        }
    }

    fn take(&mut self, event: Arc<Event>) {
        self.renderer.event(&event);
        match &*event {
            Event::Members(members) => {
                let now = Time::ZERO + self.start.elapsed();
                self.members.handle(now, members.clone());
            }
            Event::User(_) | Event::Query(_) => self.deliver(event),
            Event::NameLost { .. } => {
                self.name_lost.send_replace(true);
            }
            _ => {}
        }
    }

    fn flush_due(&mut self) {
        for event in self.members.handle_timeout(Time::ZERO + self.start.elapsed()) {
            self.deliver(Arc::new(Event::Members(event)));
        }
    }

    /// To whoever wants it, with its line in the log.
    fn deliver(&self, event: Arc<Event>) {
        self.renderer.received(&event);
        if let Some(own) = self.node.view().get(&self.node.config().name) {
            self.handlers.offer(Job { event: Arc::clone(&event), own: own.clone() });
        }
        self.hub.publish(&event);
    }
}

async fn sleep_until(start: Instant, due: Option<Time>) {
    match due {
        Some(due) => tokio::time::sleep_until(start + due.since(Time::ZERO)).await,
        None => std::future::pending().await,
    }
}
