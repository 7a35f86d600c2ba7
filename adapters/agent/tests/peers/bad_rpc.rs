//! Hostile bytes on the RPC port.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use tidings_core::wire::msgpack::{Dialect, Writer};

use crate::hostile::{Draw, Target, many_connections, read_to_end, send};

fn rpc(write: impl FnOnce(&mut Writer<'_, Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut Writer::new(&mut bytes, Dialect::Rpc));
    bytes
}

fn request(command: &str, seq: u64) -> Vec<u8> {
    rpc(|w| {
        w.map(2).str("Command").str(command).str("Seq").uint(seq);
    })
}

/// The bytes every talk begins with.
fn handshake() -> Vec<u8> {
    let body = rpc(|w| {
        w.map(1).str("Version").uint(1);
    });
    [request("handshake", 0), body].concat()
}

/// Claims of 4 GiB, each of another kind.
const HUGE: [&[u8]; 5] = [
    &[0xdb, 0xff, 0xff, 0xff, 0xff],
    &[0xc6, 0xff, 0xff, 0xff, 0xff],
    &[0xdd, 0xff, 0xff, 0xff, 0xff],
    &[0xdf, 0xff, 0xff, 0xff, 0xff],
    &[0xc9, 0xff, 0xff, 0xff, 0xff, 0x01],
];

#[test]
fn random_and_damaged_requests_are_refused() {
    let target = Target::start(&[]);
    let addr = target.victim.rpc;
    let mut draw = Draw::new(3);
    for round in 0..300 {
        let len = draw.below(600);
        let mut bytes = draw.bytes(len);
        if round % 2 == 0 {
            bytes = [handshake(), bytes].concat();
        }
        drop(send(addr, &bytes));
    }
    let body = rpc(|w| {
        w.map(3).str("Name").str("n").str("Payload").bytes(b"p").str("Coalesce").bool(true);
    });
    let whole = [handshake(), request("event", 1), body, request("members", 2), request("stats", 3)].concat();
    for _ in 0..300 {
        drop(send(addr, &draw.damaged(&whole)));
    }
    target.has_survived(false);
}

#[test]
fn claims_of_gigabytes_are_not_believed() {
    let target = Target::start(&[]);
    let addr = target.victim.rpc;
    let zeros = vec![0; 8 << 20];
    for huge in HUGE {
        // As a header, as a value of a header, as a body, and as the list of a join.
        let existing = rpc(|w| {
            w.map(1).str("Existing");
        });
        let talks = [
            huge.to_vec(),
            [
                &rpc(|w| {
                    w.map(2).str("Command");
                })[..],
                huge,
            ]
            .concat(),
            [handshake(), request("event", 1), huge.to_vec()].concat(),
            [handshake(), request("join", 1), existing, huge.to_vec()].concat(),
        ];
        for talk in talks {
            let mut stream = send(addr, &talk);
            let _ = stream.write_all(&zeros);
        }
    }
    // Values within values: no stack is deep enough to follow, so nobody may.
    for deep in [0x91, 0x81] {
        let mut stream = send(addr, &[handshake(), request("join", 1)].concat());
        let _ = stream.write_all(&vec![deep; 4 << 20]);
    }
    target.has_survived(false);
}

#[test]
fn a_list_of_too_many_addresses_is_refused() {
    let target = Target::start(&[]);
    // A claim that the bytes bear out in part.
    let mut body = rpc(|w| {
        w.map(1).str("Existing");
    });
    body.extend([0xdd, 0, 0x10, 0, 0]);
    body.extend(std::iter::repeat_n(0xa0, 1 << 20));
    let stream = send(target.victim.rpc, &[handshake(), request("join", 1), body].concat());
    drop(stream);
    target.has_survived(false);
}

#[test]
fn slow_deaf_and_countless_clients_hold_nobody_up() {
    let target = Target::start(&[]);
    let addr = target.victim.rpc;
    let half: Vec<TcpStream> = (0..200).map(|_| send(addr, &handshake()[..9])).collect();
    // They ask and ask, and never read.
    let deaf: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(move || {
                let mut stream = send(addr, &handshake());
                stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
                let asks = request("stats", 7).repeat(20_000);
                let _ = stream.write_all(&asks);
                stream
            })
        })
        .collect();
    let deaf: Vec<TcpStream> = deaf.into_iter().map(|thread| thread.join().unwrap()).collect();
    let crowd = many_connections(addr, 2_000);
    let (half_open, all_deaf) = (half.len(), deaf.len());
    assert_eq!((half_open, all_deaf), (200, 8));
    drop((half, deaf, crowd));
    target.has_survived(false);
    read_to_end(send(addr, &[0xc1]));
}

#[test]
fn members_are_told_while_the_port_is_crowded() {
    let target = Target::start(&[]);
    let crowd = many_connections(target.victim.rpc, 2_000);
    target.has_survived(false);
    drop(crowd);
}
