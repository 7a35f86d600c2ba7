//! Queries that nodes answer by themselves: the vote about a name, the keyring (serf-wire,
//! sections 5.9 and 6.6).

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;

use bytes::Bytes;

use crate::command::{CommandError, KeyCommand, KeyReport, QueryParams, Reply, Token};
use crate::context::Context;
use crate::error::Refusal;
use crate::event::Event;
use crate::input::PersistId;
use crate::output::{Output, Persist};
use crate::serf::keys::{self, KeyListing, KeyTally, NoKeyring};
use crate::serf::query::{Asker, PING_QUERY};
use crate::serf::respond::{KeyAnswer, ReturnAddress};
use crate::serf::{Serf, reply};
use crate::swim::Swim;
use crate::swim::member::{Member, Status};
use crate::timers::Key;
use crate::trace::Decision;
use crate::wire::serf_message::{self as serf, Pairs, SerfType};

const CONFLICT_QUERY: &str = "_serf_conflict";
const INSTALL_QUERY: &str = "_serf_install-key";
const USE_QUERY: &str = "_serf_use-key";
const REMOVE_QUERY: &str = "_serf_remove-key";
const LIST_QUERY: &str = "_serf_list-keys";

/// What a query asks to do with the keys.
fn key_operation(query: &str) -> Option<&'static str> {
    [INSTALL_QUERY, USE_QUERY, REMOVE_QUERY, LIST_QUERY]
        .into_iter()
        .find(|name| *name == query)
        .and_then(|name| name.strip_prefix("_serf_"))
}

/// Whether the query asks for a change of keys; then it carries one.
pub(crate) fn is_key_change(query: &str) -> bool {
    matches!(query, INSTALL_QUERY | USE_QUERY | REMOVE_QUERY)
}

/// A key operation in the whole cluster, while it is counted.
#[derive(Clone, Debug)]
pub(crate) struct KeyVote {
    token: Token,
    tally: KeyTally,
}

impl KeyVote {
    pub(crate) fn count(&mut self, from: &str, payload: &[u8]) {
        match body(payload, SerfType::KeyResponse).and_then(|body| serf::KeyResponse::decode(body).ok()) {
            Some(answer) => self.tally.record(
                from,
                keys::KeyAnswer {
                    result: answer.result,
                    message: answer.message,
                    keys: answer.keys,
                    primary: answer.primary_key,
                },
            ),
            None => self.tally.record_failure(from, "the answer cannot be understood"),
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.tally.is_complete()
    }

    pub(crate) fn finish(self, cx: &mut Context) {
        let report: Box<KeyReport> = Box::new(self.tally.into_report());
        let result = if report.failure().is_some() {
            Err(CommandError::Keys(report))
        } else {
            Ok(Reply::Keys(report))
        };
        reply(cx, self.token, result);
    }
}

/// The vote about the own name.
#[derive(Clone, Debug, Default)]
pub(crate) struct NameVote {
    responses: usize,
    matching: usize,
}

impl NameVote {
    pub(crate) fn count(&mut self, own: SocketAddr, payload: &[u8]) {
        self.responses += 1;
        let answer = body(payload, SerfType::ConflictResponse)
            .and_then(|body| serf::ConflictResponse::decode(body).ok())
            .and_then(|answer| answer.member);
        self.matching +=
            usize::from(answer.is_some_and(|known| SocketAddr::new(known.addr, known.port) == own));
    }

