//! Registrations as clients write them: what is checked before the registry is asked, and the words
//! for what is wrong (consul-http, sections 4 and 5).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tidings_core::registry::check::{Action, CheckSpec, Health, Probe};
use tidings_core::registry::service::{Address, Meta, Service, Text, Weights};

use super::decode::{Fields, Names, Undecodable, positive};

/// Bytes of output kept if a check does not say.
pub(crate) const OUTPUT_MAX: usize = 4096;
/// Fields that newer versions of the API have and this one does without.
const NEWER_SERVICE: &[&str] = &["Namespace", "Partition", "Locality", "SocketPath", "Datacenter", "Ports"];
const NEWER_CHECK: &[&str] = &[
    "Namespace",
    "Partition",
    "EnterpriseMeta",
    "DisableRedirects",
    "disable_redirects",
    "TLSServerName",
    "tls_server_name",
    "ResponseHeaderTimeout",
    "FailuresBeforeWarning",
    "failures_before_warning",
    "IntervalTimeout",
    "ExposedPort",
    "Node",
];

/// Why a registration is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// 400 `Request decode failed: ...`.
    Body(Undecodable),
    /// 400 with these words.
    Words(String),
    /// 500 with these words.
    Refused(String),
    /// 500: checks may not run programs.
    ScriptsOff,
    /// The same for a part of what was to be registered, which is named as in a file.
    In(String, Box<Bad>),
}

impl Bad {
    fn within(self, place: &str) -> Bad {
        Bad::In(place.to_owned(), Box::new(self))
    }

    /// What is wrong, for who writes configuration files; behind the place it stands at.
    pub(crate) fn in_a_file(&self) -> String {
        match self {
            Bad::Body(error) => error.in_a_file(),
            Bad::Words(words) | Bad::Refused(words) => words.clone(),
            Bad::ScriptsOff => {
                "Scripts are disabled on this agent; to enable, set 'enable_local_script_checks' or \
                                'enable_script_checks' to true"
                    .to_owned()
            }
            Bad::In(place, bad) => format!("{place}: {}", bad.in_a_file()),
        }
    }
}

impl From<Undecodable> for Bad {
    fn from(error: Undecodable) -> Self {
        Bad::Body(error)
    }
}

fn words(text: impl Into<String>) -> Bad {
    Bad::Words(text.into())
}

/// A service to register.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Registration {
    pub(crate) id: Text,
    pub(crate) service: Service,
    pub(crate) checks: Vec<CheckSpec>,
}

/// What may be registered at this agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Checks that run programs.
    pub scripts: bool,
    /// Bytes that are kept of what a check prints, [`OUTPUT_LIMIT`](Self::OUTPUT_LIMIT) at most.
    pub output_max: usize,
}

impl Default for Allowed {
    fn default() -> Self {
        Allowed { scripts: false, output_max: OUTPUT_MAX }
    }
}

impl Allowed {
    /// More is kept of nothing that a check prints: it must fit into a record.
    pub const OUTPUT_LIMIT: usize = 64 << 10;
    /// All that any agent lets be registered.
    pub const ALL: Allowed = Allowed { scripts: true, output_max: Self::OUTPUT_LIMIT };
}

