//! Configuration files: JSON with the original's checks and error texts (serf-agent, section 3.1).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::definitions::{Definition, DefinitionKind};
use super::settings::{Settings, Slot};
use crate::duration;

/// Bytes of one configuration file at most; larger ones are surely something else.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Where settings come from besides flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    File(PathBuf),
    /// All its `*.json` files in the order of their names, without those of sub-directories.
    Dir(PathBuf),
}

/// Reads all sources in the order given and lays each over the ones before.
pub(super) fn read_sources(sources: &[Source]) -> Result<Settings, String> {
    let mut settings = Settings::default();
    for source in sources {
        match source {
            Source::File(path) => settings.merge(read_file(path)?),
            Source::Dir(path) => {
                for file in files_of(path)? {
                    settings.merge(read_file(&file)?);
                }
            }
        }
    }
    Ok(settings)
}

fn files_of(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| {
        format!("Error reading '{}': {}", dir.display(), os_error("open", dir, &error))
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|e| e == "json") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(path: &Path) -> Result<Settings, String> {
    let text = read_text(path).map_err(|error| format!("Error reading '{}': {error}", path.display()))?;
    let decoded = decode(&text).map_err(|error| format!("Error decoding '{}': {error}", path.display()));
    let mut settings = decoded?;
    for definition in &mut settings.definitions {
        definition.file = path.to_owned();
    }
    Ok(settings)
}

/// A file's text; the error is in the words of the original: `open nope: no such file or directory`.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| os_error("open", path, &error);
    let size = fs::metadata(path).map_err(failed)?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!("{} bytes exceed the limit of {FILE_BYTES_MAX} bytes for such a file", size));
    }
    fs::read_to_string(path).map_err(failed)
}

/// `open nope.json: no such file or directory`: operation, path, reason in lower case.
pub(crate) fn os_error(operation: &str, path: &Path, error: &std::io::Error) -> String {
    format!("{operation} {}: {}", path.display(), crate::errors::reason(error))
}

/// Decodes one file.
pub(super) fn decode(text: &str) -> Result<Settings, String> {
    let value = parse(text)?;
    let Value::Object(object) = value else {
        return Err(problems(vec![format!("'' expected a map, got '{}'", kind(&value))]));
    };
    let mut settings = Settings::default();
    let mut errors = Vec::new();
    let mut unknown = Vec::new();
    let mut entries = Vec::new();
    flatten(&mut settings, "", &object, &mut entries);
    for (name, value) in &entries {
        let key = name.to_ascii_lowercase();
        match settings.slot(&key) {
            None => unknown.push(name.as_str()),
            Some(Slot::Unsupported) if is_zero(value) => {}
            Some(Slot::Unsupported) => return Err(unsupported(&format!("'{name}'"))),
            // Durations are parsed after the types are known to be right, as the original does.
            Some(slot) => fill(&key, slot, value, &mut errors),
        }
    }
    if !unknown.is_empty() {
        errors.push(format!("'' has invalid keys: {}", unknown.join(", ")));
    }
    if !errors.is_empty() {
        return Err(problems(errors));
    }
    for (name, value) in &entries {
        if let (Some(Slot::Duration(place)), Value::String(text)) =
            (settings.slot(&name.to_ascii_lowercase()), value)
        {
            *place = duration::parse(text).map_err(|error| error.to_string())?;
        }
    }
    Ok(settings)
}

/// Lists the entries of an object, those of groups within it under names with dots.
fn flatten<'a>(
    settings: &mut Settings,
    before: &str,
    object: &'a serde_json::Map<String, Value>,
    entries: &mut Vec<(String, &'a Value)>,
) {
    for (name, value) in object {
        let name = format!("{before}{name}");
        match (settings.slot(&name.to_ascii_lowercase()), value) {
            (Some(Slot::Group), Value::Object(within)) => {
                flatten(settings, &format!("{name}."), within, entries);
            }
            _ => entries.push((name, value)),
        }
    }
}

/// How a setting that this version lacks is refused.
pub(super) fn unsupported(what: &str) -> String {
    format!("{what} is not supported by this version of tidings; remove it")
}

/// The JSON value of a text; what stands behind it is ignored, as the original does.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    match values.next() {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) if error.is_eof() => Err("unexpected EOF".to_owned()),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("EOF".to_owned()),
    }
}

