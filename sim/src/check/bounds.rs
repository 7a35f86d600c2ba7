//! How long things may take in peace: the bounds that the liveness checkers hold runs to.
//!
//! Gossip alone leaves out somebody now and then, with a probability that falls with the transmit
//! limit; anti-entropy makes up for it. So the spread bound is that of gossip and one full-state
//! exchange of whoever was left out.

use std::time::Duration;

use tidings_core::Config;

use crate::net::Net;

/// Messages under way for longer than this part of the probe time-out break all bounds.
const PROMPT: u32 = 4;
/// Chance, as a natural logarithm, that is taken for impossible: 1e-9.
const NEVER: f64 = -20.7;
/// Rounds of reconnecting that a heal may take at least: in the first both sides hear that they
/// are thought dead, in the second they have refuted it, and a dial may come to nothing.
const ROUNDS_MIN: f64 = 3.0;
/// No heal is waited for longer than this many rounds; beyond, nothing is promised.
const ROUNDS_MAX: f64 = 1000.0;

/// The spread bound among `n` members; `None`: without anti-entropy nothing is promised.
pub(super) fn spread(config: &Config, n: usize) -> Option<Duration> {
    let decades = (n + 1).checked_ilog10().map_or(1, |log| log + 1);
    let limit = config.gossip.fixed_limit.unwrap_or(config.gossip.retransmit_mult * decades);
    // There and back: an accusation to its subject, the refutation to all.
    let gossip = 2 * (config.gossip.interval * limit + 2 * config.probe.interval);
    Some(gossip + push_pull(config, n)? + config.stream.timeout)
}

/// Time between two full-state exchanges that a member begins (papers, section 3.1).
fn push_pull(config: &Config, n: usize) -> Option<Duration> {
    let steps = if n > 32 { (n as f64).log2() - 4.0 } else { 1.0 };
    config.push_pull.interval.map(|interval| interval.mul_f64(steps.ceil()) * left_out(config))
}

/// How many exchanges are waited for until one is not left out: where a rare branch leaves out up to
/// every second, all of five are left out once in 32 times.
#[cfg(tidings_bugs)]
const fn left_out(config: &Config) -> u32 {
    if config.rares.contains(tidings_core::rare::Rare::SyncSkipped) { 5 } else { 1 }
}

/// How many exchanges are waited for until one is not left out: none ever is.
#[cfg(not(tidings_bugs))]
const fn left_out(_: &Config) -> u32 {
    1
}

/// L4: until a falsely suspected member is alive again where it was suspected. The probe interval
/// is stretched by the worst health there is.
pub(super) fn refutation(config: &Config, n: usize) -> Option<Duration> {
    Some(config.probe.interval * config.awareness.max + spread(config, n)?)
}

/// L3: until those who hold each other dead are one again. `luck` is the logarithm of the chance
/// that no member reaches anybody in one round of reconnecting.
pub(super) fn heal(config: &Config, n: usize, luck: f64) -> Option<Duration> {
    let rounds = (2.0 * (NEVER / luck.min(-1e-9)).ceil()).max(ROUNDS_MIN) + 1.0;
    if rounds > ROUNDS_MAX {
        return None;
    }
    Some(config.members.reconnect_interval.mul_f64(rounds) + refutation(config, n)?)
}

/// M15: until a contest about a name is over: the vote, and what starts it.
pub(super) fn contest(config: &Config, n: usize) -> Option<Duration> {
    let decades = (n + 1).checked_ilog10().map_or(1, |log| log + 1);
    let vote = config.gossip.interval * config.queries.timeout_mult * decades;
    Some(2 * vote + spread(config, n)?)
}

/// Whether messages are fast enough for the bounds to mean something.
pub(super) fn is_prompt(net: &Net, config: &Config) -> bool {
    let most = config.probe.timeout / PROMPT;
    std::iter::once(&net.latency).chain(net.zones.values()).all(|latency| latency.delay(u64::MAX) <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_follow_the_rules_they_come_from() {
        let config = Config::lan("a", "127.0.0.1:1".parse().unwrap());
        let secs = |bound: Option<Duration>| bound.map(|bound| bound.as_secs());
        // Gossip 2 * (0.2 * 4 + 2), an exchange, a stream's time-out.
        assert_eq!(secs(spread(&config, 8)), Some(5 + 30 + 10));
        assert_eq!(secs(spread(&config, 100)), Some(8 + 90 + 10));
        assert_eq!(secs(refutation(&config, 8)), Some(8 + 45));
        // Everybody reaches somebody in every round.
        assert_eq!(secs(heal(&config, 8, f64::NEG_INFINITY)), Some(4 * 30 + 53));
        // One in two rounds reaches nobody: thirty of them never happen.
        assert_eq!(secs(heal(&config, 8, -0.69)), Some(61 * 30 + 53));
        assert_eq!(heal(&config, 8, 0.0), None, "nobody ever tries");
        let off = Config {
            push_pull: tidings_core::config::PushPull { interval: None, ..config.push_pull.clone() },
            ..config
        };
        assert_eq!(spread(&off, 8), None);
    }
}
