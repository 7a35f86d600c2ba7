//! Questions about SRV records over UDP, a fixed number ahead of their answers.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Questions ahead of their answers.
const AHEAD: u16 = 64;
/// A question without an answer for so long is lost, and asked again.
const LOST: Duration = Duration::from_millis(200);

/// What came of asking one question again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Answers that came.
    pub answers: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Times nothing came in time.
    pub lost: u64,
}

/// Asks a server for the SRV records of a name, for so long.
///
/// # Errors
/// What the system says of the socket.
pub fn count(server: SocketAddr, name: &str, span: Duration) -> io::Result<Counted> {
    let own = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(own)?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(LOST))?;
    let query = query(name);
    let mut counted = Counted::default();
    let mut answer = [0; 65_535];
    for _ in 0..AHEAD {
        socket.send(&query)?;
    }
    let start = Instant::now();
    while start.elapsed() < span {
        match socket.recv(&mut answer) {
            Ok(len) => {
                counted.answers += 1;
                counted.bytes += len as u64;
                socket.send(&query)?;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                counted.lost += 1;
                for _ in 0..AHEAD {
                    socket.send(&query)?;
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(counted)
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
