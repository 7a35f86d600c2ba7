//! Messages in words: a few for each, for people who read packets.

use std::fmt::Write as _;

use tidings_core::wire::frame::{Frame, PushPull, StreamMessage};
use tidings_core::wire::message::{Message, PushNode};
use tidings_core::wire::serf_message::{self as serf, Filter, SerfType};
use tidings_core::{Refusal, State, Tags};

use crate::letter::letter;

/// Whether a text names a member: `n1`, not `n10`.
pub(super) fn mentions(text: &str, member: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || "-.~_".contains(c))).any(|word| word == member)
}

/// A message of a datagram, its type byte first.
pub(super) fn message(bytes: Result<&[u8], Refusal>) -> String {
    let message = match bytes.and_then(Message::decode) {
        Ok(message) => message,
        Err(refusal) => return format!("unreadable ({refusal})"),
    };
    match message {
        Message::Alive(alive) => {
            format!("{} on {}:{}{}", letter(&message), alive.addr, alive.port, tags(alive.meta))
        }
        Message::User(body) => user(body),
        _ => letter(&message).to_string(),
    }
}

/// The message of a stream; of a full state, only what it says of `members`.
pub(super) fn frame(frame: &Frame, members: &[String]) -> String {
    match frame.message() {
        Ok(StreamMessage::Ping(ping)) => format!("ping {} to {}", ping.seq, ping.node),
        Ok(StreamMessage::Ack(ack)) => format!("ack {}", ack.seq),
        Ok(StreamMessage::Error(error)) => format!("error: {}", error.error),
        Ok(StreamMessage::User(body)) => user(body),
        Ok(StreamMessage::PushPull(state)) => full_state(&state, members),
        Ok(StreamMessage::Registry(body)) => format!("registry, {} bytes", body.len()),
        Err(refusal) => format!("unreadable ({refusal})"),
    }
}

fn full_state(state: &PushPull<'_>, members: &[String]) -> String {
    let join = if state.join { ", to join" } else { "" };
    let mut text = format!("full state of {} members{join}", state.nodes.size_hint().1.unwrap_or(0));
    let known = |name: &str| members.iter().any(|member| member == name);
    for PushNode { name, state, incarnation, meta, .. } in
        state.nodes.clone().flatten().filter(|node| known(node.name))
    {
        let state = match state {
            State::Alive => "alive",
            State::Suspect => "suspect",
            State::Left => "left",
            State::Dead | State::Forgotten => "dead",
        };
        // Writing to a string cannot fail.
        let _ = write!(text, ", {state} {name} at {incarnation}{}", tags(meta));
    }
    let Some((_, body)) = state.user_state.split_first() else { return text };
    let Ok(serf) = serf::PushPull::decode(body) else { return text + ", Serf state unreadable" };
    let left: Vec<&str> = serf.left_members.clone().collect();
    for (name, ltime) in serf.status_ltimes.clone().filter(|(name, _)| known(name)) {
        let what = if left.contains(&name) { "leave" } else { "status" };
        let _ = write!(text, ", {name}'s {what} of time {ltime}");
    }
    let _ = write!(text, ", clocks {} {} {}", serf.ltime, serf.event_ltime, serf.query_ltime);
    text
}

