//! `/v1/query...`: prepared queries (consul-http, section 13), kept by the agent that was given them.
//!
//! There is no store that all agents share, so a query is known where it was created, and with a data
//! directory it outlives the process. Templates are not there, and failover has nowhere to go: there is
//! one data centre.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::Site;
use super::answer::{self, Answer};
use super::decode::{self, Fields};
use super::near::Near;
use super::params::{Params, Since};
use super::reading;
use super::registration::Bad;
use super::route::Request;
use super::shape;
use crate::agent::replace_file;
use crate::dice::Dice;

/// Queries kept at most.
const KEPT_MAX: usize = 4096;

/// The queries this agent was given.
pub(super) struct Queries {
    kept: Mutex<BTreeMap<String, Value>>,
    /// Counts changes, above what an earlier run counted.
    changed: watch::Sender<u64>,
    path: Option<PathBuf>,
    /// One change at a time, so that memory and disk agree.
    turn: tokio::sync::Mutex<()>,
    /// Without chance, instances stay in their order.
    dice: Option<Dice>,
}

impl Queries {
    /// With those that stand in this file, if there is one.
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        let text = path.as_ref().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        let list: Vec<Value> = serde_json::from_str(&text).unwrap_or_default();
        let by_id = list.into_iter().filter_map(|query| Some((query["ID"].as_str()?.to_owned(), query)));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Queries {
            kept: Mutex::new(by_id.collect()),
            changed: watch::Sender::new(u64::try_from(now).unwrap_or(u64::MAX / 2)),
            path,
            turn: tokio::sync::Mutex::default(),
            dice: Dice::seeded().ok(),
        }
    }

    fn all(&self) -> BTreeMap<String, Value> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// By ID or by name.
    fn find(&self, name: &str) -> Option<Value> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let named = || kept.values().find(|query| !name.is_empty() && query["Name"] == *name);
        kept.get(name).or_else(named).cloned()
    }

    /// Makes a change; it is on disk before it is in force.
    async fn change(
        &self,
        change: impl FnOnce(&mut BTreeMap<String, Value>, u64) -> Result<(), String>,
    ) -> Result<(), String> {
        let _turn = self.turn.lock().await;
        let (mut all, index) = (self.all(), *self.changed.borrow() + 1);
        change(&mut all, index)?;
        if let Some(path) = self.path.clone() {
            let list: Vec<&Value> = all.values().collect();
            replace_file(path, json!(list).to_string()).await?;
        }
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = all;
        self.changed.send_replace(index);
        Ok(())
    }
}

/// `/v1/query`: all of them, or a new one.
pub(super) async fn queries(site: &Site, request: &Request) -> Result<Answer, Answer> {
    match request.method {
        Method::POST => create(site, &request.body).await,
        Method::GET => {
            let all = || site.queries.all().into_values().collect();
            blocking(site, &request.params, all).await
        }
        _ => Err(not_allowed(request, "OPTIONS,GET,POST")),
    }
}

/// `/v1/query/ID`, and what can be done with it.
pub(super) async fn query(site: &Site, argument: &str, request: &Request) -> Result<Answer, Answer> {
    let of = |suffix: &str| argument.strip_suffix(suffix).filter(|_| request.method == Method::GET);
    if let Some(name) = of("/execute") {
        return execute(site, &request.params, name).await;
    }
    if let Some(name) = of("/explain") {
        let query = site.queries.find(name).ok_or_else(unknown)?;
        return Ok(told(
            json!({ "Query": query, "Index": 0, "LastContact": 0, "KnownLeader": true, "ConsistencyLevel": "leader" }),
            1,
        ));
    }
    match request.method {
        Method::GET => {
            let one = || site.queries.all().remove(argument).into_iter().collect::<Value>();
            if one().as_array().is_none_or(Vec::is_empty) {
                return Err(unknown());
            }
            blocking(site, &request.params, one).await
        }
        Method::PUT => update(site, argument, &request.body).await,
        Method::DELETE => {
            let done = site
                .queries
                .change(|all, _| all.remove(argument).map(|_| ()).ok_or_else(|| missing(argument)));
            done.await.map(|()| Answer::done()).map_err(Answer::refused)
        }
        _ => Err(not_allowed(request, "OPTIONS,GET,PUT,DELETE")),
    }
}

