//! A client of HTTP that costs little: connections kept, heads only searched for what counts.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Connections from one address of this host; an agent takes 200 of each.
pub const PER_ADDRESS: usize = 100;

/// Room for an answer at first.
const BUFFER: usize = 4096;

/// A connection that is kept.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The status, such as 200.
    pub status: u16,
    /// The count at which what was read changed last; 0 if none was told.
    pub index: u64,
    /// Bytes of head and body.
    pub bytes: usize,
}

impl Connection {
    /// The `i`-th connection to a server on loopback; few of them come from one address.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn open(server: SocketAddr, i: usize) -> io::Result<Connection> {
        let socket = TcpSocket::new_v4()?;
        let [a, b] = ((i / PER_ADDRESS) as u16).to_be_bytes();
        let own = IpAddr::V4(Ipv4Addr::new(127, 201, a, b));
        socket.bind(SocketAddr::new(own, 0))?;
        let stream = socket.connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: Vec::with_capacity(BUFFER) })
    }

    /// Asks, and waits for the whole answer.
    ///
    /// # Errors
    /// The connection broke, or what came is no answer.
    pub async fn call(&mut self, method: &str, path: &str, body: &str) -> io::Result<Answered> {
        self.ask(method, path, body).await?;
        self.answer().await
    }

    /// Sends a request.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn ask(&mut self, method: &str, path: &str, body: &str) -> io::Result<()> {
        let length = body.len();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}");
        self.stream.write_all(request.as_bytes()).await
    }

    /// Waits for the answer to the request sent last.
    ///
    /// # Errors
    /// The connection broke, or what came is no answer.
    pub async fn answer(&mut self) -> io::Result<Answered> {
        self.buffer.clear();
        let (end, status, length, index) = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let (status, length, index) = head(&self.buffer[..end])
                    .ok_or_else(|| io::Error::other("an answer that is not understood"))?;
                break (end + 4, status, length, index);
            }
        };
        while self.buffer.len() < end + length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(Answered { status, index, bytes: end + length })
    }

    /// The head and body that came last.
    #[must_use]
    pub fn last(&self) -> &[u8] {
        &self.buffer
    }
}

/// Status, length of the body, and index.
fn head(head: &[u8]) -> Option<(u16, usize, u64)> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let (mut length, mut index) = (0, 0);
    for line in lines {
        let (name, value) = line.split_once(": ")?;
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().ok()?;
        } else if name.eq_ignore_ascii_case("x-consul-index") {
            index = value.parse().ok()?;
        }
    }
    Some((status, length, index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_searched_for_what_counts() {
        let text = b"HTTP/1.1 200 OK\r\nX-Consul-Index: 77\r\ncontent-length: 12\r\nvary: a";
        assert_eq!(head(text), Some((200, 12, 77)));
        assert_eq!(head(b"HTTP/1.1 404 Not Found"), Some((404, 0, 0)));
        assert_eq!(head(b"nonsense"), None);
    }
}
