//! A node's beginning and end, and what it refuses.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tidings_core::Config;
use tidings_tokio::{Error, Options, SpawnError, spawn};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// Long enough for any machine; nothing waits for it unless it fails.
const PATIENCE: Duration = Duration::from_secs(60);

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

#[tokio::test]
async fn a_busy_port_is_an_error_that_names_it() {
    let taken = TcpListener::bind(any_port()).await.unwrap();
    let addr = taken.local_addr().unwrap();
    let error = spawn(Config::lan("a", addr), Options::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "Failed to start TCP listener on \"127.0.0.1\" port {port}: \
             listen tcp 127.0.0.1:{port}: bind: address already in use",
            port = addr.port()
        )
    );
}

#[tokio::test]
async fn a_fixed_seed_is_refused_with_encryption_keys_alone() {
    let mut config = Config::lan("a", any_port());
    let mut options = Options { seed: Some([1; 32]), ..Options::default() };
    spawn(config.clone(), options.clone()).unwrap();
    config.security.keys.push(Bytes::from_static(&[7; 16]));
    assert!(matches!(spawn(config.clone(), options.clone()), Err(SpawnError::SeedWithKeys)));
    options.seed = None;
    spawn(config, options).unwrap();
}

#[tokio::test]
async fn a_wrong_configuration_opens_no_socket() {
    let taken = TcpListener::bind(any_port()).await.unwrap();
    let mut config = Config::lan("a", taken.local_addr().unwrap());
    config.protocol = 9;
    assert!(matches!(spawn(config, Options::default()), Err(SpawnError::Config(_))));
}

#[tokio::test]
async fn records_that_nobody_would_write_are_refused() {
    let mut config = Config::lan("a", any_port());
    config.snapshot = true;
    let error = spawn(config, Options::default()).unwrap_err();
    assert!(error.to_string().starts_with("`snapshot` is on, but `Options::persist` is not set"));
    let mut config = Config::lan("a", any_port());
    config.security.persist_keyring = true;
    assert!(matches!(spawn(config, Options::default()), Err(SpawnError::NoPersist(_))));
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let error = spawn(Config::lan("a", any_port()), Options::default()).unwrap_err();
    assert!(matches!(error, SpawnError::NoRuntime));
}

#[tokio::test]
async fn the_real_address_is_advertised() {
    let options = Options { bind: Some(any_port()), ..Options::default() };
    let node = spawn(Config::lan("a", "0.0.0.0:0".parse().unwrap()), options).unwrap();
    assert_ne!(node.local_addr().port(), 0);
    assert_eq!(node.config().advertise, node.local_addr());
    let seen = node.inspect(|node| node.config().advertise).await.unwrap();
    assert_eq!(seen, node.local_addr());
}

#[tokio::test]
async fn after_a_shutdown_the_port_is_free_and_requests_fail() {
    let node = spawn(Config::lan("a", any_port()), Options::default()).unwrap();
    let mut events = node.subscribe();
    let other = node.clone();
    node.shutdown().await.unwrap();
    let _tcp = TcpListener::bind(node.local_addr()).await.unwrap();
    let _udp = UdpSocket::bind(node.local_addr()).await.unwrap();
    assert_eq!(other.stats().await, Err(Error::Stopped));
    assert_eq!(other.leave().await, Err(Error::Stopped));
    assert_eq!(other.ended().await, Error::Stopped);
    while events.next().await.is_some() {}
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn dropping_the_last_handle_stops_the_node() {
    let node = spawn(Config::lan("a", any_port()), Options::default()).unwrap();
    let addr = node.local_addr();
    let mut events = node.subscribe();
    let clone = node.clone();
    drop(node);
    clone.stats().await.unwrap();
    drop(clone);
    while tokio::time::timeout(PATIENCE, events.next()).await.unwrap().is_some() {}
    let bound = async {
        while UdpSocket::bind(addr).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, bound).await.unwrap();
}

#[tokio::test]
async fn a_panic_while_looking_at_the_node_is_the_lookers_alone() {
    let node = spawn(Config::lan("a", any_port()), Options::default()).unwrap();
    let looker = node.clone();
    let look = tokio::spawn(async move { looker.inspect(|_| panic!("curiosity")).await.map(|(): ()| ()) });
    assert!(look.await.unwrap_err().is_panic());
    node.stats().await.unwrap();
}

#[tokio::test]
async fn half_open_connections_beyond_the_bound_do_not_stop_the_node() {
    let mut config = Config::lan("a", any_port());
    config.stream.open_max = 8;
    let node = spawn(config, Options::default()).unwrap();
    let mut peers = Vec::new();
    // Those beyond the bound wait in the system's queue, or are turned away; none is an error.
    for _ in 0..100 {
        peers.push(TcpStream::connect(node.local_addr()).await.unwrap());
    }
    let stranger = UdpSocket::bind(any_port()).await.unwrap();
    stranger.send_to(b"nonsense", node.local_addr()).await.unwrap();
    node.stats().await.unwrap();
    assert_eq!(node.socket_metrics().accept_errors, 0);
    node.shutdown().await.unwrap();
    for mut peer in peers {
        // Reset or closed, but not left hanging.
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, peer.read_to_end(&mut rest)).await.unwrap();
    }
}
