//! `/v1/agent/...`: the agent itself and the cluster it is in (consul-http, section 3).

use http::StatusCode;
use serde_json::{Map, Value, json};
use tidings_core::{Coordinate, Member, Status};
use tokio::sync::oneshot;

use super::Site;
use super::answer::{Answer, Body};
use super::params::Params;
use super::shape;
use crate::log::Level;

/// What stands for the version, as clients read it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A coordinate as clients read it.
pub(super) fn coordinate(it: &Coordinate) -> Value {
    json!({ "Vec": it.vec, "Error": it.error, "Adjustment": it.adjustment, "Height": it.height })
}

/// Who this agent is, how it runs and how it stands.
pub(super) async fn itself(site: &Site) -> Answer {
    let node = site.control.node();
    let (config, name) = (node.config().clone(), site.name().to_owned());
    let id = config.registry.node.as_ref().map(|info| info.id.to_string()).unwrap_or_default();
    let bind = node.local_addr();
    let coordinate = {
        let name = name.clone();
        node.inspect(move |node| node.coordinate(&name)).await.ok().flatten()
    };
    let view = node.view();
    let (meta, services, checks) = {
        let catalog = site.directory.catalog();
        let own = catalog.node(&name);
        let meta = own.map_or(Value::Null, |own| shape::value(&shape::NodeMeta(own)));
        (meta, own.map_or(0, |it| it.services().count()), own.map_or(0, |it| it.checks().count()))
    };
    let stats = node.stats().await.unwrap_or_default();
    Answer::json(json!({
        "Config": {
            "Datacenter": site.datacenter,
            "NodeName": name,
            "NodeID": id,
            "Revision": "",
            "Server": true,
            "Version": VERSION,
        },
        "DebugConfig": {
            "AdvertiseAddrLAN": config.advertise.ip().to_string(),
            "BindAddr": bind.ip().to_string(),
            "Datacenter": site.datacenter,
            "DNSPort": site.dns_port.map_or(-1, i32::from),
            "EnableRemoteScriptChecks": site.allowed.scripts,
            "NodeID": id,
            "NodeName": name,
            "SerfPortLAN": bind.port(),
            "ServerMode": true,
            "Version": VERSION,
        },
        "Coord": coordinate.as_ref().map(self::coordinate),
        "Member": view.get(&name).map(|it| member(site, it)),
        "Stats": {
            "agent": { "checks": checks.to_string(), "services": services.to_string() },
            "build": { "prerelease": "", "revision": "", "version": VERSION },
            "consul": { "server": "true", "leader": "true", "known_datacenters": "1" },
            "serf_lan": {
                "members": stats.members.to_string(),
                "failed": stats.failed.to_string(),
                "left": stats.left.to_string(),
                "health_score": stats.health_score.to_string(),
                "member_time": stats.member_time.to_string(),
                "event_time": stats.event_time.to_string(),
                "query_time": stats.query_time.to_string(),
                "intent_queue": stats.intent_queue.to_string(),
                "event_queue": stats.event_queue.to_string(),
                "query_queue": stats.query_queue.to_string(),
                "encrypted": stats.encrypted.to_string(),
            },
        },
        "Meta": meta,
    }))
}

pub(super) fn version() -> Answer {
    Answer::json(json!({ "SHA": "", "BuildDate": "", "HumanVersion": VERSION, "FIPS": "" }))
}

/// The number a status has in the API.
const fn status(status: Status) -> u8 {
    match status {
        Status::Alive => 1,
        Status::Leaving => 2,
        Status::Left => 3,
        Status::Failed => 4,
        _ => 0,
    }
}

