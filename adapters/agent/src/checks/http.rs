//! What a web server answers.
//!
//! Each probe opens a connection of its own. Redirects are followed as Go's client does; what is read
//! of an answer is bounded.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tidings_core::registry::check::Health;

use super::{Outcome, tcp};
use crate::tls::{self, Connection, Trust};

/// Redirects followed.
const REDIRECTS_MAX: usize = 10;
/// Bytes of an answer's head.
const HEAD_MAX: usize = 64 << 10;

/// What is asked, as it was registered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) url: &'a str,
    pub(super) method: &'a str,
    pub(super) header: &'a [(String, Vec<String>)],
    pub(super) body: &'a str,
    /// For `https`.
    pub(super) trust: Trust<'a>,
}

pub(super) async fn probe(request: &Request<'_>, timeout: Duration, output_max: usize) -> Outcome {
    let method = if request.method.is_empty() { "GET" } else { request.method };
    let failed = |what: &str| {
        // Go writes the method like a word here.
        let (first, rest) = method.split_at(method.chars().next().map_or(0, char::len_utf8));
        Outcome::critical(format!("{first}{} {:?}: {what}", rest.to_lowercase(), request.url))
    };
    match tokio::time::timeout(timeout, ask(request, method, output_max)).await {
        Ok(Ok((status, body))) => {
            let health = match status.as_u16() {
                200..=299 => Health::Passing,
                429 => Health::Warning,
                _ => Health::Critical,
            };
            let (code, words) = (status.as_u16(), status.canonical_reason().unwrap_or(""));
            Outcome::new(health, format!("HTTP {method} {}: {code} {words} Output: {body}", request.url))
        }
        Ok(Err(error)) => failed(&error),
        Err(_) => failed("context deadline exceeded (Client.Timeout exceeded while awaiting headers)"),
    }
}

/// Asks, and where it is sent on to; the final status and the beginning of its body.
async fn ask(request: &Request<'_>, method: &str, output_max: usize) -> Result<(StatusCode, String), String> {
    let mut uri = parse(request.url)?;
    let headers = headers(request.header)?;
    let mut method =
        Method::from_bytes(method.as_bytes()).map_err(|_| format!("net/http: invalid method {method:?}"))?;
    let mut body = Bytes::copy_from_slice(request.body.as_bytes());
    for _ in 0..=REDIRECTS_MAX {
        let response = exchange(&uri, &method, &headers, &body, request.trust).await?;
        let status = response.status();
        match status.as_u16() {
            301..=303 => {
                if method != Method::HEAD {
                    method = Method::GET;
                }
                body = Bytes::new();
            }
            307 | 308 => {}
            _ => return Ok((status, beginning(response.into_body(), output_max).await)),
        }
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let location =
            location.ok_or_else(|| format!("{} response missing Location header", status.as_u16()))?;
        uri = redirected(&uri, location)?;
    }
    Err(format!("stopped after {REDIRECTS_MAX} redirects"))
}

/// A URL that can be asked.
fn parse(url: &str) -> Result<Uri, String> {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    match scheme {
        "http" | "https" => url.parse().map_err(|error| format!("invalid URL: {error}")),
        other => Err(format!("unsupported protocol scheme {other:?}")),
    }
}

/// Where a server sends its clients.
fn redirected(from: &Uri, location: &str) -> Result<Uri, String> {
    if location.contains("://") {
        return parse(location);
    }
    let authority = from.authority().map_or("", |authority| authority.as_str());
    if let Some(other) = location.strip_prefix("//") {
        return parse(&format!("{}://{other}", from.scheme_str().unwrap_or("http")));
    }
    let dir = from.path().rsplit_once('/').map_or("", |(dir, _)| dir);
    let path = if location.starts_with('/') { location.to_owned() } else { format!("{dir}/{location}") };
    parse(&format!("{}://{authority}{path}", from.scheme_str().unwrap_or("http")))
}

