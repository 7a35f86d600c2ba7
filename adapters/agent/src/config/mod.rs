//! The agent's configuration: files and flags in, a checked [`AgentConfig`] out
//! (serf-agent, section 3).

mod definitions;
mod dns;
mod file;
mod flags;
pub(crate) mod fuzz;
mod http;
mod keys;
mod net;
mod registry;
mod resolve;
mod settings;
mod tags;

pub use self::definitions::{Defined, Definition, DefinitionKind};
pub use self::dns::{DnsConfig, DnsSettings, ServiceTtl, Soa};
pub(crate) use self::file::os_error;
pub use self::flags::{FlagError, Flags};
pub use self::http::HttpSettings;
pub use self::keys::{decode_key, render_keyring};
pub use self::registry::{HttpConfig, RegistryConfig, RestConfig};
pub use self::resolve::{AgentConfig, COALESCE, Live, resolve};
pub use self::settings::Settings;
pub use self::tags::render_tags;
