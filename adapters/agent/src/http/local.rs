//! `/v1/agent/service...` and `/v1/agent/check...`: what is registered at this agent (consul-http,
//! sections 4 and 5).

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use http::StatusCode;
use serde_json::{Map, Value, json};
use tidings_core::CommandError;
use tidings_core::registry::catalog::Node;
use tidings_core::registry::check::{Check, Health};
use tidings_core::registry::command::{RegistryCommand, RegistryError};
use tidings_core::registry::{NODE_MAINTENANCE, SERVICE_MAINTENANCE};
use tidings_tokio::Error;
use tokio::time::Instant;

use super::Site;
use super::answer::{Answer, Body};
use super::decode::{self, Fields, Undecodable};
use super::directory::Watch;
use super::params::{Params, Since};
use super::reading::Wanted;
use super::registration::{self, Bad};
use super::shape;
use crate::filter::selectors;
use crate::go;

/// Asks the registry; what a client has been told is done can be read.
pub(super) async fn ask(site: &Site, command: RegistryCommand) -> Answer {
    match site.directory.node().register(command).await {
        Ok(()) => {
            site.directory.refresh();
            Answer::done()
        }
        Err(Error::Command(CommandError::Registry(error))) => refusal(&error),
        Err(error) => Answer::refused(error.to_string()),
    }
}

