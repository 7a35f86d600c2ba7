//! M2, M10, M11, M13 and M14: what is in the packets.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::net::SocketAddr;
use std::time::Duration;

use tidings_core::wire::Keyring;
use tidings_core::wire::message::{Message, MessageType, Ping};
use tidings_core::wire::packet::Opener;
use tidings_core::{Config, Incarnation, State, Time, View};

use super::Place;
use super::accused::Accusations;
use super::membership::Membership;
use super::names::{NameId, Names};
use super::recent::Recent;
use super::updates::Update;
use crate::hash::FastHasher;
use crate::host::Host;
use crate::net::HostId;
use crate::rider::Rider;
use crate::watch::Violation;
use crate::world::World;

/// Bytes that a direct Serf message may take beside its own limit.
const DIRECT_OVERHEAD: usize = 256;

/// Reads what nodes send.
#[derive(Clone, Debug, Default)]
pub(super) struct Packets {
    opener: Opener,
    /// Pings asked for on somebody's behalf: by asker and number, what each helper did.
    indirect: Recent<(SocketAddr, u32), BTreeMap<HostId, Help>>,
    /// Hashes of the packets that ask for them: no other need be opened when it arrives.
    asking: Recent<u64>,
    accusations: Accusations,
}

/// What a helper was asked, and did.
#[derive(Clone, Copy, Debug, Default)]
struct Help {
    /// When it was asked first, by its own clock.
    since: Time,
    /// How often it was asked (packets may come twice), and has passed an ack on.
    asks: u32,
    acks: u32,
    /// How often it has said that it failed.
    nacks: u32,
}

/// One message, as far as the checkers care.
enum Said {
    Update(NameId, u32, Update),
    Asks(u32),
    Ack(u32),
    Nack(u32),
}

