//! How long a join storm takes, in the cluster's time and in ours:
//! `cargo run --release -p tidings-core --example join_storm -- 5000 [seed]`.

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Instant;

use common::{secs, storm};

fn main() {
    let number = |at| std::env::args().nth(at).map(|n| n.parse::<u64>().expect("a number"));
    let n = number(1).unwrap_or(1000) as usize;
    let wall = Instant::now();
    let mut cluster = storm::large(number(2).unwrap_or(1), n);
    storm::join_all(&mut cluster, secs(1));
    let took = secs(1) + storm::fill_views(&mut cluster, secs(600));
    println!(
        "{n} nodes: full views everywhere after {took:?} of virtual time, {:.1?} of ours; \
         {} datagrams, {} bytes, {} member events",
        wall.elapsed(),
        cluster.net.packets,
        cluster.net.bytes,
        cluster.member_events,
    );
}
