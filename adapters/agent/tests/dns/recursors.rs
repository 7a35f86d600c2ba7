//! Names of others: who is asked for them, and what comes of it.

use std::net::SocketAddr;
use std::time::Duration;

use tidings::dns::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

use crate::client::{Question, dns, put, spec};
use crate::hostile::limited;
use crate::support::{Spec, agent};

/// The answer to a query: an address, or a code.
fn answer_to(query: &[u8], rcode: u8, addr: [u8; 4]) -> Vec<u8> {
    let end = 12 + query[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
    let mut answer = query[..end].to_vec();
    answer[2] |= 0x80;
    answer[3] = 0x80 | rcode;
    answer[10..12].copy_from_slice(&[0, 0]);
    // An address for those who ask for one.
    if rcode == 0 && query[end - 4..end - 2] == [0, 1] {
        answer[7] = 1;
        answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend_from_slice(&addr);
    }
    answer
}

/// A name server that answers everything in its way.
async fn upstream(respond: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut query = [0; 2048];
        loop {
            let (len, from) = socket.recv_from(&mut query).await.unwrap();
            for answer in respond(&query[..len]) {
                socket.send_to(&answer, from).await.unwrap();
            }
        }
    });
    addr
}

/// Settings with short patience.
fn impatient(name: &'static str, ip: &str, recursors: &[SocketAddr]) -> Spec {
    let flags: Vec<String> = recursors.iter().map(|addr| format!("-recursor={addr}")).collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    Spec { json: Some(r#"{"dns_config": {"recursor_timeout": "300ms"}}"#), ..spec(name, ip, &flags) }
}

#[tokio::test]
async fn others_are_asked_one_after_another_until_one_answers() {
    let silent = upstream(|_| Vec::new()).await;
    let refusing = upstream(|query| vec![answer_to(query, 5, [0; 4])]).await;
    let honest = upstream(|query| {
        let right = answer_to(query, 0, [192, 0, 2, 1]);
        // Before it, what others might slip in.
        let mut wrong_number = answer_to(query, 0, [6, 6, 6, 6]);
        wrong_number[0] ^= 1;
        let mut wrong_question = answer_to(query, 0, [6, 6, 6, 6]);
        wrong_question[13] ^= 1;
        vec![wrong_number, wrong_question, b"junk".to_vec(), right]
    })
    .await;
    let agent = agent(&impatient("alpha", "127.0.1.7", &[silent, refusing, honest])).await;
    let answer = Question::of(&["www.example.com"]).ask(dns(&agent)).await;
    assert_eq!(answer.answers(), ["www.example.com. 60 IN A 192.0.2.1"]);
    assert_eq!(answer.flags(), ["qr", "rd", "ra"]);
    // Ours is still ours, and what nobody here has is asked for.
    let answer = Question::of(&["alpha.node.consul"]).ask(dns(&agent)).await;
    assert_eq!((answer.answers().len(), answer.flags()), (1, vec!["qr", "aa", "rd", "ra"]));
    assert_eq!(Question::of(&["nobody.node.consul"]).ask(dns(&agent)).await.rcode(), "NXDOMAIN");
    let answer = Question::of(&["-x", "203.0.113.5"]).ask(dns(&agent)).await;
    assert_eq!((answer.rcode(), answer.flags()), ("NOERROR", vec!["qr", "rd", "ra"]));
}

#[tokio::test]
async fn when_nobody_answers_the_question_fails() {
    let silent = upstream(|_| Vec::new()).await;
    let refusing = upstream(|query| vec![answer_to(query, 5, [0; 4])]).await;
    let gone = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let agent = agent(&impatient("alpha", "127.0.1.8", &[gone, refusing, silent])).await;
    for words in [&["www.example.com"][..], &["-x", "203.0.113.5"], &["+tcp", "www.example.com"]] {
        let answer = Question::of(words).ask(dns(&agent)).await;
        assert_eq!((answer.rcode(), answer.flags()), ("SERVFAIL", vec!["qr", "rd", "ra"]), "{words:?}");
        assert_eq!(answer.payload(), Some(1232));
    }
}

#[tokio::test]
async fn names_of_others_are_followed() {
    let honest = upstream(|query| vec![answer_to(query, 0, [192, 0, 2, 1])]).await;
    let agent = agent(&impatient("alpha", "127.0.1.10", &[honest])).await;
    let body = r#"{"Name":"db","Port":5432,"Address":"db.example.com"}"#;
    put(&agent, "/v1/agent/service/register", body).await;
    let body = r#"{"Node":"ext","Address":"www.example.com","Service":{"Service":"www","Port":443}}"#;
    put(&agent, "/v1/catalog/register", body).await;
    for (words, answers, additionals) in [
        (
            &["db.service.consul"][..],
            &["db.example.com. 60 IN A 192.0.2.1", "db.service.consul. 0 IN CNAME db.example.com."][..],
            &[][..],
        ),
        (
            &["ext.node.consul"],
            &["ext.node.consul. 0 IN CNAME www.example.com.", "www.example.com. 60 IN A 192.0.2.1"],
            &[],
        ),
        (
            &["www.service.consul", "SRV"],
            &["www.service.consul. 0 IN SRV 1 1 443 www.example.com."],
            &["www.example.com. 60 IN A 192.0.2.1"],
        ),
        (&["db.service.consul", "AAAA"], &["db.service.consul. 0 IN CNAME db.example.com."], &[]),
    ] {
        let answer = Question::of(words).ask(dns(&agent)).await;
        assert_eq!(answer.answers(), answers, "{words:?}");
        assert_eq!(answer.additionals(), additionals, "{words:?}");
        assert_eq!(answer.flags(), ["qr", "aa", "rd", "ra"]);
    }
}

#[tokio::test]
async fn who_asks_by_tcp_is_asked_for_by_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut query = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut query).await.unwrap();
        let answer = answer_to(&query, 0, [192, 0, 2, 7]);
        stream.write_all(&(answer.len() as u16).to_be_bytes()).await.unwrap();
        stream.write_all(&answer).await.unwrap();
    });
    let agent = agent(&impatient("alpha", "127.0.1.11", &[addr])).await;
    let answer = Question::of(&["+tcp", "www.example.com"]).ask(dns(&agent)).await;
    assert_eq!(answer.answers(), ["www.example.com. 60 IN A 192.0.2.7"]);
}

#[tokio::test]
async fn questions_for_others_are_few_and_keep_nobody_waiting() {
    let silent = upstream(|_| Vec::new()).await;
    let limits = Limits { recursions: 1, ..Limits::default() };
    let (_node, server) = limited(limits, &[&format!("-recursor={silent}")]);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let waits = Question::of(&["www.example.com"]).bytes();
    socket.send_to(&waits, server.addr()).await.unwrap();
    let second = Question::of(&["www.example.com"]);
    let second =
        tokio::time::timeout(Duration::from_secs(1), second.ask(server.addr())).await.expect("it waits, too");
    assert_eq!(second.rcode(), "SERVFAIL");
    let own = Question::of(&["consul", "SOA"]).ask(server.addr()).await;
    assert_eq!(own.rcode(), "NOERROR");
}
