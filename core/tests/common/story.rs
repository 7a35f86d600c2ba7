//! The words stories are told with.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tidings_core::{
    AnswerKind, Command, CommandError, Event, KeyCommand, KeyReport, Member, MemberEventKind, QueryId,
    QueryParams, Reply, State, Status, Time, Token, UserEvent,
};

use super::{Cluster, ms, secs};

/// What came back for a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// Who acknowledged, in order of arrival.
    pub acks: Vec<String>,
    /// Who answered what.
    pub responses: Vec<(String, Bytes)>,
    /// When the query was closed, counted from when it was asked.
    pub done: Option<Duration>,
}

impl Answers {
    pub fn sorted(mut self) -> Self {
        self.acks.sort();
        self.responses.sort();
        self
    }
}

impl Cluster {
    /// Runs until something is true, looking every 10 ms; fails the test if it is not in time.
    /// Returns how long it took.
    pub fn until(&mut self, what: &str, within: Duration, is: impl Fn(&Cluster) -> bool) -> Duration {
        let start = self.now;
        while !is(self) {
            assert!(self.now.since(start) <= within, "not within {within:?}: {what}");
            self.run(ms(10));
        }
        self.now.since(start)
    }

    /// Runs until all views agree with the world; fails with what they disagree on.
    #[track_caller]
    pub fn until_converged(&mut self, within: Duration) -> Duration {
        let start = self.now;
        while !self.converged() {
            if self.now.since(start) > within {
                self.assert_converged();
            }
            self.run(ms(10));
        }
        self.now.since(start)
    }

    /// Runs until a command is answered, for a minute at most.
    pub fn answer(&mut self, host: usize, token: Token) -> Result<Reply, CommandError> {
        self.until("the command is answered", secs(60), |c| c.hosts[host].replies.contains_key(&token));
        self.hosts[host].replies[&token].1.clone()
    }

    /// Asks for something and waits for the reply.
    pub fn ask(&mut self, host: usize, command: Command) -> Result<Reply, CommandError> {
        let token = self.command(host, command);
        self.answer(host, token)
    }

    /// `host` starts to join through `seed`.
    pub fn join(&mut self, host: usize, seed: usize) -> Token {
        let address = self.hosts[seed].addr().to_string();
        self.join_at(host, &[&address])
    }

    /// `host` starts to join through these addresses, ignoring old events.
    pub fn join_at(&mut self, host: usize, addresses: &[&str]) -> Token {
        let addresses = addresses.iter().map(ToString::to_string).collect();
        self.command(host, Command::Join { addresses, replay: false })
    }

    /// Everybody joins through host 0; runs until all views are full, then until the word of it
    /// has died down. Events so far are forgotten.
    pub fn joined(mut self) -> Self {
        for host in 1..self.hosts.len() {
            self.join(host, 0);
        }
        self.until_converged(secs(900));
        self.run(secs(5));
        self.assert_converged();
        self.forget_events();
        self
    }

    pub fn forget_events(&mut self) {
        for host in &mut self.hosts {
            host.events.clear();
            host.events_before = 0;
            host.traces.clear();
        }
    }

    pub fn leave(&mut self, host: usize) -> Token {
        self.command(host, Command::Leave)
    }

    pub fn force_leave(&mut self, host: usize, node: &str, prune: bool) -> Token {
        self.command(host, Command::ForceLeave { node: node.into(), prune })
    }

    /// Sends a user event that may not be folded; it must be accepted.
    pub fn event(&mut self, host: usize, name: &str, payload: &[u8]) {
        let payload = Bytes::copy_from_slice(payload);
        let reply = self.ask(host, Command::UserEvent { name: name.into(), payload, coalesce: false });
        assert_eq!(reply, Ok(Reply::Done));
    }

    pub fn set_tags(&mut self, host: usize, set: &[(&str, &str)]) -> Token {
        let set = set.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        self.command(host, Command::UpdateTags { delete: Vec::new(), set, replace: false })
    }

    /// Starts a query; it must be accepted. Returns its identity and time-out.
    pub fn query(&mut self, host: usize, params: QueryParams) -> (QueryId, Duration) {
        let token = self.command(host, Command::Query(Box::new(params)));
        match self.hosts[host].replies.get(&token) {
            Some((_, Ok(Reply::QueryStarted { id, timeout }))) => (*id, *timeout),
            other => panic!("the query was not started at once: {other:?}"),
        }
    }

