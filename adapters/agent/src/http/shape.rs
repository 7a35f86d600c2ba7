//! Answers about nodes, instances and checks, as JSON (consul-http, sections 4 to 7).
//!
//! They are written out straight from the catalog, field after field: a look-up that is not kept costs
//! little more than copying its texts.

use std::net::IpAddr;

use serde::Serialize;
use serde::ser::Serializer;
use serde_json::{Value, json};
use tidings_core::registry::catalog::{Catalog, Instance, Node, Shown};
use tidings_core::registry::check::{Check, CheckSpec, Definition, Health};
use tidings_core::registry::node::NodeInfo;
use tidings_core::registry::service::{Address, Service, Text, Weights};

use super::answer::WRITABLE;

/// The check every member has.
pub(super) const SERF_HEALTH: &str = "serfHealth";
/// What every agent says of itself.
const SEGMENT: &str = "consul-network-segment";

/// A node, in a listing of its own or beside an instance.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NodeEntry<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    node: &'a str,
    address: Place<'a>,
    datacenter: &'a str,
    tagged_addresses: NodeAddresses<'a>,
    meta: NodeMeta<'a>,
    create_index: u64,
    modify_index: u64,
}

/// A node, and the data centre of those that do not say.
pub(super) fn node<'a>(node: &'a Node, dc: &'a str) -> NodeEntry<'a> {
    let info = node.info();
    NodeEntry {
        id: info.map_or("", |info| &info.id),
        node: node.name(),
        address: Place(node),
        datacenter: datacenter(info, dc),
        tagged_addresses: NodeAddresses(node),
        meta: NodeMeta(node),
        create_index: node.created,
        modify_index: node.modified,
    }
}

fn datacenter<'a>(info: Option<&'a NodeInfo>, dc: &'a str) -> &'a str {
    info.map(|info| &*info.datacenter).filter(|own| !own.is_empty()).unwrap_or(dc)
}

/// Where a node is.
struct Place<'a>(&'a Node);

impl Serialize for Place<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.0.gossip_addr(), self.0.info()) {
            (Some(addr), _) => addr.ip().serialize(serializer),
            (None, info) => serializer.serialize_str(info.map_or("", |info| &info.address)),
        }
    }
}

/// A member's address under the names of its family; of others what was written.
struct NodeAddresses<'a>(&'a Node);

impl Serialize for NodeAddresses<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let told = self.0.info().map_or(&[] as &[(Text, Text)], |info| &info.tagged_addresses);
        let own = self.0.gossip_addr().map(|addr| addr.ip());
        let names = match own {
            Some(IpAddr::V4(_)) => ["lan", "lan_ipv4", "wan", "wan_ipv4"],
            _ => ["lan", "lan_ipv6", "wan", "wan_ipv6"],
        };
        let given = |name: &str| told.iter().any(|(told, _)| **told == *name);
        let own = own.into_iter().flat_map(|addr| names.map(|name| (name, addr)));
        let own = own.filter(|(name, _)| !given(name)).map(|(name, addr)| (name, Either::Own(addr)));
        let told = told.iter().map(|(name, text)| (&**name, Either::Told(text)));
        map_or_null(serializer, told.chain(own))
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Either<'a> {
    Own(IpAddr),
    Told(&'a str),
}

/// A map; `null` if it is empty.
fn map_or_null<S: Serializer, K: Serialize, V: Serialize>(
    serializer: S,
    entries: impl Iterator<Item = (K, V)>,
) -> Result<S::Ok, S::Error> {
    let mut entries = entries.peekable();
    if entries.peek().is_none() {
        return serializer.serialize_none();
    }
    serializer.collect_map(entries)
}

/// A node's meta data; agents always have one entry that clients look for.
pub(super) struct NodeMeta<'a>(pub(super) &'a Node);

impl Serialize for NodeMeta<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        map_or_null(serializer, meta(self.0))
    }
}

