//! One check: when it is looked at, and what its results make of it.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::time::Duration;

use super::check::{CheckSpec, Health, Probe};
use super::service::Text;
use crate::rng::Rng;
use crate::time::Time;

/// Beyond its time-out a probe is given this long to say so.
const GRACE: Duration = Duration::from_secs(1);
/// Bytes of output that an adapter may hand in beyond the limit, for what it puts before it.
const OUTPUT_SLACK: usize = 1024;

/// A check at its owner.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) spec: Arc<CheckSpec>,
    pub(crate) status: Health,
    pub(crate) output: Text,
    /// Its output is not kept.
    pub(crate) silent: bool,
    /// Since when it has been critical.
    pub(crate) critical_since: Option<Time>,
    phase: Phase,
    /// Results of one kind in a row; the first result counts at once.
    streak: Option<Streak>,
}

/// What a check waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing: it is told.
    Still,
    /// A report, until then.
    Report { until: Time },
    /// Its next probe.
    Probe { at: Time },
    /// The result of the probe under way, until then.
    Result { until: Time },
}

#[derive(Clone, Copy, Debug)]
struct Streak {
    failing: bool,
    len: u32,
}

/// What a check wants when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// To be probed.
    Probe,
    /// It changed by itself.
    Changed,
    /// Nothing.
    Nothing,
}

impl Running {
    /// A check that was just registered. `before` is the one it replaces: a check of the same kind
    /// keeps its state unless it is told one.
    pub(crate) fn new(spec: Arc<CheckSpec>, before: Option<&Running>, now: Time, rng: &mut Rng) -> Self {
        let kept = before.filter(|old| spec.status.is_none() && old.spec.probe.kind() == spec.probe.kind());
        let status = kept.map_or_else(|| spec.status.unwrap_or_default(), |old| old.status);
        let output = match &spec.probe {
            _ if kept.is_some() => kept.map(|old| old.output.clone()).unwrap_or_default(),
            _ => Text::from(""),
        };
        let phase = match &spec.probe {
            Probe::Ttl(ttl) => Phase::Report { until: now + *ttl },
            // At any time within the interval, so that checks registered together do not stay so.
            Probe::Run { interval, .. } => Phase::Probe { at: now + rng.part_of(*interval) },
            Probe::Fixed | Probe::Maintenance => Phase::Still,
        };
        // Whoever registers is there: the time until it goes begins anew.
        let critical_since = (status == Health::Critical).then_some(now);
        Running { spec, status, output, silent: false, critical_since, phase, streak: None }
    }

    /// When its time comes.
    pub(crate) fn next(&self) -> Option<Time> {
        match self.phase {
            Phase::Still => None,
            Phase::Report { until } | Phase::Result { until } => Some(until),
            Phase::Probe { at } => Some(at),
        }
    }

    /// Its time has come.
    pub(crate) fn on_due(&mut self, now: Time) -> Due {
        match (self.phase, &self.spec.probe) {
            (Phase::Report { until }, _) if until <= now => {
                self.phase = Phase::Still;
                self.turn(now, Health::Critical, "TTL expired".into());
                Due::Changed
            }
            (Phase::Probe { at }, Probe::Run { timeout, .. }) if at <= now => {
                self.phase = Phase::Result { until: now + *timeout + GRACE };
                Due::Probe
            }
            (Phase::Result { until }, Probe::Run { timeout, .. }) if until <= now => {
                let output = format!("the check did not end within {timeout:?}");
                if self.on_result(now, Health::Critical, &output) { Due::Changed } else { Due::Nothing }
            }
            _ => Due::Nothing,
        }
    }

    /// A probe has ended; whether its status or output changed. What nobody waits for is ignored.
    pub(crate) fn on_result(&mut self, now: Time, status: Health, output: &str) -> bool {
        let (Phase::Result { .. }, Probe::Run { interval, .. }) = (self.phase, &self.spec.probe) else {
            return false;
        };
        self.phase = Phase::Probe { at: now + *interval };
        let failing = status == Health::Critical;
        let needed =
            if failing { self.spec.failures_before_critical } else { self.spec.success_before_passing };
        let len = match self.streak {
            // Nothing is known yet: the first result is believed.
            None => needed,
            Some(streak) if streak.failing == failing => streak.len.saturating_add(1),
            Some(_) => 1,
        };
        self.streak = Some(Streak { failing, len });
        if len < needed {
            return false;
        }
        self.turn(now, status, cut(output, self.output_max() + OUTPUT_SLACK).into())
    }

