//! What a name asks for (consul-dns, section 1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str;

use super::name::Name;
use super::zone::Zone;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A node, by its name in small letters.
    Node(String),
    /// The instances of a service, by its name in small letters; those that have a tag.
    Service { name: String, tag: Option<String> },
    /// An address, written out in hexadecimal digits; `None`: of no length that addresses have.
    Address(Option<IpAddr>),
    /// This agent, as the zone's name server.
    Server,
    /// Nothing that the zone has.
    Nothing,
    /// Who has an address; `None`: the name is no whole address.
    Reverse(Option<IpAddr>),
    /// Something outside the zone.
    Foreign,
}

/// Finds out what a name asks for.
pub(super) fn subject(zone: &Zone, name: &Name) -> Subject {
    let Some(before) = zone.labels_before(name) else { return outside(name) };
    let mut labels: Vec<String> = Vec::with_capacity(before);
    for label in name.labels().take(before) {
        // What is registered is text, and a dot in a label is none between two.
        match str::from_utf8(label) {
            Ok(text) if !text.contains('.') => labels.push(text.to_lowercase()),
            _ => return Subject::Nothing,
        }
    }
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    within(&labels, &zone.datacenter).unwrap_or(Subject::Nothing)
}

fn within(labels: &[&str], datacenter: &str) -> Option<Subject> {
    if labels == ["ns"] {
        return Some(Subject::Server);
    }
    // The last word that names a kind, or the last label with `_`: then the kind is left out.
    let place = labels.iter().rposition(|label| KINDS.contains(label) || label.starts_with('_'))?;
    let (kind, parts, suffix) = match labels[place] {
        label if label.starts_with('_') => ("service", &labels[..=place], &labels[place + 1..]),
        kind => (kind, &labels[..place], &labels[place + 1..]),
    };
    if !(suffix.is_empty() || suffix == [datacenter]) {
        return None;
    }
    let (last, before) = parts.split_last()?;
    match kind {
        "node" => Some(Subject::Node(parts.join("."))),
        "service" => Some(service(last, before)),
        "addr" if before.is_empty() => address(last),
        // Prepared queries and meshes are not here.
        _ => None,
    }
}

/// Words that say what stands before them.
const KINDS: [&str; 6] = ["service", "node", "addr", "query", "connect", "ingress"];

fn service(last: &str, before: &[&str]) -> Subject {
    if let ([name], Some(tag)) = (before, last.strip_prefix('_'))
        && let Some(name) = name.strip_prefix('_')
    {
        // RFC 2782: what stands for the protocol is a tag, unless it is the usual one.
        let tag = Some(tag).filter(|tag| *tag != "tcp").map(str::to_owned);
        return Subject::Service { name: name.to_owned(), tag };
    }
    let tag = (!before.is_empty()).then(|| before.join("."));
    Subject::Service { name: last.to_owned(), tag }
}

fn address(digits: &str) -> Option<Subject> {
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let v4 = || u32::from_str_radix(digits, 16).ok().map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
    let v6 = || u128::from_str_radix(digits, 16).ok().map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)));
    Some(Subject::Address(match digits.len() {
        8 => v4(),
        32 => v6(),
        _ => None,
    }))
}

