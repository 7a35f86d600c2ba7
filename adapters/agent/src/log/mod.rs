//! The agent's log: lines of the original's form, a level that can change at run time, the last
//! lines for monitors, bounded subscribers (serf-agent, sections 2.7 and 6).

mod clock;
mod console;
mod render;

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use self::clock::Clock;
pub use self::console::Console;
pub use self::render::Renderer;

/// Lines kept for monitors that start later.
const RING_LINES: usize = 512;
/// Lines that wait for a slow subscriber; further ones are dropped.
const SUBSCRIBER_LINES: usize = 512;
/// Bytes of one line; longer ones are cut.
const LINE_BYTES_MAX: usize = 16 << 10;

/// How important a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Each single step.
    Trace,
    /// For finding faults.
    Debug,
    /// The normal course of things.
    Info,
    /// Something is not as it should be.
    Warn,
    /// Something failed.
    Err,
}

impl Level {
    const ALL: [Level; 5] = [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Err];

    /// The level of a name in any letter case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(name))
    }

    /// Its name as lines show it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Trace => "TRACE",
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Err => "ERR",
        }
    }
}

/// A line without the line feed that ends it.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its importance.
    pub level: Level,
    /// `YYYY/MM/DD HH:MM:SS [LEVEL] source: text`.
    pub text: Arc<str>,
}

/// The log. Clones write to the same one; writing never blocks on a reader.
#[derive(Clone)]
pub struct Log(Arc<Inner>);

struct Inner {
    level: AtomicU8,
    console: Option<Console>,
    state: Mutex<State>,
}

struct State {
    clock: Clock,
    ring: VecDeque<Line>,
    subscribers: Vec<Subscriber>,
    /// Lines shown only once the start is complete; `None`: they are shown at once.
    held: Option<VecDeque<Line>>,
}

struct Subscriber {
    level: Level,
    name: String,
    lines: mpsc::Sender<Line>,
    /// The subscriber lags and was reported for it.
    lagging: bool,
}

/// A live part of the log.
pub struct Subscription {
    /// The last lines before it began, oldest first.
    pub backlog: Vec<Line>,
    /// What came since.
    pub live: mpsc::Receiver<Line>,
}

impl Log {
    /// A log that shows lines of at least `level` on `console` once [`Log::release`] was called.
    #[must_use]
    pub fn new(level: Level, console: Option<Console>) -> Log {
        Log(Arc::new(Inner {
            level: AtomicU8::new(level as u8),
            console,
            state: Mutex::new(State {
                clock: Clock::default(),
                ring: VecDeque::new(),
                subscribers: Vec::new(),
                held: Some(VecDeque::new()),
            }),
        }))
    }

    /// Changes the lowest level shown. Monitors have their own.
    pub fn set_level(&self, level: Level) {
        self.0.level.store(level as u8, Ordering::Relaxed);
    }

    /// Shows what was held back, and from now on every line at once.
    pub fn release(&self) {
        let mut state = self.state();
        for line in state.held.take().into_iter().flatten() {
            self.show(&line);
        }
    }

    /// Adds a line.
    pub fn write(&self, level: Level, source: &str, text: fmt::Arguments<'_>) {
        let mut state = self.state();
        let text = state.clock.line(level, source, text);
        let lagging = self.add(&mut state, Line { level, text: text.into() });
        for name in lagging {
            let text = state.clock.line(Level::Warn, "agent.ipc", format_args!("Dropping logs to {name}"));
            self.add(&mut state, Line { level: Level::Warn, text: text.into() });
        }
    }

    /// A line at [`Level::Debug`].
    pub fn debug(&self, source: &str, text: fmt::Arguments<'_>) {
        self.write(Level::Debug, source, text);
    }

    /// A line at [`Level::Info`].
    pub fn info(&self, source: &str, text: fmt::Arguments<'_>) {
        self.write(Level::Info, source, text);
    }

    /// A line at [`Level::Warn`].
    pub fn warn(&self, source: &str, text: fmt::Arguments<'_>) {
        self.write(Level::Warn, source, text);
    }

