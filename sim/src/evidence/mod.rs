//! The packets behind a violation: the last that its members sent each other, or in which one of
//! them hears or tells of another, in words.
//!
//! A run does not pay for it. Once something was found wrong, the same seed is run again with
//! somebody who writes down.

mod words;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use tidings_core::wire::Keyring;
use tidings_core::wire::frame::{FrameDecoder, Side};
use tidings_core::wire::packet::Opener;
use tidings_core::{Config, Input, Output, StreamAction, StreamEvent, StreamId, Time};

use words::mentions;

use crate::net::HostId;
use crate::watch::Sight;
use crate::world::World;

/// Packets kept.
const PACKETS_MAX: usize = 24;
/// Messages of one packet that are shown.
const MESSAGES_MAX: usize = 12;

/// A packet that concerns the members of a violation.
#[derive(Debug)]
struct Packet {
    /// When it was sent; streams are read where they arrive.
    sent: Option<Time>,
    /// When it, and further copies of it, arrived.
    arrived: Vec<Time>,
    from: String,
    to: String,
    payload: Bytes,
    words: String,
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Packet { sent, arrived, from, to, words, .. } = self;
        let arrivals: Vec<String> = arrived.iter().map(Time::to_string).collect();
        let arrivals = arrivals.join(", ");
        match sent {
            Some(sent) if arrived.is_empty() => write!(f, "{sent} {from} > {to} (not arrived): {words}"),
            Some(sent) => write!(f, "{sent} {from} > {to} (arrived {arrivals}): {words}"),
            None => write!(f, "{arrivals} {from} > {to} (on arrival): {words}"),
        }
    }
}

/// A stream of which more may arrive.
#[derive(Debug)]
struct Stream {
    peer: String,
    decoder: FrameDecoder,
}

/// Writes down the packets that concern some members.
#[derive(Debug, Default)]
struct Recorder {
    members: Vec<String>,
    opener: Opener,
    streams: HashMap<(HostId, StreamId), Stream>,
    packets: VecDeque<Packet>,
    /// The violation has been seen: what comes now is too late to matter.
    over: bool,
}

/// What is written down of a run, to be read when it is over.
#[derive(Debug)]
pub(crate) struct Log(Rc<RefCell<Recorder>>);

impl Log {
    /// Writes down the packets of these members from now on.
    pub(crate) fn of(members: &[String], world: &mut World) -> Log {
        let recorder = Recorder { members: members.to_vec(), ..Recorder::default() };
        let log = Rc::new(RefCell::new(recorder));
        let writer = log.clone();
        world.watch(move |world: &World, host: HostId, sight: &Sight<'_>| {
            writer.borrow_mut().see(world, host, sight);
            None
        });
        Log(log)
    }

    /// The packets, a line each, in the order in which they were sent.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.borrow().packets.iter().map(Packet::to_string).collect()
    }
}

impl Recorder {
    fn see(&mut self, world: &World, host: HostId, sight: &Sight<'_>) {
        if self.over {
            return;
        }
        // Whoever finds a violation looks first, at the very sight that is written down last.
        self.over = !world.violations().is_empty();
        match sight {
            Sight::Output(Output::Datagram { to, payload }) => self.on_sent(world, host, *to, payload),
            Sight::Input(Input::Datagram { from, payload }) => self.on_arrived(world, host, *from, payload),
            Sight::Output(Output::Stream { id, action }) => match action {
                StreamAction::Connect { to } => self.open(world, host, *id, Side::Dialled, *to),
                StreamAction::Close => drop(self.streams.remove(&(host, *id))),
                _ => {}
            },
            Sight::Input(Input::Stream { id, event }) => match event {
                StreamEvent::Accepted { from } => self.open(world, host, *id, Side::Accepted, *from),
                StreamEvent::Data(bytes) => self.on_stream_data(world, host, *id, bytes),
                StreamEvent::Closed | StreamEvent::Failed(_) => drop(self.streams.remove(&(host, *id))),
                _ => {}
            },
            _ => {}
        }
    }

