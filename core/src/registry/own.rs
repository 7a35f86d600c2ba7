//! The owner's side: what this agent registers, and how its checks fare.
//!
//! Only here are this node's records written. Each write has a later stamp than the one before and
//! waits in [`Own::told`] to be spread.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::check::{Check, CheckSpec, Health, Probe};
use super::command::RegistryError;
use super::encoding::{RECORD_MAX, Told, content_len, sealed};
use super::node::NodeInfo;
use super::record::{Body, Key, Kind, Record, Stamp};
use super::run::{Due, Running};
use super::service::{Service, Text};
use super::store::{self, Left};
use super::table::{Merged, Table};
use crate::context::Context;
use crate::timers;

/// The node check that says that no traffic is wanted.
pub const NODE_MAINTENANCE: &str = "_node_maintenance";
/// What stands before an instance's ID in the check that says that it wants no traffic.
pub const SERVICE_MAINTENANCE: &str = "_service_maintenance:";

/// Bytes of what is registered: half the room of a record is for what comes on top later, such as
/// the output of a check.
const REGISTERED_MAX: usize = RECORD_MAX / 2;

/// What this agent has registered.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) me: Text,
    generation: u64,
    version: u64,
    /// By ID.
    checks: BTreeMap<Text, Tracked>,
    by_number: BTreeMap<u64, Text>,
    /// The checks of each instance.
    by_service: BTreeMap<Text, BTreeSet<Text>>,
    next_number: u64,
    /// Records of this agent.
    records: usize,
    /// Written and not yet told.
    pub(crate) told: Vec<Told>,
    /// Keys whose state on disk is out of date.
    pub(crate) unsaved: BTreeSet<Key>,
}

/// A check and its number in the table of deadlines.
#[derive(Clone, Debug)]
struct Tracked {
    number: u64,
    running: Running,
}

/// A check as only its owner knows it.
#[derive(Clone, Copy, Debug)]
pub struct OwnCheck<'a> {
    /// As it was registered.
    pub spec: &'a Arc<CheckSpec>,
    /// How it fares.
    pub status: Health,
    /// What came of it last.
    pub output: &'a Text,
}

impl Tracked {
    fn shown(&self) -> OwnCheck<'_> {
        let Running { spec, status, output, .. } = &self.running;
        OwnCheck { spec, status: *status, output }
    }
}

impl Own {
    pub(crate) fn new(me: Text, generation: u64) -> Self {
        Own {
            me,
            generation,
            version: 0,
            checks: BTreeMap::new(),
            by_number: BTreeMap::new(),
            by_service: BTreeMap::new(),
            next_number: 0,
            records: 0,
            told: Vec::new(),
            unsaved: BTreeSet::new(),
        }
    }

    /// The key of something of this node's own.
    pub(crate) fn key(&self, kind: Kind, id: &str) -> Key {
        Key { owner: self.me.clone(), node: self.me.clone(), kind, id: id.into() }
    }

