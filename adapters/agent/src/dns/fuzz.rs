//! What the fuzz target of DNS does: questions as they come, answered from a small catalog.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use hickory_proto::op::Message;
use tidings_core::registry::catalog::Catalog;
use tidings_core::registry::command::RegistryCommand;
use tidings_core::registry::service::{Service, Text};
use tidings_core::{Command, Config, Input, Node, Time, Token};

use super::answer::{Asked, Outcome};
use super::encode::Style;
use super::fit::{Room, Transport, Truncation, fitted};
use super::record::Reply;
use super::request::{HEAD, Parsed, Request, parse};
use super::zone::Zone;
use crate::config::{DnsConfig, ServiceTtl, Soa};
use crate::dice::Dice;

/// Who is registered: service, instance, tag, address. The names of many are one, so that answers
/// do not fit; an address may be a name, ours or another's, and even lead back to itself.
const INSTANCES: [(&str, &str, &str, &str); 5] = [
    ("web", "web-1", "v1", "10.1.0.1"),
    ("web", "web-2", "v2", "2001:db8::1"),
    ("web", "web-3", "v1", "www.example.com"),
    ("loop", "loop-1", "", "loop.service.consul"),
    ("db", "db-1", "primary", ""),
];
/// Instances of the service `many`.
const MANY: usize = 60;

/// A question; the first byte says over what it came and how answers are written.
pub fn question(bytes: &[u8]) {
    let Some((&mode, bytes)) = bytes.split_first() else { return };
    match parse(bytes) {
        Parsed::Nothing => {}
        Parsed::Refused(head) => {
            assert_eq!(head[..2], bytes[..2], "another's number");
            assert!(head.len() <= bytes.len().max(HEAD) && head[2] & 0x80 != 0, "no answer");
        }
        Parsed::Request(request) => answered(mode, &request),
    }
}

fn answered(mode: u8, request: &Request) {
    let transport = if mode & 1 == 0 { Transport::Udp } else { Transport::Tcp };
    let truncation = if mode & 2 == 0 { Truncation::Said } else { Truncation::BySize };
    let zone = Zone::new("consul", Some("alt.test"), "dc1", "fuzzed").expect("short names");
    let config = config(mode);
    let room = Room::of(request, transport, config.udp_answer_limit);
    let dice = Dice::new(u64::from(mode));
    let asked =
        Asked { catalog: catalog(), zone: &zone, config: &config, dice: &dice, records_max: room.records() };
    let reply = match asked.answer(&request.name, request.kind) {
        Outcome::Reply(reply) => reply,
        Outcome::Elsewhere(rcode) => Reply::failed(rcode),
    };
    let style = Style { compress: config.compression, recursion: mode & 8 != 0 };
    let answer = fitted(request, &reply, room, style, truncation);
    assert!(answer.len() <= room.bytes, "{} bytes where {} fit", answer.len(), room.bytes);
    match Message::from_vec(&answer) {
        Ok(message) => assert_eq!((message.metadata.id, message.queries.len()), (request.id, 1)),
        Err(error) => panic!("the answer to {request:?} cannot be read: {error}"),
    }
}

fn config(mode: u8) -> DnsConfig {
    DnsConfig {
        addr: SocketAddr::from(([127, 0, 0, 1], 53)),
        alt_domain: Some("alt.test".into()),
        recursors: Vec::new(),
        recursor_timeout: Duration::from_secs(1),
        node_ttl: 1,
        service_ttl: ServiceTtl::default(),
        soa: Soa { refresh: 1, retry: 2, expire: 3, min_ttl: 4 },
        only_passing: mode & 16 != 0,
        compression: mode & 4 != 0,
        truncation: Truncation::BySize,
        udp_answer_limit: 3,
        a_record_limit: (mode & 32 != 0).then_some(2),
        node_meta_txt: mode & 64 != 0,
    }
}

/// What is known, made once.
fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(|| {
        let mut config = Config::lan("fuzzed", SocketAddr::from(([10, 0, 0, 1], 7946)));
        config.registry.enabled = true;
        let mut node = Node::new(config, [1; 32], Time::ZERO).expect("a good configuration");
        let many = (0..MANY).map(|n| ("many", format!("many-{n}"), "", format!("10.2.0.{n}")));
        let few = INSTANCES.map(|(name, id, tag, address)| (name, id.to_owned(), tag, address.to_owned()));
        for (name, id, tag, address) in few.into_iter().chain(many) {
            let tags: Box<[Text]> = if tag.is_empty() { Box::default() } else { Box::new([tag.into()]) };
            let service = Service {
                name: name.into(),
                tags,
                address: address.as_str().into(),
                port: 80,
                ..Service::default()
            };
            let id = id.as_str().into();
            let command =
                RegistryCommand::Register { id, service, checks: Vec::new(), replace_checks: false };
            let command = Command::Registry(Box::new(command));
            node.handle_input(Time::ZERO, Input::Command { token: Token(0), command })
                .expect("time stands still");
            while node.poll_output().is_some() {}
        }
        let mut catalog = Catalog::new(1);
        catalog.update(&node.view(), node.registry().records());
        catalog
    })
}
