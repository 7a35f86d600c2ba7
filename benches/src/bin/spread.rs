//! `spread [AGENTS] [EVENTS]`: how long a user event takes until the last agent has it.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use tidings_benches::fleet::{self, Failure, Options, Spread};
use tidings_client::protocol::{Event, StreamRecord};
use tokio::sync::mpsc;

/// Between two events, so that each is told to a quiet cluster.
const PAUSE: Duration = Duration::from_millis(700);
/// After the agents agree, until they have nothing more to tell.
const SETTLE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    fleet::measure(Duration::from_secs(120), &[50, 30], run)
}

async fn run(options: Options) -> Result<(), Failure> {
    let (count, events) = (options.numbers[0], options.numbers[1]);
    let agents = fleet::start(&options, count, 8).await?;
    fleet::agree(&agents).await?;
    tokio::time::sleep(SETTLE).await;

    let (heard, mut arrivals) = mpsc::unbounded_channel();
    for agent in &agents {
        let mut records =
            agent.client.stream("user:spread").await.map_err(|error| format!("stream: {error}"))?;
        let heard = heard.clone();
        tokio::spawn(async move {
            while let Ok(Some(record)) = records.next().await {
                if let StreamRecord::User { payload, .. } = record {
                    let _ = heard.send((payload, Instant::now()));
                }
            }
        });
    }
    let (mut last, mut each) = (Vec::new(), Vec::new());
    for event in 0..events {
        tokio::time::sleep(PAUSE).await;
        let sent = Instant::now();
        let payload = bytes::Bytes::from(event.to_string());
        let message = Event { name: "spread".into(), payload: payload.clone(), coalesce: false };
        let sender = &agents[event * 7 % count].client;
        sender.user_event(message).await.map_err(|error| format!("event: {error}"))?;
        let mut missing = count;
        while missing > 0 {
            let (of, at) = arrivals.recv().await.ok_or("the agents' streams have ended")?;
            if of == payload {
                missing -= 1;
                each.push(at - sent);
                if missing == 0 {
                    last.push(at - sent);
                }
            }
        }
    }
    println!("{events} events through {count} agents, from the request to its arrival over RPC");
    println!("at the last agent: {}", Spread::of(last));
    println!("at an agent:       {}", Spread::of(each));
    Ok(())
}
