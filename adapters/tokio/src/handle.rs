//! The handle: what applications hold.

use std::future::Future;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use arc_swap::ArcSwap;
use bytes::Bytes;
use tidings_core::registry::RegistryView;
use tidings_core::registry::command::RegistryCommand;
use tidings_core::{
    Command, CommandError, Config, JoinFailure, KeyCommand, KeyReport, Metrics, Node, QueryId, QueryParams,
    Reply, Stats, View,
};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::error::Error;
use crate::events::{AnswerSender, Events, Notice, QueryStream, answers};
use crate::metrics::{Counters, SocketMetrics};

/// What a handle asks of the node's task.
pub(crate) enum Request {
    Command { command: Command, waiting: Waiting },
    Inspect(Box<dyn FnOnce(&Node) + Send>),
    Shutdown,
}

/// Who waits for a command.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) reply: oneshot::Sender<Result<Reply, CommandError>>,
    /// For a query, where its answers go.
    pub(crate) answers: Option<AnswerSender>,
}

/// What the node's task publishes.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) view: ArcSwap<View>,
    pub(crate) registry: ArcSwap<RegistryView>,
    /// Told after either of them has changed.
    pub(crate) changed: watch::Sender<()>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) config: Arc<Config>,
    pub(crate) local_addr: SocketAddr,
    pub(crate) events_max: usize,
}

/// How a join went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Addresses that answered and whose state was merged; at least one.
    pub contacted: usize,
    /// Addresses that did not.
    pub failures: Vec<JoinFailure>,
}

/// A running node, as its application holds it: cheap to clone, usable from any task.
///
/// The node runs until [`Handle::shutdown`] or until the last handle is dropped; both stop it at
/// once, without leaving: the others will find out that it failed. [`Handle::leave`] before is
/// the polite way.
///
/// All requests may be dropped while they wait. What the node was asked to do is done all the
/// same.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) requests: mpsc::Sender<Request>,
    /// Weak, so that subscriptions end with the node and not with the last handle.
    pub(crate) events: broadcast::WeakSender<Notice>,
    pub(crate) ended: watch::Receiver<Option<Error>>,
    pub(crate) shared: Arc<Shared>,
}

impl Handle {
    /// Enters a cluster through any of these addresses (`[node-name/]host[:port]`; without a port
    /// the own one). All are tried. With `replay`, user events older than the join are delivered.
    ///
    /// # Errors
    /// [`CommandError::Join`] if none worked; the node is as it was.
    pub async fn join(&self, addresses: Vec<String>, replay: bool) -> Result<Joined, Error> {
        self.joined(Command::Join { addresses, replay }).await
    }

    /// Re-enters through members known earlier (`name/address`), one by one until one answers.
    ///
    /// # Errors
    /// As for [`Handle::join`].
    pub async fn rejoin(&self, addresses: Vec<String>) -> Result<Joined, Error> {
        self.joined(Command::Rejoin { addresses }).await
    }

    async fn joined(&self, command: Command) -> Result<Joined, Error> {
        match self.command(command).await? {
            Reply::Joined { contacted, failures } => Ok(Joined { contacted, failures }),
            other => unexpected(&other),
        }
    }

    /// Leaves gracefully: returns when the word has spread, or its time is over. The node goes on
    /// running, as one that left, until it is shut down.
    ///
    /// # Errors
    /// [`CommandError::LeaveInProgress`] and the like.
    pub async fn leave(&self) -> Result<(), Error> {
        self.done(Command::Leave).await
    }

    /// Turns a failed member into one that left; with `prune` it is forgotten everywhere at once.
    ///
    /// # Errors
    /// [`CommandError::RemovalTimedOut`] if the word did not get through in time.
    pub async fn force_leave(&self, node: impl Into<String>, prune: bool) -> Result<(), Error> {
        self.done(Command::ForceLeave { node: node.into(), prune }).await
    }

    /// Sends a user event to everyone. With `coalesce`, receivers may fold events of one name
    /// into the newest.
    ///
    /// # Errors
    /// It is too large.
    pub async fn user_event(
        &self,
        name: impl Into<String>,
        payload: impl Into<Bytes>,
        coalesce: bool,
    ) -> Result<(), Error> {
        let (name, payload) = (name.into(), payload.into());
        self.done(Command::UserEvent { name, payload, coalesce }).await
    }

