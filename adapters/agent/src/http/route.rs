//! Which request is whose.

use http::{HeaderName, HeaderValue, Method, StatusCode};
use tidings_core::registry::catalog::Catalog;
use tidings_core::registry::check::Health;

use super::answer::{Answer, Body};
use super::directory::Watch;
use super::params::{Params, Since, Waiting};
use super::server::{Api, Head};
use super::{
    Site, access, agent, catalog, events, host, local, metrics, page, query, reading, status, writing,
};

/// A request, read to its end.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// The path as it was sent.
    pub(crate) path: String,
    pub(crate) params: Params,
    pub(crate) body: Vec<u8>,
    /// A bare word is wanted where there is one.
    pub(crate) as_text: bool,
}

/// What a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Itself,
    Version,
    Members,
    Join,
    Leave,
    ForceLeave,
    Reload,
    Monitor,
    Metrics,
    Prometheus,
    FireEvent,
    Events,
    Leader,
    Peers,
    Coordinates,
    Coordinate,
    CoordinateDatacenters,
    RegisterService,
    DeregisterService,
    MaintainService,
    MaintainNode,
    RegisterCheck,
    DeregisterCheck,
    Report(Health),
    UpdateCheck,
    Services,
    Service,
    Checks,
    HealthById,
    HealthByName,
    Datacenters,
    CatalogNodes,
    CatalogServices,
    CatalogService,
    CatalogNode,
    CatalogNodeServices,
    CatalogRegister,
    CatalogDeregister,
    Nobody,
    HealthNode,
    HealthChecks,
    HealthState,
    HealthService,
    NeedsStore,
    UpdateCoordinate,
    Host,
    Queries,
    Query,
    NoAcl,
}

/// A path, whether what follows it is an argument, and the method; `None`: any.
struct Route(&'static str, bool, Option<Method>, Call);

const fn get(path: &'static str, call: Call) -> Route {
    Route(path, false, Some(Method::GET), call)
}

const fn put(path: &'static str, call: Call) -> Route {
    Route(path, false, Some(Method::PUT), call)
}

const fn get_of(path: &'static str, call: Call) -> Route {
    Route(path, true, Some(Method::GET), call)
}

const fn put_of(path: &'static str, call: Call) -> Route {
    Route(path, true, Some(Method::PUT), call)
}

const fn any(path: &'static str, call: Call) -> Route {
    Route(path, true, None, call)
}

/// Longer paths stand before shorter ones that they begin with.
const ROUTES: &[Route] = &[
    get("/v1/agent/self", Call::Itself),
    get("/v1/agent/version", Call::Version),
    get("/v1/agent/members", Call::Members),
    put_of("/v1/agent/join/", Call::Join),
    put("/v1/agent/leave", Call::Leave),
    put_of("/v1/agent/force-leave/", Call::ForceLeave),
    put("/v1/agent/reload", Call::Reload),
    get("/v1/agent/monitor", Call::Monitor),
    get("/v1/agent/metrics", Call::Metrics),
    get("/metrics", Call::Prometheus),
    put_of("/v1/event/fire/", Call::FireEvent),
    get("/v1/event/list", Call::Events),
    get("/v1/status/leader", Call::Leader),
    get("/v1/status/peers", Call::Peers),
    get("/v1/coordinate/nodes", Call::Coordinates),
    get_of("/v1/coordinate/node/", Call::Coordinate),
    get("/v1/coordinate/datacenters", Call::CoordinateDatacenters),
    put("/v1/coordinate/update", Call::UpdateCoordinate),
    get("/v1/agent/host", Call::Host),
    Route("/v1/query", false, None, Call::Queries),
    any("/v1/query/", Call::Query),
    put("/v1/agent/service/register", Call::RegisterService),
    put_of("/v1/agent/service/deregister/", Call::DeregisterService),
    put_of("/v1/agent/service/maintenance/", Call::MaintainService),
    get_of("/v1/agent/service/", Call::Service),
    get("/v1/agent/services", Call::Services),
    put("/v1/agent/maintenance", Call::MaintainNode),
    put("/v1/agent/check/register", Call::RegisterCheck),
    put_of("/v1/agent/check/deregister/", Call::DeregisterCheck),
    put_of("/v1/agent/check/pass/", Call::Report(Health::Passing)),
    put_of("/v1/agent/check/warn/", Call::Report(Health::Warning)),
    put_of("/v1/agent/check/fail/", Call::Report(Health::Critical)),
    put_of("/v1/agent/check/update/", Call::UpdateCheck),
    get("/v1/agent/checks", Call::Checks),
    get_of("/v1/agent/health/service/id/", Call::HealthById),
    get_of("/v1/agent/health/service/name/", Call::HealthByName),
    any("/v1/agent/token/", Call::NoAcl),
    any("/v1/acl/", Call::NoAcl),
    get("/v1/catalog/datacenters", Call::Datacenters),
    get("/v1/catalog/nodes", Call::CatalogNodes),
    get("/v1/catalog/services", Call::CatalogServices),
    get_of("/v1/catalog/service/", Call::CatalogService),
    get_of("/v1/catalog/connect/", Call::Nobody),
    get_of("/v1/catalog/node/", Call::CatalogNode),
    get_of("/v1/catalog/node-services/", Call::CatalogNodeServices),
    put("/v1/catalog/register", Call::CatalogRegister),
    put("/v1/catalog/deregister", Call::CatalogDeregister),
    get_of("/v1/health/node/", Call::HealthNode),
    get_of("/v1/health/checks/", Call::HealthChecks),
    get_of("/v1/health/state/", Call::HealthState),
    get_of("/v1/health/service/", Call::HealthService),
    get_of("/v1/health/connect/", Call::Nobody),
    get_of("/v1/health/ingress/", Call::Nobody),
    any("/v1/kv/", Call::NeedsStore),
    Route("/v1/kv", false, None, Call::NeedsStore),
    any("/v1/session/", Call::NeedsStore),
    Route("/v1/txn", false, None, Call::NeedsStore),
];

/// What the registry cannot promise, and who reads an absent key from a 404 must not be told.
const NO_STORE: &str = "key/value entries, sessions, locks and transactions need a consistent store, which \
                        this agent does not have";

impl Api for Site {
    fn refusal(&self, head: &Head<'_>) -> Option<Answer> {
        if let Some(refusal) = self.rules.refusal(head.from, head.method, head.path) {
            return Some(refusal);
        }
        // Clients ask for these to see whether somebody is there, and what can be done.
        if head.path.starts_with("/v1/status/") || head.method == Method::OPTIONS {
            return None;
        }
        // It is the same everywhere, and asks its reader for the token.
        if self.ui && page::has(head.path) {
            return None;
        }
        access::refusal(self.token.as_deref(), head.headers, head.params)
    }

    fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        self.rules.headers()
    }

    async fn answer(&self, request: Request) -> Answer {
        answer(self, request).await
    }
}

