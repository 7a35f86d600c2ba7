//! `/v1/status/...` and `/v1/coordinate/...` (consul-http, section 12).

use std::net::SocketAddr;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_core::Status;

use super::Site;
use super::agent;
use super::answer::{Answer, Body};

/// The addresses of all who are alive, in order.
fn alive(site: &Site) -> Vec<SocketAddr> {
    let view = site.control.node().view();
    let mut all: Vec<SocketAddr> =
        view.iter().filter(|it| it.status() == Status::Alive).map(|it| it.addr()).collect();
    all.sort();
    all
}

/// There is no leader. Clients ask for one to see whether the cluster works, and want an address: that
/// of the first member, which is the same wherever the same members are known.
pub(super) fn leader(site: &Site) -> Answer {
    Answer::json(json!(alive(site).first().map(SocketAddr::to_string).unwrap_or_default()))
}

pub(super) fn peers(site: &Site) -> Answer {
    Answer::json(alive(site).iter().map(|addr| Value::from(addr.to_string())).collect())
}

/// The coordinates of these nodes, of those that have one.
async fn coordinates(site: &Site, names: Vec<String>) -> Vec<Value> {
    let found = site.control.node().inspect(move |node| {
        let of = |name: String| Some((node.coordinate(&name)?, name));
        names.into_iter().filter_map(of).collect::<Vec<_>>()
    });
    let found = found.await.unwrap_or_default().into_iter();
    found.map(|(it, name)| json!({ "Node": name, "Segment": "", "Coord": agent::coordinate(&it) })).collect()
}

pub(super) async fn nodes(site: &Site) -> Answer {
    let names: Vec<String> = site.control.node().view().iter().map(|it| it.name().to_owned()).collect();
    Answer::json(coordinates(site, names).await.into())
}

pub(super) async fn node(site: &Site, name: &str) -> Answer {
    match coordinates(site, vec![name.to_owned()]).await {
        found if found.is_empty() => Answer::new(StatusCode::NOT_FOUND, Body::Empty),
        found => Answer::json(found.into()),
    }
}

pub(super) async fn datacenters(site: &Site) -> Answer {
    let own = coordinates(site, vec![site.name().to_owned()]).await;
    Answer::json(json!([{ "Datacenter": site.datacenter, "AreaID": "wan", "Coordinates": own }]))
}