fn problems(mut errors: Vec<String>) -> String {
    errors.sort();
    let mut text = format!("{} error(s) decoding:\n", errors.len());
    for error in errors {
        text.push_str("\n* ");
        text.push_str(&error);
    }
    text
}

/// Puts a value of the right type in its place; `null` is as good as absent.
fn fill(key: &str, slot: Slot<'_>, value: &Value, errors: &mut Vec<String>) {
    let wrong = |expected: &str| {
        format!(
            "'{key}' expected type '{expected}', got unconvertible type '{}', value: '{}'",
            kind(value),
            Plain(value)
        )
    };
    match (slot, value) {
        (_, Value::Null) | (Slot::Ignored, _) => {}
        (Slot::Text(place), Value::String(text)) => place.clone_from(text),
        (Slot::Text(_), _) => errors.push(wrong("string")),
        (Slot::Duration(_), Value::String(_)) => {}
        (Slot::Duration(_), _) => errors.push(wrong("string")),
        (Slot::Bool(place), Value::Bool(on)) => *place = *on,
        (Slot::Switch(place), Value::Bool(on)) => *place = Some(*on),
        (Slot::Bool(_) | Slot::Switch(_), _) => errors.push(wrong("bool")),
        (Slot::Int(place), Value::Number(number)) => match whole(number) {
            Some(n) => *place = n,
            None => errors.push(wrong("int")),
        },
        (Slot::Int(_), _) => errors.push(wrong("int")),
        (Slot::Texts(place), Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                text_item(&format!("{key}[{index}]"), item, errors, |text| place.push(text));
            }
        }
        (Slot::Texts(_), _) => {
            let kind = kind(value).split([' ', '[']).next().unwrap_or("map").to_owned();
            errors.push(format!("'{key}': source data must be an array or slice, got {kind}"));
        }
        (Slot::Map(place), Value::Object(items)) => fill_map(key, place, items, errors),
        (Slot::Map(_) | Slot::Group, _) => {
            errors.push(format!("'{key}' expected a map, got '{}'", kind(value)))
        }
        (Slot::Definitions(place), _) => fill_definitions(key, place, value, errors),
        (Slot::Unsupported, _) => unreachable!("the caller refuses these"),
    }
}

fn fill_map(
    key: &str,
    place: &mut BTreeMap<String, String>,
    items: &serde_json::Map<String, Value>,
    errors: &mut Vec<String>,
) {
    for (name, item) in items {
        text_item(&format!("{key}[{name}]"), item, errors, |text| {
            place.insert(name.clone(), text);
        });
    }
}

/// Services or checks: one as an object, several as a list of objects, under either key.
fn fill_definitions(key: &str, place: &mut Vec<Definition>, value: &Value, errors: &mut Vec<String>) {
    let kind_of = if key.starts_with("service") { DefinitionKind::Service } else { DefinitionKind::Check };
    let mut put = |name: String, item: &Value| match item {
        Value::Object(_) => {
            let (file, value) = (PathBuf::new(), item.clone());
            place.push(Definition { kind: kind_of, file, key: name, value });
        }
        _ => errors.push(format!("'{name}' expected a map, got '{}'", kind(item))),
    };
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| put(format!("{key}[{index}]"), item));
        }
        _ => put(key.to_owned(), value),
    }
}

fn text_item(path: &str, item: &Value, errors: &mut Vec<String>, put: impl FnOnce(String)) {
    match item {
        Value::String(text) => put(text.clone()),
        Value::Null => put(String::new()),
        _ => errors.push(format!(
            "'{path}' expected type 'string', got unconvertible type '{}', value: '{}'",
            kind(item),
            Plain(item)
        )),
    }
}

/// A JSON number as an integer, also when it is written like `4.0`.
fn whole(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64)
    })
}

/// Whether a value says nothing: `null`, `false`, zero or empty.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.values().all(is_zero),
    }
}

/// The original's names of JSON types, which its error texts show.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// Shows a value without quotes, lists as `[a b]`, maps as `map[k:v]`.
struct Plain<'a>(&'a Value);