/// The header lines of a request: those given, and who asks.
fn headers(given: &[(String, Vec<String>)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static("Consul Health Check"));
    headers.insert(ACCEPT, HeaderValue::from_static("text/plain, text/*, */*"));
    for (name, values) in given {
        let wrong = || format!("net/http: invalid header field name {name:?}");
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        headers.remove(&name);
        for value in values {
            let wrong = || format!("net/http: invalid header field value for {name:?}");
            headers.append(&name, HeaderValue::from_str(value).map_err(|_| wrong())?);
        }
    }
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(headers)
}

async fn exchange(
    uri: &Uri,
    method: &Method,
    headers: &HeaderMap,
    body: &Bytes,
    trust: Trust<'_>,
) -> Result<http::Response<Incoming>, String> {
    let authority = uri.authority().ok_or("http: no Host in request URL")?;
    let host = authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, host)| host);
    let secure = uri.scheme_str() == Some("https");
    let port = if secure { 443 } else { 80 };
    let address = if authority.port().is_some() { host.to_owned() } else { format!("{host}:{port}") };
    let stream = tcp::connect(&address).await?;
    let stream: Connection = if secure {
        tls::connect(stream, authority.host(), trust, b"http/1.1").await?
    } else {
        Box::new(stream)
    };
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    // It ends with the answer, or when the answer is dropped.
    tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = http::Request::new(Full::new(body.clone()));
    *request.method_mut() = method.clone();
    *request.uri_mut() = path.parse().map_err(|error| format!("invalid URL: {error}"))?;
    *request.headers_mut() = headers.clone();
    if !headers.contains_key(HOST) {
        let value = HeaderValue::from_str(host).map_err(|_| format!("invalid host {host:?}"))?;
        request.headers_mut().insert(HOST, value);
    }
    sender.send_request(request).await.map_err(|error| {
        if error.is_incomplete_message() {
            "EOF".to_owned()
        } else {
            format!("malformed HTTP response: {error}")
        }
    })
}

