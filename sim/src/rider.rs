//! The user's own state machine on each simulated node.

use std::net::SocketAddr;

use bytes::Bytes;
use tidings_core::{Command, CommandError, Event, Node, Reply, Time, Token};

/// Something that happened to a rider.
#[derive(Debug)]
#[non_exhaustive]
pub enum RiderInput<'a> {
    /// The process has started; the node may know nobody yet.
    Started,
    /// The moment of [`Rider::poll_timeout`] has come.
    Timeout,
    /// The node has news for its application.
    Event(&'a Event),
    /// A command of the rider was answered.
    Reply {
        /// As given with the command.
        token: Token,
        /// The answer.
        result: &'a Result<Reply, CommandError>,
    },
    /// A message of another rider arrived.
    Message {
        /// The address of the node it rides on.
        from: SocketAddr,
        /// Its bytes.
        payload: &'a [u8],
    },
}

/// Something a rider wants.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RiderOutput {
    /// Have the node do something.
    Command {
        /// Found again in the reply. Riders and stories number their tokens apart.
        token: Token,
        /// What to do.
        command: Command,
    },
    /// Send a message to the rider of another node: it travels as a datagram, through the same
    /// network and its faults.
    Send {
        /// The address of that node.
        to: SocketAddr,
        /// The bytes.
        payload: Bytes,
    },
}

/// A state machine that rides on a node, in the style of the node itself: inputs in, outputs out,
/// nothing else touched. Each life of a host has a new one.
///
/// `()` is the rider that does nothing.
///
/// ```
/// use std::time::Duration;
/// use tidings_core::{Event, Node, Time};
/// use tidings_sim::{Cluster, Rider, RiderInput, RiderOutput};
///
/// /// Counts the members it was told of.
/// #[derive(Default)]
/// struct Counter(usize);
///
/// impl Rider for Counter {
///     fn handle_input(&mut self, _: Time, _: &Node, input: RiderInput<'_>) {
///         if let RiderInput::Event(Event::Members(news)) = input {
///             self.0 += news.members.len();
///         }
///     }
///
///     fn poll_output(&mut self) -> Option<RiderOutput> {
///         None
///     }
///
///     fn poll_timeout(&self) -> Option<Time> {
///         None
///     }
/// }
///
/// let mut cluster = Cluster::lan(4).alone().riding(|_| Counter::default()).start();
/// cluster.join_all(0).run(Duration::from_secs(5));
/// assert!((0..4).all(|host| cluster.host(host).rider().0 == 4));
/// ```
pub trait Rider: Sized + 'static {
    /// Takes in one thing that happened. `now` is the host's own time, `node` the node as it is.
    fn handle_input(&mut self, now: Time, node: &Node, input: RiderInput<'_>);

    /// The next thing to do.
    fn poll_output(&mut self) -> Option<RiderOutput>;

    /// When to come back, on the host's own clock; `None`: not at all.
    fn poll_timeout(&self) -> Option<Time>;
}

impl Rider for () {
    fn handle_input(&mut self, _now: Time, _node: &Node, _input: RiderInput<'_>) {}

    fn poll_output(&mut self) -> Option<RiderOutput> {
        None
    }

    fn poll_timeout(&self) -> Option<Time> {
        None
    }
}
