//! Connecting to `host:port`, with the checks and texts of Go's dialler.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::error::DialError;

/// Connects to the first address of `addr` that answers.
pub(crate) async fn dial(addr: &str, patience: Duration) -> Result<TcpStream, DialError> {
    let (host, port) = split(addr)?;
    // Go takes an empty host for this machine, and names it as it was given.
    if host.is_empty() {
        let local = SocketAddr::from(([127, 0, 0, 1], port));
        return connect(local, addr.to_owned(), patience).await;
    }
    let lookup = || DialError::Lookup { host: host.to_owned() };
    let resolved = timeout(patience, lookup_host((host, port))).await;
    let addrs = resolved.map_err(|_| lookup())?.map_err(|_| lookup())?;
    let mut failure = lookup();
    for addr in addrs {
        match connect(addr, addr.to_string(), patience).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

async fn connect(addr: SocketAddr, name: String, patience: Duration) -> Result<TcpStream, DialError> {
    let problem = match timeout(patience, TcpStream::connect(addr)).await {
        Ok(Ok(stream)) => {
            // Requests are small and wait for their answers.
            let _ = stream.set_nodelay(true);
            return Ok(stream);
        }
        Ok(Err(error)) => problem(&error),
        Err(_) => "i/o timeout".to_owned(),
    };
    Err(DialError::Connect { addr: name, problem })
}

/// Go's words for what the system said.
fn problem(error: &io::Error) -> String {
    use io::ErrorKind;
    let words = match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused",
        ErrorKind::ConnectionReset => "connection reset by peer",
        ErrorKind::NetworkUnreachable => "network is unreachable",
        ErrorKind::HostUnreachable => "no route to host",
        ErrorKind::TimedOut => "connection timed out",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::InvalidInput => "invalid argument",
        ErrorKind::AddrNotAvailable => "cannot assign requested address",
        _ => return format!("connect: {error}"),
    };
    format!("connect: {words}")
}

/// Splits `host:port`; brackets around an IPv6 address are taken away.
fn split(addr: &str) -> Result<(&str, u16), DialError> {
    if addr.is_empty() {
        return Err(DialError::MissingAddress);
    }
    let bad = |problem| DialError::Address { addr: addr.to_owned(), problem };
    let Some((host, port)) = addr.rsplit_once(':') else { return Err(bad("missing port in address")) };
    let host = match host.strip_prefix('[') {
        Some(bracketed) => match bracketed.strip_suffix(']') {
            Some(host) => host,
            // The last colon is inside the brackets, so no port follows them.
            None if addr.ends_with(']') => return Err(bad("missing port in address")),
            None => return Err(bad("missing ']' in address")),
        },
        None if host.contains(':') => return Err(bad("too many colons in address")),
        None => host,
    };
    let invalid = || DialError::Address { addr: port.to_owned(), problem: "invalid port" };
    Ok((host, port.parse().map_err(|_| invalid())?))
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn addresses_are_split_or_refused_in_the_words_of_go() {
        let cases = [
            ("127.0.0.1:7373", Ok(("127.0.0.1", 7373))),
            ("[::1]:7373", Ok(("::1", 7373))),
            ("agent:1", Ok(("agent", 1))),
            (":7373", Ok(("", 7373))),
            ("", Err("dial tcp: missing address")),
            ("nonsense", Err("dial tcp: address nonsense: missing port in address")),
            ("[::1]", Err("dial tcp: address [::1]: missing port in address")),
            ("[::1:80", Err("dial tcp: address [::1:80: missing ']' in address")),
            ("::1:80", Err("dial tcp: address ::1:80: too many colons in address")),
            ("127.0.0.1:99999", Err("dial tcp: address 99999: invalid port")),
            ("127.0.0.1:-1", Err("dial tcp: address -1: invalid port")),
        ];
        for (addr, expected) in cases {
            let split = split(addr).map_err(|error| error.to_string());
            assert_eq!(split, expected.map_err(str::to_owned), "{addr}");
        }
    }
}
