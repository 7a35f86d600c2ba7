//! What is registered of an instance of a service.

use alloc::boxed::Box;
use alloc::sync::Arc;

/// A text that many records may share.
pub type Text = Arc<str>;

/// Texts by name, in the order of the names; each name once.
pub type Meta = Box<[(Text, Text)]>;

/// An instance of a service. Its ID is in the record's key.
///
/// Limits (consul-http, section 4) are checked where it is registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// The service's name, as it is looked up.
    pub name: Text,
    /// Words to choose by.
    pub tags: Box<[Text]>,
    /// Texts by name.
    pub meta: Meta,
    /// A host name or address; empty: its node's.
    pub address: Text,
    /// Any number: the original takes them all.
    pub port: i64,
    /// Further addresses by name, in the order of the names.
    pub tagged_addresses: Box<[(Text, Address)]>,
    /// How much of the load it should get.
    pub weights: Weights,
    /// Changes of the tags through the catalog last.
    pub enable_tag_override: bool,
}

/// An address and a port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// Host name or address.
    pub address: Text,
    /// Port.
    pub port: i64,
}

/// How much of the load an instance should get while it is passing, and while it is warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    /// 1 to 65,535.
    pub passing: u16,
    /// 0 to 65,535.
    pub warning: u16,
}

impl Default for Weights {
    fn default() -> Self {
        Weights { passing: 1, warning: 1 }
    }
}
