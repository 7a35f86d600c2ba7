//! A whole member of a cluster on one thread with `mio`: `... --example mio -- NAME ADDRESS [JOIN...]`.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::ToSocketAddrs as _;
use std::time::Instant;

use mio::net::{TcpListener, TcpStream, UdpSocket};
use mio::{Events, Interest, Poll, Token as Key};
use tidings_core::{Command, Config, Input, Node, Output, StreamAction, StreamEvent, StreamId, Time, Token};

const UDP: Key = Key(0);
const TCP: Key = Key(1);

/// The node and its sockets. What it tells its application waits in `told`.
pub(crate) struct Agent {
    pub(crate) node: Node,
    pub(crate) poll: Poll,
    pub(crate) told: VecDeque<Output>,
    udp: UdpSocket,
    tcp: TcpListener,
    links: HashMap<StreamId, Link>,
    accepted: u64,
    origin: Instant,
}

struct Link {
    socket: TcpStream,
    connected: bool,
    closing: bool,
    pending: VecDeque<u8>,
}

impl Agent {
    pub(crate) fn new(mut config: Config, seed: [u8; 32]) -> Result<Self, Box<dyn std::error::Error>> {
        let poll = Poll::new()?;
        let mut tcp = TcpListener::bind(config.advertise)?;
        config.advertise = tcp.local_addr()?;
        let mut udp = UdpSocket::bind(config.advertise)?;
        poll.registry().register(&mut udp, UDP, Interest::READABLE)?;
        poll.registry().register(&mut tcp, TCP, Interest::READABLE)?;
        let node = Node::new(config, seed, Time::ZERO)?;
        let (told, links, origin) = (VecDeque::new(), HashMap::new(), Instant::now());
        Ok(Agent { node, poll, told, udp, tcp, links, accepted: 0, origin })
    }

    /// Waits for the next thing to happen, and deals with it.
    pub(crate) fn turn(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        let wait = self.node.poll_timeout().map(|time| time.since(Time::ZERO + self.origin.elapsed()));
        self.poll.poll(&mut events, wait)?;
        let mut buffer = [0; 65_536];
        while let Ok((size, from)) = self.udp.recv_from(&mut buffer) {
            self.input(Input::Datagram { from, payload: &buffer[..size] });
        }
        while let Ok((socket, from)) = self.tcp.accept() {
            let id = StreamId::accepted(self.accepted);
            self.accepted += 1;
            self.add(id, socket, true)?;
            self.input(Input::Stream { id, event: StreamEvent::Accepted { from } });
        }
        for Key(number) in events.iter().map(|event| event.token()) {
            let Some(id) = self.links.keys().copied().find(|id| 2 + id.as_u64() as usize == number) else {
                continue;
            };
            self.pump(id, &mut buffer).unwrap_or_else(|error| self.fail(id, &error));
        }
        self.input(Input::Timeout);
        Ok(())
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        let now = Time::ZERO + self.origin.elapsed();
        self.node.handle_input(now, input).expect("time is monotonic, streams are numbered once");
        while let Some(output) = self.node.poll_output() {
            match output {
                // A full socket loses datagrams, as the network does.
                Output::Datagram { to, payload } => drop(self.udp.send_to(&payload, to)),
                Output::Stream { id, action: StreamAction::Connect { to } } => {
                    let added = TcpStream::connect(to).and_then(|socket| self.add(id, socket, false));
                    added.unwrap_or_else(|error| self.fail(id, &error));
                }
                Output::Stream { id, action } => {
                    let Some(link) = self.links.get_mut(&id) else { continue };
                    match action {
                        StreamAction::Send(bytes) => link.pending.extend(bytes),
                        _ => link.closing = true,
                    }
                    self.flush(id);
                }
                // Blocks the loop; who has slow names asks a thread.
                Output::Resolve { id, host, port } => {
                    let found = (host, port).to_socket_addrs();
                    let result = found.map(Iterator::collect).map_err(|error| error.to_string());
                    self.input(Input::Resolved { id, result });
                }
                other => self.told.push_back(other),
            }
        }
    }

    fn add(&mut self, id: StreamId, mut socket: TcpStream, connected: bool) -> io::Result<()> {
        let at = Key(2 + id.as_u64() as usize);
        self.poll.registry().register(&mut socket, at, Interest::READABLE | Interest::WRITABLE)?;
        self.links.insert(id, Link { socket, connected, closing: false, pending: VecDeque::new() });
        Ok(())
    }

    fn fail(&mut self, id: StreamId, error: &io::Error) {
        self.links.remove(&id);
        self.input(Input::Stream { id, event: StreamEvent::Failed(&error.to_string()) });
    }

    /// Moves all that can be moved: mio tells of each change once.
    fn pump(&mut self, id: StreamId, buffer: &mut [u8]) -> io::Result<()> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        if !link.connected {
            link.socket.take_error()?.map_or(Ok(()), Err)?;
            let Ok(_) = link.socket.peer_addr() else { return Ok(()) };
            link.connected = true;
            self.input(Input::Stream { id, event: StreamEvent::Connected });
        }
        self.flush(id);
        while let Some(link) = self.links.get_mut(&id).filter(|link| !link.closing) {
            match link.socket.read(buffer) {
                Ok(0) => {
                    self.input(Input::Stream { id, event: StreamEvent::Closed });
                    return Ok(());
                }
                Ok(n) => self.input(Input::Stream { id, event: StreamEvent::Data(&buffer[..n]) }),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn flush(&mut self, id: StreamId) {
        let Some(link) = self.links.get_mut(&id).filter(|link| link.connected) else { return };
        while !link.pending.is_empty() {
            match link.socket.write(link.pending.as_slices().0) {
                Ok(written) => drop(link.pending.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => link.pending.clear(), // reading tells what is wrong with it
            }
        }
        if link.closing {
            self.links.remove(&id);
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, addr, join @ ..] = words.as_slice() else {
        return Err("usage: NAME ADDRESS [JOIN...]".into());
    };
    let mut seed = [0; 32]; // with encryption, take it from the system
    seed[..16].copy_from_slice(&std::time::UNIX_EPOCH.elapsed()?.as_nanos().to_le_bytes());
    let mut agent = Agent::new(Config::lan(name.as_str(), addr.parse()?), seed)?;
    let command = Command::Join { addresses: join.to_vec(), replay: false };
    agent.input(Input::Command { token: Token(1), command });
    loop {
        agent.turn()?;
        agent.told.drain(..).for_each(|told| println!("{told:?}"));
    }
}
