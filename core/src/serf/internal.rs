//! Queries that nodes answer by themselves: the vote about a name, the keyring (serf-wire,
//! sections 5.9 and 6.6).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use bytes::Bytes;

use crate::command::{CommandError, KeyCommand, KeyReport, QueryParams, Reply, Token};
use crate::context::Context;
use crate::error::Refusal;
use crate::event::Event;
use crate::input::PersistId;
use crate::output::{Output, Persist};
use crate::serf::keys::{self, KeyTally};
use crate::serf::query::{Asker, PING_QUERY};
use crate::serf::respond::{KeyAnswer, ReturnAddress};
use crate::serf::{Serf, reply};
use crate::swim::Swim;
use crate::swim::member::Status;
use crate::timers::Key;
use crate::wire::seal::KeyError;
use crate::wire::serf;

const CONFLICT_QUERY: &str = "_serf_conflict";
const INSTALL_QUERY: &str = "_serf_install-key";
const USE_QUERY: &str = "_serf_use-key";
const REMOVE_QUERY: &str = "_serf_remove-key";
const LIST_QUERY: &str = "_serf_list-keys";

/// A key operation in the whole cluster, while it is counted.
#[derive(Debug)]
pub(crate) struct KeyVote {
    token: Token,
    tally: KeyTally,
}

impl KeyVote {
    pub(crate) fn count(&mut self, from: &str, payload: &[u8]) {
        self.tally.count(from, payload);
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.tally.is_complete()
    }

    pub(crate) fn finish(self, cx: &mut Context) {
        let report: Box<KeyReport> = Box::new(self.tally.report());
        let result =
            if report.failure().is_some() { Err(CommandError::Keys(report)) } else { Ok(Reply::Keys(report)) };
        reply(cx, self.token, result);
    }
}

/// The vote about the own name.
#[derive(Debug, Default)]
pub(crate) struct NameVote {
    responses: usize,
    matching: usize,
}

impl NameVote {
    pub(crate) fn count(&mut self, own: SocketAddr, payload: &[u8]) {
        self.responses += 1;
        if let Some(Ok(Some(known))) = serf::ConflictResponse::decode_message(payload) {
            self.matching += usize::from(SocketAddr::new(known.addr, known.port) == own);
        }
    }

    pub(crate) fn finish(self, cx: &mut Context) {
        let NameVote { responses, matching } = self;
        if matching < responses / 2 + 1 {
            cx.event(Event::NameLost { matching, responses });
        }
    }
}

impl Serf {
    /// Somebody else claims the own name: the others decide.
    pub(crate) fn on_own_name_claimed(&mut self, cx: &mut Context, swim: &mut Swim) {
        if !cx.config.members.resolve_conflicts || swim.name_vote_running {
            return;
        }
        let params = QueryParams {
            name: CONFLICT_QUERY.into(),
            payload: Bytes::copy_from_slice(swim.me.as_bytes()),
            ..QueryParams::default()
        };
        let asked = self.ask(cx, swim, &params, Asker::Name(NameVote::default()), None);
        swim.name_vote_running = asked.is_ok();
    }

    /// The application changes or lists the keys of the whole cluster.
    pub(crate) fn command_keys(&mut self, cx: &mut Context, swim: &mut Swim, token: Token, command: &KeyCommand) {
        let (name, key): (&str, &[u8]) = match command {
            KeyCommand::Install(key) => (INSTALL_QUERY, key),
            KeyCommand::Use(key) => (USE_QUERY, key),
            KeyCommand::Remove(key) => (REMOVE_QUERY, key),
            KeyCommand::List => (LIST_QUERY, &[]),
        };
        let mut payload = Vec::new();
        serf::KeyRequest { key }.encode(&mut payload);
        let params = QueryParams { name: name.into(), payload: payload.into(), ..QueryParams::default() };
        let vote = KeyVote { token, tally: KeyTally::new(swim.members.with_status(Status::Alive)) };
        if let Err(error) = self.ask(cx, swim, &params, Asker::Keys(vote), None) {
            reply(cx, token, Err(error));
        }
    }