/// The same, entry by entry.
pub(super) fn meta(node: &Node) -> impl Iterator<Item = (&str, &str)> {
    let told = node.info().map_or(&[] as &[(Text, Text)], |info| &info.meta);
    let lacking = node.member().is_some() && told.iter().all(|(name, _)| **name != *SEGMENT);
    let told = told.iter().map(|(name, text)| (&**name, &**text));
    told.chain(lacking.then_some((SEGMENT, "")))
}

/// Texts by name.
struct Meta<'a>(&'a [(Text, Text)]);

impl Serialize for Meta<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, text)| (&**name, &**text)))
    }
}

/// The same; `null` if there are none.
struct MetaOrNull<'a>(&'a [(Text, Text)]);

impl Serialize for MetaOrNull<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        map_or_null(serializer, self.0.iter().map(|(name, text)| (&**name, &**text)))
    }
}

/// A list of texts.
struct Texts<'a>(&'a [Text]);

impl Serialize for Texts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|text| &**text))
    }
}

/// Further addresses by name.
struct Addresses<'a>(&'a [(Text, Address)]);

impl Addresses<'_> {
    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Addresses<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct At<'a> {
            address: &'a str,
            port: i64,
        }
        serializer.collect_map(self.0.iter().map(|(name, it)| {
            let at = At { address: &it.address, port: it.port };
            (&**name, at)
        }))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Weighed {
    passing: u16,
    warning: u16,
}

impl From<Weights> for Weighed {
    fn from(weights: Weights) -> Self {
        Weighed { passing: weights.passing, warning: weights.warning }
    }
}

/// What only a service mesh has.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Proxy {
    mesh_gateway: Nothing,
    expose: Nothing,
}

/// `{}`
#[derive(Default, Serialize)]
struct Nothing {}

/// An instance as its own agent shows it.
pub(super) fn own_service(id: &str, service: &Service) -> Value {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Entry<'a> {
        #[serde(rename = "ID")]
        id: &'a str,
        service: &'a str,
        tags: Texts<'a>,
        meta: Meta<'a>,
        port: i64,
        address: &'a str,
        #[serde(skip_serializing_if = "Addresses::is_empty")]
        tagged_addresses: Addresses<'a>,
        weights: Weighed,
        enable_tag_override: bool,
    }
    value(&Entry {
        id,
        service: &service.name,
        tags: Texts(&service.tags),
        meta: Meta(&service.meta),
        port: service.port,
        address: &service.address,
        tagged_addresses: Addresses(&service.tagged_addresses),
        weights: service.weights.into(),
        enable_tag_override: service.enable_tag_override,
    })
}

/// As a value, for what is looked at once more.
pub(super) fn value(entry: &impl Serialize) -> Value {
    serde_json::to_value(entry).expect(WRITABLE)
}

/// An instance in the listing of a node, or beside its node and checks.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ServiceEntry<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    service: &'a str,
    tags: Texts<'a>,
    address: &'a str,
    #[serde(skip_serializing_if = "Addresses::is_empty")]
    tagged_addresses: Addresses<'a>,
    meta: MetaOrNull<'a>,
    port: i64,
    weights: Weighed,
    enable_tag_override: bool,
    proxy: Proxy,
    connect: Nothing,
    create_index: u64,
    modify_index: u64,
}

/// An instance, as it is shown and as it is.
pub(super) fn service<'a>(shown: &'a Shown, service: &'a Service) -> ServiceEntry<'a> {
    ServiceEntry {
        id: shown.id(),
        service: &service.name,
        tags: Texts(&service.tags),
        address: &service.address,
        tagged_addresses: Addresses(&service.tagged_addresses),
        meta: MetaOrNull(&service.meta),
        port: service.port,
        weights: service.weights.into(),
        enable_tag_override: service.enable_tag_override,
        proxy: Proxy::default(),
        connect: Nothing {},
        create_index: shown.created,
        modify_index: shown.modified,
    }
}

