//! The real program as a process.

use std::fmt::Debug;
use std::io::{Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
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

    /// Starts the agent `alpha` on free ports, with these flags besides.
    pub(crate) fn alpha(dir: &Path, flags: &[&str]) -> Process {
        let fixed = ["agent", "-node=alpha", "-bind=127.0.0.1:0", "-rpc-addr=127.0.0.1:0", "-profile=local"];
        let words: Vec<String> = fixed.iter().chain(flags).map(|word| (*word).to_owned()).collect();
        Process::start(dir, &words)
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

    /// What an agent says behind a label when it starts, such as `HTTP addr`.
    pub(crate) fn shown<T: FromStr<Err: Debug>>(&self, label: &str) -> T {
        self.wait_for("Log data will now stream", 1);
        let said = self.said();
        let (_, rest) =
            said.split_once(&format!(" {label}: '")).unwrap_or_else(|| panic!("no {label} in {said}"));
        rest.split_once('\'').unwrap().0.parse().unwrap()
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

/// Whether a program that another package brings is here; the words make it end at once. Where it is
/// not, its test says so past the harness, and in CI it fails.
pub(crate) fn is_here(program: &str, words: &str, package: &str) -> bool {
    let mut command = Command::new(program);
    let is_here = command.arg(words).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !is_here {
        skipped(&format!("there is no `{program}` to test with; install {package}"));
    }
    is_here
}

/// Says past the harness why the test that calls this ends; in CI it fails.
pub(crate) fn skipped(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    std::io::stderr().write_all(format!("SKIPPED {test}: {why}\n").as_bytes()).unwrap();
}
