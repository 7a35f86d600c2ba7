//! Runs scripts strictly one after another, in the order of events.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_core::{Event, Member};
use tidings_tokio::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::filter::EventScript;
use super::{input, script};
use crate::log::Log;

/// Events that may wait for a slow script; beyond that the oldest are dropped with a warning.
const PENDING_MAX: usize = 4096;

/// An event on its way to the scripts that want it.
#[derive(Debug)]
pub struct Job {
    /// What happened.
    pub event: Arc<Event>,
    /// The own member when it happened.
    pub own: Member,
}

/// The scripts, and the queue of events for them. The running script is left alone when this is
/// dropped; those that wait are forgotten.
pub struct Handlers {
    shared: Arc<Shared>,
    runner: JoinHandle<()>,
    log: Log,
}

struct Shared {
    state: Mutex<State>,
    arrived: Notify,
}

struct State {
    scripts: Arc<[EventScript]>,
    pending: VecDeque<Job>,
    /// Events dropped since the queue was last empty.
    dropped: u64,
}

impl Handlers {
    /// Starts the runner.
    #[must_use]
    pub fn start(scripts: Arc<[EventScript]>, node: Handle, log: Log) -> Handlers {
        let state = Mutex::new(State { scripts, pending: VecDeque::new(), dropped: 0 });
        let shared = Arc::new(Shared { state, arrived: Notify::new() });
        let runner = tokio::spawn(run_all(Arc::clone(&shared), node, log.clone()));
        Handlers { shared, runner, log }
    }

    /// Replaces the scripts; events that wait already get the new ones.
    pub fn replace(&self, scripts: Arc<[EventScript]>) {
        self.shared.lock().scripts = scripts;
    }

    /// Queues an event if any script wants it.
    pub fn offer(&self, job: Job) {
        let mut state = self.shared.lock();
        if !state.scripts.iter().any(|script| script.filter.matches(&job.event)) {
            return;
        }
        state.pending.push_back(job);
        let overflow = state.pending.len() > PENDING_MAX;
        if overflow {
            state.pending.pop_front();
            state.dropped += 1;
        }
        let report = overflow && state.dropped == 1;
        drop(state);
        self.shared.arrived.notify_one();
        if report {
            self.log.warn(
                "agent",
                format_args!("{PENDING_MAX} events wait for slow scripts, dropping the oldest"),
            );
        }
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        self.runner.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next event and the scripts of this moment.
    async fn next(&self, log: &Log) -> (Job, Arc<[EventScript]>) {
        loop {
            {
                let mut state = self.lock();
                if let Some(job) = state.pending.pop_front() {
                    return (job, Arc::clone(&state.scripts));
                }
                let dropped = std::mem::take(&mut state.dropped);
                if dropped > 0 {
                    log.warn("agent", format_args!("{dropped} events were not handed to scripts"));
                }
            }
            self.arrived.notified().await;
        }
    }
}

async fn run_all(shared: Arc<Shared>, node: Handle, log: Log) {
    loop {
        let (job, scripts) = shared.next(&log).await;
        for entry in scripts.iter().filter(|entry| entry.filter.matches(&job.event)) {
            run_one(&entry.script, &job, &node, &log).await;
        }
    }
}

async fn run_one(command: &str, job: &Job, node: &Handle, log: &Log) {
    let env = input::environment(&job.event, &job.own);
    let stdin = input::standard_input(&job.event);
    let output = match script::run(command, env, &stdin, log).await {
        Ok(output) => output,
        Err(error) => {
            log.error("agent", format_args!("Error invoking script '{command}': {error}"));
            return;
        }
    };
    let word = input::event_word(&job.event);
    log.debug(
        "agent",
        format_args!("Event '{word}' script output: {}", String::from_utf8_lossy(&output.bytes)),
    );
    if let Event::Query(query) = &*job.event
        && output.total > 0
        && let Err(error) = node.respond(query.id, output.bytes).await
    {
        log.warn("agent", format_args!("Failed to respond to query 'query: {}': {error}", query.name));
    }
}
