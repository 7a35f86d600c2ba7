//! `idle [AGENTS] [SECONDS]`: memory and processor time of one idle agent among many.

use std::process::ExitCode;
use std::time::Duration;

use tidings_benches::fleet::{self, Agent, Failure, Options, Spread};

/// After the agents agree, until joining has left no trace.
const SETTLE: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    fleet::measure(Duration::from_secs(240), &[50, 60], run)
}

async fn run(options: Options) -> Result<(), Failure> {
    let (count, seconds) = (options.numbers[0], options.numbers[1].clamp(1, 180));
    let agents = fleet::start(&options, count, 8).await?;
    fleet::agree(&agents).await?;
    tokio::time::sleep(SETTLE).await;
    let before = fleet::usage(&agents)?;
    tokio::time::sleep(Duration::from_secs(seconds as u64)).await;
    let after = fleet::usage(&agents)?;

    let a_minute = 60.0 / seconds as f64;
    let spent: Vec<Duration> =
        before.iter().zip(&after).map(|(before, after)| (after.cpu - before.cpu).mul_f64(a_minute)).collect();
    let mean = spent.iter().sum::<Duration>() / count as u32;
    println!("{count} agents that agree, watched for {seconds} s");
    println!("processor time a minute: {mean:.1?} (mean), {}", Spread::of(spent));
    let kib = |bytes: fn(&tidings_benches::usage::Usage) -> u64| {
        Spread::of(after.iter().map(|usage| bytes(usage) >> 10).collect())
    };
    println!("resident, KiB:           {}", kib(|usage| usage.resident));
    println!("of it its own, KiB:      {}", kib(|usage| usage.anonymous));
    let proportional = agents.iter().map(Agent::proportional).collect::<Result<Vec<_>, _>>()?;
    let proportional = proportional.into_iter().map(|bytes| bytes >> 10).collect();
    println!("its share of all, KiB:   {}", Spread::of(proportional));
    Ok(())
}
