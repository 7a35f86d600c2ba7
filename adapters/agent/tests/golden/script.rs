//! What the recorded agent must have answered, read off the recorded output.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;
use tidings_client::protocol::{
    Coordinate, KeyResponse, Member, QueryRecord, QueryRecordKind, StatsResponse, StreamRecord,
};

use crate::Golden;
use crate::agent::Script;

/// What each command says before the agent's own words.
const PREFIXES: [&str; 12] = [
    "Error sending event: ",
    "Error sending query: ",
    "Error joining the cluster: ",
    "Error setting tags: ",
    "Error leaving: ",
    "Error force leaving: ",
    "Error starting monitor: ",
    "Error installing key: ",
    "Error changing primary key: ",
    "Error removing key: ",
    "Failed to gather member keys: ",
    "Error querying agent: ",
];

pub(crate) fn of(golden: &Golden) -> Script {
    let stdout = golden.stdout.as_str();
    let mut script = Script {
        auth_key: golden.case.starts_with("auth-").then_some("s3cret"),
        closes: stdout.ends_with("client closed\n"),
        ..Script::default()
    };
    if script.auth_key.is_none() {
        script.error = error(stdout);
    }
    match golden.command() {
        "members" if stdout.starts_with('{') || stdout.contains("\n{") => script.members = listed(stdout),
        "members" => script.members = rows(stdout),
        "info" => script.stats = stats(stdout),
        "join" => script.joined = number_in(stdout),
        "keys" => script.keys = keys(stdout),
        "query" => script.answers = answers(stdout),
        "reachability" => reachability(stdout, &mut script),
        "rtt" => rtt(stdout, &mut script),
        "monitor" => monitor(stdout, &mut script),
        _ => {}
    }
    script
}

fn error(stdout: &str) -> String {
    let text = PREFIXES.iter().find_map(|prefix| stdout.split_once(prefix)).map_or("", |(_, text)| text);
    text.strip_suffix('\n').unwrap_or(text).to_owned()
}

