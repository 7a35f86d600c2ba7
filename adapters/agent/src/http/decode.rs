//! JSON bodies as Go reads them (consul-http, section 2): keys in capital or small letters alike,
//! `null` for what is absent, durations as text or nanoseconds.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::duration;

/// The names of a field: any letter case will do, the first is the API's, the last that of files.
pub(crate) type Names = &'static [&'static str];

/// Why a body cannot be taken. Shown as clients read it, behind `Request decode failed: `.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Undecodable {
    /// It is no JSON.
    #[error("{0}")]
    Json(String),
    /// A value is of another type than its field.
    #[error("json: cannot unmarshal {found} into Go {} of type {wanted}", place(.names))]
    Type { names: Names, found: String, wanted: &'static str },
    /// A text is no duration.
    #[error("{error}")]
    Duration { names: Names, error: String },
    /// There is no such field.
    #[error("json: unknown field {field:?}")]
    Unknown { field: String, known: Vec<Names> },
}

fn place(names: Names) -> String {
    names.first().map_or("value".into(), |name| format!("struct field .{name}"))
}

impl Undecodable {
    /// The same for who writes configuration files: in their spelling, with what is allowed.
    pub(crate) fn in_a_file(&self) -> String {
        let key = |names: Names| names.last().map(|name| name.to_ascii_lowercase()).unwrap_or_default();
        match self {
            Undecodable::Json(words) => words.clone(),
            Undecodable::Type { names: [], found, wanted } => {
                format!("must be {}, not {found}", said(wanted))
            }
            Undecodable::Type { names, found, wanted } => {
                format!("'{}' must be {}, not {found}", key(names), said(wanted))
            }
            Undecodable::Duration { names, error } => {
                format!("'{}': {error}; a duration is a number with a unit, such as 10s or 1m30s", key(names))
            }
            Undecodable::Unknown { field, known } => {
                let mut known: Vec<String> = known.iter().map(|names| key(names)).collect();
                known.sort();
                known.dedup();
                format!("unknown key '{field}'; allowed are {}", known.join(", "))
            }
        }
    }
}

/// What a type is called in Go, for errors.
mod go {
    pub(super) const TEXT: &str = "string";
    pub(super) const TEXTS: &str = "[]string";
    pub(super) const NUMBER: &str = "int";
    pub(super) const TRUTH: &str = "bool";
    pub(super) const OBJECT: &str = "struct";
    pub(super) const MAP: &str = "map[string]string";
    pub(super) const LIST: &str = "slice";
    pub(super) const DURATION: &str = "time.Duration";
}

/// A type of Go in plain words.
fn said(kind: &str) -> &'static str {
    match kind {
        go::TEXT => "a string",
        go::TEXTS => "a list of strings",
        go::NUMBER => "a whole number",
        go::TRUTH => "true or false",
        go::OBJECT => "an object",
        go::LIST => "a list of objects",
        go::DURATION => "a duration such as \"10s\", or a number of nanoseconds",
        _ => "an object with a value for each name",
    }
}

/// A body as JSON.
///
/// # Errors
/// It is none; in Go's words where clients may look for them.
pub(crate) fn body(bytes: &[u8]) -> Result<Value, Undecodable> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Undecodable::Json("EOF".into()));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        Undecodable::Json(if error.is_eof() { "unexpected EOF".into() } else { format!("json: {error}") })
    })
}

/// An object of a body, whose fields are taken out one by one; what is left is unknown.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    left: Map<String, Value>,
    /// What was looked for.
    known: Vec<Names>,
}

impl Fields {
    /// The object itself; `null` is one without fields.
    pub(crate) fn of(value: Value, names: Names) -> Result<Self, Undecodable> {
        match value {
            Value::Object(map) => Ok(Fields::from_map(map)),
            Value::Null => Ok(Fields::default()),
            other => Err(wrong(&other, names, go::OBJECT)),
        }
    }

    /// The value under any of these names; of several the last one in the body.
    pub(super) fn take(&mut self, names: Names) -> Option<Value> {
        self.known.push(names);
        let named = |key: &&String| names.iter().any(|name| name.eq_ignore_ascii_case(key));
        let keys: Vec<String> = self.left.keys().filter(named).cloned().collect();
        let mut found = None;
        for key in keys {
            found = self.left.remove(&key).or(found);
        }
        found.filter(|value| !value.is_null())
    }

