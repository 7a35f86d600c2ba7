//! What was measured beside what it should be.

use std::time::Duration;

/// A quantity, what it should come to at least or at most, and what each piece of it cost the agent.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) measured: f64,
    pub(crate) unit: &'static str,
    pub(crate) aim: Aim,
    /// Processor time of the agent for each answer; `None`: it does not apply.
    pub(crate) each: Option<Duration>,
}

/// What a quantity should come to.
#[derive(Clone, Copy)]
pub(crate) enum Aim {
    AtLeast(f64),
    AtMost(f64),
    /// Nothing is known of the original.
    None,
}

impl Aim {
    /// How many times better than it should be; below 1 is worse.
    fn ratio(self, measured: f64) -> Option<f64> {
        match self {
            Aim::AtLeast(aim) => Some(measured / aim),
            Aim::AtMost(aim) => Some(aim / measured),
            Aim::None => None,
        }
    }
}

pub(crate) fn heading() {
    println!(
        "{:<48} {:>12} {:>13} {:>6} {:>10} {:>12}",
        "a registry under load", "measured", "aim", "times", "each", "of one core"
    );
}

impl Row {
    /// One line. Behind the aim stands how many times better than it this is; behind the processor time of
    /// each answer, how many times better a core would do that does nothing else.
    pub(crate) fn print(&self) {
        let Row { what, measured, unit, aim, each } = self;
        let digits = usize::from(*measured < 100.0);
        let measured_text = format!("{measured:.digits$} {unit}");
        let aim_text = match aim {
            Aim::AtLeast(aim) => format!(">= {aim:.0} {unit}"),
            Aim::AtMost(aim) => format!("<= {aim:.1} {unit}"),
            Aim::None => String::new(),
        };
        let times = |ratio: Option<f64>| ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let (ratio, each_text, alone) = match each {
            Some(each) => {
                let alone = matches!(aim, Aim::AtLeast(_)).then(|| aim.ratio(1.0 / each.as_secs_f64()));
                (aim.ratio(*measured), format!("{:.1} us", each.as_secs_f64() * 1e6), alone.flatten())
            }
            None => (aim.ratio(*measured), String::new(), None),
        };
        let (ratio, alone) = (times(ratio), times(alone));
        println!("{what:<48} {measured_text:>12} {aim_text:>13} {ratio:>6} {each_text:>10} {alone:>12}");
    }
}
