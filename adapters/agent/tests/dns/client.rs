//! Questions as `dig` asks them, and answers as it shows them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::{RData, Record};
use tidings::agent::Agent;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use crate::support::Spec;
use crate::support::web::ask;

/// The longest an answer is awaited.
const PATIENCE: Duration = Duration::from_secs(20);

/// A question.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    name: String,
    kind: u16,
    class: u16,
    tcp: bool,
    recursion: bool,
    opcode: u8,
    payload: Option<u16>,
    dnssec: bool,
    /// Options of the OPT record as they are sent.
    options: Vec<u8>,
}

impl Question {
    /// A question from the words that `dig` is given.
    pub(crate) fn of(words: &[&str]) -> Question {
        let mut question = Question {
            name: String::new(),
            kind: 1,
            class: 1,
            tcp: false,
            recursion: true,
            opcode: 0,
            payload: Some(1232),
            dnssec: false,
            options: Vec::new(),
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "-x" => {
                    question.name = reversed(words.next().unwrap().parse().unwrap());
                    question.kind = 12;
                }
                "+tcp" => question.tcp = true,
                "+norec" => question.recursion = false,
                "+noedns" => question.payload = None,
                "+ignore" => {}
                "+dnssec" => question.dnssec = true,
                "+cookie" => question.options = [&[0, 10, 0, 8][..], &[7; 8]].concat(),
                "+subnet=10.0.0.0/8" => question.options = vec![0, 8, 0, 5, 0, 1, 8, 0, 10],
                "+opcode=STATUS" => question.opcode = 2,
                "CH" => question.class = 3,
                word => match (word.strip_prefix("+bufsize="), kind(word)) {
                    (Some(size), _) => question.payload = Some(size.parse().unwrap()),
                    (None, Some(kind)) => question.kind = kind,
                    (None, None) if word.starts_with('+') => panic!("{word}"),
                    (None, None) => question.name = word.to_owned(),
                },
            }
        }
        question
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let bits = u16::from(self.opcode) << 11 | u16::from(self.recursion) << 8 | 0x20;
        let mut bytes = Vec::new();
        for word in [0x1234, bits, 1, 0, 0, u16::from(self.payload.is_some())] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        for label in self.name.split('.').filter(|label| !label.is_empty()) {
            bytes.push(label.len() as u8);
            bytes.extend_from_slice(label.as_bytes());
        }
        bytes.push(0);
        bytes.extend_from_slice(&self.kind.to_be_bytes());
        bytes.extend_from_slice(&self.class.to_be_bytes());
        if let Some(payload) = self.payload {
            bytes.extend_from_slice(&[0, 0, 41]);
            bytes.extend_from_slice(&payload.to_be_bytes());
            bytes.extend_from_slice(&[0, 0, if self.dnssec { 0x80 } else { 0 }, 0]);
            bytes.extend_from_slice(&(self.options.len() as u16).to_be_bytes());
            bytes.extend_from_slice(&self.options);
        }
        bytes
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn ask(&self, server: SocketAddr) -> Answer {
        let exchange = async {
            if self.tcp {
                by_stream(server, &self.bytes()).await
            } else {
                by_datagram(server, &self.bytes()).await
            }
        };
        let bytes = tokio::time::timeout(PATIENCE, exchange).await.expect("no answer");
        Answer { size: bytes.len(), message: Message::from_vec(&bytes).unwrap() }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) size: usize,
    pub(crate) message: Message,
}

impl Answer {
    pub(crate) fn rcode(&self) -> &'static str {
        match u16::from(self.message.metadata.response_code) {
            0 => "NOERROR",
            1 => "FORMERR",
            2 => "SERVFAIL",
            3 => "NXDOMAIN",
            4 => "NOTIMP",
            5 => "REFUSED",
            16 => "BADVERS",
            other => panic!("{other}"),
        }
    }

    pub(crate) fn flags(&self) -> Vec<&'static str> {
        let bits = &self.message.metadata;
        let flags = [
            (true, "qr"),
            (bits.authoritative, "aa"),
            (bits.truncation, "tc"),
            (bits.recursion_desired, "rd"),
            (bits.recursion_available, "ra"),
            (bits.authentic_data, "ad"),
        ];
        flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect()
    }

    pub(crate) fn answers(&self) -> Vec<String> {
        shown(&self.message.answers)
    }

    pub(crate) fn authorities(&self) -> Vec<String> {
        shown(&self.message.authorities)
    }

    pub(crate) fn additionals(&self) -> Vec<String> {
        shown(&self.message.additionals)
    }

    pub(crate) fn payload(&self) -> Option<u16> {
        self.message.edns.as_ref().map(hickory_proto::op::Edns::max_payload)
    }
}

