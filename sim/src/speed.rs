//! How fast a run was, and how much memory it took.

use std::fmt;
use std::fs;
use std::time::Duration;

/// What a run, or a part of it, took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Speed {
    /// Virtual time that passed.
    pub virtual_time: Duration,
    /// Real time that passed.
    pub wall_time: Duration,
    /// Processor time the thread had of it, which is what counts on a machine that others use too;
    /// `None`: the system does not tell.
    pub processor_time: Option<Duration>,
    /// Inputs that nodes were handed: datagrams, what happens to streams, time-outs, commands.
    pub inputs: u64,
    /// Members of the cluster.
    pub members: usize,
    /// Memory by which the process has grown since before the cluster was made; `None`: unknown on
    /// this system, or shared with other runs.
    pub bytes: Option<u64>,
}

impl Speed {
    /// Inputs handled in a second of real time.
    #[must_use]
    pub fn inputs_per_second(&self) -> f64 {
        self.inputs as f64 / self.seconds()
    }

    /// How many times faster than real time it was.
    #[must_use]
    pub fn times_real(&self) -> f64 {
        self.virtual_time.as_secs_f64() / self.seconds()
    }

    /// What an input cost, in nanoseconds of real time.
    #[must_use]
    pub fn nanos_per_input(&self) -> f64 {
        1e9 * self.seconds() / self.inputs.max(1) as f64
    }

    /// Memory of each member.
    #[must_use]
    pub fn bytes_per_member(&self) -> Option<u64> {
        Some(self.bytes? / self.members.max(1) as u64)
    }

    fn seconds(&self) -> f64 {
        self.wall_time.as_secs_f64().max(1e-9)
    }

    /// Processor time for each input, in nanoseconds.
    #[must_use]
    pub fn processor_nanos_per_input(&self) -> Option<f64> {
        Some(1e9 * self.processor_time?.as_secs_f64() / self.inputs.max(1) as f64)
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} s of virtual time in {:.2} s ({:.1} times real), {:.2} M events/s, {:.0} ns each",
            self.virtual_time.as_secs_f64(),
            self.seconds(),
            self.times_real(),
            self.inputs_per_second() / 1e6,
            self.nanos_per_input(),
        )?;
        if let Some(nanos) = self.processor_nanos_per_input() {
            write!(f, " ({nanos:.0} ns of processor time)")?;
        }
        match self.bytes_per_member() {
            Some(bytes) => write!(f, ", {bytes} bytes a member"),
            None => Ok(()),
        }
    }
}

/// Memory of this process that is in use now, where the system tells (Linux).
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(1024 * kib)
}

/// Processor time of this thread so far, where the system tells (Linux).
#[must_use]
pub fn processor_time() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(stat.split_whitespace().next()?.parse().ok()?))
}

/// Bytes by which this process has grown since it used `before`; `None`: the system does not tell.
#[must_use]
pub fn growth(before: Option<u64>) -> Option<u64> {
    resident_bytes().zip(before).map(|(after, before)| after.saturating_sub(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_told_in_one_line() {
        let speed = Speed {
            virtual_time: Duration::from_secs(60),
            wall_time: Duration::from_millis(500),
            processor_time: Some(Duration::from_millis(400)),
            inputs: 2_000_000,
            members: 1000,
            bytes: Some(4_096_000),
        };
        assert_eq!(
            speed.to_string(),
            "60.0 s of virtual time in 0.50 s (120.0 times real), 4.00 M events/s, 250 ns each \
             (200 ns of processor time), 4096 bytes a member"
        );
        let silent = Speed { bytes: None, processor_time: None, ..speed }.to_string();
        assert!(silent.ends_with("250 ns each"), "{silent}");
    }

    #[test]
    fn the_system_tells_how_much_memory_and_processor_time_is_in_use() {
        assert!(!cfg!(target_os = "linux") || resident_bytes().is_some_and(|bytes| bytes > 100_000));
        assert!(!cfg!(target_os = "linux") || processor_time().is_some());
    }
}
