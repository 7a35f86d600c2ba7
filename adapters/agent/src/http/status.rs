//! `/v1/status/...` and `/v1/coordinate/...` (consul-http, section 12).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use tidings_core::{Coordinate, Status};
use tokio::time::Instant;

use super::Site;
use super::agent;
use super::answer::{self, Answer, Body};
use super::decode::{self, Fields};
use super::params::{Params, Since};
use super::reading;
use super::registration::Bad;

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

/// Nodes whose coordinates may have been told.
const TOLD_MAX: usize = 16 << 10;

/// The coordinates of nodes that are no members, as this agent was told them. They go with the process.
#[derive(Default)]
pub(super) struct Positions {
    told: Mutex<BTreeMap<String, Coordinate>>,
    /// What a look at all of them showed last.
    seen: Mutex<Seen>,
}

/// Coordinates at one moment.
#[derive(Default)]
struct Seen {
    at: Option<Instant>,
    /// Grows with every change that a look finds, from the time of day in milliseconds.
    index: u64,
    all: Bytes,
}

/// How long those who wait for a change may rely on what one of them saw: coordinates move with every
/// probe, and nobody is told.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Positions {
    pub(super) fn all(&self) -> BTreeMap<String, Coordinate> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, node: String, coordinate: Coordinate) -> bool {
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = all.len() < TOLD_MAX || all.contains_key(&node);
        if fits {
            all.insert(node, coordinate);
        }
        fits
    }

    /// Forgets those of nodes that are not known.
    fn retain(&self, known: impl Fn(&str) -> bool) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).retain(|node, _| known(node));
    }
}

/// Takes the coordinate of a node that is no member; members measure their own.
pub(super) fn update(site: &Site, body: &[u8]) -> Result<Answer, Answer> {
    let (node, coordinate) = read(body).map_err(Answer::from)?;
    let external = |name: &str| {
        let view = site.control.node().view();
        site.directory.catalog().node(name).is_some() && view.get(name).is_none()
    };
    // Of a node nobody knows it is dropped.
    if external(&node) {
        site.positions.retain(external);
        if !site.positions.put(node, coordinate) {
            return Err(Answer::refused(format!(
                "this agent keeps the coordinates of {TOLD_MAX} nodes and no more"
            )));
        }
    }
    Ok(Answer::done())
}

fn read(body: &[u8]) -> Result<(String, Coordinate), Bad> {
    let mut fields = Fields::of(decode::body(body)?, &[])?;
    let node = fields.text(&["Node"])?;
    let mut told = fields.object(&["Coord"])?.unwrap_or_default();
    let number = |value: Option<Value>| value.as_ref().map_or(Some(0.0), Value::as_f64);
    let vec = told.take(&["Vec"]).unwrap_or_default();
    let vec: Option<Vec<f64>> = vec.as_array().and_then(|list| list.iter().map(Value::as_f64).collect());
    let incompatible = || Bad::Refused("incompatible coordinate".to_owned());
    let coordinate = Coordinate {
        vec: vec.and_then(|vec| vec.try_into().ok()).ok_or_else(incompatible)?,
        error: number(told.take(&["Error"])).ok_or_else(incompatible)?,
        adjustment: number(told.take(&["Adjustment"])).ok_or_else(incompatible)?,
        height: number(told.take(&["Height"])).ok_or_else(incompatible)?,
    };
    Ok((node, coordinate))
}

/// The coordinates of these nodes, of those that have one.
async fn coordinates(site: &Site, names: Vec<String>) -> Vec<Value> {
    let told = site.positions.all();
    let found = site.control.node().inspect(move |node| {
        let of = |name: String| {
            let known = node.coordinate(&name).or_else(|| told.get(&name).copied());
            Some((known?, name))
        };
        names.into_iter().filter_map(of).collect::<Vec<_>>()
    });
    let found = found.await.unwrap_or_default().into_iter();
    found.map(|(it, name)| json!({ "Node": name, "Segment": "", "Coord": agent::coordinate(&it) })).collect()
}

/// All coordinates, and their index. What was seen within `fresh` will do.
async fn seen(site: &Site, fresh: Duration) -> (u64, Bytes) {
    let seen = || site.positions.seen.lock().unwrap_or_else(PoisonError::into_inner);
    {
        let seen = seen();
        if seen.at.is_some_and(|at| at.elapsed() < fresh) {
            return (seen.index, seen.all.clone());
        }
    }
    let view = site.control.node().view();
    let members = view.iter().map(|it| it.name().to_owned());
    let others = site.positions.all().into_keys().filter(|name| view.get(name).is_none());
    let names: Vec<String> = members.chain(others).collect();
    let all = answer::written(&coordinates(site, names).await);
    let mut seen = seen();
    seen.at = Some(Instant::now());
    if seen.all != all {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        seen.index = u64::try_from(now).unwrap_or(0).max(seen.index + 1);
        seen.all = all.clone();
    }
    (seen.index, all)
}

/// The coordinates now, or once they are others than the client knows.
async fn awaited(site: &Site, params: &Params) -> Result<(u64, Bytes), Answer> {
    let waiting = params.waiting().map_err(Answer::bad)?;
    let mut fresh = Duration::ZERO;
    let known = waiting.and_then(|waiting| match waiting.since {
        Since::Index(index) => Some((index, reading::end(waiting.wait))),
        Since::Hash(_) => None,
    });
    loop {
        let (index, all) = seen(site, fresh).await;
        match known {
            Some((known, end)) if known >= index && Instant::now() < end => {
                tokio::time::sleep_until(end.min(Instant::now() + LOOK_AGAIN)).await;
                fresh = LOOK_AGAIN / 2;
            }
            _ => return Ok((index, all)),
        }
    }
}

pub(super) async fn nodes(site: &Site, params: &Params) -> Result<Answer, Answer> {
    let (index, all) = awaited(site, params).await?;
    Ok(reading::state(index, Body::Written(all)))
}

pub(super) async fn node(site: &Site, params: &Params, name: &str) -> Result<Answer, Answer> {
    let (index, _) = awaited(site, params).await?;
    match coordinates(site, vec![name.to_owned()]).await {
        found if found.is_empty() => Ok(Answer::new(StatusCode::NOT_FOUND, Body::Empty)),
        found => Ok(reading::state(index, Body::Json(found.into()))),
    }
}

pub(super) async fn datacenters(site: &Site) -> Answer {
    let own = coordinates(site, vec![site.name().to_owned()]).await;
    Answer::json(json!([{ "Datacenter": site.datacenter, "AreaID": "wan", "Coordinates": own }]))
}