    /// Asks the cluster; the stream gives acks and responses as they come.
    ///
    /// # Errors
    /// It is too large, its name is reserved, or too many queries are open.
    pub async fn query(&self, params: QueryParams) -> Result<QueryStream, Error> {
        // As in the original, an ack and a response of every member have room.
        let (sender, receiver) = answers(self.shared.events_max.max(2 * self.view().len()));
        match self.request(Command::Query(Box::new(params)), Some(sender)).await? {
            Reply::QueryStarted { id, timeout } => Ok(QueryStream::new(id, timeout, receiver)),
            other => unexpected(&other),
        }
    }

    /// Answers a query that came as [`Event::Query`](tidings_core::Event::Query).
    ///
    /// # Errors
    /// Its time is over, it was answered already, or the answer is too large.
    pub async fn respond(&self, id: QueryId, payload: impl Into<Bytes>) -> Result<(), Error> {
        self.done(Command::Respond { id, payload: payload.into() }).await
    }

    /// Changes the own tags: removes the keys in `delete`, then sets those in `set`. With
    /// `replace`, every tag that is not in `set` goes.
    ///
    /// # Errors
    /// They are too large, or (changed all the same) the word did not get through in time.
    pub async fn update_tags(
        &self,
        delete: Vec<String>,
        set: Vec<(String, String)>,
        replace: bool,
    ) -> Result<(), Error> {
        self.done(Command::UpdateTags { delete, set, replace }).await
    }

    /// Changes or lists the encryption keys of the whole cluster.
    ///
    /// # Errors
    /// [`CommandError::Keys`] with the report, if not every member did it.
    pub async fn keys(&self, command: KeyCommand) -> Result<KeyReport, Error> {
        match self.command(Command::Keys(command)).await? {
            Reply::Keys(report) => Ok(*report),
            other => unexpected(&other),
        }
    }

    /// Any command. The answers of a query sent this way come as [`Event::Answer`](tidings_core::Event::Answer) to all
    /// subscribers.
    ///
    /// # Errors
    /// What the node finds wrong with it, or that the node is gone.
    pub async fn command(&self, command: Command) -> Result<Reply, Error> {
        self.request(command, None).await
    }

    /// The members as they are now. Never waits, takes no lock; the copy never changes.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.shared.view.load_full()
    }

    /// What the registry knows now. Never waits, takes no lock; the copy never changes.
    #[must_use]
    pub fn registry(&self) -> Arc<RegistryView> {
        self.shared.registry.load_full()
    }

    /// Tells when [`view`](Self::view) or [`registry`](Self::registry) has changed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.shared.changed.subscribe()
    }

    /// Registers, deregisters or reports.
    ///
    /// # Errors
    /// [`CommandError::Registry`] with what was wrong.
    pub async fn register(&self, command: RegistryCommand) -> Result<(), Error> {
        self.done(Command::Registry(Box::new(command))).await
    }

    /// How the node stands.
    ///
    /// # Errors
    /// The node is gone.
    pub async fn stats(&self) -> Result<Stats, Error> {
        self.inspect(Node::stats).await
    }

    /// What the node has done so far.
    ///
    /// # Errors
    /// The node is gone.
    pub async fn metrics(&self) -> Result<Metrics, Error> {
        self.inspect(|node| node.metrics().clone()).await
    }

    /// What the node's sockets met so far. Never waits.
    #[must_use]
    pub fn socket_metrics(&self) -> SocketMetrics {
        self.shared.counters.snapshot()
    }

    /// The address listened on, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local_addr
    }

    /// The configuration in force, with the address really advertised.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.shared.config
    }

    /// Runs a closure on the node's task. The node waits for it: be brief. If it panics, the
    /// panic goes on here and the node lives.
    ///
    /// # Errors
    /// The node is gone.
    pub async fn inspect<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Node) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (sender, receiver) = oneshot::channel();
        let look = Box::new(move |node: &Node| {
            let _ = sender.send(catch_unwind(AssertUnwindSafe(|| look(node))));
        });
        self.ask(Request::Inspect(look), receiver).await?.or_else(|panic| resume_unwind(panic))
    }

    /// Subscribes to events from now on. Subscribing after the node's end gives an empty
    /// subscription.
    #[must_use]
    pub fn subscribe(&self) -> Events {
        match self.events.upgrade() {
            Some(events) => Events::new(events.subscribe()),
            None => Events::ended(),
        }
    }

    /// Stops the node at once, without leaving. On return its sockets are closed.
    /// Stopping a stopped node is fine.
    ///
    /// # Errors
    /// [`Error::Panicked`] if the node did not end well.
    pub async fn shutdown(&self) -> Result<(), Error> {
        // If this fails, the node has ended already.
        let _ = self.requests.send(Request::Shutdown).await;
        match self.ended().await {
            Error::Stopped => Ok(()),
            error => Err(error),
        }
    }

    /// Leaves, then stops, whatever became of the leave.
    ///
    /// # Errors
    /// Those of [`Handle::leave`]; the node is stopped all the same.
    pub async fn leave_and_shutdown(&self) -> Result<(), Error> {
        let left = self.leave().await;
        self.shutdown().await?;
        left
    }

    /// Waits until the node has stopped, for whatever reason, and tells why.
    ///
    /// [`Error::Stopped`] is the normal end.
    pub async fn ended(&self) -> Error {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(error)) => error.clone(),
            // The runtime dropped the task.
            _ => Error::Stopped,
        }
    }

    async fn done(&self, command: Command) -> Result<(), Error> {
        self.command(command).await.map(|_| ())
    }

    async fn request(&self, command: Command, answers: Option<AnswerSender>) -> Result<Reply, Error> {
        let (reply, receiver) = oneshot::channel();
        let waiting = Waiting { reply, answers };
        Ok(self.ask(Request::Command { command, waiting }, receiver).await??)
    }

    async fn ask<T>(&self, request: Request, receiver: oneshot::Receiver<T>) -> Result<T, Error> {
        if self.requests.send(request).await.is_ok()
            && let Ok(answer) = receiver.await
        {
            return Ok(answer);
        }
        Err(self.ended().await)
    }
}

