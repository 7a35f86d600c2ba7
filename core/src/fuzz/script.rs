//! A whole node, driven by a script that a fuzzer wrote.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{KEY, address, config, keyring};
use crate::command::{Command, KeyCommand, QueryParams, Token};
use crate::config::Config;
use crate::error::Misuse;
use crate::event::QueryId;
use crate::input::{CheckId, Input, PersistId, ResolveId, StreamEvent, StreamId};
use crate::node::Node;
use crate::output::{Output, Persist, StreamAction};
use crate::registry::check::{CheckSpec, Health, Probe};
use crate::registry::command::RegistryCommand;
use crate::registry::service::Service;
use crate::swim::member::{Incarnation, Versions};
use crate::time::Time;
use crate::wire::Keyring;
use crate::wire::frame::{self, Side};
use crate::wire::message::{Alive, Dead, Message, Suspect};
use crate::wire::packet::Closer;

/// Steps of a script that are taken.
const STEPS_MAX: usize = 400;
/// Outputs of a single step.
const OUTPUTS_MAX: usize = 20_000;
/// Members of the node's cluster at most.
const MEMBERS_MAX: usize = 16;

/// The bytes a script is read from. Behind the end there are zeroes.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first
            }
            None => 0,
        }
    }

    /// As many bytes as the next two say.
    fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(u16::from_be_bytes([self.byte(), self.byte()]));
        let (bytes, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    fn name(&mut self) -> String {
        match self.byte() {
            0 => "fuzzed".to_owned(),
            n if n < 0xf0 => format!("m{}", n % 24),
            _ => String::from_utf8_lossy(self.bytes()).into_owned(),
        }
    }

    /// From an instant to more than a day, short spans more often.
    fn span(&mut self) -> Duration {
        let (scale, n) = (self.byte(), u64::from(self.byte()));
        Duration::from_millis(n << (scale % 20))
    }

    fn address(&mut self) -> SocketAddr {
        address(7946 + u16::from(self.byte() % 24))
    }
}

/// A node, what it asked of the world, and what must always be true of it.
struct Drive {
    node: Node,
    now: Time,
    sealing: (Config, Keyring),
    /// What it is waiting for.
    dialled: BTreeSet<StreamId>,
    accepted: BTreeSet<StreamId>,
    resolving: Vec<ResolveId>,
    persisting: Vec<PersistId>,
    checking: Vec<CheckId>,
    queries: Vec<QueryId>,
    next: u64,
}

/// Drives a node with a script: the first byte configures it, then step after step. After each, it
/// has nothing left to say, comes back only later, and is within its bounds.
pub fn node(script: &[u8]) {
    let mut script = Script(script);
    let mut drive = Drive::start(script.byte());
    for _ in 0..STEPS_MAX {
        if script.0.is_empty() {
            break;
        }
        drive.step(&mut script);
        drive.check();
    }
    // Without a word from outside it goes on by itself.
    for _ in 0..8 {
        drive.wait();
        drive.check();
    }
}

impl Drive {
    fn start(mode: u8) -> Self {
        let mut config = config();
        config.members.max = MEMBERS_MAX;
        config.stream.open_max = 8;
        config.queries.open_max = 4;
        config.queries.pending_max = 4;
        config.queues.depth_max = 64;
        config.snapshot = true;
        config.trace = mode & 32 != 0;
        config.registry.enabled = mode & 1 != 0;
        config.registry.durable = mode & 2 != 0;
        config.registry.records_max = 64;
        config.registry.own_records_max = 16;
        config.security.persist_keyring = mode & 16 != 0;
        if mode & 4 != 0 {
            config.security.keys = vec![Bytes::from_static(&KEY)];
        }
        if mode & 8 != 0 {
            config.security.label = "fuzz".into();
        }
        let keyring = if mode & 4 != 0 { keyring() } else { Keyring::default() };
        let node = Node::new(config.clone(), [mode; 32], Time::ZERO).expect("a good configuration");
        let mut drive = Drive {
            node,
            now: Time::ZERO,
            sealing: (config, keyring),
            dialled: BTreeSet::new(),
            accepted: BTreeSet::new(),
            resolving: Vec::new(),
            persisting: Vec::new(),
            checking: Vec::new(),
            queries: Vec::new(),
            next: 0,
        };
        drive.drain();
        drive
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.byte() % 16 {
            0 | 1 => self.wait(),
            2 => {
                self.now += script.span();
                self.give(Input::Timeout);
            }
            3 => {
                let (from, payload) = (script.address(), script.bytes());
                self.give(Input::Datagram { from, payload });
            }
            4 => {
                let (from, payload) = (script.address(), script.bytes());
                self.datagram(from, payload);
            }
            5 => self.rumour(script),
            6 => {
                let from = script.address();
                self.next += 1;
                let id = StreamId::accepted(self.next);
                self.accepted.insert(id);
                self.give(Input::Stream { id, event: StreamEvent::Accepted { from } });
            }
            7 | 8 => self.on_stream(script),
            9 => {
                let id = ResolveId(pick(&mut self.resolving, script).map_or(u64::MAX, |id| id.0));
                let count = script.byte() % 4;
                let addresses = (0..count).map(|_| script.address()).collect();
                let result = if count == 0 { Err("no such host".to_owned()) } else { Ok(addresses) };
                self.give(Input::Resolved { id, result });
            }
            10 => {
                let id = PersistId(pick(&mut self.persisting, script).map_or(u64::MAX, |id| id.0));
                let result = if script.byte() == 0 { Err("disk full".to_owned()) } else { Ok(()) };
                self.give(Input::Persisted { id, result });
            }
            11 => {
                let id = CheckId(pick(&mut self.checking, script).map_or(u64::MAX, |id| id.0));
                let status = Health::from_u8(script.byte() % 3).unwrap_or_default();
                let output = String::from_utf8_lossy(script.bytes()).into_owned();
                self.give(Input::CheckResult { id, status, output });
            }
            12 => self.give(Input::Stalled(script.byte() & 1 == 1)),
            _ => {
                self.next += 1;
                let command = self.command(script);
                self.give(Input::Command { token: Token(self.next), command });
            }
        }
    }