/// A message of the Serf layer, its own type byte first.
fn user(bytes: &[u8]) -> String {
    let Some((&first, body)) = bytes.split_first() else { return "nothing".into() };
    let Some(kind) = SerfType::from_u8(first) else { return format!("unreadable (Serf type {first})") };
    let text = match kind {
        SerfType::Leave => serf::Leave::decode(body).map(|leave| {
            let prune = if leave.prune { ", to be pruned" } else { "" };
            format!("{} leaves at time {}{prune}", leave.node, leave.ltime)
        }),
        SerfType::Join => {
            serf::Join::decode(body).map(|join| format!("{} joins at time {}", join.node, join.ltime))
        }
        SerfType::UserEvent => serf::UserEvent::decode(body).map(|event| {
            format!("event {} of time {}, {} bytes", event.name, event.ltime, event.payload.len())
        }),
        SerfType::Query => serf::Query::decode(body).map(|query| asked(&query)),
        SerfType::QueryResponse => serf::QueryResponse::decode(body).map(|answer| {
            let kind = if answer.is_ack() { "ack" } else { "answer" };
            format!("{kind} of {} to query {} of time {}", answer.from, answer.id, answer.ltime)
        }),
        SerfType::Relay => serf::Relay::decode(body).map(|relay| {
            // Nobody passes on what is to be passed on; bytes may say so without end.
            let nested = relay.inner.first() == Some(&first);
            let inner = if nested { "unreadable (nested)".into() } else { user(relay.inner) };
            format!("pass on to {}: {inner}", relay.dest_name)
        }),
        SerfType::PushPull
        | SerfType::ConflictResponse
        | SerfType::KeyRequest
        | SerfType::KeyResponse
        | SerfType::Registry => Ok(format!("{}, {} bytes", kind.as_str(), body.len())),
    };
    text.unwrap_or_else(|error| format!("unreadable ({}: {error})", kind.as_str()))
}

fn asked(query: &serf::Query<'_>) -> String {
    let nodes = query.filters.iter().filter_map(|filter| match filter {
        Ok(Filter::Nodes(nodes)) => Some(nodes),
        _ => None,
    });
    let nodes: Vec<&str> = nodes.flatten().collect();
    let only = if nodes.is_empty() { String::new() } else { format!(", for {}", nodes.join(" and ")) };
    let serf::Query { name, id, ltime, source_node, .. } = query;
    format!("query {name} {id} of time {ltime} from {source_node}{only}")
}

/// Tags, if there are any.
fn tags(meta: &[u8]) -> String {
    let tags = Tags::decode(meta);
    let words: Vec<String> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if words.is_empty() { String::new() } else { format!(" tagged {}", words.join(" ")) }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use tidings_core::LamportTime;
    use tidings_core::wire::message::{Alive, Dead, MessageType, Nack, Suspect};

    use super::*;

    #[test]
    fn members_are_found_by_their_whole_name() {
        assert!(mentions("1.0s n1 Suspicion { member: \"n10\" }", "n10"));
        assert!(!mentions("1.0s n12 Suspicion { member: \"n10\" }", "n1"));
    }

    #[test]
    fn messages_are_told_in_a_few_words() {
        let addr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 3));
        let alive = Alive { node: "n2", addr, port: 7946, meta: &[], incarnation: 4, versions: None };
        let leave = serf::Leave { ltime: LamportTime(7), node: "n2", prune: true };
        let mut intent = Vec::new();
        leave.encode(&mut intent);
        let relayed = [&[SerfType::Relay as u8][..], &intent].concat();
        for (message, words) in [
            (Message::Alive(alive), "alive n2 at 4 on 10.0.0.3:7946"),
            (Message::Suspect(Suspect { incarnation: 4, node: "n2", from: "n1" }), "suspect n2 at 4 by n1"),
            (Message::Dead(Dead { incarnation: 4, node: "n2", from: "n1" }), "dead n2 at 4 by n1"),
            (Message::Dead(Dead { incarnation: 4, node: "n2", from: "n2" }), "dead n2 at 4 by n2"),
            (Message::Nack(Nack { seq: 9 }), "nack 9"),
            (Message::User(&intent), "n2 leaves at time 7, to be pruned"),
            (Message::User(&relayed), "unreadable (relay: "),
            (Message::User(&[]), "nothing"),
            (Message::User(&[77]), "unreadable (Serf type 77)"),
        ] {
            let mut bytes = Vec::new();
            message.encode(&mut bytes);
            let told = super::message(Ok(&bytes));
            assert!(told.starts_with(words), "{told}, not {words}");
        }
        assert!(message(Ok(&[MessageType::Alive as u8])).starts_with("unreadable"));
    }
}
