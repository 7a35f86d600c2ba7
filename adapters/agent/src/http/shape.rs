//! Answers about nodes, instances and checks, as JSON (consul-http, sections 4 to 7).

use std::net::IpAddr;

use serde_json::{Map, Value, json};
use tidings_core::registry::catalog::{Catalog, Instance, Node, Shown};
use tidings_core::registry::check::{Check, CheckSpec, Definition, Health};
use tidings_core::registry::node::NodeInfo;
use tidings_core::registry::service::{Address, Service, Text};

/// The check every member has.
pub(super) const SERF_HEALTH: &str = "serfHealth";

/// Where a node is.
pub(super) fn address(node: &Node) -> String {
    match (node.gossip_addr(), node.info()) {
        (Some(addr), _) => addr.ip().to_string(),
        (None, info) => info.map(|info| info.address.to_string()).unwrap_or_default(),
    }
}

/// What is known of a node under these names, for a listing of its own (`Meta`) or of instances
/// (`NodeMeta`).
pub(super) fn node(node: &Node, dc: &str) -> Value {
    let info = node.info();
    json!({
        "ID": info.map_or("", |info| &info.id),
        "Node": &**node.name(),
        "Address": address(node),
        "Datacenter": datacenter(info, dc),
        "TaggedAddresses": node_addresses(node),
        "Meta": node_meta(node),
        "CreateIndex": node.created,
        "ModifyIndex": node.modified,
    })
}

fn datacenter<'a>(info: Option<&'a NodeInfo>, dc: &'a str) -> &'a str {
    info.map(|info| &*info.datacenter).filter(|own| !own.is_empty()).unwrap_or(dc)
}

/// A member's address under the names of its family; of others what was written.
fn node_addresses(node: &Node) -> Value {
    let mut all: Map<String, Value> = node
        .info()
        .into_iter()
        .flat_map(|info| &info.tagged_addresses)
        .map(|(name, address)| (name.to_string(), json!(&**address)))
        .collect();
    if let Some(addr) = node.gossip_addr() {
        let family = if matches!(addr.ip(), IpAddr::V4(_)) { "ipv4" } else { "ipv6" };
        for name in ["lan", "wan"] {
            for name in [name.to_owned(), format!("{name}_{family}")] {
                all.entry(name).or_insert_with(|| json!(addr.ip().to_string()));
            }
        }
    }
    if all.is_empty() { Value::Null } else { all.into() }
}

/// A node's meta data; agents always have one entry that clients look for.
pub(super) fn node_meta(node: &Node) -> Value {
    let mut meta = texts_by_name(node.info().map_or(&[], |info| &info.meta));
    if node.member().is_some() {
        meta.entry("consul-network-segment").or_insert_with(|| json!(""));
    }
    if meta.is_empty() { Value::Null } else { meta.into() }
}

fn texts_by_name(pairs: &[(Text, Text)]) -> Map<String, Value> {
    pairs.iter().map(|(name, text)| (name.to_string(), json!(&**text))).collect()
}

fn null_if_empty(map: Map<String, Value>) -> Value {
    if map.is_empty() { Value::Null } else { map.into() }
}

fn addresses(pairs: &[(Text, Address)]) -> Option<Value> {
    let of = |address: &Address| json!({ "Address": &*address.address, "Port": address.port });
    let map: Map<String, Value> = pairs.iter().map(|(name, it)| (name.to_string(), of(it))).collect();
    (!map.is_empty()).then(|| map.into())
}

fn weights(service: &Service) -> Value {
    json!({ "Passing": service.weights.passing, "Warning": service.weights.warning })
}

fn tags(tags: &[Text]) -> Vec<&str> {
    tags.iter().map(|tag| &**tag).collect()
}

/// An instance as its own agent shows it.
pub(super) fn own_service(id: &str, service: &Service) -> Value {
    let mut value = json!({
        "ID": id,
        "Service": &*service.name,
        "Tags": tags(&service.tags),
        "Meta": texts_by_name(&service.meta),
        "Port": service.port,
        "Address": &*service.address,
        "Weights": weights(service),
        "EnableTagOverride": service.enable_tag_override,
    });
    put(&mut value, "TaggedAddresses", addresses(&service.tagged_addresses));
    value
}

/// An instance in the listing of a node, or beside its node and checks.
pub(super) fn service(shown: &Shown, service: &Service) -> Value {
    let mut value = json!({
        "ID": &**shown.id(),
        "Service": &*service.name,
        "Tags": tags(&service.tags),
        "Address": &*service.address,
        "Meta": null_if_empty(texts_by_name(&service.meta)),
        "Port": service.port,
        "Weights": weights(service),
        "EnableTagOverride": service.enable_tag_override,
        "Proxy": { "MeshGateway": {}, "Expose": {} },
        "Connect": {},
        "CreateIndex": shown.created,
        "ModifyIndex": shown.modified,
    });
    put(&mut value, "TaggedAddresses", addresses(&service.tagged_addresses));
    value
}