/// The first number of a text.
fn number_in(text: &str) -> i64 {
    let digits: String =
        text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

fn member(name: &str, addr: &str, status: &str, tags: BTreeMap<String, String>) -> Member {
    let addr: std::net::SocketAddr = addr.parse().unwrap();
    Member {
        name: name.to_owned(),
        addr: addr.ip(),
        port: addr.port(),
        status: status.to_owned(),
        tags,
        protocol_min: 1,
        protocol_max: 5,
        protocol_cur: 2,
        delegate_min: 2,
        delegate_max: 5,
        delegate_cur: 5,
    }
}

/// Members of a table; other lines have no address in the second place.
fn rows(text: &str) -> Vec<Member> {
    let row = |line: &str| {
        let mut words = line.split_whitespace();
        let (name, addr, status) = (words.next()?, words.next()?, words.next()?);
        let _: std::net::SocketAddr = addr.parse().ok()?;
        let tags = words.next().filter(|tags| tags.contains('=')).unwrap_or("");
        let tags = tags.split(',').filter_map(|tag| tag.split_once('='));
        Some(member(name, addr, status, tags.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()))
    };
    text.lines().filter_map(row).collect()
}

/// Members of a JSON list.
fn listed(text: &str) -> Vec<Member> {
    let json: Value = serde_json::from_str(&text[text.find('{').unwrap()..]).unwrap();
    let members = json["members"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of = |value: &Value| {
        let tags = value["tags"].as_object().unwrap().iter().map(|(k, v)| (k.clone(), text(v)));
        member(&text(&value["name"]), &text(&value["addr"]), &text(&value["status"]), tags.collect())
    };
    members.iter().map(of).collect()
}

fn stats(text: &str) -> StatsResponse {
    if text.starts_with('{') {
        return serde_json::from_str(text).unwrap();
    }
    let mut stats = StatsResponse::new();
    let mut group = String::new();
    for line in text.lines() {
        if let Some((key, value)) = line.strip_prefix('\t').and_then(|line| line.split_once(" = ")) {
            stats.entry(group.clone()).or_default().insert(key.to_owned(), value.to_owned());
        } else if let Some(name) = line.strip_suffix(':') {
            group = name.to_owned();
            stats.entry(group.clone()).or_default();
        }
    }
    stats
}

fn keys(text: &str) -> KeyResponse {
    let mut response = KeyResponse::default();
    for line in text.lines() {
        if let Some(failed) = line.strip_prefix("failed:  ") {
            let (node, message) = failed.split_once("  ").unwrap();
            response.messages.insert(node.to_owned(), message.trim_start().to_owned());
        } else if let Some((key, counts)) = line.split_once("  ").filter(|_| line.ends_with(']')) {
            let (have, of) = counts.trim().trim_matches(['[', ']']).split_once('/').unwrap();
            response.keys.get_or_insert_default().insert(key.to_owned(), have.parse().unwrap());
            response.num_nodes = of.parse().unwrap();
        }
    }
    response
}

fn ack(from: &str) -> QueryRecord {
    QueryRecord { from: from.to_owned(), kind: QueryRecordKind::Ack, payload: Bytes::new() }
}

/// A response as scripts give them: with a newline at its end.
fn response(from: &str, payload: String) -> QueryRecord {
    QueryRecord { from: from.to_owned(), kind: QueryRecordKind::Response, payload: payload.into() }
}

/// The text within the first pair of single quotes, and what follows.
fn quoted(line: &str) -> Option<(&str, &str)> {
    line.split_once('\'')?.1.split_once('\'')
}

fn answers(text: &str) -> Vec<QueryRecord> {
    if text.starts_with('{') {
        let json: Value = serde_json::from_str(text).unwrap();
        let acks = json["Acks"].as_array().into_iter().flatten().map(|name| ack(name.as_str().unwrap()));
        let responses = json["Responses"].as_object().unwrap().iter();
        let responses = responses.map(|(from, text)| response(from, text.as_str().unwrap().to_owned()));
        return acks.chain(responses).collect();
    }
    let record = |line: &str| {
        let (name, rest) = quoted(line)?;
        if line.starts_with("Ack from") {
            return Some(ack(name));
        }
        let payload = line.starts_with("Response from").then(|| rest.strip_prefix(": "))??;
        Some(response(name, format!("{payload}\n")))
    };
    text.lines().filter_map(record).collect()
}

/// With `-verbose` the acknowledgements are shown; else every live member sent one.
fn reachability(text: &str, script: &mut Script) {
    let mut numbers = text.lines().next().unwrap_or("").split(", ").map(number_in);
    let (total, live) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let mut names: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with("\tAck from"))
        .map(|line| quoted(line).unwrap().0.to_owned())
        .collect();
    let missing = text.lines().filter(|line| line.starts_with('\t') && !line.contains('\''));
    let missing: Vec<String> = missing.map(|line| line.trim().to_owned()).collect();
    if names.is_empty() {
        names = (0..live - i64::try_from(missing.len()).unwrap()).map(|n| format!("live{n}")).collect();
    }
    script.answers = names.iter().map(|name| ack(name)).collect();
    let alive = names.iter().chain(&missing).cloned();
    script.members = alive.map(|name| member(&name, "127.0.0.1:7946", "alive", BTreeMap::new())).collect();
    let gone =
        (live..total).map(|n| member(&format!("gone{n}"), "127.0.0.1:7946", "failed", BTreeMap::new()));
    script.members.extend(gone);
}

/// Two nodes that are apart what was shown. A member is not at its own place: heights count.
fn rtt(text: &str, script: &mut Script) {
    script.stats = BTreeMap::from([("agent".into(), BTreeMap::from([("name".into(), "alpha".into())]))]);
    let origin = Coordinate { vec: vec![0.0; 8], ..Coordinate::default() };
    script.coordinates.insert("alpha".to_owned(), origin.clone());
    let words: Vec<&str> = text.split_whitespace().collect();
    if let ["Estimated", from, "<->", to, "rtt:", millis, "ms"] = words[..] {
        let millis: f64 = millis.parse().unwrap();
        // The half of a microsecond keeps the cut to nanoseconds from showing.
        let place = Coordinate { height: (millis + 1e-4) / 2e3, ..origin };
        script.coordinates.insert(from.to_owned(), place.clone());
        script.coordinates.insert(to.to_owned(), place);
    }
}

/// A log, with one event of the agent's own join in between.
fn monitor(text: &str, script: &mut Script) {
    let is_log = |line: &&str| line.starts_with("20");
    script.log = text.lines().filter(is_log).map(str::to_owned).collect();
    if text.contains("Event: \"member-join\"") {
        let last = text.split("\"Addr\":[]uint8{0x7f, 0x9, ").nth(1).unwrap();
        let octet = |text: &str| u8::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
        let mut octets = last.split('}').next().unwrap().split(", ").map(octet);
        let addr = format!("127.9.{}.{}:7946", octets.next().unwrap(), octets.next().unwrap());
        let members = vec![member("mon", &addr, "alive", BTreeMap::new())];
        script.events = vec![StreamRecord::Members { event: "member-join".to_owned(), members }];
    }
}
