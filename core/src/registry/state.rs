//! The registry of a node: what it knows, what it registers, and how requests reach both.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::check::Health;
use super::command::{RegistryCommand, RegistryError};
use super::encoding::Told;
use super::own::{Own, OwnCheck};
use super::record::{Key, Kind, Record, Stamp};
use super::service::Text;
use super::spread::Spread;
use super::store::{Left, Store};
use super::table::{Limits, Merged, Table};
use super::texts::Texts;
use crate::command::{CommandError, Reply, Token};
use crate::context::Context;
use crate::event::Event;
use crate::input::{CheckId, PersistId, StreamId};
use crate::output::Output;
use crate::serf::clock::{LamportClock, LamportTime};
use crate::serf::reply;
use crate::trie::Trie;

/// Who is answered when something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiter {
    /// The application.
    Client(Token),
    /// Another agent, on this stream.
    Peer(StreamId),
}

/// The registry of a node.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    pub(crate) table: Table,
    pub(crate) own: Own,
    pub(crate) texts: Texts,
    /// Counts claims of nodes that are no agents.
    pub(crate) clock: LamportClock,
    /// If registrations are kept.
    store: Option<Store>,
    pub(crate) spread: Spread,
    /// What other agents are to be answered.
    pub(super) answers: Vec<(StreamId, Result<Reply, CommandError>)>,
}

impl Registry {
    /// `log` is what an earlier run left on disk.
    pub(crate) fn new(cx: &mut Context, me: Text, seed: u64, log: &[u8]) -> Self {
        let config = &cx.config.registry;
        let limits = Limits { records: config.records_max, tombstones: config.tombstones_max };
        let mut registry = Registry {
            table: Table::new(seed, limits),
            own: Own::new(me, config.generation),
            texts: Texts::new(seed),
            clock: LamportClock::default(),
            store: cx.config.registry.durable.then(Store::new),
            spread: Spread::default(),
            answers: Vec::new(),
        };
        let Registry { table, own, texts, clock, .. } = &mut registry;
        own.go_on(cx, table, Left::read(log, seed, texts));
        // A claim made from now on is later than those of earlier runs.
        let claims = table.of_owner(&own.me).filter(|record| record.key().node != own.me);
        for info in claims.filter_map(Record::node) {
            clock.resume(info.claimed);
        }
        let info = cx.config.registry.node.as_deref().cloned().unwrap_or_default();
        own.set_node(cx, table, info);
        registry.save(cx, None);
        registry
    }

    /// All records this node knows.
    pub(crate) const fn records(&self) -> &Trie<Record> {
        self.table.records()
    }

    /// The same as an immutable copy.
    pub(crate) fn view(&self) -> RegistryView {
        RegistryView::new(self.table.records().clone(), self.table.seed())
    }

