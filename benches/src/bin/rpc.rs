//! `rpc [MEMBERS] [SECONDS]`: how many lists of members an agent gives in a second.
//!
//! All members but the agent are made up: a socket of this program answers the agent's pings.
//! Lists are counted in two ways: as bytes alone, which shows what the agent can do, and decoded
//! by the client library, which needs more time than the agent itself.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tidings_benches::fleet::{self, Agent, Failure, Options};
use tidings_client::Client;
use tidings_client::protocol::{Handshake, ObjectBuffer, Request, VERSION};
use tidings_core::wire::Keyring;
use tidings_core::wire::message::{Ack, Alive, Message};
use tidings_core::wire::packet::Opener;
use tidings_core::{Config, Versions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// Requests sent ahead of their answers on each connection.
const AHEAD: usize = 16;
/// Numbers from here on take the same bytes each, so that all answers are equally long.
const FIRST_SEQ: u64 = 1 << 16;

fn main() -> ExitCode {
    fleet::measure(Duration::from_secs(120), &[100, 3], run)
}

async fn run(options: Options) -> Result<(), Failure> {
    let (members, seconds) = (options.numbers[0].max(1), options.numbers[1].clamp(1, 10) as u64);
    let agent = Agent::start(options, 0).await?;
    let made_up =
        make_up(members - 1, agent.gossip).await.map_err(|error| format!("made-up members: {error}"))?;
    let answering = tokio::spawn(made_up);
    while agent.alive().await? != members {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let span = Duration::from_secs(seconds);
    println!("lists of {members} members a second, for {seconds} s each");
    for connections in [1, 4, 16] {
        let mut counting = JoinSet::new();
        for _ in 0..connections {
            counting.spawn(count_bytes(agent.rpc, span));
        }
        report("as bytes", connections, span, counting).await?;
    }
    for connections in [1, 4] {
        let mut counting = JoinSet::new();
        for _ in 0..connections {
            counting.spawn(count_decoded(agent.rpc, members, span));
        }
        report("decoded", connections, span, counting).await?;
    }
    answering.abort();
    Ok(())
}

async fn report(
    how: &str,
    connections: usize,
    span: Duration,
    mut counting: JoinSet<Result<u64, Failure>>,
) -> Result<(), Failure> {
    let mut lists = 0;
    while let Some(counted) = counting.join_next().await {
        lists += counted.map_err(|error| error.to_string())??;
    }
    let rate = lists as f64 / span.as_secs_f64();
    println!("{how}, {connections:2} connections: {rate:7.0}");
    Ok(())
}

/// Tells the agent of members that do not exist, and returns what answers its pings.
async fn make_up(count: usize, agent: SocketAddr) -> std::io::Result<impl Future<Output = ()>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let here = socket.local_addr()?;
    for i in 0..count {
        let mut alive = Vec::new();
        let (node, versions) = (format!("made-up-{i}"), Some(Versions::ours(5)));
        let meta = b"\xff\x81\xa4role\xa3web";
        Alive { node: &node, addr: here.ip(), port: here.port(), meta, incarnation: 1, versions }
            .encode(&mut alive);
        socket.send_to(&alive, agent).await?;
        // Small buffers must not lose any.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(async move {
        let config = Config::lan("made-up", here);
        let (mut opener, mut packet) = (Opener::new(), vec![0; 65_536]);
        while let Ok((len, from)) = socket.recv_from(&mut packet).await {
            let mut acks = Vec::new();
            opener.open(&packet[..len], &config, &Keyring::default(), |message| {
                if let Ok(Message::Ping(ping)) = message.and_then(Message::decode) {
                    Ack { seq: ping.seq, payload: &[] }.encode(&mut acks);
                }
            });
            if !acks.is_empty() {
                let _ = socket.send_to(&acks, from).await;
            }
        }
    })
}

/// Lists that came over one connection, none of them decoded.
///
/// All answers are equally long, so bytes count them.
async fn count_bytes(rpc: SocketAddr, span: Duration) -> Result<u64, Failure> {
    let failed = |error: std::io::Error| format!("connection to {rpc}: {error}");
    let mut stream = TcpStream::connect(rpc).await.map_err(failed)?;
    let mut greeting = Vec::new();
    Request::Handshake(Handshake { version: VERSION }).encode(1, &mut greeting);
    stream.write_all(&greeting).await.map_err(failed)?;
    let mut objects = ObjectBuffer::new(64 << 20);
    next_len(&mut stream, &mut objects).await?;

    let ask = |seq: u64| {
        let mut request = Vec::new();
        Request::Members.encode(FIRST_SEQ + seq, &mut request);
        request
    };
    stream.write_all(&ask(0)).await.map_err(failed)?;
    let header = next_len(&mut stream, &mut objects).await?;
    let len = header + next_len(&mut stream, &mut objects).await?;
    let mut buffer = vec![0; 256 << 10];
    let (mut asked, mut bytes) = (0, 0);
    let start = Instant::now();
    while start.elapsed() < span {
        let answered = (bytes / len) as u64;
        let mut requests = Vec::new();
        while asked < answered + AHEAD as u64 {
            asked += 1;
            requests.extend_from_slice(&ask(asked));
        }
        stream.write_all(&requests).await.map_err(failed)?;
        match stream.read(&mut buffer).await.map_err(failed)? {
            0 => return Err(format!("{rpc} closed the connection")),
            read => bytes += read,
        }
    }
    Ok((bytes / len) as u64)
}

/// The length of the next object.
async fn next_len(stream: &mut TcpStream, objects: &mut ObjectBuffer) -> Result<usize, Failure> {
    loop {
        if let Some(object) = objects.next_object().map_err(|error| error.to_string())? {
            return Ok(object.len());
        }
        match stream.read_buf(objects.spare()).await {
            Ok(0) => return Err("the agent closed the connection".into()),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Lists that came over one connection of the client library.
async fn count_decoded(rpc: SocketAddr, members: usize, span: Duration) -> Result<u64, Failure> {
    let client = Client::connect(&rpc.to_string(), None).await.map_err(|error| error.to_string())?;
    let start = Instant::now();
    let mut asking = JoinSet::new();
    for _ in 0..AHEAD {
        let client = client.clone();
        asking.spawn(async move {
            let mut lists = 0;
            while start.elapsed() < span {
                let list = client.members().await.map_err(|error| error.to_string())?;
                if list.len() != members {
                    return Err(format!("{} members instead of {members}", list.len()));
                }
                lists += 1;
            }
            Ok::<u64, Failure>(lists)
        });
    }
    let mut lists = 0;
    while let Some(counted) = asking.join_next().await {
        lists += counted.map_err(|error| error.to_string())??;
    }
    Ok(lists)
}
