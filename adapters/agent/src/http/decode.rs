//! JSON bodies as Go reads them (consul-http, section 2): keys in capital or small letters alike,
//! `null` for what is absent, durations as text or nanoseconds.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::duration;

/// Why a body cannot be taken, as the client reads it: what stands behind `Request decode failed: `.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Undecodable(pub(super) String);

impl From<String> for Undecodable {
    fn from(text: String) -> Self {
        Undecodable(text)
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
}

/// A body as JSON.
///
/// # Errors
/// It is none; in Go's words where clients may look for them.
pub(super) fn body(bytes: &[u8]) -> Result<Value, Undecodable> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Undecodable("EOF".into()));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        Undecodable(if error.is_eof() { "unexpected EOF".into() } else { format!("json: {error}") })
    })
}

/// An object of a body, whose fields are taken out one by one; what is left is unknown.
#[derive(Debug)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// The object itself; `null` is one without fields.
    pub(super) fn of(value: Value, field: &str) -> Result<Self, Undecodable> {
        match value {
            Value::Object(map) => Ok(Fields(map)),
            Value::Null => Ok(Fields(Map::new())),
            other => Err(wrong(&other, field, go::OBJECT)),
        }
    }

    /// The value under any of these names; of several the last one in the body.
    pub(super) fn take(&mut self, names: &[&str]) -> Option<Value> {
        let named = |key: &&String| names.iter().any(|name| name.eq_ignore_ascii_case(key));
        let keys: Vec<String> = self.0.keys().filter(named).cloned().collect();
        let mut found = None;
        for key in keys {
            found = self.0.remove(&key).or(found);
        }
        found.filter(|value| !value.is_null())
    }

    /// A text; empty if absent.
    pub(super) fn text(&mut self, names: &[&str]) -> Result<String, Undecodable> {
        match self.take(names) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(wrong(&other, names[0], go::TEXT)),
        }
    }

    /// A list of texts; empty if absent.
    pub(super) fn texts(&mut self, names: &[&str]) -> Result<Vec<String>, Undecodable> {
        match self.take(names) {
            None => Ok(Vec::new()),
            Some(value) => texts(value, names[0]),
        }
    }

    /// A whole number; `None` if absent.
    pub(super) fn number(&mut self, names: &[&str]) -> Result<Option<i64>, Undecodable> {
        match self.take(names) {
            None => Ok(None),
            Some(Value::Number(number)) => match number.as_i64() {
                Some(number) => Ok(Some(number)),
                None => Err(Undecodable(format!(
                    "json: cannot unmarshal number {number} into Go struct field .{} of type {}",
                    names[0],
                    go::NUMBER
                ))),
            },
            Some(other) => Err(wrong(&other, names[0], go::NUMBER)),
        }
    }

    /// Yes or no; no if absent.
    pub(super) fn truth(&mut self, names: &[&str]) -> Result<bool, Undecodable> {
        match self.take(names) {
            None => Ok(false),
            Some(Value::Bool(truth)) => Ok(truth),
            Some(other) => Err(wrong(&other, names[0], go::TRUTH)),
        }
    }

    /// A duration: Go's text, or nanoseconds. Zero if absent; negative ones are kept as they are.
    pub(super) fn nanos(&mut self, names: &[&str]) -> Result<i64, Undecodable> {
        match self.take(names) {
            None => Ok(0),
            Some(Value::String(text)) if text.is_empty() => Ok(0),
            Some(Value::String(text)) => {
                duration::parse_nanos(&text).map_err(|error| Undecodable(error.to_string()))
            }
            // Fractions of a nanosecond are cut off.
            Some(Value::Number(number)) => {
                Ok(number.as_i64().unwrap_or_else(|| number.as_f64().unwrap_or(0.0) as i64))
            }
            Some(other) => Err(wrong(&other, names[0], "time.Duration")),
        }
    }

    /// An object, or `None`.
    pub(super) fn object(&mut self, names: &[&str]) -> Result<Option<Fields>, Undecodable> {
        self.take(names).map(|value| Fields::of(value, names[0])).transpose()
    }

    /// A list of objects; empty if absent.
    pub(super) fn objects(&mut self, names: &[&str]) -> Result<Vec<Fields>, Undecodable> {
        match self.take(names) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => list.into_iter().map(|value| Fields::of(value, names[0])).collect(),
            Some(other) => Err(wrong(&other, names[0], go::LIST)),
        }
    }

    /// Texts by name, in the order of the names; empty if absent.
    pub(super) fn pairs(&mut self, names: &[&str]) -> Result<Vec<(String, String)>, Undecodable> {
        self.entries(names, go::MAP, |value, name| match value {
            Value::String(text) => Ok(text),
            Value::Null => Ok(String::new()),
            other => Err(wrong(&other, name, go::TEXT)),
        })
    }

    /// Lists of texts by name, in the order of the names; empty if absent.
    pub(super) fn lists(&mut self, names: &[&str]) -> Result<Vec<(String, Vec<String>)>, Undecodable> {
        self.entries(names, go::MAP, texts)
    }

    /// Values by name, in the order of the names; empty if absent.
    pub(super) fn entries<T>(
        &mut self,
        names: &[&str],
        kind: &str,
        read: impl Fn(Value, &str) -> Result<T, Undecodable>,
    ) -> Result<Vec<(String, T)>, Undecodable> {
        match self.take(names) {
            None => Ok(Vec::new()),
            Some(Value::Object(map)) => {
                let mut entries: Vec<(String, T)> = map
                    .into_iter()
                    .map(|(name, value)| Ok((name, read(value, names[0])?)))
                    .collect::<Result<_, Undecodable>>()?;
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                Ok(entries)
            }
            Some(other) => Err(wrong(&other, names[0], kind)),
        }
    }

    /// What is left of it, as it is.
    pub(super) fn into_map(self) -> Map<String, Value> {
        self.0
    }

    /// An object of these fields.
    pub(super) fn from_map(map: Map<String, Value>) -> Self {
        Fields(map)
    }

    /// Nothing may be left but what newer versions of the API have and this one does without.
    pub(super) fn done(self, ignored: &[&str]) -> Result<(), Undecodable> {
        let known = |key: &String| ignored.iter().any(|name| name.eq_ignore_ascii_case(key));
        match self.0.keys().find(|key| !known(key)) {
            Some(key) => Err(Undecodable(format!("json: unknown field {key:?}"))),
            None => Ok(()),
        }
    }
}

