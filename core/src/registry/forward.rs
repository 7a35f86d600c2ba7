//! Catalog writes about another agent: they go to that agent, which decides, and its answer comes
//! back.
//!
//! One stream for each: who was asked to write dials, asks, and is answered when it is in force
//! there and, if registrations are kept, on disk.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::command::{Erase, Erased, RegistryCommand, RegistryError, Write};
use super::encoding::{RECORD_MAX, Told, sealed};
use super::frames::{Frame, read_told};
use super::record::{Body, Key, Kind, Stamp};
use super::service::Text;
use super::state::Waiter;
use crate::command::{CommandError, Reply, Token};
use crate::error::Refusal;
use crate::input::StreamId;
use crate::node::Node;
use crate::serf::reply;
use crate::swim::member::Status;
use crate::swim::streams::Purpose;
use crate::trie::Record as _;
use crate::wire::frame::StreamRefusal;
use crate::wire::message::malformed;

/// Writes that may be under way to other agents; more are refused.
const FORWARDS_MAX: usize = 64;
/// Writes of others that may wait here for the disk; more are turned away.
const ASKED_MAX: usize = 64;

/// A write on its way to the agent it is about.
#[derive(Clone, Debug)]
pub(super) struct Forward {
    token: Token,
    to: Text,
    /// What is said when the stream stands.
    question: Vec<u8>,
}

impl Node {
    /// An application asks something of the registry.
    pub(crate) fn on_registry_command(&mut self, token: Token, command: RegistryCommand) {
        let Node { cx, swim, registry: Some(registry), .. } = self else {
            return reply(&mut self.cx, token, Err(CommandError::Registry(RegistryError::Off)));
        };
        let about = match &command {
            RegistryCommand::Write(write) => Some(&write.node),
            RegistryCommand::Erase(erase) => Some(&erase.node),
            _ => None,
        };
        let member = about.filter(|node| **node != swim.me).and_then(|node| swim.members.get(node));
        match member.filter(|member| !matches!(member.status, Status::None | Status::Left)) {
            None => registry.command(cx, Waiter::Client(token), command),
            Some(_) => {
                if let Err(error) = self.forward(token, command) {
                    reply(&mut self.cx, token, Err(CommandError::Registry(error)));
                }
            }
        }
    }

    fn forward(&mut self, token: Token, command: RegistryCommand) -> Result<(), RegistryError> {
        let Node { cx, swim, registry: Some(registry), .. } = self else { return Err(RegistryError::Off) };
        let (to, asked) = question(command, registry.table.seed());
        let name = || to.to_string();
        let Some(member) = swim.members.get(&to) else { return Err(RegistryError::NotAlive(name())) };
        if member.status != Status::Alive {
            return Err(RegistryError::NotAlive(name()));
        }
        if !member.marked() {
            return Err(RegistryError::NoRegistry(name()));
        }
        if asked.len() > RECORD_MAX {
            let (what, size, max) = ("registration", asked.len(), RECORD_MAX);
            return Err(RegistryError::TooLarge { what, size, max });
        }
        if registry.spread.forwards.len() >= FORWARDS_MAX {
            return Err(RegistryError::NotForwarded(name(), "too many writes are under way".into()));
        }
        let addr = member.addr();
        let dialled = swim.dial(cx, addr, Purpose::Registry);
        let id = dialled.map_err(|reason| RegistryError::NotForwarded(to.to_string(), reason.into()))?;
        let question = Frame::Ask(&asked).encode();
        registry.spread.forwards.insert(id, Forward { token, to, question });
        Ok(())
    }

    /// The stream of a forwarded write stands; whether it is one.
    pub(super) fn on_forward_connected(&mut self, id: StreamId) -> bool {
        let Some(registry) = &mut self.registry else { return false };
        let Some(forward) = registry.spread.forwards.get_mut(&id) else { return false };
        let question = core::mem::take(&mut forward.question);
        self.say_registry(id, &question, true);
        true
    }

    /// The agent that a write went to says something; whether the stream is one of those.
    pub(super) fn on_forward_answered(&mut self, id: StreamId, message: &[u8]) -> bool {
        let Node { cx, swim, registry: Some(registry), .. } = self else { return false };
        if !registry.spread.forwards.contains_key(&id) {
            return false;
        }
        let answer = match Frame::decode(message) {
            Ok(Frame::Answer(text)) => Ok(String::from_utf8_lossy(text).into_owned()),
            Ok(_) => Err(Refusal::Other("an answer to a catalog write that is none")),
            Err(error) => Err(malformed("registry stream", error)),
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(refusal) => {
                self.refuse_stream(id, StreamRefusal { refusal, reply: false });
                return true;
            }
        };
        swim.drop_stream(cx, id);
        if let Some(forward) = registry.spread.forwards.remove(&id) {
            let refused = |text| CommandError::Registry(RegistryError::Refused(text));
            let result = if answer.is_empty() { Ok(Reply::Done) } else { Err(refused(answer)) };
            reply(cx, forward.token, result);
        }
        true
    }

