//! SWIM with Lifeguard: who is there, and who is alive.

pub mod member;