fn texts(value: Value, field: &str) -> Result<Vec<String>, Undecodable> {
    let Value::Array(list) = value else { return Err(wrong(&value, field, go::TEXTS)) };
    list.into_iter()
        .map(|value| match value {
            Value::String(text) => Ok(text),
            Value::Null => Ok(String::new()),
            other => Err(wrong(&other, field, go::TEXT)),
        })
        .collect()
}

fn wrong(value: &Value, field: &str, kind: &str) -> Undecodable {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let place = if field.is_empty() {
        format!("Go value of type {kind}")
    } else {
        format!("Go struct field .{field} of type {kind}")
    };
    Undecodable(format!("json: cannot unmarshal {found} into {place}"))
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
        Fields::of(value, "").unwrap()
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
        let mut it = fields(json!({"Port": "80", "Tags": "a", "Meta": {"k": 1}, "X": 80.5, "Y": {}}));
        let expected = |text: &str| Undecodable(format!("json: cannot unmarshal {text}"));
        assert_eq!(it.number(&["Port"]), Err(expected("string into Go struct field .Port of type int")));
        assert_eq!(it.texts(&["Tags"]), Err(expected("string into Go struct field .Tags of type []string")));
        assert_eq!(it.pairs(&["Meta"]), Err(expected("number into Go struct field .Meta of type string")));
        assert_eq!(it.number(&["X"]), Err(expected("number 80.5 into Go struct field .X of type int")));
        assert_eq!(it.done(&["w"]), Err(Undecodable("json: unknown field \"Y\"".into())));
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
            assert_eq!(found, expected.map_err(Undecodable), "{value}");
        }
    }

    #[test]
    fn bodies_that_are_none_say_how() {
        assert_eq!(body(b" \n"), Err(Undecodable("EOF".into())));
        assert_eq!(body(b"{\"Name\":"), Err(Undecodable("unexpected EOF".into())));
        assert!(body(b"nope").is_err());
        // As deep as a hostile client likes.
        assert!(body("[".repeat(100_000).as_bytes()).is_err());
    }
}
