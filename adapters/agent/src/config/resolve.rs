//! From settings as given to a checked configuration (serf-agent, sections 3 and 3.2).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_core::config::Coalesce;
use tidings_core::{Config, ConfigError};

use super::definitions::Defined;
use super::dns::DnsConfig;
use super::registry::{self, RegistryConfig};
use super::settings::Settings;
use super::{keys, net, tags};
use crate::handlers::EventScript;
use crate::log::Level;

/// Shortest time between retried joins, and shortest broadcast time-out.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// How events are folded: flushed at the latest after the first, at the earliest after the second.
pub const COALESCE: Coalesce = Coalesce { period: Duration::from_secs(3), quiescent: Duration::from_secs(1) };

/// Everything the agent runs with. All checks but those of [`AgentConfig::load_files`] are done.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// The node's own configuration.
    pub core: Config,
    /// Where the gossip sockets are bound.
    pub bind: SocketAddr,
    /// The address told to others, if one was asked for.
    pub advertise: Option<SocketAddr>,
    /// Where the RPC server listens, as given.
    pub rpc_addr: String,
    /// The key RPC clients have to send; empty: none.
    pub rpc_auth: String,
    /// The timing profile's name.
    pub profile: String,
    /// The keyring's file.
    pub keyring_file: Option<PathBuf>,
    /// The tags' file.
    pub tags_file: Option<PathBuf>,
    /// Addresses joined at start, once.
    pub start_join: Vec<String>,
    /// Addresses joined in the background.
    pub retry_join: Vec<String>,
    /// Time between two such attempts.
    pub retry_interval: Duration,
    /// Retries at most; 0: no limit.
    pub retry_max_attempts: u64,
    /// Deliver old user events on join.
    pub replay_on_join: bool,
    /// What is served and kept of the registry.
    pub registry: RegistryConfig,
    /// What a reload may change.
    pub live: Live,
}

/// The part of the configuration that a reload takes over.
#[derive(Clone, Debug)]
pub struct Live {
    /// Lowest level of log lines shown; or why the text given is none.
    pub log_level: Result<Level, String>,
    /// Event handlers.
    pub handlers: Arc<[EventScript]>,
    /// Own tags.
    pub tags: BTreeMap<String, String>,
    /// How names are served; `None`: they are not.
    pub dns: Option<DnsConfig>,
    /// SIGTERM leaves gracefully.
    pub leave_on_terminate: bool,
    /// SIGINT does not leave.
    pub skip_leave_on_interrupt: bool,
    /// Services and checks of the configuration files.
    pub defined: Arc<Defined>,
}

/// Checks settings and turns them into a configuration. Warnings and news go to `notice`, one line
/// each, in the order they come up.
///
/// # Errors
/// The first thing that is wrong, as one line for the user.
pub fn resolve(settings: &Settings, notice: &mut dyn FnMut(&str)) -> Result<AgentConfig, String> {
    let live = Live::new(settings)?;
    let given = if settings.bind.is_empty() { None } else { Some(net::resolve_address(&settings.bind)) };
    if !settings.interface.is_empty() {
        let ip = given
            .as_ref()
            .and_then(|g| g.as_ref().ok())
            .map(SocketAddr::ip)
            .filter(|ip| !ip.is_unspecified());
        net::interface_address(&settings.interface, ip)?;
    }
    let waits = Waits::new(settings, notice);
    live.log_level.clone()?;

    let bind = bind_address(settings, given, notice)?;
    let advertise = match settings.advertise.as_str() {
        "" => None,
        text => Some(net::resolve_address(text).map_err(|e| format!("Invalid advertise address: {e}"))?),
    };
    let key = match settings.encrypt_key.as_str() {
        "" => None,
        text => Some(keys::decode_key(text).map_err(|e| format!("Invalid encryption key: {e}"))?),
    };
    let mut core = profile(settings, bind)?;
    // An unspecified address becomes a private one of this host when the sockets are opened.
    core.advertise = advertise.unwrap_or(bind);
    core.tags = tags::to_core(&live.tags);
    core.leave.broadcast_timeout = waits.broadcast;
    fill_core(&mut core, settings, key)?;
    let registry = RegistryConfig::new(settings)?;
    registry.fill_core(&mut core);

    let path = |text: &str| if text.is_empty() { None } else { Some(PathBuf::from(text)) };
    Ok(AgentConfig {
        core,
        bind,
        advertise,
        rpc_addr: if settings.rpc_addr.is_empty() {
            "127.0.0.1:7373".into()
        } else {
            settings.rpc_addr.clone()
        },
        rpc_auth: settings.rpc_auth.clone(),
        profile: if settings.profile.is_empty() { "lan".into() } else { settings.profile.clone() },
        keyring_file: path(&settings.keyring_file),
        tags_file: path(&settings.tags_file),
        start_join: settings.start_join.clone(),
        retry_join: settings.retry_join.clone(),
        retry_interval: waits.retry,
        retry_max_attempts: u64::try_from(settings.retry_max_attempts).unwrap_or(0),
        replay_on_join: settings.replay_on_join,
        registry,
        live,
    })
}

