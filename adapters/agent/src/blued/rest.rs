//! The requests of apps (seed-systems, section 1.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode};
use serde::Serialize;
use tidings_client::protocol::Router;

use super::app::App;
use super::routers::Checksum;
use super::{Blued, Refusal, address};
use crate::http::decode::{self, Fields, Undecodable};
use crate::http::{Answer, Api, Body, Head, Request, access};

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call<'a> {
    Register,
    Refresh(&'a str),
    Fetch(&'a str),
}

fn call<'a>(method: &Method, path: &'a str) -> Option<Call<'a>> {
    if path == "/msd/register" {
        return (method == Method::PUT).then_some(Call::Register);
    }
    // `fresh` is what the original serves and `refresh` what it says that it does.
    let refresh = path.strip_prefix("/msd/fresh/").or_else(|| path.strip_prefix("/msd/refresh/"));
    let fetch = || path.strip_prefix("/msd/fetch/").map(Call::Fetch);
    let found = refresh.map(Call::Refresh).or_else(fetch);
    found.filter(|_| method == Method::GET)
}

impl Api for Blued {
    fn refusal(&self, head: &Head<'_>) -> Option<Answer> {
        access::refusal(self.0.token.as_deref(), head.headers, head.params)
    }

    async fn answer(&self, request: Request) -> Answer {
        match call(&request.method, &request.path) {
            Some(Call::Register) => register(self, &request.body).await,
            Some(Call::Refresh(part)) => match address::from_path(part) {
                Some(addr) => fresh(self, &addr).await,
                None => no_address(),
            },
            Some(Call::Fetch(part)) => match address::from_path(part) {
                Some(addr) => fetch(self, &addr),
                None => no_address(),
            },
            None => Answer::error(StatusCode::NOT_FOUND, "404 page not found"),
        }
    }
}

/// A status, and what is written in the order of its fields.
fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    // Maps have text keys, and nothing else can fail.
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    Answer::new(status, Body::Other("application/json", bytes.into()))
}

#[derive(Serialize)]
struct Problem<'a> {
    error: &'a str,
}

fn problem(status: StatusCode, error: &str) -> Answer {
    json(status, &Problem { error })
}

fn no_address() -> Answer {
    problem(StatusCode::BAD_REQUEST, "error decoding addr")
}

async fn register(blued: &Blued, body: &[u8]) -> Answer {
    let Ok((addr, providers, consumers)) = read(body) else {
        return problem(StatusCode::BAD_REQUEST, "problem decoding body");
    };
    let app = match App::new(addr, providers, consumers) {
        Ok(app) => app,
        Err(words) => return problem(StatusCode::BAD_REQUEST, &words),
    };
    match blued.register(app).await {
        Ok(()) => json(StatusCode::CREATED, &()),
        Err(Refusal::Full(words)) => problem(StatusCode::SERVICE_UNAVAILABLE, &words),
        Err(Refusal::TooLarge(words)) => problem(StatusCode::PAYLOAD_TOO_LARGE, &words),
        Err(Refusal::Failed(words)) => problem(StatusCode::INTERNAL_SERVER_ERROR, &words),
    }
}

/// Address, providers and consumers; what is absent is empty.
fn read(body: &[u8]) -> Result<(String, Vec<String>, Vec<String>), Undecodable> {
    let mut fields = Fields::of(decode::body(body)?, &[])?;
    Ok((fields.text(&["addr"])?, fields.texts(&["providers"])?, fields.texts(&["consumers"])?))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct State {
    is_live: bool,
    #[serde(rename = "routerCS")]
    checksum: String,
}

async fn fresh(blued: &Blued, addr: &str) -> Answer {
    let fresh = blued.refresh(addr).await;
    json(StatusCode::ACCEPTED, &State { is_live: fresh.live, checksum: fresh.checksum.hex() })
}

#[derive(Serialize)]
struct Fetched {
    routers: Option<Vec<Shown>>,
    checksum: String,
}

/// A router as JSON has it.
#[derive(Serialize)]
pub(crate) struct Shown {
    service: String,
    addrs: Vec<ShownAddr>,
    checksum: String,
}

#[derive(Serialize)]
struct ShownAddr {
    node: String,
    addr: String,
}

impl From<Router> for Shown {
    fn from(router: Router) -> Self {
        let addrs = router.addrs.into_iter().map(|it| ShownAddr { node: it.node, addr: it.addr });
        Shown { service: router.service, addrs: addrs.collect(), checksum: STANDARD.encode(router.checksum) }
    }
}

fn fetch(blued: &Blued, addr: &str) -> Answer {
    let Some(routers) = blued.fetch(addr) else { return json(StatusCode::OK, &()) };
    if routers.is_empty() {
        return json(StatusCode::OK, &Fetched { routers: None, checksum: String::new() });
    }
    let mut sum = Checksum::default();
    for router in &routers {
        sum.add(Checksum(router.checksum[..].try_into().unwrap_or_default()));
    }
    let shown = routers.into_iter().map(Shown::from).collect();
    json(StatusCode::OK, &Fetched { routers: Some(shown), checksum: sum.hex() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_its_method_and_all_others_lead_nowhere() {
        for (method, path, expected) in [
            (Method::PUT, "/msd/register", Some(Call::Register)),
            (Method::POST, "/msd/register", None),
            (Method::PUT, "/msd/register/", None),
            (Method::GET, "/msd/fresh/YQ==", Some(Call::Refresh("YQ=="))),
            (Method::GET, "/msd/refresh/a/b//c", Some(Call::Refresh("a/b//c"))),
            (Method::GET, "/msd/fetch/", Some(Call::Fetch(""))),
            (Method::PUT, "/msd/fetch/YQ==", None),
            (Method::GET, "/msd/fetch", None),
            (Method::GET, "/msd/router/YQ==", None),
            (Method::GET, "/", None),
        ] {
            assert_eq!(call(&method, path), expected, "{method} {path}");
        }
    }
}
