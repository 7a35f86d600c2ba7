//! The agent's HTTP interface, as the commands about services use it.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::net::TcpStream;

use super::json::Format;
use super::terminal::{Failure, Terminal};
use crate::errors::reason;
use crate::tls::{self, Connection, Trust};

/// Bytes of an answer at most.
const ANSWER_MAX: usize = 256 << 20;
/// How long an answer may take that is not waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the agent serves HTTP, and what it wants to see.
#[derive(Debug, Args)]
pub(crate) struct WebFlags {
    /// Address of the agent's HTTP interface; https://ADDR if it is served over TLS
    /// [default: $TIDINGS_HTTP_ADDR, $CONSUL_HTTP_ADDR or 127.0.0.1:8500]
    #[arg(long, value_name = "ADDR")]
    http_addr: Option<String>,

    /// PEM file of the authorities whose certificates are good, if it is served over TLS
    /// [default: $TIDINGS_HTTP_CA_FILE, $CONSUL_CACERT or the system's]
    #[arg(long, value_name = "FILE")]
    http_ca_file: Option<PathBuf>,

    /// Token to show to it
    /// [default: $TIDINGS_HTTP_TOKEN, $CONSUL_HTTP_TOKEN or none]
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,

    /// How to write the result: text or json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: String,
}

impl WebFlags {
    /// The interface; flags beat the environment.
    pub(crate) fn site(&self, terminal: &Terminal<'_>) -> Site {
        let addr = self.http_addr.clone();
        let addr = addr.or_else(|| terminal.variable(&["TIDINGS_HTTP_ADDR", "CONSUL_HTTP_ADDR"]));
        let addr = addr.unwrap_or_else(|| "127.0.0.1:8500".to_owned());
        let token = self.token.clone();
        let token = token.or_else(|| terminal.variable(&["TIDINGS_HTTP_TOKEN", "CONSUL_HTTP_TOKEN"]));
        let (secure, addr) = match addr.strip_prefix("https://") {
            Some(addr) => (true, addr),
            None => (false, addr.strip_prefix("http://").unwrap_or(&addr)),
        };
        let addr = addr.trim_end_matches('/').to_owned();
        let authorities = self.http_ca_file.clone();
        let authorities = authorities
            .or_else(|| terminal.variable(&["TIDINGS_HTTP_CA_FILE", "CONSUL_CACERT"]).map(PathBuf::from));
        Site { addr, token, secure, authorities }
    }

    /// How to write the result.
    pub(crate) fn format(&self) -> Result<Format, Failure> {
        Format::from_name(&self.format).ok_or_else(|| super::info::unknown_format(&self.format))
    }
}

/// An agent's HTTP interface.
#[derive(Debug)]
pub(crate) struct Site {
    addr: String,
    token: Option<String>,
    /// Over TLS.
    secure: bool,
    /// Who vouches for its certificate, if not whom the system trusts.
    authorities: Option<PathBuf>,
}

/// What an agent answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Where a later request may wait from.
    pub(crate) index: u64,
    pub(crate) value: Value,
}

/// A name as a part of a path.
pub(crate) fn part(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}

impl Site {
    /// Reads what stands under a path.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        Ok(self.within("GET", path, String::new(), PATIENCE).await?.value)
    }

    /// Reads, once there is something newer than `index` or the agent has waited long enough.
    pub(crate) async fn wait(&self, path: &str, index: u64) -> Result<Answer, Failure> {
        let wait = Duration::from_secs(60);
        let path = format!("{path}?index={index}&wait=60s");
        self.within("GET", &path, String::new(), wait + wait / 16 + PATIENCE).await
    }

    /// Writes.
    pub(crate) async fn put(&self, path: &str, body: String) -> Result<(), Failure> {
        self.within("PUT", path, body, PATIENCE).await.map(|_| ())
    }

    async fn within(
        &self,
        method: &str,
        path: &str,
        body: String,
        limit: Duration,
    ) -> Result<Answer, Failure> {
        let failed = |error: String| Failure::because("Error querying agent", error);
        match tokio::time::timeout(limit, self.exchange(method, path, body)).await {
            Ok(result) => result.map_err(failed),
            Err(_) => Err(failed(format!("{} does not answer", self.addr))),
        }
    }

    async fn secured(&self, stream: TcpStream) -> Result<Connection, String> {
        if !self.secure {
            return Ok(Box::new(stream));
        }
        let host = self.addr.rsplit_once(':').map_or(&*self.addr, |(host, _)| host);
        let trust = self.authorities.as_deref().map_or(Trust::System, Trust::File);
        tls::connect(stream, host, trust, b"http/1.1").await
    }

    async fn exchange(&self, method: &str, path: &str, body: String) -> Result<Answer, String> {
        let stream = TcpStream::connect(&self.addr).await;
        let stream =
            stream.map_err(|error| format!("dial tcp {}: connect: {}", self.addr, reason(&error)))?;
        let stream = self.secured(stream).await?;
        let text = |error: hyper::Error| error.to_string();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
        // It ends with the answer.
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.addr)
            .header("connection", "close");
        if let Some(token) = &self.token {
            request = request.header("x-consul-token", token);
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(|error| error.to_string())?;
        let (head, body) = sender.send_request(request).await.map_err(text)?.into_parts();
        let body =
            Limited::new(body, ANSWER_MAX).collect().await.map_err(|error| error.to_string())?.to_bytes();
        if head.status != StatusCode::OK {
            let words = String::from_utf8_lossy(&body);
            return Err(format!("{} ({})", words.trim_end(), head.status));
        }
        let index = head.headers.get("x-consul-index").and_then(|value| value.to_str().ok()?.parse().ok());
        let value = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body).map_err(|error| format!("it answers no JSON: {error}"))?
        };
        Ok(Answer { index: index.unwrap_or(0), value })
    }
}

/// A text in an answer; empty if it is none.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A list of texts in an answer, with commas between them.
pub(crate) fn list(value: &Value) -> String {
    value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(",")
}

/// The worst of some checks.
pub(crate) fn worst(checks: &Value) -> &'static str {
    const WORDS: [&str; 3] = ["passing", "warning", "critical"];
    let rank = |check: &Value| WORDS.iter().position(|word| check["Status"] == **word);
    let worst = checks.as_array().into_iter().flatten().filter_map(rank).max();
    WORDS[worst.unwrap_or(0)]
}
