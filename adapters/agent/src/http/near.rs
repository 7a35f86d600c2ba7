//! Nearest first: by the round-trip times that network coordinates estimate.

use std::collections::HashMap;

use tidings_core::registry::service::Text;

use super::Site;
use super::params::Params;

/// The order asked for with `near`.
pub(super) struct Near(HashMap<String, f64>);

impl Near {
    /// What is known of the distances to the node asked for; `_agent` is this one. Without the
    /// parameter, or for a node nothing is known of, no order.
    pub(super) async fn of(site: &Site, params: &Params) -> Near {
        Near::to(site, params.get("near").unwrap_or_default()).await
    }

    /// The same for a node's name; an empty one: no order.
    pub(super) async fn to(site: &Site, near: &str) -> Near {
        if near.is_empty() {
            return Near(HashMap::new());
        }
        let origin = if near == "_agent" { site.name().to_owned() } else { near.to_owned() };
        let names: Vec<Text> = site.directory.catalog().nodes().map(|node| node.name().clone()).collect();
        let told = site.positions.all();
        let distances = site.directory.node().inspect(move |node| {
            let of = |name: &str| node.coordinate(name).or_else(|| told.get(name).copied());
            let origin = of(&origin)?;
            let distance = |name: &Text| Some((name.to_string(), origin.distance(&of(name)?).as_secs_f64()));
            Some(names.iter().filter_map(distance).collect())
        });
        Near(distances.await.ok().flatten().unwrap_or_default())
    }

    /// Puts a list in order; those of whom nothing is known come last, as they were.
    pub(super) fn sort<T>(&self, list: &mut [T], node: impl Fn(&T) -> &Text) {
        if !self.0.is_empty() {
            let distance = |it: &T| self.0.get(&**node(it)).copied().unwrap_or(f64::INFINITY);
            list.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
        }
    }
}
