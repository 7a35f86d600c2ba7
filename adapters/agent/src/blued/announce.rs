//! What agents of the original say to each other: events that announce and withdraw an app, and the
//! query for the address of an agent's RPC (seed-systems, section 1.4).

use std::net::SocketAddr;

use bytes::Bytes;
use tidings_core::wire::msgpack::{Dialect, Reader, Writer};
use tidings_core::{Event, Malformed, MemberEventKind, UserEvent};
use tidings_tokio::{Events, Notice};

use super::Blued;
use super::app::App;

/// The event that announces an app's services.
pub(super) const REGISTER: &str = "rs";
/// The event that withdraws an app's address.
pub(super) const UNREGISTER: &str = "us";
/// Both. Folded, all but the newest of the apps of a second would be lost.
pub(crate) const EVENTS: [&str; 2] = [REGISTER, UNREGISTER];
/// The query for the address of the RPC.
pub(crate) const RPC_ADDR: &str = "qr";

/// What an event `rs` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Announcement {
    node: String,
    addr: String,
    services: Vec<String>,
}

impl Announcement {
    fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        let mut w = Writer::new(&mut out, Dialect::Gossip);
        w.map(2).str("NodeAddr").map(2).str("Addr").str(&self.addr).str("Node").str(&self.node);
        w.str("Services").array(self.services.len());
        for service in &self.services {
            w.str(service);
        }
        out.into()
    }

    fn decode(payload: &[u8]) -> Result<Announcement, Malformed> {
        let mut said = Announcement::default();
        Reader::new(payload).fields(&["NodeAddr", "Services"], |index, r| {
            if index == 1 {
                // An element takes a byte at least.
                let len = r.array_len()?;
                said.services = (0..len).map(|_| r.str().map(str::to_owned)).collect::<Result<_, _>>()?;
                return Ok(());
            }
            r.fields(&["Addr", "Node"], |index, r| {
                let place = if index == 0 { &mut said.addr } else { &mut said.node };
                *place = r.str()?.to_owned();
                Ok(())
            })
        })?;
        Ok(said)
    }
}

impl Blued {
    /// Tells agents of the original of an app. Ours know by the registry, so that a failure is none
    /// of the app's.
    pub(super) async fn announce(&self, app: &App) {
        let services = app.providers.clone();
        let said = Announcement { node: self.name().to_owned(), addr: app.addr.clone(), services };
        self.say(REGISTER, said.encode(), &app.addr).await;
    }

    /// Tells them that it is gone.
    pub(super) async fn withdraw_address(&self, addr: &str) {
        let mut payload = Vec::new();
        Writer::new(&mut payload, Dialect::Gossip).str(addr);
        self.say(UNREGISTER, payload.into(), addr).await;
    }

    async fn say(&self, name: &str, payload: Bytes, addr: &str) {
        // Nobody is to fold it: see `EVENTS`.
        let sent = self.0.control.node().user_event(name, payload, false).await;
        if let Err(error) = sent {
            let problem = "agents without a registry are not told of";
            self.0.control.log().warn("agent", format_args!("{problem} '{addr}': {error}"));
        }
    }

    /// Listens to the others until the node ends.
    pub(super) async fn listen(self, mut events: Events) {
        while let Some(notice) = events.next().await {
            match notice {
                Notice::Event(event) => self.hear(&event).await,
                Notice::Missed(count) => self.0.control.log().warn(
                    "agent",
                    format_args!(
                        "{count} events were missed: services of agents without a registry may be too"
                    ),
                ),
                _ => {}
            }
        }
    }

    async fn hear(&self, event: &Event) {
        match event {
            Event::User(event) => self.hear_event(event),
            Event::Members(change)
                if !matches!(change.kind, MemberEventKind::Join | MemberEventKind::Update) =>
            {
                for member in &change.members {
                    self.0.routers.heard.forget_node(member.name());
                }
            }
            Event::Query(query) if &*query.name == RPC_ADDR => {
                let answer = reachable(self.0.rpc_addr, self.0.control.node().config().advertise);
                // Whoever asked waits no longer, or a script has answered.
                let _ = self.0.control.node().respond(query.id, answer.to_string()).await;
            }
            _ => {}
        }
    }

    fn hear_event(&self, event: &UserEvent) {
        let heard = match &*event.name {
            REGISTER => Announcement::decode(&event.payload).map(|said| self.hear_announcement(event, &said)),
            UNREGISTER => {
                Reader::new(&event.payload).str().map(|addr| self.0.routers.heard.withdraw(addr, event.ltime))
            }
            _ => return,
        };
        if let Err(error) = heard {
            let name = &event.name;
            self.0.control.log().warn("agent", format_args!("an event '{name}' makes no sense: {error}"));
        }
    }

    fn hear_announcement(&self, event: &UserEvent, said: &Announcement) {
        let counts = super::routers::is_heard(&self.0.directory.catalog(), &said.node);
        if counts && !self.0.routers.heard.announce(&said.node, &said.addr, &said.services, event.ltime) {
            let Announcement { node, addr, .. } = said;
            self.0
                .control
                .log()
                .warn("agent", format_args!("not all services of '{addr}' at '{node}' can be remembered"));
        }
    }
}

/// Where others reach what listens here.
fn reachable(listening: SocketAddr, advertised: SocketAddr) -> SocketAddr {
    if listening.ip().is_unspecified() {
        SocketAddr::new(advertised.ip(), listening.port())
    } else {
        listening
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_is_read_as_it_is_written_in_either_dialect() {
        let said = Announcement {
            node: "foo".into(),
            addr: "http://127.0.0.1:8081".into(),
            services: vec!["x.c".into(), "y.c".into()],
        };
        let bytes = said.encode();
        assert!(bytes.starts_with(b"\x82\xa8NodeAddr\x82\xa4Addr\xb5http:"));
        assert_eq!(Announcement::decode(&bytes), Ok(said));
        let nothing =
            Announcement::decode(b"\x82\xa8NodeAddr\x82\xa4Node\xa1n\xa4Addr\xd9\x01a\xa8Services\xc0");
        let expected = Announcement { node: "n".into(), addr: "a".into(), services: Vec::new() };
        assert_eq!(nothing, Ok(expected), "nil is an empty list");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for payload in
            [&b""[..], b"\x81", b"\x81\xa8Services\xdd\xff\xff\xff\xff", b"\xa1x", b"\x81\xa8NodeAddr\x01"]
        {
            assert!(Announcement::decode(payload).is_err(), "{payload:?}");
        }
    }

    #[test]
    fn an_address_for_everybody_is_told_as_the_nodes_own() {
        let addr = |text: &str| text.parse::<SocketAddr>().unwrap();
        let own = addr("10.0.0.7:7946");
        assert_eq!(reachable(addr("0.0.0.0:7373"), own), addr("10.0.0.7:7373"));
        assert_eq!(reachable(addr("127.0.0.1:7373"), own), addr("127.0.0.1:7373"));
    }
}
