//! `tidings-sim replay --stop-at`: the cluster as it is at a moment of a run.

use std::path::Path;
use std::time::Duration;

use tidings_core::Time;

use super::{Failure, read};
use crate::cluster::Cluster;
use crate::run::stop_at;

/// Members of whom each difference is told; of more than these, how many there are.
const TOLD_MAX: usize = 40;

/// Prints the cluster at a moment. What is wrong by then is a failure.
pub(super) fn stop(path: &Path, seed: u64, at: Duration) -> Result<(), Failure> {
    let script = read(path)?;
    let (cluster, violation) = stop_at(&script, seed, Time::ZERO + at);
    let end = match &violation {
        Some(found) => format!("a violation ended the run: {found}"),
        None if cluster.now() < Time::ZERO + at => "the run was over by then".into(),
        None => "no violation by then".into(),
    };
    print!(
        "seed {seed}  {} of virtual time  digest {}\n{}{end}\n",
        cluster.now(),
        cluster.digest(),
        picture(&cluster)
    );
    violation.map_or(Ok(()), |_| Err(Failure::Found))
}

fn picture(cluster: &Cluster) -> String {
    let mut text = String::from("a line for each member, with what it holds of each in turn:\n");
    text.push_str(&cluster.picture());
    text.push_str(
        "A alive, s suspect, F failed, l leaving, L left, . unknown; an empty line: it does not run\n",
    );
    let faults: Vec<String> = cluster.faults_under_way().map(ToString::to_string).collect();
    if !faults.is_empty() {
        text.push_str(&format!("under way: {}\n", faults.join("; ")));
    }
    let differences = cluster.differences();
    if differences.is_empty() {
        text.push_str("all members that run hold the same\n");
    }
    for wrong in differences.iter().take(TOLD_MAX) {
        text.push_str(&format!("about {}: {}: {}\n", wrong.about, wrong.at, wrong.what));
    }
    if let more @ 1.. = differences.len().saturating_sub(TOLD_MAX) {
        text.push_str(&format!("... and {more} more\n"));
    }
    text
}
