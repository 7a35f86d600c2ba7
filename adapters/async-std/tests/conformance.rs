//! A node on async-std keeps what every driver promises.

#[macro_use]
#[path = "../../../core/tests/conformance/mod.rs"]
mod conformance;
#[path = "../../tokio/tests/hosted/mod.rs"]
mod hosted;

use conformance::PATIENCE;
use hosted::{Host, Hosted};
use tidings_async_std::{Events, Handle, Options, spawn_with_events};
use tidings_core::Config;

struct AsyncStd;

impl Host for AsyncStd {
    fn start(config: Config, options: Options) -> (Handle, Events) {
        spawn_with_events(config, options).unwrap()
    }

    fn wait<T>(future: impl Future<Output = T>) -> T {
        let patient = async_std::future::timeout(PATIENCE, future);
        async_std::task::block_on(patient).expect("it never happened")
    }
}

conformance!(Hosted<AsyncStd>);
