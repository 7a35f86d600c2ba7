//! `/v1/catalog/register` and `/v1/catalog/deregister` (consul-http, section 6). This agent becomes the
//! owner of nodes that are no agents; what is written about an agent goes to that one, which decides.

use serde_json::json;
use tidings_core::Status;
use tidings_core::registry::check::{Check, Definition, Health};
use tidings_core::registry::command::{Erase, Erased, RegistryCommand, Write};
use tidings_core::registry::node::NodeInfo;
use tidings_core::registry::service::{Service, Text};

use super::Site;
use super::answer::{Answer, Body};
use super::decode::{self, Fields, Undecodable, positive};
use super::local::ask;
use super::registration::{self, Allowed, Bad};

fn refused(words: &str) -> Bad {
    Bad::Refused(words.into())
}

pub(super) async fn register(site: &Site, body: &[u8]) -> Answer {
    match read_write(body) {
        Err(bad) => bad.into(),
        Ok(write) => truth(ask(site, RegistryCommand::Write(write)).await),
    }
}

pub(super) async fn deregister(site: &Site, body: &[u8]) -> Answer {
    match read_erase(body) {
        Err(bad) => bad.into(),
        Ok(erase) if erase.what == Erased::Node && has_failed(site, &erase.node) => {
            // It cannot leave by itself any more.
            match site.control.force_leave(erase.node.to_string(), false).await {
                Ok(()) => Answer::json(json!(true)),
                Err(error) => Answer::refused(error.to_string()),
            }
        }
        Ok(erase) => truth(ask(site, RegistryCommand::Erase(erase)).await),
    }
}

fn has_failed(site: &Site, node: &str) -> bool {
    site.control.node().view().get(node).is_some_and(|member| member.status() == Status::Failed)
}

/// Success is said in words here.
fn truth(answer: Answer) -> Answer {
    match answer.body {
        Body::Empty => Answer::json(json!(true)),
        _ => answer,
    }
}

pub(super) fn read_write(body: &[u8]) -> Result<Write, Bad> {
    let mut fields = Fields::of(decode::body(body)?, &[])?;
    let (id, node, address) = (fields.text(&["ID"])?, fields.text(&["Node"])?, fields.text(&["Address"])?);
    let datacenter = fields.text(&["Datacenter"])?;
    let tagged = fields.pairs(&["TaggedAddresses", "tagged_addresses"])?;
    let meta = fields.pairs(&["NodeMeta", "node_meta"])?;
    let service = fields.object(&["Service"])?;
    let skip = fields.truth(&["SkipNodeUpdate"])?;
    let mut checks: Vec<Fields> = fields.object(&["Check"])?.into_iter().collect();
    checks.extend(fields.objects(&["Checks"])?);
    for unused in [&["Token"], &["WriteRequest"], &["Entry"], &["EnterpriseMeta"]] {
        fields.take(unused);
    }
    fields.done(&["Namespace", "Partition", "Locality", "PeerName"])?;
    if node.is_empty() {
        return Err(refused("Must provide node"));
    }
    if address.is_empty() && !skip {
        return Err(refused("Must provide address if SkipNodeUpdate is not set"));
    }
    check_id(&id)?;
    registration::check_meta(&meta).map_err(|what| Bad::Refused(format!("Invalid node metadata: {what}")))?;
    let info = (!skip || !address.is_empty()).then(|| NodeInfo {
        id: id.as_str().into(),
        address: address.as_str().into(),
        tagged_addresses: registration::pairs(&tagged),
        meta: registration::pairs(&meta),
        datacenter: datacenter.as_str().into(),
        ..NodeInfo::default()
    });
    let service = service.map(external_service).transpose()?;
    let checks = checks.into_iter().map(|fields| external_check(fields, service.as_ref()));
    let checks = checks.collect::<Result<_, Bad>>()?;
    Ok(Write { node: node.as_str().into(), info, service, checks })
}

/// An ID of a node is a UUID or empty.
fn check_id(id: &str) -> Result<(), Bad> {
    let wrong = |what: &str| Err(Bad::Refused(format!("Bad node ID: {what}")));
    if id.is_empty() {
        return Ok(());
    }
    if id.len() != 36 {
        return wrong("uuid string is wrong length");
    }
    let fits = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    if id.bytes().enumerate().all(fits) { Ok(()) } else { wrong("uuid is improperly formatted") }
}

