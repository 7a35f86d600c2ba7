//! Services and checks that stand in configuration files: `service`, `services`, `check`, `checks`,
//! in the fields of the HTTP interface (consul-http, sections 4 and 5), in small letters with `_`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tidings_core::registry::check::CheckSpec;
use tidings_core::registry::service::{Service, Text};

use crate::http::{self, Allowed, Bad, Fields, Registration};

/// What a stanza defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DefinitionKind {
    /// A service, perhaps with checks.
    Service,
    /// A check of its own.
    Check,
}

/// A stanza as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// What it defines.
    pub kind: DefinitionKind,
    /// The file it stands in.
    pub file: PathBuf,
    /// Where in the file: `services[2]`.
    pub key: String,
    /// The JSON object itself.
    pub value: Value,
}

impl Definition {
    fn place(&self) -> String {
        format!("'{}': {}", self.file.display(), self.key)
    }
}

/// Everything that configuration files register: each ID once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Defined {
    /// Instances by ID.
    pub services: BTreeMap<Text, Service>,
    /// Checks by ID, of instances and of the node.
    pub checks: BTreeMap<Text, CheckSpec>,
    /// The stanzas it was read from.
    written: Vec<Definition>,
}

impl Defined {
    /// Reads stanzas.
    ///
    /// # Errors
    /// What is wrong with the first that cannot be registered: in which file, under which key, and
    /// what is allowed there.
    pub fn read(definitions: &[Definition], allowed: Allowed) -> Result<Defined, String> {
        let mut defined = Defined::default();
        // Where each ID comes from.
        let mut seen: BTreeMap<(DefinitionKind, Text), String> = BTreeMap::new();
        for definition in definitions {
            let at = definition.place();
            let Registered { service, checks } = registered(definition, allowed)
                .map_err(|bad| format!("Error in {at}: {}", bad.in_a_file()))?;
            let ids = service.iter().map(|(id, _)| (DefinitionKind::Service, id));
            for (kind, id) in ids.chain(checks.iter().map(|spec| (DefinitionKind::Check, &spec.id))) {
                if let Some(other) = seen.insert((kind, id.clone()), at.clone()) {
                    let what = if kind == DefinitionKind::Service { "service" } else { "check" };
                    return Err(format!(
                        "Error in {at}: the ID \"{id}\" is that of another {what}, in {other}; give one of them an 'id' \
                         of its own"
                    ));
                }
            }
            defined.services.extend(service);
            defined.checks.extend(checks.into_iter().map(|spec| (spec.id.clone(), spec)));
            defined.written.push(definition.clone());
        }
        Ok(defined)
    }

    /// Whether there is nothing to register.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.checks.is_empty()
    }

    /// What stands here, as the text of a configuration file.
    #[must_use]
    pub fn render<'a>(all: impl IntoIterator<Item = &'a Defined>) -> String {
        let written: Vec<&Definition> = all.into_iter().flat_map(|defined| &defined.written).collect();
        let of = |kind| -> Vec<&Value> {
            written.iter().filter(|it| it.kind == kind).map(|it| &it.value).collect()
        };
        let (services, checks) = (of(DefinitionKind::Service), of(DefinitionKind::Check));
        json!({ "services": services, "checks": checks }).to_string()
    }

    /// The single stanzas of a text that [`render`](Self::render) made, each by itself, for one may
    /// define anew what another does. What makes no sense is passed over.
    #[must_use]
    pub fn parse_each(text: &str) -> Vec<Defined> {
        let Ok(Value::Object(mut map)) = serde_json::from_str(text) else { return Vec::new() };
        let mut all = Vec::new();
        for (key, kind) in [("services", DefinitionKind::Service), ("checks", DefinitionKind::Check)] {
            let Some(Value::Array(list)) = map.remove(key) else { continue };
            for value in list {
                let file = Path::new("").to_owned();
                let definition = Definition { kind, file, key: key.to_owned(), value };
                all.extend(Defined::read(&[definition], Allowed::ALL));
            }
        }
        all
    }
}

/// What one stanza registers.
struct Registered {
    service: Option<(Text, Service)>,
    checks: Vec<CheckSpec>,
}

