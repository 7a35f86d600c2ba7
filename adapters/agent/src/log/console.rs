//! What the user sees on standard output, written by a thread of its own: a reader that has
//! stopped reading must not stop the node.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes that may wait to be written; further lines are dropped and counted.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// A handle to the output. Clones share it.
#[derive(Clone)]
pub struct Console(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: String,
    dropped: usize,
    /// The writer has taken text that it has not finished writing.
    writing: bool,
    closed: bool,
}

impl Console {
    /// Starts the writer.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(mut sink: impl Write + Send + 'static) -> io::Result<Console> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        thread::Builder::new().name("console".into()).stack_size(64 << 10).spawn(move || {
            while let Some(text) = theirs.take() {
                // Nobody reads any more (a closed pipe): there is nobody to tell either.
                let _ = sink.write_all(text.as_bytes()).and_then(|()| sink.flush());
            }
        })?;
        Ok(Console(shared))
    }

    /// `==> text`: a headline or an error.
    pub fn headline(&self, text: &str) {
        self.push("==> ", text);
    }

    /// `    text`: a detail or a log line.
    pub fn detail(&self, text: &str) {
        self.push("    ", text);
    }

    /// `text` as it is.
    pub fn plain(&self, text: &str) {
        self.push("", text);
    }

    /// Waits until everything is written, but no longer than `patience`.
    pub fn finish(&self, patience: Duration) {
        let mut state = self.0.lock();
        state.closed = true;
        self.0.changed.notify_all();
        let busy = |state: &mut State| state.writing || !state.waiting.is_empty();
        let waited = self.0.changed.wait_timeout_while(state, patience, busy);
        drop(waited);
    }

    fn push(&self, prefix: &str, text: &str) {
        let mut state = self.0.lock();
        if state.waiting.len() + text.len() > WAITING_BYTES_MAX {
            state.dropped += 1;
            return;
        }
        if state.dropped > 0 {
            let dropped = std::mem::take(&mut state.dropped);
            state
                .waiting
                .push_str(&format!("==> {dropped} lines of output were dropped: nobody read them\n"));
        }
        state.waiting.push_str(prefix);
        state.waiting.push_str(text);
        state.waiting.push('\n');
        self.0.changed.notify_all();
    }
}

impl Shared {
    /// Waits for text; `None`: there will be no more.
    fn take(&self) -> Option<String> {
        let mut state = self.lock();
        state.writing = false;
        self.changed.notify_all();
        loop {
            if !state.waiting.is_empty() {
                state.writing = true;
                return Some(std::mem::take(&mut state.waiting));
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A sink that writes only when it is allowed to.
    struct Stubborn(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

    impl Write for Stubborn {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other)?;
            self.1.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_reader_costs_lines_but_never_blocks_the_writer() {
        let (allow, allowed) = mpsc::channel();
        let (written, result) = mpsc::channel();
        let console = Console::start(Stubborn(allowed, written)).unwrap();
        let line = "x".repeat(1 << 16);
        for _ in 0..100 {
            console.detail(&line);
        }
        console.finish(Duration::from_millis(10));
        drop(allow);
        drop(result);
    }

    #[test]
    fn everything_is_written_in_order_with_its_prefix() {
        let (allow, allowed) = mpsc::channel();
        let (written, result) = mpsc::channel();
        let console = Console::start(Stubborn(allowed, written)).unwrap();
        console.headline("one");
        console.detail("two");
        console.plain("");
        for _ in 0..3 {
            let _ = allow.send(());
        }
        console.finish(Duration::from_secs(10));
        let bytes: Vec<u8> = result.try_iter().flatten().collect();
        assert_eq!(String::from_utf8(bytes).unwrap(), "==> one\n    two\n\n");
    }
}