    /// Somebody reports how it fares; `None`: it takes no reports.
    pub(crate) fn on_report(&mut self, now: Time, status: Health, output: &str) -> Option<bool> {
        let Probe::Ttl(ttl) = &self.spec.probe else { return None };
        self.phase = Phase::Report { until: now + *ttl };
        let (size, max) = (output.len(), self.output_max());
        let output = match cut(output, max) {
            kept if kept.len() < size => format!("{kept} ... (captured {} of {size} bytes)", kept.len()),
            whole => whole.to_owned(),
        };
        Some(self.turn(now, status, output.as_str().into()))
    }

    /// When its instance is to go, if it stays critical.
    pub(crate) fn deregister_at(&self) -> Option<Time> {
        let after = self.spec.deregister_after;
        let kind = !matches!(self.spec.probe, Probe::Maintenance);
        (kind && !after.is_zero() && !self.spec.service_id.is_empty())
            .then(|| Some(self.critical_since? + after))
            .flatten()
    }

    fn output_max(&self) -> usize {
        self.spec.output_max
    }

    fn turn(&mut self, now: Time, status: Health, output: Text) -> bool {
        let output = if self.silent { Text::from("") } else { output };
        if status != Health::Critical {
            self.critical_since = None;
        } else if self.critical_since.is_none() {
            self.critical_since = Some(now);
        }
        let changed = self.status != status || self.output != output;
        self.status = status;
        self.output = output;
        changed
    }
}

