//! What a client cannot do to an agent.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use support::{Spec, agent};
use tidings_client::protocol::{Event, Handshake, Message as _, Request, ResponseHeader, Stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn encoded(requests: impl IntoIterator<Item = Request>) -> Vec<u8> {
    let mut out = Vec::new();
    for (seq, request) in requests.into_iter().enumerate() {
        request.encode(seq as u64, &mut out);
    }
    out
}

fn handshake() -> Request {
    Request::Handshake(Handshake { version: 1 })
}

/// Says something and gives all that comes back until the agent closes.
async fn talk(rpc: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(rpc).await.unwrap();
    // The agent may close before it has all: then writing fails, and reading may too.
    let _ = socket.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn a_client_that_claims_too_much_is_cut_off_at_once() {
    let alpha = agent(&Spec::new("alpha", &[])).await;
    let rpc = alpha.server().local_addr();
    // A text of 4 GiB, an array of as many, nesting without end.
    for start in [&b"\x81\xa7Version\xdb\xff\xff\xff\xff"[..], b"\xdd\xff\xff\xff\xff\x01", &[0x91; 100_000]]
    {
        assert_eq!(talk(rpc, start).await, b"");
    }
}

#[tokio::test]
async fn a_client_that_does_not_shake_hands_is_cut_off() {
    let alpha = agent(&Spec::new("alpha", &[])).await;
    let started = std::time::Instant::now();
    assert_eq!(talk(alpha.server().local_addr(), b"\x82").await, b"");
    let waited = started.elapsed();
    assert!((9..15).contains(&waited.as_secs()), "{waited:?}");
}

#[tokio::test]
async fn a_stream_nobody_reads_loses_events_and_disturbs_nobody() {
    let alpha = agent(&Spec::new("alpha", &[])).await;
    let rpc = alpha.server().local_addr();
    let mut warnings = alpha.control().log().subscribe(tidings::log::Level::Warn, "test".into());
    let mut slow = TcpStream::connect(rpc).await.unwrap();
    let stream = Request::Stream(Stream { event_type: "user".into() });
    slow.write_all(&encoded([handshake(), stream])).await.unwrap();
    let mut answers = [0; 26];
    slow.read_exact(&mut answers).await.unwrap();

    let mut busy = TcpStream::connect(rpc).await.unwrap();
    busy.write_all(&encoded([handshake()])).await.unwrap();
    busy.read_exact(&mut [0; 13]).await.unwrap();
    let event = Event { coalesce: false, name: "e".into(), payload: vec![b'x'; 400].into() };
    let mut request = Vec::new();
    Request::Event(event).encode(7, &mut request);
    // Far more than socket buffers, the connection and its queue can hold.
    for _ in 0..400 {
        busy.write_all(&request.repeat(50)).await.unwrap();
        let mut answers = [0; 13 * 50];
        busy.read_exact(&mut answers).await.unwrap();
        assert_eq!(ResponseHeader::decode(&answers[..13]).unwrap().error, "");
    }
    let warning = warnings.live.try_recv().unwrap().text;
    assert!(warning.contains("Dropping event to 127.0.0.1:"), "{warning}");
    assert!(warnings.live.try_recv().is_err(), "once is enough");
}

#[tokio::test]
async fn requests_before_the_end_of_input_are_all_answered() {
    let alpha = agent(&Spec::new("alpha", &[])).await;
    let mut socket = TcpStream::connect(alpha.server().local_addr()).await.unwrap();
    let events = (0..100).map(|n| {
        Request::Event(Event { coalesce: false, name: format!("e{n}"), payload: vec![b'x'; 10].into() })
    });
    socket.write_all(&encoded(std::iter::once(handshake()).chain(events))).await.unwrap();
    socket.shutdown().await.unwrap();
    let mut answers = Vec::new();
    socket.read_to_end(&mut answers).await.unwrap();
    assert_eq!(answers.len(), 101 * 13, "each answer is a header of 13 bytes");
}
