//! Joining in the background until it works.

use std::time::Duration;

use super::Control;
use crate::config::AgentConfig;

/// Joins again and again. Returns once it worked.
///
/// # Errors
/// The retries are used up.
pub(super) async fn join(control: Control, config: &AgentConfig) -> Result<(), ()> {
    let log = control.log();
    let replay = config.replay_on_join;
    let mut retries = 0;
    loop {
        log.info("agent", format_args!("Joining cluster...(replay: {replay})"));
        let error = match control.join(config.retry_join.clone(), replay).await {
            Ok(joined) => {
                log.info(
                    "agent",
                    format_args!("Join completed. Synced with {} initial agents", joined.contacted),
                );
                return Ok(());
            }
            Err(error) => error,
        };
        retries += 1;
        if config.retry_max_attempts > 0 && retries > config.retry_max_attempts {
            log.error("agent", format_args!("maximum retry join attempts made, exiting"));
            return Err(());
        }
        let interval = Shown(config.retry_interval);
        log.warn("agent", format_args!("Join failed: {error}, retrying in {interval}"));
        tokio::time::sleep(config.retry_interval).await;
    }
}

/// A duration as Go writes it, for whole and broken seconds: `1m30s`, `1h0m0s`, `1.5s`.
struct Shown(Duration);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let total = self.0.as_secs();
        let (hours, minutes) = (total / 3600, total / 60 % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if total >= 60 {
            write!(f, "{minutes}m")?;
        }
        write!(f, "{}s", self.0.as_secs_f64() - (total - total % 60) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_writes_them() {
        for (ms, text) in
            [(1000, "1s"), (1500, "1.5s"), (30_000, "30s"), (90_000, "1m30s"), (3_600_000, "1h0m0s")]
        {
            assert_eq!(Shown(Duration::from_millis(ms)).to_string(), text);
        }
    }
}
