//! The real program as a process.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The longest anything is awaited.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running program and what it has said so far.
pub(crate) struct Process {
    child: Child,
    said: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts the program in a directory.
    pub(crate) fn start(dir: &Path, words: &[String]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
        Process::spawn(command.args(words).current_dir(dir).env("TZ", "UTC").stderr(Stdio::null()))
    }

    /// Starts any program.
    pub(crate) fn spawn(command: &mut Command) -> Process {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|stdout| Box::new(stdout) as _),
            child.stderr.take().map(|stderr| Box::new(stderr) as _),
        ];
        let readers =
            outputs.into_iter().flatten().map(|output| read_all(output, Arc::clone(&said))).collect();
        Process { child, said, readers }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said on stdout so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has said this so many times.
    pub(crate) fn wait_for(&self, text: &str, times: usize) {
        let start = Instant::now();
        while self.said().matches(text).count() < times {
            assert!(start.elapsed() < PATIENCE, "no {text:?} in:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends it a signal, named as `kill` names it.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(status.unwrap().success());
    }

    /// Waits for its end; gives its exit status and what it said on stdout.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            assert!(start.elapsed() < PATIENCE, "it does not end:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        };
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        (status, self.said())
    }
}

/// Keeps what a process says, until it closes that output.
fn read_all(mut output: Box<dyn Read + Send>, said: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = output.read(&mut chunk) {
            said.lock().unwrap().push_str(&String::from_utf8_lossy(&chunk[..n]));
        }
    })
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
