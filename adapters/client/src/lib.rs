//! Speaks to a running agent, Tidings' own or Serf's, over its RPC port.
//!
//! * [`protocol`]: the messages, encoded and decoded in both directions. It does no I/O, and the
//!   agent's server uses it as well.
//! * [`Client`]: an asynchronous client on tokio, one method per command.
//!
//! ```no_run
//! use tidings_client::{Client, protocol::Event};
//!
//! # async fn example() -> Result<(), tidings_client::Error> {
//! let client = Client::connect("127.0.0.1:7373", None).await?;
//! for member in client.members().await? {
//!     println!("{} at {} is {}", member.name, member.gossip_addr(), member.status);
//! }
//! client.user_event(Event { name: "deploy".into(), payload: "v2".into(), coalesce: true }).await?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod client;
mod connection;
mod dial;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod pending;
pub mod protocol;
mod subscription;

pub use client::{Client, Limits};
pub use error::{DialError, Error};
pub use subscription::Subscription;
