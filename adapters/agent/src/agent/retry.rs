//! Joining in the background until it works.

use super::Control;
use crate::config::AgentConfig;
use crate::duration;

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
        let interval = duration::format(config.retry_interval);
        log.warn("agent", format_args!("Join failed: {error}, retrying in {interval}"));
        tokio::time::sleep(config.retry_interval).await;
    }
}