    pub(crate) fn finish(self, cx: &mut Context) {
        let NameVote { responses, matching } = self;
        if matching < responses / 2 + 1 && !bug!(cx, NeverYields) {
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
    pub(crate) fn command_keys(
        &mut self,
        cx: &mut Context,
        swim: &mut Swim,
        token: Token,
        command: &KeyCommand,
    ) {
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
        let payload = query.payload;
        if let Some(operation) = key_operation(query.name) {
            cx.trace(|| Decision::KeyQuery { operation });
        }
        match query.name {
            PING_QUERY => {}
            CONFLICT_QUERY => self.answer_conflict(cx, swim, back, payload),
            LIST_QUERY => self.answer_list_keys(cx, swim, back),
            // As in the original the type byte is passed over, not looked at.
            name if is_key_change(name) => {
                match serf::KeyRequest::decode(payload.get(1..).unwrap_or_default()) {
                    Ok(request) => self.answer_key_change(cx, swim, back, name, request.key),
                    Err(error) => cx.refuse(from, Refusal::Malformed { what: "key request", error }),
                }
            }
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
        match known {
            None => serf::ConflictResponse::encode_unknown(&mut answer),
            Some(member) => encode_member(member, &mut answer),
        }
        let _ = self.send_response(cx, swim, back, Some(&answer));
    }

    /// Lists the keys: as many as fit the response.
    fn answer_list_keys(&mut self, cx: &mut Context, swim: &mut Swim, back: &ReturnAddress) {
        let keyring = swim.packets.keyring();
        let mut answer = Vec::new();
        if keyring.is_empty() {
            let none = core::iter::empty();
            serf::KeyResponse::encode(false, &NoKeyring::List.to_string(), none, "", &mut answer);
        } else {
            let limit = cx.config.queries.response_size_limit;
            let overhead = back.response_overhead(&swim.me, limit);
            let listing = KeyListing::fitting(keyring.keys(), limit, |listing| {
                answer.clear();
                encode_listing(listing, &mut answer);
                answer.len() + overhead <= limit
            });
            if listing.is_none() {
                return;
            }
        }
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
            _ if keyring.is_empty() => Err(NoKeyring::Modify.to_string()),
            INSTALL_QUERY => keyring.add(key).map_err(|error| error.to_string()),
            USE_QUERY => keyring.use_key(key).map_err(|error| error.to_string()),
            _ => keyring.remove(key).map_err(|error| error.to_string()),
        };
        if result.is_ok() && cx.config.security.persist_keyring {
            let id = PersistId(self.next_persist);
            self.next_persist += 1;
            let keys = swim.packets.keyring().keys().map(Bytes::copy_from_slice).collect();
            self.key_answers.insert(id, KeyAnswer { back: back.clone() });
            cx.timers.set(Key::Persist(id), cx.now + cx.config.leave.broadcast_timeout);
            cx.outputs.push_back(Output::Persist(Persist::Keyring { id, keys }));
            return;
        }
        self.answer_key(cx, swim, back, result);
    }

    /// The keyring was written, or could not be.
    pub(crate) fn on_persisted(
        &mut self,
        cx: &mut Context,
        swim: &mut Swim,
        id: PersistId,
        result: Result<(), String>,
    ) {
        cx.timers.cancel(&Key::Persist(id));
        if let Some(KeyAnswer { back }) = self.key_answers.remove(&id) {
            self.answer_key(cx, swim, &back, result);
        }
    }

    fn answer_key(
        &mut self,
        cx: &mut Context,
        swim: &mut Swim,
        back: &ReturnAddress,
        result: Result<(), String>,
    ) {
        let message = result.as_ref().err().map_or("", String::as_str);
        if !message.is_empty() {
            cx.trace(|| Decision::KeyQueryFailed { reason: message.into() });
        }
        let mut answer = Vec::new();
        serf::KeyResponse::encode(result.is_ok(), message, core::iter::empty(), "", &mut answer);
        let _ = self.send_response(cx, swim, back, Some(&answer));
    }
}

/// The body of a message that must have this type.
fn body(message: &[u8], kind: SerfType) -> Option<&[u8]> {
    message.split_first().filter(|(first, _)| **first == kind as u8).map(|(_, body)| body)
}

fn encode_listing(listing: &KeyListing, out: &mut Vec<u8>) {
    let keys = listing.keys.iter().map(String::as_str);
    serf::KeyResponse::encode(true, &listing.message, keys, &listing.primary, out);
}

fn encode_member(member: &Member, out: &mut Vec<u8>) {
    let tags = member.tags();
    let (addr, port) = (member.addr().ip(), member.addr().port());
    let (name, status, versions) = (member.name(), member.status, member.identity.versions);
    serf::MemberRecord { name, addr, port, status, versions, tags: Pairs::default() }
        .encode_with(tags.iter(), out);
}