impl Live {
    /// Takes the reloadable part out of settings.
    ///
    /// # Errors
    /// An event handler's filter is none, or a service or check cannot be registered as it is written.
    pub fn new(settings: &Settings) -> Result<Live, String> {
        let mut handlers = Vec::new();
        for spec in &settings.event_handlers {
            handlers.extend(EventScript::parse(spec).map_err(|e| format!("Invalid event script: {e}"))?);
        }
        let mut tags = settings.tags.clone();
        if !settings.role.is_empty() {
            tags.insert("role".into(), settings.role.clone());
        }
        let level = if settings.log_level.is_empty() { "INFO" } else { &settings.log_level };
        let mut allowed = registry::allowed(settings)?;
        allowed.scripts |= settings.enable_local_script_checks;
        Ok(Live {
            log_level: Level::parse(level).ok_or_else(|| {
                let valid = "[TRACE DEBUG INFO WARN ERR]";
                format!("Invalid log level: {}. Valid log levels are: {valid}", level.to_uppercase())
            }),
            handlers: handlers.into(),
            tags,
            dns: DnsConfig::new(settings)?,
            leave_on_terminate: settings.leave_on_terminate,
            skip_leave_on_interrupt: settings.skip_leave_on_interrupt,
            defined: Arc::new(Defined::read(&settings.definitions, allowed)?),
        })
    }
}

/// Durations with a lower bound, and the warnings that belong to this step.
struct Waits {
    retry: Duration,
    broadcast: Duration,
}

impl Waits {
    fn new(settings: &Settings, notice: &mut dyn FnMut(&str)) -> Waits {
        if !settings.role.is_empty() {
            notice("Deprecation warning: 'Role' has been replaced with 'Tags'");
        }
        let mut at_least = |value: Duration, default: u64, name: &str| {
            if value.is_zero() {
                return Duration::from_secs(default);
            }
            if value < SHORTEST_WAIT {
                notice(&format!("Warning: '{name}' is too low. Setting to 1s"));
            }
            value.max(SHORTEST_WAIT)
        };
        let waits = Waits {
            retry: at_least(settings.retry_interval, 30, "RetryInterval"),
            broadcast: at_least(settings.broadcast_timeout, 5, "BroadcastTimeout"),
        };
        if settings.rejoin_after_leave {
            notice("Warning: 'RejoinAfterLeave' enabled without snapshot file");
        }
        waits
    }
}

fn bind_address(
    settings: &Settings,
    given: Option<Result<SocketAddr, String>>,
    notice: &mut dyn FnMut(&str),
) -> Result<SocketAddr, String> {
    let mut bind = match given {
        Some(result) => result.map_err(|error| format!("Invalid bind address: {error}"))?,
        None if settings.dev => SocketAddr::from(([127, 0, 0, 1], net::GOSSIP_PORT)),
        None => SocketAddr::from(([0, 0, 0, 0], net::GOSSIP_PORT)),
    };
    if !settings.interface.is_empty() && bind.ip().is_unspecified() {
        let ip = net::interface_address(&settings.interface, None)?;
        notice(&format!("Using interface '{}' address '{ip}'", settings.interface));
        bind.set_ip(ip);
    }
    Ok(bind)
}