fn registered(definition: &Definition, allowed: Allowed) -> Result<Registered, Bad> {
    let fields = Fields::of(definition.value.clone(), &[])?;
    match definition.kind {
        DefinitionKind::Service => {
            let Registration { id, service, checks } = http::own_service(fields, allowed)?;
            Ok(Registered { service: Some((id, service)), checks })
        }
        DefinitionKind::Check => {
            let check = http::lone_check(fields, allowed)?;
            Ok(Registered { service: None, checks: vec![check] })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(kind: DefinitionKind, key: &str, value: Value) -> Definition {
        Definition { kind, file: "a.json".into(), key: key.into(), value }
    }

    fn services(values: impl IntoIterator<Item = Value>) -> Vec<Definition> {
        let each = |(index, value)| definition(DefinitionKind::Service, &format!("services[{index}]"), value);
        values.into_iter().enumerate().map(each).collect()
    }

    #[test]
    fn what_is_written_in_small_letters_is_what_http_takes() {
        let value = json!({
            "id": "web1", "name": "web", "tags": ["a"], "port": 80, "meta": {"k": "v"},
            "enable_tag_override": true, "tagged_addresses": {"wan": {"address": "h", "port": 1}},
            "weights": {"passing": 3, "warning": 1},
            "checks": [
                {"id": "c", "http": "http://h/", "interval": "10s", "success_before_passing": 2},
                {"ttl": "1m", "deregister_critical_service_after": "5m", "output_max_size": 10},
            ],
        });
        let defined = Defined::read(&services([value]), Allowed::default()).unwrap();
        let service = &defined.services["web1"];
        assert_eq!((&*service.name, service.port, service.weights.passing), ("web", 80, 3));
        assert!(service.enable_tag_override);
        assert_eq!(defined.checks.keys().map(|id| &**id).collect::<Vec<_>>(), ["c", "service:web1:2"]);
        assert_eq!(&*defined.checks["c"].service_id, "web1");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place_and_what_is_allowed() {
        let check = |value| definition(DefinitionKind::Check, "check", value);
        let script = json!({"name": "s", "args": ["true"], "interval": "10s"});
        for (definitions, expected) in [
            (
                services([json!({"name": "a"}), json!({"name": "b", "port": "80"})]),
                "Error in 'a.json': services[1]: 'port' must be a whole number, not string",
            ),
            (
                services([json!({"name": "a", "checks": [{"ttl": "1s"}, {"ttl": "10"}]})]),
                "Error in 'a.json': services[0]: checks[1]: 'ttl': time: missing unit in duration \"10\"; \
                 a duration is a number with a unit, such as 10s or 1m30s",
            ),
            (services([json!({})]), "Error in 'a.json': services[0]: Missing service name"),
            (
                services([json!({"name": "a", "weights": {"pass": 1}})]),
                "Error in 'a.json': services[0]: unknown key 'pass'; allowed are passing, warning",
            ),
            (
                services([json!({"name": "a"}), json!({"name": "b", "id": "a"})]),
                "Error in 'a.json': services[1]: the ID \"a\" is that of another service, in 'a.json': services[0]; \
                 give one of them an 'id' of its own",
            ),
            (
                vec![check(json!({"name": "c"}))],
                "Error in 'a.json': check: Invalid check: TTL must be > 0 for TTL checks",
            ),
            (vec![check(script.clone())], "Error in 'a.json': check: Scripts are disabled"),
        ] {
            let error = Defined::read(&definitions, Allowed::default()).unwrap_err();
            assert!(error.starts_with(expected), "{error}\nfor {expected}");
        }
        assert!(Defined::read(&[check(script)], Allowed { scripts: true, ..Allowed::default() }).is_ok());
    }

    #[test]
    fn what_is_rendered_is_read_stanza_by_stanza() {
        let read = |all| Defined::read(&services(all), Allowed::default());
        let first = read(vec![json!({"name": "a", "port": 1}), json!({"name": "b"})]);
        let second = read(vec![json!({"name": "a", "port": 2})]);
        let text = Defined::render([&first.unwrap(), &second.unwrap()]);
        let ports: Vec<i64> =
            Defined::parse_each(&text).iter().flat_map(|it| it.services.values().map(|it| it.port)).collect();
        assert_eq!(ports, [1, 0, 2]);
        assert!(Defined::parse_each("{\"services\": [7, {}], \"x\": 1").is_empty());
    }
}
