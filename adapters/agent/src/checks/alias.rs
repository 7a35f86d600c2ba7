//! A check that fares as something else does.

use tidings_core::registry::catalog::Catalog;
use tidings_core::registry::check::{Check, Health};

use super::Outcome;

/// The worst of the checks of a node and of one of its instances; `service` may be empty, and a node
/// that is not named is the own one.
///
/// Aliases of nodes do not count: two of them would hold each other critical for ever.
pub(super) fn probe(catalog: &Catalog, own: &str, id: &str, node: &str, service: &str) -> Outcome {
    let name = if node.is_empty() { own } else { node };
    let missing = || Outcome::critical(format!("Service {service} could not be found on node {node}"));
    let Some(target) = catalog.node(name) else {
        return if service.is_empty() {
            Outcome::critical(format!("Node {name} could not be found"))
        } else {
            missing()
        };
    };
    if !service.is_empty() && target.service(service).is_none() {
        return missing();
    }
    if target.membership() == Some(Health::Critical) {
        let failing = "Aliased check \"Serf Health Status\" failing: Agent not live or unreachable";
        return Outcome::critical(failing);
    }
    let itself = |check: &str| name == own && check == id;
    let of_node =
        target.checks_of("").filter(|shown| shown.record().check().is_some_and(|it| &*it.kind != "alias"));
    let mut worst: Option<(Health, &Check)> = None;
    for shown in of_node.chain((!service.is_empty()).then(|| target.checks_of(service)).into_iter().flatten())
    {
        let Some(check) = shown.record().check().filter(|_| !itself(shown.id())) else { continue };
        if worst.is_none_or(|(status, ..)| status < check.status) {
            worst = Some((check.status, check));
        }
    }
    match worst {
        Some((Health::Passing, _)) | None => Outcome::new(Health::Passing, "All checks passing."),
        Some((status, check)) => {
            Outcome::new(status, format!("Aliased check {:?} failing: {}", &*check.name, check.output))
        }
    }
}
