//! The HTTP interface (consul-http): registrations in, the catalog out.

pub(crate) mod access;
mod agent;
mod answer;
mod cache;
mod catalog;
pub(crate) mod decode;
mod directory;
mod events;
pub(crate) mod fuzz;
mod host;
mod live;
mod local;
mod metrics;
mod near;
mod page;
mod params;
mod query;
mod reading;
mod registration;
mod route;
mod rules;
mod server;
mod shape;
mod status;
mod writing;

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

pub(crate) use self::answer::{Answer, Body};
use self::cache::Cache;
pub(crate) use self::decode::Fields;
pub use self::directory::{Directory, Watch};
use self::events::EventLog;
use self::query::Queries;
pub use self::registration::Allowed;
pub(crate) use self::registration::{
    Bad, OUTPUT_MAX, Registration, check_meta, lone_check, own_service, pairs,
};
pub(crate) use self::route::Request;
pub use self::rules::Rules;
pub(crate) use self::server::{Api, Head, Style, serve};
pub use self::server::{Limits, ReloadRequest, Server, Setup};
use self::status::Positions;
use crate::agent::Control;
use crate::dns::Counts;

/// What all requests have in common.
pub(crate) struct Site {
    directory: Directory,
    control: Control,
    events: EventLog,
    cache: Cache,
    queries: Queries,
    positions: Positions,
    datacenter: String,
    /// Where names are served.
    dns_port: Option<u16>,
    /// How many questions came there.
    dns_counts: Arc<Counts>,
    allowed: Allowed,
    /// The page for people is served.
    ui: bool,
    rules: Rules,
    /// What clients have to show, if anything.
    token: Option<String>,
    reload: mpsc::Sender<ReloadRequest>,
    /// Set once a client made the agent leave.
    left: watch::Sender<bool>,
}

impl Site {
    /// The name of this agent.
    fn name(&self) -> &str {
        &self.directory.node().config().name
    }
}
