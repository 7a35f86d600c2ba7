//! The bytes on the wire: memberlist's and Serf's messages, their wrappers and limits.

pub mod compound;
pub mod compress;
pub mod crc;
pub mod frame;
mod keyring;
pub mod label;
pub mod limits;
pub mod lzw;
pub mod message;
pub mod msgpack;
pub mod packet;
pub mod seal;
pub mod serf_message;

pub use keyring::{KeyError, Keyring};
