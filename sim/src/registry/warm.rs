//! Clusters whose services were registered long ago.

use tidings_core::registry::RegistryView;

use super::story::Registration;
use crate::cluster::Cluster;
use crate::net::HostId;
use crate::rider::Rider;

impl<R: Rider> Cluster<R> {
    /// Every running host has had these registered for long, told by its number, and everybody knows:
    /// nothing has to be spread, and all share the memory. TTLs begin now.
    ///
    /// For a cluster that has just been started with [`Plan::registry`](crate::Plan::registry).
    ///
    /// # Panics
    /// If a host keeps no registry, or refuses one of these.
    pub fn have_registered(&mut self, mut what: impl FnMut(HostId) -> Vec<Registration>) -> &mut Self {
        self.story.beyond.insert("what was registered long ago");
        let living = self.living();
        let mut views = Vec::with_capacity(living.len());
        for &host in &living {
            let name = self.hosts[host].name().to_owned();
            let Some(node) = &mut self.world.hosts[host].node else { continue };
            let commands = what(host).into_iter().map(|registration| registration.command());
            node.registered(commands).unwrap_or_else(|error| panic!("{name}: {error}"));
            views.push(node.registry());
        }
        let all = RegistryView::union(&views);
        drop(views);
        for &host in &living {
            if let Some(node) = &mut self.world.hosts[host].node {
                node.knows(&all);
            }
            self.world.drain(host);
            self.world.rearm(host);
        }
        self
    }
}
