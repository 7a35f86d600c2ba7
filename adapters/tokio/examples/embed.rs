//! A program that is a member of a cluster, and says what happens there.
//!
//! ```text
//! cargo run --example embed -- a 127.0.0.1:7946
//! cargo run --example embed -- b 127.0.0.1:7947 127.0.0.1:7946
//! ```

use tidings_core::{Config, Event};
use tidings_tokio::{Notice, Options, spawn_with_events};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().ok_or("usage: embed NAME ADDRESS [JOIN...]")?;
    let addr = arguments.next().ok_or("usage: embed NAME ADDRESS [JOIN...]")?.parse()?;

    let mut config = Config::lan(name, addr);
    config.tags.insert("role", "example");
    let (node, mut events) = spawn_with_events(config, Options::default())?;

    let seeds: Vec<String> = arguments.collect();
    if !seeds.is_empty() {
        let joined = node.join(seeds, false).await?;
        println!("joined through {} addresses", joined.contacted);
    }
    node.user_event("hello", node.config().name.clone(), false).await?;

    while let Some(notice) = events.next().await {
        match notice {
            Notice::Event(event) => match &*event {
                Event::Members(change) => {
                    let names: Vec<_> = change.members.iter().map(|member| member.name()).collect();
                    println!("{}: {}; {} members", change.kind, names.join(", "), node.view().len());
                }
                Event::User(event) => println!("event {}: {:?}", event.name, event.payload),
                Event::Query(query) => node.respond(query.id, "here I am").await?,
                _ => {}
            },
            Notice::Missed(n) => println!("{n} events were too fast"),
            _ => {}
        }
    }
    Ok(())
}