/// As much of a text as fits, cut between characters.
fn cut(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// The text of a check in the words of the log.
impl core::fmt::Display for Running {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let text: String = self.output.chars().take(80).collect();
        write!(f, "{} is {}: {text}", self.spec.id, self.status)
    }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::registry::check::Action;

    const SECOND: Duration = Duration::from_secs(1);

    fn spec(probe: Probe) -> CheckSpec {
        CheckSpec {
            id: "c".into(),
            name: "c".into(),
            notes: "".into(),
            service_id: "s".into(),
            status: None,
            probe,
            success_before_passing: 0,
            failures_before_critical: 0,
            deregister_after: Duration::ZERO,
            output_max: 10,
        }
    }

    fn run() -> Probe {
        let action = Arc::new(Action::Tcp { address: "h:1".into() });
        Probe::Run { interval: 10 * SECOND, timeout: 2 * SECOND, action }
    }

    fn start(spec: CheckSpec) -> Running {
        Running::new(Arc::new(spec), None, Time::ZERO, &mut Rng::new([1; 32]))
    }

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn without_a_report_in_time_it_is_critical() {
        let mut check = start(CheckSpec { status: Some(Health::Passing), ..spec(Probe::Ttl(5 * SECOND)) });
        assert_eq!((check.next(), check.on_due(at(4))), (Some(at(5)), Due::Nothing));
        assert_eq!(check.on_report(at(4), Health::Warning, "hm"), Some(true));
        assert_eq!(check.on_report(at(4), Health::Warning, "hm"), Some(false));
        assert_eq!((check.next(), check.on_due(at(9))), (Some(at(9)), Due::Changed));
        assert_eq!((check.status, &*check.output), (Health::Critical, "TTL expired"));
        assert_eq!((check.next(), check.critical_since), (None, Some(at(9))));
        assert_eq!(check.on_report(at(20), Health::Passing, ""), Some(true));
        assert_eq!((check.next(), check.critical_since), (Some(at(25)), None));
    }

    #[test]
    fn probes_follow_the_end_of_the_one_before() {
        let mut check = start(spec(run()));
        let first = check.next().unwrap();
        assert!(first < at(10));
        assert_eq!(check.on_due(first), Due::Probe);
        assert_eq!(check.next(), Some(first + 3 * SECOND));
        let end = first + SECOND;
        assert!(check.on_result(end, Health::Passing, "fine"));
        assert!(!check.on_result(end, Health::Critical, "nobody asked"));
        assert_eq!((check.status, check.next()), (Health::Passing, Some(end + 10 * SECOND)));
    }

    #[test]
    fn a_probe_that_never_ends_has_failed() {
        let mut check = start(CheckSpec { status: Some(Health::Passing), ..spec(run()) });
        let first = check.next().unwrap();
        check.on_due(first);
        let over = check.next().unwrap();
        assert_eq!((check.on_due(over), check.status), (Due::Changed, Health::Critical));
        assert_eq!(check.next(), Some(over + 10 * SECOND));
    }

    #[test]
    fn thresholds_count_results_in_a_row_but_the_first_counts_at_once() {
        use Health::{Critical, Passing, Warning};
        // success_before_passing, failures_before_critical, results, status after each.
        let cases: Vec<(u32, u32, Vec<Health>, Vec<Health>)> = vec![
            (0, 0, vec![Passing, Critical, Warning], vec![Passing, Critical, Warning]),
            (
                3,
                0,
                vec![Passing, Critical, Passing, Passing, Passing],
                vec![Passing, Critical, Critical, Critical, Passing],
            ),
            (
                0,
                2,
                vec![Passing, Critical, Passing, Critical, Critical],
                vec![Passing, Passing, Passing, Passing, Critical],
            ),
            (3, 0, vec![Critical, Warning, Passing, Warning], vec![Critical, Critical, Critical, Warning]),
            (3, 2, vec![Critical], vec![Critical]),
        ];
        for (success, failures, results, expected) in cases {
            let mut check = start(CheckSpec {
                success_before_passing: success,
                failures_before_critical: failures,
                ..spec(run())
            });
            let mut now = check.next().unwrap();
            let mut seen = Vec::new();
            for result in &results {
                assert_eq!(check.on_due(now), Due::Probe);
                check.on_result(now, *result, "");
                seen.push(check.status);
                now = check.next().unwrap();
            }
            assert_eq!(seen, expected, "{success} {failures} {results:?}");
        }
    }

    #[test]
    fn an_instance_goes_when_it_has_been_critical_for_so_long() {
        let mut check = start(CheckSpec { deregister_after: 30 * SECOND, ..spec(Probe::Ttl(5 * SECOND)) });
        assert_eq!(check.deregister_at(), Some(at(30)), "it starts critical");
        check.on_report(at(1), Health::Passing, "");
        assert_eq!(check.deregister_at(), None);
        check.on_due(at(6));
        assert_eq!(check.deregister_at(), Some(at(36)));
        let of_node = CheckSpec { service_id: "".into(), ..(*check.spec).clone() };
        assert_eq!(start(of_node).deregister_at(), None);
    }

    #[test]
    fn a_check_that_is_replaced_by_its_like_keeps_its_state() {
        let mut old = start(spec(Probe::Ttl(5 * SECOND)));
        old.on_report(at(1), Health::Passing, "ok");
        let again =
            |old: &Running, spec| Running::new(Arc::new(spec), Some(old), at(2), &mut Rng::new([1; 32]));
        assert_eq!(again(&old, spec(Probe::Ttl(9 * SECOND))).status, Health::Passing);
        let told = CheckSpec { status: Some(Health::Warning), ..spec(Probe::Ttl(5 * SECOND)) };
        assert_eq!(again(&old, told).status, Health::Warning);
        assert_eq!(again(&old, spec(run())).status, Health::Critical);
        old.on_report(at(1), Health::Critical, "ill");
        let due = CheckSpec { deregister_after: SECOND / 2, ..spec(Probe::Ttl(9 * SECOND)) };
        assert_eq!(again(&old, due).deregister_at(), Some(at(2) + SECOND / 2), "it has its time again");
    }

    #[test]
    fn output_is_cut_between_characters() {
        let mut check = start(spec(Probe::Ttl(5 * SECOND)));
        check.on_report(at(1), Health::Passing, "123456789äbc");
        assert_eq!(&*check.output, "123456789 ... (captured 9 of 13 bytes)");
        check.on_report(at(1), Health::Passing, "1234567890");
        assert_eq!(&*check.output, "1234567890");
    }
}
