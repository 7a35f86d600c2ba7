//! M6: whoever hears that it is suspect or dead says something newer in the same step.

use tidings_core::wire::Keyring;
use tidings_core::wire::message::Message;
use tidings_core::wire::packet::Opener;
use tidings_core::{Incarnation, State, Time};

use super::Place;
use super::recent::Recent;
use crate::host::Host;
use crate::watch::Violation;

/// What is higher cannot be exceeded at once, and is not believed as it is.
const CREDIBLE_MAX: Incarnation = 1 << 31;

/// The packets that say of somebody that it is suspect or dead: no other need be opened when it
/// arrives. Forged and damaged ones are not among them.
#[derive(Clone, Debug, Default)]
pub(super) struct Accusations {
    opener: Opener,
    /// Hashes of them.
    packets: Recent<u64>,
}

impl Accusations {
    /// A packet is sent that accuses somebody.
    pub(super) fn on_sent(&mut self, hash: u64, now: Time) {
        self.packets.put(hash, now);
    }

    /// The highest incarnation at which a datagram that is about to be handled accuses the host
    /// itself, if the host has nothing newer to show yet.
    pub(super) fn on_arrival<R>(
        &mut self,
        host: &Host<R>,
        payload: &[u8],
        hash: impl FnOnce(&[u8]) -> u64,
    ) -> Option<Incarnation> {
        if self.packets.is_empty() || !self.packets.contains(&hash(payload)) {
            return None;
        }
        let own = host.node()?.members().local().filter(|own| own.state() == State::Alive)?.incarnation();
        let config = host.config();
        let keyring = Keyring::new(&config.security.keys).ok()?;
        let mut highest = None;
        self.opener.open(payload, config, &keyring, |message| {
            let accused = match message.and_then(Message::decode) {
                Ok(Message::Suspect(suspect)) if *suspect.node == *host.name() => Some(suspect.incarnation),
                Ok(Message::Dead(dead)) if *dead.node == *host.name() => Some(dead.incarnation),
                _ => None,
            };
            highest = highest.max(accused.filter(|accused| (own..=CREDIBLE_MAX).contains(accused)));
        });
        highest
    }
}

/// The host was accused at this incarnation in its last step.
pub(super) fn answered<R>(place: Place<'_>, host: &Host<R>, accused: Incarnation) -> Option<Violation> {
    let own = host.node()?.members().local()?.incarnation();
    if own > accused {
        return None;
    }
    let what = format!("it was accused at incarnation {accused}, and stays at {own}");
    place.violation("M6 self is alive", "", what)
}