    /// A text; empty if absent.
    pub(crate) fn text(&mut self, names: Names) -> Result<String, Undecodable> {
        match self.take(names) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(wrong(&other, names, go::TEXT)),
        }
    }

    /// A list of texts; empty if absent.
    pub(crate) fn texts(&mut self, names: Names) -> Result<Vec<String>, Undecodable> {
        match self.take(names) {
            None => Ok(Vec::new()),
            Some(value) => texts(value, names),
        }
    }

    /// A whole number; `None` if absent.
    pub(super) fn number(&mut self, names: Names) -> Result<Option<i64>, Undecodable> {
        match self.take(names) {
            None => Ok(None),
            Some(Value::Number(number)) => match number.as_i64() {
                Some(number) => Ok(Some(number)),
                None => {
                    Err(Undecodable::Type { names, found: format!("number {number}"), wanted: go::NUMBER })
                }
            },
            Some(other) => Err(wrong(&other, names, go::NUMBER)),
        }
    }

    /// Yes or no; no if absent.
    pub(super) fn truth(&mut self, names: Names) -> Result<bool, Undecodable> {
        match self.take(names) {
            None => Ok(false),
            Some(Value::Bool(truth)) => Ok(truth),
            Some(other) => Err(wrong(&other, names, go::TRUTH)),
        }
    }

    /// A duration: Go's text, or nanoseconds. Zero if absent; negative ones are kept as they are.
    pub(super) fn nanos(&mut self, names: Names) -> Result<i64, Undecodable> {
        match self.take(names) {
            None => Ok(0),
            Some(Value::String(text)) if text.is_empty() => Ok(0),
            Some(Value::String(text)) => {
                let wrong = |error: duration::DurationError| Undecodable::Duration {
                    names,
                    error: error.to_string(),
                };
                duration::parse_nanos(&text).map_err(wrong)
            }
            // Fractions of a nanosecond are cut off.
            Some(Value::Number(number)) => {
                Ok(number.as_i64().unwrap_or_else(|| number.as_f64().unwrap_or(0.0) as i64))
            }
            Some(other) => Err(wrong(&other, names, go::DURATION)),
        }
    }

    /// An object, or `None`.
    pub(super) fn object(&mut self, names: Names) -> Result<Option<Fields>, Undecodable> {
        self.take(names).map(|value| Fields::of(value, names)).transpose()
    }

    /// A list of objects; empty if absent.
    pub(super) fn objects(&mut self, names: Names) -> Result<Vec<Fields>, Undecodable> {
        match self.take(names) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => list.into_iter().map(|value| Fields::of(value, names)).collect(),
            Some(other) => Err(wrong(&other, names, go::LIST)),
        }
    }

    /// Texts by name, in the order of the names; empty if absent.
    pub(super) fn pairs(&mut self, names: Names) -> Result<Vec<(String, String)>, Undecodable> {
        self.entries(names, go::MAP, |value, names| match value {
            Value::String(text) => Ok(text),
            Value::Null => Ok(String::new()),
            other => Err(wrong(&other, names, go::TEXT)),
        })
    }

    /// Lists of texts by name, in the order of the names; empty if absent.
    pub(super) fn lists(&mut self, names: Names) -> Result<Vec<(String, Vec<String>)>, Undecodable> {
        self.entries(names, go::MAP, texts)
    }

    /// Values by name, in the order of the names; empty if absent.
    pub(super) fn entries<T>(
        &mut self,
        names: Names,
        kind: &'static str,
        read: impl Fn(Value, Names) -> Result<T, Undecodable>,
    ) -> Result<Vec<(String, T)>, Undecodable> {
        match self.take(names) {
            None => Ok(Vec::new()),
            Some(Value::Object(map)) => {
                let mut entries: Vec<(String, T)> = map
                    .into_iter()
                    .map(|(name, value)| Ok((name, read(value, names)?)))
                    .collect::<Result<_, Undecodable>>()?;
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                Ok(entries)
            }
            Some(other) => Err(wrong(&other, names, kind)),
        }
    }

    /// What is left of it, as it is.
    pub(super) fn into_map(self) -> Map<String, Value> {
        self.left
    }

    /// An object of these fields.
    pub(super) fn from_map(map: Map<String, Value>) -> Self {
        Fields { left: map, known: Vec::new() }
    }

    /// Nothing may be left but what newer versions of the API have and this one does without.
    pub(super) fn done(self, ignored: &[&str]) -> Result<(), Undecodable> {
        let known = |key: &String| ignored.iter().any(|name| name.eq_ignore_ascii_case(key));
        match self.left.keys().find(|key| !known(key)) {
            Some(key) => Err(Undecodable::Unknown { field: key.clone(), known: self.known }),
            None => Ok(()),
        }
    }
}

