//! Whether a gRPC server says that it is well: one call of the health protocol (`grpc.health.v1`).
//!
//! Its two messages have one field each, so they are written by hand.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tidings_core::registry::check::Health;

use super::{Outcome, tcp};
use crate::tls::{self, Connection, Trust};

/// Bytes of an answer: there is a number in it.
const ANSWER_MAX: usize = 4096;
/// What is called.
const METHOD: &str = "/grpc.health.v1.Health/Check";
/// The status of a server that is well.
const SERVING: u64 = 1;

/// Asks `host:port`, or `host:port/service` about one of its services.
pub(super) async fn probe(target: &str, trust: Option<Trust<'_>>, timeout: Duration) -> Outcome {
    match tokio::time::timeout(timeout, ask(target, trust)).await {
        Ok(Ok(SERVING)) => Outcome::new(Health::Passing, format!("gRPC check {target}: success")),
        Ok(Ok(other)) => Outcome::critical(format!(
            "gRPC check {target}: the server says {}, not SERVING",
            ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"]
                .get(usize::try_from(other).unwrap_or(usize::MAX))
                .map_or_else(|| other.to_string(), |word| (*word).to_owned())
        )),
        Ok(Err(error)) => Outcome::critical(format!("gRPC check {target}: {error}")),
        Err(_) => Outcome::critical(format!("gRPC check {target}: context deadline exceeded")),
    }
}

async fn ask(target: &str, trust: Option<Trust<'_>>) -> Result<u64, String> {
    let (address, service) = target.split_once('/').unwrap_or((target, ""));
    let stream = tcp::connect(address).await?;
    let (stream, scheme): (Connection, _) = match trust {
        None => (Box::new(stream), "http"),
        Some(trust) => {
            let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
            (tls::connect(stream, host, trust, b"h2").await?, "https")
        }
    };
    let failed = |error: hyper::Error| format!("no answer in HTTP/2: {error}");
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(failed)?;
    // It ends when the sender is dropped.
    tokio::spawn(connection);
    let request = Request::post(format!("{scheme}://{address}{METHOD}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", "Consul Health Check")
        .body(Full::new(question(service)))
        .map_err(|error| error.to_string())?;
    let (head, body) = sender.send_request(request).await.map_err(failed)?.into_parts();
    if head.status != StatusCode::OK {
        return Err(format!("the server answers with HTTP status {}", head.status.as_u16()));
    }
    let body = Limited::new(body, ANSWER_MAX).collect().await.map_err(|error| error.to_string())?;
    // Without a message the status stands in the head.
    refused(body.trailers().unwrap_or(&head.headers))?;
    answer(&body.to_bytes()).ok_or_else(|| "the answer is none of the health protocol".to_owned())
}

/// A call's message: not compressed, its length, field 1 with the service's name.
fn question(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.extend_from_slice(&[0x0a]);
        put_varint(&mut message, service.len() as u64);
        message.extend_from_slice(service.as_bytes());
    }
    let mut framed = BytesMut::from(&[0][..]);
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(&message);
    framed.freeze()
}

fn put_varint(out: &mut BytesMut, mut number: u64) {
    while number >= 0x80 {
        out.extend_from_slice(&[number as u8 | 0x80]);
        number >>= 7;
    }
    out.extend_from_slice(&[number as u8]);
}

/// Why a call failed, if it did.
fn refused(trailers: &HeaderMap) -> Result<(), String> {
    let line = |name: &str| trailers.get(name).and_then(|value| value.to_str().ok());
    match line("grpc-status") {
        None | Some("0") => Ok(()),
        Some(code) => {
            let words = percent_encoding::percent_decode_str(line("grpc-message").unwrap_or_default());
            Err(format!("rpc error: code = {} desc = {}", name_of(code), words.decode_utf8_lossy()))
        }
    }
}

