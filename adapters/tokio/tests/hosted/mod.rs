//! A node behind a [`Handle`], as the conformance tests see it; the runtime is the test file's.

use std::future::Future;
use std::net::SocketAddr;

use tidings_core::registry::RegistryView;
use tidings_core::{Command, CommandError, Config, Reply, View};
use tidings_tokio::{Error, Events, Handle, Notice, Options};

use crate::conformance::{News, Peer};

/// A runtime to test on.
pub(crate) trait Host {
    /// Starts a node on it.
    fn start(config: Config, options: Options) -> (Handle, Events);
    /// Runs something to its end, at most for the tests' patience.
    fn wait<T>(future: impl Future<Output = T>) -> T;
}

pub(crate) struct Hosted<H> {
    handle: Handle,
    events: Events,
    host: std::marker::PhantomData<H>,
}

impl<H: Host> Peer for Hosted<H> {
    fn start(config: Config, events_max: usize) -> Self {
        let (handle, events) = H::start(config, Options { events_max, ..Options::default() });
        Hosted { handle, events, host: std::marker::PhantomData }
    }

    fn addr(&self) -> SocketAddr {
        self.handle.local_addr()
    }

    fn command(&self, command: Command) -> Result<Reply, CommandError> {
        H::wait(self.handle.command(command)).map_err(|error| match error {
            Error::Command(error) => error,
            other => panic!("{other}"),
        })
    }

    fn view(&self) -> View {
        View::clone(&self.handle.view())
    }

    fn registry(&self) -> RegistryView {
        RegistryView::clone(&self.handle.registry())
    }

    fn next(&mut self) -> News {
        match H::wait(self.events.next()).expect("the node stopped") {
            Notice::Event(event) => News::Event(event),
            Notice::Missed(missed) => News::Missed(missed),
            other => panic!("unexpected {other:?}"),
        }
    }

    fn stop(self) {
        H::wait(self.handle.shutdown()).unwrap();
    }
}