fn refusal(error: &RegistryError) -> Answer {
    match error {
        RegistryError::UnknownService(_) => Answer::error(StatusCode::NOT_FOUND, error.to_string()),
        RegistryError::TooLarge { .. } => Answer::error(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
        _ => Answer::refused(error.to_string()),
    }
}

fn read_fields(body: &[u8]) -> Result<Fields, Undecodable> {
    Fields::of(decode::body(body)?, &[])
}

pub(super) async fn register_service(site: &Site, params: &Params, body: &[u8]) -> Answer {
    let read = |body| -> Result<_, Bad> { registration::own_service(read_fields(body)?, site.allowed) };
    match read(body) {
        Err(bad) => bad.into(),
        Ok(registration) => {
            let replace_checks = params.get("replace-existing-checks").is_some_and(is_on);
            let registration::Registration { id, service, checks } = registration;
            ask(site, RegistryCommand::Register { id, service, checks, replace_checks }).await
        }
    }
}

/// Whether a parameter that may stand alone is on.
fn is_on(text: &str) -> bool {
    text.is_empty() || go::truth(text) == Some(true)
}

pub(super) async fn register_check(site: &Site, body: &[u8]) -> Answer {
    let read = |body| -> Result<_, Bad> { registration::lone_check(read_fields(body)?, site.allowed) };
    match read(body) {
        Err(bad) => bad.into(),
        Ok(spec) => ask(site, RegistryCommand::RegisterCheck(spec)).await,
    }
}

pub(super) async fn deregister_service(site: &Site, id: &str) -> Answer {
    if id.is_empty() {
        return Answer::refused("ServiceID missing");
    }
    ask(site, RegistryCommand::Deregister(id.into())).await
}

pub(super) async fn deregister_check(site: &Site, id: &str) -> Answer {
    if id.is_empty() {
        return Answer::refused("CheckID missing");
    }
    ask(site, RegistryCommand::DeregisterCheck(id.into())).await
}

/// `pass`, `warn` and `fail`.
pub(super) async fn report(site: &Site, params: &Params, id: &str, status: Health) -> Answer {
    let output = params.get("note").unwrap_or_default().to_owned();
    ask(site, RegistryCommand::Report { check: id.into(), status, output }).await
}

pub(super) async fn update_check(site: &Site, id: &str, body: &[u8]) -> Answer {
    let read = |body| -> Result<_, Undecodable> {
        let mut fields = read_fields(body)?;
        Ok((fields.text(&["Status"])?, fields.text(&["Output"])?))
    };
    let (word, output) = match read(body) {
        Ok(read) => read,
        Err(error) => return Bad::Body(error).into(),
    };
    match Health::from_word(&word) {
        None => Answer::bad(format!("Invalid check status: '{word}'")),
        Some(status) => ask(site, RegistryCommand::Report { check: id.into(), status, output }).await,
    }
}

/// Maintenance of an instance, or of the node.
pub(super) async fn maintain(site: &Site, params: &Params, service: Option<&str>) -> Answer {
    if service == Some("") {
        return Answer::bad("Missing service ID");
    }
    let enable = match params.get("enable") {
        None | Some("") => return Answer::bad("Missing value for enable"),
        Some(text) => match go::truth(text) {
            Some(enable) => enable,
            None => return Answer::bad(format!("Invalid value for enable: {text:?}")),
        },
    };
    let reason = enable.then(|| params.get("reason").unwrap_or_default().to_owned());
    ask(site, RegistryCommand::Maintain { service: service.map(Into::into), reason }).await
}

/// Whatever this agent knows of itself, under the catalog's lock.
fn own<T>(site: &Site, look: impl FnOnce(&Node) -> T) -> Option<T> {
    site.directory.catalog().node(site.name()).map(look)
}

pub(super) fn services(site: &Site, params: &Params) -> Result<Answer, Answer> {
    let wanted = Wanted::of(params, selectors::SERVICE)?;
    let all = own(site, |node| {
        let service = |shown: &tidings_core::registry::catalog::Shown| {
            let value = shape::own_service(shown.id(), shown.record().service()?);
            wanted.passes(&value).then(|| (shown.id().to_string(), value))
        };
        node.services().filter_map(service).collect::<Map<String, Value>>()
    });
    Ok(Answer::json(all.unwrap_or_default().into()))
}

fn one(site: &Site, id: &str) -> Option<Value> {
    own(site, |node| Some(shape::own_service(id, node.service(id)?.record().service()?)))?
}

/// An instance with a hash of what it is; waits for another one if asked to.
pub(super) async fn service(site: &Site, params: &Params, id: &str) -> Result<Answer, Answer> {
    let waiting = params.waiting().map_err(Answer::bad)?.and_then(|waiting| match waiting.since {
        Since::Hash(hash) => Some((hash, Instant::now() + waiting.wait)),
        Since::Index(_) => None,
    });
    let mut changed = site.directory.watch(Watch::Node(site.name().into()));
    loop {
        let Some(mut value) = one(site, id) else {
            return Err(Answer::error(StatusCode::NOT_FOUND, format!("unknown service ID: {id}")));
        };
        let hash = content_hash(&value);
        let over = match &waiting {
            Some((known, end)) if *known == hash => {
                !matches!(tokio::time::timeout_at(*end, changed.changed()).await, Ok(Ok(())))
            }
            _ => true,
        };
        if over {
            value["ContentHash"] = json!(hash);
            return Ok(Answer::json(value).with("x-consul-contenthash", hash));
        }
    }
}

/// The same for equal instances.
fn content_hash(value: &Value) -> String {
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// All checks registered here, as this agent knows them now.
async fn own_checks(site: &Site) -> Vec<(String, Value)> {
    let checks = site.directory.node().inspect(|node| {
        let owned = node.checks().map(|it| (it.spec.clone(), it.status, it.output.clone()));
        owned.collect::<Vec<_>>()
    });
    let checks = checks.await.unwrap_or_default();
    let known: HashMap<String, Check> = own(site, |node| {
        let said = node.checks().filter_map(|it| Some((it.id().to_string(), it.record().check()?.clone())));
        said.collect()
    })
    .unwrap_or_default();
    let shown = checks.into_iter().filter_map(|(spec, status, output)| {
        let known = known.get(&*spec.id)?;
        Some((spec.id.to_string(), shape::own_check(site.name(), &spec, status, &output, known)))
    });
    shown.collect()
}

pub(super) async fn checks(site: &Site, params: &Params) -> Result<Answer, Answer> {
    let wanted = Wanted::of(params, selectors::CHECK)?;
    let all = own_checks(site).await.into_iter().filter(|(_, check)| wanted.passes(check));
    Ok(Answer::json(all.collect::<Map<String, Value>>().into()))
}

/// How an instance fares, as a word for load balancers without JSON.
struct Aggregate {
    word: &'static str,
    entry: Value,
}

fn aggregate(id: &str, service: Value, checks: &[(String, Value)]) -> Aggregate {
    let of = |check: &Value| check["ServiceID"] == json!(id) || check["ServiceID"] == json!("");
    let of_it: Vec<&Value> = checks.iter().map(|(_, check)| check).filter(|check| of(check)).collect();
    let maintenance = |check: &Value| {
        let id = check["CheckID"].as_str().unwrap_or_default();
        id == NODE_MAINTENANCE || id.starts_with(SERVICE_MAINTENANCE)
    };
    let health = |check: &&Value| check["Status"].as_str().and_then(Health::from_word);
    let worst = of_it.iter().filter_map(health).max().unwrap_or(Health::Passing);
    let word = if of_it.iter().any(|check| maintenance(check)) { "maintenance" } else { worst.as_str() };
    let shown: Vec<Value> = of_it.iter().map(|check| shape::aggregated_check(check)).collect();
    let entry = json!({ "AggregatedStatus": word, "Service": service, "Checks": shown });
    Aggregate { word, entry }
}

fn status_of(word: &str) -> StatusCode {
    match word {
        "passing" => StatusCode::OK,
        "warning" => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The answer with its reason in the header; `as_text`: the word alone.
fn faring(status: StatusCode, word: &str, reason: &str, body: Value, as_text: bool) -> Answer {
    let text = || Answer::new(status, Body::Other("text/plain", word.to_owned().into()));
    let answer = if as_text { text() } else { Answer { status, ..Answer::json(body) } };
    answer.with("x-consul-reason", reason)
}

pub(super) async fn health_by_id(site: &Site, id: &str, as_text: bool) -> Answer {
    if id.is_empty() {
        return Answer::refused("Bad request: Missing serviceID");
    }
    let Some(service) = one(site, id) else {
        let body = json!({ "AggregatedStatus": "critical", "Service": null, "Checks": null });
        let reason = format!("ServiceId {id} not found");
        return faring(StatusCode::NOT_FOUND, "critical", &reason, body, as_text);
    };
    let Aggregate { word, entry } = aggregate(id, service, &own_checks(site).await);
    faring(status_of(word), word, word, entry, as_text)
}

pub(super) async fn health_by_name(site: &Site, name: &str, as_text: bool) -> Answer {
    if name.is_empty() {
        return Answer::refused("Bad request: Missing service Name");
    }
    let named = own(site, |node| {
        let named = node.services().filter_map(|shown| {
            let service = shown.record().service()?;
            (*service.name == *name)
                .then(|| (shown.id().to_string(), shape::own_service(shown.id(), service)))
        });
        named.collect::<Vec<_>>()
    });
    let checks = own_checks(site).await;
    let all: Vec<Aggregate> =
        named.into_iter().flatten().map(|(id, service)| aggregate(&id, service, &checks)).collect();
    if all.is_empty() {
        let reason = format!("ServiceName {name} Not Found");
        return faring(StatusCode::NOT_FOUND, "critical", &reason, json!([]), as_text);
    }
    let order = ["passing", "warning", "critical", "maintenance"];
    let rank = |it: &Aggregate| order.iter().position(|word| *word == it.word);
    let word = all.iter().max_by_key(|it| rank(it)).map_or("critical", |it| it.word);
    let body = all.into_iter().map(|it| it.entry).collect();
    faring(status_of(word), word, word, body, as_text)
}
