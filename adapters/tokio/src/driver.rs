//! The loop: inputs in, outputs obeyed. Nothing here knows the protocol.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tidings_core::registry::check::Health;
use tidings_core::{Answer, AnswerKind, CommandError};
use tidings_core::{
    CheckId, Command, Event, Input, Node, Output, PersistId, QueryId, Reply, ResolveId, StreamAction,
    StreamEvent, StreamId, Time, Token,
};
use tokio::sync::{broadcast, mpsc};

use crate::accept::{Acceptor, Incoming};
use crate::checks::Checks;
use crate::events::{AnswerSender, Notice};
use crate::handle::{Request, Shared, Waiting};
use crate::persist::Records;
use crate::resolve::Resolver;
use crate::runtime::{Alarm, Runtime};
use crate::stream::{News, Report, Streams};
use crate::udp::Udp;

/// Reports, requests and completions taken in one wake-up.
const TAKEN_MAX: usize = 64;

/// Work done outside the node's task for which the node waits.
#[derive(Debug)]
pub(crate) enum Completion {
    Persisted { id: PersistId, result: Result<(), String> },
    Checked { id: CheckId, status: Health, output: String },
    Resolved { id: ResolveId, result: Result<Vec<std::net::SocketAddr>, String> },
}

/// Everything the node's task owns.
pub(crate) struct Driver<R: Runtime> {
    pub(crate) node: Node,
    pub(crate) udp: Udp<R::Datagrams>,
    pub(crate) acceptor: Acceptor<R>,
    pub(crate) streams: Streams<R>,
    pub(crate) resolver: Resolver<R>,
    pub(crate) records: Records,
    pub(crate) checks: Checks,
    pub(crate) events: broadcast::Sender<Notice>,
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) completions: mpsc::UnboundedReceiver<Completion>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Clock,
    pub(crate) timer: Timer<R::Alarm>,
    pub(crate) pending: Pending,
}

/// Real time as the core's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        Clock { origin: Instant::now() }
    }

    fn now(self) -> Time {
        Time::ZERO + self.origin.elapsed()
    }

    fn instant(self, time: Time) -> Option<Instant> {
        self.origin.checked_add(time.since(Time::ZERO))
    }
}

/// The one timer, armed anew only when the deadline moves.
#[derive(Debug)]
pub(crate) struct Timer<A> {
    alarm: A,
    deadline: Option<Time>,
}

impl<A: Alarm> Timer<A> {
    pub(crate) const fn new(alarm: A) -> Self {
        Timer { alarm, deadline: None }
    }

    fn arm(&mut self, clock: Clock, deadline: Option<Time>) {
        if self.deadline == deadline {
            return;
        }
        // A deadline beyond the clock's range never comes.
        let moment = deadline.and_then(|time| clock.instant(time));
        self.deadline = moment.and(deadline);
        if let Some(moment) = moment {
            self.alarm.set(moment);
        }
    }
}

/// Who waits for what.
#[derive(Default)]
pub(crate) struct Pending {
    replies: HashMap<Token, Waiting>,
    queries: HashMap<QueryId, AnswerSender>,
    /// Streams that failed while outputs were obeyed.
    failed: Vec<(StreamId, String)>,
    next_token: u64,
    requests: Vec<Request>,
    reports: Vec<Report>,
}

/// What woke the task.
enum Wake<S> {
    Socket,
    Incoming(Incoming<S>),
    Reports,
    Requests(usize),
    Completion(Option<Completion>),
    Timer,
}

impl<R: Runtime> Driver<R> {
    /// Runs the node until it is told to stop or the last handle is gone.
    pub(crate) async fn run(mut self) {
        self.settle();
        loop {
            let wake = self.wait().await;
            if !self.on_wake(wake) {
                return;
            }
            self.settle();
        }
    }

    async fn wait(&mut self) -> Wake<R::Stream> {
        tokio::select! {
            () = self.udp.ready() => Wake::Socket,
            incoming = self.acceptor.next() => Wake::Incoming(incoming),
            _ = self.streams.reports.recv_many(&mut self.pending.reports, TAKEN_MAX) => Wake::Reports,
            n = self.requests.recv_many(&mut self.pending.requests, TAKEN_MAX) => Wake::Requests(n),
            completion = self.completions.recv() => Wake::Completion(completion),
            () = self.timer.alarm.rings(), if self.timer.deadline.is_some() => Wake::Timer,
        }
    }

    /// Takes in what happened; `false`: stop.
    fn on_wake(&mut self, wake: Wake<R::Stream>) -> bool {
        match wake {
            Wake::Socket => self.on_socket(),
            Wake::Incoming(incoming) => {
                let from = incoming.from;
                let id = self.streams.accept(incoming);
                self.input(Input::Stream { id, event: StreamEvent::Accepted { from } });
            }
            Wake::Reports => self.on_reports(),
            Wake::Requests(0) => return false,
            Wake::Requests(_) => return self.on_requests(),
            Wake::Completion(completion) => match completion {
                Some(Completion::Persisted { id, result }) => self.input(Input::Persisted { id, result }),
                Some(Completion::Checked { id, status, output }) => {
                    self.input(Input::CheckResult { id, status, output });
                }
                Some(Completion::Resolved { id, result }) => self.input(Input::Resolved { id, result }),
                None => unreachable!("the resolver holds a sender"),
            },
            Wake::Timer => {
                self.timer.deadline = None;
                self.input(Input::Timeout);
            }
        }
        true
    }

