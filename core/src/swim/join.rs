//! Entering a cluster: each given address is looked up, dialled, and its state merged
//! (gossip-wire, section 10).

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::command::{CommandError, JoinFailure, Token};
use crate::context::{Context, give_back};
use crate::input::ResolveId;
use crate::output::Output;
use crate::swim::streams::Purpose;
use crate::swim::{Notice, Swim};
use crate::timers::Key;

/// Joins under way at the same time, at most.
pub(crate) const JOINS_MAX: usize = 64;
/// Addresses one host name may stand for, at most.
const ADDRESSES_MAX: usize = 256;

/// Names one join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JoinId(u64);

/// What is still to be tried.
#[derive(Clone, Debug)]
enum Todo {
    Dial(SocketAddr),
    Resolve { host: String, port: u16 },
}

#[derive(Clone, Debug)]
struct Join {
    token: Token,
    /// Deliver user events from before the join.
    replay: bool,
    /// Stop at the first success (re-entering through remembered members).
    first_only: bool,
    /// Announce the join to the cluster when it worked.
    announce: bool,
    todo: VecDeque<Todo>,
    running: usize,
    contacted: usize,
    failures: Vec<JoinFailure>,
}

/// How a join went.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) token: Token,
    pub(crate) announce: bool,
    pub(crate) contacted: usize,
    pub(crate) failures: Vec<JoinFailure>,
}

/// The joins under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Joins {
    joins: BTreeMap<JoinId, Join>,
    next: u64,
    resolving: BTreeMap<ResolveId, (JoinId, String)>,
    next_resolve: u64,
}

impl Joins {
    pub(crate) fn len(&self) -> usize {
        self.joins.len()
    }

    /// Gives back memory that busier times needed.
    pub(crate) fn rest(&mut self) {
        give_back(&mut self.joins);
        give_back(&mut self.resolving);
    }
}

/// What a join asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) token: Token,
    pub(crate) replay: bool,
    pub(crate) first_only: bool,
    pub(crate) announce: bool,
}

impl Swim {
    /// Whether this node knows nobody yet and joins without wanting what was said before.
    pub(crate) fn awaits_first_state(&self) -> bool {
        self.joins.joins.values().any(|join| !join.replay) && self.members.trie().live() <= 1
    }

    /// Begins a join through `addresses`.
    pub(crate) fn join(
        &mut self,
        cx: &mut Context,
        wish: Wish,
        addresses: &[String],
    ) -> Result<(), CommandError> {
        if self.joins.joins.len() >= JOINS_MAX {
            return Err(CommandError::TooManyJoins);
        }
        let mut join = Join {
            token: wish.token,
            replay: wish.replay,
            first_only: wish.first_only,
            announce: wish.announce,
            todo: VecDeque::new(),
            running: 0,
            contacted: 0,
            failures: Vec::new(),
        };
        for address in addresses {
            match parse(address, self.addr.port()) {
                Ok(todo) => join.todo.push_back(todo),
                Err(reason) => join.failures.push(JoinFailure { address: address.clone(), reason }),
            }
        }
        let id = JoinId(self.joins.next);
        self.joins.next += 1;
        self.joins.joins.insert(id, join);
        self.join_on(cx, id);
        Ok(())
    }

    /// Whether the join wants old events.
    pub(crate) fn join_replays(&self, id: JoinId) -> bool {
        self.joins.joins.get(&id).is_some_and(|join| join.replay)
    }

