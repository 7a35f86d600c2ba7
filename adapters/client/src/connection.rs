//! One connection: a task that writes what it is given and delivers what arrives.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::error::Error;
use crate::pending::{Next, Table};
use crate::protocol::{Malformed, Message, ObjectBuffer, ResponseHeader};

/// Bytes asked of the socket at a time.
const READ_BYTES: usize = 64 << 10;

/// A request on its way out.
pub(crate) struct Outgoing {
    pub(crate) bytes: Vec<u8>,
    /// Told when it could not be written; dropped once it is.
    pub(crate) failure: Option<oneshot::Sender<Error>>,
}

/// Serves a connection until either side ends it: the agent by closing, we by dropping the last
/// sender of `outgoing`.
pub(crate) async fn drive(
    stream: TcpStream,
    outgoing: mpsc::Receiver<Outgoing>,
    table: Arc<Table>,
    object_bytes_max: usize,
    write_patience: Duration,
) {
    let (read, write) = stream.into_split();
    tokio::select! {
        _ = read_objects(read, &table, object_bytes_max) => {}
        () = write_requests(write, outgoing, write_patience) => {}
    }
    table.close();
}

async fn write_requests(
    mut socket: OwnedWriteHalf,
    mut outgoing: mpsc::Receiver<Outgoing>,
    patience: Duration,
) {
    while let Some(Outgoing { bytes, failure }) = outgoing.recv().await {
        let error = match timeout(patience, socket.write_all(&bytes)).await {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => Error::Write(error),
            Err(_) => Error::WriteTimedOut,
        };
        if let Some(failure) = failure {
            let _ = failure.send(error);
        }
        return;
    }
}

async fn read_objects(mut socket: OwnedReadHalf, table: &Table, object_bytes_max: usize) -> io::Result<()> {
    let mut buffer = ObjectBuffer::new(object_bytes_max);
    let mut header = None;
    loop {
        while let Some(object) = buffer.next_object().map_err(garbled)? {
            match header.take() {
                Some((seq, error)) => table.on_body(seq, error, object),
                None => match table.on_header(ResponseHeader::decode(&object).map_err(garbled)?) {
                    Ok(Next::Header) => {}
                    Ok(Next::Body(seq, error)) => header = Some((seq, error)),
                    Err(error) => return Err(garbled(error)),
                },
            }
        }
        let spare = buffer.spare();
        spare.reserve(READ_BYTES);
        if socket.read_buf(spare).await? == 0 {
            return Ok(());
        }
    }
}

fn garbled(error: Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