    /// A line at [`Level::Err`].
    pub fn error(&self, source: &str, text: fmt::Arguments<'_>) {
        self.write(Level::Err, source, text);
    }

    /// The last lines of at least `level`, and the live ones that follow them without a gap until
    /// 512 wait to be read. `name` is whom to blame for lagging.
    #[must_use]
    pub fn subscribe(&self, level: Level, name: String) -> Subscription {
        let (lines, live) = mpsc::channel(SUBSCRIBER_LINES);
        let mut state = self.state();
        let backlog = state.ring.iter().filter(|line| line.level >= level).cloned().collect();
        state.subscribers.push(Subscriber { level, name, lines, lagging: false });
        Subscription { backlog, live }
    }

    /// Keeps, shows and hands out a line; says which subscribers began to lag.
    fn add(&self, state: &mut State, line: Line) -> Vec<String> {
        if state.ring.len() == RING_LINES {
            state.ring.pop_front();
        }
        state.ring.push_back(line.clone());
        match &mut state.held {
            Some(held) => {
                if held.len() == RING_LINES {
                    held.pop_front();
                }
                held.push_back(line.clone());
            }
            None => self.show(&line),
        }
        let mut lagging = Vec::new();
        state.subscribers.retain_mut(|subscriber| subscriber.offer(&line, &mut lagging));
        lagging
    }

    fn show(&self, line: &Line) {
        if line.level as u8 >= self.0.level.load(Ordering::Relaxed)
            && let Some(console) = &self.0.console
        {
            console.detail(&line.text);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriber {
    /// Hands a line over or drops it; `false`: nobody listens any more.
    fn offer(&mut self, line: &Line, lagging: &mut Vec<String>) -> bool {
        if line.level < self.level {
            return !self.lines.is_closed();
        }
        match self.lines.try_send(line.clone()) {
            Ok(()) => self.lagging = false,
            Err(mpsc::error::TrySendError::Closed(_)) => return false,
            Err(mpsc::error::TrySendError::Full(_)) if self.lagging => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.lagging = true;
                lagging.push(self.name.clone());
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|line| line.text.split_once("] ").unwrap().1).collect()
    }

    #[test]
    fn a_monitor_gets_the_last_lines_of_its_level_and_then_the_live_ones() {
        let log = Log::new(Level::Err, None);
        for n in 0..600 {
            log.info("agent", format_args!("line {n}"));
            log.debug("agent", format_args!("detail {n}"));
        }
        let mut monitor = log.subscribe(Level::Info, "test".into());
        assert_eq!(monitor.backlog.len(), 256, "half of the ring is debug");
        assert_eq!(texts(&monitor.backlog)[0], "agent: line 344");
        log.trace_for_test();
        log.warn("serf", format_args!("live"));
        let line = monitor.live.try_recv().unwrap();
        assert_eq!(texts(&[line]), ["serf: live"]);
        assert!(monitor.live.try_recv().is_err());
    }

    #[test]
    fn a_monitor_that_does_not_read_loses_lines_and_is_reported_once() {
        let log = Log::new(Level::Info, None);
        let mut slow = log.subscribe(Level::Info, "127.0.0.1:9".into());
        for n in 0..700 {
            log.info("agent", format_args!("line {n}"));
        }
        let mut got = 0;
        while slow.live.try_recv().is_ok() {
            got += 1;
        }
        assert_eq!(got, SUBSCRIBER_LINES);
        let reports = log.subscribe(Level::Warn, "other".into()).backlog;
        assert_eq!(texts(&reports), ["agent.ipc: Dropping logs to 127.0.0.1:9"]);
    }

    #[test]
    fn levels_have_names_in_any_letter_case() {
        assert_eq!(Level::parse("debug"), Some(Level::Debug));
        assert_eq!(Level::parse("Err"), Some(Level::Err));
        assert_eq!(Level::parse("loud"), None);
        assert!(Level::Trace < Level::Err);
    }

    impl Log {
        fn trace_for_test(&self) {
            self.write(Level::Trace, "agent", format_args!("not for monitors of INFO"));
        }
    }
}
