//! How long a join storm takes, in the cluster's time and in ours:
//! `cargo run --release -p tidings-core --example join_storm -- 5000`.

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Instant;

use common::{secs, storm};

fn main() {
    let n = std::env::args().nth(1).map_or(1000, |n| n.parse().expect("a number of nodes"));
    let wall = Instant::now();
    let mut cluster = storm::large(n);
    let took = storm::join_all(&mut cluster, secs(1), secs(60));
    println!(
        "{n} nodes: full views everywhere after {took:?} of virtual time, {:.1?} of ours; \
         {} datagrams, {} bytes, {} member events",
        wall.elapsed(),
        cluster.net.packets,
        cluster.net.bytes,
        cluster.member_events,
    );
}
