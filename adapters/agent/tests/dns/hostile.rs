//! Packets and streams that no honest client sends.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::Message;
use tidings::config::{Flags, resolve};
use tidings::dns::{Limits, Server, Setup, Sockets};
use tidings::http::Directory;
use tidings_core::Config;
use tidings_tokio::{Handle, Options, spawn};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use crate::client::{Question, dns, put, spec};
use crate::support::agent;

/// A server over a node, with limits of its own and settings by flags.
pub(crate) fn limited(limits: Limits, flags: &[&str]) -> (Handle, Server) {
    let config = Config::local("alpha", "127.0.0.1:0".parse().unwrap());
    let node = spawn(config, Options::default()).unwrap();
    let words = ["-dns-addr=127.0.0.1:0", "-bind=127.0.0.1:0"];
    let settings = Flags::parse(words.iter().chain(flags)).unwrap().read().unwrap();
    let config = resolve(&settings, &mut |_| {}).unwrap().registry;
    let directory = Directory::new(node.clone());
    let dns = config.dns.unwrap();
    let sockets = Sockets::bind(dns.addr).unwrap();
    let counts = std::sync::Arc::default();
    let setup = Setup {
        directory,
        config: dns,
        domain: config.domain,
        datacenter: config.datacenter,
        limits,
        counts,
    };
    (node, Server::start(sockets, setup).unwrap())
}

/// Numbers without a pattern, always the same.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }
}

/// Waits for the server to have seen everything before, and to answer still.
async fn settles(socket: &UdpSocket, server: SocketAddr) -> Vec<Vec<u8>> {
    let last = Question::of(&["last.node.consul"]).bytes();
    socket.send_to(&last, server).await.unwrap();
    let mut answers = Vec::new();
    loop {
        let mut answer = vec![0; 65_535];
        let (len, _) = tokio::time::timeout(Duration::from_secs(20), socket.recv_from(&mut answer))
            .await
            .unwrap()
            .unwrap();
        answer.truncate(len);
        if answer.windows(5).any(|word| word == b"\x04last") {
            return answers;
        }
        answers.push(answer);
    }
}

#[tokio::test]
async fn whatever_is_sent_the_answer_is_well_formed_or_there_is_none() {
    let agent = agent(&spec("alpha", "127.0.1.5", &[])).await;
    for n in 1..=30 {
        let body =
            format!(r#"{{"ID":"web{n}","Name":"web","Port":{n},"Address":"10.0.0.{n}","Tags":["a b"]}}"#);
        put(&agent, "/v1/agent/service/register", &body).await;
    }
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let seeds: Vec<Vec<u8>> = [
        &["web.service.consul", "SRV"][..],
        &["+subnet=10.0.0.0/8", "alpha.node.consul", "ANY"],
        &["-x", "127.0.1.5"],
        &["+noedns", "web.service.consul"],
        &["+cookie", "+bufsize=0", "0a000001.addr.consul"],
    ]
    .iter()
    .map(|words| Question::of(words).bytes())
    .collect();
    let mut numbers = Numbers(0x5eed);
    let mut answered = 0;
    for round in 0..200 {
        for _ in 0..20 {
            let packet = if round % 4 == 0 {
                (0..numbers.below(600)).map(|_| numbers.below(256) as u8).collect()
            } else {
                let mut packet = seeds[numbers.below(seeds.len())].clone();
                for _ in 0..=numbers.below(4) {
                    let at = numbers.below(packet.len());
                    match numbers.below(6) {
                        0 => packet.truncate(at),
                        1 => packet.insert(at, numbers.below(256) as u8),
                        2 => packet[at] = 0xc0,
                        _ => packet[at] = numbers.below(256) as u8,
                    }
                    if packet.is_empty() {
                        packet.push(0);
                    }
                }
                packet
            };
            socket.send_to(&packet, agent.dns().unwrap().addr()).await.unwrap();
        }
        for answer in settles(&socket, dns(&agent)).await {
            let message = Message::from_vec(&answer).unwrap_or_else(|error| panic!("{error}: {answer:02x?}"));
            assert!(answer[2] & 0x80 != 0, "it is an answer");
            assert_eq!(
                message.answers.len() * usize::from(u16::from(message.metadata.response_code) != 0),
                0
            );
            answered += 1;
        }
    }
    assert!(answered > 1000, "{answered}");
}

async fn send(stream: &mut TcpStream, query: &[u8]) {
    stream.write_all(&(query.len() as u16).to_be_bytes()).await.unwrap();
    stream.write_all(query).await.unwrap();
}

async fn receive(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = vec![0; usize::from(stream.read_u16().await.unwrap())];
    stream.read_exact(&mut answer).await.unwrap();
    answer
}

/// Waits for the server to close a stream without a word.
async fn closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await;
    // With unread bytes on its side the system tells it the hard way.
    let _ = read.expect("it stays open");
    assert!(rest.is_empty(), "{rest:02x?}");
}

#[tokio::test]
async fn a_stream_carries_one_question_after_another() {
    let agent = agent(&spec("alpha", "127.0.1.6", &[])).await;
    let mut stream = TcpStream::connect(dns(&agent)).await.unwrap();
    let query = Question::of(&["alpha.node.consul"]).bytes();
    for _ in 0..3 {
        send(&mut stream, &query).await;
    }
    send(&mut stream, &query[..20]).await;
    for _ in 0..3 {
        let message = Message::from_vec(&receive(&mut stream).await).unwrap();
        assert_eq!(message.answers.len(), 1);
    }
    let refused = receive(&mut stream).await;
    assert_eq!((refused.len(), refused[3] & 0xf), (12, 1), "what cannot be read is a format error");
    // An answer, and a question larger than any.
    send(&mut stream, &[&[0, 0, 0x80][..], &[0; 9]].concat()).await;
    closed(stream).await;
    let mut stream = TcpStream::connect(dns(&agent)).await.unwrap();
    stream.write_all(&[0xff, 0xff]).await.unwrap();
    closed(stream).await;
}

#[tokio::test]
async fn streams_are_few_and_do_not_stay_for_nothing() {
    let limits = Limits { streams: 2, idle: Duration::from_millis(300), ..Limits::default() };
    let (_node, server) = limited(limits, &[]);
    let query = Question::of(&["consul", "SOA"]).bytes();
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server.addr()).await.unwrap();
        send(&mut stream, &query).await;
        receive(&mut stream).await;
        kept.push(stream);
    }
    closed(TcpStream::connect(server.addr()).await.unwrap()).await;
    // Half a question is none.
    kept[0].write_all(&[0, 40, 1, 2, 3]).await.unwrap();
    for stream in kept {
        closed(stream).await;
    }
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    send(&mut stream, &query).await;
    assert_eq!(Message::from_vec(&receive(&mut stream).await).unwrap().answers.len(), 1);
}

#[tokio::test]
async fn a_later_version_of_edns_is_told_which_one_is_spoken() {
    let (_node, server) = limited(Limits::default(), &[]);
    let mut query = Question::of(&["consul", "SOA"]).bytes();
    let version = query.len() - 5;
    query[version] = 1;
    let answer = Message::from_vec(&crate::client::by_datagram(server.addr(), &query).await).unwrap();
    assert_eq!(u16::from(answer.metadata.response_code), 16);
    assert_eq!(answer.edns.unwrap().version(), 0);
}