    /// A stream is over: a write that was to be answered on it was not.
    pub(super) fn forward_failed(&mut self, id: StreamId, reason: &str) {
        let Node { cx, registry: Some(registry), .. } = self else { return };
        registry.spread.asked.remove(&id);
        if let Some(Forward { token, to, .. }) = registry.spread.forwards.remove(&id) {
            let error = RegistryError::NotForwarded(to.to_string(), reason.into());
            reply(cx, token, Err(CommandError::Registry(error)));
        }
    }

    /// Another agent was asked to write about this one, and asks this one in turn; whether this is
    /// such a question. The stream has just been opened.
    pub(super) fn on_asked(&mut self, id: StreamId, message: &[u8]) -> bool {
        let Ok(Frame::Ask(asked)) = Frame::decode(message) else { return false };
        let Node { cx, swim, registry: Some(registry), .. } = self else { return false };
        let Some(stream) = swim.streams.get_mut(id) else { return true };
        if registry.spread.asked.len() >= ASKED_MAX {
            swim.drop_stream(cx, id);
            return true;
        }
        let told = read_told(asked, registry.table.seed(), &mut registry.texts);
        let for_another = Refusal::Other("a catalog write that is for another agent to decide");
        let command = told
            .map_err(|error| malformed("registry stream", error))
            .and_then(|told| command(&registry.own.me, told).ok_or(for_another));
        let command = match command {
            Ok(command) => command,
            Err(refusal) => {
                self.refuse_stream(id, StreamRefusal { refusal, reply: false });
                return true;
            }
        };
        stream.purpose = Purpose::Registry;
        registry.spread.asked.insert(id);
        registry.command(cx, Waiter::Peer(id), command);
        true
    }

    /// Answers those agents whose writes are in force, or refused.
    pub(super) fn answer_asked(&mut self) {
        while let Node { registry: Some(registry), .. } = self
            && let Some((id, result)) = registry.answers.pop()
        {
            if !registry.spread.asked.remove(&id) {
                // It did not wait for so long.
                continue;
            }
            let text = result.err().map(|error| format!("{error}")).unwrap_or_default();
            self.say_registry(id, &Frame::Answer(text.as_bytes()).encode(), false);
            self.swim.drop_stream(&mut self.cx, id);
        }
    }
}

/// The agent that a write is about, and the write in the form of what it would come to there.
fn question(command: RegistryCommand, seed: u64) -> (Text, Vec<u8>) {
    let key =
        |node: &Text, kind, id: &Text| Key { owner: node.clone(), node: node.clone(), kind, id: id.clone() };
    let mut out = Vec::new();
    let node = match command {
        RegistryCommand::Write(Write { node, service, checks, .. }) => {
            let mut say = |kind, id: &Text, body| {
                Told::Is(sealed(seed, key(&node, kind, id), Stamp::default(), body)).encode(&mut out);
            };
            if let Some((id, service)) = service {
                say(Kind::Service, &id, Body::Service(service));
            }
            for (id, check) in checks {
                say(Kind::Check, &id, Body::Check(check));
            }
            node
        }
        RegistryCommand::Erase(Erase { node, what }) => {
            let key = match &what {
                Erased::Node => key(&node, Kind::Node, &"".into()),
                Erased::Service(id) => key(&node, Kind::Service, id),
                Erased::Check(id) => key(&node, Kind::Check, id),
            };
            Told::Gone(key, Stamp::default()).encode(&mut out);
            node
        }
        _ => unreachable!("only catalog writes are about somebody else"),
    };
    (node, out)
}

/// The write that a question stands for; `None`: it is not about this agent, or about too much.
fn command(me: &Text, asked: Vec<Told>) -> Option<RegistryCommand> {
    if asked.iter().any(|told| told.key().owner != *me || told.key().node != *me) {
        return None;
    }
    if let [Told::Gone(Key { kind, id, .. }, _)] = &asked[..] {
        let what = match kind {
            Kind::Node => Erased::Node,
            Kind::Service => Erased::Service(id.clone()),
            Kind::Check => Erased::Check(id.clone()),
        };
        return Some(RegistryCommand::Erase(Erase { node: me.clone(), what }));
    }
    let mut write = Write { node: me.clone(), ..Write::default() };
    for told in asked {
        let Told::Is(record) = told else { return None };
        let id = record.key().id.clone();
        match record.body().clone() {
            Body::Service(service) if write.service.is_none() => write.service = Some((id, service)),
            Body::Check(check) => write.checks.push((id, check)),
            _ => return None,
        }
    }
    Some(RegistryCommand::Write(write))
}
