//! Packets are opened, decoded, encoded and closed without allocating, once buffers are warm.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::BytesMut;
use tidings_core::Config;
use tidings_core::wire::Keyring;
use tidings_core::wire::compound::Compound;
use tidings_core::wire::message::{Alive, Message, Ping, Source};
use tidings_core::wire::packet::{Closer, Opener};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // The allocator outlives the thread's storage.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Fills, closes, opens and decodes one packet.
fn round(
    compound: &mut Compound,
    closer: &mut Closer,
    opener: &mut Opener,
    out: &mut BytesMut,
    config: &Config,
    keyring: &Keyring,
) -> usize {
    compound.clear();
    let source = Source::new(config.advertise, "asker");
    compound.push_with(|out| Ping { seq: 1, node: "target", source }.encode(out));
    for incarnation in 0..15 {
        let alive = Alive {
            node: "member",
            addr: config.advertise.ip(),
            port: 7946,
            meta: b"\xff\x81\xa4role\xa3web",
            incarnation,
            versions: None,
        };
        compound.push_with(|out| alive.encode(out));
    }
    let mut message = [0; 1400];
    let len = compound.encoded_len();
    compound.encode(&mut &mut message[..len]);
    out.clear();
    closer.close(&message[..len], true, config, keyring, || [1; 12], out);
    let mut messages = 0;
    opener.open(out, config, keyring, |message| {
        Message::decode(message.unwrap()).unwrap();
        messages += 1;
    });
    messages
}

#[test]
fn a_warm_codec_allocates_nothing() {
    let config = Config::lan("node", "10.0.0.1:7946".parse().unwrap());
    for keys in [vec![], vec![[1u8; 32], [2; 32]]] {
        let keyring = Keyring::new(keys).unwrap();
        let (mut compound, mut closer) = (Compound::new(), Closer::new());
        let (mut opener, mut out) = (Opener::new(), BytesMut::with_capacity(1 << 14));
        let mut run = || round(&mut compound, &mut closer, &mut opener, &mut out, &config, &keyring);
        assert_eq!(run(), 16);
        let before = ALLOCATIONS.get();
        for _ in 0..100 {
            assert_eq!(run(), 16);
        }
        assert_eq!(ALLOCATIONS.get() - before, 0);
    }
}
