//! The group `packet/ping` of Tidings' benchmarks, on foca: a ping comes in, its ack goes out.
//!
//! Identities are a name and an address, as they are there, or an address alone, the leanest that
//! works. Messages are encoded with postcard, the smaller and faster of foca's codecs.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use foca::{
    AccumulatingRuntime, Codec, Config, Foca, Header, Identity, Member, Message, NoCustomBroadcast,
    PostcardCodec,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

const SIZES: [usize; 4] = [100, 1_000, 5_000, 10_000];
const PACKETS: usize = 1_024;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Named {
    addr: SocketAddr,
    name: String,
}

impl Identity for Named {
    type Addr = SocketAddr;

    fn renew(&self) -> Option<Self> {
        None
    }

    fn addr(&self) -> SocketAddr {
        self.addr
    }

    fn win_addr_conflict(&self, other: &Self) -> bool {
        self.name < other.name
    }
}

fn address(i: usize) -> SocketAddr {
    let [_, a, b, c] = (i as u32).to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(10, a, b, c), 7946))
}

fn named(i: usize) -> Named {
    Named { addr: address(i), name: format!("node-{i:05}.example") }
}

/// Some member other than the node under test; far apart for neighbouring `k`.
fn sender(k: usize, members: usize) -> usize {
    1 + k.wrapping_mul(7_919) % (members - 1)
}

fn ping_to_ack<T>(group: &mut BenchmarkGroup<'_, WallTime>, kind: &str, members: usize, id: fn(usize) -> T)
where
    T: Identity + Serialize + DeserializeOwned + 'static,
{
    let config = Config::new_lan(NonZeroU32::new(members as u32).expect("not zero"));
    let mut foca: Foca<T, _, _, NoCustomBroadcast> =
        Foca::new(id(0), config, StdRng::seed_from_u64(7), PostcardCodec);
    let mut runtime = AccumulatingRuntime::new();
    foca.apply_many((1..members).map(|i| Member::alive(id(i))), false, &mut runtime)
        .expect("members are taken");
    while foca.updates_backlog() > 0 {
        foca.gossip(&mut runtime).expect("gossip is sent");
        drain(&mut runtime);
    }
    drain(&mut runtime);
    assert_eq!(foca.num_members(), members - 1);
    let pings: Vec<_> = (0..PACKETS)
        .map(|k| {
            let src = id(sender(k, members));
            let header = Header { src, src_incarnation: 0, dst: id(0), message: Message::Ping(k as u8) };
            let mut packet = Vec::new();
            PostcardCodec.encode_header(&header, &mut packet).expect("there is room");
            packet
        })
        .collect();
    let mut next = 0;
    group.bench_function(BenchmarkId::new(kind, members), |b| {
        b.iter(|| {
            next = (next + 1) % PACKETS;
            foca.handle_data(black_box(&pings[next]), &mut runtime).expect("a good packet");
            assert!(drain(&mut runtime) > 0);
        });
    });
}

fn drain<T: Identity>(runtime: &mut AccumulatingRuntime<T>) -> usize {
    let mut sent = 0;
    while let Some((_, packet)) = runtime.to_send() {
        sent += packet.len();
    }
    while runtime.to_schedule().is_some() {}
    while runtime.to_notify().is_some() {}
    sent
}

fn packet(c: &mut Criterion) {
    let mut group = c.benchmark_group("foca/ping");
    for members in SIZES {
        ping_to_ack(&mut group, "name and address", members, named);
        ping_to_ack(&mut group, "address", members, address);
    }
    group.finish();
}

criterion_group!(benches, packet);
criterion_main!(benches);
