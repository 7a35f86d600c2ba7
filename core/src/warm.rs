//! Nodes that start in the middle of a converged cluster, for simulations that do not want to sit
//! through the join of thousands.

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::config::Config;
use crate::error::ConfigError;
use crate::node::Node;
use crate::registry::marker::encode_meta;
use crate::serf::clock::LamportTime;
use crate::serf::restore::Restored;
use crate::swim::member::{Identity, Member, State, Status, Versions};
use crate::swim::members::Members;
use crate::time::Time;
use crate::view::View;

/// When everybody joined, on the member clock.
const JOINED: LamportTime = LamportTime(1);

impl Identity {
    /// What a node with this configuration says of itself.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let mut meta = Vec::new();
        encode_meta(&config.tags, config.protocol, config.registry.enabled, &mut meta);
        let versions = Versions::ours(config.protocol);
        Identity::new(config.name.as_str().into(), config.advertise, meta.into(), versions)
    }
}

impl View {
    /// The view that nodes with these configurations come to when they have joined and the word of
    /// it has died down. Made once, it is shared by all of them; see [`Node::converged`].
    #[must_use]
    pub fn converged<'a>(hash_seed: u64, configs: impl IntoIterator<Item = &'a Config>) -> View {
        let mut view = View::new(hash_seed, "".into());
        for config in configs {
            let member = Member {
                hash: view.hash_of(&config.name),
                identity: Arc::new(Identity::of(config)),
                status: Status::Alive,
                status_ltime: JOINED,
                incarnation: 1,
                state: State::Alive,
            };
            view.upsert(member, None);
        }
        view
    }
}

impl Node {
    /// Makes a node that has been a member of a converged cluster for a while: it holds `view`
    /// (from [`View::converged`], with this node in it), has nothing left to tell, and begins to
    /// probe. Views made from one `view` share its memory.
    ///
    /// Its seed and its configuration mean what they mean to [`Node::new`]; of
    /// [`Config::hash_seed`] `view` has to know.
    ///
    /// # Errors
    /// What [`Config::validate`] finds; [`ConfigError::Field`] when the view does not hold this
    /// node, or was made with another hash seed.
    pub fn converged(
        config: impl Into<Arc<Config>>,
        seed: [u8; 32],
        now: Time,
        view: &View,
    ) -> Result<Node, ConfigError> {
        let config = config.into();
        if view.get(&config.name).is_none() {
            let problem = "must be in the view to start from".to_string();
            return Err(ConfigError::Field { field: "name", problem });
        }
        if config.hash_seed.is_none_or(|seed| view.hash_seed() != seed) {
            let problem = "must be that of the view to start from".to_string();
            return Err(ConfigError::Field { field: "hash_seed", problem });
        }
        let mut snapshot = Restored { clock: JOINED, ..Restored::default() };
        if config.snapshot {
            snapshot.alive = view.iter().map(|member| (member.name().to_string(), member.addr())).collect();
            snapshot.alive.sort();
        }
        let mut node = Node::restore(config, seed, now, &snapshot)?;
        node.swim.members = Members::converged(view, node.swim.me.clone());
        node.swim.plan_push_pull(&mut node.cx);
        // It joined long ago: what a lone start has to tell is no news.
        node.keep_writes();
        Ok(node)
    }
}

#[cfg(test)]
mod tests {
    use core::net::SocketAddr;
    use std::format;
    use std::vec::Vec;

    use super::*;
    use crate::trie::Record as _;

    fn configs(n: u8) -> Vec<Config> {
        let make = |i| {
            let mut config = Config::lan(format!("n{i}"), SocketAddr::from(([10, 0, 0, i], 7946)));
            config.hash_seed = Some(7);
            config
        };
        (0..n).map(make).collect()
    }

    #[test]
    fn a_warm_node_knows_everybody_and_has_nothing_to_tell() {
        let configs = configs(40);
        let view = View::converged(7, &configs);
        for (i, config) in configs.iter().enumerate() {
            let mut node = Node::converged(config.clone(), [i as u8; 32], Time::ZERO, &view).unwrap();
            assert!(node.view().same(&view), "memory is shared");
            assert_eq!(node.view().local_name(), config.name);
            assert_eq!((node.stats().members, node.stats().failed, node.stats().left), (40, 0, 0));
            assert_eq!(node.stats().member_time, 2, "behind everybody's join");
            assert_eq!(node.poll_output(), None);
            assert!(node.poll_timeout().is_some(), "it probes");
        }
    }

    #[test]
    fn its_own_record_is_the_one_it_would_tell() {
        let mut config = configs(1).remove(0);
        config.tags.insert("role", "web");
        let cold = Node::new(config.clone(), [1; 32], Time::ZERO).unwrap();
        let view = View::converged(7, [&config]);
        let (told, held) = (cold.view(), view.get("n0").unwrap());
        assert_eq!(told.local().unwrap().identity(), held.identity());
        assert_eq!(told.local().unwrap().hash(), held.hash());
        assert_eq!(told.local().unwrap().incarnation(), held.incarnation());
    }

    #[test]
    fn a_view_that_does_not_fit_is_refused() {
        let configs = configs(3);
        let without = View::converged(7, &configs[..2]);
        assert!(Node::converged(configs[2].clone(), [1; 32], Time::ZERO, &without).is_err());
        let other_seed = View::converged(8, &configs);
        assert!(Node::converged(configs[2].clone(), [1; 32], Time::ZERO, &other_seed).is_err());
    }
}
