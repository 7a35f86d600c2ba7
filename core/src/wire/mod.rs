//! The bytes on the wire: memberlist's and Serf's messages, their wrappers and limits.

pub mod limits;
pub mod msgpack;
