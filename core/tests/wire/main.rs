//! The bytes on the wire: laws, oracles and recorded traffic.

mod frame;
mod laws;
mod lzw;
mod msgpack;
mod packet;
mod recorded;
mod seal;
mod vectors;
