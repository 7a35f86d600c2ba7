//! Registrations on disk: what is written when, and what a later run makes of it.
//!
//! Each record of this agent is an entry of the [`log`](super::log): its key as the log's, and as
//! value its stamp, what it says, and of a check how it is done. The log is written afresh when it
//! has grown to twice what is in it, when it starts, and after a write that failed.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::{BufMut, Bytes};

use super::check::{Action, Check, CheckSpec, Probe};
use super::encoding::Told;
use super::log::{self, Entry};
use super::own::Own;
use super::record::{Key, Kind};
use super::service::Text;
use super::state::Waiter;
use super::table::Table;
use super::texts::Texts;
use crate::context::Context;
use crate::error::Malformed;
use crate::input::PersistId;
use crate::output::{Output, Persist};
use crate::time::nanos;
use crate::wire::msgpack::{Dialect, Reader, Writer};

/// The log may grow by this much before it is written afresh, however little is in it.
const SLACK_BYTES: usize = 64 << 10;
/// Numbers of writes have this bit; those of other parts of the node do not.
const STORE: u64 = 1 << 63;
/// Log key of the number of this run; records have longer ones.
const RUN: &[u8] = b"run";

/// What is kept of this agent's registrations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    /// Bytes of the log when it was last written afresh, and now.
    fresh: usize,
    len: usize,
    /// The next write is of the whole.
    whole: bool,
    /// The number of this run as it was written last.
    run: u64,
    next: u64,
    /// Who waits for which write.
    waiting: BTreeMap<u64, Vec<Waiter>>,
}

/// What an earlier run left.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// Its number.
    pub(crate) run: u64,
    pub(crate) records: Vec<(Told, Option<CheckSpec>)>,
}

impl Left {
    /// Reads a log as far as it is good. An entry that says nothing understood is passed over.
    pub(crate) fn read(bytes: &[u8], seed: u64, texts: &mut Texts) -> Self {
        let mut entries: BTreeMap<&[u8], &[u8]> = BTreeMap::new();
        for entry in log::replay(bytes).entries() {
            match entry {
                Entry::Put { key, value } => entries.insert(key, value),
                Entry::Delete { key } => entries.remove(key),
            };
        }
        let mut left = Left::default();
        for (key, value) in entries {
            let mut reader = Reader::new(value);
            if key == RUN {
                left.run = reader.u64().unwrap_or(0);
            } else if let Ok(record) = read_kept(&mut reader, seed, texts) {
                left.records.push(record);
            }
        }
        left
    }
}

impl Store {
    /// A store whose first write is of the whole: what is there may be damaged.
    pub(crate) fn new() -> Self {
        Store { whole: true, ..Store::default() }
    }

    /// Hands out what has changed, and answers `waiter` once that is on disk. Without changes there
    /// is nothing to wait for: `false`.
    pub(crate) fn save(
        &mut self,
        cx: &mut Context,
        own: &mut Own,
        table: &Table,
        waiter: Option<Waiter>,
    ) -> bool {
        let changed = core::mem::take(&mut own.unsaved);
        if changed.is_empty() && !self.whole {
            return false;
        }
        let whole = self.whole || self.len > 2 * self.fresh + SLACK_BYTES;
        let mut bytes = Vec::new();
        if whole {
            log::start(&mut bytes);
        }
        if whole || self.run != own.generation() {
            put_run(own, &mut bytes);
            self.run = own.generation();
        }
        if whole {
            let me = own.me.clone();
            for record in table.of_owner(&me) {
                put_record(own, table, record.key(), &mut bytes);
            }
        } else {
            changed.iter().for_each(|key| put_record(own, table, key, &mut bytes));
        }
        self.len = if whole { bytes.len() } else { self.len + bytes.len() };
        if whole {
            self.fresh = bytes.len();
        }
        self.whole = false;
        let id = self.next;
        self.next += 1;
        self.waiting.insert(id, waiter.into_iter().collect());
        let persist =
            Persist::Registry { id: PersistId(id | STORE), bytes: Bytes::from(bytes), replace: whole };
        cx.outputs.push_back(Output::Persist(persist));
        true
    }

    /// A write has ended. Who waited for it, if it is one of these.
    pub(crate) fn on_persisted(&mut self, id: PersistId, failed: bool) -> Option<Vec<Waiter>> {
        let waiting = self.waiting.remove(&(id.0 & !STORE)).filter(|_| id.0 & STORE != 0)?;
        self.whole |= failed;
        Some(waiting)
    }
}