    /// Starts what may run now; ends the join when nothing is left.
    fn join_on(&mut self, cx: &mut Context, id: JoinId) {
        loop {
            let Some(join) = self.joins.joins.get_mut(&id) else { return };
            let most = if join.first_only { 1 } else { cx.config.stream.joins_max.max(1) };
            if join.first_only && join.contacted > 0 {
                join.todo.clear();
            }
            if join.running >= most {
                return;
            }
            let Some(todo) = join.todo.pop_front() else { break };
            join.running += 1;
            match todo {
                Todo::Dial(addr) => {
                    if let Err(reason) = self.dial(cx, addr, Purpose::Join { id }) {
                        self.join_failed(cx, id, addr.to_string(), reason.into());
                        return;
                    }
                }
                Todo::Resolve { host, port } => self.resolve(cx, id, host, port),
            }
        }
        if self.joins.joins.get(&id).is_some_and(|join| join.running == 0)
            && let Some(join) = self.joins.joins.remove(&id)
        {
            let Join { token, announce, contacted, failures, .. } = join;
            self.notices.push(Notice::JoinEnded(Ended { token, announce, contacted, failures }));
        }
    }

    fn resolve(&mut self, cx: &mut Context, join: JoinId, host: String, port: u16) {
        let id = ResolveId(self.joins.next_resolve);
        self.joins.next_resolve += 1;
        self.joins.resolving.insert(id, (join, host.clone()));
        cx.timers.set(Key::Resolve(id), cx.now + cx.config.stream.timeout);
        cx.outputs.push_back(Output::Resolve { id, host, port });
    }

    /// A host name was looked up, or could not be.
    pub(crate) fn on_resolved(
        &mut self,
        cx: &mut Context,
        id: ResolveId,
        result: Result<Vec<SocketAddr>, String>,
    ) {
        cx.timers.cancel(&Key::Resolve(id));
        let Some((join_id, host)) = self.joins.resolving.remove(&id) else { return };
        let Some(join) = self.joins.joins.get_mut(&join_id) else { return };
        join.running -= 1;
        match result {
            Ok(addrs) => {
                join.todo.extend(addrs.into_iter().take(ADDRESSES_MAX).map(Todo::Dial));
            }
            Err(reason) => {
                let reason = format!("Failed to resolve {host}: {reason}");
                join.failures.push(JoinFailure { address: host, reason });
            }
        }
        self.join_on(cx, join_id);
    }

    /// A look-up took too long.
    pub(crate) fn on_resolve_over(&mut self, cx: &mut Context, id: ResolveId) {
        self.on_resolved(cx, id, Err("the look-up timed out".into()));
    }

    /// One address worked.
    pub(crate) fn join_worked(&mut self, cx: &mut Context, id: JoinId) {
        if let Some(join) = self.joins.joins.get_mut(&id) {
            join.running -= 1;
            join.contacted += 1;
        }
        self.join_on(cx, id);
    }

    /// One address did not work.
    pub(crate) fn join_failed(&mut self, cx: &mut Context, id: JoinId, address: String, reason: String) {
        if let Some(join) = self.joins.joins.get_mut(&id) {
            join.running -= 1;
            let reason = format!("Failed to join {address}: {reason}");
            join.failures.push(JoinFailure { address, reason });
        }
        self.join_on(cx, id);
    }
}

/// Reads `[node-name/]host[:port]`; IPv6 addresses with a port stand in brackets. The name is a
/// remark: whoever answers at the address is joined, as in the original.
fn parse(address: &str, default_port: u16) -> Result<Todo, String> {
    let host_port = address.split_once('/').map_or(address, |(_, rest)| rest);
    if let Ok(addr) = host_port.parse::<SocketAddr>() {
        return Ok(Todo::Dial(addr));
    }
    let bare = host_port.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host_port);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(Todo::Dial(SocketAddr::new(ip, default_port)));
    }
    let (host, port) = match host_port.rsplit_once(':') {
        Some((host, port)) => {
            (host, port.parse().map_err(|_| format!("address {address}: '{port}' is no port number"))?)
        }
        None => (host_port, default_port),
    };
    if host.is_empty() || host.len() > 253 || host.contains([':', '[', ']', ' ']) {
        return Err(format!(
            "address {address}: '{host}' is no host name; give host, host:port or [v6]:port"
        ));
    }
    Ok(Todo::Resolve { host: host.to_string(), port })
}