/// The first bytes of a body, as a text. What comes of it after that, or breaks off, is of no interest.
async fn beginning(mut body: Incoming, max: usize) -> String {
    let mut kept = Vec::new();
    while kept.len() < max {
        let Some(Ok(frame)) = body.frame().await else { break };
        if let Some(data) = frame.data_ref() {
            kept.extend_from_slice(&data[..data.len().min(max - kept.len())]);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    /// A server that answers by the path, and tells of the request what `/echo` asks for.
    async fn server() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = vec![0; 4096];
                let mut len = 0;
                while !bytes[..len].windows(4).any(|four| four == b"\r\n\r\n") {
                    len += stream.read(&mut bytes[len..]).await.unwrap();
                }
                let text = String::from_utf8_lossy(&bytes[..len]).into_owned();
                let path = text.split(' ').nth(1).unwrap().to_owned();
                let answer = match path.split_once("/status/") {
                    Some((_, "301")) => "HTTP/1.1 301 X\r\nContent-Length: 0\r\n\r\n".to_owned(),
                    Some((_, code)) => {
                        format!("HTTP/1.1 {code} X\r\nContent-Length: 8\r\n\r\ncode {code}")
                    }
                    None if path == "/to" => "HTTP/1.1 302 X\r\nLocation: status/200\r\n\r\n".to_owned(),
                    None if path == "/loop" => "HTTP/1.1 307 X\r\nLocation: /loop\r\n\r\n".to_owned(),
                    None if path == "/silent" => {
                        // It keeps the connection open and says nothing.
                        std::mem::forget(stream);
                        continue;
                    }
                    None if path == "/nonsense" => "hello\r\n\r\n".to_owned(),
                    None if path == "/headers" => {
                        format!("HTTP/1.1 200 X\r\nA: {}\r\n\r\n", "x".repeat(1 << 20))
                    }
                    None if path == "/big" => format!("HTTP/1.1 200 X\r\n\r\n{}", "x".repeat(9000)),
                    None => format!("HTTP/1.1 200 X\r\nContent-Length: {len}\r\n\r\n{text}"),
                };
                // Who has read enough hangs up.
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        addr
    }

    async fn get(url: &str) -> Outcome {
        let request = Request { url, method: "", header: &[], body: "", trust: Trust::System };
        probe(&request, LONG, 4096).await
    }

    #[tokio::test]
    async fn the_status_says_how_it_fares() {
        let addr = server().await;
        for (code, status, words) in [
            (200, Health::Passing, "200 OK"),
            (299, Health::Passing, "299 "),
            (400, Health::Critical, "400 Bad Request"),
            (404, Health::Critical, "404 Not Found"),
            (429, Health::Warning, "429 Too Many Requests"),
            (503, Health::Critical, "503 Service Unavailable"),
        ] {
            let url = format!("http://{addr}/status/{code}");
            let expected = Outcome::new(status, format!("HTTP GET {url}: {words} Output: code {code}"));
            assert_eq!(get(&url).await, expected);
        }
    }

    #[tokio::test]
    async fn redirects_are_followed_but_not_for_ever() {
        let addr = server().await;
        let url = format!("http://{addr}/to");
        let expected = format!("HTTP GET {url}: 200 OK Output: code 200");
        assert_eq!(get(&url).await, Outcome::new(Health::Passing, expected));
        let url = format!("http://{addr}/loop");
        assert_eq!(get(&url).await, Outcome::critical(format!("Get {url:?}: stopped after 10 redirects")));
        let url = format!("http://{addr}/status/301");
        let expected = format!("Get {url:?}: 301 response missing Location header");
        assert_eq!(get(&url).await, Outcome::critical(expected));
    }

    #[tokio::test]
    async fn a_request_is_sent_as_it_was_registered() {
        let addr = server().await;
        let url = format!("http://{addr}/echo?x=1");
        let header =
            [("X-A".into(), vec!["1".into(), "2".into()]), ("Host".into(), vec!["h.example".into()])];
        let request =
            Request { url: &url, method: "POST", header: &header, body: "hello", trust: Trust::System };
        let output = probe(&request, LONG, 4096).await.output;
        for part in [
            "HTTP POST",
            "POST /echo?x=1 HTTP/1.1",
            "user-agent: Consul Health Check",
            "accept: text/plain, text/*, */*",
            "x-a: 1\r\nx-a: 2",
            "host: h.example",
            "content-length: 5",
        ] {
            assert!(output.contains(part), "no {part:?} in {output}");
        }
    }

    #[tokio::test]
    async fn what_is_read_of_an_answer_is_bounded() {
        let addr = server().await;
        let url = format!("http://{addr}/big");
        let request = Request { url: &url, method: "", header: &[], body: "", trust: Trust::System };
        let outcome = probe(&request, LONG, 100).await;
        let expected = format!("HTTP GET {url}: 200 OK Output: {}", "x".repeat(100));
        assert_eq!(outcome, Outcome::new(Health::Passing, expected));
        assert_eq!(get(&format!("http://{addr}/headers")).await.status, Health::Critical);
    }

    #[tokio::test]
    async fn what_cannot_be_asked_is_critical_and_says_why() {
        let addr = server().await;
        for (url, expected) in [
            ("nourl".to_owned(), "unsupported protocol scheme \"\""),
            ("ftp://h/".to_owned(), "unsupported protocol scheme \"ftp\""),
            ("http://127.0.0.1:1/".to_owned(), "dial tcp 127.0.0.1:1: connect: connection refused"),
        ] {
            assert_eq!(get(&url).await, Outcome::critical(format!("Get {url:?}: {expected}")));
        }
        let outcome = get(&format!("http://{addr}/nonsense")).await;
        assert!(outcome.output.contains("malformed HTTP response"), "{outcome:?}");
        let url = format!("http://{addr}/silent");
        let request = Request { url: &url, method: "HEAD", header: &[], body: "", trust: Trust::System };
        let outcome = probe(&request, Duration::from_millis(100), 10).await;
        let words = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
        assert_eq!(outcome, Outcome::critical(format!("Head {url:?}: {words}")));
    }
}
