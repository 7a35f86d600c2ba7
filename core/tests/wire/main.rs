//! The bytes on the wire: laws, oracles and recorded traffic.

mod msgpack;
mod recorded;
mod vectors;