    /// Which run of this agent it is.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// The checks by ID.
    pub(crate) fn checks(&self) -> impl Iterator<Item = OwnCheck<'_>> {
        self.checks.values().map(Tracked::shown)
    }

    /// A check.
    pub(crate) fn check(&self, id: &str) -> Option<OwnCheck<'_>> {
        self.checks.get(id).map(Tracked::shown)
    }

    /// Goes on where an earlier run left off: what it wrote keeps its stamps, so that nothing needs
    /// to be told. What it did not keep is void: it is said so by the floor.
    pub(crate) fn go_on(&mut self, cx: &mut Context, table: &mut Table, left: Left) {
        self.generation = self.generation.max(left.run.saturating_add(1));
        let until = cx.now + cx.config.registry.tombstone_for;
        let mut checks = Vec::new();
        for (told, spec) in left.records {
            if told.key().owner != self.me {
                // The agent had another name.
                continue;
            }
            if let (Told::Is(record), Some(spec)) = (&told, spec) {
                checks.extend(record.check().map(|check| store::go_on(spec, check)));
            }
            if let Merged::News(None) = table.merge(told, until) {
                self.records += 1;
            }
        }
        for (spec, output) in checks {
            self.start_check(cx, spec, None, output);
        }
    }

    fn stamp(&mut self) -> Stamp {
        self.version += 1;
        Stamp { generation: self.generation, version: self.version }
    }

    /// Writes a record, unless it says what it said before.
    pub(crate) fn write(&mut self, cx: &Context, table: &mut Table, key: Key, body: Body) {
        self.unsaved.insert(key.clone());
        let kept = |old: &Body| *old == body || key.kind == Kind::Service && bug!(cx, KeepsTheFirst);
        if table.get(&key).is_some_and(|record| kept(record.body())) {
            return;
        }
        let record = sealed(table.seed(), key, self.stamp(), body);
        self.put(cx, table, Told::Is(record));
    }

    /// Says that a record is gone.
    pub(crate) fn erase(&mut self, cx: &Context, table: &mut Table, key: Key) {
        if table.get(&key).is_some() {
            self.unsaved.insert(key.clone());
            let stamp = self.stamp();
            self.put(cx, table, Told::Gone(key, stamp));
        }
    }

    fn put(&mut self, cx: &Context, table: &mut Table, told: Told) {
        let stands = matches!(told, Told::Is(_));
        if let Merged::News(before) = table.merge(told.clone(), cx.now + cx.config.registry.tombstone_for) {
            self.records = self.records + usize::from(stands) - usize::from(before.is_some());
            self.told.push(told);
        }
    }

    /// Somebody tells of a record of this agent what it does not know: what holds is said anew.
    /// (It ended between telling and writing to disk, or another agent took its name.)
    pub(crate) fn contradict(&mut self, cx: &Context, table: &mut Table, told: &Told) {
        let known = table.told(told.key());
        // At one stamp there are two only if one was damaged; which of them wins is chance.
        let heard = known.as_ref().is_some_and(|known| {
            let same = known == told || known.stamp() == told.stamp() && bug!(cx, AgreesWithDamage);
            known.stamp() > told.stamp() || same
        });
        let agreed = matches!((&known, told), (None | Some(Told::Gone(..)), Told::Gone(..)));
        if heard || agreed || self.is_void(table, told) {
            return;
        }
        // Later than anything it may have said in this run.
        if told.stamp().generation == self.generation {
            self.version = self.version.max(told.stamp().version);
        } else if told.stamp().generation > self.generation {
            self.generation = told.stamp().generation;
            self.version = told.stamp().version;
        }
        let stamp = self.stamp();
        let said = match known {
            Some(Told::Is(record)) => {
                Told::Is(sealed(table.seed(), record.key().clone(), stamp, record.body().clone()))
            }
            _ => Told::Gone(told.key().clone(), stamp),
        };
        self.unsaved.insert(told.key().clone());
        self.put(cx, table, said);
    }

    fn is_void(&self, table: &Table, told: &Told) -> bool {
        table.head(&self.me).is_some_and(|head| told.stamp().generation < head.floor)
    }

    /// Says again what this agent says of itself: it was held failed.
    pub(crate) fn tell_head(&mut self, table: &Table) {
        let key = self.key(Kind::Node, "");
        self.told.extend(table.told(&key));
    }

    /// Sets what this agent says of itself.
    pub(crate) fn set_node(&mut self, cx: &Context, table: &mut Table, info: NodeInfo) {
        let floor = table.head(&self.me).map_or(self.generation, |head| head.floor);
        let key = self.key(Kind::Node, "");
        self.write(cx, table, key, Body::Node(NodeInfo { floor, ..info }));
    }

    /// Registers an instance with its checks, in place of one of the same ID.
    pub(crate) fn register(
        &mut self,
        cx: &mut Context,
        table: &mut Table,
        id: &Text,
        service: Service,
        checks: Vec<CheckSpec>,
        replace_checks: bool,
    ) -> Result<(), RegistryError> {
        let key = self.key(Kind::Service, id);
        let body = Body::Service(service.clone());
        fits(&key, &body, REGISTERED_MAX)?;
        self.has_room(cx, 1 + checks.len())?;
        let bound: Vec<CheckSpec> =
            checks.into_iter().map(|spec| CheckSpec { service_id: id.clone(), ..spec }).collect();
        bound.iter().try_for_each(|spec| self.check_fits(spec, &service))?;
        self.write(cx, table, key, body);
        if replace_checks {
            let named: BTreeSet<&Text> = bound.iter().map(|spec| &spec.id).collect();
            let others: Vec<Text> =
                self.checks_of(id).filter(|check| !named.contains(*check)).cloned().collect();
            others.iter().for_each(|other| self.drop_check(cx, table, other));
        }
        bound.into_iter().for_each(|spec| self.put_check(cx, table, spec, "".into()));
        Ok(())
    }

    /// Registers a check of the node, or of an instance that is registered here.
    pub(crate) fn register_check(
        &mut self,
        cx: &mut Context,
        table: &mut Table,
        spec: CheckSpec,
    ) -> Result<(), RegistryError> {
        let service = if spec.service_id.is_empty() {
            Service::default()
        } else {
            self.service(table, &spec.service_id)
                .ok_or_else(|| RegistryError::NoService(spec.service_id.to_string()))?
                .clone()
        };
        self.has_room(cx, 1)?;
        self.check_fits(&spec, &service)?;
        self.put_check(cx, table, spec, "".into());
        Ok(())
    }

    pub(super) fn service<'t>(&self, table: &'t Table, id: &str) -> Option<&'t Service> {
        table.get(&self.key(Kind::Service, id))?.service()
    }

    fn checks_of(&self, service_id: &str) -> impl Iterator<Item = &Text> {
        self.by_service.get(service_id).into_iter().flatten()
    }

    pub(crate) fn has_room(&self, cx: &Context, more: usize) -> Result<(), RegistryError> {
        let max = cx.config.registry.own_records_max;
        if self.records + more > max { Err(RegistryError::TooMany(max)) } else { Ok(()) }
    }

    pub(super) fn check_fits(&self, spec: &CheckSpec, service: &Service) -> Result<(), RegistryError> {
        let body = Body::Check(check_of(spec, Health::Critical, &"".into(), service));
        fits(&self.key(Kind::Check, &spec.id), &body, REGISTERED_MAX)?;
        if spec.output_max > RECORD_MAX / 4 {
            return Err(RegistryError::TooLarge {
                what: "output",
                size: spec.output_max,
                max: RECORD_MAX / 4,
            });
        }
        Ok(())
    }

    /// Registers a check, in place of one of the same ID. `output` is what came of it, if that is known.
    pub(super) fn put_check(&mut self, cx: &mut Context, table: &mut Table, spec: CheckSpec, output: Text) {
        let id = spec.id.clone();
        let before = self.checks.remove(&id);
        if let Some(before) = &before {
            self.stop(cx, before);
        }
        let old = before.as_ref().map(|tracked| &tracked.running);
        if old.is_some_and(|old| old.spec.service_id != spec.service_id) {
            // It moves to another instance: there it is a new one.
            self.erase(cx, table, self.key(Kind::Check, &id));
        }
        self.start_check(cx, spec, old, output);
        self.say_check(cx, table, &id, true);
    }

    /// Follows a check from now on.
    fn start_check(&mut self, cx: &mut Context, spec: CheckSpec, before: Option<&Running>, output: Text) {
        let id = spec.id.clone();
        let mut running = Running::new(Arc::new(spec), before, cx.now, &mut cx.rng);
        running.silent = cx.config.registry.discard_output;
        if running.silent {
            running.output = Text::from("");
        } else if !output.is_empty() {
            running.output = output;
        }
        if bug!(cx, KeepsTheOldTime) && running.critical_since.is_some() {
            running.critical_since = before.and_then(|old| old.critical_since).or(running.critical_since);
        }
        let number = self.next_number;
        self.next_number += 1;
        self.by_number.insert(number, id.clone());
        self.by_service.entry(running.spec.service_id.clone()).or_default().insert(id.clone());
        self.checks.insert(id.clone(), Tracked { number, running });
        self.plan(cx, &id);
    }

    /// Writes the record of a check as it fares now. `anew`: it was just registered.
    fn say_check(&mut self, cx: &mut Context, table: &mut Table, id: &Text, anew: bool) {
        let Some(Tracked { running, .. }) = self.checks.get(id) else { return };
        let key = self.key(Kind::Check, id);
        let said = table.get(&key).and_then(Record::check).cloned();
        let check = match said.filter(|_| !anew) {
            // What its instance was called and tagged when it was registered stays.
            Some(said) => Check { status: running.status, output: running.output.clone(), ..said },
            None => {
                let service = self.service(table, &running.spec.service_id).cloned().unwrap_or_default();
                check_of(&running.spec, running.status, &running.output, &service)
            }
        };
        self.write(cx, table, key, Body::Check(check));
    }

    /// Sets the deadlines of a check.
    fn plan(&self, cx: &mut Context, id: &str) {
        let Some(Tracked { number, running }) = self.checks.get(id) else { return };
        for (key, at) in [
            (timers::Key::Check(*number), running.next()),
            (timers::Key::Deregister(*number), running.deregister_at()),
        ] {
            match at {
                Some(at) => cx.timers.set(key, at),
                None => cx.timers.cancel(&key),
            }
        }
    }

    fn stop(&mut self, cx: &mut Context, tracked: &Tracked) {
        self.by_number.remove(&tracked.number);
        let CheckSpec { id, service_id, .. } = &*tracked.running.spec;
        if let Some(checks) = self.by_service.get_mut(service_id) {
            checks.remove(id);
            if checks.is_empty() {
                self.by_service.remove(service_id);
            }
        }
        for key in [timers::Key::Check, timers::Key::Deregister, timers::Key::Output] {
            cx.timers.cancel(&key(tracked.number));
        }
    }

    /// Removes an instance and its checks; whether it was there.
    pub(crate) fn deregister(&mut self, cx: &mut Context, table: &mut Table, id: &str) -> bool {
        let key = self.key(Kind::Service, id);
        let there = table.get(&key).is_some();
        let checks: Vec<Text> = self.checks_of(id).cloned().collect();
        checks.iter().for_each(|check| self.drop_check(cx, table, check));
        self.erase(cx, table, key);
        there
    }

    /// Removes a check; whether it was there.
    pub(crate) fn deregister_check(&mut self, cx: &mut Context, table: &mut Table, id: &str) -> bool {
        let there = self.checks.contains_key(id);
        self.drop_check(cx, table, id);
        there
    }

    fn drop_check(&mut self, cx: &mut Context, table: &mut Table, id: &str) {
        if let Some(tracked) = self.checks.remove(id) {
            self.stop(cx, &tracked);
        }
        let key = self.key(Kind::Check, id);
        self.erase(cx, table, key);
    }

    /// Somebody reports how a check fares.
    pub(crate) fn report(
        &mut self,
        cx: &mut Context,
        table: &mut Table,
        id: &str,
        status: Health,
        output: &str,
    ) -> Result<(), RegistryError> {
        let same = |it: &Tracked| it.running.status == status;
        if bug!(cx, IgnoresRefreshes) && self.checks.get(id).is_some_and(same) {
            return Ok(());
        }
        let reported = self.checks.get_mut(id).and_then(|it| {
            let before = it.running.status;
            Some((before, it.running.on_report(cx.now, status, output)?))
        });
        let (before, changed) = reported.ok_or_else(|| RegistryError::NotTtl(id.to_string()))?;
        self.changed(cx, table, &Text::from(id), before, changed);
        Ok(())
    }

    /// A check may have changed: a new status is told at once, a new output later.
    fn changed(&mut self, cx: &mut Context, table: &mut Table, id: &Text, before: Health, changed: bool) {
        let Some(Tracked { number, running }) = self.checks.get(id) else { return };
        let number = *number;
        if running.status != before {
            cx.timers.cancel(&timers::Key::Output(number));
            self.say_check(cx, table, id, false);
        } else if changed && !cx.timers.is_set(&timers::Key::Output(number)) {
            let interval = cx.config.registry.output_interval;
            let at = cx.now + interval + cx.rng.part_of(interval / 8);
            cx.timers.set(timers::Key::Output(number), at);
        }
        self.plan(cx, id);
    }

    /// A check's time has come; what is to be probed, if something is.
    pub(crate) fn on_check(
        &mut self,
        cx: &mut Context,
        table: &mut Table,
        number: u64,
    ) -> Option<Arc<CheckSpec>> {
        let id = self.by_number.get(&number)?.clone();
        if bug!(cx, OversleepsChecks) {
            return None;
        }
        let running = &mut self.checks.get_mut(&id)?.running;
        let before = running.status;
        let due = running.on_due(cx.now);
        let spec = running.spec.clone();
        self.changed(cx, table, &id, before, due == Due::Changed);
        (due == Due::Probe).then_some(spec)
    }

    /// A probe has ended.
    pub(crate) fn on_result(
        &mut self,
        cx: &mut Context,
        table: &mut Table,
        number: u64,
        status: Health,
        output: &str,
    ) {
        let Some(id) = self.by_number.get(&number).cloned() else { return };
        let Some(Tracked { running, .. }) = self.checks.get_mut(&id) else { return };
        let before = running.status;
        let changed = running.on_result(cx.now, status, output);
        self.changed(cx, table, &id, before, changed);
    }

    /// It is time to tell a check's output.
    pub(crate) fn on_output(&mut self, cx: &mut Context, table: &mut Table, number: u64) {
        if let Some(id) = self.by_number.get(&number).cloned() {
            self.say_check(cx, table, &id, false);
        }
    }

    /// An instance has been critical for too long: it goes. Which it was, and which check said so.
    pub(crate) fn on_critical_too_long(
        &mut self,
        cx: &mut Context,
        table: &mut Table,
        number: u64,
    ) -> Option<(Text, Text)> {
        let check = self.by_number.get(&number)?.clone();
        let running = &self.checks.get(&check)?.running;
        running.deregister_at().filter(|at| *at <= cx.now)?;
        let service = running.spec.service_id.clone();
        self.deregister(cx, table, &service);
        Some((service, check))
    }

    /// No traffic is wanted for an instance, or for the whole node; or it is wanted again.
    pub(crate) fn maintain(
        &mut self,
        cx: &mut Context,
        table: &mut Table,
        service: Option<&Text>,
        reason: Option<&str>,
    ) -> Result<(), RegistryError> {
        let (id, name, default) = match service {
            Some(service) => {
                if self.service(table, service).is_none() {
                    return Err(RegistryError::UnknownService(service.to_string()));
                }
                let id = alloc::format!("{SERVICE_MAINTENANCE}{service}");
                (Text::from(id), "Service Maintenance Mode", DEFAULT_SERVICE_REASON)
            }
            None => (NODE_MAINTENANCE.into(), "Node Maintenance Mode", DEFAULT_NODE_REASON),
        };
        let Some(reason) = reason else {
            self.drop_check(cx, table, &id);
            return Ok(());
        };
        let reason = if reason.is_empty() { default } else { reason };
        if self.checks.contains_key(&id) {
            return Ok(());
        }
        let spec = CheckSpec {
            id,
            name: name.into(),
            notes: reason.into(),
            service_id: service.cloned().unwrap_or_else(|| "".into()),
            status: Some(Health::Critical),
            probe: Probe::Maintenance,
            success_before_passing: 0,
            failures_before_critical: 0,
            deregister_after: core::time::Duration::ZERO,
            output_max: 0,
        };
        self.register_check(cx, table, spec)
    }
}

const DEFAULT_SERVICE_REASON: &str =
    "Maintenance mode is enabled for this service, but no reason was provided. This is a default message.";
const DEFAULT_NODE_REASON: &str =
    "Maintenance mode is enabled for this node, but no reason was provided. This is a default message.";

/// A check as everybody is told of it.
fn check_of(spec: &CheckSpec, status: Health, output: &Text, service: &Service) -> Check {
    Check {
        name: spec.name.clone(),
        status,
        notes: spec.notes.clone(),
        output: output.clone(),
        service_id: spec.service_id.clone(),
        service_name: service.name.clone(),
        service_tags: service.tags.clone(),
        kind: spec.probe.kind().into(),
        definition: None,
    }
}

/// Whether a record of this content may be told at all.
pub(super) fn fits(key: &Key, body: &Body, max: usize) -> Result<(), RegistryError> {
    let size = content_len(key, body);
    if size > max { Err(RegistryError::TooLarge { what: "registration", size, max }) } else { Ok(()) }
}
