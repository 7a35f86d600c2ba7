//! The digest of a run: one number that two runs share only if they did the same.

use std::fmt::Write as _;
use std::net::SocketAddr;

use tidings_core::{Event, MemberEvent, Output, StreamAction, Time, UserEvent};

/// A running digest. Not meant to withstand malice; two histories collide by chance once in 2^64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Digest(0x243f_6a88_85a3_08d3)
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Digest {
    /// As a number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Takes in a number.
    pub const fn word(&mut self, word: u64) {
        let product =
            ((self.0 ^ 0xa076_1d64_78bd_642f) as u128).wrapping_mul((word ^ 0xe703_7ed1_a0b4_28db) as u128);
        self.0 = (product >> 64) as u64 ^ product as u64 ^ self.0.rotate_left(23);
    }

    /// Takes in bytes, and how many there are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.word(u64::from_le_bytes(last));
        self.word(bytes.len() as u64);
    }

    /// Takes in an address.
    pub fn addr(&mut self, addr: SocketAddr) {
        match addr {
            SocketAddr::V4(v4) => self.word(u64::from(v4.ip().to_bits())),
            SocketAddr::V6(v6) => {
                self.word((v6.ip().to_bits() >> 64) as u64);
                self.word(v6.ip().to_bits() as u64);
            }
        }
        self.word(u64::from(addr.port()));
    }

    /// Takes in what a host did. How the host explains itself is left out, so that to ask for it
    /// makes no other history.
    pub(crate) fn output(&mut self, now: Time, host: usize, output: &Output) {
        if matches!(output, Output::Trace(_)) {
            return;
        }
        self.word(now.as_nanos());
        self.word(host as u64);
        match output {
            Output::Datagram { to, payload } => {
                self.addr(*to);
                self.bytes(payload);
            }
            Output::Stream { id, action: StreamAction::Send(bytes) } => {
                self.word(id.as_u64());
                self.bytes(bytes);
            }
            Output::Event(Event::Members(news)) => self.members(news),
            Output::Event(Event::User(event)) => self.user(event),
            rare => self.debug(rare),
        }
    }

    fn user(&mut self, event: &UserEvent) {
        self.word(event.ltime.0);
        self.bytes(event.name.as_bytes());
        self.bytes(&event.payload);
        self.word(u64::from(event.coalesce));
    }

    /// Members and what they send to all are what an application hears of often.
    fn members(&mut self, news: &MemberEvent) {
        self.bytes(news.kind.as_str().as_bytes());
        self.word(news.members.len() as u64);
        for member in &news.members {
            let identity = member.identity();
            self.bytes(identity.name.as_bytes());
            self.addr(identity.addr);
            self.bytes(&identity.meta);
            self.bytes(&identity.versions.to_bytes());
            self.word(u64::from(member.incarnation()));
            self.word(member.state() as u64 | (member.status() as u64) << 8);
            self.word(member.status_ltime().0);
        }
    }

    /// Takes in the words of a debug form.
    fn debug(&mut self, what: &impl std::fmt::Debug) {
        // Writing to a digest cannot fail.
        let _ = write!(self, "{what:?}");
    }
}

impl std::fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.bytes(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: &[&[u8]]) -> Digest {
        let mut digest = Digest::default();
        for part in parts {
            digest.bytes(part);
        }
        digest
    }

    #[test]
    fn order_and_boundaries_matter() {
        let all =
            [of(&[b"ab", b"c"]), of(&[b"a", b"bc"]), of(&[b"abc"]), of(&[b"c", b"ab"]), of(&[b"abc", b""])];
        for (i, digest) in all.iter().enumerate() {
            assert!(!all[..i].contains(digest), "{i}");
        }
    }
}
