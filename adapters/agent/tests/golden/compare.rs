//! Making equal what varies from run to run (the recordings' README says what does).

use crate::{Golden, Outcome};

/// The outcome without what varies, and without what differs from Serf on purpose.
pub(crate) fn normal(golden: &Golden, outcome: Outcome) -> Outcome {
    let Outcome { exit, stdout, stderr } = outcome;
    let stdout = without_help(&stdout.replace("serf", "tidings"));
    let stdout = match golden.command() {
        "members" => sorted(&stdout, tags_sorted),
        "keys" | "query" | "monitor" => sorted(&stdout, str::to_owned),
        "keygen" if !stdout.is_empty() => key_checked(&stdout),
        "reachability" => stdout.split_inclusive('\n').map(times_hidden).collect(),
        _ if stdout.contains("Agent Protocol") => version_checked(&stdout),
        _ => stdout,
    };
    let stderr = stderr.replace("serf", "tidings");
    let stderr = if golden.case.starts_with("help-sub-") {
        stderr.lines().next().unwrap_or_default().to_owned()
    } else {
        commands_listed(&stderr)
    };
    Outcome { exit, stdout, stderr }
}

/// Help texts are our own; they are recorded up to `Usage: `.
fn without_help(text: &str) -> String {
    match text.find("Usage: ") {
        Some(at) => format!("{}Usage: ...", &text[..at]),
        None => text.to_owned(),
    }
}

/// Lines in another order. The padding of the last one is not written, so none counts. A list in
/// JSON keeps its lines, in whatever order they come.
fn sorted(text: &str, normal: impl Fn(&str) -> String) -> String {
    let mut lines: Vec<String> =
        text.lines().map(|line| normal(line.trim_end().trim_end_matches(','))).collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// Tags of a row come in any order.
fn tags_sorted(row: &str) -> String {
    let mut words: Vec<String> = row.split(' ').map(str::to_owned).collect();
    for word in &mut words {
        if word.contains('=') {
            let mut tags: Vec<&str> = word.split(',').collect();
            tags.sort_unstable();
            *word = tags.join(",");
        }
    }
    words.join(" ")
}

fn times_hidden(line: &str) -> String {
    if !line.starts_with("Query time: ") {
        return line.to_owned();
    }
    line.replace(|c: char| c.is_ascii_digit(), "N")
}

/// A key is random: 32 bytes in base64.
fn key_checked(text: &str) -> String {
    let key = text.strip_suffix('\n').unwrap();
    assert_eq!(key.len(), 44);
    assert!(key.ends_with('=') && !key.contains('\n'));
    String::new()
}

/// The first line names another program on purpose.
fn version_checked(text: &str) -> String {
    let (version, rest) = text.split_once('\n').unwrap();
    assert!(version == "0.8.2-dev" || version == format!("tidings {}", env!("CARGO_PKG_VERSION")));
    rest.to_owned()
}

/// What Serf has no commands for.
const OWN: [&str; 10] =
    ["apps", "deregister", "health", "nodes", "register", "routers", "service", "services", "sync", "watch"];

/// Of the list of commands, the names count; the agent's own command is not among the client's.
fn commands_listed(text: &str) -> String {
    let Some((usage, list)) = text.split_once("Available commands are:\n") else { return text.to_owned() };
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    let names: Vec<&str> = names.filter(|name| *name != "agent" && !OWN.contains(name)).collect();
    format!("{usage}{}", names.join(" "))
}