/// The core's preset of the profile.
fn profile(settings: &Settings, bind: SocketAddr) -> Result<Config, String> {
    let name = match settings.node_name.as_str() {
        "" => gethostname::gethostname().to_string_lossy().into_owned(),
        name => name.to_owned(),
    };
    match settings.profile.as_str() {
        "" | "lan" => Ok(Config::lan(name, bind)),
        "wan" => Ok(Config::wan(name, bind)),
        "local" => Ok(Config::local(name, bind)),
        other => Err(format!("Unknown profile: {other}")),
    }
}

fn fill_core(core: &mut Config, settings: &Settings, key: Option<Bytes>) -> Result<(), String> {
    let or = |value: Duration, default: Duration| if value.is_zero() { default } else { value };
    if settings.protocol != 0 {
        core.protocol = settings.protocol.clamp(0, 255) as u8;
    }
    core.security.keys = key.into_iter().collect();
    core.security.persist_keyring = !settings.keyring_file.is_empty();
    core.packet.compression = !settings.disable_compression && settings.enable_compression != Some(false);
    core.coordinates = !settings.disable_coordinates;
    // Operators read in the log who suspected whom, and why a member was declared failed.
    core.trace = true;
    core.members.validate_names = settings.validate_node_names;
    core.members.resolve_conflicts = !settings.disable_name_resolution;
    core.members.reconnect_interval = or(settings.reconnect_interval, core.members.reconnect_interval);
    core.members.reconnect_timeout = or(settings.reconnect_timeout, core.members.reconnect_timeout);
    core.members.tombstone_timeout = or(settings.tombstone_timeout, core.members.tombstone_timeout);
    // The agent folds member events itself: its log tells each at once.
    core.members.coalesce = None;
    core.events.coalesce = Some(COALESCE);
    let limits = [
        ("user_event_size_limit", settings.user_event_size_limit, &mut core.events.size_limit),
        ("query_size_limit", settings.query_size_limit, &mut core.queries.size_limit),
        (
            "query_response_size_limit",
            settings.query_response_size_limit,
            &mut core.queries.response_size_limit,
        ),
    ];
    for (key, value, place) in limits {
        match usize::try_from(value) {
            Ok(0) => {}
            Ok(size) => *place = size,
            Err(_) => return Err(format!("'{key}' is {value}, but must be a positive number of bytes")),
        }
    }
    Ok(())
}

impl AgentConfig {
    /// Reads the keyring and tags files into the configuration. Log lines about it go to `log`.
    ///
    /// # Errors
    /// A file cannot be used, or stands beside a setting it replaces.
    pub fn load_files(&mut self, log: &mut dyn FnMut(String)) -> Result<(), String> {
        if let Some(path) = &self.tags_file {
            if !self.live.tags.is_empty() {
                return Err("Tags config not allowed while using tag files".to_owned());
            }
            let existed = path.exists();
            self.live.tags = tags::load_tags(path)?;
            self.core.tags = tags::to_core(&self.live.tags);
            if existed {
                log(format!("Restored {} tag(s) from {}", self.live.tags.len(), path.display()));
            }
        }
        if let Some(path) = &self.keyring_file {
            if !self.core.security.keys.is_empty() {
                return Err("Encryption key not allowed while using a keyring".to_owned());
            }
            self.core.security.keys = keys::load_keyring(path)?;
            let count = self.core.security.keys.len();
            log(format!("Restored keyring with {count} keys from {}", path.display()));
        }
        Ok(())
    }

    /// Has the core check the configuration.
    ///
    /// # Errors
    /// What is wrong, in the words the original uses where it has any.
    pub fn check_core(&self) -> Result<(), String> {
        if self.core.events.size_limit > tidings_core::wire::limits::USER_EVENT_MAX {
            return Err("user event size limit exceeds limit of 9216 bytes".to_owned());
        }
        self.core.validate().map_err(|error| match error {
            ConfigError::KeySize => format!("Failed to create memberlist: {error}"),
            other => other.to_string(),
        })
    }
}
