//! `watch`: prints each change of a service's instances.

use std::collections::BTreeMap;

use clap::Parser;
use serde_json::Value;

use super::interrupt::Interrupt;
use super::json::Format;
use super::service::row;
use super::terminal::{Failure, Terminal};
use super::web::{WebFlags, part, text};

#[derive(Debug, Parser)]
#[command(
    about = "Prints the instances of a service and then each change, until it is interrupted: + came,\n  \
             - went, ~ changed. As JSON, each line holds all instances.",
    override_usage = "tidings watch [options] service NAME"
)]
pub(crate) struct Flags {
    #[command(flatten)]
    web: WebFlags,
    #[arg(hide = true)]
    words: Vec<String>,
}

pub(crate) async fn run(flags: Flags, terminal: &mut Terminal<'_>) -> Result<u8, Failure> {
    let format = flags.web.format()?;
    let name = match flags.words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["service", name] => name,
        _ => return Err(Failure::Usage(Some("'service' and one name must be given."))),
    };
    let (site, path) = (flags.web.site(terminal), format!("/v1/health/service/{}", part(name)));
    let mut interrupt = Interrupt::catch()?;
    let mut index = 0;
    let mut known: Option<BTreeMap<String, String>> = None;
    loop {
        let answer = tokio::select! {
            () = interrupt.wait() => return Ok(0),
            answer = site.wait(&path, index) => answer?,
        };
        // Whoever counts anew begins at the beginning.
        index = if answer.index < index { 0 } else { answer.index };
        let now = instances(&answer.value);
        if known.as_ref() == Some(&now) {
            continue;
        }
        match format {
            Format::Json => terminal.line(&answer.value)?,
            Format::Text => {
                for line in changes(&known.unwrap_or_default(), &now) {
                    terminal.line(line)?;
                }
            }
        }
        known = Some(now);
    }
}

/// How each instance stands, by node and ID.
fn instances(found: &Value) -> BTreeMap<String, String> {
    let key = |it: &Value| format!("{}/{}", text(&it["Node"]["Node"]), text(&it["Service"]["ID"]));
    let all = found.as_array().into_iter().flatten();
    all.map(|it| (key(it), row(it)[2..].join(" ").trim_end().to_owned())).collect()
}

/// One line for each that came, went or changed.
fn changes(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<String> {
    let gone = before.keys().filter(|key| !now.contains_key(*key)).map(|key| format!("- {key}"));
    let there = now.iter().filter_map(|(key, stands)| match before.get(key) {
        None => Some(format!("+ {key} {stands}")),
        Some(old) if old != stands => Some(format!("~ {key} {stands}")),
        Some(_) => None,
    });
    gone.chain(there).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_went_and_changed_is_told() {
        let of = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, stands)| ((*key).to_owned(), (*stands).to_owned())).collect()
        };
        let before = of(&[("a/1", "x"), ("a/2", "x"), ("a/3", "x")]);
        let now = of(&[("a/1", "x"), ("a/2", "y"), ("a/4", "z")]);
        assert_eq!(changes(&before, &now), ["- a/3", "~ a/2 y", "+ a/4 z"]);
        assert!(changes(&now, &now).is_empty());
    }
}