    /// Every host answers the queries it has been told of and has not answered, with its name.
    /// Returns how many answers were given.
    pub fn respond_all(&mut self, name: &str) -> usize {
        let mut given = 0;
        for host in 0..self.hosts.len() {
            if self.hosts[host].node.is_none() {
                continue;
            }
            for id in self.queries(host, name) {
                let payload = Bytes::from(self.hosts[host].config.name.clone());
                let token = self.command(host, Command::Respond { id, payload });
                given += usize::from(self.hosts[host].replies[&token].1.is_ok());
            }
        }
        given
    }

    /// Queries of this name that were delivered to a host.
    pub fn queries(&self, host: usize, name: &str) -> Vec<QueryId> {
        let queries = self.hosts[host].events.iter().filter_map(|(_, event)| match event {
            Event::Query(query) if &*query.name == name => Some(query.id),
            _ => None,
        });
        queries.collect()
    }

    /// What came back for a query.
    pub fn answers(&self, host: usize, id: QueryId) -> Answers {
        let mut answers = Answers::default();
        for (_, event) in &self.hosts[host].events {
            let Event::Answer(answer) = event else { continue };
            if answer.query != id {
                continue;
            }
            assert!(answers.done.is_none(), "an answer after the end: {answer:?}");
            match &answer.kind {
                AnswerKind::Ack { from } => answers.acks.push(from.to_string()),
                AnswerKind::Response { from, payload } => {
                    answers.responses.push((from.to_string(), payload.clone()));
                }
                AnswerKind::Done { after } => answers.done = Some(*after),
            }
        }
        answers
    }

    pub fn keys(&mut self, host: usize, command: KeyCommand) -> Result<KeyReport, KeyReport> {
        match self.ask(host, Command::Keys(command)) {
            Ok(Reply::Keys(report)) => Ok(*report),
            Err(CommandError::Keys(report)) => Err(*report),
            other => panic!("no answer to a key command: {other:?}"),
        }
    }

    pub fn member(&self, host: usize, name: &str) -> Option<Member> {
        self.hosts[host].node().view().get(name).cloned()
    }

    /// What `host` tells its application about `name`.
    pub fn status(&self, host: usize, name: &str) -> Option<Status> {
        self.member(host, name).map(|m| m.status())
    }

    /// What `host`'s failure detector thinks of `name`.
    pub fn state(&self, host: usize, name: &str) -> Option<State> {
        self.member(host, name).map(|m| m.state())
    }

    /// All members a host knows, with their status.
    pub fn statuses(&self, host: usize) -> BTreeMap<String, Status> {
        self.hosts[host].node().view().iter().map(|m| (m.name().to_string(), m.status())).collect()
    }

    /// Hosts whose process runs.
    pub fn living(&self) -> Vec<usize> {
        (0..self.hosts.len()).filter(|i| self.hosts[*i].node.is_some()).collect()
    }

    /// When a host heard this of that member.
    pub fn heard(&self, host: usize, kind: MemberEventKind, name: &str) -> Vec<Time> {
        let news = self.hosts[host].events.iter().filter_map(|(at, event)| match event {
            Event::Members(news) if news.kind == kind => {
                Some((*at, news.members.iter().filter(|m| m.name() == name).count()))
            }
            _ => None,
        });
        news.flat_map(|(at, n)| std::iter::repeat_n(at, n)).collect()
    }

    /// All member events of a kind a host heard, in order, by name.
    pub fn heard_of(&self, host: usize, kind: MemberEventKind) -> Vec<String> {
        let news = self.hosts[host].events.iter().filter_map(|(_, event)| match event {
            Event::Members(news) if news.kind == kind => Some(&news.members),
            _ => None,
        });
        news.flatten().map(|m| m.name().to_string()).collect()
    }

    /// User events of a name a host heard, with their times.
    pub fn user_events(&self, host: usize, name: &str) -> Vec<(Time, UserEvent)> {
        let news = self.hosts[host].events.iter().filter_map(|(at, event)| match event {
            Event::User(event) if &*event.name == name => Some((*at, event.clone())),
            _ => None,
        });
        news.collect()
    }

    /// How many times something was refused by a host.
    pub fn refusals(&self, host: usize) -> usize {
        self.hosts[host].events.iter().filter(|(_, e)| matches!(e, Event::Refused(_))).count()
    }

    /// How many hosts satisfy this.
    pub fn count(&self, hosts: &[usize], is: impl Fn(&Cluster, usize) -> bool) -> usize {
        hosts.iter().filter(|host| is(self, **host)).count()
    }
}