    /// The checks registered here.
    pub(crate) fn checks(&self) -> impl Iterator<Item = OwnCheck<'_>> {
        self.own.checks()
    }

    /// A check registered here.
    pub(crate) fn check(&self, id: &str) -> Option<OwnCheck<'_>> {
        self.own.check(id)
    }

    pub(crate) fn command(&mut self, cx: &mut Context, waiter: Waiter, command: RegistryCommand) {
        let result = self.carry_out(cx, command);
        match result {
            Ok(()) if self.save(cx, Some(waiter)) => {}
            Ok(()) => self.answer(cx, waiter, Ok(Reply::Done)),
            Err(error) => self.answer(cx, waiter, Err(CommandError::Registry(error))),
        }
    }

    fn answer(&mut self, cx: &mut Context, waiter: Waiter, result: Result<Reply, CommandError>) {
        match waiter {
            Waiter::Client(token) => reply(cx, token, result),
            Waiter::Peer(id) => self.answers.push((id, result)),
        }
    }

    /// Carries out a command to which nobody waits for an answer.
    pub(super) fn begin_with(
        &mut self,
        cx: &mut Context,
        command: RegistryCommand,
    ) -> Result<(), RegistryError> {
        self.carry_out(cx, command)?;
        self.save(cx, None);
        Ok(())
    }

    fn carry_out(&mut self, cx: &mut Context, command: RegistryCommand) -> Result<(), RegistryError> {
        let Registry { table, own, clock, .. } = self;
        match command {
            RegistryCommand::Register { id, service, checks, replace_checks } => {
                own.register(cx, table, &id, service, checks, replace_checks)
            }
            RegistryCommand::RegisterCheck(spec) => own.register_check(cx, table, spec),
            RegistryCommand::Deregister(id) => {
                own.deregister(cx, table, &id);
                Ok(())
            }
            RegistryCommand::DeregisterCheck(id) => {
                own.deregister_check(cx, table, &id);
                Ok(())
            }
            RegistryCommand::Report { check, status, output } => {
                own.report(cx, table, &check, status, &output)
            }
            RegistryCommand::Maintain { service, reason } => {
                own.maintain(cx, table, service.as_ref(), reason.as_deref())
            }
            RegistryCommand::DescribeNode(info) => {
                own.set_node(cx, table, info);
                Ok(())
            }
            RegistryCommand::Write(write) if write.node == own.me => own.write_about_me(cx, table, write),
            RegistryCommand::Write(write) => {
                let claimed = clock.increment();
                own.write_external(cx, table, write, claimed)
            }
            RegistryCommand::Erase(erase) if erase.node == own.me => own.erase_about_me(cx, table, &erase),
            RegistryCommand::Erase(erase) => {
                own.erase_external(cx, table, &erase);
                Ok(())
            }
        }
    }

    /// Has written what changed without a command. A write that failed is not tried again before
    /// something changes: a full disk would keep the node busy.
    pub(super) fn save_changes(&mut self, cx: &mut Context) {
        if !self.own.unsaved.is_empty() {
            self.save(cx, None);
        }
    }

    /// Has written what changed, if registrations are kept. Whether `waiter` is answered later.
    fn save(&mut self, cx: &mut Context, waiter: Option<Waiter>) -> bool {
        let Registry { store, own, table, .. } = self;
        match store {
            Some(store) => store.save(cx, own, table, waiter),
            None => {
                own.unsaved.clear();
                false
            }
        }
    }

    /// A write has ended; whether it was one of these.
    pub(crate) fn on_persisted(
        &mut self,
        cx: &mut Context,
        id: PersistId,
        result: &Result<(), String>,
    ) -> bool {
        let Some(store) = &mut self.store else { return false };
        let Some(waiting) = store.on_persisted(id, result.is_err()) else { return false };
        for waiter in waiting {
            let result = result.clone().map(|()| Reply::Done);
            let not_kept = |text| CommandError::Registry(RegistryError::NotKept(text));
            self.answer(cx, waiter, result.map_err(not_kept));
        }
        true
    }

    /// A check's time has come.
    pub(crate) fn on_check(&mut self, cx: &mut Context, number: u64) {
        if let Some(spec) = self.own.on_check(cx, &mut self.table, number) {
            cx.outputs.push_back(Output::RunCheck { id: CheckId(number), spec });
        }
    }

    /// A probe has ended.
    pub(crate) fn on_result(&mut self, cx: &mut Context, id: CheckId, status: Health, output: &str) {
        self.own.on_result(cx, &mut self.table, id.0, status, output);
    }

    /// It is time to tell a check's output.
    pub(crate) fn on_output(&mut self, cx: &mut Context, number: u64) {
        self.own.on_output(cx, &mut self.table, number);
    }

    /// An instance has been critical for too long.
    pub(crate) fn on_critical_too_long(&mut self, cx: &mut Context, number: u64) {
        if let Some((service, check)) = self.own.on_critical_too_long(cx, &mut self.table, number) {
            cx.event(Event::Deregistered { service, check });
        }
    }

    /// Somebody tells of a record. Whether it was news, to be passed on; what is known better, for
    /// whoever told it.
    pub(crate) fn hear(&mut self, cx: &mut Context, told: Told) -> Merged {
        self.table.expire(cx.now);
        if told.key().owner == self.own.me || bug!(cx, SpeaksForOthers) {
            self.own.contradict(cx, &mut self.table, &told);
            return self.table.better_than(&told).map_or(Merged::Known, Merged::Older);
        }
        let floor = |table: &Table| table.head(&told.key().owner).map_or(0, |head| head.floor);
        if bug!(cx, TellsOnlyWhatIsGone) && told.stamp().generation < floor(&self.table) {
            let stamp = Stamp { generation: floor(&self.table), version: 0 };
            return Merged::Older(Told::Gone(told.key().clone(), stamp));
        }
        let claim = claim_of(&told);
        let keep = if bug!(cx, ForgetsDeletions) { Duration::ZERO } else { cx.config.registry.tombstone_for };
        if bug!(cx, TakesOlderRecords) && matches!(told, Told::Is(_)) {
            self.table.take_out(told.key());
        }
        let merged = self.table.merge(told, cx.now + keep);
        if let (Merged::News(_), Some((node, owner, claimed))) = (&merged, claim) {
            self.hear_claim(cx, &node, &owner, claimed);
        }
        merged
    }

    /// Another agent claims a node. If this one does too, the later claim stands.
    fn hear_claim(&mut self, cx: &mut Context, node: &Text, owner: &Text, claimed: LamportTime) {
        if claimed.is_credible() {
            self.clock.witness(claimed);
        }
        let mut key = self.own.key(Kind::Node, "");
        key.node = node.clone();
        let mine = self.table.get(&key).and_then(Record::node).map(|info| info.claimed);
        if mine.is_some_and(|mine| (mine, &self.own.me) < (claimed, owner))
            && self.own.yield_node(cx, &mut self.table, node)
        {
            cx.event(Event::NodeClaimLost { node: node.clone(), to: owner.clone() });
        }
    }

    /// A node this one may speak for turns out to be an agent: it speaks for itself.
    pub(crate) fn on_agent(&mut self, cx: &mut Context, name: &Text) {
        if self.own.yield_node(cx, &mut self.table, name) {
            cx.event(Event::NodeClaimLost { node: name.clone(), to: name.clone() });
        }
    }

    /// What was written and is not yet told.
    pub(crate) fn take_told(&mut self) -> Vec<Told> {
        core::mem::take(&mut self.own.told)
    }
}

