//! Values as Go shows them with `%#v`, which is how `monitor` shows events.

use std::fmt::Write as _;
use std::net::IpAddr;

use tidings_client::protocol::{Member, StreamRecord};

use crate::quote::Quoted;

/// The fields of a record with their values, sorted by name. Serf's order is arbitrary.
pub(crate) fn fields(record: &StreamRecord) -> Vec<(&'static str, String)> {
    match record {
        StreamRecord::Members { event, members } => {
            vec![("Event", text(event)), ("Members", list_of_members(members))]
        }
        StreamRecord::User { coalesce, ltime, name, payload } => vec![
            ("Coalesce", coalesce.to_string()),
            ("Event", text("user")),
            ("LTime", number(*ltime)),
            ("Name", text(name)),
            ("Payload", payload_bytes(payload)),
        ],
        StreamRecord::Query { id, ltime, name, payload } => vec![
            ("Event", text("query")),
            ("ID", number(*id)),
            ("LTime", number(*ltime)),
            ("Name", text(name)),
            ("Payload", payload_bytes(payload)),
        ],
    }
}

fn text(text: &str) -> String {
    Quoted(text).to_string()
}

/// The smallest numbers of MessagePack are decoded as signed, which are shown in decimals; others
/// as unsigned, which are not.
fn number(number: u64) -> String {
    if number < 0x80 { number.to_string() } else { format!("{number:#x}") }
}

fn payload_bytes(payload: &[u8]) -> String {
    if payload.is_empty() { "<nil>".to_owned() } else { format!("[]byte{{{}}}", elements(payload)) }
}

fn elements(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:#x}")).collect::<Vec<_>>().join(", ")
}

fn list_of_members(members: &[Member]) -> String {
    let members: Vec<String> = members.iter().map(member).collect();
    format!("[]interface {{}}{{{}}}", members.join(", "))
}

fn member(member: &Member) -> String {
    let addr = match member.addr {
        IpAddr::V4(ip) => elements(&ip.octets()),
        IpAddr::V6(ip) => elements(&ip.octets()),
    };
    let tags = member.tags.iter().map(|(key, value)| (key.as_str(), text(value)));
    map(&[
        ("Addr", format!("[]uint8{{{addr}}}")),
        ("DelegateCur", number(member.delegate_cur.into())),
        ("DelegateMax", number(member.delegate_max.into())),
        ("DelegateMin", number(member.delegate_min.into())),
        ("Name", text(&member.name)),
        ("Port", number(member.port.into())),
        ("ProtocolCur", number(member.protocol_cur.into())),
        ("ProtocolMax", number(member.protocol_max.into())),
        ("ProtocolMin", number(member.protocol_min.into())),
        ("Status", text(&member.status)),
        ("Tags", map(&tags.collect::<Vec<_>>())),
    ])
}

/// A map whose values are shown already.
fn map(pairs: &[(&str, String)]) -> String {
    let mut shown = String::from("map[interface {}]interface {}{");
    for (index, (key, value)) in pairs.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        write!(shown, "{comma}{}:{value}", Quoted(key)).expect("writing to a string cannot fail");
    }
    shown + "}"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn numbers_are_decimal_as_long_as_they_are_small() {
        assert_eq!([0, 127, 128, 7946].map(number), ["0", "127", "0x80", "0x1f0a"]);
    }

    #[test]
    fn a_user_event_shows_its_payload_byte_by_byte() {
        let user = |payload: &'static [u8]| StreamRecord::User {
            coalesce: false,
            ltime: 4,
            name: "mon \"x\"".to_owned(),
            payload: payload.into(),
        };
        let shown = fields(&user(b"p\0")).into_iter().map(|(key, value)| format!("{key}: {value}"));
        let expected = [
            "Coalesce: false",
            "Event: \"user\"",
            "LTime: 4",
            "Name: \"mon \\\"x\\\"\"",
            "Payload: []byte{0x70, 0x0}",
        ];
        assert_eq!(shown.collect::<Vec<_>>(), expected);
        assert_eq!(fields(&user(b"")).pop(), Some(("Payload", "<nil>".to_owned())));
    }

    #[test]
    fn members_are_maps_with_sorted_keys() {
        let tags = BTreeMap::from([("role", "web"), ("dc", "east")]);
        let tags = tags.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let member = Member { name: "a".to_owned(), tags, ..Member::default() };
        let members = vec![member.clone(), member];
        let record = StreamRecord::Members { event: "member-join".to_owned(), members };
        let (_, shown) = fields(&record).pop().unwrap();
        assert!(shown.starts_with(
            "[]interface {}{map[interface {}]interface {}{\"Addr\":[]uint8{0x0, 0x0, 0x0, 0x0}, \"DelegateCur\":0, "
        ));
        assert!(shown.ends_with(
            "\"Status\":\"\", \"Tags\":map[interface {}]interface {}{\"dc\":\"east\", \"role\":\"web\"}}}"
        ));
        assert_eq!(shown.matches("}, map[interface {}]interface {}{").count(), 1);
    }
}