/// A member with its tags, and those that clients of the API look for.
fn member(site: &Site, member: &Member) -> Value {
    let mut tags: Map<String, Value> =
        member.tags().iter().map(|(key, value)| (key.to_owned(), json!(value))).collect();
    let catalog = site.directory.catalog();
    let info = catalog.node(member.name()).and_then(|node| node.info());
    for (key, value) in [
        ("role", "consul"),
        ("build", concat!(env!("CARGO_PKG_VERSION"), ":")),
        ("dc", info.map(|it| &*it.datacenter).filter(|dc| !dc.is_empty()).unwrap_or(&site.datacenter)),
        ("id", info.map_or("", |it| &it.id)),
    ] {
        tags.entry(key).or_insert_with(|| json!(value));
    }
    let versions = member.identity().versions;
    json!({
        "Name": member.name(),
        "Addr": member.addr().ip().to_string(),
        "Port": member.addr().port(),
        "Tags": tags,
        "Status": status(member.status()),
        "ProtocolMin": versions.protocol_min,
        "ProtocolMax": versions.protocol_max,
        "ProtocolCur": versions.protocol_cur,
        "DelegateMin": versions.delegate_min,
        "DelegateMax": versions.delegate_max,
        "DelegateCur": versions.delegate_cur,
    })
}

pub(super) fn members(site: &Site, params: &Params) -> Answer {
    if params.get("wan").is_some_and(|wan| !wan.is_empty()) {
        // There is one cluster only, as a client's agent sees it.
        return Answer::json(Value::Null);
    }
    let view = site.control.node().view();
    Answer::json(view.iter().map(|it| member(site, it)).collect())
}

pub(super) async fn join(site: &Site, params: &Params, address: &str) -> Answer {
    let failed = |what: String| Answer::refused(format!("1 error occurred:\n\t* {what}\n\n"));
    if params.get("wan").is_some_and(|wan| !wan.is_empty()) {
        return failed("this agent is in one cluster only: there is no WAN pool to join".to_owned());
    }
    if address.is_empty() {
        return failed("Failed to resolve : lookup : no such host".to_owned());
    }
    match site.control.join(vec![address.to_owned()], false).await {
        Ok(_) => Answer::done(),
        Err(error) => failed(format!("Failed to join {address}: {error}")),
    }
}

/// Leaves; the agent ends when that has been answered, or when nobody waits for an answer any more.
pub(super) async fn leave(site: &Site) -> Answer {
    let (control, left) = (site.control.clone(), site.left.clone());
    let (reply, result) = oneshot::channel();
    let (last, sent) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let outcome = control.leave().await;
        let ok = outcome.is_ok();
        // Whoever asked may be gone.
        let _ = reply.send(outcome);
        if ok {
            // Nothing is ever sent on it: it is dropped in time.
            let _ = sent.await;
            left.send_replace(true);
        }
    });
    match result.await {
        Ok(Ok(())) => Answer { last: Some(last), ..Answer::done() },
        Ok(Err(error)) => Answer::refused(error.to_string()),
        Err(_) => Answer::refused("the agent is ending"),
    }
}

pub(super) async fn force_leave(site: &Site, params: &Params, name: &str) -> Answer {
    if site.control.node().view().get(name).is_none() {
        return Answer::refused(format!("agent: No node found with name '{name}'"));
    }
    match site.control.force_leave(name.to_owned(), params.has("prune")).await {
        Ok(()) => Answer::done(),
        Err(error) => Answer::refused(error.to_string()),
    }
}

pub(super) async fn reload(site: &Site) -> Answer {
    let (reply, result) = oneshot::channel();
    let asked = site.reload.send(reply).await.is_ok();
    match result.await {
        Ok(Ok(())) if asked => Answer::done(),
        Ok(Err(error)) => Answer::refused(error),
        _ => Answer::refused("this agent has no configuration to read again"),
    }
}

/// The log from now on, for as long as the client reads.
pub(super) fn monitor(site: &Site, params: &Params) -> Answer {
    let name = params.get("loglevel").filter(|name| !name.is_empty()).unwrap_or("info");
    let level = if name.eq_ignore_ascii_case("error") { Some(Level::Err) } else { Level::parse(name) };
    let Some(level) = level else {
        return Answer::bad(format!("Bad request: Unknown log level: {name}"));
    };
    let lines = site.control.log().subscribe(level, "a monitor over HTTP".into()).live;
    Answer::new(StatusCode::OK, Body::Log { lines, json: params.has("logjson") })
}
