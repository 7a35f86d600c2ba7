//! Faults in a line of text, with the words that scripts use.

use std::fmt;

use serde_json::Value;

use super::Trouble;

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match serde_json::to_value(self) {
            Ok(Value::Object(trouble)) => {
                for (name, settings) in trouble {
                    write!(f, "{name}")?;
                    if let Value::Object(settings) = settings {
                        for (key, value) in &settings {
                            write!(f, " {}", setting(key, value))?;
                        }
                    }
                }
                Ok(())
            }
            _ => write!(f, "{self:?}"),
        }
    }
}

fn setting(key: &str, value: &Value) -> String {
    match (key, value) {
        ("members", value) => plain(value),
        ("links", links) => {
            // What goes without saying is left out.
            let end = |key| links.get(key).map_or_else(|| "all".into(), plain);
            let arrow = if links["both"] == Value::Bool(false) { "→" } else { "↔" };
            format!("{} {arrow} {}", end("from"), end("to"))
        }
        (key, value) => format!("{key} {}", plain(value)),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => hosts(list.iter().filter_map(Value::as_u64)),
        Value::Object(map) => {
            map.iter().map(|(key, value)| format!("{key} {}", plain(value))).collect::<Vec<_>>().join(" ")
        }
        Value::Number(number) if number.is_u64() => number.to_string(),
        other => other.to_string(),
    }
}

/// Members by number; three or more in a row become a range.
fn hosts(numbers: impl Iterator<Item = u64>) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let names = runs.into_iter().map(|(first, last)| match last - first {
        0 => format!("n{first}"),
        1 => format!("n{first}, n{last}"),
        _ => format!("n{first} to n{last}"),
    });
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{LinkPick, Pick, Return, Shape};
    use super::*;

    #[test]
    fn faults_are_told_in_a_script_s_words() {
        let one_way = LinkPick { from: Pick::These(vec![3]), to: Pick::All, both: false };
        for (trouble, text) in [
            (Trouble::Loss { rate: 0.25, links: LinkPick::default() }, "loss rate 0.25"),
            (Trouble::Loss { rate: 1.0, links: one_way }, "loss n3 → all rate 1.0"),
            (Trouble::Freeze { members: Pick::These(vec![1, 4]) }, "freeze n1, n4"),
            (
                Trouble::Crash { members: Pick::Random(2), comes_back: Return::Never, rolling: false },
                "crash random 2 return never",
            ),
            (
                Trouble::Flap {
                    shape: Shape::Apart(Pick::These(vec![2, 3, 4, 5])),
                    every: Duration::from_secs(5),
                },
                "flap every 5s shape apart n2 to n5",
            ),
        ] {
            assert_eq!(trouble.to_string(), text);
        }
    }
}