fn not_allowed(request: &Request, allow: &str) -> Answer {
    if request.method == Method::OPTIONS {
        return Answer::done().with("allow", allow);
    }
    let words = format!("method {} not allowed", request.method);
    Answer::error(StatusCode::METHOD_NOT_ALLOWED, words).with("allow", allow)
}

fn unknown() -> Answer {
    Answer::error(StatusCode::NOT_FOUND, "Query not found")
}

fn missing(id: &str) -> String {
    format!("Cannot modify non-existent prepared query: '{id}'")
}

fn told(value: Value, index: u64) -> Answer {
    reading::told((index, answer::written(&value)), "leader")
}

/// What there is now, or once something has changed.
async fn blocking(site: &Site, params: &Params, look: impl Fn() -> Value) -> Result<Answer, Answer> {
    let mut changed = site.queries.changed.subscribe();
    if let Some(waiting) = params.waiting().map_err(Answer::bad)?
        && let Since::Index(index) = waiting.since
    {
        let end = reading::end(waiting.wait);
        // Who waits long enough is told what there is.
        let _ = tokio::time::timeout_at(end, changed.wait_for(|now| *now > index)).await;
    }
    let index = *changed.borrow();
    Ok(told(look(), index))
}

async fn create(site: &Site, body: &[u8]) -> Result<Answer, Answer> {
    let query = read(body).map_err(Answer::from)?;
    let id = crate::uuid::random().map_err(Answer::refused)?;
    let answer = Answer::json(json!({ "ID": id }));
    let done = site.queries.change(move |all, index| {
        if all.len() >= KEPT_MAX {
            return Err(format!("this agent keeps {KEPT_MAX} prepared queries and may not keep more"));
        }
        put(all, id, query, index, index)
    });
    done.await.map(|()| answer).map_err(Answer::refused)
}

async fn update(site: &Site, id: &str, body: &[u8]) -> Result<Answer, Answer> {
    let query = read(body).map_err(Answer::from)?;
    let done = site.queries.change(|all, index| {
        let created = all.get(id).ok_or_else(|| missing(id))?["CreateIndex"].as_u64().unwrap_or(index);
        put(all, id.to_owned(), query, created, index)
    });
    done.await.map(|()| Answer::done()).map_err(Answer::refused)
}

fn put(
    all: &mut BTreeMap<String, Value>,
    id: String,
    mut query: Value,
    created: u64,
    modified: u64,
) -> Result<(), String> {
    let name = query["Name"].as_str().unwrap_or_default();
    if !name.is_empty() && all.values().any(|other| other["Name"] == *name && other["ID"] != *id) {
        return Err(format!("name '{name}' aliases an existing query name"));
    }
    query["ID"] = json!(id);
    query["CreateIndex"] = json!(created);
    query["ModifyIndex"] = json!(modified);
    all.insert(id, query);
    Ok(())
}

/// A query as it is shown, with everything that was left out.
fn read(body: &[u8]) -> Result<Value, Bad> {
    let invalid = |words: &str| Bad::Refused(format!("Invalid prepared query: {words}"));
    let mut fields = Fields::of(decode::body(body)?, &[])?;
    let (name, token) = (fields.text(&["Name"])?, fields.text(&["Token"])?);
    if !fields.text(&["Session"])?.is_empty() {
        return Err(invalid("sessions need a consistent store, which this agent does not have"));
    }
    let mut template = fields.object(&["Template"])?.unwrap_or_default();
    if !template.text(&["Type"])?.is_empty() {
        return Err(invalid("templates are not supported by this agent"));
    }
    let mut service = fields.object(&["Service"])?.unwrap_or_default();
    let of = service.text(&["Service"])?;
    if of.is_empty() {
        return Err(invalid("Must provide a Service name to query"));
    }
    let mut failover = service.object(&["Failover"])?.unwrap_or_default();
    let mut dns = fields.object(&["DNS"])?.unwrap_or_default();
    let ttl = dns.text(&["TTL"])?;
    if !ttl.is_empty() && !matches!(crate::duration::parse_nanos(&ttl), Ok(0..)) {
        return Err(Bad::Refused(format!(
            "Bad DNS TTL '{ttl}': it must be a duration such as 10s, and not negative"
        )));
    }
    let list = |texts: Vec<String>| if texts.is_empty() { Value::Null } else { json!(texts) };
    let map = |pairs: Vec<(String, String)>| {
        if pairs.is_empty() {
            Value::Null
        } else {
            pairs.into_iter().map(|(key, it)| (key, json!(it))).collect()
        }
    };
    Ok(json!({
        "ID": "",
        "Name": name,
        "Session": "",
        "Token": token,
        "Template": { "Type": "", "Regexp": "", "RemoveEmptyTags": false },
        "Service": {
            "Service": of,
            "Failover": {
                "NearestN": failover.number(&["NearestN"])?.unwrap_or(0),
                "Datacenters": list(failover.texts(&["Datacenters"])?),
            },
            "OnlyPassing": service.truth(&["OnlyPassing"])?,
            "IgnoreCheckIDs": list(service.texts(&["IgnoreCheckIDs"])?),
            "Near": service.text(&["Near"])?,
            "Tags": list(service.texts(&["Tags"])?),
            "NodeMeta": map(service.pairs(&["NodeMeta"])?),
            "ServiceMeta": map(service.pairs(&["ServiceMeta"])?),
            "Connect": service.truth(&["Connect"])?,
        },
        "DNS": { "TTL": ttl },
    }))
}

