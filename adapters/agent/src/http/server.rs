//! Connections: accepted within limits, requests read to their end, answers written out.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use serde::Serialize as _;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::Site;
use super::answer::{self, Answer, Body, WRITABLE};
use super::cache::Cache;
use super::directory::Directory;
use super::events::EventLog;
use super::live::Payload;
use super::params::Params;
use super::query::Queries;
use super::registration::Allowed;
use super::route::Request;
use super::rules::Rules;
use super::status::Positions;
use crate::agent::Control;
use crate::dns::Counts;
use crate::tls::{Certificates, Connection};

/// What clients may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body_max: usize,
    /// Connections of one address; more are closed without an answer.
    pub connections_per_client: usize,
    /// Time in which the head of a request must be there, and again its body.
    pub read_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { body_max: 512 << 10, connections_per_client: 200, read_time: Duration::from_secs(10) }
    }
}

/// A client asks for the configuration to be read again, and waits for what came of it.
pub type ReloadRequest = oneshot::Sender<Result<(), String>>;

/// What a server serves.
pub struct Setup {
    /// The catalog.
    pub directory: Directory,
    /// The agent's operations on its node.
    pub control: Control,
    /// The name of the data centre.
    pub datacenter: String,
    /// The port of DNS; `None`: it is off.
    pub dns_port: Option<u16>,
    /// How many questions came there.
    pub dns_counts: Arc<Counts>,
    /// What clients may use.
    pub limits: Limits,
    /// Answers are always indented, as in the original's development mode.
    pub pretty: bool,
    /// The page for people is served, at `/ui/`.
    pub ui: bool,
    /// What may be registered.
    pub allowed: Allowed,
    /// What clients have to show; `None`: nothing.
    pub token: Option<String>,
    /// What is refused and added.
    pub rules: Rules,
    /// What it shows of itself over TLS; `None`: it serves without.
    pub certificates: Option<Arc<Certificates>>,
    /// Where prepared queries outlive the process; `None`: they do not.
    pub queries: Option<PathBuf>,
    /// Who reads the configuration again. Without a receiver nobody does.
    pub reload: mpsc::Sender<ReloadRequest>,
}

/// How answers are written out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Always for people to read.
    pub(crate) pretty: bool,
}

/// What is known of a request before its body is read.
pub(crate) struct Head<'a> {
    /// Who sends it.
    pub(crate) from: IpAddr,
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) params: &'a Params,
}

/// What is served on a port.
pub(crate) trait Api: Send + Sync + 'static {
    /// The refusal of a request before its body is read, if it is refused.
    fn refusal(&self, head: &Head<'_>) -> Option<Answer>;

    /// Header lines of every answer but that a path is unknown.
    fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &[]
    }

    /// Answers a request that was read to its end.
    fn answer(&self, request: Request) -> impl Future<Output = Answer> + Send;
}

/// A running HTTP server. Dropped, it takes no more connections, and ends those there are.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    task: JoinHandle<()>,
    follower: JoinHandle<()>,
    listed: JoinHandle<()>,
    left: watch::Receiver<bool>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        self.follower.abort();
        self.listed.abort();
    }
}

impl Server {
    /// Serves a node's registry on a listening socket.
    ///
    /// # Errors
    /// The socket has no address any more.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(listener: TcpListener, setup: Setup) -> std::io::Result<Server> {
        let addr = listener.local_addr()?;
        let Setup {
            directory,
            control,
            datacenter,
            dns_port,
            dns_counts,
            limits,
            pretty,
            ui,
            allowed,
            token,
            rules,
            certificates,
            queries,
            reload,
        } = setup;
        let follower = tokio::spawn(directory.clone().follow());
        let (left, has_left) = watch::channel(false);
        let events = EventLog::new();
        let listed = tokio::spawn(events.clone().follow(directory.clone()));
        let cache = Cache::default();
        let site = Arc::new(Site {
            cache,
            queries: Queries::new(queries),
            positions: Positions::default(),
            events,
            directory,
            control,
            datacenter,
            dns_port,
            dns_counts,
            allowed,
            ui,
            rules,
            token,
            reload,
            left,
        });
        let task = serve(listener, site, limits, Style { pretty }, certificates);
        Ok(Server { addr, task, follower, listed, left: has_left })
    }

    /// Waits until a client made the agent leave and has been told so.
    pub async fn left(&self) {
        let mut left = self.left.clone();
        if left.wait_for(|left| *left).await.is_err() {
            // Its task has ended: nobody can ask for it any more.
            std::future::pending::<()>().await;
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }
}

/// How many connections each address has.
#[derive(Clone, Default)]
struct Clients(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One of the connections of an address.
struct Place {
    clients: Clients,
    ip: IpAddr,
}

impl Clients {
    fn place(&self, ip: IpAddr, max: usize) -> Option<Place> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(ip).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Place { clients: self.clone(), ip })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.clients.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.ip);
            }
        }
    }
}

/// Serves whoever connects, over TLS if there are certificates, until the task is aborted.
pub(crate) fn serve<A: Api>(
    listener: TcpListener,
    api: Arc<A>,
    limits: Limits,
    style: Style,
    certificates: Option<Arc<Certificates>>,
) -> JoinHandle<()> {
    tokio::spawn(accept(listener, api, limits, style, certificates))
}

async fn accept<A: Api>(
    listener: TcpListener,
    api: Arc<A>,
    limits: Limits,
    style: Style,
    certificates: Option<Arc<Certificates>>,
) {
    let clients = Clients::default();
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    if let Some(place) = clients.place(from.ip(), limits.connections_per_client) {
                        let tls = certificates.as_ref().map(|it| it.current());
                        connections.spawn(connection(stream, tls, api.clone(), limits, style, place));
                    }
                }
                // No more files, or the client is gone already: others may fare better soon.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A connection as it is to be talked on; `None`: the client does not agree in time on how to encrypt.
