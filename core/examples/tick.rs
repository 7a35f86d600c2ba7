//! A loop with a fixed tick, as firmware has one: no timer, no queue that grows, one thing after another.
//!
//! Two nodes on one link find each other, then the link is cut. `cargo run -p tidings-core --example tick`.

use std::net::SocketAddr;
use std::time::Duration;

use tidings_core::{
    Command, Config, Event, Input, Node, Output, Status, StreamAction, StreamEvent, StreamId, Time, Token,
};

/// How often the loop comes round. A node is told the time late by this much at most.
const TICK: Duration = Duration::from_millis(10);
/// Frames that wait at the end of the link; more are lost, as on a real one.
const FRAMES_MAX: usize = 32;
/// Inputs taken in one tick, so that a flood cannot hold up the rest of the loop.
const INPUTS_PER_TICK: usize = 8;
/// Connections of one device at the same time.
const STREAMS_MAX: usize = 4;

/// What travels over the link. A connection has the same number at both ends, but for the bit that says
/// who opened it.
enum Frame {
    Datagram(Vec<u8>),
    Open(u64),
    Data(u64, Vec<u8>),
    Close(u64),
    Reset(u64),
}

/// One direction of the link: a ring with a fixed number of places.
struct Ring {
    places: [Option<Frame>; FRAMES_MAX],
    first: usize,
    used: usize,
    lost: u64,
}

impl Ring {
    fn new() -> Self {
        Ring { places: [const { None }; FRAMES_MAX], first: 0, used: 0, lost: 0 }
    }

    /// Whether there was room for it.
    fn push(&mut self, frame: Frame) -> bool {
        if self.used == FRAMES_MAX {
            self.lost += 1;
            return false;
        }
        self.places[(self.first + self.used) % FRAMES_MAX] = Some(frame);
        self.used += 1;
        true
    }

    fn pop(&mut self) -> Option<Frame> {
        let frame = self.places[self.first].take()?;
        self.first = (self.first + 1) % FRAMES_MAX;
        self.used -= 1;
        Some(frame)
    }

    fn clear(&mut self) {
        while self.pop().is_some() {}
    }
}

/// A connection of a device: the node's own number of it, and the one both ends know.
#[derive(Clone, Copy)]
struct Link {
    id: StreamId,
    number: u64,
}

struct Device {
    node: Node,
    peer: SocketAddr,
    /// Even numbers are given by the first device, odd ones by the second.
    next_number: u64,
    accepted: u64,
    streams: [Option<Link>; STREAMS_MAX],
}

impl Device {
    fn new(name: &str, [own, peer]: [SocketAddr; 2], number: u64) -> Self {
        let node =
            Node::new(Config::local(name, own), [number as u8 + 1; 32], Time::ZERO).expect("it can work");
        Device { node, peer, next_number: number, accepted: 0, streams: [None; STREAMS_MAX] }
    }

