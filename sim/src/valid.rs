//! What cannot be about a script's values, said so that one knows what can.

use serde::Serialize;
use serde_json::Value;

use crate::faults::{MESSAGE_NAMES, Trouble, message_type};
use crate::net::Latency;

/// What cannot be about a trouble among so many members, if something.
pub(crate) fn trouble(trouble: &Trouble, members: usize) -> Option<String> {
    let rates: &[f64] = match trouble {
        Trouble::Loss { rate, .. }
        | Trouble::Duplicate { rate, .. }
        | Trouble::Reorder { rate, .. }
        | Trouble::Replay { rate, .. }
        | Trouble::Corrupt { rate, .. }
        | Trouble::Truncate { rate, .. } => &[*rate],
        Trouble::Burst { enter, leave, rate, .. } => &[*enter, *leave, *rate],
        _ => &[],
    };
    if let Some(rate) = rates.iter().find(|rate| !(0.0..=1.0).contains(*rate)) {
        return Some(format!("rate {rate}: allowed are 0.0 to 1.0"));
    }
    match trouble {
        Trouble::DropType { message, .. } if message_type(message).is_none() => {
            let allowed = MESSAGE_NAMES.join(", ");
            Some(format!("message `{message}`: allowed are {allowed}"))
        }
        Trouble::Replay { after, until, .. } if after > until => {
            Some(format!("after {after:?}: allowed is up to `until`, {until:?}"))
        }
        Trouble::Flap { every, .. } if every.is_zero() => Some("every 0s: it must be longer".into()),
        Trouble::Pauses { on, off, .. } if on.is_zero() || off.is_zero() => {
            Some(format!("on {on:?}, off {off:?}: both must be longer than 0s"))
        }
        Trouble::CoarseTimers { grain, .. } if grain.is_zero() => Some("grain 0s: it must be longer".into()),
        Trouble::Rate { bytes_per_second: 0, .. } => Some("bytes_per_second 0: allowed is 1 and more".into()),
        Trouble::DropNth { nth: 0, .. } => Some("nth 0: they are counted from 1".into()),
        Trouble::Hostile { every, lies, .. } if every.is_zero() || lies.is_empty() => {
            Some(format!("every {every:?} with {} lies: allowed is more than 0 of both", lies.len()))
        }
        other => self::members(other, members),
    }
}

/// The first member named that does not exist, if one does not. Lists in scripts are lists of
/// members.
pub(crate) fn members(part: &impl Serialize, members: usize) -> Option<String> {
    fn unknown(value: &Value, members: u64) -> Option<u64> {
        match value {
            Value::Array(list) => list.iter().filter_map(Value::as_u64).find(|host| *host >= members),
            Value::Object(map) => map.values().find_map(|value| unknown(value, members)),
            _ => None,
        }
    }
    let unknown = unknown(&serde_json::to_value(part).ok()?, members as u64)?;
    Some(format!("member {unknown}: there are 0 to {}", members - 1))
}

/// What cannot be about a latency, if something.
pub(crate) fn latency(latency: &Latency) -> Option<String> {
    match latency {
        Latency::Uniform { min, max } if min > max => {
            Some(format!("min {min:?}: allowed is up to `max`, {max:?}"))
        }
        Latency::LogNormal { sigma, .. } if !(0.0..=10.0).contains(sigma) => {
            Some(format!("sigma {sigma}: allowed are 0.0 to 10.0"))
        }
        _ => None,
    }
}
