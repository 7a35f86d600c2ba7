//! Streams against real sockets on the loopback interface.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::on_tokio::Tokio;

const LIMITS: Limits = Limits {
    dialled_max: 4,
    backlog_each_max: 8 << 20,
    backlog_max: 12 << 20,
    linger: Duration::from_secs(10),
};

fn streams() -> Streams<Tokio> {
    Streams::new(Tokio::current().unwrap(), LIMITS)
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

/// An accepted connection in the care of `streams`, and its other end.
async fn accepted(streams: &mut Streams<Tokio>) -> (StreamId, TcpStream) {
    let (listener, addr) = listen().await;
    let peer = TcpStream::connect(addr).await.unwrap();
    let (stream, from) = listener.accept().await.unwrap();
    let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    (streams.accept(Incoming { stream, from, place }), peer)
}

async fn news(streams: &mut Streams<Tokio>) -> News {
    streams.reports.recv().await.unwrap().news
}

/// Any number will do: the worker does not look at it.
fn some_id() -> StreamId {
    StreamId::accepted(1000)
}

#[tokio::test]
async fn a_refused_connection_fails_in_the_words_of_the_original() {
    let (listener, addr) = listen().await;
    drop(listener);
    let mut streams = streams();
    streams.connect(some_id(), addr).unwrap();
    match news(&mut streams).await {
        News::Failed(text) => assert_eq!(text, format!("dial tcp {addr}: connect: connection refused")),
        other => panic!("unexpected {other:?}"),
    }
}

#[tokio::test]
async fn a_dialled_stream_carries_bytes_both_ways_and_reports_its_end() {
    let (listener, addr) = listen().await;
    let mut streams = streams();
    let id = some_id();
    streams.connect(id, addr).unwrap();
    // Bytes given before the connection stands are kept.
    streams.send(id, Bytes::from_static(b"ping")).unwrap();
    let (mut peer, _) = listener.accept().await.unwrap();
    assert!(matches!(news(&mut streams).await, News::Connected));

    let mut received = [0; 4];
    peer.read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"ping");

    let answer: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
    let sent = answer.clone();
    let writer = tokio::spawn(async move { peer.write_all(&sent).await });
    let mut read = Vec::new();
    loop {
        match news(&mut streams).await {
            News::Data(bytes) => read.extend_from_slice(&bytes),
            News::Closed => break,
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(read, answer);
    writer.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_closed_stream_is_written_to_its_end_first() {
    let mut streams = streams();
    let (id, mut peer) = accepted(&mut streams).await;
    let message = Bytes::from(vec![7; 4 << 20]);
    streams.send(id, message.clone()).unwrap();
    streams.send(id, Bytes::new()).unwrap();
    streams.close(id);
    assert!(!streams.is_open(id));
    let mut read = Vec::new();
    peer.read_to_end(&mut read).await.unwrap();
    assert!(read == message, "{} bytes came", read.len());
}

#[tokio::test]
async fn an_answer_survives_bytes_that_were_never_read() {
    let mut streams = streams();
    let (id, mut peer) = accepted(&mut streams).await;
    peer.write_all(&[1; 50_000]).await.unwrap();
    assert!(matches!(news(&mut streams).await, News::Data(_)));
    streams.send(id, Bytes::from_static(b"no")).unwrap();
    streams.close(id);
    peer.write_all(&[1; 50_000]).await.unwrap();
    let mut read = Vec::new();
    peer.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, b"no");
}

#[tokio::test]
async fn a_peer_that_never_reads_holds_no_more_than_its_backlog() {
    let mut streams = streams();
    let (id, _peer) = accepted(&mut streams).await;
    let chunk = Bytes::from(vec![0; 1 << 20]);
    let mut sent = 0;
    let error = loop {
        match streams.send(id, chunk.clone()) {
            Ok(()) => sent += chunk.len(),
            Err(error) => break error,
        }
        assert!(sent <= 256 << 20, "nothing stops the backlog");
        tokio::task::yield_now().await;
    };
    assert!(error.contains("no room for 1048576 more bytes"), "{error}");
    assert!(!streams.is_open(id));
    // The task ends, and with it what it held.
    while streams.room.available_permits() < LIMITS.backlog_max {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn all_streams_together_hold_no_more_than_the_common_backlog() {
    let mut streams = streams();
    let (first, _peer) = accepted(&mut streams).await;
    let (second, _peer) = accepted(&mut streams).await;
    // No await in between: nothing is written meanwhile.
    streams.send(first, Bytes::from(vec![0; 8 << 20])).unwrap();
    assert!(streams.send(second, Bytes::from(vec![0; 5 << 20])).is_err());
    assert!(streams.is_open(first));
}

#[tokio::test]
async fn too_many_dialled_streams_are_refused() {
    let (_listener, addr) = listen().await;
    let mut streams = streams();
    for n in 0..4 {
        streams.connect(StreamId::accepted(n), addr).unwrap();
    }
    let error = streams.connect(StreamId::accepted(4), addr).unwrap_err();
    assert_eq!(error, format!("dial tcp {addr}: too many streams open"));
    for n in 0..4 {
        streams.close(StreamId::accepted(n));
    }
    while streams.places.available_permits() < 4 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_reader_that_is_behind_makes_peers_wait() {
    let mut streams = streams();
    let (_, mut peer) = accepted(&mut streams).await;
    let sent = 32 << 20;
    let writer = tokio::spawn(async move { peer.write_all(&vec![0; sent]).await });
    while streams.reports.len() < REPORTS_MAX {
        tokio::task::yield_now().await;
    }
    // What is read from the socket waits in the queue alone, slice by slice.
    assert!(!writer.is_finished());
    let mut read = 0;
    while read < sent {
        match news(&mut streams).await {
            News::Data(bytes) => {
                assert!(bytes.len() <= 2 * SLICE, "a slice of {}", bytes.len());
                read += bytes.len();
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    writer.await.unwrap().unwrap();
}

#[tokio::test]
async fn peers_see_the_end_when_the_node_is_gone() {
    let mut streams = streams();
    let (_, mut peer) = accepted(&mut streams).await;
    drop(streams);
    assert_eq!(peer.read(&mut [0; 8]).await.unwrap(), 0);
}
