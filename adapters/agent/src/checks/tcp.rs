//! Whether somebody accepts connections.

use std::net::SocketAddr;
use std::time::Duration;

use tidings_core::registry::check::Health;
use tokio::net::TcpStream;

use super::Outcome;
use crate::errors::reason;

pub(super) async fn probe(address: &str, timeout: Duration) -> Outcome {
    match tokio::time::timeout(timeout, connect(address)).await {
        Ok(Ok(_)) => Outcome::new(Health::Passing, format!("TCP connect {address}: Success")),
        Ok(Err(error)) => Outcome::critical(error),
        Err(_) => Outcome::critical(format!("dial tcp {address}: i/o timeout")),
    }
}

/// Connects to a `host:port`, trying all addresses of the host; the error in the words of the original.
pub(super) async fn connect(address: &str) -> Result<TcpStream, String> {
    let Some((host, port)) = address.rsplit_once(':').filter(|(host, _)| !host.ends_with(':')) else {
        return Err(format!("dial tcp: address {address}: missing port in address"));
    };
    if port.parse::<u16>().is_err() {
        return Err(format!("dial tcp: address {port}: invalid port"));
    }
    let none = || format!("dial tcp: lookup {host}: no such host");
    let found: Vec<SocketAddr> = tokio::net::lookup_host(address).await.map_err(|_| none())?.collect();
    let mut last = none();
    for addr in found {
        match TcpStream::connect(addr).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = format!("dial tcp {addr}: connect: {}", reason(&error)),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn who_accepts_is_well_and_who_refuses_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let expected = Outcome::new(Health::Passing, format!("TCP connect {addr}: Success"));
        assert_eq!(probe(&addr, LONG).await, expected);
        drop(listener);
        let expected = Outcome::critical(format!("dial tcp {addr}: connect: connection refused"));
        assert_eq!(probe(&addr, LONG).await, expected);
    }

    #[tokio::test]
    async fn addresses_that_are_none_are_named() {
        for (address, expected) in [
            ("127.0.0.1", "dial tcp: address 127.0.0.1: missing port in address"),
            ("127.0.0.1:x", "dial tcp: address x: invalid port"),
            ("127.0.0.1:99999", "dial tcp: address 99999: invalid port"),
        ] {
            assert_eq!(probe(address, LONG).await, Outcome::critical(expected));
        }
    }
}