    fn on_sent(&mut self, world: &World, host: HostId, to: SocketAddr, payload: &Bytes) {
        let sender = &world.hosts()[host];
        let words = self.read(payload, sender.config());
        let packet = Packet {
            sent: Some(world.now()),
            arrived: Vec::new(),
            from: sender.name().to_owned(),
            to: name_of(world, to),
            payload: payload.clone(),
            words: self.in_short(&words),
        };
        self.keep(packet, &words);
    }

    fn on_arrived(&mut self, world: &World, host: HostId, from: SocketAddr, payload: &[u8]) {
        let (from, to) = (name_of(world, from), world.hosts()[host].name());
        let same = |packet: &&mut Packet| packet.to == to && packet.from == from && packet.payload == payload;
        if let Some(packet) = self.packets.iter_mut().rev().find(same) {
            return packet.arrived.push(world.now());
        }
        // Damaged on its way, or sent long ago.
        let words = self.read(payload, world.hosts()[host].config());
        let packet = Packet {
            sent: None,
            arrived: vec![world.now()],
            from,
            to: to.to_owned(),
            payload: Bytes::copy_from_slice(payload),
            words: self.in_short(&words),
        };
        self.keep(packet, &words);
    }

    fn open(&mut self, world: &World, host: HostId, id: StreamId, side: Side, peer: SocketAddr) {
        let stream = Stream { peer: name_of(world, peer), decoder: FrameDecoder::new(side) };
        self.streams.insert((host, id), stream);
    }

    fn on_stream_data(&mut self, world: &World, host: HostId, id: StreamId, bytes: &[u8]) {
        let receiver = &world.hosts()[host];
        let Ok(keyring) = Keyring::new(&receiver.config().security.keys) else { return };
        let Some(stream) = self.streams.get_mut(&(host, id)) else { return };
        let words = match stream.decoder.feed(bytes, receiver.config(), &keyring) {
            Ok(None) => return,
            Ok(Some(frame)) => words::frame(&frame, &self.members),
            Err(refusal) => format!("unreadable ({refusal})"),
        };
        let packet = Packet {
            sent: None,
            arrived: vec![world.now()],
            from: stream.peer.clone(),
            to: receiver.name().to_owned(),
            payload: Bytes::new(),
            words: format!("by stream: {words}"),
        };
        self.keep(packet, &[words]);
    }

    /// The messages of a datagram.
    fn read(&mut self, payload: &[u8], config: &Config) -> Vec<String> {
        let Ok(keyring) = Keyring::new(&config.security.keys) else { return Vec::new() };
        let mut all = Vec::new();
        self.opener.open(payload, config, &keyring, |message| all.push(words::message(message)));
        all
    }

    /// Of many messages, those that name a member.
    fn in_short(&self, words: &[String]) -> String {
        let short = words.len() <= MESSAGES_MAX;
        let named = |words: &&String| short || self.members.iter().any(|member| mentions(words, member));
        let shown: Vec<&str> = words.iter().filter(named).take(MESSAGES_MAX).map(String::as_str).collect();
        match words.len() - shown.len() {
            0 => shown.join("; "),
            more => format!("{}; {more} more", shown.join("; ")),
        }
    }

    /// Keeps a packet if it goes from one of the members to another, or one of them is told of
    /// another, or tells of it. Of a single member, everything is kept.
    fn keep(&mut self, packet: Packet, words: &[String]) {
        let members = &self.members;
        let ends = [&packet.from, &packet.to];
        let at_end = members.iter().filter(|member| ends.contains(member)).count();
        let told =
            |member: &String| !ends.contains(&member) && words.iter().any(|words| mentions(words, member));
        let concerns = match at_end {
            0 => members.is_empty(),
            1 => members.len() == 1 || members.iter().any(told),
            _ => true,
        };
        if !concerns {
            return;
        }
        if self.packets.len() == PACKETS_MAX {
            self.packets.pop_front();
        }
        self.packets.push_back(packet);
    }
}