/// As at an agent, but the name has another key and nothing is checked.
fn external_service(mut fields: Fields) -> Result<(Text, Service), Bad> {
    let name = fields.text(&["Service", "Name"])?;
    let mut map = fields.into_map();
    map.insert("Name".into(), name.as_str().into());
    for unused in ["CreateIndex", "ModifyIndex"] {
        map.remove(unused);
    }
    if name.is_empty() {
        return Err(refused("Must provide service name with ID"));
    }
    let read = registration::service(Fields::from_map(map), Allowed::default());
    let read = read.map_err(|bad| match bad {
        Bad::Words(words) => Bad::Refused(words),
        other => other,
    })?;
    let tagged = read.service.tagged_addresses;
    // The names of the family are an agent's doing.
    let given = |name: &Text| !matches!(&**name, "lan_ipv4" | "wan_ipv4" | "lan_ipv6" | "wan_ipv6");
    let tagged_addresses = tagged.into_iter().filter(|(name, _)| given(name)).collect();
    Ok((read.id, Service { tagged_addresses, ..read.service }))
}

fn external_check(mut fields: Fields, service: Option<&(Text, Service)>) -> Result<(Text, Check), Bad> {
    let (id, name) = (fields.text(&["CheckID", "ID", "check_id"])?, fields.text(&["Name"])?);
    let id = if id.is_empty() { name.clone() } else { id };
    let status = match &*fields.text(&["Status"])? {
        "" => Health::Critical,
        word => {
            Health::from_word(word).ok_or_else(|| Bad::Words(format!("Invalid check status: '{word}'")))?
        }
    };
    let service_id = fields.text(&["ServiceID", "service_id"])?;
    let (notes, output) = (fields.text(&["Notes"])?, fields.text(&["Output"])?);
    let given = fields.text(&["Type"])?;
    let definition = fields.object(&["Definition"])?.map(definition).transpose()?;
    let definition = definition.filter(|it| **it != Definition::default());
    let kind = if given.is_empty() { definition.as_deref().map_or("", kind_of) } else { &given };
    let mut service_name = fields.text(&["ServiceName", "service_name"])?;
    let mut tags = fields.texts(&["ServiceTags", "service_tags"])?;
    if let Some((_, service)) = service.filter(|(id, _)| **id == *service_id) {
        service_name = service.name.to_string();
        tags = service.tags.iter().map(ToString::to_string).collect();
    }
    if id.is_empty() {
        return Err(refused("Must provide check ID or name"));
    }
    let check = Check {
        name: name.as_str().into(),
        status,
        notes: notes.as_str().into(),
        output: output.as_str().into(),
        service_id: service_id.as_str().into(),
        service_name: service_name.as_str().into(),
        service_tags: tags.iter().map(|tag| Text::from(tag.as_str())).collect(),
        kind: kind.into(),
        definition,
    };
    Ok((id.as_str().into(), check))
}

/// What kind of check a definition makes, as its author did not say.
fn kind_of(definition: &Definition) -> &'static str {
    match definition {
        it if it.interval.is_zero() => "",
        it if !it.http.is_empty() => "http",
        it if !it.tcp.is_empty() => "tcp",
        _ => "",
    }
}

fn definition(mut fields: Fields) -> Result<Box<Definition>, Undecodable> {
    let text = |text: String| Text::from(text.as_str());
    let header = fields.lists(&["Header"])?;
    let header =
        header.into_iter().map(|(name, values)| (text(name), values.into_iter().map(text).collect()));
    Ok(Box::new(Definition {
        header: header.collect(),
        http: text(fields.text(&["HTTP"])?),
        method: text(fields.text(&["Method"])?),
        body: text(fields.text(&["Body"])?),
        tls_skip_verify: fields.truth(&["TLSSkipVerify", "tls_skip_verify"])?,
        tcp: text(fields.text(&["TCP"])?),
        interval: positive(fields.nanos(&["Interval", "IntervalDuration", "interval"])?),
        timeout: positive(fields.nanos(&["Timeout", "TimeoutDuration", "timeout"])?),
        deregister_after: positive(fields.nanos(&[
            "DeregisterCriticalServiceAfter",
            "DeregisterCriticalServiceAfterDuration",
            "deregister_critical_service_after",
        ])?),
    }))
}

pub(super) fn read_erase(body: &[u8]) -> Result<Erase, Bad> {
    let read = |body| -> Result<_, Undecodable> {
        let mut fields = Fields::of(decode::body(body)?, &[])?;
        Ok((fields.text(&["Node"])?, fields.text(&["ServiceID"])?, fields.text(&["CheckID"])?))
    };
    let (node, service, check) = read(body)?;
    if node.is_empty() {
        return Err(refused("Must provide node"));
    }
    let what = if !service.is_empty() {
        Erased::Service(service.as_str().into())
    } else if !check.is_empty() {
        Erased::Check(check.as_str().into())
    } else {
        Erased::Node
    };
    Ok(Erase { node: node.as_str().into(), what })
}
