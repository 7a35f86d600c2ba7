//! The registry in simulated clusters: who keeps one, what is registered, how checks fare, and what
//! there is to ask.
//!
//! ```
//! use std::time::Duration;
//! use tidings_core::registry::check::Health;
//! use tidings_sim::{Cluster, Registration};
//!
//! let secs = Duration::from_secs;
//! let mut cluster = Cluster::lan(5).seed(7).registry().start();
//! cluster.register(2, Registration::of("web").port(80).ttl(secs(10)));
//! cluster.refresh(2, "web", Health::Passing);
//! cluster.eventually(secs(3), |c| c.all_see("web", &[2]));
//! cluster.assert(|c| c.health(4, 2, "web") == Some(Health::Passing));
//!
//! // Nobody refreshes it any more.
//! cluster.eventually(secs(15), |c| c.all_hold_health(2, "web", Some(Health::Critical)));
//!
//! // What was confirmed is on the agent's disk.
//! cluster.crash(2).run(secs(5)).restart(2);
//! cluster.eventually(secs(20), |c| c.all_see("web", &[2]));
//! ```

mod ask;
mod checks;

pub mod scenario;
mod settings;
mod story;
mod warm;
mod work;

pub use self::ask::Seen;
pub use self::checks::CheckLuck;
pub use self::settings::RegistrySettings;
pub use self::story::Registration;
pub(crate) use self::work::draw as draw_task;
pub use self::work::{Fares, RegistryTask};
