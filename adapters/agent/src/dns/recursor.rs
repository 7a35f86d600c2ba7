//! Other name servers, asked for names that are not ours (consul-dns, section 6).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::RData;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::encode::query;
use super::fit::Transport;
use super::name::Name;
use super::record::{Data, IN, Rcode, Record};
use super::request::{HEAD, Request, bit};

/// Records taken from one answer.
const RECORDS_MAX: usize = 16;
/// Bytes of an answer.
const ANSWER_MAX: usize = 65_535;
/// A question that got lost is asked again; on a host's own network that is soon enough.
const ATTEMPTS: u32 = 2;

/// Who is asked, one after another.
pub(super) struct Recursors {
    addrs: Vec<SocketAddr>,
    /// How long each may take.
    timeout: Duration,
}

impl Recursors {
    pub(super) const fn new(addrs: Vec<SocketAddr>, timeout: Duration) -> Recursors {
        Recursors { addrs, timeout }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.addrs.is_empty()
    }

    /// What the first of them that answers says to a client's question, as a message for the client;
    /// `None`: all fail.
    pub(super) async fn forward(&self, request: &Request, transport: Transport) -> Option<Vec<u8>> {
        let question = (&request.name, request.kind, request.class);
        let bits = request.bits | bit::RECURSION_DESIRED;
        let query = query(random()?, bits, question, request.edns.as_ref());
        let mut answer = self.ask(&query, transport).await?;
        answer[..2].copy_from_slice(&request.id.to_be_bytes());
        Some(answer)
    }

    /// The addresses that a name of others has, and the names between.
    pub(super) async fn resolve(&self, name: &Name, kind: u16) -> Vec<Record> {
        let Some(id) = random() else { return Vec::new() };
        let query = query(id, bit::RECURSION_DESIRED, (name, kind, IN), None);
        let answer = self.ask(&query, Transport::Udp).await;
        let message = answer.and_then(|answer| Message::from_vec(&answer).ok());
        let answers = message.map(|message| message.answers).unwrap_or_default();
        answers.iter().filter_map(record).take(RECORDS_MAX).collect()
    }

    /// Asks one after another until somebody has an answer.
    async fn ask(&self, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
        for addr in &self.addrs {
            let answer = match transport {
                Transport::Udp => self.by_datagram(*addr, query).await,
                Transport::Tcp => timeout(self.timeout, by_stream(*addr, query)).await.unwrap_or(None),
            };
            if let Some(answer) = answer.filter(|answer| is_answer(query, answer) && is_final(answer)) {
                return Some(answer);
            }
        }
        None
    }

    /// Every question has a socket, and with it a port, of its own.
    async fn by_datagram(&self, addr: SocketAddr, query: &[u8]) -> Option<Vec<u8>> {
        let any: IpAddr =
            if addr.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0)).await.ok()?;
        socket.connect(addr).await.ok()?;
        for _ in 0..ATTEMPTS {
            socket.send(query).await.ok()?;
            match timeout(self.timeout / ATTEMPTS, hear(&socket, query)).await {
                Ok(Ok(answer)) => return Some(answer),
                // Nobody is there.
                Ok(Err(_)) => return None,
                Err(_) => {}
            }
        }
        None
    }
}

/// Waits for the answer to a query; what else comes is passed over.
async fn hear(socket: &UdpSocket, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut answer = vec![0; ANSWER_MAX];
    loop {
        let len = socket.recv(&mut answer).await?;
        if is_answer(query, &answer[..len]) {
            answer.truncate(len);
            return Ok(answer);
        }
    }
}

async fn by_stream(addr: SocketAddr, query: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(addr).await.ok()?;
    let mut framed = u16::try_from(query.len()).ok()?.to_be_bytes().to_vec();
    framed.extend_from_slice(query);
    stream.write_all(&framed).await.ok()?;
    let len = stream.read_u16().await.ok()?;
    let mut answer = vec![0; usize::from(len)];
    stream.read_exact(&mut answer).await.ok()?;
    Some(answer)
}

/// Whether a message answers a query: the same number, and the same question.
fn is_answer(query: &[u8], answer: &[u8]) -> bool {
    let Some((head, question)) = query.split_first_chunk::<HEAD>() else { return false };
    // Behind the question of a query there is nothing, or an OPT record, which begins with a zero.
    let end = question.iter().position(|byte| *byte == 0).map_or(question.len(), |zero| zero + 5);
    let question = &question[..end.min(question.len())];
    let Some((other, rest)) = answer.split_first_chunk::<HEAD>() else { return false };
    let Some(repeated) = rest.get(..question.len()) else { return false };
    head[..2] == other[..2]
        && other[2] & 0x80 != 0
        && other[4..6] == [0, 1]
        && repeated.eq_ignore_ascii_case(question)
}

/// Whether others need not be asked any more.
fn is_final(answer: &[u8]) -> bool {
    let rcode = answer[3] & 0xf;
    rcode == Rcode::NoError as u8 || rcode == Rcode::NxDomain as u8
}

fn record(record: &hickory_proto::rr::Record) -> Option<Record> {
    let name = |name: &hickory_proto::rr::Name| Name::of_labels(name.iter());
    let data = match &record.data {
        RData::A(addr) => Data::A(addr.0),
        RData::AAAA(addr) => Data::Aaaa(addr.0),
        RData::CNAME(target) => Data::Cname(name(&target.0)?),
        _ => return None,
    };
    Some(Record { owner: name(&record.name)?, ttl: record.ttl, data })
}

/// A number nobody can guess; `None`: the system has none.
fn random() -> Option<u16> {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).ok()?;
    Some(u16::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_known_by_its_number_and_question() {
        let name = Name::parse("www.example.com").unwrap();
        let query = query(7, 0, (&name, 1, 1), None);
        let mut answer = query.clone();
        assert!(!is_answer(&query, &answer), "it is the query itself");
        answer[2] |= 0x80;
        assert!(is_answer(&query, &answer) && is_answer(&query, &[&answer[..], b"more"].concat()));
        answer[13] = b'W';
        assert!(is_answer(&query, &answer), "spelt in another way");
        for at in [0, 1, 5, 14, answer.len() - 3] {
            let mut other = answer.clone();
            other[at] ^= 1;
            assert!(!is_answer(&query, &other), "byte {at}");
        }
        for len in 0..answer.len() {
            assert!(!is_answer(&query, &answer[..len]));
        }
    }
}
