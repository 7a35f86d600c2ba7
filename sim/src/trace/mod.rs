//! Traces: everything that happens in a run, a line each, for people, programs and comparisons.

mod diff;
mod filter;
mod words;

use std::cell::RefCell;
use std::fmt;
use std::ops::ControlFlow;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use tidings_core::{Event, Input, Member, Output, StreamAction, StreamEvent, Time};

pub(crate) use diff::{Divergence, Source, diff};
pub(crate) use filter::Filter;
pub(crate) use words::probe_result;
use words::told;

use crate::letter::{Letter, Letters};
use crate::net::HostId;
use crate::run::run_watched;
use crate::script::Script;
use crate::watch::{Sight, Violation};
use crate::world::World;

/// What a line is about when it is about a violation.
const VIOLATION: &str = "violation";
/// What a run is stopped with when nobody wants to see more of it.
const ENOUGH: &str = "enough";

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    /// When, in nanoseconds of virtual time.
    pub(crate) at_ns: u64,
    /// The member at which it happened; empty: at none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) member: String,
    /// What sort of thing.
    pub(crate) what: String,
    /// Other members it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) about: Vec<String>,
    /// Kinds of the messages in the datagram.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) messages: Vec<String>,
    /// In words.
    pub(crate) text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = Time::from_nanos(self.at_ns);
        match self.member.as_str() {
            "" => write!(f, "{at}  {}: {}", self.what, self.text),
            member => write!(f, "{at}  {member} {}: {}", self.what, self.text),
        }
    }
}

impl Line {
    fn violation(violation: &Violation) -> Line {
        let mut about = violation.members.clone();
        let member = if about.is_empty() { String::new() } else { about.remove(0) };
        Line {
            at_ns: violation.at.as_nanos(),
            member,
            what: VIOLATION.into(),
            about,
            messages: Vec::new(),
            // What follows is a picture for people.
            text: format!("{}: {}", violation.invariant, violation.what.lines().next().unwrap_or_default()),
        }
    }
}

/// Runs a script to its end, quiet phase and all, and hands on what happens until it is told to
/// break off.
pub(crate) fn trace(
    script: &Script,
    seed: u64,
    filter: &Filter,
    each: impl FnMut(Line) -> ControlFlow<()> + 'static,
) {
    let each = Rc::new(RefCell::new(each));
    let (sink, mut tracer) = (each.clone(), Tracer { packets: filter.wants_packets(), ..Tracer::default() });
    let filter = filter.clone();
    let keen = filter.clone();
    let outcome = run_watched(
        script,
        seed,
        |cluster| {
            cluster.watch_from_now(move |world: &World, host: HostId, sight: &Sight<'_>| {
                let late = keen.is_over(world.now());
                let line = tracer.line(world, host, sight).filter(|line| !late && keen.passes(line));
                let over = late || line.is_some_and(|line| (sink.borrow_mut())(line).is_break());
                over.then(|| Violation {
                    invariant: ENOUGH.into(),
                    at: world.now(),
                    members: Vec::new(),
                    what: String::new(),
                })
            });
        },
        |_| {},
    );
    if let Some(found) = outcome.violation.filter(|found| found.invariant != ENOUGH) {
        let line = Line::violation(&found);
        if filter.passes(&line) {
            let _ = (each.borrow_mut())(line);
        }
    }
}

/// Puts what is seen into lines.
#[derive(Clone, Debug, Default)]
struct Tracer {
    letters: Letters,
    packets: bool,
}

impl Tracer {
    fn line(&mut self, world: &World, host: HostId, sight: &Sight<'_>) -> Option<Line> {
        let mut line = Line {
            at_ns: world.now().as_nanos(),
            member: world.hosts()[host].name().to_owned(),
            what: String::new(),
            about: Vec::new(),
            messages: Vec::new(),
            text: String::new(),
        };
        match sight {
            Sight::Started => line.say("started", "its process runs".into()),
            Sight::Stopped => line.say("ended", "its process is about to end".into()),
            Sight::Fault(what) => {
                line.member.clear();
                line.say("fault", (*what).to_owned());
            }
            Sight::Output(Output::Trace(trace)) => {
                let (what, about, text) = words::decision(&trace.decision);
                line.about.extend(about);
                line.say(what, format!("{text}{}", words::cause(world, &trace.cause)));
            }
            Sight::Output(Output::Event(event)) => line.event(event)?,
            _ if !self.packets => return None,
            Sight::Output(Output::Datagram { to, payload }) => {
                let to = told(world, *to);
                self.datagram(world, host, payload, &mut line);
                line.say("sent", format!("to {to}: {}", line.text));
                line.about.push(to);
            }
            Sight::Input(Input::Datagram { from, payload }) => {
                let from = told(world, *from);
                self.datagram(world, host, payload, &mut line);
                line.say("received", format!("from {from}: {}", line.text));
                line.about.push(from);
            }
            Sight::Lost { to, payload, why } => {
                let to = to.map_or("nobody".to_owned(), |to| world.hosts()[to].name().to_owned());
                self.datagram(world, host, payload, &mut line);
                line.say("lost", format!("to {to}, to {why}: {}", line.text));
                line.about.push(to);
            }
            Sight::Output(Output::Stream { id, action }) => {
                let text = match action {
                    StreamAction::Connect { to } => format!("{id:?} connects to {}", told(world, *to)),
                    StreamAction::Send(bytes) => format!("{id:?} sends {} bytes", bytes.len()),
                    _ => format!("{id:?} closes"),
                };
                line.say("stream", text);
            }
            Sight::Input(Input::Stream { id, event }) => {
                let text = match event {
                    StreamEvent::Accepted { from } => format!("accepted from {}", told(world, *from)),
                    StreamEvent::Connected => "connected".to_owned(),
                    StreamEvent::Data(bytes) => format!("{} bytes arrive", bytes.len()),
                    StreamEvent::Closed => "closed by the peer".to_owned(),
                    StreamEvent::Failed(why) => format!("failed: {why}"),
                    other => format!("{other:?}"),
                };
                line.say("stream", format!("{id:?} {text}"));
            }
            _ => return None,
        }
        Some(line)
    }

    fn datagram(&mut self, world: &World, host: HostId, payload: &[u8], line: &mut Line) {
        let letters = self.letters.read(world.hosts()[host].config(), payload);
        line.messages = letters.iter().map(|letter| letter.kind().to_owned()).collect();
        line.about = letters.iter().filter_map(Letter::about).map(str::to_owned).collect();
        let told: Vec<String> = letters.iter().map(Letter::to_string).collect();
        line.text = format!("{} ({} bytes)", told.join("; "), payload.len());
    }
}

impl Line {
    fn say(&mut self, what: &str, text: String) {
        what.clone_into(&mut self.what);
        self.text = text;
    }

    /// What an application is told.
    fn event(&mut self, event: &Event) -> Option<()> {
        match event {
            Event::Members(news) => {
                self.about = news.members.iter().map(|member| Member::name(member).to_owned()).collect();
                self.say(&news.kind.to_string(), self.about.join(", "));
            }
            Event::User(event) => {
                self.say("user-event", format!("{} of time {}", event.name, event.ltime));
            }
            Event::Query(query) => self.say("query", query.name.to_string()),
            _ => return None,
        }
        Some(())
    }
}
