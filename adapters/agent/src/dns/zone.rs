//! The zone: its names.

use std::net::IpAddr;

use super::name::Name;

/// The names that everything here hangs from.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    /// Where all names that are told lie.
    main: Name,
    /// Another one, under which all is found as well.
    alt: Option<Name>,
    /// In small letters.
    pub(super) datacenter: String,
    /// `node.DATACENTER.ZONE` and the like: with the data centre, as they are told.
    nodes: Name,
    services: Name,
    addresses: Name,
    /// `ns.ZONE`
    pub(super) server: Name,
    /// `hostmaster.ZONE`
    pub(super) mail: Name,
    /// The name of this agent's node.
    pub(super) agent: String,
}

impl Zone {
    /// The zone of a domain, as the agent of this name serves it; `None`: some name is too long.
    pub(super) fn new(domain: &str, alt: Option<&str>, datacenter: &str, agent: &str) -> Option<Zone> {
        let main = Name::parse(domain)?;
        let alt = match alt {
            Some(alt) => Some(Name::parse(alt)?),
            None => None,
        };
        Some(Zone {
            alt,
            datacenter: datacenter.to_owned(),
            nodes: main.with(&format!("node.{datacenter}"))?,
            services: main.with(&format!("service.{datacenter}"))?,
            addresses: main.with(&format!("addr.{datacenter}"))?,
            server: main.with("ns")?,
            mail: main.with("hostmaster")?,
            main,
            agent: agent.to_owned(),
        })
    }

    /// The zone's own name.
    pub(super) const fn name(&self) -> &Name {
        &self.main
    }

    /// How many labels of a name stand before those of the zone, or of its other name.
    pub(super) fn labels_before(&self, name: &Name) -> Option<usize> {
        name.labels_before(&self.main).or_else(|| name.labels_before(self.alt.as_ref()?))
    }

    /// The name of a node; `None`: there is no such name in the DNS.
    pub(super) fn node(&self, name: &str) -> Option<Name> {
        self.nodes.with(name)
    }

    /// The name of a service.
    pub(super) fn service(&self, name: &str) -> Option<Name> {
        self.services.with(name)
    }

    /// The name that an address always has.
    pub(super) fn address(&self, addr: IpAddr) -> Option<Name> {
        self.addresses.with(&match addr {
            IpAddr::V4(addr) => format!("{:08x}", addr.to_bits()),
            IpAddr::V6(addr) => format!("{:032x}", addr.to_bits()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_in_the_main_zone_with_the_data_centre() {
        let zone = Zone::new("consul", Some("alt"), "dc1", "a").unwrap();
        let text = |name: Option<Name>| format!("{:?}", name.unwrap());
        assert_eq!(text(zone.node("my_node.x")), "my_node.x.node.dc1.consul.");
        assert_eq!(text(zone.service("web")), "web.service.dc1.consul.");
        assert_eq!(text(zone.address([10, 1, 1, 1].into())), "0a010101.addr.dc1.consul.");
        let v6 = "2001:db8::1".parse().unwrap();
        assert_eq!(text(zone.address(v6)), "20010db8000000000000000000000001.addr.dc1.consul.");
        assert!(zone.node("two words").is_some() && zone.node("a..b").is_none());
    }
}
