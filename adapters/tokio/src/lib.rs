//! Tidings on tokio: drives the pure core with sockets and timers.
//!
//! [`spawn`] starts a node in a task of its own and gives back a [`Handle`]: commands go in, the
//! members are read as an immutable [view](Handle::view) that costs the node nothing, events come
//! by [subscription](Handle::subscribe). All decisions are the core's; this crate moves bytes,
//! keeps one timer, and bounds what sockets, queues and slow readers may hold.
//!
//! ```
//! use tidings_core::{Config, Status};
//! use tidings_tokio::{Options, spawn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let a = spawn(Config::local("a", "127.0.0.1:0".parse()?), Options::default())?;
//! let b = spawn(Config::local("b", "127.0.0.1:0".parse()?), Options::default())?;
//!
//! let joined = b.join(vec![a.local_addr().to_string()], false).await?;
//! assert_eq!(joined.contacted, 1);
//! assert_eq!(b.view().get("a").map(|member| member.status()), Some(Status::Alive));
//!
//! b.leave_and_shutdown().await?;
//! a.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it costs
//! One task for a node, one more for each open stream. A wake-up takes up to 64 datagrams, none of
//! which allocates here; the timer is touched only when the deadline moves, and nothing ticks on its
//! own. Any runtime with time and I/O will do, a current-thread one too.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod accept;
mod bind;
mod checks;
mod driver;
mod error;
mod events;
mod handle;
mod metrics;
#[cfg(feature = "rt")]
mod on_tokio;
mod options;
mod persist;
mod resolve;
pub mod runtime;
mod spawn;
mod stream;
mod udp;

pub use crate::checks::{CheckReply, CheckRequest};
pub use crate::error::{Error, SpawnError};
pub use crate::events::{Events, Notice, QueryItem, QueryStream};
pub use crate::handle::{Handle, Joined};
pub use crate::metrics::SocketMetrics;
pub use crate::options::Options;
pub use crate::persist::{PersistReply, PersistRequest};
pub use crate::spawn::node;
#[cfg(feature = "rt")]
pub use crate::spawn::{spawn, spawn_with_events};
pub use tidings_core as core;