/// An instance in the catalog: everything in one object.
pub(super) fn catalog_service(instance: &Instance<'_>, dc: &str) -> Value {
    let Instance { node, shown, service } = instance;
    let info = node.info();
    let mut value = json!({
        "ID": info.map_or("", |info| &info.id),
        "Node": &**node.name(),
        "Address": address(node),
        "Datacenter": datacenter(info, dc),
        "TaggedAddresses": node_addresses(node),
        "NodeMeta": node_meta(node),
        "ServiceKind": "",
        "ServiceID": &**shown.id(),
        "ServiceName": &*service.name,
        "ServiceTags": tags(&service.tags),
        "ServiceAddress": &*service.address,
        "ServiceWeights": weights(service),
        "ServiceMeta": texts_by_name(&service.meta),
        "ServicePort": service.port,
        "ServiceEnableTagOverride": service.enable_tag_override,
        "ServiceProxy": { "MeshGateway": {}, "Expose": {} },
        "ServiceConnect": {},
        "CreateIndex": shown.created,
        "ModifyIndex": shown.modified,
    });
    put(&mut value, "ServiceTaggedAddresses", addresses(&service.tagged_addresses));
    value
}

fn put(value: &mut Value, key: &str, entry: Option<Value>) {
    if let (Some(map), Some(entry)) = (value.as_object_mut(), entry) {
        map.insert(key.to_owned(), entry);
    }
}

/// A check in the catalog.
fn check(node: &str, id: &str, check: &Check, created: u64, modified: u64) -> Value {
    json!({
        "Node": node,
        "CheckID": id,
        "Name": &*check.name,
        "Status": check.status.as_str(),
        "Notes": &*check.notes,
        "Output": &*check.output,
        "ServiceID": &*check.service_id,
        "ServiceName": &*check.service_name,
        "ServiceTags": tags(&check.service_tags),
        "Type": &*check.kind,
        "Definition": check.definition.as_deref().map_or_else(|| json!({}), definition),
        "CreateIndex": created,
        "ModifyIndex": modified,
    })
}

/// What of a definition was given.
fn definition(it: &Definition) -> Value {
    let mut shown = Map::new();
    for (name, text) in [("HTTP", &it.http), ("Method", &it.method), ("Body", &it.body), ("TCP", &it.tcp)] {
        if !text.is_empty() {
            shown.insert(name.to_owned(), json!(&**text));
        }
    }
    let after = "DeregisterCriticalServiceAfter";
    for (name, time) in [("Interval", it.interval), ("Timeout", it.timeout), (after, it.deregister_after)] {
        if !time.is_zero() {
            shown.insert(name.to_owned(), json!(crate::duration::format(time)));
        }
    }
    if !it.header.is_empty() {
        let header = it.header.iter().map(|(name, values)| (name.to_string(), json!(tags(values))));
        shown.insert("Header".to_owned(), header.collect());
    }
    if it.tls_skip_verify {
        shown.insert("TLSSkipVerify".to_owned(), json!(true));
    }
    shown.into()
}

fn shown_check(node: &Node, shown: &Shown) -> Option<Value> {
    let it = shown.record().check()?;
    Some(check(node.name(), shown.id(), it, shown.created, shown.modified))
}

/// The check that shows how a member stands; `None`: it is no member.
fn serf_health(node: &Node) -> Option<Value> {
    let status = node.membership()?;
    let output =
        if status == Health::Passing { "Agent alive and reachable" } else { "Agent not live or unreachable" };
    let it = Check { name: "Serf Health Status".into(), status, output: output.into(), ..Check::default() };
    Some(check(node.name(), SERF_HEALTH, &it, node.created, node.status_modified))
}

/// The checks of a node itself, by ID.
fn node_checks(node: &Node) -> Vec<Value> {
    let mut checks: Vec<Value> = node.checks_of("").filter_map(|shown| shown_check(node, shown)).collect();
    checks.extend(serf_health(node));
    checks.sort_by(|a, b| a["CheckID"].as_str().cmp(&b["CheckID"].as_str()));
    checks
}

/// All checks of a node and of its instances.
pub(super) fn all_checks(node: &Node) -> Vec<Value> {
    let mut checks = node_checks(node);
    let of_services = node
        .checks()
        .filter(|shown| shown.record().check().is_some_and(|check| !check.service_id.is_empty()));
    checks.extend(of_services.filter_map(|shown| shown_check(node, shown)));
    checks
}

/// The checks of the instances of a service, without those of their nodes.
pub(super) fn checks_of_service(catalog: &Catalog, name: &str) -> Vec<Value> {
    let checks = catalog.service(name).flat_map(|instance| {
        let Instance { node, shown, .. } = instance;
        node.checks_of(shown.id()).filter_map(move |shown| shown_check(node, shown))
    });
    checks.collect()
}

/// All checks that fare like this; `None`: all.
pub(super) fn checks_faring(catalog: &Catalog, health: Option<Health>) -> Vec<Value> {
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
pub(super) fn health(instance: &Instance<'_>, dc: &str) -> Value {
    let mut checks = node_checks(instance.node);
    let own = instance.node.checks_of(instance.shown.id());
    checks.extend(own.filter_map(|shown| shown_check(instance.node, shown)));
    json!({
        "Node": node(instance.node, dc),
        "Service": service(instance.shown, instance.service),
        "Checks": checks,
    })
}

/// A check as its own agent shows it; `known` is what all are told of it.
pub(super) fn own_check(node: &str, spec: &CheckSpec, status: Health, output: &Text, known: &Check) -> Value {
    let it = Check { status, output: output.clone(), ..known.clone() };
    check(node, &spec.id, &it, 0, 0)
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