/// Node, owner and time of a claim, if it is one.
fn claim_of(told: &Told) -> Option<(Text, Text, LamportTime)> {
    let Told::Is(record) = told else { return None };
    let key = record.key();
    let info = record.node().filter(|_| key.node != key.owner)?;
    Some((key.node.clone(), key.owner.clone(), info.claimed))
}

/// What a node's registry knows at one moment: cheap to clone; a clone never changes.
#[derive(Clone, Debug, Default)]
pub struct RegistryView {
    pub(super) records: Trie<Record>,
    pub(super) seed: u64,
}

impl RegistryView {
    /// Records of tables of this hash seed.
    pub(crate) const fn new(records: Trie<Record>, seed: u64) -> Self {
        RegistryView { records, seed }
    }

    /// A record.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Record> {
        self.records.get(key.hash(self.seed), key)
    }

    /// Whether both hold the very same memory, and so the same records.
    #[must_use]
    pub fn same(&self, other: &RegistryView) -> bool {
        self.records.same(&other.records)
    }

    /// All records known.
    #[must_use]
    pub const fn records(&self) -> &Trie<Record> {
        &self.records
    }
}

#[cfg(test)]
mod tests {
    use core::net::SocketAddr;

    use super::super::record::Body;
    use super::super::service::Service;
    use super::*;
    use crate::config::Config;
    use crate::time::Time;

    #[test]
    fn of_two_versions_with_one_stamp_the_owner_says_which_holds() {
        let mut config = Config::lan("a", SocketAddr::from(([10, 0, 0, 1], 7946)));
        config.registry.enabled = true;
        let mut cx = Context::new(config.into(), [1; 32], Time::ZERO);
        let mut registry = Registry::new(&mut cx, "a".into(), 3, &[]);
        let service = Service { name: "web".into(), port: 80, ..Service::default() };
        let (id, checks, body) = ("web".into(), Vec::new(), service.clone());
        registry
            .begin_with(
                &mut cx,
                RegistryCommand::Register { id, service: body, checks, replace_checks: false },
            )
            .unwrap();
        let key = registry.own.key(Kind::Service, "web");
        let written = registry.table.get(&key).cloned().unwrap();
        registry.take_told();

        // Heard as it was written: nothing to say.
        registry.hear(&mut cx, Told::Is(written.clone()));
        assert!(registry.take_told().is_empty());
        // A bit of it was flipped on the way to somebody.
        let damaged = Body::Service(Service { port: 81, ..service.clone() });
        let damaged = Record::of(3, key.clone(), written.stamp(), damaged);
        registry.hear(&mut cx, Told::Is(damaged));
        let said = registry.table.get(&key).unwrap();
        assert!(said.stamp() > written.stamp());
        assert_eq!(said.service(), Some(&service));
        assert_eq!(registry.take_told().len(), 1);
    }
}