/// An instance in the catalog: everything in one object.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CatalogEntry<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    node: &'a str,
    address: Place<'a>,
    datacenter: &'a str,
    tagged_addresses: NodeAddresses<'a>,
    node_meta: NodeMeta<'a>,
    service_kind: &'static str,
    #[serde(rename = "ServiceID")]
    service_id: &'a str,
    service_name: &'a str,
    service_tags: Texts<'a>,
    service_address: &'a str,
    #[serde(skip_serializing_if = "Addresses::is_empty")]
    service_tagged_addresses: Addresses<'a>,
    service_weights: Weighed,
    service_meta: Meta<'a>,
    service_port: i64,
    service_enable_tag_override: bool,
    service_proxy: Proxy,
    service_connect: Nothing,
    create_index: u64,
    modify_index: u64,
}

pub(super) fn catalog_service<'a>(instance: &Instance<'a>, dc: &'a str) -> CatalogEntry<'a> {
    let Instance { node, shown, service } = *instance;
    let info = node.info();
    CatalogEntry {
        id: info.map_or("", |info| &info.id),
        node: node.name(),
        address: Place(node),
        datacenter: datacenter(info, dc),
        tagged_addresses: NodeAddresses(node),
        node_meta: NodeMeta(node),
        service_kind: "",
        service_id: shown.id(),
        service_name: &service.name,
        service_tags: Texts(&service.tags),
        service_address: &service.address,
        service_tagged_addresses: Addresses(&service.tagged_addresses),
        service_weights: service.weights.into(),
        service_meta: Meta(&service.meta),
        service_port: service.port,
        service_enable_tag_override: service.enable_tag_override,
        service_proxy: Proxy::default(),
        service_connect: Nothing {},
        create_index: shown.created,
        modify_index: shown.modified,
    }
}

/// A check in the catalog.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CheckEntry<'a> {
    pub(super) node: &'a str,
    #[serde(rename = "CheckID")]
    id: &'a str,
    name: &'a str,
    status: &'static str,
    notes: &'a str,
    output: &'a str,
    #[serde(rename = "ServiceID")]
    service_id: &'a str,
    service_name: &'a str,
    service_tags: Texts<'a>,
    r#type: &'a str,
    definition: Defined<'a>,
    create_index: u64,
    modify_index: u64,
}

impl<'a> CheckEntry<'a> {
    fn new(node: &'a str, id: &'a str, check: &'a Check) -> Self {
        CheckEntry {
            node,
            id,
            name: &check.name,
            status: check.status.as_str(),
            notes: &check.notes,
            output: &check.output,
            service_id: &check.service_id,
            service_name: &check.service_name,
            service_tags: Texts(&check.service_tags),
            r#type: &check.kind,
            definition: Defined(check.definition.as_deref()),
            create_index: 0,
            modify_index: 0,
        }
    }
}

/// What of a definition was given.
struct Defined<'a>(Option<&'a Definition>);

impl Serialize for Defined<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;

        let mut map = serializer.serialize_map(None)?;
        let Some(it) = self.0 else { return map.end() };
        for (name, text) in [("HTTP", &it.http), ("Method", &it.method), ("Body", &it.body), ("TCP", &it.tcp)]
        {
            if !text.is_empty() {
                map.serialize_entry(name, &**text)?;
            }
        }
        let after = "DeregisterCriticalServiceAfter";
        for (name, time) in [("Interval", it.interval), ("Timeout", it.timeout), (after, it.deregister_after)]
        {
            if !time.is_zero() {
                map.serialize_entry(name, &crate::duration::format(time))?;
            }
        }
        if !it.header.is_empty() {
            map.serialize_entry("Header", &Headers(&it.header))?;
        }
        if it.tls_skip_verify {
            map.serialize_entry("TLSSkipVerify", &true)?;
        }
        map.end()
    }
}

struct Headers<'a>(&'a [(Text, Box<[Text]>)]);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, values)| (&**name, Texts(values))))
    }
}

fn shown_check<'a>(node: &'a Node, shown: &'a Shown) -> Option<CheckEntry<'a>> {
    let entry = CheckEntry::new(node.name(), shown.id(), shown.record().check()?);
    Some(CheckEntry { create_index: shown.created, modify_index: shown.modified, ..entry })
}

