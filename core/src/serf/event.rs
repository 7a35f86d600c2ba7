//! User events: said once by somebody, heard once by everybody (serf-wire, section 6.1).

use bytes::Bytes;

use crate::command::{CommandError, Reply};
use crate::context::Context;
use crate::event::{Event, UserEvent};
use crate::serf::dedup::Heard;
use crate::serf::{Serf, user_message};
use crate::swim::Swim;
use crate::swim::gossip::Class;
use crate::time::Time;
use crate::timers::Tick;
use crate::wire::limits::USER_EVENT_MAX;
use crate::wire::serf_message as serf;

impl Serf {
    /// The application sends an event to everyone, itself included.
    pub(crate) fn send_event(
        &mut self,
        cx: &mut Context,
        swim: &mut Swim,
        name: &str,
        payload: &Bytes,
        coalesce: bool,
    ) -> Result<Reply, CommandError> {
        let mut limit = cx.config.events.size_limit.min(USER_EVENT_MAX);
        if bug!(cx, AcceptsLargeEvents) {
            limit = USER_EVENT_MAX;
        }
        if name.len() + payload.len() > limit {
            return Err(CommandError::EventTooLarge(limit));
        }
        let message = serf::UserEvent { ltime: self.clocks.event.now(), name, payload, coalesce };
        let bytes = user_message(|out| message.encode(out));
        // The type byte of user data is not the event's own.
        if bytes.len() - 1 > limit {
            return Err(CommandError::EncodedEventTooLarge(limit));
        }
        self.clocks.event.increment();
        self.hear_event(cx, &message);
        self.broadcast(cx, swim, Class::Event, bytes, None);
        Ok(Reply::Done)
    }

    /// An event was heard; whether it is news worth passing on.
    pub(crate) fn hear_event(&mut self, cx: &mut Context, message: &serf::UserEvent<'_>) -> bool {
        if !bug!(cx, StopsItsClock) && !cx.witness(&mut self.clocks.event, message.ltime) {
            return false;
        }
        match self.events.offer(self.clocks.event.now(), message.ltime, message.name, message.payload) {
            Heard::Fresh(mut body) => {
                if bug!(cx, ClipsEvents) {
                    body.payload.truncate(body.payload.len() / 2);
                }
                cx.metrics.events += 1;
                let event = UserEvent {
                    ltime: message.ltime,
                    name: body.name,
                    payload: body.payload,
                    coalesce: message.coalesce,
                };
                self.snapshot_event(cx, message.ltime);
                self.deliver(cx, event);
                true
            }
            Heard::TooOld => {
                cx.metrics.too_old += 1;
                false
            }
            _ => false,
        }
    }

    fn deliver(&mut self, cx: &mut Context, event: UserEvent) {
        let singly = cx.config.events.told_singly.iter().any(|name| **name == *event.name);
        let Some(coalescer) = self.user_events.as_mut().filter(|_| !singly) else {
            return cx.event(Event::User(event));
        };
        if let Some(event) = coalescer.handle(cx.now, event) {
            cx.event(Event::User(event));
        }
        cx.timers.set_tick(Tick::UserEvents, coalescer.poll_timeout().unwrap_or(Time::MAX));
    }

    /// The folding time of user events is over.
    pub(crate) fn flush_user_events(&mut self, cx: &mut Context) {
        let Some(coalescer) = &mut self.user_events else { return };
        for event in coalescer.flush() {
            cx.event(Event::User(event));
        }
    }
}