    /// One round: some of what came in, then the time, then all there is to do.
    fn tick(&mut self, now: Time, inbox: &mut Ring, outbox: &mut Ring) {
        for _ in 0..INPUTS_PER_TICK {
            let Some(frame) = inbox.pop() else { break };
            self.take(now, frame, outbox);
        }
        if self.node.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.input(now, Input::Timeout);
        }
        while let Some(output) = self.node.poll_output() {
            self.put(now, output, outbox);
        }
    }

    fn input(&mut self, now: Time, input: Input<'_>) {
        self.node.handle_input(now, input).expect("time is monotonic, streams are numbered once");
    }

    fn take(&mut self, now: Time, frame: Frame, outbox: &mut Ring) {
        match frame {
            Frame::Datagram(bytes) => {
                self.input(now, Input::Datagram { from: self.peer, payload: &bytes });
            }
            Frame::Open(number) => {
                let id = StreamId::accepted(self.accepted);
                self.accepted += 1;
                if self.keep(Link { id, number }) {
                    self.input(now, Input::Stream { id, event: StreamEvent::Accepted { from: self.peer } });
                } else {
                    outbox.push(Frame::Reset(number));
                }
            }
            Frame::Data(number, bytes) => self.event(now, number, StreamEvent::Data(&bytes)),
            Frame::Close(number) => self.event(now, number, StreamEvent::Closed),
            Frame::Reset(number) => self.event(now, number, StreamEvent::Failed("connection refused")),
        }
    }

    fn event(&mut self, now: Time, number: u64, event: StreamEvent<'_>) {
        let known = self.streams.iter().flatten().find(|link| link.number == number);
        if let Some(id) = known.map(|link| link.id) {
            self.input(now, Input::Stream { id, event });
        }
    }

    fn keep(&mut self, link: Link) -> bool {
        let place = self.streams.iter_mut().find(|place| place.is_none());
        place.map(|place| *place = Some(link)).is_some()
    }

    fn put(&mut self, now: Time, output: Output, outbox: &mut Ring) {
        match output {
            Output::Datagram { to, payload } if to == self.peer => {
                outbox.push(Frame::Datagram(payload.to_vec()));
            }
            Output::Stream { id, action: StreamAction::Connect { to } } => {
                let number = self.next_number;
                self.next_number += 2;
                if to == self.peer && self.keep(Link { id, number }) {
                    outbox.push(Frame::Open(number));
                    self.input(now, Input::Stream { id, event: StreamEvent::Connected });
                } else {
                    let event = StreamEvent::Failed("no route, or too many connections");
                    self.input(now, Input::Stream { id, event });
                }
            }
            Output::Stream { id, action } => self.act(now, id, action, outbox),
            Output::Event(Event::Members(change)) => {
                let names: Vec<&str> = change.members.iter().map(|member| member.name()).collect();
                println!("{now} {}: {} {}", self.node.config().name, change.kind, names.join(" "));
            }
            _ => {} // other news, and replies for who asked
        }
    }

    fn act(&mut self, now: Time, id: StreamId, action: StreamAction, outbox: &mut Ring) {
        let known = |place: &&mut Option<Link>| place.is_some_and(|link| link.id == id);
        let Some(place) = self.streams.iter_mut().find(known) else { return };
        let number = place.expect("it was looked for").number;
        match action {
            StreamAction::Send(bytes) => {
                if !outbox.push(Frame::Data(number, bytes.to_vec())) {
                    // What lacks a piece is no stream any more. The other end will find its time over.
                    *place = None;
                    self.input(now, Input::Stream { id, event: StreamEvent::Failed("the link is full") });
                }
            }
            _ => {
                *place = None;
                outbox.push(Frame::Close(number));
            }
        }
    }

    fn status_of(&self, name: &str) -> Option<Status> {
        self.node.view().get(name).map(|member| member.status())
    }
}

/// The loop of both devices, until a moment. A real one waits for its timer interrupt at the end.
fn run(devices: &mut [Device; 2], rings: &mut [Ring; 2], now: &mut Time, until: Time, is_cut: bool) {
    while *now < until {
        *now += TICK;
        let ([one, two], [to_one, to_two]) = (&mut *devices, &mut *rings);
        one.tick(*now, to_one, to_two);
        if is_cut {
            to_two.clear();
        }
        two.tick(*now, to_two, to_one);
        if is_cut {
            to_one.clear();
        }
    }
}

fn main() {
    let addrs: [SocketAddr; 2] = [([10, 0, 0, 1], 7946).into(), ([10, 0, 0, 2], 7946).into()];
    let mut devices = [Device::new("one", addrs, 0), Device::new("two", [addrs[1], addrs[0]], 1)];
    let mut rings = [Ring::new(), Ring::new()];
    let mut now = Time::ZERO;
    let seconds = |seconds| Time::ZERO + Duration::from_secs(seconds);

    let command = Command::Join { addresses: vec![addrs[0].to_string()], replay: false };
    devices[1].input(now, Input::Command { token: Token(1), command });
    run(&mut devices, &mut rings, &mut now, seconds(5), false);
    assert_eq!(devices[0].status_of("two"), Some(Status::Alive));
    assert_eq!(devices[1].status_of("one"), Some(Status::Alive));

    println!("{now} the link is cut");
    run(&mut devices, &mut rings, &mut now, seconds(60), true);
    assert_eq!(devices[0].status_of("two"), Some(Status::Failed));
    assert_eq!(devices[1].status_of("one"), Some(Status::Failed));

    println!("{now} the link is whole again");
    run(&mut devices, &mut rings, &mut now, seconds(180), false);
    assert_eq!(devices[0].status_of("two"), Some(Status::Alive));
    assert_eq!(devices[1].status_of("one"), Some(Status::Alive));
    println!("{now} both are back; frames lost for want of room: {}", rings[0].lost + rings[1].lost);
    assert_eq!(rings[0].lost + rings[1].lost, 0);
}