async fn execute(site: &Site, params: &Params, name: &str) -> Result<Answer, Answer> {
    let limit = match params.get("limit").filter(|text| !text.is_empty()) {
        None => usize::MAX,
        Some(text) => match text.parse() {
            Ok(0) => usize::MAX,
            Ok(limit) => limit,
            Err(_) => return Err(Answer::bad(format!("Invalid limit {text:?}: it must be a number"))),
        },
    };
    let query = site.queries.find(name).ok_or_else(unknown)?;
    let wanted = &query["Service"];
    let near = params.get("near").filter(|near| !near.is_empty()).or_else(|| wanted["Near"].as_str());
    let near = Near::to(site, near.unwrap_or_default()).await;
    let service = wanted["Service"].as_str().unwrap_or_default();
    let only_passing = params.has("passing-only") || wanted["OnlyPassing"] == true;
    let mut nodes: Vec<Value> = {
        let catalog = site.directory.catalog();
        let mut found: Vec<_> = catalog.service(service).collect();
        // So that clients who take the first one spread.
        if let Some(dice) = &site.queries.dice {
            dice.shuffle(&mut found);
        }
        near.sort(&mut found, |it| it.node.name());
        found.iter().map(|it| shape::value(&shape::health(it, &site.datacenter))).collect()
    };
    nodes.retain(|entry| fares_well(entry, wanted, only_passing) && is_wanted(entry, wanted));
    nodes.truncate(limit);
    Ok(told(
        json!({
            "Service": service,
            "Nodes": nodes,
            "DNS": query["DNS"],
            "Datacenter": site.datacenter,
            "Failovers": 0,
            "Index": 0,
            "LastContact": 0,
            "KnownLeader": true,
            "ConsistencyLevel": "leader",
        }),
        1,
    ))
}

/// Whether nothing is known against an instance, but by checks that do not count.
fn fares_well(entry: &Value, wanted: &Value, only_passing: bool) -> bool {
    let ignored = wanted["IgnoreCheckIDs"].as_array();
    let counts = |check: &&Value| ignored.is_none_or(|ids| !ids.contains(&check["CheckID"]));
    let well =
        |check: &Value| check["Status"] == "passing" || (!only_passing && check["Status"] != "critical");
    entry["Checks"].as_array().into_iter().flatten().filter(counts).all(well)
}

/// Whether an instance has the tags, and not those behind a `!`, and the meta data asked for.
fn is_wanted(entry: &Value, wanted: &Value) -> bool {
    let tags: Vec<String> = texts(&entry["Service"]["Tags"]).map(str::to_lowercase).collect();
    let tagged = texts(&wanted["Tags"]).all(|tag| match tag.strip_prefix('!') {
        Some(tag) => !tags.contains(&tag.to_lowercase()),
        None => tags.contains(&tag.to_lowercase()),
    });
    let has = |found: &Value, wanted: &Value| {
        wanted.as_object().into_iter().flatten().all(|(key, value)| found[key] == *value)
    };
    tagged
        && has(&entry["Node"]["Meta"], &wanted["NodeMeta"])
        && has(&entry["Service"]["Meta"], &wanted["ServiceMeta"])
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}