    /// Nothing happens until the node wants to be woken.
    fn wait(&mut self) {
        if let Some(at) = self.node.poll_timeout() {
            self.now = at;
        }
        self.give(Input::Timeout);
    }

    /// A message that arrives as it would from a member: sealed and labelled.
    fn datagram(&mut self, from: SocketAddr, message: &[u8]) {
        let (config, keyring) = &self.sealing;
        let mut sealed = BytesMut::new();
        Closer::new().close(message, false, config, keyring, || [1; 12], &mut sealed);
        self.give(Input::Datagram { from, payload: &sealed });
    }

    /// What members tell of one another.
    fn rumour(&mut self, script: &mut Script<'_>) {
        let (kind, node, from) = (script.byte(), script.name(), script.name());
        let at = script.address();
        let incarnation: Incarnation = match script.byte() {
            255 => Incarnation::MAX,
            n => n.into(),
        };
        let (node, said_by) = (node.as_str(), from.as_str());
        let versions = Versions::from_bytes([1, 5, 2, 2, 5, 5]);
        let message = match kind % 3 {
            0 => Message::Alive(Alive {
                node,
                addr: at.ip(),
                port: at.port(),
                meta: script.bytes(),
                incarnation,
                versions: (kind < 250).then_some(versions),
            }),
            1 => Message::Suspect(Suspect { incarnation, node, from: said_by }),
            _ => Message::Dead(Dead { incarnation, node, from: said_by }),
        };
        let mut encoded = Vec::new();
        message.encode(&mut encoded);
        self.datagram(at, &encoded);
    }

    fn on_stream(&mut self, script: &mut Script<'_>) {
        let what = script.byte();
        let open = if what & 1 == 0 { &self.accepted } else { &self.dialled };
        let nth = usize::from(what >> 4);
        let id =
            open.iter().nth(nth % open.len().max(1)).copied().unwrap_or(StreamId::accepted(u64::MAX >> 1));
        match what >> 1 & 7 {
            0 => self.give(Input::Stream { id, event: StreamEvent::Connected }),
            1 => self.end(id, StreamEvent::Closed),
            2 => self.end(id, StreamEvent::Failed("refused")),
            3 | 4 => self.give(Input::Stream { id, event: StreamEvent::Data(script.bytes()) }),
            // A good message, wrapped as members wrap it.
            _ => {
                let side = if id.is_accepted() { Side::Dialled } else { Side::Accepted };
                let (config, keyring) = &self.sealing;
                let mut sent = BytesMut::new();
                frame::close(script.bytes(), side, config, keyring, || [2; 12], &mut sent);
                self.give(Input::Stream { id, event: StreamEvent::Data(&sent) });
            }
        }
    }

    fn end(&mut self, id: StreamId, event: StreamEvent<'_>) {
        self.accepted.remove(&id);
        self.dialled.remove(&id);
        self.give(Input::Stream { id, event });
    }

    fn command(&mut self, script: &mut Script<'_>) -> Command {
        let payload = |script: &mut Script<'_>| Bytes::copy_from_slice(script.bytes());
        match script.byte() % 12 {
            0 => Command::Join {
                addresses: vec![script.name(), format!("{}", script.address())],
                replay: false,
            },
            1 => Command::Rejoin { addresses: vec![format!("{}", script.address())] },
            2 => Command::Leave,
            3 => Command::ForceLeave { node: script.name(), prune: script.byte() & 1 == 1 },
            4 => {
                let (name, payload) = (script.name(), payload(script));
                Command::UserEvent { name, payload, coalesce: script.byte() & 1 == 1 }
            }
            5 => Command::Query(Box::new(QueryParams {
                name: script.name(),
                payload: payload(script),
                nodes: (0..script.byte() % 3).map(|_| script.name()).collect(),
                tags: (0..script.byte() % 2).map(|_| (script.name(), script.name())).collect(),
                ack: script.byte() & 1 == 1,
                relay_factor: script.byte() % 8,
                timeout: script.span(),
            })),
            6 => {
                let id = pick(&mut self.queries, script);
                match id {
                    Some(id) => Command::Respond { id, payload: payload(script) },
                    None => Command::Leave,
                }
            }
            7 => Command::UpdateTags {
                delete: vec![script.name()],
                set: vec![(script.name(), script.name())],
                replace: script.byte() & 1 == 1,
            },
            8 => Command::Keys(match script.byte() % 4 {
                0 => KeyCommand::Install(payload(script)),
                1 => KeyCommand::Use(payload(script)),
                2 => KeyCommand::Remove(payload(script)),
                _ => KeyCommand::List,
            }),
            _ => Command::Registry(Box::new(registry_command(script))),
        }
    }

