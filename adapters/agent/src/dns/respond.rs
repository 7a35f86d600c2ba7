//! From the bytes of a question to those of its answer.

use std::sync::Arc;
use std::time::Duration;

use super::answer::{Asked, Outcome, asks_for_address};
use super::counts::{self, Counts};
use super::encode::Style;
use super::fit::{Room, Transport, fitted};
use super::name::Name;
use super::record::{Data, Rcode, Record, Reply, kind};
use super::recursor::Recursors;
use super::request::{Parsed, Request, parse};
use super::zone::Zone;
use crate::config::DnsConfig;
use crate::dice::Dice;
use crate::http::Directory;

/// Names of others that are looked up for one answer.
const FOREIGN_MAX: usize = 8;

/// What all questions have in common.
pub(super) struct Site {
    pub(super) directory: Directory,
    pub(super) zone: Zone,
    pub(super) config: DnsConfig,
    pub(super) dice: Arc<Dice>,
    pub(super) recursors: Recursors,
    pub(super) counts: Arc<Counts>,
}

/// What is to be sent back.
pub(super) enum Response {
    /// Nothing.
    Nothing,
    /// This, at once.
    Ready(Vec<u8>),
    /// What others say, or what they can add.
    Later(Pending),
}

/// A question that others have to be asked about.
pub(super) struct Pending {
    request: Request,
    transport: Transport,
    /// What is known here; `None`: it is theirs to answer.
    known: Option<Reply>,
}

impl Site {
    /// Answers as far as that can be done at once.
    pub(super) fn respond(&self, bytes: &[u8], transport: Transport) -> Response {
        let request = match parse(bytes) {
            Parsed::Nothing => return Response::Nothing,
            Parsed::Refused(head) => {
                self.counts.count(counts::Asked::Refused);
                return Response::Ready(head.to_vec());
            }
            Parsed::Request(request) => request,
        };
        let reverse = request.kind == kind::PTR;
        let (response, asked) = self.answered(request, transport);
        let what = if reverse { counts::Asked::Address } else { counts::Asked::Name };
        self.counts.count(asked.unwrap_or(what));
        response
    }

    /// The answer to a question, and what became of it if it was not answered from the catalog.
    fn answered(&self, request: Request, transport: Transport) -> (Response, Option<counts::Asked>) {
        if request.edns.as_ref().is_some_and(|edns| edns.version > 0) {
            let refusal = self.ready(&request, transport, &Reply::failed(Rcode::BadVers));
            return (refusal, Some(counts::Asked::Refused));
        }
        let records_max = self.room(&request, transport).records();
        let outcome = {
            let catalog = &self.directory.catalog();
            let asked =
                Asked { catalog, zone: &self.zone, config: &self.config, dice: &self.dice, records_max };
            asked.answer(&request.name, request.kind)
        };
        let others = !self.recursors.is_empty();
        match outcome {
            Outcome::Reply(reply) if others && self.foreign(&reply, request.kind).next().is_some() => {
                (Response::Later(Pending { request, transport, known: Some(reply) }), None)
            }
            Outcome::Reply(reply) => (self.ready(&request, transport, &reply), None),
            Outcome::Elsewhere(_) if others => {
                let pending = Pending { request, transport, known: None };
                (Response::Later(pending), Some(counts::Asked::Others))
            }
            // As the original has it: who asks for the name of an address is told to ask on.
            Outcome::Elsewhere(rcode) => {
                let recursion = rcode == Rcode::ServFail;
                let failed = self.written(&request, transport, &Reply::failed(rcode), recursion);
                (Response::Ready(failed), Some(counts::Asked::Refused))
            }
        }
    }

    fn ready(&self, request: &Request, transport: Transport, reply: &Reply) -> Response {
        Response::Ready(self.written(request, transport, reply, !self.recursors.is_empty()))
    }

    fn room(&self, request: &Request, transport: Transport) -> Room {
        Room::of(request, transport, self.config.udp_answer_limit)
    }

    fn written(&self, request: &Request, transport: Transport, reply: &Reply, recursion: bool) -> Vec<u8> {
        let style = Style { compress: self.config.compression, recursion };
        fitted(request, reply, self.room(request, transport), style, self.config.truncation)
    }

    /// The answer to a question that there is nobody free to ask others about.
    pub(super) fn alone(&self, pending: &Pending) -> Vec<u8> {
        let failed = Reply::failed(Rcode::ServFail);
        self.written(&pending.request, pending.transport, pending.known.as_ref().unwrap_or(&failed), true)
    }

    /// Asks others. What they do not say in time is left out.
    pub(super) async fn finish(&self, mut pending: Pending) -> Vec<u8> {
        match &mut pending.known {
            None => {
                let Pending { request, transport, .. } = &pending;
                match self.recursors.forward(request, *transport).await {
                    Some(answer) => answer,
                    None => self.alone(&pending),
                }
            }
            Some(reply) => {
                self.complete(reply, pending.request.kind).await;
                self.alone(&pending)
            }
        }
    }

    /// Names of others in a reply that it does not say the addresses of.
    fn foreign<'a>(&'a self, reply: &'a Reply, kind: u16) -> impl Iterator<Item = &'a Name> {
        let wanted = asks_for_address(kind) || kind == kind::SRV;
        let named = reply.answers.iter().filter_map(move |record| match &record.data {
            Data::Cname(name) | Data::Srv { target: name, .. } if wanted => Some(name),
            _ => None,
        });
        named.filter(|name| self.zone.labels_before(name).is_none()).take(FOREIGN_MAX)
    }

    /// Adds the addresses of names of others.
    async fn complete(&self, reply: &mut Reply, asked: u16) {
        let mut names: Vec<Name> = Vec::new();
        for name in self.foreign(reply, asked) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let kinds: &[u16] =
            if matches!(asked, kind::A | kind::AAAA) { &[asked] } else { &[kind::A, kind::AAAA] };
        let mut found: Vec<Record> = Vec::new();
        let all = async {
            for name in &names {
                for kind in kinds {
                    found.extend(self.recursors.resolve(name, *kind).await);
                }
            }
        };
        let patience = self.config.recursor_timeout.saturating_mul(self.config.recursors.len() as u32);
        // What came until then is good.
        let _ = tokio::time::timeout(patience.max(Duration::from_millis(1)), all).await;
        let place = if asked == kind::SRV { &mut reply.additionals } else { &mut reply.answers };
        for record in found {
            if !place.contains(&record) {
                place.push(record);
            }
        }
    }
}