    fn on_socket(&mut self) {
        let Driver { udp, node, clock, .. } = self;
        udp.flush();
        let now = clock.now();
        udp.receive(|from, payload| hand_in(node, now, Input::Datagram { from, payload }));
    }

    fn on_reports(&mut self) {
        let mut reports = std::mem::take(&mut self.pending.reports);
        for Report { id, news } in reports.drain(..) {
            if !self.streams.is_open(id) {
                continue;
            }
            match news {
                News::Connected => self.stream(id, StreamEvent::Connected),
                News::Data(bytes) => self.stream(id, StreamEvent::Data(&bytes)),
                News::Closed => self.stream(id, StreamEvent::Closed),
                News::Failed(text) => {
                    self.streams.forget(id);
                    self.stream(id, StreamEvent::Failed(&text));
                }
            }
            // What the core wants of a stream must be known before the next report about it.
            self.publish();
            self.obey_all();
        }
        self.pending.reports = reports;
    }

    /// Carries out requests; `false`: one of them was to stop.
    fn on_requests(&mut self) -> bool {
        let mut requests = std::mem::take(&mut self.pending.requests);
        for request in requests.drain(..) {
            match request {
                Request::Command { command, waiting } => self.on_command(command, waiting),
                Request::Inspect(look) => look(&self.node),
                Request::Shutdown => return false,
            }
        }
        self.pending.requests = requests;
        true
    }

    fn on_command(&mut self, command: Command, waiting: Waiting) {
        let token = Token(self.pending.next_token);
        self.pending.next_token += 1;
        self.pending.replies.insert(token, waiting);
        self.input(Input::Command { token, command });
    }

    fn stream(&mut self, id: StreamId, event: StreamEvent<'_>) {
        self.input(Input::Stream { id, event });
    }

    fn input(&mut self, input: Input<'_>) {
        hand_in(&mut self.node, self.clock.now(), input);
    }

    /// Publishes what is known, does what the node wants done, arms the timer.
    fn settle(&mut self) {
        self.publish();
        self.obey_all();
        while let Some((id, text)) = self.pending.failed.pop() {
            self.stream(id, StreamEvent::Failed(&text));
            self.publish();
            self.obey_all();
        }
        self.timer.arm(self.clock, self.node.poll_timeout());
    }

    /// Before any event about it is told, so that who hears of a change finds it.
    fn publish(&self) {
        let view = self.node.view();
        let news = !self.shared.view.load().same(&view);
        if news {
            self.shared.view.store(Arc::new(view));
        }
        let registry = self.node.registry();
        let registered = !self.shared.registry.load().same(&registry);
        if registered {
            self.shared.registry.store(Arc::new(registry));
        }
        if news || registered {
            self.shared.changed.send_replace(());
        }
    }

    fn obey_all(&mut self) {
        while let Some(output) = self.node.poll_output() {
            self.obey(output);
        }
    }

    fn obey(&mut self, output: Output) {
        match output {
            Output::Datagram { to, payload } => self.udp.send(to, payload),
            Output::Stream { id, action } => self.on_action(id, action),
            Output::Reply { token, result } => self.on_reply(token, result),
            Output::Event(Event::Answer(answer)) => self.on_answer(answer),
            Output::Event(event) => self.tell(event),
            Output::Resolve { id, host, port } => self.resolver.start(id, host, port),
            Output::Persist(persist) => self.records.hand_over(persist),
            Output::RunCheck { id, spec } => self.checks.hand_over(id, spec),
            Output::Trace(trace) => {
                #[cfg(feature = "tracing")]
                tracing::trace!(cause = ?trace.cause, decision = ?trace.decision, "decided");
                // Without a subscriber nobody wants to know.
                let _ = self.events.send(Notice::Decision(Arc::from(trace)));
            }
            _ => {}
        }
    }

    fn on_action(&mut self, id: StreamId, action: StreamAction) {
        let done = match action {
            StreamAction::Connect { to } => self.streams.connect(id, to),
            StreamAction::Send(bytes) => self.streams.send(id, bytes).inspect_err(|_| {
                self.shared.counters.streams_overflowed.add(1);
            }),
            StreamAction::Close => {
                self.streams.close(id);
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(text) = done {
            self.pending.failed.push((id, text));
        }
    }

    fn on_reply(&mut self, token: Token, result: Result<Reply, CommandError>) {
        let Some(waiting) = self.pending.replies.remove(&token) else { return };
        if let (Some(answers), Ok(Reply::QueryStarted { id, .. })) = (waiting.answers, &result) {
            self.pending.queries.insert(*id, answers);
        }
        // Without a receiver nobody waits any more.
        let _ = waiting.reply.send(result);
    }

    /// Answers go to who asked; to all subscribers if the query came as a plain command.
    fn on_answer(&mut self, answer: Answer) {
        let Some(answers) = self.pending.queries.get(&answer.query) else {
            return self.tell(Event::Answer(answer));
        };
        let last = matches!(answer.kind, AnswerKind::Done { .. });
        answers.send(answer.kind);
        if last {
            self.pending.queries.remove(&answer.query);
        }
    }

    fn tell(&self, event: Event) {
        #[cfg(feature = "tracing")]
        tracing::debug!(?event, "event");
        if self.events.receiver_count() > 0 {
            let _ = self.events.send(Notice::Event(Arc::new(event)));
        }
    }
}

/// The law of use holds by construction: time is monotonic, streams are numbered once.
fn hand_in(node: &mut Node, now: Time, input: Input<'_>) {
    if let Err(misuse) = node.handle_input(now, input) {
        panic!("the driver broke the node's law of use: {misuse}");
    }
}
