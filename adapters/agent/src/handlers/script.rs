//! Runs one script to its end.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::process::Command;

use crate::log::Log;

/// Output kept; what came before is cut off.
const OUTPUT_BYTES_MAX: usize = 8192;
/// A script that takes longer is reported.
const SLOW: Duration = Duration::from_secs(1);

/// The last part of what a script wrote to standard output and standard error.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) bytes: Vec<u8>,
    /// Bytes written in all.
    pub(super) total: u64,
}

impl Output {
    fn push(&mut self, chunk: &[u8]) {
        self.total += chunk.len() as u64;
        self.bytes.extend_from_slice(chunk);
        if self.bytes.len() > OUTPUT_BYTES_MAX {
            let surplus = self.bytes.len() - OUTPUT_BYTES_MAX;
            self.bytes.drain(..surplus);
        }
    }
}

/// Runs `script` and waits until it has exited **and** its output is closed, as the original does:
/// a job left in the background must redirect its output.
///
/// # Errors
/// It could not be started, or how it failed (`exit status 3`).
pub(super) async fn run(
    script: &str,
    env: Vec<(String, String)>,
    input: &[u8],
    log: &Log,
) -> Result<Output, String> {
    let work = execute(script, env, input);
    tokio::pin!(work);
    let (status, output) = tokio::select! {
        done = &mut work => done,
        () = tokio::time::sleep(SLOW) => {
            log.warn("agent", format_args!("Script '{script}' slow, execution exceeding 1s"));
            work.await
        }
    }
    .map_err(|error| crate::errors::reason(&error))?;
    if output.total > OUTPUT_BYTES_MAX as u64 {
        let total = output.total;
        log.warn(
            "agent",
            format_args!(
                "Script '{script}' generated {total} bytes of output, truncated to {OUTPUT_BYTES_MAX}"
            ),
        );
    }
    if status.success() { Ok(output) } else { Err(status_text(status)) }
}

async fn execute(script: &str, env: Vec<(String, String)>, input: &[u8]) -> io::Result<(ExitStatus, Output)> {
    // One pipe for both streams keeps what is written to them in order.
    let (reader, writer) = io::pipe()?;
    let mut child = {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script).envs(env);
        command.stdin(Stdio::piped()).stdout(writer.try_clone()?).stderr(writer);
        // The command holds our copies of the writing end; they close with it.
        command.spawn()?
    };
    let mut reader = pipe::Receiver::from_owned_fd(reader.into())?;
    let stdin = child.stdin.take();
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A script that does not read its input is fine.
            let _ = stdin.write_all(input).await;
            let _ = stdin.shutdown().await;
        }
    };
    let collect = async {
        let mut output = Output::default();
        let mut chunk = [0; 4096];
        loop {
            match reader.read(&mut chunk).await? {
                0 => return Ok::<Output, io::Error>(output),
                n => output.push(&chunk[..n]),
            }
        }
    };
    let ((), output, status) = tokio::join!(feed, collect, child.wait());
    Ok((status?, output?))
}

fn status_text(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal: {signal}"),
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Level;

    async fn run_here(script: &str, input: &[u8]) -> Result<Output, String> {
        let log = Log::new(Level::Err, None);
        run(script, vec![("SERF_EVENT".into(), "user".into())], input, &log).await
    }

    #[tokio::test]
    async fn a_script_gets_its_input_and_environment_and_both_outputs_are_kept() {
        let output = run_here("echo $SERF_EVENT; cat; echo err >&2", b"payload\n").await.unwrap();
        assert_eq!(String::from_utf8(output.bytes).unwrap(), "user\npayload\nerr\n");
    }

    #[tokio::test]
    async fn the_exit_status_of_a_failing_script_is_named() {
        assert_eq!(run_here("echo no; exit 3", b"").await, Err("exit status 3".into()));
        assert_eq!(run_here("kill -9 $$", b"").await, Err("signal: 9".into()));
    }

    #[tokio::test]
    async fn only_the_end_of_a_long_output_is_kept() {
        let output = run_here("head -c 20000 /dev/zero | tr '\\0' x; printf end", b"").await.unwrap();
        assert_eq!(output.total, 20_003);
        assert_eq!(output.bytes.len(), OUTPUT_BYTES_MAX);
        assert!(output.bytes.ends_with(b"xend"));
    }

    #[tokio::test]
    async fn a_script_that_does_not_read_a_large_input_does_no_harm() {
        let output = run_here("echo done", &vec![b'x'; 1 << 20]).await.unwrap();
        assert_eq!(output.bytes, b"done\n");
    }
}