/// Answers a request.
async fn answer(site: &Site, request: Request) -> Answer {
    if let Some(clean) = cleaned(&request.path) {
        return page::moved(&clean);
    }
    if super::params::argument(&request.path).chars().any(char::is_control) {
        return Answer::new(StatusCode::BAD_REQUEST, Body::Empty);
    }
    if site.ui && page::has(&request.path) {
        return refuse_method(&request, &Method::GET).unwrap_or_else(|| page::answer(&request.path));
    }
    // A path that ends like a prefix without its slash names the empty argument's place.
    let found = ROUTES.iter().find(|Route(path, prefix, ..)| match prefix {
        true => request.path.starts_with(path),
        false => request.path == *path,
    });
    let Some(Route(path, _, method, call)) = found else {
        return Answer::new(StatusCode::NOT_FOUND, Body::Empty);
    };
    if let Some(refusal) = method.as_ref().and_then(|method| refuse_method(&request, method)) {
        return refusal;
    }
    if let Some(refusal) = refuse_params(site, &request.params) {
        return refusal;
    }
    let argument = super::params::argument(request.path.strip_prefix(path).unwrap_or_default());
    let Some(watch) = watched(*call, &argument) else {
        return carry_out(site, *call, &argument, &request).await;
    };
    let waiting = match request.params.waiting() {
        Ok(waiting) => waiting,
        Err(words) => return Answer::bad(words),
    };
    let request = Request { params: request.params.without(&["index", "wait", "hash"]), ..request };
    let now = || look_up(site, *call, &watch, &argument, &request);
    match waiting {
        Some(Waiting { since: Since::Index(index), wait }) => {
            reading::wait(site, watch.clone(), index, reading::end(wait), now).await
        }
        _ => now().await,
    }
}

/// The part of the catalog that a request looks at, if it is one of those that can wait for a change.
fn watched(call: Call, argument: &str) -> Option<Watch> {
    Some(match call {
        Call::CatalogNodes => Watch::Nodes,
        Call::CatalogServices => Watch::Services,
        Call::HealthState => Watch::Checks,
        Call::CatalogNode | Call::CatalogNodeServices | Call::HealthNode => Watch::Node(argument.into()),
        Call::CatalogService | Call::HealthChecks | Call::HealthService => {
            Watch::Service(argument.to_lowercase().as_str().into())
        }
        _ => return None,
    })
}

/// The answer to a look-up of this part of the catalog as it is now. One that depends on nothing else is
/// kept: who wants an order by distance is answered for himself.
async fn look_up(site: &Site, call: Call, part: &Watch, argument: &str, request: &Request) -> Answer {
    if request.params.has("near") {
        return carry_out(site, call, argument, request).await;
    }
    let asked = request.params.without(&["pretty", "token"]).name(&request.path);
    // Before the catalog is looked at, so that nothing old is ever kept for something new.
    let stamp = stamp(&site.directory.catalog(), part);
    if let Some(answer) = site.cache.get(stamp, &asked) {
        return answer;
    }
    let answer = carry_out(site, call, argument, request).await;
    site.cache.put(stamp, asked, &answer);
    answer
}

