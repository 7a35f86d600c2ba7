//! What decodes is encoded to something that decodes, and that is encoded to the same.

use alloc::vec::Vec;

use crate::error::Malformed;
use crate::wire::message::Message;
use crate::wire::serf_message::{
    ConflictResponse, Join, KeyRequest, KeyResponse, Leave, PushPull, Query, QueryResponse, Relay, SerfType,
    UserEvent, encode_push_pull,
};

/// A message of SWIM, and what is in it.
pub(super) fn message(bytes: &[u8]) {
    let Ok(decoded) = Message::decode(bytes) else { return };
    if let Message::User(inner) = decoded {
        serf(inner);
    }
    let mut once = Vec::new();
    decoded.encode(&mut once);
    let mut twice = Vec::new();
    match Message::decode(&once) {
        Ok(again) => again.encode(&mut twice),
        Err(refusal) => panic!("{decoded:?} is refused once it is encoded: {refusal}"),
    }
    assert_eq!(once, twice, "{decoded:?} is not the same once it is encoded");
}

/// A message of the Serf layer.
pub(super) fn serf(bytes: &[u8]) {
    let Some((&first, body)) = bytes.split_first() else { return };
    let Some(kind) = SerfType::from_u8(first) else { return };
    let Ok(Some(once)) = encoded(kind, body) else { return };
    let twice = encoded(kind, once.get(1..).unwrap_or_default());
    assert_eq!(twice, Ok(Some(once)), "a {} is not the same once it is encoded", kind.as_str());
}

/// A message of the Serf layer, decoded and encoded; `None`: none that could be encoded again.
///
/// # Errors
/// It cannot be decoded.
pub fn encoded(kind: SerfType, body: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    let mut out = Vec::new();
    match kind {
        SerfType::Leave => Leave::decode(body)?.encode(&mut out),
        SerfType::Join => Join::decode(body)?.encode(&mut out),
        SerfType::UserEvent => UserEvent::decode(body)?.encode(&mut out),
        SerfType::QueryResponse => QueryResponse::decode(body)?.encode(&mut out),
        SerfType::KeyRequest => KeyRequest::decode(body)?.encode(&mut out),
        SerfType::PushPull => {
            let state = PushPull::decode(body)?;
            encode_push_pull(
                [state.ltime, state.event_ltime, state.query_ltime],
                state.status_ltimes,
                state.left_members,
                state.events.map(|slot| slot.map(|slot| (slot.ltime, slot.events))),
                state.registry,
                &mut out,
            );
        }
        SerfType::Query => {
            let query = Query::decode(body)?;
            // Bounded, whatever it says: there is one for every few bytes at most.
            assert!(query.filters.iter().count() <= body.len());
            query.encode(&mut out);
        }
        SerfType::ConflictResponse => match ConflictResponse::decode(body)?.member {
            Some(member) => member.encode_with(member.tags.clone(), &mut out),
            None => ConflictResponse::encode_unknown(&mut out),
        },
        SerfType::KeyResponse => {
            let r = KeyResponse::decode(body)?;
            KeyResponse::encode(r.result, r.message, r.keys, r.primary_key, &mut out);
        }
        SerfType::Relay => {
            let relay = Relay::decode(body)?;
            serf(relay.inner);
            relay.encode(&mut out);
        }
        // Decoded only by a registry: the target of the whole node reaches it.
        SerfType::Registry => return Ok(None),
    }
    Ok(Some(out))
}
