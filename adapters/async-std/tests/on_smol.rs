//! The same future on smol's executor keeps what every driver promises.

#[macro_use]
#[path = "../../../core/tests/conformance/mod.rs"]
mod conformance;
#[path = "../../tokio/tests/hosted/mod.rs"]
mod hosted;

use conformance::PATIENCE;
use hosted::{Host, Hosted};
use tidings_async_std::{Events, Handle, Options, node};
use tidings_core::Config;

struct Smol;

impl Host for Smol {
    fn start(config: Config, options: Options) -> (Handle, Events) {
        let (handle, events, task) = node(config, options).unwrap();
        smol::spawn(task).detach();
        (handle, events)
    }

    fn wait<T>(future: impl Future<Output = T>) -> T {
        let too_late = async {
            smol::Timer::after(PATIENCE).await;
            panic!("it never happened")
        };
        smol::block_on(smol::future::or(future, too_late))
    }
}

conformance!(Hosted<Smol>);

#[test]
fn dropping_the_future_closes_everything() {
    let config = Config::local("a", "127.0.0.1:0".parse().unwrap());
    let (handle, _events, task) = node(config, Options::default()).unwrap();
    let addr = handle.local_addr();
    let peer = Smol::wait(async {
        let polled = smol::spawn(task);
        let peer = smol::net::TcpStream::connect(addr).await.unwrap();
        handle.stats().await.unwrap();
        polled.cancel().await;
        peer
    });
    std::net::TcpListener::bind(addr).unwrap();
    // A connection that was open is closed, too.
    let mut peer = peer;
    let read = Smol::wait(async { smol::io::AsyncReadExt::read(&mut peer, &mut [0; 1]).await });
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}