impl std::fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Value::Null => f.write_str("<nil>"),
            Value::String(text) => f.write_str(text),
            Value::Array(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{}", if index == 0 { "" } else { " " }, Plain(item))?;
                }
                f.write_str("]")
            }
            Value::Object(items) => {
                f.write_str("map[")?;
                for (index, (name, item)) in items.iter().enumerate() {
                    write!(f, "{}{name}:{}", if index == 0 { "" } else { " " }, Plain(item))?;
                }
                f.write_str("]")
            }
            other => write!(f, "{other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_files_are_refused_in_the_words_of_the_original() {
        let cases = [
            (r#"{"nope": 1}"#, "1 error(s) decoding:\n\n* '' has invalid keys: nope"),
            (r#"{"node_name": "#, "unexpected EOF"),
            ("", "EOF"),
            (r#"{"reconnect_interval": "5"}"#, "time: missing unit in duration \"5\""),
            (
                r#"{"tags": {"a": 5}}"#,
                "1 error(s) decoding:\n\n* 'tags[a]' expected type 'string', got unconvertible type 'float64', value: '5'",
            ),
            (
                r#"{"protocol":"4"}"#,
                "1 error(s) decoding:\n\n* 'protocol' expected type 'int', got unconvertible type 'string', value: '4'",
            ),
            (
                r#"{"start_join": "a", "b": 1, "a": 2, "replay_on_join": "x"}"#,
                "3 error(s) decoding:\n\n* '' has invalid keys: a, b\n* 'replay_on_join' expected type 'bool', got unconvertible type 'string', value: 'x'\n* 'start_join': source data must be an array or slice, got string",
            ),
            (
                r#"{"services": [{"name": "a"}, 7], "check": "x"}"#,
                "2 error(s) decoding:\n\n* 'check' expected a map, got 'string'\n* 'services[1]' expected a map, got 'float64'",
            ),
            (
                r#"{"dns_config": {"nope": 1, "soa": {"retry": "x"}, "node_ttl": 5}}"#,
                "3 error(s) decoding:\n\n* '' has invalid keys: dns_config.nope\n* 'dns_config.node_ttl' expected type 'string', got unconvertible type 'float64', value: '5'\n* 'dns_config.soa.retry' expected type 'int', got unconvertible type 'string', value: 'x'",
            ),
            (r#"{"dns_config": 5}"#, "1 error(s) decoding:\n\n* 'dns_config' expected a map, got 'float64'"),
            ("[1]", "1 error(s) decoding:\n\n* '' expected a map, got '[]interface {}'"),
            (
                r#"{"statsd_addr": "127.0.0.1:8125"}"#,
                "'statsd_addr' is not supported by this version of tidings; remove it",
            ),
            (
                r#"{"mdns": {"interface": "eth0"}}"#,
                "'mdns' is not supported by this version of tidings; remove it",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(decode(text).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn keys_match_in_any_letter_case_and_null_is_as_good_as_absent() {
        let settings = decode(
            r#"{"Node_Name": "x", "PROTOCOL": 4.0, "tags": {"a": null}, "bind": null, "snapshot_path": "",
                "reconnect_timeout": "1.5h", "event_handlers": ["a", "b"]}"#,
        )
        .unwrap();
        assert_eq!(settings.node_name, "x");
        assert_eq!(settings.protocol, 4);
        assert_eq!(settings.tags["a"], "");
        assert_eq!(settings.bind, "");
        assert_eq!(settings.reconnect_timeout.as_secs(), 5400);
        assert_eq!(settings.event_handlers, ["a", "b"]);
    }

    #[test]
    fn what_stands_in_an_object_of_its_own_is_found_there() {
        let dns = decode(
            r#"{"recursors": ["192.0.2.1"], "dns_config": {"Node_TTL": "10s", "service_ttl": {"*": "5s"},
                "soa": {"min_ttl": 13}, "enable_truncate": false, "allow_stale": true, "max_stale": "5s"}}"#,
        )
        .unwrap()
        .dns;
        assert_eq!((dns.node_ttl.as_secs(), dns.service_ttl["*"].as_str(), dns.soa_min_ttl), (10, "5s", 13));
        assert_eq!((dns.enable_truncate, dns.recursors.len()), (Some(false), 1));
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_taken_without_panic() {
        fn check(text: String) -> bool {
            let _ = decode(&text);
            let _ = decode(&format!("{{\"tags\": {text}}}"));
            true
        }
        quickcheck::quickcheck(check as fn(String) -> bool);
    }
}