fn unexpected(reply: &Reply) -> ! {
    panic!("the node answered another command than it was given: {reply:?}")
}

/// Runs the node's task to its end, and makes the end known once everything it owned is gone.
pub(crate) async fn supervise(task: impl Future<Output = ()>, ended: watch::Sender<Option<Error>>) {
    let end = {
        let mut task = pin!(task);
        std::future::poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => Poll::Ready(Error::Stopped),
            Err(panic) => Poll::Ready(Error::Panicked(panic_text(panic.as_ref()))),
        })
        .await
    };
    ended.send_replace(Some(end));
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}

#[cfg(all(test, feature = "rt"))]
mod tests {
    use super::*;

    /// A handle to a task that is no node.
    fn handle(task: impl Future<Output = ()> + Send + 'static, requests: mpsc::Sender<Request>) -> Handle {
        let (ender, ended) = watch::channel(None);
        let config = Config::lan("a", "127.0.0.1:7946".parse().unwrap());
        let local_addr = config.advertise;
        let shared = Arc::new(Shared {
            view: ArcSwap::default(),
            registry: ArcSwap::default(),
            changed: watch::channel(()).0,
            counters: Arc::default(),
            config: Arc::new(config),
            local_addr,
            events_max: 1,
        });
        let events = broadcast::Sender::new(1).downgrade();
        tokio::spawn(supervise(task, ender));
        Handle { requests, events, ended, shared }
    }

    #[tokio::test]
    async fn a_panic_in_the_nodes_task_reaches_who_waits_and_who_comes_later() {
        let (requests, mut requested) = mpsc::channel(1);
        let task = async move {
            let _request = requested.recv().await;
            panic!("the {} is broken", "invariant");
        };
        let handle = handle(task, requests);
        let error = Error::Panicked("the invariant is broken".into());
        assert_eq!(handle.leave().await, Err(error.clone()));
        assert_eq!(handle.leave().await, Err(error.clone()));
        assert_eq!(handle.shutdown().await, Err(error.clone()));
        assert_eq!(handle.ended().await, error);
        assert!(handle.subscribe().next().await.is_none());
    }

    #[tokio::test]
    async fn a_task_that_ends_is_a_node_that_stopped() {
        let (requests, requested) = mpsc::channel(1);
        let handle = handle(async move { drop(requested) }, requests);
        assert_eq!(handle.leave().await, Err(Error::Stopped));
        assert_eq!(handle.shutdown().await, Ok(()));
    }

    #[test]
    fn a_runtime_that_goes_away_is_a_node_that_stopped() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (requests, requested) = mpsc::channel(1);
        let handle = runtime.block_on(async {
            handle(
                async move {
                    let _requested = requested;
                    std::future::pending().await
                },
                requests,
            )
        });
        drop(runtime);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(handle.leave()), Err(Error::Stopped));
    }

    #[test]
    fn handles_can_be_shared_between_threads() {
        fn shared<T: Clone + Send + Sync + 'static>() {}
        shared::<Handle>();
    }
}
