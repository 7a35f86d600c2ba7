//! The story of a probe: which packets it took, and what became of them.

use tidings_core::Time;

use super::record::{Chronicle, Fate, Packet, Probe};
use crate::letter::Letter;
use crate::net::HostId;
use crate::trace::probe_result;

/// A probe, packet by packet, in the order of time.
pub(super) fn story(chronicle: &Chronicle, probe: &Probe) -> Vec<String> {
    let mut lines: Vec<(Time, String)> = Vec::new();
    let ended = probe.ended.map_or(Time::MAX, |(at, _)| at);
    let helpers = helpers(chronicle, probe);
    for packet in chronicle.packets.iter().filter(|packet| packet.at >= probe.started) {
        if let Some(what) = role(chronicle, probe, &helpers, packet) {
            let to = packet.to.map_or("an address nobody has", |to| chronicle.name(to));
            let (from, fate) = (chronicle.name(packet.from), fate(packet, ended));
            lines.push((packet.at, format!("{what} {from} → {to}: {fate}")));
        }
    }
    if let Some(late) = probe.late {
        let text =
            if helpers.is_empty() { "no answer in time" } else { "no answer in time: helpers are asked" };
        lines.push((late, text.to_owned()));
    }
    let of_probe = |at: Time| Some(at) == probe.late;
    for attempt in chronicle.tries.iter().filter(|attempt| attempt.host == probe.host && of_probe(attempt.at))
    {
        let outcome = match &attempt.outcome {
            Some((at, text)) if *at <= ended => format!("{text} at {at}"),
            Some((at, text)) => format!("{text} at {at}, after the probe had ended"),
            None => "nothing came back".to_owned(),
        };
        let (from, to) = (chronicle.name(probe.host), &chronicle.about);
        lines.push((attempt.at, format!("stream {from} → {to}: {outcome}")));
    }
    lines.sort_by_key(|(at, _)| *at);
    let mut story: Vec<String> = lines.into_iter().map(|(at, text)| format!("{at}  {text}")).collect();
    if let Some((at, result)) = probe.ended {
        story.push(format!("{at}  the probe {}", probe_result(result)));
    }
    for (who, was) in
        [(chronicle.about.as_str(), probe.target_was), (chronicle.name(probe.host), probe.prober_was)]
    {
        if let Some(was) = was {
            story.push(format!("{who} {was} then"));
        }
    }
    story
}

/// Somebody who was asked for help.
struct Helper {
    host: HostId,
    /// Number of the ping it sent in its turn; `None`: it sent none.
    seq: Option<u32>,
}

fn helpers(chronicle: &Chronicle, probe: &Probe) -> Vec<Helper> {
    let request = Letter::IndirectPing { seq: probe.seq, target: chronicle.about.clone() };
    let asks = |packet: &&Packet| {
        packet.from == probe.host && packet.at >= probe.started && packet.letters.contains(&request)
    };
    let helper = |packet: &Packet| {
        let host = packet.to?;
        // It pings at the moment it is asked.
        let pings = |ping: &&Packet| ping.from == host && packet.fate == Fate::Read(ping.at);
        let seq = chronicle.packets.iter().filter(pings).find_map(|ping| number(chronicle, ping));
        Some(Helper { host, seq })
    };
    chronicle.packets.iter().filter(asks).filter_map(helper).collect()
}

/// The number of the ping to the member in a packet.
fn number(chronicle: &Chronicle, packet: &Packet) -> Option<u32> {
    packet.letters.iter().find_map(|letter| match letter {
        Letter::Ping { seq, target } if *target == chronicle.about => Some(*seq),
        _ => None,
    })
}

/// What a packet is for a probe; `None`: nothing.
fn role(chronicle: &Chronicle, probe: &Probe, helpers: &[Helper], packet: &Packet) -> Option<&'static str> {
    let from_target = chronicle.host(&chronicle.about).ok() == Some(packet.from);
    let to_prober = packet.to == Some(probe.host);
    let helps = |host: Option<HostId>, seq: u32| {
        helpers.iter().any(|helper| Some(helper.host) == host && helper.seq == Some(seq))
    };
    packet.letters.iter().find_map(|letter| match letter {
        Letter::Ping { seq, .. } if packet.from == probe.host => (*seq == probe.seq).then_some("ping"),
        Letter::Ping { seq, .. } => helps(Some(packet.from), *seq).then_some("ping"),
        Letter::IndirectPing { seq, .. } if packet.from == probe.host => {
            (*seq == probe.seq).then_some("indirect ping")
        }
        Letter::Ack { seq } if to_prober => (*seq == probe.seq).then_some("ack"),
        Letter::Nack { seq } if to_prober => (*seq == probe.seq).then_some("nack"),
        Letter::Ack { seq } if from_target => helps(packet.to, *seq).then_some("ack"),
        _ => None,
    })
}

/// What became of a packet by the time the probe ended.
fn fate(packet: &Packet, ended: Time) -> String {
    match packet.fate {
        Fate::Lost(why) => format!("lost to {why}"),
        Fate::Read(at) if at <= ended => format!("read at {at}"),
        Fate::Read(at) => format!("read only at {at}, after the probe had ended"),
        Fate::Underway => "never read".to_owned(),
    }
}
