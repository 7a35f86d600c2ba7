//! The commands about apps and routers (seed-systems, section 1.5).

use tidings_client::protocol::{Message as _, MicroApp, Request};

use super::connection::Connection;
use crate::blued::Blued;

/// What a client is told of an agent that has neither.
const OFF: &str = "this agent serves no REST for apps; start it with -rest-addr";

impl Connection<'_> {
    /// Answers one of them. Lists follow their header also when there is nothing to list: clients
    /// read them whatever it says.
    pub(super) fn discover(&mut self, seq: u64, request: Request) {
        let blued = self.shared.blued.clone();
        let mut body = Vec::new();
        match request {
            Request::ListMicroApps => blued.as_ref().map(micro_apps).unwrap_or_default().encode(&mut body),
            Request::ListRouters => blued.as_ref().map(Blued::routers).unwrap_or_default().encode(&mut body),
            Request::UpdateRouters(routers) => {
                if let Some(blued) = &blued {
                    blued.replace_routers(routers);
                }
            }
            other => unreachable!("{other:?} is about neither apps nor routers"),
        }
        self.respond(seq, if blued.is_some() { "" } else { OFF });
        self.append(&body);
    }
}

fn micro_apps(blued: &Blued) -> Vec<MicroApp> {
    let app = |app: std::sync::Arc<crate::blued::App>| MicroApp {
        addr: app.addr.clone(),
        consumers: app.consumers.clone(),
        providers: app.providers.clone(),
    };
    blued.apps().into_iter().map(app).collect()
}