/// What Go calls a status code.
fn name_of(code: &str) -> &str {
    const NAMES: [&str; 17] = [
        "OK",
        "Canceled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    ];
    code.parse().ok().and_then(|code: usize| NAMES.get(code).copied()).unwrap_or(code)
}

/// The status in an answer: field 1, a number; zero if it is left out. `None`: it is no such message.
fn answer(bytes: &[u8]) -> Option<u64> {
    let (&[compressed, a, b, c, d], message) = bytes.split_first_chunk()?;
    let len = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    let mut rest = (compressed == 0).then(|| message.get(..len))??;
    let mut status = 0;
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        match (key >> 3, key & 7) {
            (1, 0) => status = varint(&mut rest)?,
            // Fields of later versions.
            (_, 0) => {
                varint(&mut rest)?;
            }
            (_, 2) => {
                let len = usize::try_from(varint(&mut rest)?).ok()?;
                rest = rest.get(len..)?;
            }
            _ => return None,
        }
    }
    Some(status)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::net::SocketAddr;
    use std::sync::Arc;

    use hyper::server::conn::http2 as served;
    use hyper::service::service_fn;
    use quickcheck::quickcheck;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::tls::Certificates;

    const LONG: Duration = Duration::from_secs(30);

    /// Says by the service's name how that fares, and what is wrong with the call.
    async fn respond(
        request: Request<hyper::body::Incoming>,
    ) -> Result<http::Response<http_body_util::combinators::BoxBody<Bytes, Infallible>>, Infallible> {
        assert_eq!(request.uri().path(), METHOD);
        assert_eq!(request.headers()["te"], "trailers");
        let asked = request.into_body().collect().await.unwrap().to_bytes();
        let service = String::from_utf8_lossy(asked.get(7..).unwrap_or_default()).into_owned();
        let message: &[u8] = match &*service {
            "" | "web" => &[0, 0, 0, 0, 2, 8, 1],
            "down" => &[0, 0, 0, 0, 2, 8, 2],
            "zero" => &[0, 0, 0, 0, 0],
            _ => &[1, 2, 3],
        };
        let mut trailers = HeaderMap::new();
        let code = if service == "missing" { "5" } else { "0" };
        trailers.insert("grpc-status", code.parse().unwrap());
        trailers.insert("grpc-message", "unknown%20service".parse().unwrap());
        let body = Full::new(Bytes::copy_from_slice(message));
        let body = body.with_trailers(async move { Some(Ok(trailers)) }).boxed();
        let mut response = http::Response::new(body);
        if service == "teapot" {
            *response.status_mut() = StatusCode::IM_A_TEAPOT;
        }
        Ok(response)
    }

    async fn server(certificates: Option<Certificates>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let stream: Connection = match &certificates {
                    None => Box::new(stream),
                    Some(certificates) => {
                        let mut config = (*certificates.current()).clone();
                        config.alpn_protocols = vec![b"h2".to_vec()];
                        match TlsAcceptor::from(Arc::new(config)).accept(stream).await {
                            Ok(stream) => Box::new(stream),
                            Err(_) => continue,
                        }
                    }
                };
                let connection = served::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service_fn(respond));
                tokio::spawn(connection);
            }
        });
        addr
    }

    #[tokio::test]
    async fn a_server_says_how_it_and_its_services_fare() {
        let addr = server(None).await;
        for (service, status, expected) in [
            ("", Health::Passing, "success"),
            ("/web", Health::Passing, "success"),
            ("/down", Health::Critical, "the server says NOT_SERVING, not SERVING"),
            ("/zero", Health::Critical, "the server says UNKNOWN, not SERVING"),
            ("/missing", Health::Critical, "rpc error: code = NotFound desc = unknown service"),
            ("/odd", Health::Critical, "the answer is none of the health protocol"),
            ("/teapot", Health::Critical, "the server answers with HTTP status 418"),
        ] {
            let target = format!("{addr}{service}");
            let expected = Outcome::new(status, format!("gRPC check {target}: {expected}"));
            assert_eq!(probe(&target, None, LONG).await, expected);
        }
    }

    #[tokio::test]
    async fn over_tls_its_certificate_must_be_good_unless_any_will_do() {
        let dir = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let (cert, key) = (dir.path().join("c"), dir.path().join("k"));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let target = server(Some(Certificates::load(&cert, &key).unwrap())).await.to_string();
        assert_eq!(probe(&target, Some(Trust::Anybody), LONG).await.status, Health::Passing);
        assert_eq!(probe(&target, Some(Trust::File(&cert)), LONG).await.status, Health::Passing);
        let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        std::fs::write(&cert, other.cert.pem()).unwrap();
        let outcome = probe(&target, Some(Trust::File(&cert)), LONG).await;
        assert_eq!(outcome.status, Health::Critical);
        assert!(outcome.output.contains("certificate"), "{}", outcome.output);
    }

    #[tokio::test]
    async fn who_is_silent_or_talks_nonsense_is_critical_in_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let outcome = probe(&target, None, Duration::from_millis(100)).await;
        assert_eq!(outcome, Outcome::critical(format!("gRPC check {target}: context deadline exceeded")));
        let outcome = probe("127.0.0.1", None, LONG).await;
        assert!(outcome.output.ends_with("missing port in address"), "{}", outcome.output);
    }

    quickcheck! {
        fn no_answer_does_harm(bytes: Vec<u8>) -> bool {
            let framed = [&[0, 0, 0, 0, bytes.len() as u8], &bytes[..]].concat();
            let _ = (answer(&bytes), answer(&framed));
            true
        }
    }
}