    /// Hands in an input, and takes out all there is to do.
    fn give(&mut self, input: Input<'_>) {
        match self.node.handle_input(self.now, input) {
            Ok(()) => self.drain(),
            Err(misuse) => panic!("the script keeps the law, yet: {misuse}"),
        }
    }

    fn drain(&mut self) {
        let packet_max = self.sealing.0.packet.size;
        for count in 0.. {
            assert!(count < OUTPUTS_MAX, "{count} outputs of one input");
            let Some(output) = self.node.poll_output() else { return };
            match output {
                Output::Datagram { payload, .. } => {
                    assert!(!payload.is_empty() && payload.len() <= 65_507, "{} bytes", payload.len());
                    // An answer to a single member may be larger; gossip fits the packet.
                    assert!(payload.len() <= packet_max.max(2048), "a packet of {} bytes", payload.len());
                }
                Output::Stream { id, action: StreamAction::Connect { .. } } => {
                    assert!(!id.is_accepted() && self.dialled.insert(id), "{id:?} is dialled twice");
                }
                Output::Stream { id, action: StreamAction::Close } => {
                    self.accepted.remove(&id);
                    self.dialled.remove(&id);
                }
                Output::Resolve { id, .. } => self.resolving.push(id),
                Output::RunCheck { id, .. } => self.checking.push(id),
                Output::Persist(Persist::Registry { id, .. } | Persist::Keyring { id, .. }) => {
                    self.persisting.push(id);
                }
                Output::Event(crate::Event::Query(query)) => self.queries.push(query.id),
                _ => {}
            }
        }
    }

    /// What is always true.
    fn check(&mut self) {
        assert!(self.node.poll_output().is_none(), "it said that there was nothing left");
        if let Some(at) = self.node.poll_timeout() {
            assert!(at > self.now, "it is {:?} and a deadline of {at:?} has passed", self.now);
        }
        let stats = self.node.stats();
        let members = self.node.members();
        assert!(members.get("fuzzed").is_some(), "it forgot itself");
        assert!(stats.members <= members.len(), "{} of {} members", stats.members, members.len());
        assert!(members.len() <= MEMBERS_MAX, "{} members", members.len());
        assert!(stats.health_score <= 8, "health score {}", stats.health_score);
        if self.now > Time::ZERO {
            let earlier = Time::from_nanos(self.now.as_nanos() - 1);
            let misuse = self.node.handle_input(earlier, Input::Timeout);
            assert_eq!(misuse, Err(Misuse::TimeWentBack));
        }
    }
}

/// Takes one of what is waited for.
fn pick<T: Copy>(waiting: &mut Vec<T>, script: &mut Script<'_>) -> Option<T> {
    let nth = usize::from(script.byte());
    if waiting.is_empty() { None } else { Some(waiting.swap_remove(nth % waiting.len())) }
}

fn registry_command(script: &mut Script<'_>) -> RegistryCommand {
    let id = script.name().as_str().into();
    match script.byte() % 6 {
        0 => {
            let service = Service { name: script.name().as_str().into(), ..Service::default() };
            let checks = (0..script.byte() % 3).map(|_| check(script)).collect();
            RegistryCommand::Register { id, service, checks, replace_checks: script.byte() & 1 == 1 }
        }
        1 => RegistryCommand::RegisterCheck(check(script)),
        2 => RegistryCommand::Deregister(id),
        3 => RegistryCommand::DeregisterCheck(id),
        4 => RegistryCommand::Report {
            check: id,
            status: Health::from_u8(script.byte() % 3).unwrap_or_default(),
            output: String::from_utf8_lossy(script.bytes()).into_owned(),
        },
        _ => RegistryCommand::Maintain {
            service: (script.byte() & 1 == 1).then_some(id),
            reason: (script.byte() & 1 == 1).then(|| script.name()),
        },
    }
}

fn check(script: &mut Script<'_>) -> CheckSpec {
    CheckSpec {
        id: script.name().as_str().into(),
        name: "check".into(),
        notes: "".into(),
        service_id: if script.byte() & 1 == 0 { "".into() } else { script.name().as_str().into() },
        status: Health::from_u8(script.byte() % 4),
        probe: Probe::Ttl(script.span()),
        success_before_passing: script.byte().into(),
        failures_before_critical: script.byte().into(),
        deregister_after: script.span(),
        output_max: script.byte().into(),
    }
}
