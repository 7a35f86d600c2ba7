//! Which address to bind and which to tell others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};

use if_addrs::Interface;

/// The gossip port where none is given.
pub(super) const GOSSIP_PORT: u16 = 7946;

/// A gossip address given as `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 literal.
///
/// # Errors
/// Why it is no address, in the words of the original.
pub(super) fn resolve_address(text: &str) -> Result<SocketAddr, String> {
    resolve_with_port(text, GOSSIP_PORT)
}

/// An address in one of these forms; `default` is its port if none is given.
///
/// # Errors
/// Why it is no address, in the words of the original.
pub(super) fn resolve_with_port(text: &str, default: u16) -> Result<SocketAddr, String> {
    let (host, port) = split_host_port(text, default)?;
    if host.is_empty() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port));
    }
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, port));
    }
    let found: Vec<SocketAddr> = (host, port).to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    let first_v4 = found.iter().find(|addr| addr.is_ipv4()).or(found.first());
    first_v4.copied().ok_or_else(|| format!("lookup {host}: no such host"))
}

fn split_host_port(text: &str, default: u16) -> Result<(&str, u16), String> {
    let port = |digits: &str| digits.parse::<u16>().map_err(|_| format!("address {digits}: invalid port"));
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) =
            rest.split_once(']').ok_or_else(|| format!("address {text}: missing ']' in address"))?;
        return match rest.strip_prefix(':') {
            Some(digits) => Ok((host, port(digits)?)),
            None if rest.is_empty() => Ok((host, default)),
            None => Err(format!("address {text}: unexpected '{rest}' after ']' in address")),
        };
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok((text, default));
    }
    match text.split_once(':') {
        None => Ok((text, default)),
        Some((_, rest)) if rest.contains(':') => Err(format!("address {text}: too many colons in address")),
        Some((host, digits)) => Ok((host, port(digits)?)),
    }
}

/// The address of `interface` to bind; with an address given by `bind`, checks that the interface
/// has it.
///
/// # Errors
/// What is wrong with the interface, in the words of the original.
pub(super) fn interface_address(interface: &str, bind: Option<IpAddr>) -> Result<IpAddr, String> {
    let all = if_addrs::get_if_addrs()
        .map_err(|error| format!("Failed to get network interfaces: {}", crate::errors::reason(&error)))?;
    let addresses: Vec<IpAddr> =
        all.iter().filter(|entry| entry.name == interface).map(Interface::ip).collect();
    choose_address(interface, &addresses, bind)
}

fn choose_address(interface: &str, addresses: &[IpAddr], bind: Option<IpAddr>) -> Result<IpAddr, String> {
    if addresses.is_empty() {
        return Err(if std::path::Path::new("/sys/class/net").join(interface).exists() {
            format!("Interface '{interface}' has no addresses")
        } else {
            "Invalid network interface: route ip+net: no such network interface".to_owned()
        });
    }
    match bind {
        Some(ip) if addresses.contains(&ip) => Ok(ip),
        Some(ip) => Err(format!("Interface '{interface}' has no '{ip}' address")),
        None => addresses
            .iter()
            .find(|ip| !is_link_local(**ip))
            .copied()
            .ok_or_else(|| format!("Failed to find usable address for interface '{interface}'")),
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_understood_with_and_without_port() {
        let cases = [
            ("127.0.0.1", "127.0.0.1:7946"),
            ("127.0.0.1:1234", "127.0.0.1:1234"),
            ("[::1]", "[::1]:7946"),
            ("[::1]:99", "[::1]:99"),
            ("::1", "[::1]:7946"),
            (":8000", "0.0.0.0:8000"),
        ];
        for (text, expected) in cases {
            assert_eq!(resolve_address(text).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn wrong_addresses_are_named() {
        let cases = [
            ("[::1", "address [::1: missing ']' in address"),
            ("a:b:c", "address a:b:c: too many colons in address"),
            ("127.0.0.1:99999", "address 99999: invalid port"),
            ("300.1.1.1", "lookup 300.1.1.1: no such host"),
        ];
        for (text, expected) in cases {
            assert_eq!(resolve_address(text).unwrap_err(), expected);
        }
    }

    #[test]
    fn an_interface_gives_its_first_address_that_is_not_link_local() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let addresses = [ip("169.254.1.1"), ip("fe80::1"), ip("10.0.0.5"), ip("10.0.0.6")];
        assert_eq!(choose_address("eth9", &addresses, None), Ok(ip("10.0.0.5")));
        assert_eq!(choose_address("eth9", &addresses, Some(ip("10.0.0.6"))), Ok(ip("10.0.0.6")));
        assert_eq!(
            choose_address("eth9", &addresses, Some(ip("10.0.0.7"))).unwrap_err(),
            "Interface 'eth9' has no '10.0.0.7' address"
        );
        assert_eq!(
            choose_address("eth9", &addresses[..2], None).unwrap_err(),
            "Failed to find usable address for interface 'eth9'"
        );
        assert_eq!(
            choose_address("no-such-interface", &[], None).unwrap_err(),
            "Invalid network interface: route ip+net: no such network interface"
        );
    }
}