/// Who has an address, or dials from it; the address itself if nobody does.
fn name_of(world: &World, addr: SocketAddr) -> String {
    let host = world.hosts().iter().find(|host| host.addr() == addr);
    let host = host.or_else(|| world.hosts().iter().find(|host| host.addr().ip() == addr.ip()));
    host.map_or_else(|| addr.to_string(), |host| host.name().to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Cluster, LinkPick, Pick, Return, Start, Trouble};

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn members(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// What is written down about two members of six while one that was down comes back.
    fn story(edit: impl Fn(&mut Config)) -> Vec<String> {
        let mut cluster = Cluster::lan(6).seed(3).configure(|_, config| edit(config)).start();
        cluster.crash(4);
        let log = Log::of(&members(&["n1", "n4"]), &mut cluster);
        cluster.run(secs(20));
        cluster.world.start(4, Start::Fresh);
        cluster.world.join(4, &[1]);
        cluster.run(secs(2));
        log.lines()
    }

    #[test]
    fn packets_are_read_whatever_they_are_wrapped_in() {
        let key = Bytes::from_static(&[7; 32]);
        for (name, encrypted, compressed) in
            [("plain", false, false), ("encrypted", true, false), ("compressed", false, true)]
        {
            let lines = story(|config| {
                config.security.keys = if encrypted { vec![key.clone()] } else { Vec::new() };
                config.packet.compression = compressed;
            });
            for part in [
                "n4 > n1 (on arrival): by stream: full state of 1 members, to join, alive n4 at 1, n4's status",
                "n1 > n4 (on arrival): by stream: full state of 6 members, to join, alive n1 at 1, dead n4 at 1",
                "alive n4 at 2 on 10.0.0.5:7946",
                "n4 joins at time ",
            ] {
                let found = lines.iter().any(|line| line.contains(part));
                assert!(found, "{name}: no {part} in {lines:#?}");
            }
            assert!(!lines.iter().any(|line| line.contains("unreadable")), "{name}: {lines:#?}");
        }
    }

    #[test]
    fn what_is_lost_or_comes_twice_or_damaged_can_be_told_apart() {
        let lines = |trouble: Trouble| {
            let mut cluster = Cluster::lan(3).seed(3).start();
            cluster.trouble(secs(100), trouble);
            let log = Log::of(&members(&["n0", "n1"]), &mut cluster);
            cluster.run(secs(5));
            log.lines()
        };
        let links = LinkPick { from: Pick::These(vec![0]), to: Pick::These(vec![1]), both: false };
        let lost = lines(Trouble::Loss { links: links.clone(), rate: 1.0 });
        assert!(lost.iter().any(|line| line.contains("n0 > n1 (not arrived): ping")), "{lost:#?}");
        let twice = lines(Trouble::Duplicate { links: links.clone(), rate: 1.0, later: Duration::ZERO });
        let two = |line: &&String| line.contains("n0 > n1 (arrived ") && line.contains("s, ");
        assert!(twice.iter().any(|line| two(&line)), "{twice:#?}");
        let damaged = lines(Trouble::Corrupt { links, rate: 1.0 });
        assert!(damaged.iter().any(|line| line.contains("n0 > n1 (on arrival): ")), "{damaged:#?}");
    }

    #[test]
    fn only_what_concerns_the_members_is_kept_and_only_the_last_of_it() {
        for names in [&["n2"][..], &["n2", "n3"], &["n0", "n2", "n3"]] {
            let mut cluster = Cluster::lan(8).seed(3).start();
            let log = Log::of(&members(names), &mut cluster);
            let crash =
                Trouble::Crash { members: Pick::These(vec![3]), comes_back: Return::Never, rolling: false };
            cluster.trouble(secs(100), crash);
            cluster.run(secs(60));
            let lines = log.lines();
            assert_eq!(lines.len(), PACKETS_MAX, "{names:?}: {lines:#?}");
            let needed = names.len().min(2);
            for line in lines {
                let named = names.iter().filter(|name| mentions(&line, name)).count();
                assert!(named >= needed, "{names:?}: {line}");
            }
        }
    }
}
