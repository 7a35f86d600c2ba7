//! What is answered to a question: a function of the catalog (consul-dns, sections 3 to 6).

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use tidings_core::registry::catalog::{Catalog, Instance, Node};
use tidings_core::registry::check::Health;

use super::Set;
use super::fit::{RECORD_MIN, least};
use super::name::Name;
use super::question::{Subject, subject};
use super::record::{Data, Rcode, Record, Reply, kind};
use super::zone::Zone;
use crate::config::DnsConfig;
use crate::dice::Dice;

/// Names that are followed from one to the next.
const DEPTH: usize = 3;
/// Names of our own that are looked up for one answer, besides what it is about.
const FOLLOWED_MAX: usize = 64;
/// Agents that are named as servers of the zone, besides the one that answers.
const OTHER_SERVERS: usize = 2;
/// What every agent says of itself.
const SEGMENT: &str = "consul-network-segment=";
/// What nodes say with such names is told without the name.
const PLAIN: &str = "rfc1035-";

/// What is to be done about a question.
#[derive(Debug)]
pub(super) enum Outcome {
    /// To be answered like this.
    Reply(Reply),
    /// It is not ours to answer, but perhaps others can; without others it fails like this.
    Elsewhere(Rcode),
}

/// An instance that may be used, and how it fares.
struct Usable<'a> {
    instance: Instance<'a>,
    health: Health,
}

/// Where something is reached.
enum Place {
    At(IpAddr),
    Named(Name),
    Nowhere,
}

impl Place {
    fn parse(text: &str) -> Place {
        match text.parse() {
            Ok(addr) => Place::At(addr),
            Err(_) => Name::parse(text).map_or(Place::Nowhere, Place::Named),
        }
    }

    fn of_node(node: &Node) -> Place {
        match (node.gossip_addr(), node.info()) {
            (Some(addr), _) => Place::At(addr.ip()),
            (None, Some(info)) => Place::parse(&info.address),
            (None, None) => Place::Nowhere,
        }
    }

    fn of(instance: &Instance<'_>) -> Place {
        match &*instance.service.address {
            "" => Place::of_node(instance.node),
            address => Place::parse(address),
        }
    }
}

/// Whether a question of this type asks for what may stand for an address.
pub(super) const fn asks_for_address(kind: u16) -> bool {
    matches!(kind, kind::A | kind::AAAA | kind::ANY)
}

/// Whether an address answers a question of this type.
const fn is_asked(kind: u16, addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(_) => matches!(kind, kind::A | kind::ANY),
        IpAddr::V6(_) => matches!(kind, kind::AAAA | kind::ANY),
    }
}

/// Somebody's question, over what is known now.
pub(super) struct Asked<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) zone: &'a Zone,
    pub(super) config: &'a DnsConfig,
    pub(super) dice: &'a Dice,
    /// Records that could ever fit into the answer.
    pub(super) records_max: usize,
}

