//! `dns SERVER NAME [SECONDS]`: how many SRV questions about NAME a DNS server answers in a second.
//!
//! Questions go over UDP, a fixed number ahead of their answers; a lost one is asked again. For example
//! `dns 127.0.0.1:8600 web.service.consul 5`, with services registered over HTTP before.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Questions ahead of their answers.
const AHEAD: u16 = 64;
/// A question without an answer for so long is lost.
const LOST: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let measured = match &words[..] {
        [server, name] => run(server, name, "3"),
        [server, name, seconds] => run(server, name, seconds),
        _ => Err("usage: dns SERVER NAME [SECONDS]".to_owned()),
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(server: &str, name: &str, seconds: &str) -> Result<(), String> {
    let server: SocketAddr = server.parse().map_err(|error| format!("{server}: {error}"))?;
    let seconds: u64 = seconds.parse().map_err(|error| format!("{seconds}: {error}"))?;
    let span = Duration::from_secs(seconds.clamp(1, 60));
    let failed = |error: std::io::Error| format!("{server}: {error}");
    let own = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(own).map_err(failed)?;
    socket.connect(server).map_err(failed)?;
    socket.set_read_timeout(Some(LOST)).map_err(failed)?;
    let (answers, lost, bytes) = count(&socket, &query(name), span).map_err(failed)?;
    println!(
        "{} answers a second, {} bytes each, {lost} times nothing came in time",
        answers * 1000 / span.as_millis() as u64,
        bytes / answers.max(1),
    );
    Ok(())
}

fn count(socket: &UdpSocket, query: &[u8], span: Duration) -> std::io::Result<(u64, u64, u64)> {
    let (mut answers, mut lost, mut bytes) = (0, 0, 0);
    let mut answer = [0; 65_535];
    for _ in 0..AHEAD {
        socket.send(query)?;
    }
    let start = Instant::now();
    while start.elapsed() < span {
        match socket.recv(&mut answer) {
            Ok(len) => {
                answers += 1;
                bytes += len as u64;
                socket.send(query)?;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                lost += 1;
                for _ in 0..AHEAD {
                    socket.send(query)?;
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok((answers, lost, bytes))
}

/// A question for SRV records, from a client that takes 4,096 bytes.
fn query(name: &str) -> Vec<u8> {
    let mut query = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        query.push(label.len().min(63) as u8);
        query.extend(label.bytes().take(63));
    }
    query.extend([0, 0, 33, 0, 1]);
    query.extend([0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0]);
    query
}
