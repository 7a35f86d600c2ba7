//! L7: whatever comes in, nothing grows beyond what the configuration allows.

use tidings_core::{Holding, Input};

use super::Place;
use crate::host::Host;
use crate::watch::Violation;

/// Looks before each input but datagrams: what they fill, time empties.
pub(super) fn bounded<R>(place: Place<'_>, host: &Host<R>, input: &Input<'_>) -> Option<Violation> {
    match input {
        Input::Datagram { .. } => None,
        _ => over(place, host.node()?.holdings()),
    }
}

/// The first of these that is too much.
pub(super) fn over(place: Place<'_>, mut holdings: impl Iterator<Item = Holding>) -> Option<Violation> {
    let found = holdings.find(Holding::is_over)?;
    place.violation("L7 bounded memory", "", found.to_string())
}

#[cfg(test)]
mod tests {
    use tidings_core::Time;

    use super::*;

    #[test]
    fn what_is_more_than_allowed_is_found() {
        let place = Place { world_time: Time::ZERO, local: Time::ZERO, name: "n0", host: 0 };
        let holding = |held| Holding { what: "event queue", held, most: 10 };
        assert_eq!(over(place, [holding(0), holding(10)].into_iter()), None);
        let found = over(place, [holding(10), holding(11)].into_iter()).unwrap();
        assert_eq!((&*found.invariant, &*found.what), ("L7 bounded memory", "event queue: 11 of at most 10"));
    }
}