async fn secured(stream: TcpStream, tls: Option<Arc<ServerConfig>>, limits: Limits) -> Option<Connection> {
    // Small answers go out at once.
    let _ = stream.set_nodelay(true);
    let Some(config) = tls else { return Some(Box::new(stream)) };
    let accepted = tokio::time::timeout(limits.read_time, TlsAcceptor::from(config).accept(stream)).await;
    Some(Box::new(accepted.ok()?.ok()?))
}

async fn connection<A: Api>(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    api: Arc<A>,
    limits: Limits,
    style: Style,
    place: Place,
) {
    let Some(stream) = secured(stream, tls, limits).await else { return };
    // Dropped with the connection: whoever waits for an answer to be sent knows then that it was.
    let (kept, from) = (Mutex::new(None), place.ip);
    let service = service_fn(|request| {
        let (api, kept) = (api.clone(), &kept);
        async move {
            let (response, last) = respond(&*api, from, limits, style, request).await;
            if last.is_some() {
                *kept.lock().unwrap_or_else(PoisonError::into_inner) = last;
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.read_time)
        .serve_connection(TokioIo::new(stream), service);
    // A client that goes away, or talks nonsense, has been told what there was to tell.
    let _ = connection.await;
    drop(place);
}

/// A response, and what is to be dropped when it has been sent.
type Sent = (Response<Payload>, Option<oneshot::Sender<()>>);

/// The answer to a request.
async fn respond<A: Api>(
    api: &A,
    from: IpAddr,
    limits: Limits,
    style: Style,
    request: http::Request<Incoming>,
) -> Sent {
    let (head, body) = request.into_parts();
    let params = Params::parse(head.uri.query().unwrap_or_default());
    let pretty = style.pretty || params.has("pretty");
    let gzip = accepts(&head.headers, &ACCEPT_ENCODING, "gzip");
    let as_text = params.get("format") == Some("text") || accepts(&head.headers, &ACCEPT, "text/plain");
    let path = head.uri.path().to_owned();
    let known = Head { from, method: &head.method, path: &path, headers: &head.headers, params: &params };
    let answer = match api.refusal(&known) {
        Some(refusal) => refusal,
        None => match read(body, limits).await {
            Ok(body) => api.answer(Request { method: head.method, path, params, body, as_text }).await,
            Err(refusal) => refusal,
        },
    };
    // Where nothing is served, nothing is said of it, either.
    let common = if answer.is_unknown() { &[] } else { api.headers() };
    let (mut response, last) = written(answer, pretty, gzip);
    response.headers_mut().extend(common.iter().cloned());
    (response, last)
}

/// The body of a request.
///
/// # Errors
/// The answer to one that is too large, too slow or broken off.
async fn read(body: Incoming, limits: Limits) -> Result<Vec<u8>, Answer> {
    let too_large = || {
        let words = format!("Request body too large, max size: {} bytes", limits.body_max);
        Answer::error(StatusCode::PAYLOAD_TOO_LARGE, words)
    };
    // Who says so beforehand need not send it.
    if body.size_hint().lower() > limits.body_max as u64 {
        return Err(too_large());
    }
    let body = Limited::new(body, limits.body_max).collect();
    match tokio::time::timeout(limits.read_time, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(Answer::bad(format!("cannot read the body: {error}"))),
        Err(_) => Err(Answer::error(StatusCode::REQUEST_TIMEOUT, "the body took too long")),
    }
}

/// Whether a header line names something.
fn accepts(headers: &HeaderMap, name: &HeaderName, what: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    let words = |line: &str| line.split([',', ';']).any(|word| word.trim().eq_ignore_ascii_case(what));
    lines.into_iter().any(words)
}

fn written(mut answer: Answer, pretty: bool, gzip: bool) -> Sent {
    let last = answer.last.take();
    let mut response = match answer.body {
        Body::Log { lines, json } => {
            let mut response = Response::new(Payload::Log { lines, json });
            response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
            response
        }
        _ => whole(answer, pretty, gzip),
    };
    if last.is_some() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    (response, last)
}

fn whole(answer: Answer, pretty: bool, gzip: bool) -> Response<Payload> {
    let unknown = answer.is_unknown();
    let (kind, bytes) = match answer.body {
        Body::Empty | Body::Log { .. } => (None, Bytes::new()),
        Body::Text(text) => (Some("text/plain; charset=utf-8"), text.into()),
        Body::Json(value) if pretty => (Some("application/json"), indented(&value)),
        Body::Json(value) => (Some("application/json"), answer::written(&value)),
        Body::Written(bytes) if pretty => {
            let value: Value = serde_json::from_slice(&bytes).expect("it was written as JSON");
            (Some("application/json"), indented(&value))
        }
        Body::Written(bytes) => (Some("application/json"), bytes),
        Body::Other(kind, bytes) => (Some(kind), bytes),
    };
    let compressed = (gzip && !bytes.is_empty()).then(|| compress(&bytes)).flatten();
    let zipped = compressed.is_some();
    let bytes = compressed.unwrap_or(bytes);
    let len = bytes.len();
    let mut response = Response::new(Payload::Whole(Full::new(bytes)));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.extend(answer.headers);
    headers.insert(CONTENT_LENGTH, len.into());
    if let Some(kind) = kind {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    if !unknown {
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    if zipped {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Indented by four and with an end of line.
fn indented(value: &Value) -> Bytes {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, formatter)).expect(WRITABLE);
    out.push(b'\n');
    out.into()
}

fn compress(bytes: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::fast());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().map(Bytes::from)
}
