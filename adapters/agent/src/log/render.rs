//! A node's news as log lines, in the original's words.

use std::time::{Duration, Instant};

use tidings_core::{Decision, Event, Member, MemberEvent, MemberEventKind, ProbeResult, State, Trace};

use super::Log;

/// Lines about refused input within one [`WINDOW`]; more are only counted.
const REFUSED_LINES: usize = 10;
/// How long that counts.
const WINDOW: Duration = Duration::from_secs(10);

/// Writes news to a log.
pub struct Renderer {
    log: Log,
    own_name: String,
    resolve_conflicts: bool,
    window_start: Instant,
    in_window: usize,
    suppressed: usize,
}

impl Renderer {
    /// For a node of this name.
    #[must_use]
    pub fn new(log: Log, own_name: String, resolve_conflicts: bool) -> Renderer {
        let window_start = Instant::now();
        Renderer { log, own_name, resolve_conflicts, window_start, in_window: 0, suppressed: 0 }
    }

    /// Writes what is worth a line.
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::Members(event) => self.members(event),
            Event::Conflict { existing, addr } => self.conflict(existing, *addr),
            Event::NameLost { matching, responses } => self.log.warn(
                "serf",
                format_args!("minority in name conflict resolution, quitting [{matching} / {responses}]"),
            ),
            Event::Refused(refused) => self.refused(refused),
            Event::QueueWarning { queue, depth, dropped: 0 } => {
                self.log.warn("serf", format_args!("{queue} queue depth: {depth}"));
            }
            Event::QueueWarning { queue, depth, dropped } => self.log.warn(
                "serf",
                format_args!(
                    "{queue} queue depth ({depth}) exceeds limit, dropping messages! ({dropped} dropped)"
                ),
            ),
            Event::SyncFailed { peer, reason } => {
                self.log.error("memberlist", format_args!("Push/Pull with {peer} failed: {reason}"));
            }
            Event::Reconnecting { member } => self
                .log
                .info("serf", format_args!("attempting reconnect to {} {}", member.name(), member.addr())),
            _ => {}
        }
    }

    /// Writes what an operator who asks why a member failed would look for.
    pub fn decision(&self, trace: &Trace) {
        match &trace.decision {
            Decision::ProbeLate { target, .. } => {
                self.log.debug("memberlist", format_args!("Failed ping: {target} (timeout reached)"));
            }
            Decision::ProbeEnded { target, result: ProbeResult::AckedByStream, .. } => self.log.warn(
                "memberlist",
                format_args!(
                    "Was able to connect to {target} over TCP but UDP probes failed, network may be \
                     misconfigured"
                ),
            ),
            Decision::ProbeEnded { target, result: ProbeResult::Failed { .. }, .. } => {
                self.log.info("memberlist", format_args!("Suspect {target} has failed, no acks received"));
            }
            Decision::SuspicionOver { member, confirmations } => self.log.info(
                "memberlist",
                format_args!(
                    "Marking {member} as failed, suspect timeout reached ({confirmations} peer confirmations)"
                ),
            ),
            Decision::Refuted { from, accusation: State::Suspect, .. } => {
                self.log.warn("memberlist", format_args!("Refuting a suspect message (from: {from})"));
            }
            Decision::Refuted { from, accusation: State::Dead, .. } => {
                self.log.warn("memberlist", format_args!("Refuting a dead message (from: {from})"));
            }
            Decision::Refuted { .. } => {
                self.log.warn("memberlist", format_args!("Refuting an alive message about this agent"));
            }
            Decision::KeyQuery { operation } => {
                self.log.info("serf", format_args!("Received {operation} query"));
            }
            Decision::KeyQueryFailed { reason } => {
                self.log.error("serf", format_args!("Failed to change the keyring: {reason}"));
            }
            _ => {}
        }
    }

    /// Writes that an event is handed to scripts and streams.
    pub fn received(&self, event: &Event) {
        match event {
            Event::Members(event) => self.log.info("agent", format_args!("Received event: {}", event.kind)),
            Event::User(event) => {
                self.log.info("agent", format_args!("Received event: user-event: {}", event.name))
            }
            Event::Query(query) => {
                self.log.info("agent", format_args!("Received event: query: {}", query.name))
            }
            _ => {}
        }
    }

    fn members(&self, event: &MemberEvent) {
        for member in &event.members {
            self.member(event.kind, member);
        }
    }

    fn member(&self, kind: MemberEventKind, member: &Member) {
        let (name, ip) = (member.name(), member.addr().ip());
        match kind {
            MemberEventKind::Join => self.log.info("serf", format_args!("EventMemberJoin: {name} {ip}")),
            // Who said good-bye itself has left for SWIM as well; who was forced to is dead there.
            MemberEventKind::Leave if member.state() == State::Dead => {
                self.log.info("serf", format_args!("EventMemberLeave (forced): {name} {ip}"));
            }
            MemberEventKind::Leave => self.log.info("serf", format_args!("EventMemberLeave: {name} {ip}")),
            MemberEventKind::Failed => self.log.info("serf", format_args!("EventMemberFailed: {name} {ip}")),
            MemberEventKind::Update => self.log.info("serf", format_args!("EventMemberUpdate: {name}")),
            MemberEventKind::Reap => self.log.info("serf", format_args!("EventMemberReap: {name} {ip}")),
        }
    }

    fn conflict(&self, existing: &Member, addr: std::net::SocketAddr) {
        let (name, known) = (existing.name(), existing.addr());
        let state = existing.state() as u8;
        self.log.error(
            "memberlist",
            format_args!("Conflicting address for {name}. Mine: {known} Theirs: {addr} Old state: {state}"),
        );
        if name == self.own_name {
            let resolution = self.resolve_conflicts;
            self.log.error(
                "serf",
                format_args!(
                    "Node name conflicts with another node at {addr}. Names must be unique! \
                     (Resolution enabled: {resolution})"
                ),
            );
        } else {
            self.log.warn(
                "serf",
                format_args!("Name conflict for '{name}' both {known} and {addr} are claiming"),
            );
        }
    }

    fn refused(&mut self, refused: &tidings_core::Refused) {
        if self.window_start.elapsed() >= WINDOW {
            if self.suppressed > 0 {
                let n = self.suppressed;
                self.log.warn("memberlist", format_args!("Refused input {n} more times in the last while"));
            }
            (self.window_start, self.in_window, self.suppressed) = (Instant::now(), 0, 0);
        }
        if self.in_window == REFUSED_LINES {
            self.suppressed += 1;
            return;
        }
        self.in_window += 1;
        self.log
            .warn("memberlist", format_args!("Refused input: {} from={}", refused.reason, refused.source));
    }
}

#[cfg(test)]
mod tests {
    use tidings_core::{Refusal, Refused};

    use super::super::Level;
    use super::*;

    #[test]
    fn a_flood_of_refused_input_writes_few_lines() {
        let log = Log::new(Level::Info, None);
        let mut renderer = Renderer::new(log.clone(), "a".into(), true);
        let source = "127.0.0.1:9".parse().unwrap();
        for _ in 0..1000 {
            renderer.event(&Event::Refused(Box::new(Refused { source, reason: Refusal::Checksum })));
        }
        let lines = log.subscribe(Level::Trace, "test".into()).backlog;
        assert_eq!(lines.len(), REFUSED_LINES);
        assert!(lines[0].text.ends_with("the checksum does not match from=127.0.0.1:9"));
    }
}
