//! Waiting for the user to have enough.

use tokio::signal;

/// Resolves when the user interrupts the command or the system asks it to end.
///
/// From the first call on, the signals no longer end the process by themselves.
pub(crate) async fn interrupted() {
    #[cfg(unix)]
    if let Ok(mut terminate) = signal::unix::signal(signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    let _ = signal::ctrl_c().await;
}
