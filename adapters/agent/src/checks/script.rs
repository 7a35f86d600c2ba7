//! What a program says of something: its exit status, and the end of its output.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tidings_core::registry::check::Health;
use tokio::net::unix::pipe;
use tokio::process::Command;

use super::Outcome;
use crate::errors::reason;

/// The last bytes written, and how many there were.
#[derive(Debug, Default)]
struct Tail {
    bytes: Vec<u8>,
    total: usize,
}

impl Tail {
    fn push(&mut self, chunk: &[u8], max: usize) {
        self.total += chunk.len();
        self.bytes.extend_from_slice(chunk);
        let surplus = self.bytes.len().saturating_sub(max);
        self.bytes.drain(..surplus);
    }

    fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        if self.total > self.bytes.len() {
            format!("Captured {} of {} bytes\n...\n{text}", self.bytes.len(), self.total)
        } else {
            text.into_owned()
        }
    }
}

/// A program and all it started, which end with this.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Those that have ended already are fine.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

pub(super) async fn probe(args: &[String], timeout: Duration, output_max: usize) -> Outcome {
    let Some(program) = args.first() else { return Outcome::critical("there is no program to run") };
    match tokio::time::timeout(timeout, run(program, &args[1..], output_max)).await {
        Ok(Ok((status, output))) => {
            let health = match status.code() {
                Some(0) => Health::Passing,
                Some(1) => Health::Warning,
                _ => Health::Critical,
            };
            Outcome::new(health, output.text())
        }
        Ok(Err(error)) if program.contains('/') => {
            Outcome::critical(format!("fork/exec {program}: {}", reason(&error)))
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
            Outcome::critical(format!("exec: {program:?}: executable file not found in $PATH"))
        }
        Ok(Err(error)) => Outcome::critical(format!("exec: {program:?}: {}", reason(&error))),
        Err(_) => {
            Outcome::critical(format!("Timed out ({}) running check", crate::duration::format(timeout)))
        }
    }
}

/// Runs a program to its end. What it left running in the background is not waited for.
async fn run(program: &str, args: &[String], output_max: usize) -> io::Result<(ExitStatus, Tail)> {
    // One pipe for both streams keeps what is written to them in order.
    let (reader, writer) = io::pipe()?;
    let mut child = {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        command.process_group(0).kill_on_drop(true).spawn()?
    };
    let _group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let reader = pipe::Receiver::from_owned_fd(reader.into())?;
    let (mut tail, mut chunk) = (Tail::default(), [0; 4096]);
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            ready = reader.readable() => {
                ready?;
                match reader.try_read(&mut chunk) {
                    Ok(0) => break child.wait().await?,
                    Ok(n) => tail.push(&chunk[..n], output_max),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
    };
    // What it wrote last is in the pipe; whoever still holds its other end may write on for ever.
    let mut left = 16;
    while left > 0 {
        match reader.try_read(&mut chunk) {
            Ok(n @ 1..) => tail.push(&chunk[..n], output_max),
            _ => break,
        }
        left -= 1;
    }
    Ok((status, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    async fn shell(script: &str, timeout: Duration) -> Outcome {
        probe(&["sh".into(), "-c".into(), script.into()], timeout, 4096).await
    }

    #[tokio::test]
    async fn the_exit_status_says_how_it_fares() {
        for (script, status, output) in [
            ("echo fine; exit 0", Health::Passing, "fine\n"),
            ("echo hm; exit 1", Health::Warning, "hm\n"),
            ("echo bad >&2; exit 2", Health::Critical, "bad\n"),
            ("exit 255", Health::Critical, ""),
            ("kill -9 $$", Health::Critical, ""),
        ] {
            assert_eq!(shell(script, LONG).await, Outcome::new(status, output), "{script}");
        }
    }

    #[tokio::test]
    async fn only_the_end_of_a_long_output_is_kept() {
        let outcome = shell("head -c 9000 /dev/zero | tr '\\0' z; echo END", LONG).await;
        let expected = format!("Captured 4096 of 9004 bytes\n...\n{}END\n", "z".repeat(4092));
        assert_eq!(outcome, Outcome::new(Health::Passing, expected));
    }

    #[tokio::test]
    async fn a_program_that_takes_too_long_ends_with_all_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; wait", path.display());
        let outcome = shell(&script, Duration::from_secs(2)).await;
        assert_eq!(outcome, Outcome::critical("Timed out (2s) running check"));
        let pid: i32 = std::fs::read_to_string(&path).unwrap().trim().parse().unwrap();
        let status = format!("/proc/{pid}/stat");
        let gone = || match std::fs::read_to_string(&status) {
            Ok(text) => text.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')),
            Err(_) => true,
        };
        while !gone() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_cannot_be_run_is_named() {
        let none = |program: &str| [program.to_owned()];
        let outcome = probe(&none("/nonexistent"), LONG, 10).await;
        assert_eq!(outcome, Outcome::critical("fork/exec /nonexistent: no such file or directory"));
        let outcome = probe(&none("no-such-program"), LONG, 10).await;
        let expected = "exec: \"no-such-program\": executable file not found in $PATH";
        assert_eq!(outcome, Outcome::critical(expected));
        assert_eq!(probe(&[], LONG, 10).await.status, Health::Critical);
    }
}
