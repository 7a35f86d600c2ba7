//! Tidings on async-std, on smol, and on any executor beside async-io's reactor.
//!
//! [`spawn`] starts a node on async-std's threads, exactly as its namesake of `tidings-tokio` does
//! on tokio's: the same [`Handle`], the same [`Events`], the same bounds. [`node`] gives the future
//! that is the node instead, for an executor of one's own:
//!
//! ```
//! use tidings_async_std::{Options, node};
//! use tidings_core::{Config, Status};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! smol::block_on(async {
//!     let (a, _, task) = node(Config::local("a", "127.0.0.1:0".parse()?), Options::default())?;
//!     smol::spawn(task).detach();
//!     let (b, _, task) = node(Config::local("b", "127.0.0.1:0".parse()?), Options::default())?;
//!     smol::spawn(task).detach();
//!
//!     let joined = b.join(vec![a.local_addr().to_string()], false).await?;
//!     assert_eq!(joined.contacted, 1);
//!     assert_eq!(b.view().get("a").map(|member| member.status()), Some(Status::Alive));
//!
//!     b.leave_and_shutdown().await?;
//!     a.shutdown().await?;
//!     Ok(())
//! })
//! # }
//! ```
//!
//! # What it costs
//! One task for a node, in which its streams run too: whatever executor polls it, no other is asked
//! to. Names are looked up by threads of the crate `blocking`.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod on_async_io;

use std::future::Future;

pub use tidings_core as core;
pub use tidings_tokio::{
    CheckReply, CheckRequest, Error, Events, Handle, Joined, Notice, Options, PersistReply, PersistRequest,
    QueryItem, QueryStream, SocketMetrics, SpawnError,
};

use tidings_core::Config;

use crate::on_async_io::Tasks;

/// Starts a node in a task of its own, on async-std's threads.
///
/// It listens on UDP and TCP under one port. If the advertised address has port 0, or no IP address,
/// it is completed from the bound one; see [`Handle::config`].
///
/// # Errors
/// See [`SpawnError`]; nothing is left running.
#[cfg(feature = "async-std")]
pub fn spawn(config: Config, options: Options) -> Result<Handle, SpawnError> {
    Ok(spawn_with_events(config, options)?.0)
}

/// Starts a node as [`spawn`] does, with a subscription that holds its very first event too.
///
/// # Errors
/// As [`spawn`].
#[cfg(feature = "async-std")]
pub fn spawn_with_events(config: Config, options: Options) -> Result<(Handle, Events), SpawnError> {
    let (handle, events, task) = node(config, options)?;
    async_std::task::spawn(task);
    Ok((handle, events))
}

/// Makes a node: its handle, a subscription from the very first event on, and the future that is the
/// node. It lives while that is polled, by whatever executor; dropping it stops the node.
///
/// After the node's end the future goes on for a moment, at most the time a stream may take, until
/// what was said on streams is written.
///
/// # Errors
/// See [`SpawnError`].
pub fn node(
    config: Config,
    options: Options,
) -> Result<(Handle, Events, impl Future<Output = ()> + Send + 'static), SpawnError> {
    let tasks = Tasks::new();
    let (handle, events, task) = tidings_tokio::node(config, options, tasks.runtime())?;
    Ok((handle, events, tasks.run(task)))
}

/// The README's code is tried with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
