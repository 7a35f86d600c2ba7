//! Routers: where each service is, out of the catalog and of what was heard.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use md5::{Digest as _, Md5};
use tidings_client::protocol::{Router, RouterAddr};
use tidings_core::Status;
use tidings_core::registry::catalog::Catalog;
use tidings_core::registry::check::Health;

use super::address;
use super::heard::Heard;
use crate::http::Directory;

/// Checksums kept.
const KEPT: usize = 4096;

/// The sum of digests, byte by byte: it does not depend on their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Checksum(pub(super) [u8; 16]);

impl Checksum {
    pub(super) fn add(&mut self, other: Checksum) {
        for (byte, more) in self.0.iter_mut().zip(other.0) {
            *byte = byte.wrapping_add(more);
        }
    }

    /// 32 hexadecimal digits.
    pub(super) fn hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Where services are.
pub(super) struct Routers {
    directory: Directory,
    pub(super) heard: Heard,
    /// By service: what it was made of, and the checksum.
    kept: Mutex<HashMap<String, (Source, Checksum)>>,
}

/// What a checksum was made of: counts of changes of the service, of what was heard and, if anything
/// was, of the nodes that say so.
type Source = (u64, u64, u64);

impl Routers {
    pub(super) fn new(directory: Directory) -> Routers {
        Routers { directory, heard: Heard::default(), kept: Mutex::default() }
    }

    /// The router of a service; `None`: it is nowhere.
    pub(super) fn of(&self, service: &str) -> Option<Router> {
        router(&self.directory.catalog(), &self.heard, service)
    }

    /// Whether a service is at an address, whoever says so.
    pub(super) fn is_at(&self, service: &str, addr: &str) -> bool {
        self.of(service).is_some_and(|router| router.addrs.iter().any(|it| it.addr == addr))
    }

    /// All of them, by service.
    pub(super) fn all(&self) -> Vec<Router> {
        let catalog = self.directory.catalog();
        let heard = self.heard.services();
        let names: BTreeSet<&str> =
            catalog.services().into_keys().chain(&heard).map(|name| &**name).collect();
        names.into_iter().filter_map(|name| router(&catalog, &self.heard, name)).collect()
    }

    /// The checksum of a service's router; of one that is nowhere nothing. Costs a look-up as long as
    /// nothing has changed.
    pub(super) fn checksum(&self, service: &str) -> Checksum {
        let catalog = self.directory.catalog();
        let heard = self.heard.version();
        let nodes = if heard == 0 { 0 } else { catalog.nodes_index() };
        let source = (catalog.service_index(service), heard, nodes);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, sum)) = kept.get(service).filter(|(of, _)| *of == source) {
            return *sum;
        }
        let addrs = addrs(&catalog, &self.heard, service);
        let sum = sum_of(addrs.iter().map(|(_, addr)| addr.as_str()));
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(service.to_owned(), (source, sum));
        sum
    }
}

fn sum_of<'a>(addrs: impl Iterator<Item = &'a str>) -> Checksum {
    let mut sum = Checksum::default();
    addrs.for_each(|addr| sum.add(Checksum(Md5::digest(addr).into())));
    sum
}

fn router(catalog: &Catalog, heard: &Heard, service: &str) -> Option<Router> {
    let addrs = addrs(catalog, heard, service);
    if addrs.is_empty() {
        return None;
    }
    let checksum = sum_of(addrs.iter().map(|(_, addr)| addr.as_str()));
    let addrs = addrs.into_iter().map(|(node, addr)| RouterAddr { addr, node }).collect();
    Some(Router { addrs, checksum: checksum.0.to_vec().into(), service: service.to_owned() })
}

/// Nodes and addresses at which a service of exactly this name is to be used, each once.
fn addrs(catalog: &Catalog, heard: &Heard, service: &str) -> BTreeSet<(String, String)> {
    let usable = catalog
        .service(service)
        .filter(|instance| *instance.service.name == *service && instance.health() != Health::Critical);
    let registered = usable.map(|it| (it.node.name().to_string(), address::of_instance(&it)));
    let heard = heard.of(service).into_iter().filter(|(node, _)| is_heard(catalog, node));
    registered.chain(heard.map(|(node, addr)| (node.to_string(), addr.to_string()))).collect()
}

/// Whether what a node announces in events counts: those that have failed or left are gone, and those
/// that keep a registry say there what holds.
pub(super) fn is_heard(catalog: &Catalog, node: &str) -> bool {
    let Some(node) = catalog.node(node) else { return true };
    match node.member() {
        Some(member) => member.status() == Status::Alive && node.info().is_none(),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_does_not_depend_on_the_order() {
        let sum = |addrs: &[&str]| sum_of(addrs.iter().copied());
        assert_eq!(sum(&["a", "b"]), sum(&["b", "a"]));
        assert_eq!(sum(&["a"]).hex(), "0cc175b9c0f1b6a831c399e269772661");
        // 92eb5ffee6ae2fec3ad71c777531578f is the digest of b.
        assert_eq!(sum(&["a", "b"]).hex(), "9eacd4b7a69fe5946b9ab559dea87df0");
        assert_eq!(sum(&[]).hex(), "0".repeat(32));
    }

    #[test]
    fn the_checksum_of_one_address_is_its_digest() {
        for (text, expected) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            (
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                "d174ab98d277d9f5a5611c2c9f419d9f",
            ),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "57edf4a22be3c955ac49da2e2107b67a",
            ),
        ] {
            assert_eq!(sum_of(std::iter::once(text)).hex(), expected, "{text}");
        }
    }
}
