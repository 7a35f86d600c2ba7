//! A loop written by hand (the example `mio`) keeps what every driver promises.

#[macro_use]
mod conformance;
#[allow(dead_code, reason = "the example's own main is not run")]
#[path = "../examples/mio.rs"]
mod example;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use conformance::{News, PATIENCE, Peer};
use tidings_core::registry::RegistryView;
use tidings_core::{Command, CommandError, Config, Event, Input, Node, Output, Reply, Token, View};

/// What the thread of a node is asked.
enum Request {
    Command(Command, Sender<Result<Reply, CommandError>>),
    Look(Box<dyn FnOnce(&Node) + Send>),
    Stop,
}

/// A node in a thread of its own.
struct Threaded {
    addr: SocketAddr,
    requests: Sender<Request>,
    waker: Arc<mio::Waker>,
    events: Arc<Events>,
    thread: Option<JoinHandle<()>>,
}

/// Events that wait to be read: the newest, at most so many.
struct Events {
    waiting: Mutex<(VecDeque<Event>, u64)>,
    max: usize,
    more: Condvar,
}

impl Events {
    fn push(&self, event: Event) {
        let (waiting, missed) = &mut *self.waiting.lock().unwrap();
        waiting.push_back(event);
        if waiting.len() > self.max {
            waiting.pop_front();
            *missed += 1;
        }
        self.more.notify_one();
    }

    fn next(&self) -> News {
        let waiting = self.waiting.lock().unwrap();
        let (mut waiting, _) = self
            .more
            .wait_timeout_while(waiting, PATIENCE, |(waiting, missed)| waiting.is_empty() && *missed == 0)
            .unwrap();
        match std::mem::take(&mut waiting.1) {
            0 => News::Event(Arc::new(waiting.0.pop_front().expect("an event in time"))),
            missed => News::Missed(missed),
        }
    }
}

impl Threaded {
    fn send(&self, request: Request) {
        self.requests.send(request).unwrap();
        self.waker.wake().unwrap();
    }

    fn look<T: Send + 'static>(&self, look: impl FnOnce(&Node) -> T + Send + 'static) -> T {
        let (sender, receiver) = channel();
        self.send(Request::Look(Box::new(move |node| sender.send(look(node)).unwrap())));
        receiver.recv_timeout(PATIENCE).expect("an answer")
    }
}

/// The thread's work: what happened, what is asked, what is told.
fn run(mut agent: example::Agent, requests: &Receiver<Request>, events: &Events) {
    let mut waiting = HashMap::new();
    loop {
        for told in std::mem::take(&mut agent.told) {
            match told {
                Output::Event(event) => events.push(event),
                Output::Reply { token, result } => {
                    let reply: Sender<_> = waiting.remove(&token).expect("somebody waits");
                    reply.send(result).unwrap();
                }
                other => panic!("not expected here: {other:?}"),
            }
        }
        agent.turn().unwrap();
        for request in requests.try_iter() {
            match request {
                Request::Command(command, reply) => {
                    let token = Token(waiting.len() as u64);
                    waiting.insert(token, reply);
                    agent.input(Input::Command { token, command });
                }
                Request::Look(look) => look(&agent.node),
                Request::Stop => return,
            }
        }
    }
}

impl Peer for Threaded {
    fn start(config: Config, events_max: usize) -> Self {
        let agent = example::Agent::new(config, [7; 32]).unwrap();
        let waker = Arc::new(mio::Waker::new(agent.poll.registry(), mio::Token(usize::MAX)).unwrap());
        let addr = agent.node.config().advertise;
        let events = Arc::new(Events { waiting: Mutex::default(), max: events_max, more: Condvar::new() });
        let (requests, requested) = channel();
        let told = events.clone();
        let thread = std::thread::spawn(move || run(agent, &requested, &told));
        Threaded { addr, requests, waker, events, thread: Some(thread) }
    }

    fn addr(&self) -> SocketAddr {
        self.addr
    }

    fn command(&self, command: Command) -> Result<Reply, CommandError> {
        let (sender, receiver) = channel();
        self.send(Request::Command(command, sender));
        receiver.recv_timeout(PATIENCE).expect("an answer")
    }

    fn view(&self) -> View {
        self.look(Node::view)
    }

    fn registry(&self) -> RegistryView {
        self.look(Node::registry)
    }

    fn next(&mut self) -> News {
        self.events.next()
    }

    fn stop(mut self) {
        self.send(Request::Stop);
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Threaded {
    fn drop(&mut self) {
        // A thread that is gone already has nothing to stop.
        let _ = self.requests.send(Request::Stop);
        let _ = self.waker.wake();
    }
}

conformance!(Threaded);