fn put_run(own: &Own, out: &mut Vec<u8>) {
    let mut value = Vec::new();
    Writer::new(&mut value, Dialect::Gossip).uint(own.generation());
    append(out, Entry::Put { key: RUN, value: &value });
}

/// Appends how a record stands now.
fn put_record(own: &Own, table: &Table, key: &Key, out: &mut Vec<u8>) {
    let name = log_key(key);
    let Some(told @ Told::Is(_)) = table.told(key) else {
        return append(out, Entry::Delete { key: &name });
    };
    let mut value = Vec::with_capacity(256);
    told.encode(&mut value);
    let check = (key.kind == Kind::Check && key.node == own.me).then(|| own.check(&key.id)).flatten();
    match check {
        Some(check) => write_spec(&mut value, check.spec),
        None => {
            Writer::new(&mut value, Dialect::Gossip).nil();
        }
    }
    append(out, Entry::Put { key: &name, value: &value });
}

/// Registrations are refused long before they are too large for the log.
fn append(out: &mut Vec<u8>, entry: Entry<'_>) {
    let appended = log::append(out, entry);
    debug_assert!(appended.is_ok(), "{appended:?}");
}

fn log_key(key: &Key) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    Writer::new(&mut out, Dialect::Gossip).array(3).str(&key.node).uint(key.kind as u64).str(&key.id);
    out
}

fn read_kept(
    r: &mut Reader<'_>,
    seed: u64,
    texts: &mut Texts,
) -> Result<(Told, Option<CheckSpec>), Malformed> {
    let told = Told::decode(r, seed, texts)?;
    let spec = if r.take_nil() { None } else { Some(read_spec(r, texts)?) };
    Ok((told, spec))
}

fn write_spec(out: &mut Vec<u8>, spec: &CheckSpec) {
    let mut w = Writer::new(out, Dialect::Gossip);
    w.array(9).str(&spec.id).str(&spec.name).str(&spec.notes).str(&spec.service_id);
    write_probe(&mut w, &spec.probe);
    w.uint(spec.success_before_passing.into()).uint(spec.failures_before_critical.into());
    w.uint(nanos(spec.deregister_after)).uint(spec.output_max as u64);
}

fn read_spec(r: &mut Reader<'_>, texts: &mut Texts) -> Result<CheckSpec, Malformed> {
    let extra = r.array_len()?.checked_sub(9).ok_or(Malformed::Empty)?;
    let mut text = |r: &mut Reader<'_>| -> Result<Text, Malformed> { Ok(texts.share(r.str()?)) };
    let spec = CheckSpec {
        id: text(r)?,
        name: text(r)?,
        notes: text(r)?,
        service_id: text(r)?,
        status: None,
        probe: read_probe(r)?,
        success_before_passing: r.u32()?,
        failures_before_critical: r.u32()?,
        deregister_after: Duration::from_nanos(r.u64()?),
        output_max: usize::try_from(r.u64()?).map_err(|_| Malformed::Range)?,
    };
    for _ in 0..extra {
        r.skip()?;
    }
    Ok(spec)
}

/// An array: its number, then what it needs.
fn write_probe<B: BufMut>(w: &mut Writer<'_, B>, probe: &Probe) {
    match probe {
        Probe::Ttl(ttl) => {
            w.array(2).uint(0).uint(nanos(*ttl));
        }
        Probe::Fixed => {
            w.array(1).uint(1);
        }
        Probe::Maintenance => {
            w.array(1).uint(2);
        }
        Probe::Run { interval, timeout, action } => {
            w.array(4).uint(3).uint(nanos(*interval)).uint(nanos(*timeout));
            write_action(w, action);
        }
    }
}

fn read_probe(r: &mut Reader<'_>) -> Result<Probe, Malformed> {
    let len = r.array_len()?;
    let time = |r: &mut Reader<'_>| r.u64().map(Duration::from_nanos);
    Ok(match (r.u64()?, len) {
        (0, 2) => Probe::Ttl(time(r)?),
        (1, 1) => Probe::Fixed,
        (2, 1) => Probe::Maintenance,
        (3, 4) => Probe::Run { interval: time(r)?, timeout: time(r)?, action: Arc::new(read_action(r)?) },
        _ => return Err(Malformed::Type),
    })
}