/// A name outside of the zone may be an address, to be turned into a name.
fn outside(name: &Name) -> Subject {
    let labels: Vec<&[u8]> = name.labels().collect();
    let Some((digits, suffix)) = labels.split_last_chunk::<2>() else { return Subject::Foreign };
    let is = |label: &[u8], word: &str| label.eq_ignore_ascii_case(word.as_bytes());
    if !is(suffix[1], "arpa") {
        return Subject::Foreign;
    }
    let text = |label: &[u8]| str::from_utf8(label).ok().map(str::to_owned);
    if is(suffix[0], "in-addr") {
        let parts: Option<Vec<u8>> =
            digits.iter().rev().map(|label| text(label)?.parse::<u8>().ok()).collect();
        let octets = parts.and_then(|parts| <[u8; 4]>::try_from(parts).ok());
        return Subject::Reverse(octets.map(IpAddr::from));
    }
    if is(suffix[0], "ip6") {
        let digit =
            |label: &&[u8]| u128::from_str_radix(&text(label).filter(|text| text.len() == 1)?, 16).ok();
        let bits = digits.iter().rev().try_fold(0_u128, |bits, label| Some(bits << 4 | digit(label)?));
        let whole = digits.len() == 32;
        return Subject::Reverse(bits.filter(|_| whole).map(|bits| Ipv6Addr::from_bits(bits).into()));
    }
    Subject::Foreign
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> Zone {
        Zone::new("internal.example", Some("alt"), "dc1", "alpha").unwrap()
    }

    fn of(name: &str) -> Subject {
        subject(&zone(), &Name::parse(name).unwrap())
    }

    #[test]
    fn names_within_the_zone_are_understood() {
        let node = |name: &str| Subject::Node(name.into());
        let service = |name: &str, tag: &str| Subject::Service {
            name: name.into(),
            tag: (!tag.is_empty()).then(|| tag.into()),
        };
        let v4 = || Subject::Address(Some(IpAddr::from([10, 1, 1, 1])));
        let cases = [
            ("alpha.node", node("alpha")),
            ("ALPHA.Node.DC1", node("alpha")),
            ("my_node.x.node", node("my_node.x")),
            ("alpha.node.dc9", Subject::Nothing),
            ("node", Subject::Nothing),
            ("web.service", service("web", "")),
            ("web.service.dc1", service("web", "")),
            ("web.service.x.dc1", Subject::Nothing),
            ("Primary.Web.service", service("web", "primary")),
            ("v1.2.dotty.service", service("dotty", "v1.2")),
            ("ta_g.under_score.service", service("under_score", "ta_g")),
            ("_web._tcp.service", service("web", "")),
            ("_web._TCP.service.dc1", service("web", "")),
            ("_web._primary.service", service("web", "primary")),
            ("_web._udp.service", service("web", "udp")),
            ("_web._tcp", service("web", "")),
            ("_web._tcp.dc1", service("web", "")),
            ("_web.service", service("_web", "")),
            ("_dotty._v1.2.service", service("2", "_dotty._v1")),
            ("x._web._tcp.service", service("_tcp", "x._web")),
            ("node.service", service("node", "")),
            ("service.service", service("service", "")),
            ("service", Subject::Nothing),
            ("0a010101.addr", v4()),
            ("0A010101.ADDR.dc1", v4()),
            ("20010db8000000000000000000000001.addr", Subject::Address("2001:db8::1".parse().ok())),
            ("0a01.addr", Subject::Address(None)),
            ("zzzzzzzz.addr", Subject::Nothing),
            ("+a010101.addr", Subject::Nothing),
            ("x.0a010101.addr", Subject::Nothing),
            ("webq.query", Subject::Nothing),
            ("web.connect", Subject::Nothing),
            ("web.ingress", Subject::Nothing),
            ("ns", Subject::Server),
            ("x.ns", Subject::Nothing),
            ("dc1", Subject::Nothing),
            ("foo.bar", Subject::Nothing),
        ];
        for (name, expected) in cases {
            for zone in ["internal.example", "ALT", "Internal.EXAMPLE."] {
                assert_eq!(of(&format!("{name}.{zone}")), expected, "{name}");
            }
        }
        assert_eq!((of("alt"), of("internal.example")), (Subject::Nothing, Subject::Nothing));
        assert_eq!(of("web.service.consul"), Subject::Foreign);
        let odd = |label: &[u8]| Name::of_labels([label, b"node", b"alt"]).unwrap();
        assert_eq!(subject(&zone(), &odd(b"a.b")), Subject::Nothing);
        assert_eq!(subject(&zone(), &odd(b"\xff\xfe")), Subject::Nothing);
    }

    #[test]
    fn addresses_are_turned_into_names() {
        let v6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
        let cases = [
            ("1.1.0.127.in-addr.arpa", Subject::Reverse(Some(IpAddr::from([127, 0, 1, 1])))),
            ("1.1.0.127.IN-ADDR.Arpa", Subject::Reverse(Some(IpAddr::from([127, 0, 1, 1])))),
            (v6, Subject::Reverse("2001:db8::1".parse().ok())),
            (&v6[2..], Subject::Reverse(None)),
            ("1.0.127.in-addr.arpa", Subject::Reverse(None)),
            ("256.1.0.127.in-addr.arpa", Subject::Reverse(None)),
            ("in-addr.arpa", Subject::Reverse(None)),
            ("arpa", Subject::Foreign),
            ("x.arpa", Subject::Foreign),
            ("example.com", Subject::Foreign),
        ];
        for (name, expected) in cases {
            assert_eq!(of(name), expected, "{name}");
        }
        assert_eq!(subject(&zone(), &Name::of_labels([]).unwrap()), Subject::Foreign);
    }
}