/// Reads a service with its checks.
pub(crate) fn service(mut fields: Fields, allowed: Allowed) -> Result<Registration, Bad> {
    let name = fields.text(&["Name"])?;
    let id = Some(fields.text(&["ID"])?).filter(|id| !id.is_empty()).unwrap_or_else(|| name.clone());
    let tags = fields.texts(&["Tags"])?;
    let address = fields.text(&["Address"])?;
    let port = fields.number(&["Port"])?.unwrap_or(0);
    let tagged = tagged_addresses(&mut fields)?;
    let meta = fields.pairs(&["Meta"])?;
    let weights = weights(&mut fields)?;
    let enable_tag_override = fields.truth(&["EnableTagOverride", "enable_tag_override"])?;
    let one = fields.object(&["Check"])?;
    let mut checks: Vec<(String, Fields)> =
        one.map(|fields| ("check".to_owned(), fields)).into_iter().collect();
    let several = fields.objects(&["Checks"])?.into_iter().enumerate();
    checks.extend(several.map(|(place, fields)| (format!("checks[{place}]"), fields)));
    let kind = fields.text(&["Kind"])?;
    for mesh in [&["Proxy"], &["Connect"], &["Token"]] {
        fields.take(mesh);
    }
    fields.done(NEWER_SERVICE)?;
    if name.is_empty() {
        return Err(words("Missing service name"));
    }
    if matches!(&*address, "0.0.0.0" | "::" | "[::]") {
        return Err(words("Invalid service address"));
    }
    if kind == "connect-proxy" {
        return Err(words("a connect-proxy needs a service mesh, which is not part of this agent"));
    }
    check_meta(&meta).map_err(|what| words(format!("Invalid Service Meta: {what}")))?;
    let several = checks.len() > 1;
    let checks = checks
        .into_iter()
        .enumerate()
        .map(|(place, (key, fields))| {
            let default =
                if several { format!("service:{id}:{}", place + 1) } else { format!("service:{id}") };
            let spec = check(fields, &["CheckID", "check_id", "ID"], false, allowed)
                .map_err(|bad| bad.within(&key))?;
            let or = |text: Text, default: String| if text.is_empty() { default.into() } else { text };
            Ok(CheckSpec {
                id: or(spec.id, default),
                name: or(spec.name, format!("Service '{name}' check")),
                service_id: id.as_str().into(),
                ..spec
            })
        })
        .collect::<Result<Vec<_>, Bad>>()?;
    let service = Service {
        name: name.as_str().into(),
        tags: tags.iter().map(|tag| Text::from(tag.as_str())).collect(),
        meta: pairs(&meta),
        tagged_addresses: with_own_address(tagged, &address, port),
        address: address.as_str().into(),
        port,
        weights,
        enable_tag_override,
    };
    Ok(Registration { id: id.as_str().into(), service, checks })
}

fn tagged_addresses(fields: &mut Fields) -> Result<Vec<(String, Address)>, Bad> {
    let read = |value, names: Names| {
        let mut fields = Fields::of(value, names)?;
        let address = fields.text(&["Address"])?.as_str().into();
        let port = fields.number(&["Port"])?.unwrap_or(0);
        fields.done(&[])?;
        Ok(Address { address, port })
    };
    Ok(fields.entries(&["TaggedAddresses", "tagged_addresses"], "map[string]structs.ServiceAddress", read)?)
}

/// An address that is an IP is also known by its family's names.
fn with_own_address(mut tagged: Vec<(String, Address)>, address: &str, port: i64) -> Box<[(Text, Address)]> {
    let names: &[&str] = match address.parse() {
        Ok(IpAddr::V4(_)) => &["lan_ipv4", "wan_ipv4"],
        Ok(IpAddr::V6(_)) => &["lan_ipv6", "wan_ipv6"],
        Err(_) => &[],
    };
    for name in names {
        if !tagged.iter().any(|(known, _)| known == name) {
            tagged.push(((*name).to_owned(), Address { address: address.into(), port }));
        }
    }
    tagged.sort_by(|a, b| a.0.cmp(&b.0));
    tagged.into_iter().map(|(name, address)| (name.as_str().into(), address)).collect()
}

fn weights(fields: &mut Fields) -> Result<Weights, Bad> {
    let Some(mut fields) = fields.object(&["Weights"])? else { return Ok(Weights::default()) };
    let passing = fields.number(&["Passing"])?.unwrap_or(0);
    let warning = fields.number(&["Warning"])?.unwrap_or(0);
    fields.done(&[])?;
    if passing < 1 {
        return Err(words("Invalid Weights: Passing must be greater than 0"));
    }
    if warning < 0 {
        return Err(words("Invalid Weights: Warning must be greater or equal than 0"));
    }
    let fit = |weight: i64| u16::try_from(weight);
    match (fit(passing), fit(warning)) {
        (Ok(passing), Ok(warning)) => Ok(Weights { passing, warning }),
        _ => Err(words("Invalid Weights: Weights must be lower or equal than 65535")),
    }
}

