//! What a script is given: environment and standard input.

use std::fmt::Write as _;

use tidings_core::{Event, Member};

/// The environment variables for an event, besides the agent's own environment.
pub(super) fn environment(event: &Event, own: &Member) -> Vec<(String, String)> {
    let mut env = Vec::new();
    let mut set = |name: &str, value: String| env.push((name.to_owned(), value));
    let tags = own.tags();
    set("SERF_EVENT", event_word(event).to_owned());
    set("SERF_SELF_NAME", own.name().to_owned());
    set("SERF_SELF_ROLE", tags.get("role").unwrap_or_default().to_owned());
    match event {
        Event::User(event) => {
            set("SERF_USER_EVENT", event.name.to_string());
            set("SERF_USER_LTIME", event.ltime.to_string());
        }
        Event::Query(query) => {
            set("SERF_QUERY_NAME", query.name.to_string());
            set("SERF_QUERY_LTIME", query.id.ltime.to_string());
        }
        _ => {}
    }
    for (name, value) in tags.iter() {
        set(&format!("SERF_TAG_{}", variable(name)), value.to_owned());
    }
    // A value with a NUL cannot be passed; a name cannot hold one after sanitising.
    env.retain(|(_, value)| !value.contains('\0'));
    env
}

/// The event's word in `SERF_EVENT` and in log lines.
pub(super) fn event_word(event: &Event) -> &'static str {
    match event {
        Event::Members(event) => event.kind.as_str(),
        Event::User(_) => "user",
        Event::Query(_) => "query",
        _ => "unknown",
    }
}

/// A tag's name as part of a variable: upper case, everything but `A-Z 0-9 _` replaced by `_`.
fn variable(tag: &str) -> String {
    let variable = |c: char| match c.to_uppercase().next() {
        Some(upper @ ('A'..='Z' | '0'..='9' | '_')) if c.to_uppercase().len() == 1 => upper,
        _ => '_',
    };
    tag.chars().map(variable).collect()
}

/// What a script reads from its standard input.
pub(super) fn standard_input(event: &Event) -> Vec<u8> {
    match event {
        Event::Members(event) => {
            let mut lines = String::new();
            for member in &event.members {
                member_line(&mut lines, member);
            }
            lines.into_bytes()
        }
        Event::User(event) => with_newline(&event.payload),
        Event::Query(query) => with_newline(&query.payload),
        _ => Vec::new(),
    }
}

/// NAME tab IP tab ROLE tab TAGS.
fn member_line(lines: &mut String, member: &Member) {
    let tags = member.tags();
    let list: Vec<String> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let role = clean(tags.get("role").unwrap_or_default());
    let (name, ip) = (clean(member.name()), member.addr().ip());
    writeln!(lines, "{name}\t{ip}\t{role}\t{}", clean(&list.join(",")))
        .expect("writing to a string cannot fail");
}

/// Tabs and line feeds would break the columns.
fn clean(text: &str) -> String {
    text.replace('\t', "\\t").replace('\n', "\\n")
}

fn with_newline(payload: &[u8]) -> Vec<u8> {
    let mut bytes = payload.to_vec();
    if bytes.last().is_some_and(|last| *last != b'\n') {
        bytes.push(b'\n');
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_names_become_variable_names() {
        for (tag, name) in [("dc", "DC"), ("my-tag.x", "MY_TAG_X"), ("größe", "GR__E"), ("a_1", "A_1")] {
            assert_eq!(variable(tag), name);
        }
    }

    #[test]
    fn a_payload_ends_with_a_line_feed_unless_it_is_empty() {
        assert_eq!(with_newline(b""), b"");
        assert_eq!(with_newline(b"a"), b"a\n");
        assert_eq!(with_newline(b"a\n"), b"a\n");
    }

    #[test]
    fn columns_cannot_be_broken_by_tabs_and_line_feeds() {
        assert_eq!(clean("a\tb\nc"), "a\\tb\\nc");
    }
}
