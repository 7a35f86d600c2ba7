//! Scripts as people write them: what goes without saying is left out, and a fault is three lines.

use std::fmt::Write as _;

use toml::{Table, Value};

use crate::script::Script;

/// The order in which keys and sections stand; others follow by their names.
const ORDER: [&str; 19] = [
    "name",
    "members",
    "time",
    "quiet",
    "converged",
    "shuffle_ties",
    "core",
    "at",
    "every",
    "times",
    "for",
    "stream",
    "random",
    "config",
    "registry",
    "variant",
    "net",
    "fault",
    "work",
];

/// Writes a script so that [`Script::parse`] reads the same again.
pub(crate) fn write(script: &Script) -> Result<String, toml::ser::Error> {
    let mut script = script.clone();
    forget_places(&mut script);
    let table = Table::try_from(&script)?;
    let (mut sections, plain): (Vec<_>, Vec<_>) =
        table.iter().partition(|(key, value)| is_section(key, value));
    let mut text = lines(plain);
    sections.sort_by_key(in_order);
    for (key, value) in sections {
        match value {
            Value::Array(parts) => {
                for part in parts.iter().filter_map(Value::as_table) {
                    text.push_str(&format!("\n[[{key}]]\n{}", lines(part.iter().collect())));
                }
            }
            Value::Table(table) => text.push_str(&format!("\n[{key}]\n{}", lines(table.iter().collect()))),
            _ => {}
        }
    }
    Ok(text)
}

/// Streams that are numbered by their places need not be told.
fn forget_places(script: &mut Script) {
    let faults = script.fault.iter_mut().map(|fault| &mut fault.stream).enumerate();
    let works = script.work.iter_mut().map(|work| &mut work.stream).enumerate();
    let variants = script.variant.iter_mut().map(|variant| &mut variant.stream).enumerate();
    for (place, stream) in faults.chain(works).chain(variants) {
        if *stream == Some(place as u64) {
            *stream = None;
        }
    }
}

/// Whether a part of the script has a heading of its own.
fn is_section(key: &str, value: &Value) -> bool {
    match value {
        Value::Table(_) => key != "core",
        Value::Array(parts) => parts.first().is_some_and(Value::is_table),
        _ => false,
    }
}

/// What to sort by.
fn in_order<'k>((key, _): &(&'k String, &Value)) -> (usize, &'k String) {
    (ORDER.iter().position(|known| known == key).unwrap_or(ORDER.len()), key)
}

/// A line for each key.
fn lines(mut keys: Vec<(&String, &Value)>) -> String {
    keys.sort_by_key(in_order);
    let mut text = String::new();
    for (key, value) in keys {
        // Writing to a string cannot fail.
        let _ = match value {
            Value::Table(what) if key == "do" => {
                what.iter().try_for_each(|(kind, keys)| writeln!(text, "do.{kind} = {keys}"))
            }
            value => writeln!(text, "{key} = {value}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_written_as_by_hand() {
        let text = "\
name = \"a story\"
members = 8
time = \"1m\"
core = { members = [0, 1], others = \"deaf\" }

[random]
faults = 2
members_min = 4

[config]
probe_interval = \"2s\"

[[variant]]
members = \"random 2\"
config = { snapshot = true }

[[fault]]
at = \"5s\"
for = \"20s\"
do.loss = { rate = 0.5 }

[[fault]]
at = \"7s\"
stream = 9
do.partition = { shape = { apart = [3] } }

[[work]]
at = \"2s\"
every = \"1s\"
times = 3
do.event = { members = \"random 1\", name = \"tick\" }
";
        let script = Script::parse(text).unwrap();
        assert_eq!(write(&script).unwrap(), text);
    }
}