/// Differs after every change of a part of the catalog, or of the nodes by whose meta data its entries may
/// be chosen.
fn stamp(catalog: &Catalog, part: &Watch) -> u64 {
    match part {
        Watch::Nodes => catalog.nodes_index(),
        Watch::Services => catalog.services_index().max(catalog.nodes_index()),
        Watch::Checks => catalog.checks_index().max(catalog.nodes_index()),
        Watch::Service(name) => catalog.service_index(name),
        Watch::Node(name) => catalog.node_index(name),
    }
}

/// A path without `//`, `.` and `..`, if it has any.
fn cleaned(path: &str) -> Option<String> {
    let odd = |part: &str| part == "." || part == "..";
    if !path.contains("//") && !path.split('/').any(odd) {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    let slash = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    Some(format!("/{}{slash}", parts.join("/")))
}

fn refuse_method(request: &Request, method: &Method) -> Option<Answer> {
    let allow = format!("OPTIONS,{method}");
    if request.method == Method::OPTIONS {
        return Some(Answer::done().with("allow", allow));
    }
    if request.method == method {
        return None;
    }
    let words = format!("method {} not allowed", request.method);
    Some(Answer::error(StatusCode::METHOD_NOT_ALLOWED, words).with("allow", allow))
}

fn refuse_params(site: &Site, params: &Params) -> Option<Answer> {
    if params.has("ns") {
        return Some(Answer::bad(
            "Bad request: Invalid query parameter: \"ns\" - Namespaces are a Consul Enterprise feature",
        ));
    }
    let elsewhere = params.get("dc").is_some_and(|dc| !dc.is_empty() && dc != site.datacenter);
    elsewhere.then(|| Answer::refused("No path to datacenter"))
}

async fn carry_out(site: &Site, call: Call, argument: &str, request: &Request) -> Answer {
    let Request { params, body, as_text, .. } = request;
    match call {
        Call::Itself => agent::itself(site).await,
        Call::Version => agent::version(),
        Call::Members => agent::members(site, params),
        Call::Join => agent::join(site, params, argument).await,
        Call::Leave => agent::leave(site).await,
        Call::ForceLeave => agent::force_leave(site, params, argument).await,
        Call::Reload => agent::reload(site).await,
        Call::Monitor => agent::monitor(site, params),
        Call::Metrics => metrics::metrics(site, params).await,
        Call::Prometheus => metrics::prometheus(site).await,
        Call::FireEvent => events::fire(site, params, argument, body).await,
        Call::Events => events::list(site, params).await,
        Call::Leader => status::leader(site),
        Call::Peers => status::peers(site),
        Call::Coordinates => status::nodes(site, params).await.into(),
        Call::Coordinate => status::node(site, params, argument).await.into(),
        Call::CoordinateDatacenters => status::datacenters(site).await,
        Call::RegisterService => local::register_service(site, params, body).await,
        Call::DeregisterService => local::deregister_service(site, argument).await,
        Call::MaintainService => local::maintain(site, params, Some(argument)).await,
        Call::MaintainNode => local::maintain(site, params, None).await,
        Call::RegisterCheck => local::register_check(site, body).await,
        Call::DeregisterCheck => local::deregister_check(site, argument).await,
        Call::Report(status) => local::report(site, params, argument, status).await,
        Call::UpdateCheck => local::update_check(site, argument, body).await,
        Call::Services => local::services(site, params).into(),
        Call::Service => local::service(site, params, argument).await.into(),
        Call::Checks => local::checks(site, params).await.into(),
        Call::HealthById => local::health_by_id(site, argument, *as_text).await,
        Call::HealthByName => local::health_by_name(site, argument, *as_text).await,
        Call::Datacenters => Answer::json(serde_json::json!([site.datacenter])),
        Call::CatalogNodes => catalog::nodes(site, params).await.into(),
        Call::CatalogServices => catalog::services(site, params).into(),
        Call::CatalogService => catalog::service(site, params, argument).await.into(),
        Call::CatalogNode => catalog::node(site, params, argument, false).into(),
        Call::CatalogNodeServices => catalog::node(site, params, argument, true).into(),
        Call::CatalogRegister => writing::register(site, body).await,
        Call::CatalogDeregister => writing::deregister(site, body).await,
        Call::Nobody => Answer::json(serde_json::json!([])),
        Call::HealthNode => catalog::health_node(site, params, argument).into(),
        Call::HealthChecks => catalog::health_of_service(site, params, argument).into(),
        Call::HealthState => catalog::health_state(site, params, argument).into(),
        Call::HealthService => catalog::health_service(site, params, argument).await.into(),
        Call::NeedsStore => Answer::error(StatusCode::NOT_IMPLEMENTED, NO_STORE),
        Call::UpdateCoordinate => status::update(site, body).unwrap_or_else(|refusal| refusal),
        Call::Host => host::host(site),
        Call::Queries => query::queries(site, request).await.unwrap_or_else(|refusal| refusal),
        Call::Query => query::query(site, argument, request).await.unwrap_or_else(|refusal| refusal),
        Call::NoAcl => Answer::error(StatusCode::UNAUTHORIZED, "ACL support disabled"),
    }
}