/// Whether meta data may be registered; what is wrong with it, if something is.
pub(crate) fn check_meta(meta: &[(String, String)]) -> Result<(), String> {
    if meta.len() > 64 {
        return Err("Node metadata cannot contain more than 64 key/value pairs".into());
    }
    for (key, value) in meta {
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let wrong = if key.is_empty() {
            "Key cannot be blank"
        } else if !key.chars().all(valid) {
            "Key contains invalid characters"
        } else if key.len() > 128 {
            "Key is too long (limit: 128 characters)"
        } else if key.starts_with("consul-") {
            "Key prefix 'consul-' is reserved for internal use"
        } else if value.len() > 512 {
            "Value is too long (limit: 512 characters)"
        } else {
            continue;
        };
        return Err(format!("Couldn't load metadata pair ('{key}', '{value}'): {wrong}"));
    }
    Ok(())
}

/// Pairs as the registry holds them.
pub(crate) fn pairs(pairs: &[(String, String)]) -> Meta {
    pairs.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect()
}

/// Reads a check that stands alone. Its ID defaults to its name.
pub(crate) fn lone_check(fields: Fields, allowed: Allowed) -> Result<CheckSpec, Bad> {
    let spec = check(fields, &["ID", "CheckID", "check_id"], true, allowed).map_err(|bad| match bad {
        Bad::Words(text) if text.starts_with("Status for checks") => words("Bad check status"),
        other => other,
    })?;
    let id = if spec.id.is_empty() { spec.name.clone() } else { spec.id.clone() };
    Ok(CheckSpec { id, ..spec })
}

/// What a check asks for, before it is known which of it counts.
struct Asked {
    ttl: i64,
    interval: i64,
    timeout: Duration,
    http: Option<Action>,
    tcp: String,
    script: Vec<String>,
    docker: bool,
    grpc: Option<Action>,
    alias: Option<Action>,
}

/// Reads a check. One that stands alone is to be `named`.
fn check(mut fields: Fields, id: Names, named: bool, allowed: Allowed) -> Result<CheckSpec, Bad> {
    let id = fields.text(id)?;
    let name = fields.text(&["Name"])?;
    let notes = fields.text(&["Notes"])?;
    let service_id = fields.text(&["ServiceID", "service_id"])?;
    let status = fields.text(&["Status"])?;
    let asked = asked(&mut fields)?;
    let deregister_after =
        fields.nanos(&["DeregisterCriticalServiceAfter", "deregister_critical_service_after"])?;
    let output = fields.number(&["OutputMaxSize", "output_max_size"])?;
    let success = fields.number(&["SuccessBeforePassing", "success_before_passing"])?;
    let failures = fields.number(&["FailuresBeforeCritical", "failures_before_critical"])?;
    for unused in [&["Token"] as Names, &["Shell"], &["Output"], &["Definition"], &["ServiceName"], &["Type"]]
    {
        fields.take(unused);
    }
    fields.done(NEWER_CHECK)?;
    if named && name.is_empty() {
        return Err(words("Missing check name"));
    }
    let status = match &*status {
        "" => None,
        word => Some(
            Health::from_word(word)
                .ok_or_else(|| words("Status for checks must 'passing', 'warning', 'critical'"))?,
        ),
    };
    let output_max = match output {
        None | Some(0) => allowed.output_max,
        Some(bytes) => usize::try_from(bytes)
            .map_err(|_| words("Invalid check: MaxOutputMaxSize must be positive"))?
            .min(allowed.output_max),
    };
    let threshold = |number: Option<i64>| u32::try_from(number.unwrap_or(0).max(0)).unwrap_or(u32::MAX);
    Ok(CheckSpec {
        id: id.as_str().into(),
        name: name.as_str().into(),
        notes: notes.as_str().into(),
        service_id: service_id.as_str().into(),
        status,
        probe: probe(asked, allowed)?,
        success_before_passing: threshold(success),
        failures_before_critical: threshold(failures),
        deregister_after: positive(deregister_after),
        output_max,
    })
}

