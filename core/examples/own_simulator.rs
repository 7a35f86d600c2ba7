//! A node inside a simulator of one's own: virtual time, losses from a seed, and a crash that is found.
//!
//! `cargo run -p tidings-core --example own_simulator`. It ends in a moment and says the same each time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use tidings_core::{
    Command, Config, Event, Input, MemberEventKind, Node, Output, Status, StreamAction, StreamEvent,
    StreamId, Time, Token,
};

const NODES: usize = 5;
const DELAY: Duration = Duration::from_millis(2);
const LOST_PERCENT: u64 = 5;

/// What the simulator has in its queue. The node's deadlines are events like all others.
enum Happening {
    Wake,
    Datagram { from: SocketAddr, payload: Vec<u8> },
    Accepted { number: usize },
    Connected { id: StreamId },
    Data { id: StreamId, bytes: Vec<u8> },
    Closed { id: StreamId },
    Refused { id: StreamId },
}

struct World {
    now: Time,
    nodes: Vec<Option<Node>>,
    /// What happens when and in what order, and to whom.
    queue: BinaryHeap<Reverse<(Time, u64)>>,
    waiting: HashMap<u64, (usize, Happening)>,
    next: u64,
    /// Both ends of each connection.
    streams: Vec<[(usize, StreamId); 2]>,
    luck: u64,
    datagrams: u64,
    lost: u64,
    /// Who said when that a member has failed.
    found: Vec<(Time, usize, String)>,
}

fn addr(host: usize) -> SocketAddr {
    ([10, 0, 0, host as u8 + 1], 7946).into()
}

fn host(addr: SocketAddr) -> Option<usize> {
    (0..NODES).find(|host| self::addr(*host) == addr)
}

impl World {
    fn new(seed: u64) -> Self {
        let start = |host: usize| {
            let mut bytes = [host as u8; 32];
            bytes[..8].copy_from_slice(&seed.to_le_bytes());
            Node::new(Config::lan(format!("n{host}"), addr(host)), bytes, Time::ZERO).expect("it can work")
        };
        World {
            now: Time::ZERO,
            nodes: (0..NODES).map(|host| Some(start(host))).collect(),
            queue: BinaryHeap::new(),
            waiting: HashMap::new(),
            next: 0,
            streams: Vec::new(),
            luck: seed | 1,
            datagrams: 0,
            lost: 0,
            found: Vec::new(),
        }
    }

    /// The simulator's own generator (xorshift): the node has one of its own.
    fn is_lost(&mut self) -> bool {
        self.luck ^= self.luck << 13;
        self.luck ^= self.luck >> 7;
        self.luck ^= self.luck << 17;
        self.luck % 100 < LOST_PERCENT
    }

    fn schedule(&mut self, at: Time, to: usize, happening: Happening) {
        self.queue.push(Reverse((at, self.next)));
        self.waiting.insert(self.next, (to, happening));
        self.next += 1;
    }

    /// Runs what happens until a moment, in order; equal times in the order they were decided.
    fn run(&mut self, until: Time) {
        while let Some(Reverse((at, number))) = self.queue.peek().copied().filter(|first| first.0.0 <= until)
        {
            self.queue.pop();
            self.now = at;
            let (to, happening) = self.waiting.remove(&number).expect("it was scheduled");
            self.happen(to, happening);
        }
        self.now = until;
    }

    fn happen(&mut self, to: usize, happening: Happening) {
        match happening {
            Happening::Wake => self.input(to, Input::Timeout),
            Happening::Datagram { from, payload } => {
                self.input(to, Input::Datagram { from, payload: &payload });
            }
            Happening::Accepted { number } => {
                let [(from, dialled), (_, id)] = self.streams[number];
                if self.nodes[to].is_none() {
                    return self.schedule(self.now + DELAY, from, Happening::Refused { id: dialled });
                }
                self.input(to, Input::Stream { id, event: StreamEvent::Accepted { from: addr(from) } });
                self.schedule(self.now + DELAY, from, Happening::Connected { id: dialled });
            }
            Happening::Connected { id } => self.stream(to, id, StreamEvent::Connected),
            Happening::Data { id, bytes } => self.stream(to, id, StreamEvent::Data(&bytes)),
            Happening::Closed { id } => self.stream(to, id, StreamEvent::Closed),
            Happening::Refused { id } => self.stream(to, id, StreamEvent::Failed("connection refused")),
        }
    }