fn write_action<B: BufMut>(w: &mut Writer<'_, B>, action: &Action) {
    match action {
        Action::Http { url, method, header, body, tls_skip_verify } => {
            w.array(6).uint(0).str(url).str(method);
            w.array(header.len());
            for (name, values) in header {
                w.array(2).str(name);
                write_list(w, values);
            }
            w.str(body).bool(*tls_skip_verify);
        }
        Action::Tcp { address } => {
            w.array(2).uint(1).str(address);
        }
        Action::Script { args } => {
            w.array(2).uint(2);
            write_list(w, args);
        }
        Action::Grpc { target, tls, tls_skip_verify } => {
            w.array(4).uint(3).str(target).bool(*tls).bool(*tls_skip_verify);
        }
        Action::Alias { node, service } => {
            w.array(3).uint(4).str(node).str(service);
        }
    }
}

fn write_list<B: BufMut>(w: &mut Writer<'_, B>, texts: &[String]) {
    w.array(texts.len());
    texts.iter().for_each(|text| {
        w.str(text);
    });
}

fn read_list(r: &mut Reader<'_>) -> Result<Vec<String>, Malformed> {
    (0..r.array_len()?).map(|_| r.str().map(Into::into)).collect()
}

fn read_action(r: &mut Reader<'_>) -> Result<Action, Malformed> {
    let len = r.array_len()?;
    Ok(match (r.u64()?, len) {
        (0, 6) => Action::Http {
            url: r.str()?.into(),
            method: r.str()?.into(),
            header: (0..r.array_len()?)
                .map(|_| match r.array_len()? {
                    2 => Ok((r.str()?.into(), read_list(r)?)),
                    _ => Err(Malformed::Type),
                })
                .collect::<Result<_, _>>()?,
            body: r.str()?.into(),
            tls_skip_verify: r.bool()?,
        },
        (1, 2) => Action::Tcp { address: r.str()?.into() },
        (2, 2) => Action::Script { args: read_list(r)? },
        (3, 4) => Action::Grpc { target: r.str()?.into(), tls: r.bool()?, tls_skip_verify: r.bool()? },
        (4, 3) => Action::Alias { node: r.str()?.into(), service: r.str()?.into() },
        _ => return Err(Malformed::Type),
    })
}

/// A check that goes on where an earlier run left it, and what came of it then.
pub(crate) fn go_on(spec: CheckSpec, said: &Check) -> (CheckSpec, Text) {
    (CheckSpec { status: Some(said.status), ..spec }, said.output.clone())
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    #[test]
    fn how_a_check_is_done_is_kept_whole() {
        let second = Duration::from_secs(1);
        let run = |action| Probe::Run { interval: second, timeout: 2 * second, action: Arc::new(action) };
        let probes = [
            Probe::Ttl(Duration::from_millis(1500)),
            Probe::Fixed,
            Probe::Maintenance,
            run(Action::Tcp { address: "h:1".into() }),
            run(Action::Script { args: vec!["sh".into(), "-c".into(), "true".into()] }),
            run(Action::Grpc { target: "h:1/s".into(), tls: true, tls_skip_verify: false }),
            run(Action::Alias { node: "n".into(), service: "s".into() }),
            run(Action::Http {
                url: "http://h/".into(),
                method: "PUT".into(),
                header: vec![("X-A".into(), vec!["1".into(), "2".into()]), ("Host".into(), vec![])],
                body: "b".into(),
                tls_skip_verify: true,
            }),
        ];
        for probe in probes {
            let spec = CheckSpec {
                id: "id".into(),
                name: "name".into(),
                notes: "notes".into(),
                service_id: "s".into(),
                status: None,
                probe,
                success_before_passing: 2,
                failures_before_critical: 3,
                deregister_after: 60 * second,
                output_max: 100,
            };
            let mut bytes = Vec::new();
            write_spec(&mut bytes, &spec);
            let read = read_spec(&mut Reader::new(&bytes), &mut Texts::new(1));
            assert_eq!(read, Ok(spec));
            for end in 0..bytes.len() {
                assert!(read_spec(&mut Reader::new(&bytes[..end]), &mut Texts::new(1)).is_err());
            }
        }
    }
}