fn asked(fields: &mut Fields) -> Result<Asked, Bad> {
    let skip = fields.truth(&["TLSSkipVerify", "tls_skip_verify"])?;
    let url = fields.text(&["HTTP"])?;
    let (method, header, body) =
        (fields.text(&["Method"])?, fields.lists(&["Header"])?, fields.text(&["Body"])?);
    let grpc = fields.text(&["GRPC"])?;
    let tls = fields.truth(&["GRPCUseTLS", "grpc_use_tls"])?;
    let node = fields.text(&["AliasNode", "alias_node"])?;
    let service = fields.text(&["AliasService", "alias_service"])?;
    let mut script = fields.texts(&["Args"])?;
    script.extend(fields.texts(&["ScriptArgs", "script_args"])?);
    let timeout = fields.nanos(&["Timeout"])?;
    let some = |there: bool, action: Action| there.then_some(action);
    Ok(Asked {
        ttl: fields.nanos(&["TTL"])?,
        interval: fields.nanos(&["Interval"])?,
        timeout: positive(timeout),
        tcp: fields.text(&["TCP"])?,
        docker: !fields.text(&["DockerContainerID", "docker_container_id"])?.is_empty(),
        grpc: some(!grpc.is_empty(), Action::Grpc { target: grpc, tls, tls_skip_verify: skip }),
        alias: some(!(node.is_empty() && service.is_empty()), Action::Alias { node, service }),
        http: some(!url.is_empty(), Action::Http { url, method, header, body, tls_skip_verify: skip }),
        script,
    })
}

/// How long an alias looks away.
const ALIAS_INTERVAL: Duration = Duration::from_secs(1);

fn probe(asked: Asked, allowed: Allowed) -> Result<Probe, Bad> {
    let invalid = |what: &str| words(format!("Invalid check: {what}"));
    let scripted = !asked.script.is_empty();
    let limit = if scripted { Duration::from_secs(30) } else { Duration::from_secs(10) };
    let timeout = if asked.timeout.is_zero() { limit } else { asked.timeout };
    if let Some(action) = asked.alias {
        let interval = if asked.interval > 0 { positive(asked.interval) } else { ALIAS_INTERVAL };
        return Ok(Probe::Run { interval, timeout, action: Arc::new(action) });
    }
    if asked.interval != 0 && asked.ttl != 0 {
        return Err(invalid("Interval and TTL cannot both be specified"));
    }
    let tcp = (!asked.tcp.is_empty()).then_some(Action::Tcp { address: asked.tcp });
    let script = scripted.then_some(Action::Script { args: asked.script });
    // The original's order, should there be several.
    let action = match (script, asked.http, tcp, asked.grpc) {
        (Some(_), ..) if asked.docker => return Err(invalid("checks inside containers are not supported")),
        (Some(script), ..) if !allowed.scripts => {
            drop(script);
            return Err(Bad::ScriptsOff);
        }
        (script, http, tcp, grpc) => http.or(tcp).or(grpc).or(script),
    };
    match action {
        Some(_) if asked.interval <= 0 => {
            Err(invalid("Interval must be > 0 for Script, HTTP, or TCP checks"))
        }
        Some(action) => Ok(Probe::Run {
            interval: positive(asked.interval).max(Duration::from_secs(1)),
            timeout,
            action: Arc::new(action),
        }),
        None if asked.ttl <= 0 => Err(invalid("TTL must be > 0 for TTL checks")),
        None => Ok(Probe::Ttl(positive(asked.ttl))),
    }
}

/// What clients are told who want programs to be run.
pub(super) const SCRIPTS_OFF: &str = "Scripts are disabled on this agent from remote calls; to enable, configure \
                           'enable_script_checks' to true";

/// Reads a service that is this agent's own, with its checks, each of another ID.
pub(crate) fn own_service(fields: Fields, allowed: Allowed) -> Result<Registration, Bad> {
    let registration = service(fields, allowed)?;
    let mut seen = BTreeSet::new();
    match registration.checks.iter().find(|spec| !seen.insert(&spec.id)) {
        Some(spec) => Err(Bad::Words(format!("Invalid check: CheckID \"{}\" is used twice", spec.id))),
        None => Ok(registration),
    }
}
