//! Starting a node.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tidings_core::{Config, Node, Time};
use tokio::sync::{broadcast, mpsc, watch};

use crate::accept::Acceptor;
use crate::bind::{bind, complete_advertise};
use crate::checks::Checks;
use crate::driver::{Clock, Driver, Pending, Timer};
use crate::error::SpawnError;
use crate::events::Events;
use crate::handle::{Handle, Shared, supervise};
use crate::metrics::Counters;
use crate::options::Options;
use crate::persist::Records;
use crate::resolve::Resolver;
use crate::runtime::Runtime;
use crate::stream::{Limits, Streams};
use crate::udp::Udp;

/// Requests that may wait for the node; more make their senders wait.
const REQUESTS_MAX: usize = 256;

/// Sockets accepted beyond the core's own limit, so that it is the core that turns peers away.
const SPARE_SOCKETS: usize = 32;

/// Bytes a stream may have waiting beside one message of the largest size.
const SPARE_BACKLOG: usize = 64 << 10;

/// Starts a node in a task of its own.
///
/// It listens on UDP and TCP under one port. If the advertised address has port 0, or no IP
/// address, it is completed from the bound one (or, when listening everywhere, from the first
/// private address of this host); see [`Handle::config`].
///
/// # Errors
/// See [`SpawnError`]; nothing is left running.
///
/// # Panics
/// The runtime was built without time or I/O.
#[cfg(feature = "rt")]
pub fn spawn(config: Config, options: Options) -> Result<Handle, SpawnError> {
    Ok(spawn_with_events(config, options)?.0)
}

/// Starts a node as [`spawn`] does, with a subscription that holds its very first event too: on a
/// runtime of several threads, [`Handle::subscribe`] may come too late for that.
///
/// # Errors
/// As [`spawn`].
///
/// # Panics
/// As [`spawn`].
#[cfg(feature = "rt")]
pub fn spawn_with_events(config: Config, options: Options) -> Result<(Handle, Events), SpawnError> {
    let runtime = crate::on_tokio::Tokio::current().ok_or(SpawnError::NoRuntime)?;
    let (handle, events, task) = node(config, options, runtime.clone())?;
    runtime.spawn(task);
    Ok((handle, events))
}

/// Makes a node on any runtime: its handle, a subscription from the very first event on, and the
/// future that is the node. It lives while that is polled; dropping it stops the node.
///
/// # Errors
/// See [`SpawnError`].
pub fn node<R: Runtime>(
    mut config: Config,
    options: Options,
    runtime: R,
) -> Result<(Handle, Events, impl Future<Output = ()> + Send + 'static), SpawnError> {
    config.validate()?;
    check(&config, &options)?;
    let sockets = bind(options.bind.unwrap_or(config.advertise))?;
    complete_advertise(&mut config, sockets.local)?;

    let config = Arc::new(config);
    let clock = Clock::start();
    let node = Node::restore(config.clone(), seed(&options)?, Time::ZERO, &options.restored)?;
    let counters = Arc::new(Counters::default());
    let (requests, requested) = mpsc::channel(REQUESTS_MAX);
    let (completer, completions) = mpsc::unbounded_channel();
    let (ender, ended) = watch::channel(None);
    let (events, subscription) = broadcast::channel(options.events_max.clamp(1, 1 << 20));
    let shared = Arc::new(Shared {
        view: ArcSwap::from_pointee(node.view()),
        registry: ArcSwap::from_pointee(node.registry()),
        changed: watch::channel(()).0,
        counters: counters.clone(),
        config: config.clone(),
        local_addr: sockets.local,
        events_max: options.events_max,
    });
    let handle = Handle { requests, events: events.downgrade(), ended, shared: shared.clone() };
    let open_max = config.stream.open_max + SPARE_SOCKETS;
    let driver = Driver {
        node,
        udp: Udp::new(&runtime, sockets.udp, options.datagram_backlog_max, counters.clone())
            .map_err(SpawnError::Socket)?,
        acceptor: Acceptor::new(&runtime, sockets.tcp, open_max, counters).map_err(SpawnError::Socket)?,
        streams: Streams::new(runtime.clone(), limits(&config, &options)),
        resolver: Resolver::new(runtime.clone(), completer.clone()),
        records: Records::new(options.persist, completer.clone()),
        checks: Checks::new(options.checks, completer),
        events,
        requests: requested,
        completions,
        shared,
        clock,
        timer: Timer::new(runtime.alarm()),
        pending: Pending::default(),
    };
    let task = supervise(driver.run(), ender);
    #[cfg(feature = "tracing")]
    let task = tracing::Instrument::instrument(task, tracing::info_span!("node", name = %config.name));
    Ok((handle, Events::new(subscription), task))
}

/// What the node itself cannot know to be wrong.
fn check(config: &Config, options: &Options) -> Result<(), SpawnError> {
    if options.seed.is_some() && !config.security.keys.is_empty() {
        return Err(SpawnError::SeedWithKeys);
    }
    if options.persist.is_none() {
        if config.snapshot {
            return Err(SpawnError::NoPersist("`snapshot`"));
        }
        if config.security.persist_keyring {
            return Err(SpawnError::NoPersist("`security.persist_keyring`"));
        }
        if config.registry.durable {
            return Err(SpawnError::NoPersist("`registry.durable`"));
        }
    }
    Ok(())
}

fn seed(options: &Options) -> Result<[u8; 32], SpawnError> {
    if let Some(seed) = options.seed {
        return Ok(seed);
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(SpawnError::Random)?;
    Ok(seed)
}

fn limits(config: &Config, options: &Options) -> Limits {
    let each = config.stream.message_max + SPARE_BACKLOG;
    Limits {
        dialled_max: config.stream.open_max,
        backlog_each_max: each,
        backlog_max: options.stream_backlog_max.max(each),
        linger: config.stream.timeout,
    }
}
