//! The HTTP interface (consul-http): registrations in, the catalog out.

mod answer;
mod catalog;
mod decode;
mod directory;
mod local;
mod near;
mod params;
mod reading;
mod registration;
mod route;
mod server;
mod shape;
mod writing;

pub use self::directory::{Directory, Watch};
use self::registration::Allowed;
pub use self::server::{Limits, Server};

/// What all requests have in common.
pub(crate) struct Site {
    directory: Directory,
    datacenter: String,
    allowed: Allowed,
}

impl Site {
    /// The name of this agent.
    fn name(&self) -> &str {
        &self.directory.node().config().name
    }
}
