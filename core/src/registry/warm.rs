//! Registries that start in the middle of a converged cluster, for simulations of large ones.
//!
//! Each node registers what is its own, without a word to anybody; the union of what all registered
//! is then handed to each, and shares its memory among them.

use super::command::{RegistryCommand, RegistryError};
use super::record::Record;
use super::state::RegistryView;
use crate::node::Node;
use crate::output::{Output, Persist};

impl RegistryView {
    /// Everything that these know, which were made with one hash seed. Of two versions of a record,
    /// the newer one.
    #[must_use]
    pub fn union<'a>(views: impl IntoIterator<Item = &'a RegistryView>) -> RegistryView {
        let mut all = RegistryView::default();
        for view in views {
            debug_assert!(all.records.is_empty() || all.seed == view.seed, "places of different seeds");
            all.seed = view.seed;
            for record in &view.records {
                if all.get(record.key()).is_none_or(|held| record.beats(held)) {
                    all.records.upsert(record.clone(), None);
                }
            }
        }
        all
    }

    /// These records, which were made for tables of this hash seed.
    #[must_use]
    pub fn of(hash_seed: u64, records: impl IntoIterator<Item = Record>) -> RegistryView {
        RegistryView::new(records.into_iter().collect(), hash_seed)
    }
}

impl Node {
    /// Carries out what a node of a converged cluster was asked long ago: everybody knows of it, or
    /// will be made to ([`knows`](Self::knows)).
    ///
    /// # Errors
    /// As for [`Command::Registry`](crate::Command::Registry); commands before it are carried out.
    pub fn registered(
        &mut self,
        commands: impl IntoIterator<Item = RegistryCommand>,
    ) -> Result<(), RegistryError> {
        let Node { cx, registry: Some(registry), .. } = self else { return Err(RegistryError::Off) };
        let result = commands.into_iter().try_for_each(|command| registry.begin_with(cx, command));
        drop(registry.take_told());
        self.keep_writes();
        result
    }

    /// Takes everything for known that `all` holds: the [union](RegistryView::union) of what this
    /// node and others registered. The memory is shared.
    pub fn knows(&mut self, all: &RegistryView) {
        let Some(registry) = &mut self.registry else { return };
        debug_assert_eq!(registry.table.seed(), all.seed, "places of different seeds");
        registry.table.adopt(all.records.clone());
    }

    /// Of what it would put out, only what is to be written is not long known.
    pub(crate) fn keep_writes(&mut self) {
        let is_kept = |output: &Output| matches!(output, Output::Persist(Persist::Registry { .. }));
        self.cx.outputs.retain(is_kept);
    }
}

#[cfg(test)]
mod tests {
    use core::net::SocketAddr;
    use std::format;
    use std::vec::Vec;

    use super::*;
    use crate::config::Config;
    use crate::registry::service::Service;
    use crate::time::Time;
    use crate::view::View;

    #[test]
    fn all_know_what_each_registered_and_have_nothing_to_tell() {
        let make = |i: u8| {
            let mut config = Config::lan(format!("n{i}"), SocketAddr::from(([10, 0, 0, i], 7946)));
            config.hash_seed = Some(7);
            config.registry.enabled = true;
            config
        };
        let configs: Vec<Config> = (0..20).map(make).collect();
        let view = View::converged(7, &configs);
        let start = |config: &Config| {
            let mut node = Node::converged(config.clone(), [1; 32], Time::ZERO, &view).unwrap();
            let service = Service { name: "web".into(), ..Service::default() };
            let id = "web-1".into();
            let command =
                RegistryCommand::Register { id, service, checks: Vec::new(), replace_checks: false };
            node.registered([command]).unwrap();
            node
        };
        let mut nodes: Vec<Node> = configs.iter().map(start).collect();
        let views: Vec<RegistryView> = nodes.iter().map(Node::registry).collect();
        let all = RegistryView::union(&views);
        assert_eq!(all.records().len(), 40, "a head and an instance each");
        for (node, own) in nodes.iter_mut().zip(&views) {
            node.knows(&all);
            assert!(node.registry().same(&all), "memory is shared");
            assert_eq!(node.poll_output(), None);
            assert!(own.records().iter().all(|record| all.get(record.key()) == Some(record)));
        }
    }
}
