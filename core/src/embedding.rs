//! How to put a node into a program: which driver, or a loop of your own.
//!
//! | your program | take | why |
//! | --- | --- | --- |
//! | runs on tokio | crate `tidings-tokio` | `spawn` gives a handle and a stream of events |
//! | runs on async-std, smol or another executor | crate `tidings-async-std` | the same handle; a plain future if you like |
//! | has threads, or a loop around `poll` | [`own_loop`] | no executor, one thread, 150 lines that you own |
//! | has a tick and no operating system | [`fixed_tick`] | `no_std` with `alloc`; no timer, fixed queues |
//! | is a simulator, or a test of what is built on membership | [`own_simulator`] | the node is one of your actors, in your time |
//! | has no simulator yet | crate `tidings-sim` | faults, invariants, shrinking and replay are there |
//! | is not in Rust | the agent, `tidings` | RPC, HTTP and DNS on the same host |
//!
//! As a rule of thumb: take a driver if it fits your runtime. Write a loop if waiting is not yours to
//! give away. In each case the rules are the same: an input, then all outputs, and back at the deadline
//! at the latest.
//!
//! Each page below ends with the whole text of an example of this crate. They are compiled with the tests, run
//! with them or by themselves, and start with `cargo run -p tidings-core --example NAME`.

/// A complete member of a cluster on one thread, with `mio`: the example `mio`.
///
/// The loop waits for sockets until [`Node::poll_timeout`](crate::Node::poll_timeout), hands in what
/// came, and does what is asked for. What it has to take care of:
///
/// - The datagram socket is bound to the address that is advertised, as answers go to where a datagram
///   came from.
/// - A socket that is full loses datagrams. The protocol lives with it; a queue would only make them late.
/// - Streams are ordered and reliable, so what a socket does not take at once waits, and `Close` comes
///   after it. The node bounds the time of a stream, and how many there are.
/// - Names are looked up on the same thread; with slow name servers, give that to a thread of its own.
///
/// The tests that hold the other drivers to their promises run over this loop too.
///
/// ```ignore
#[doc = include_str!("../examples/mio.rs")]
/// ```
pub mod own_loop {}

/// A loop with a fixed tick, as firmware has one: the example `tick`.
///
/// There is no timer: at each tick the node is asked whether its deadline is over. It is then late by a
/// tick at most, so let a tick be short against the probe's time-out (500 ms in
/// [`Config::lan`](crate::Config::lan), 200 ms in [`Config::local`](crate::Config::local)).
///
/// - All queues have a fixed number of places, and say what they lost. A tick takes a bounded number of
///   inputs, so that a flood delays nothing else.
/// - Two devices on one link need few streams; a connection that finds no place is told so as a failure,
///   and is tried again later.
/// - The node itself needs an allocator. What it may hold is set in [`Config`](crate::Config): start with
///   `members.max`, `stream.message_max`, `events.buffer` and `queries.buffer`.
/// - The seed has to differ from device to device and, with encryption, from start to start.
///
/// ```ignore
#[doc = include_str!("../examples/tick.rs")]
/// ```
pub mod fixed_tick {}

/// A node inside a simulator of your own: the example `own_simulator`.
///
/// A node reads no clock and draws from its own seeded generator, so it is an actor like all others: its
/// deadline is an entry in your queue, its outputs are entries for others. With the same seeds the whole
/// run is the same.
///
/// - Order things that happen at the same time by a number of your own, never by an address or a hash.
/// - A wake-up that is no longer needed does no harm; nothing has to be taken out of the queue.
/// - Streams keep their order: give all pieces of one the same delay, or make each wait for the one before.
/// - A crash is a node that is dropped. What was on its way to it is lost; who connects is refused.
/// - With [`Config::trace`](crate::Config) a node says why it decides what it decides.
///
/// ```ignore
#[doc = include_str!("../examples/own_simulator.rs")]
/// ```
pub mod own_simulator {}
