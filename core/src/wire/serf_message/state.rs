//! The state of the Serf layer that push/pulls carry (serf-wire, section 2).

use bytes::BufMut;

use super::super::message::read_name;
use super::super::msgpack::{Dialect, Reader, Writer};
use super::list::{Walk, checked_array, checked_map};
use super::{SerfType, Texts};
use crate::error::Malformed;
use crate::serf::clock::LamportTime;

/// The state of another node's Serf layer.
#[derive(Clone, Debug)]
pub struct PushPull<'a> {
    /// Its member clock.
    pub ltime: LamportTime,
    /// Its event clock.
    pub event_ltime: LamportTime,
    /// Its query clock.
    pub query_ltime: LamportTime,
    /// When the status of each of its members last changed.
    pub status_ltimes: StatusTimes<'a>,
    /// The members that left.
    pub left_members: Texts<'a>,
    /// The user events it remembers.
    pub events: Events<'a>,
    /// What its registry comes to; empty if it keeps none.
    pub registry: &'a [u8],
}

impl<'a> PushPull<'a> {
    const FIELDS: [&'static str; 7] =
        ["LTime", "StatusLTimes", "LeftMembers", "EventLTime", "Events", "QueryLTime", "TReg"];

    /// Decodes the body: all of it, so that walking its lists cannot fail.
    ///
    /// # Errors
    /// What is malformed.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut this = PushPull {
            ltime: LamportTime(0),
            event_ltime: LamportTime(0),
            query_ltime: LamportTime(0),
            status_ltimes: StatusTimes(Walk::map(&[])),
            left_members: Texts::default(),
            events: Events(Walk::array(&[])),
            registry: &[],
        };
        Reader::new(body).fields(&Self::FIELDS, |index, r| {
            match index {
                0 => this.ltime = LamportTime(r.u64()?),
                1 => this.status_ltimes = StatusTimes::read(r)?,
                2 => this.left_members = Texts::read(r)?,
                3 => this.event_ltime = LamportTime(r.u64()?),
                4 => this.events = Events::read(r)?,
                5 => this.query_ltime = LamportTime(r.u64()?),
                _ => this.registry = r.bytes()?,
            }
            Ok(())
        })?;
        Ok(this)
    }
}

/// Names of members and the times their status last changed.
#[derive(Clone, Debug)]
pub struct StatusTimes<'a>(Walk<'a>);

impl<'a> StatusTimes<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        checked_map(reader, |r| read_status(r).map(drop)).map(|encoded| StatusTimes(Walk::map(encoded)))
    }
}

fn read_status<'a>(r: &mut Reader<'a>) -> Result<(&'a str, LamportTime), Malformed> {
    Ok((read_name(r)?, LamportTime(r.u64()?)))
}

impl<'a> Iterator for StatusTimes<'a> {
    type Item = (&'a str, LamportTime);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next(read_status)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for StatusTimes<'_> {}

/// The slots of an event buffer; `None` for one that holds nothing.
#[derive(Clone, Debug)]
pub struct Events<'a>(Walk<'a>);

impl<'a> Events<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        checked_array(reader, |r| read_slot(r).map(drop)).map(|encoded| Events(Walk::array(encoded)))
    }
}

/// The events of one moment.
#[derive(Clone, Debug)]
pub struct EventSlot<'a> {
    /// The moment, on the event clock.
    pub ltime: LamportTime,
    /// Name and payload of each.
    pub events: UserEvents<'a>,
}

fn read_slot<'a>(r: &mut Reader<'a>) -> Result<Option<EventSlot<'a>>, Malformed> {
    if r.take_nil() {
        return Ok(None);
    }
    let mut slot = EventSlot { ltime: LamportTime(0), events: UserEvents(Walk::array(&[])) };
    r.fields(&["LTime", "Events"], |index, r| {
        match index {
            0 => slot.ltime = LamportTime(r.u64()?),
            _ => slot.events = UserEvents::read(r)?,
        }
        Ok(())
    })?;
    Ok(Some(slot))
}

impl<'a> Iterator for Events<'a> {
    type Item = Option<EventSlot<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next(read_slot)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Events<'_> {}

/// Names and payloads of the events of one moment.
#[derive(Clone, Debug)]
pub struct UserEvents<'a>(Walk<'a>);

impl<'a> UserEvents<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        checked_array(reader, |r| read_event(r).map(drop)).map(|encoded| UserEvents(Walk::array(encoded)))
    }
}

fn read_event<'a>(r: &mut Reader<'a>) -> Result<(&'a str, &'a [u8]), Malformed> {
    let (mut name, mut payload) = ("", &[][..]);
    r.fields(&["Name", "Payload"], |index, r| {
        match index {
            0 => name = r.str()?,
            _ => payload = r.bytes()?,
        }
        Ok(())
    })?;
    Ok((name, payload))
}

impl<'a> Iterator for UserEvents<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next(read_event)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for UserEvents<'_> {}

/// Appends the state, its type byte first.
///
/// `clocks` are the member, event and query clock. `events` are the slots of the event buffer, an
/// empty one as `None`; peers expect as many as their own buffer has, 512. Every iterator is
/// walked twice, first to count. `registry` is what the registry comes to, empty without one: real
/// agents pass over it.
pub fn encode_push_pull<'i, E: Iterator<Item = (&'i str, &'i [u8])> + Clone>(
    clocks: [LamportTime; 3],
    status_ltimes: impl Iterator<Item = (&'i str, LamportTime)> + Clone,
    left_members: impl Iterator<Item = &'i str> + Clone,
    events: impl Iterator<Item = Option<(LamportTime, E)>> + Clone,
    registry: &[u8],
    out: &mut impl BufMut,
) {
    let [ltime, event_ltime, query_ltime] = clocks;
    out.put_u8(SerfType::PushPull as u8);
    let mut w = Writer::new(out, Dialect::Gossip);
    w.map(if registry.is_empty() { 6 } else { 7 }).str("EventLTime").uint(event_ltime.0);
    w.str("Events").array(events.clone().count());
    for slot in events {
        let Some((ltime, events)) = slot else {
            w.nil();
            continue;
        };
        w.map(2).str("Events").array(events.clone().count());
        for (name, payload) in events {
            w.map(2).str("Name").str(name).str("Payload").bytes_or_nil(payload);
        }
        w.str("LTime").uint(ltime.0);
    }
    w.str("LTime").uint(ltime.0);
    w.str("LeftMembers").array(left_members.clone().count());
    for name in left_members {
        w.str(name);
    }
    w.str("QueryLTime").uint(query_ltime.0);
    w.str("StatusLTimes").map(status_ltimes.clone().count());
    for (name, time) in status_ltimes {
        w.str(name).uint(time.0);
    }
    if !registry.is_empty() {
        w.str("TReg").bytes(registry);
    }
}
