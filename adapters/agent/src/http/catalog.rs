//! `/v1/catalog/...` and `/v1/health/...`, reading (consul-http, sections 6 and 7).

use std::collections::BTreeMap;

use serde::Serialize;
use tidings_core::registry::catalog::Catalog;
use tidings_core::registry::check::Health;
use tidings_core::registry::service::Text;

use super::Site;
use super::answer::{self, Answer};
use super::near::Near;
use super::params::Params;
use super::reading::{Wanted, read};
use super::shape::{self, CheckEntry};
use crate::filter::selectors;
use crate::go;

/// A list of texts.
fn words<'a>(texts: impl Iterator<Item = &'a Text>) -> Vec<&'a str> {
    texts.map(|text| &**text).collect()
}

pub(super) async fn nodes(site: &Site, params: &Params) -> Result<Answer, Answer> {
    let wanted = Wanted::of(params, selectors::NODE)?;
    let near = Near::of(site, params).await;
    read(site, params, |catalog| {
        let mut nodes: Vec<_> = catalog.nodes().filter(|node| wanted.node(node)).collect();
        near.sort(&mut nodes, |node| node.name());
        let list = wanted.list(nodes.into_iter().map(|node| shape::node(node, &site.datacenter)));
        (catalog.nodes_index(), list)
    })
}

pub(super) fn services(site: &Site, params: &Params) -> Result<Answer, Answer> {
    let wanted = Wanted::of(&params.without(&["filter"]), selectors::NODE)?;
    read(site, params, |catalog| {
        let index = catalog.services_index();
        if !params.has("node-meta") {
            let all = catalog.services();
            let all: BTreeMap<&str, Vec<&str>> =
                all.iter().map(|(name, tags)| (&***name, words(tags.iter().copied()))).collect();
            return (index, answer::written(&all));
        }
        // Only those on nodes that have what is asked for.
        let mut found = BTreeMap::new();
        for name in catalog.services().into_keys() {
            let mut tags: Vec<&Text> = catalog
                .service(name)
                .filter(|it| wanted.node(it.node))
                .flat_map(|it| &it.service.tags)
                .collect();
            tags.sort();
            tags.dedup();
            if catalog.service(name).any(|it| wanted.node(it.node)) {
                found.insert(&**name, words(tags.into_iter()));
            }
        }
        (index, answer::written(&found))
    })
}

pub(super) async fn service(site: &Site, params: &Params, name: &str) -> Result<Answer, Answer> {
    if name.is_empty() {
        return Err(Answer::bad("Missing service name"));
    }
    let wanted = Wanted::of(params, selectors::CATALOG_SERVICE)?;
    let near = Near::of(site, params).await;
    read(site, params, |catalog| {
        let mut found: Vec<_> = catalog.service(name).filter(|it| wanted.instance(it)).collect();
        near.sort(&mut found, |it| it.node.name());
        let list = wanted.list(found.iter().map(|it| shape::catalog_service(it, &site.datacenter)));
        (catalog.service_index(name), list)
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OfNode<'a> {
    node: shape::NodeEntry<'a>,
    services: Services<'a>,
}

/// The instances of a node. An empty list is shown as `null`.
#[derive(Serialize)]
#[serde(untagged)]
enum Services<'a> {
    ById(BTreeMap<&'a str, shape::ServiceEntry<'a>>),
    List(Option<Vec<shape::ServiceEntry<'a>>>),
}

/// A node with its instances, by ID or as a list.
pub(super) fn node(site: &Site, params: &Params, name: &str, as_list: bool) -> Result<Answer, Answer> {
    if name.is_empty() {
        return Err(Answer::bad("Missing node name"));
    }
    let wanted = Wanted::of(params, selectors::SERVICE)?;
    read(site, params, |catalog| {
        let index = catalog.node_index(name);
        let Some(node) = catalog.node(name) else {
            return (index, answer::written(&()));
        };
        let services = node.services().filter_map(|shown| {
            let entry = shape::service(shown, shown.record().service()?);
            wanted.passes(&entry).then_some((&**shown.id(), entry))
        });
        let services = if as_list {
            let list: Vec<_> = services.map(|(_, entry)| entry).collect();
            Services::List(Some(list).filter(|list| !list.is_empty()))
        } else {
            Services::ById(services.collect())
        };
        (index, answer::written(&OfNode { node: shape::node(node, &site.datacenter), services }))
    })
}

pub(super) fn health_node(site: &Site, params: &Params, name: &str) -> Result<Answer, Answer> {
    if name.is_empty() {
        return Err(Answer::bad("Missing node name"));
    }
    health_checks(site, params, |catalog| {
        let checks = catalog.node(name).map(shape::all_checks).unwrap_or_default();
        (catalog.node_index(name), checks)
    })
}

pub(super) fn health_of_service(site: &Site, params: &Params, name: &str) -> Result<Answer, Answer> {
    if name.is_empty() {
        return Err(Answer::bad("Missing service name"));
    }
    health_checks(site, params, |catalog| {
        (catalog.service_index(name), shape::checks_of_service(catalog, name))
    })
}

pub(super) fn health_state(site: &Site, params: &Params, state: &str) -> Result<Answer, Answer> {
    if state.is_empty() {
        return Err(Answer::bad("Missing check state"));
    }
    health_checks(site, params, |catalog| {
        let checks = match (state, Health::from_word(state)) {
            ("any", _) => shape::checks_faring(catalog, None),
            (_, Some(health)) => shape::checks_faring(catalog, Some(health)),
            _ => Vec::new(),
        };
        (catalog.checks_index(), checks)
    })
}

fn health_checks(
    site: &Site,
    params: &Params,
    checks: impl for<'a> Fn(&'a Catalog) -> (u64, Vec<CheckEntry<'a>>),
) -> Result<Answer, Answer> {
    let wanted = Wanted::of(params, selectors::CHECK)?;
    read(site, params, |catalog| {
        let (index, checks) = checks(catalog);
        let on_wanted_node =
            |check: &CheckEntry<'_>| catalog.node(check.node).is_some_and(|node| wanted.node(node));
        (index, wanted.list(checks.into_iter().filter(on_wanted_node)))
    })
}

/// Instances with their nodes and checks: what load balancers read.
pub(super) async fn health_service(site: &Site, params: &Params, name: &str) -> Result<Answer, Answer> {
    if name.is_empty() {
        return Err(Answer::bad("Missing service name"));
    }
    let passing = match params.get("passing") {
        None => false,
        Some("") => true,
        Some(text) => go::truth(text).ok_or_else(|| Answer::bad("Invalid value for ?passing"))?,
    };
    let wanted = Wanted::of(params, selectors::HEALTH_SERVICE)?;
    let near = Near::of(site, params).await;
    read(site, params, |catalog| {
        let mut found: Vec<_> = catalog
            .service(name)
            .filter(|it| wanted.instance(it) && (!passing || it.health() == Health::Passing))
            .collect();
        near.sort(&mut found, |it| it.node.name());
        let list = wanted.list(found.iter().map(|it| shape::health(it, &site.datacenter)));
        (catalog.service_index(name), list)
    })
}