/// The check that shows how a member stands; `None`: it is no member.
fn serf_health(node: &Node) -> Option<CheckEntry<'_>> {
    let status = node.membership()?;
    let output =
        if status == Health::Passing { "Agent alive and reachable" } else { "Agent not live or unreachable" };
    Some(CheckEntry {
        node: node.name(),
        id: SERF_HEALTH,
        name: "Serf Health Status",
        status: status.as_str(),
        notes: "",
        output,
        service_id: "",
        service_name: "",
        service_tags: Texts(&[]),
        r#type: "",
        definition: Defined(None),
        create_index: node.created,
        modify_index: node.status_modified,
    })
}

/// The checks of a node itself, by ID.
fn node_checks(node: &Node) -> Vec<CheckEntry<'_>> {
    let mut checks: Vec<_> = node.checks_of("").filter_map(|shown| shown_check(node, shown)).collect();
    checks.extend(serf_health(node));
    checks.sort_by_key(|check| check.id);
    checks
}

/// All checks of a node and of its instances.
pub(super) fn all_checks(node: &Node) -> Vec<CheckEntry<'_>> {
    let mut checks = node_checks(node);
    let of_services = node
        .checks()
        .filter(|shown| shown.record().check().is_some_and(|check| !check.service_id.is_empty()));
    checks.extend(of_services.filter_map(|shown| shown_check(node, shown)));
    checks
}

/// The checks of the instances of a service, without those of their nodes.
pub(super) fn checks_of_service<'a>(catalog: &'a Catalog, name: &str) -> Vec<CheckEntry<'a>> {
    let mut checks = Vec::new();
    for Instance { node, shown, .. } in catalog.service(name) {
        checks.extend(node.checks_of(shown.id()).filter_map(|shown| shown_check(node, shown)));
    }
    checks
}

/// All checks that fare like this; `None`: all.
pub(super) fn checks_faring(catalog: &Catalog, health: Option<Health>) -> Vec<CheckEntry<'_>> {
    let wanted = |status: Health| health.is_none_or(|health| health == status);
    let mut checks = Vec::new();
    for status in [Health::Passing, Health::Warning, Health::Critical].into_iter().filter(|it| wanted(*it)) {
        checks.extend(catalog.checks_faring(status).filter_map(|(node, shown)| shown_check(node, shown)));
    }
    for node in catalog.nodes().filter(|node| node.membership().is_some_and(wanted)) {
        checks.extend(serf_health(node));
    }
    checks
}

/// An instance with its node and all checks that count for it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HealthEntry<'a> {
    node: NodeEntry<'a>,
    service: ServiceEntry<'a>,
    checks: Vec<CheckEntry<'a>>,
}

pub(super) fn health<'a>(instance: &Instance<'a>, dc: &'a str) -> HealthEntry<'a> {
    let Instance { node: at, shown, service: it } = *instance;
    let mut checks = node_checks(at);
    checks.extend(at.checks_of(shown.id()).filter_map(|shown| shown_check(at, shown)));
    HealthEntry { node: node(at, dc), service: service(shown, it), checks }
}

/// A check as its own agent shows it; `known` is what all are told of it.
pub(super) fn own_check(node: &str, spec: &CheckSpec, status: Health, output: &Text, known: &Check) -> Value {
    let entry = CheckEntry::new(node, &spec.id, known);
    value(&CheckEntry { status: status.as_str(), output, ..entry })
}

/// A check beside the state of a whole instance, where the original shows it without its kind and
/// with an empty definition in full.
pub(super) fn aggregated_check(check: &Value) -> Value {
    let mut check = check.clone();
    check["Type"] = json!("");
    check["Definition"] = json!({
        "Body": "",
        "DeregisterCriticalServiceAfter": "0s",
        "HTTP": "",
        "Header": null,
        "Interval": "0s",
        "Method": "",
        "TCP": "",
        "TLSSkipVerify": false,
        "Timeout": "0s",
    });
    if check["ServiceID"] == json!("") {
        check["ServiceTags"] = Value::Null;
    }
    check
}