    /// Answers an internal query.
    pub(crate) fn answer_internal(
        &mut self,
        cx: &mut Context,
        swim: &mut Swim,
        from: SocketAddr,
        back: &ReturnAddress,
        query: &serf::Query<'_>,
    ) {
        let payload = query.payload.unwrap_or_default();
        match query.name {
            PING_QUERY => {}
            CONFLICT_QUERY => self.answer_conflict(cx, swim, back, payload),
            LIST_QUERY => self.answer_list_keys(cx, swim, back),
            INSTALL_QUERY | USE_QUERY | REMOVE_QUERY => match serf::KeyRequest::decode_message(payload) {
                Some(Ok(request)) => self.answer_key_change(cx, swim, back, query.name, request.key),
                Some(Err(error)) => cx.refuse(from, Refusal::Malformed { what: "key request", error }),
                None => cx.refuse(from, Refusal::Other("a key request without a key")),
            },
            _ => cx.refuse(from, Refusal::Other("an internal query of unknown name")),
        }
    }

    fn answer_conflict(&mut self, cx: &mut Context, swim: &mut Swim, back: &ReturnAddress, name: &[u8]) {
        // Whoever bears the name has no vote.
        if *name == *swim.me.as_bytes() {
            return;
        }
        let known = core::str::from_utf8(name)
            .ok()
            .and_then(|name| swim.members.get(name))
            .filter(|member| member.status != Status::None);
        let mut answer = Vec::new();
        serf::ConflictResponse::encode_message(known, &mut answer);
        let _ = self.send_response(cx, swim, back, Some(&answer));
    }

    fn answer_list_keys(&mut self, cx: &mut Context, swim: &mut Swim, back: &ReturnAddress) {
        let limit = cx.config.queries.response_size_limit;
        let answer = keys::list_response(swim.packets.keyring(), back.id, &swim.me, limit);
        let _ = self.send_response(cx, swim, back, Some(&answer));
    }

    fn answer_key_change(
        &mut self,
        cx: &mut Context,
        swim: &mut Swim,
        back: &ReturnAddress,
        name: &str,
        key: &[u8],
    ) {
        let keyring = swim.packets.keyring_mut();
        let result = match name {
            _ if keyring.is_empty() => Err(keys::NO_KEYRING.into()),
            INSTALL_QUERY => keyring.install(key).map_err(|error| key_error(&error)),
            USE_QUERY => keyring.use_key(key).map_err(|error| key_error(&error)),
            _ => keyring.remove(key).map_err(|error| key_error(&error)),
        };
        if result.is_ok() && cx.config.security.persist_keyring {
            let id = PersistId(self.next_persist);
            self.next_persist += 1;
            let keys = swim.packets.keyring().keys().collect();
            self.key_answers.insert(id, KeyAnswer { back: back.clone() });
            cx.timers.set(Key::Persist(id), cx.now + cx.config.leave.broadcast_timeout);
            cx.outputs.push_back(Output::Persist(Persist::Keyring { id, keys }));
            return;
        }
        self.answer_key(cx, swim, back, result);
    }

    /// The keyring was written, or could not be.
    pub(crate) fn on_persisted(&mut self, cx: &mut Context, swim: &mut Swim, id: PersistId, result: Result<(), String>) {
        cx.timers.cancel(&Key::Persist(id));
        if let Some(KeyAnswer { back }) = self.key_answers.remove(&id) {
            self.answer_key(cx, swim, &back, result);
        }
    }

    fn answer_key(&mut self, cx: &mut Context, swim: &mut Swim, back: &ReturnAddress, result: Result<(), String>) {
        let answer = keys::change_response(result);
        let _ = self.send_response(cx, swim, back, Some(&answer));
    }
}

fn key_error(error: &KeyError) -> String {
    alloc::string::ToString::to_string(error)
}
