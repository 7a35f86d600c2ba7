//! `storm [AGENTS] [AT_A_TIME]`: how long until agents that join through one seed all know each
//! other, and what they use afterwards.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use tidings_benches::fleet::{self, Failure, Options, Spread};

/// How long they are watched once they agree.
const QUIET: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    fleet::measure(Duration::from_secs(180), &[200, 8], run)
}

async fn run(options: Options) -> Result<(), Failure> {
    let (count, at_a_time) = (options.numbers[0], options.numbers[1]);
    let start = Instant::now();
    let agents = fleet::start(&options, count, at_a_time).await?;
    let joined = start.elapsed();
    fleet::agree(&agents).await?;
    let agreed = start.elapsed();
    let storm = fleet::usage(&agents)?;
    println!("{count} agents, {at_a_time} at a time, started and joined after {joined:.2?}");
    println!("all agree after {agreed:.2?}");
    let total: Duration = storm.iter().map(|usage| usage.cpu).sum();
    println!("processor time until then: {total:.2?}, {:.1?} an agent", total / count as u32);

    let mut before = total;
    for second in 1..=QUIET.as_secs() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now: Duration = fleet::usage(&agents)?.iter().map(|usage| usage.cpu).sum();
        println!("second {second:2} after: {:.2?} of processor time", now - before);
        before = now;
    }
    let rest = before - total;
    println!(
        "{QUIET:.0?} after: {rest:.2?} in all, {:.1} % of a core",
        100.0 * rest.as_secs_f64() / QUIET.as_secs_f64()
    );
    let resident = fleet::usage(&agents)?.iter().map(|usage| usage.resident >> 10).collect();
    println!("resident, KiB an agent: {}", Spread::of(resident));
    fleet::agree(&agents).await
}