impl Packets {
    #[allow(clippy::too_many_arguments, reason = "a datagram and everything it is held against")]
    pub(super) fn on_datagram<R: Rider>(
        &mut self,
        world: &World<R>,
        place: Place<'_>,
        names: &mut Names,
        seen: &mut super::Seen,
        membership: &mut Membership,
        lies: bool,
        to: SocketAddr,
        payload: &[u8],
    ) -> Option<Violation> {
        let config = world.hosts()[place.host].config();
        if payload.len() > config.packet.size {
            let most = self.most(config, payload);
            if payload.len() > most {
                let what = format!("a datagram of {} bytes, allowed are {most}", payload.len());
                return place.violation("M11 packet bound", "", what);
            }
        }
        let buddy = seen.probes.buddy.take();
        let plain_ping = payload.first() == Some(&(MessageType::Ping as u8));
        let plain_ack = payload.first() == Some(&(MessageType::Ack as u8)) && self.indirect.is_empty();
        if plain_ping && config.suspicion.buddy && seen.membership.doubts_any() {
            let found = unspoken(place, world.host(place.host), &seen.view, to, payload);
            if found.is_some() {
                return found;
            }
        }
        if (plain_ping || plain_ack) && buddy.is_none() {
            return None;
        }
        let hash = hash(payload);
        if seen.told_last == Some(hash) && buddy.is_none() {
            return None;
        }
        let mut said = Vec::new();
        let keyring = Keyring::new(&config.security.keys).ok()?;
        self.opener.open(payload, config, &keyring, |message| {
            if let Ok(message) = message.and_then(Message::decode) {
                said.extend(listen(names, &message));
            }
        });
        if let Some(target) = buddy
            && !said.iter().any(|word| matches!(word, Said::Update(id, _, Update::Suspect) if *id == target))
        {
            return place.violation(
                "M13 buddy",
                names.text(target),
                "a ping to a suspect does not say so".into(),
            );
        }
        let plain = said.iter().all(|word| matches!(word, Said::Update(..)));
        seen.told_last = plain.then_some(hash);
        if said.iter().any(|word| matches!(word, Said::Asks(_))) {
            self.asking.put(hash, place.world_time);
        }
        if said.iter().any(|word| matches!(word, Said::Update(_, _, Update::Suspect | Update::Dead))) {
            self.accusations.on_sent(hash, place.world_time);
        }
        for word in said {
            let found = match word {
                Said::Update(id, incarnation, update) if !lies => {
                    let issued = membership.issued(world, names, id, incarnation);
                    let name = names.text(id);
                    if incarnation > issued {
                        let what = format!("says incarnation {incarnation}, {issued} is the highest issued");
                        return place.violation("M2 owner-only incarnation", name, what);
                    }
                    seen.updates.on_told(place, (id, name), incarnation, &update)
                }
                other => self.on_probe_message(world, place, to, &other),
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// How large a datagram may be: a single message of the Serf layer that goes straight to
    /// somebody has a limit of its own.
    fn most(&mut self, config: &Config, payload: &[u8]) -> usize {
        let (mut direct, mut others) = (0, 0);
        if let Ok(keyring) = Keyring::new(&config.security.keys) {
            self.opener.open(payload, config, &keyring, |message| match message.and_then(Message::decode) {
                Ok(Message::User(_)) => direct += 1,
                _ => others += 1,
            });
        }
        match (direct, others) {
            (1, 0) => config.packet.size.max(config.queries.response_size_limit + DIRECT_OVERHEAD),
            _ => config.packet.size,
        }
    }

    /// A datagram is about to be handled. Returns the incarnation at which it accuses the host, if
    /// the host must contradict.
    pub(super) fn on_arrival<R>(
        &mut self,
        place: Place<'_>,
        host: &Host<R>,
        lies: bool,
        from: SocketAddr,
        payload: &[u8],
    ) -> Option<Incarnation> {
        let first = payload.first().copied().and_then(MessageType::from_u8);
        if matches!(first, Some(MessageType::Ping | MessageType::Ack)) {
            return None;
        }
        self.on_request(place, host, lies, from, payload);
        self.accusations.on_arrival(host, payload, hash)
    }

    /// Somebody may be asked for help.
    fn on_request<R>(
        &mut self,
        place: Place<'_>,
        host: &Host<R>,
        lies: bool,
        from: SocketAddr,
        payload: &[u8],
    ) {
        // What is damaged on its way may still ask.
        if self.indirect.is_empty() || !lies && !self.asking.contains(&hash(payload)) {
            return;
        }
        let config = host.config();
        let Ok(keyring) = Keyring::new(&config.security.keys) else { return };
        let indirect = &mut self.indirect;
        self.opener.open(payload, config, &keyring, |message| {
            if let Ok(Message::IndirectPing(request)) = message.and_then(Message::decode)
                // Whom it answers it reads in the packet, which may be damaged.
                && let Some(helpers) =
                    indirect.get_mut(&(request.source.socket().unwrap_or(from), request.seq))
            {
                let fresh = Help { since: place.local, ..Help::default() };
                helpers.entry(place.host).or_insert(fresh).asks += 1;
            }
        });
    }

    /// M14: nacks come at their time, once for each request, and never after an ack.
    fn on_probe_message<R: Rider>(
        &mut self,
        world: &World<R>,
        place: Place<'_>,
        to: SocketAddr,
        said: &Said,
    ) -> Option<Violation> {
        let host = &world.hosts()[place.host];
        match said {
            // A process that starts anew counts from 1 again, while what its last life asked for may
            // still be under way: the counts go on.
            Said::Asks(seq) => self.indirect.put((host.addr(), *seq), place.world_time),
            Said::Ack(seq) => {
                if !host.config().coordinates {
                    return None;
                }
                if let Some(helpers) = self.indirect.get_mut(&(to, *seq)) {
                    helpers.entry(place.host).or_default().acks += 1;
                }
            }
            Said::Nack(seq) => {
                let help = self.indirect.get_mut(&(to, *seq))?.get_mut(&place.host)?;
                help.nacks += 1;
                let Help { since, asks, acks, nacks } = *help;
                if asks > 0 && nacks > asks {
                    let what = format!("{nacks} nacks of probe {seq}, asked for {asks} times");
                    return place.violation("M14 nack timing", "", what);
                }
                if acks > 0 && acks >= asks {
                    return place.violation(
                        "M14 nack timing",
                        "",
                        format!("a nack after the ack of probe {seq}"),
                    );
                }
                let probe = &host.config().probe;
                let least = probe.timeout * probe.nack_percent / 100;
                let passed = place.local.since(since);
                // Asked once, it knows when.
                let late = asks == 1 && passed > least + Duration::from_millis(1) && !host.was_disturbed();
                if asks > 0 && passed < least || late {
                    let what = format!("a nack {passed:?} after it was asked for, not {least:?}");
                    return place.violation("M14 nack timing", "", what);
                }
            }
            Said::Update(..) => {}
        }
        None
    }
}

/// M13: a ping that says nothing else goes to nobody who is held suspect, on whose behalf ever.
fn unspoken<R>(
    place: Place<'_>,
    host: &Host<R>,
    before: &View,
    to: SocketAddr,
    payload: &[u8],
) -> Option<Violation> {
    let ping = Ping::decode(payload.get(1..)?).ok()?;
    let suspect = |view: &View| {
        view.get(ping.node).is_some_and(|held| held.state() == State::Suspect && held.addr() == to)
    };
    if !suspect(before) || !suspect(host.node()?.members()) {
        return None;
    }
    place.violation("M13 buddy", ping.node, "a ping to a suspect does not say so".into())
}

fn hash(payload: &[u8]) -> u64 {
    let mut hasher = FastHasher::default();
    hasher.write(payload);
    hasher.write_usize(payload.len());
    hasher.finish()
}

fn listen(names: &mut Names, message: &Message<'_>) -> Option<Said> {
    Some(match message {
        Message::Alive(alive) => Said::Update(names.id(alive.node), alive.incarnation, Update::Alive),
        Message::Dead(dead) => Said::Update(names.id(dead.node), dead.incarnation, Update::Dead),
        Message::Suspect(suspect) => {
            Said::Update(names.id(suspect.node), suspect.incarnation, Update::Suspect)
        }
        Message::IndirectPing(request) => Said::Asks(request.seq),
        // An ack of one's own carries a coordinate; one that is passed on does not.
        Message::Ack(ack) if ack.payload.is_empty() => Said::Ack(ack.seq),
        Message::Nack(nack) => Said::Nack(nack.seq),
        Message::Ping(_) | Message::Ack(_) | Message::User(_) => return None,
    })
}
