//! Waiting for the user to have enough.

use std::io;

use super::terminal::Failure;

#[cfg(unix)]
type Signals = tokio::signal::unix::Signal;
#[cfg(windows)]
type Signals = tokio::signal::windows::CtrlC;

/// Ctrl-C, caught from its making on: it no longer ends the process by itself.
pub(crate) struct Interrupt(Signals);

impl Interrupt {
    /// Starts to catch it.
    pub(crate) fn catch() -> Result<Interrupt, Failure> {
        signals().map(Interrupt).map_err(|error| Failure::because("Cannot catch signals", error))
    }

    /// Waits for it. Can be given up and called again.
    pub(crate) async fn wait(&mut self) {
        self.0.recv().await;
    }
}

#[cfg(unix)]
fn signals() -> io::Result<Signals> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())
}

#[cfg(windows)]
fn signals() -> io::Result<Signals> {
    tokio::signal::windows::ctrl_c()
}
