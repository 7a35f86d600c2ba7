//! Host names to addresses, a few at a time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tidings_core::ResolveId;
use tokio::sync::{Semaphore, mpsc};

use crate::driver::Completion;
use crate::runtime::Runtime;

/// Look-ups under way at the same time. Each may hold a thread of the runtime.
const CONCURRENT_MAX: usize = 8;

/// Look-ups under way or waiting; more fail at once.
const OPEN_MAX: usize = 1024;

/// Looks up names in tasks of their own.
#[derive(Debug)]
pub(crate) struct Resolver<R> {
    runtime: R,
    running: Arc<Semaphore>,
    open: Arc<Semaphore>,
    completions: mpsc::UnboundedSender<Completion>,
}

impl<R: Runtime> Resolver<R> {
    pub(crate) fn new(runtime: R, completions: mpsc::UnboundedSender<Completion>) -> Self {
        Resolver {
            runtime,
            running: Arc::new(Semaphore::new(CONCURRENT_MAX)),
            open: Arc::new(Semaphore::new(OPEN_MAX)),
            completions,
        }
    }

    /// Starts a look-up; its outcome comes as [`Completion::Resolved`].
    pub(crate) fn start(&self, id: ResolveId, host: String, port: u16) {
        let completions = self.completions.clone();
        let Ok(open) = self.open.clone().try_acquire_owned() else {
            let result = Err(format!("lookup {host}: too many lookups under way"));
            // Without a receiver the node is gone; so below.
            let _ = completions.send(Completion::Resolved { id, result });
            return;
        };
        let running = self.running.clone();
        let looking = self.runtime.look_up(host.clone(), port);
        self.runtime.spawn(async move {
            let _turn = running.acquire_owned().await;
            let result = found(&host, looking.await);
            drop(open);
            let _ = completions.send(Completion::Resolved { id, result });
        });
    }
}

/// What the system's resolver found; errors in the words of the original.
fn found(host: &str, found: io::Result<Vec<SocketAddr>>) -> Result<Vec<SocketAddr>, String> {
    let text = match found {
        Ok(found) if !found.is_empty() => return Ok(found),
        Ok(_) => "no such host".into(),
        Err(error) => reason(&error.to_string()),
    };
    Err(format!("lookup {host}: {text}"))
}

/// The cause of a failed look-up; the system names those worth a retry.
fn reason(text: &str) -> String {
    let cause = text.rsplit(": ").next().unwrap_or(text);
    if cause.contains("not known") || cause.contains("No address") {
        "no such host".into()
    } else {
        cause.to_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "rt")]
    #[tokio::test]
    async fn localhost_resolves_with_the_port_asked_for() {
        let (completions, mut outcomes) = mpsc::unbounded_channel();
        let tokio = crate::on_tokio::Tokio::current().unwrap();
        Resolver::new(tokio, completions).start(ResolveId(7), "localhost".into(), 7946);
        match outcomes.recv().await {
            Some(Completion::Resolved { id: ResolveId(7), result: Ok(found) }) => {
                assert!(found.iter().all(|addr| addr.ip().is_loopback() && addr.port() == 7946));
                assert!(!found.is_empty());
            }
            other => panic!("unexpected {other:?}"),
        }
    }

    #[test]
    fn an_unknown_name_is_no_such_host_and_other_causes_keep_their_words() {
        let prefix = "failed to lookup address information: ";
        for (cause, expected) in [
            ("Name or service not known", "no such host"),
            ("No address associated with hostname", "no such host"),
            ("Temporary failure in name resolution", "temporary failure in name resolution"),
        ] {
            assert_eq!(reason(&format!("{prefix}{cause}")), expected);
        }
    }
}