fn texts(value: Value, names: Names) -> Result<Vec<String>, Undecodable> {
    let Value::Array(list) = value else { return Err(wrong(&value, names, go::TEXTS)) };
    list.into_iter()
        .map(|value| match value {
            Value::String(text) => Ok(text),
            Value::Null => Ok(String::new()),
            other => Err(wrong(&other, names, go::TEXT)),
        })
        .collect()
}

fn wrong(value: &Value, names: Names, wanted: &'static str) -> Undecodable {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    Undecodable::Type { names, found: found.to_owned(), wanted }
}

/// A duration that may not be negative.
pub(super) fn positive(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Fields {
        Fields::of(value, &[]).unwrap()
    }

    #[test]
    fn keys_are_found_in_any_letters() {
        let mut it = fields(json!({"NAME": "a", "enable_tag_override": true, "pOrT": 7}));
        assert_eq!(it.text(&["Name"]), Ok("a".into()));
        assert_eq!(it.truth(&["EnableTagOverride", "enable_tag_override"]), Ok(true));
        assert_eq!(it.number(&["Port"]), Ok(Some(7)));
        assert_eq!(it.done(&[]), Ok(()));
    }

    #[test]
    fn what_has_the_wrong_type_is_named() {
        let mut it =
            fields(json!({"Port": "80", "Tags": "a", "Meta": {"k": 1}, "X": 80.5, "TTL": "15", "Y": {}}));
        let errors = [
            it.number(&["Port"]).unwrap_err(),
            it.texts(&["Tags"]).unwrap_err(),
            it.pairs(&["Meta"]).unwrap_err(),
            it.number(&["X", "ex"]).unwrap_err(),
            it.nanos(&["TTL"]).unwrap_err(),
            it.done(&["w"]).unwrap_err(),
        ];
        let expected = [
            (
                "json: cannot unmarshal string into Go struct field .Port of type int",
                "'port' must be a whole number, not string",
            ),
            (
                "json: cannot unmarshal string into Go struct field .Tags of type []string",
                "'tags' must be a list of strings, not string",
            ),
            (
                "json: cannot unmarshal number into Go struct field .Meta of type string",
                "'meta' must be a string, not number",
            ),
            (
                "json: cannot unmarshal number 80.5 into Go struct field .X of type int",
                "'ex' must be a whole number, not number 80.5",
            ),
            (
                "time: missing unit in duration \"15\"",
                "'ttl': time: missing unit in duration \"15\"; a duration is a number with a unit, such as 10s or 1m30s",
            ),
            ("json: unknown field \"Y\"", "unknown key 'Y'; allowed are ex, meta, port, tags, ttl"),
        ];
        for (error, (to_clients, in_a_file)) in errors.iter().zip(expected) {
            assert_eq!((&*error.to_string(), &*error.in_a_file()), (to_clients, in_a_file));
        }
    }

    #[test]
    fn durations_are_texts_or_nanoseconds() {
        for (value, expected) in [
            (json!("1h2m3.5s"), Ok(3_723_500_000_000)),
            (json!(15_000_000_000_i64), Ok(15_000_000_000)),
            (json!(15.5), Ok(15)),
            (json!(""), Ok(0)),
            (json!("-1s"), Ok(-1_000_000_000)),
            (json!("15"), Err("time: missing unit in duration \"15\"".to_owned())),
            (json!("10parsecs"), Err("time: unknown unit \"parsecs\" in duration \"10parsecs\"".into())),
        ] {
            let found = fields(json!({"TTL": value})).nanos(&["TTL"]);
            assert_eq!(found.map_err(|error| error.to_string()), expected, "{value}");
        }
    }

    #[test]
    fn bodies_that_are_none_say_how() {
        assert_eq!(body(b" \n"), Err(Undecodable::Json("EOF".into())));
        assert_eq!(body(b"{\"Name\":"), Err(Undecodable::Json("unexpected EOF".into())));
        assert!(body(b"nope").is_err());
        // As deep as a hostile client likes.
        assert!(body("[".repeat(100_000).as_bytes()).is_err());
    }
}
