//! A node on tokio keeps what every driver promises.

#[macro_use]
#[path = "../../../core/tests/conformance/mod.rs"]
mod conformance;
mod hosted;

use std::sync::LazyLock;

use conformance::PATIENCE;
use hosted::{Host, Hosted};
use tidings_core::Config;
use tidings_tokio::{Events, Handle, Options, spawn_with_events};
use tokio::runtime::Runtime;

static TOKIO: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

struct Tokio;

impl Host for Tokio {
    fn start(config: Config, options: Options) -> (Handle, Events) {
        let _inside = TOKIO.enter();
        spawn_with_events(config, options).unwrap()
    }

    fn wait<T>(future: impl Future<Output = T>) -> T {
        TOKIO.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("it never happened") })
    }
}

conformance!(Hosted<Tokio>);
