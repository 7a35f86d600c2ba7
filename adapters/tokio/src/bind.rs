//! The two sockets of a node, and the address it tells the others.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use tidings_core::Config;

use crate::error::SpawnError;

/// Ports tried when any will do, before giving up: one that is free for TCP may be taken for UDP.
const PORTS_TRIED: usize = 16;

/// The listening sockets, both on one port.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) tcp: TcpListener,
    pub(crate) udp: UdpSocket,
    pub(crate) local: SocketAddr,
}

/// Opens both sockets; with port 0, on a port that is free for both.
pub(crate) fn bind(addr: SocketAddr) -> Result<Sockets, SpawnError> {
    let mut tries = if addr.port() == 0 { PORTS_TRIED } else { 1 };
    loop {
        tries -= 1;
        let tcp =
            TcpListener::bind(addr).map_err(|error| SpawnError::Bind { network: "tcp", addr, error })?;
        let local = tcp.local_addr().map_err(SpawnError::Socket)?;
        match UdpSocket::bind(local) {
            Ok(udp) => return Ok(Sockets { tcp, udp, local }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
            Err(error) => return Err(SpawnError::Bind { network: "udp", addr: local, error }),
        }
    }
}

/// Completes the advertised address: the real port, and an address others can use
/// (gossip-wire, section 1).
pub(crate) fn complete_advertise(config: &mut Config, local: SocketAddr) -> Result<(), SpawnError> {
    if config.advertise.port() == 0 {
        config.advertise.set_port(local.port());
    }
    if config.advertise.ip().is_unspecified() {
        let ip = if local.ip().is_unspecified() {
            own_address(local.ip()).ok_or(SpawnError::NoPrivateAddress)?
        } else {
            local.ip()
        };
        config.advertise.set_ip(ip);
    }
    config.advertise.set_ip(config.advertise.ip().to_canonical());
    Ok(())
}

/// The address of this host that others should use, if the sockets listen on all of a family: a
/// private one (the one on the default route before others), then any that is not this host's own.
fn own_address(listening: IpAddr) -> Option<IpAddr> {
    let addresses = if_addrs::get_if_addrs().ok()?;
    choose(addresses.iter().map(if_addrs::Interface::ip), listening, default_route_source())
}

fn choose(all: impl Iterator<Item = IpAddr>, listening: IpAddr, preferred: Option<IpAddr>) -> Option<IpAddr> {
    all.filter(|ip| ip.is_ipv4() || listening.is_ipv6())
        .filter(|ip| !ip.is_loopback() && !is_link_local(ip))
        .min_by_key(|ip| (!is_private(ip), Some(*ip) != preferred, ip.is_ipv6()))
}

fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// The source address of packets to the world. Connecting a UDP socket sends nothing.
fn default_route_source() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // TEST-NET-1 (RFC 5737): routed like any public address, used by nobody.
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Whether the address is of a private network whose packets may be forwarded (RFC 6890).
fn is_private(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || (a == 100 && b & 0xc0 == 64) || (a == 198 && b & 0xfe == 18)
        }
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks_are_those_that_are_forwarded() {
        for (ip, private) in [
            ("10.0.0.1", true),
            ("172.16.0.1", true),
            ("172.32.0.1", false),
            ("192.168.1.1", true),
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("198.19.0.1", true),
            ("127.0.0.1", false),
            ("169.254.1.1", false),
            ("8.8.8.8", false),
            ("fd00::1", true),
            ("fe80::1", false),
            ("::1", false),
        ] {
            assert_eq!(is_private(&ip.parse().unwrap()), private, "{ip}");
        }
    }

    #[test]
    fn the_address_told_to_others_is_one_they_can_reach() {
        let all =
            ["127.0.0.1", "169.254.0.9", "203.0.113.7", "fd00::2", "10.0.0.5", "192.168.1.4", "fe80::1"];
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (have, listening, route, expected) in [
            (&all[..], "0.0.0.0", Some("192.168.1.4"), Some("192.168.1.4")),
            (&all[..], "0.0.0.0", Some("203.0.113.7"), Some("10.0.0.5")),
            (&all[..4], "0.0.0.0", Some("203.0.113.7"), Some("203.0.113.7")),
            (&all[..4], "::", Some("203.0.113.7"), Some("fd00::2")),
            (&all[..2], "0.0.0.0", None, None),
        ] {
            let chosen = choose(have.iter().map(|text| ip(text)), ip(listening), route.map(ip));
            assert_eq!(chosen, expected.map(ip), "{have:?}, listening on {listening}");
        }
    }

    #[test]
    fn any_port_means_one_that_both_sockets_have() {
        let sockets = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(sockets.local.port(), 0);
        assert_eq!(sockets.udp.local_addr().unwrap(), sockets.local);
    }

    #[test]
    fn a_port_taken_for_udp_alone_is_reported_as_such() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = taken.local_addr().unwrap();
        // The port may happen to be taken for TCP as well; then that is what is reported.
        let text = bind(addr).unwrap_err().to_string();
        assert!(text.starts_with("Failed to start "), "{text}");
        assert!(text.ends_with(&format!("{addr}: bind: address already in use")), "{text}");
    }

    #[test]
    fn the_advertised_address_is_completed_from_the_bound_one() {
        let local = "127.0.0.5:1234".parse().unwrap();
        for (advertise, expected) in [
            ("0.0.0.0:0", "127.0.0.5:1234"),
            ("0.0.0.0:7946", "127.0.0.5:7946"),
            ("10.0.0.1:0", "10.0.0.1:1234"),
            ("10.0.0.1:99", "10.0.0.1:99"),
            ("[::]:0", "127.0.0.5:1234"),
        ] {
            let mut config = Config::lan("a", advertise.parse().unwrap());
            complete_advertise(&mut config, local).unwrap();
            assert_eq!(config.advertise, expected.parse().unwrap());
        }
    }
}