impl Asked<'_> {
    /// The answer to a question, everything that belongs to it.
    pub(super) fn answer(&self, name: &Name, kind: u16) -> Outcome {
        let subject = subject(self.zone, name);
        let ours = !matches!(subject, Subject::Foreign | Subject::Reverse(_));
        Outcome::Reply(match subject {
            Subject::Foreign => return Outcome::Elsewhere(Rcode::Refused),
            _ if matches!(kind, kind::AXFR | kind::IXFR) => Reply::failed(Rcode::NotImp),
            Subject::Reverse(addr) => match addr.and_then(|addr| self.reverse(name, addr)) {
                Some(reply) => reply,
                None => return Outcome::Elsewhere(Rcode::ServFail),
            },
            _ if ours && kind == kind::SOA => {
                let (authorities, additionals) = self.servers();
                Reply { authorities, additionals, ..Reply::of(vec![self.soa()]) }
            }
            _ if ours && kind == kind::NS => {
                let (answers, additionals) = self.servers();
                Reply { additionals, ..Reply::of(answers) }
            }
            Subject::Node(node) => match self.catalog.node_in_any_spelling(&node) {
                Some(node) => self.node(name, node, kind),
                None => self.nothing(),
            },
            Subject::Service { name: service, tag } => self.service(name, &service, tag.as_deref(), kind),
            // Whatever is asked: it is what the name says.
            Subject::Address(addr) => {
                let record =
                    |addr| Record { owner: name.to_lower(), ttl: self.config.node_ttl, data: Data::of(addr) };
                Reply::of(addr.map(record).into_iter().collect())
            }
            Subject::Server => Reply::of(self.addresses(name, &Subject::Server, kind, 0).unwrap_or_default()),
            Subject::Nothing => self.nothing(),
        })
    }

    fn nothing(&self) -> Reply {
        Reply::negative(Rcode::NxDomain, self.soa())
    }

    fn soa(&self) -> Record {
        let soa = &self.config.soa;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let data = Data::Soa {
            server: self.zone.server.clone(),
            mail: self.zone.mail.clone(),
            // Counted in a circle.
            serial: now as u32,
            refresh: soa.refresh,
            retry: soa.retry,
            expire: soa.expire,
            min_ttl: soa.min_ttl,
        };
        Record { owner: self.zone.name().clone(), ttl: soa.min_ttl, data }
    }

    /// Who serves the zone, and where they are: this agent, and some that others can ask as well.
    fn servers(&self) -> (Vec<Record>, Vec<Record>) {
        let agent = &self.zone.agent;
        let others = self.catalog.name_servers_from(agent).filter(|node| **node.name() != **agent);
        let named = |node: &Node| self.zone.node(node.name());
        let mut servers: Vec<Name> = others.filter_map(named).take(OTHER_SERVERS).collect();
        servers.extend(self.zone.node(agent));
        self.dice.shuffle(&mut servers);
        let ttl = self.config.node_ttl;
        let record =
            |name: &Name| Record { owner: self.zone.name().clone(), ttl, data: Data::Ns(name.clone()) };
        let addresses = servers.iter().filter_map(|name| {
            let subject = subject(self.zone, name);
            self.addresses(name, &subject, kind::ANY, 0)
        });
        (servers.iter().map(record).collect(), addresses.flatten().collect())
    }

    fn reverse(&self, name: &Name, addr: IpAddr) -> Option<Reply> {
        let node = || self.zone.node(self.catalog.nodes_at(addr).next()?.name());
        let service = || self.zone.service(&self.catalog.instances_at(addr).next()?.service.name);
        let data = Data::Ptr(node().or_else(service)?);
        Some(Reply::of(vec![Record { owner: name.clone(), ttl: 0, data }]))
    }

    fn node(&self, owner: &Name, node: &Node, kind: u16) -> Reply {
        let mut reply = Reply::of(Vec::new());
        if asks_for_address(kind) {
            self.put(owner, Place::of_node(node), kind, self.config.node_ttl, 0, &mut reply.answers);
        }
        let texts = || self.texts(owner, node, self.config.node_ttl);
        match kind {
            kind::TXT | kind::ANY => reply.answers.extend(texts()),
            kind::A | kind::AAAA if self.config.node_meta_txt => reply.additionals = texts().collect(),
            _ => {}
        }
        reply
    }

    /// What a node says of itself.
    fn texts<'b>(&self, owner: &'b Name, node: &'b Node, ttl: u32) -> impl Iterator<Item = Record> + use<'b> {
        let own = node.member().is_some().then(|| SEGMENT.to_owned());
        let meta = node.info().map_or(&[][..], |info| &info.meta).iter().map(|(key, value)| {
            if key.starts_with(PLAIN) { value.to_string() } else { format!("{key}={value}") }
        });
        own.into_iter().chain(meta).map(move |text| Record {
            owner: owner.clone(),
            ttl,
            data: Data::Txt(text),
        })
    }

    fn service(&self, owner: &Name, service: &str, tag: Option<&str>, kind: u16) -> Reply {
        let found = self.instances(service, tag);
        if found.is_empty() {
            return self.nothing();
        }
        let ttl = self.config.service_ttl.of(service);
        if kind == kind::SRV {
            return self.locations(owner, &found, ttl);
        }
        let mut answers = Vec::new();
        if asks_for_address(kind) {
            answers = self.reached(owner, &found, kind, ttl, 0);
        }
        if answers.is_empty() {
            return Reply::negative(Rcode::NoError, self.soa());
        }
        let shortened = answers.len() >= self.records_max && found.len() > answers.len();
        answers.truncate(self.config.a_record_limit.unwrap_or(usize::MAX));
        Reply { counted: true, shortened, ..Reply::of(answers) }
    }

    /// The instances of a service that may be used, shuffled.
    fn instances(&self, service: &str, tag: Option<&str>) -> Vec<Usable<'_>> {
        let worst = if self.config.only_passing { Health::Passing } else { Health::Warning };
        let tagged = |instance: &Instance<'_>| {
            tag.is_none_or(|tag| instance.service.tags.iter().any(|own| own.to_lowercase() == tag))
        };
        let instances = self.catalog.service(service).filter(tagged);
        let usable = instances.map(|instance| Usable { health: instance.health(), instance });
        let mut found: Vec<_> = usable.filter(|usable| usable.health <= worst).collect();
        self.dice.shuffle(&mut found);
        found
    }

    /// Where instances are reached: each address once, or, if there is none, the first of their names
    /// with what it stands for.
    fn reached(&self, owner: &Name, found: &[Usable<'_>], kind: u16, ttl: u32, depth: usize) -> Vec<Record> {
        let mut addresses = Set::default();
        let mut records = Vec::new();
        let mut named = None;
        for Usable { instance, .. } in found {
            match Place::of(instance) {
                Place::At(addr) if is_asked(kind, addr) && addresses.insert(addr) => {
                    records.push(Record { owner: owner.clone(), ttl, data: Data::of(addr) });
                    if records.len() >= self.records_max {
                        break;
                    }
                }
                Place::Named(name) => named = named.or(Some(name)),
                Place::At(_) | Place::Nowhere => {}
            }
        }
        if let (true, Some(name)) = (records.is_empty(), named) {
            self.put(owner, Place::Named(name), kind, ttl, depth, &mut records);
        }
        records
    }

    /// Puts down where something is reached; a name within the zone is followed.
    fn put(&self, owner: &Name, place: Place, kind: u16, ttl: u32, depth: usize, records: &mut Vec<Record>) {
        match place {
            Place::At(addr) if is_asked(kind, addr) => {
                records.push(Record { owner: owner.clone(), ttl, data: Data::of(addr) });
            }
            Place::Named(name) => {
                records.push(Record { owner: owner.clone(), ttl, data: Data::Cname(name.clone()) });
                if depth < DEPTH {
                    let subject = subject(self.zone, &name);
                    for record in self.addresses(&name, &subject, kind, depth + 1).unwrap_or_default() {
                        // Names may lead back to where they came from.
                        let again = matches!(record.data, Data::Cname(_)) && records.contains(&record);
                        if !again {
                            records.push(record);
                        }
                    }
                }
            }
            Place::At(_) | Place::Nowhere => {}
        }
    }

    /// The addresses a name stands for, and the names between; `None`: it is not there.
    fn addresses(&self, owner: &Name, subject: &Subject, kind: u16, depth: usize) -> Option<Vec<Record>> {
        let mut records = Vec::new();
        let ttl = self.config.node_ttl;
        match subject {
            Subject::Node(node) => {
                let node = self.catalog.node_in_any_spelling(node)?;
                self.put(owner, Place::of_node(node), kind, ttl, depth, &mut records);
            }
            Subject::Server => {
                let node = self.catalog.node(&self.zone.agent)?;
                self.put(owner, Place::of_node(node), kind, ttl, depth, &mut records);
            }
            Subject::Service { name, tag } => {
                let found = self.instances(name, tag.as_deref());
                records = self.reached(owner, &found, kind, self.config.service_ttl.of(name), depth);
            }
            Subject::Address(Some(addr)) => self.put(owner, Place::At(*addr), kind, ttl, depth, &mut records),
            Subject::Address(None) | Subject::Nothing | Subject::Reverse(_) | Subject::Foreign => {
                return None;
            }
        }
        Some(records)
    }

    /// An SRV record of each instance; with them the addresses of what they name, and what their
    /// nodes say of themselves. Everything once.
    fn locations(&self, owner: &Name, found: &[Usable<'_>], ttl: u32) -> Reply {
        let mut reply = Reply { counted: true, ..Reply::of(Vec::new()) };
        let (mut known, mut targets, mut nodes) = (Set::default(), Set::default(), Set::default());
        let (mut followed, mut room) = (0, self.records_max * RECORD_MIN);
        for usable in found {
            let Usable { instance, health } = usable;
            let Some((target, place)) = self.target(instance) else { continue };
            let weights = instance.service.weights;
            let weight = if *health == Health::Passing { weights.passing } else { weights.warning };
            // Any number can be registered as a port.
            let port = u16::try_from(instance.service.port).unwrap_or(0);
            if !known.insert((target.clone(), port, weight)) {
                continue;
            }
            let data = Data::Srv { weight, port, target: target.clone() };
            let record = Record { owner: owner.clone(), ttl, data };
            let least = least(&record);
            if least > room {
                // Whatever else there is, there is no place for it.
                reply.shortened = true;
                break;
            }
            room -= least;
            reply.answers.push(record);
            if targets.insert(target.clone()) {
                match place {
                    Some(addr) => {
                        reply.additionals.push(Record { owner: target, ttl, data: Data::of(addr) });
                    }
                    None if followed < FOLLOWED_MAX => {
                        followed += 1;
                        let subject = subject(self.zone, &target);
                        let addresses = self.addresses(&target, &subject, kind::ANY, 1);
                        reply.additionals.extend(addresses.unwrap_or_default());
                    }
                    None => {}
                }
            }
            if self.config.node_meta_txt
                && reply.additionals.len() < self.records_max
                && nodes.insert(instance.node.name())
                && let Some(owner) = self.zone.node(instance.node.name())
            {
                reply.additionals.extend(self.texts(&owner, instance.node, ttl));
            }
        }
        if reply.answers.is_empty() {
            return Reply::negative(Rcode::NoError, self.soa());
        }
        reply
    }

    /// What an SRV record of an instance names, and its address if that is known.
    fn target(&self, instance: &Instance<'_>) -> Option<(Name, Option<IpAddr>)> {
        let own = !instance.service.address.is_empty();
        match Place::of(instance) {
            Place::At(addr) if own => Some((self.zone.address(addr)?, Some(addr))),
            Place::At(addr) => {
                // A node whose name is none in the DNS still has an address.
                let name = self.zone.node(instance.node.name()).or_else(|| self.zone.address(addr))?;
                Some((name, Some(addr)))
            }
            Place::Named(name) => Some((name, None)),
            Place::Nowhere => None,
        }
    }
}