    fn stream(&mut self, to: usize, id: StreamId, event: StreamEvent<'_>) {
        self.input(to, Input::Stream { id, event });
    }

    /// The law: an input, all outputs, the next deadline.
    fn input(&mut self, host: usize, input: Input<'_>) {
        let Some(node) = &mut self.nodes[host] else { return };
        node.handle_input(self.now, input).expect("time is monotonic, streams are numbered once");
        while let Some(output) = self.nodes[host].as_mut().and_then(Node::poll_output) {
            self.output(host, output);
        }
        // A wake-up too many does no harm, so none has to be taken back.
        if let Some(deadline) = self.nodes[host].as_ref().and_then(Node::poll_timeout) {
            self.schedule(deadline.max(self.now), host, Happening::Wake);
        }
    }

    fn output(&mut self, from: usize, output: Output) {
        let at = self.now + DELAY;
        match output {
            Output::Datagram { to, payload } => {
                self.datagrams += 1;
                if self.is_lost() {
                    self.lost += 1;
                } else if let Some(to) = host(to) {
                    let payload = payload.to_vec();
                    self.schedule(at, to, Happening::Datagram { from: addr(from), payload });
                }
            }
            Output::Stream { id, action: StreamAction::Connect { to } } => match host(to) {
                Some(to) => {
                    let number = self.streams.len();
                    self.streams.push([(from, id), (to, StreamId::accepted(number as u64))]);
                    self.schedule(at, to, Happening::Accepted { number });
                }
                None => self.schedule(at, from, Happening::Refused { id }),
            },
            Output::Stream { id, action } => {
                let ends = self.streams.iter().find(|ends| ends.contains(&(from, id))).expect("it stands");
                let (to, id) = if ends[0] == (from, id) { ends[1] } else { ends[0] };
                let happening = match action {
                    StreamAction::Send(bytes) => Happening::Data { id, bytes: bytes.to_vec() },
                    _ => Happening::Closed { id },
                };
                self.schedule(at, to, happening);
            }
            Output::Event(Event::Members(change)) if change.kind == MemberEventKind::Failed => {
                let names = change.members.iter().map(|member| member.name().to_string());
                self.found.extend(names.map(|name| (self.now, from, name)));
            }
            _ => {}
        }
    }

    fn status(&self, at: usize, of: &str) -> Option<Status> {
        self.nodes[at].as_ref()?.view().get(of).map(|member| member.status())
    }
}

/// Five nodes join over a bad network, one crashes, the others find out.
fn story(seed: u64) -> World {
    let mut world = World::new(seed);
    for host in 0..NODES {
        let addresses = if host == 0 { vec![] } else { vec![addr(0).to_string()] };
        let command = Command::Join { addresses, replay: false };
        world.input(host, Input::Command { token: Token(1), command });
    }
    let seconds = |seconds| Time::ZERO + Duration::from_secs(seconds);
    world.run(seconds(20));
    for (host, node) in world.nodes.iter().enumerate() {
        assert_eq!(node.as_ref().expect("nobody crashed").view().len(), NODES, "n{host} knows all");
    }
    assert!(world.found.is_empty(), "losses alone make nobody failed: {:?}", world.found);

    world.nodes[4] = None;
    world.run(seconds(80));
    world
}

fn main() {
    let world = story(7);
    let crash = Time::ZERO + Duration::from_secs(20);
    println!("{} datagrams, {} of them lost", world.datagrams, world.lost);
    for (at, by, name) in &world.found {
        println!("{at} n{by}: {name} has failed, {:?} after its crash", at.since(crash));
    }
    assert!(world.lost > 0);
    for host in 0..4 {
        assert_eq!(world.status(host, "n4"), Some(Status::Failed));
        assert!((0..4).all(|other| world.status(host, &format!("n{other}")) == Some(Status::Alive)));
    }
    // The same seed tells the same story, to the nanosecond.
    let again = story(7);
    assert_eq!((again.found, again.datagrams, again.lost), (world.found, world.datagrams, world.lost));
}