/// Records as `dig` shows them, sorted.
fn shown(records: &[Record]) -> Vec<String> {
    let mut lines: Vec<String> = records
        .iter()
        .map(|record| {
            let data = match &record.data {
                RData::A(addr) => format!("A {addr}"),
                RData::AAAA(addr) => format!("AAAA {addr}"),
                RData::CNAME(name) => format!("CNAME {}", name.0.to_ascii()),
                RData::NS(name) => format!("NS {}", name.0.to_ascii()),
                RData::PTR(name) => format!("PTR {}", name.0.to_ascii()),
                RData::SRV(srv) => {
                    format!("SRV {} {} {} {}", srv.priority, srv.weight, srv.port, srv.target.to_ascii())
                }
                RData::TXT(txt) => {
                    let texts =
                        txt.txt_data.iter().map(|text| format!(" \"{}\"", String::from_utf8_lossy(text)));
                    format!("TXT{}", texts.collect::<String>())
                }
                RData::SOA(soa) => format!(
                    "SOA {} {} {} {} {} {} {}",
                    soa.mname.to_ascii(),
                    soa.rname.to_ascii(),
                    soa.serial,
                    soa.refresh,
                    soa.retry,
                    soa.expire,
                    soa.minimum,
                ),
                other => panic!("{other:?}"),
            };
            format!("{} {} {} {data}", record.name.to_ascii(), record.ttl, record.dns_class)
        })
        .collect();
    lines.sort();
    lines
}

pub(crate) async fn by_datagram(server: SocketAddr, query: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind((server.ip(), 0)).await.unwrap();
    socket.send_to(query, server).await.unwrap();
    let mut answer = vec![0; 65_535];
    let (len, _) = socket.recv_from(&mut answer).await.unwrap();
    answer.truncate(len);
    answer
}

pub(crate) async fn by_stream(server: SocketAddr, query: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(&(query.len() as u16).to_be_bytes()).await.unwrap();
    stream.write_all(query).await.unwrap();
    let mut answer = vec![0; usize::from(stream.read_u16().await.unwrap())];
    stream.read_exact(&mut answer).await.unwrap();
    answer
}

fn kind(word: &str) -> Option<u16> {
    Some(match word {
        "A" => 1,
        "NS" => 2,
        "CNAME" => 5,
        "SOA" => 6,
        "PTR" => 12,
        "MX" => 15,
        "TXT" => 16,
        "AAAA" => 28,
        "SRV" => 33,
        "AXFR" => 252,
        "ANY" => 255,
        _ => return None,
    })
}

fn reversed(addr: IpAddr) -> String {
    match addr {
        IpAddr::V4(addr) => {
            let [a, b, c, d] = addr.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(addr) => {
            let digits: Vec<String> =
                format!("{:032x}", addr.to_bits()).chars().rev().map(String::from).collect();
            format!("{}.ip6.arpa", digits.join("."))
        }
    }
}

/// An agent that serves HTTP and DNS, at an address of its own.
pub(crate) fn spec(name: &'static str, ip: &str, flags: &[&str]) -> Spec {
    let bind = format!("-bind={ip}:0");
    let fixed = [&bind, "-http-addr=127.0.0.1:0", "-dns-addr=127.0.0.1:0"];
    Spec::new(name, &fixed.into_iter().chain(flags.iter().copied()).collect::<Vec<_>>())
}

pub(crate) fn dns(agent: &Agent) -> SocketAddr {
    agent.dns().expect("it serves DNS").addr()
}

/// Asks an agent by HTTP for something that it does.
pub(crate) async fn put(agent: &Agent, path: &str, body: &str) {
    let answer = ask(agent.http().expect("it serves HTTP").addr(), "PUT", path, &[], body).await;
    assert_eq!(answer.status, 200, "{path} {body}: {}", answer.text());
}
