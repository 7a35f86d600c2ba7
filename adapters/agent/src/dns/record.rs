//! Records and replies, before they are written out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::name::Name;

/// Types of records and of questions, by their numbers.
pub(super) mod kind {
    pub(in crate::dns) const A: u16 = 1;
    pub(in crate::dns) const NS: u16 = 2;
    pub(in crate::dns) const CNAME: u16 = 5;
    pub(in crate::dns) const SOA: u16 = 6;
    pub(in crate::dns) const PTR: u16 = 12;
    pub(in crate::dns) const TXT: u16 = 16;
    pub(in crate::dns) const AAAA: u16 = 28;
    pub(in crate::dns) const SRV: u16 = 33;
    pub(in crate::dns) const OPT: u16 = 41;
    pub(in crate::dns) const IXFR: u16 = 251;
    pub(in crate::dns) const AXFR: u16 = 252;
    pub(in crate::dns) const ANY: u16 = 255;
}

/// The class of everything here.
pub(super) const IN: u16 = 1;

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Rcode {
    NoError = 0,
    FormErr = 1,
    ServFail = 2,
    NxDomain = 3,
    NotImp = 4,
    Refused = 5,
    /// A version of EDNS that is not spoken. Its higher bits go into the OPT record.
    BadVers = 16,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Data {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Cname(Name),
    Ns(Name),
    Ptr(Name),
    Txt(String),
    Srv { weight: u16, port: u16, target: Name },
    Soa { server: Name, mail: Name, serial: u32, refresh: u32, retry: u32, expire: u32, min_ttl: u32 },
}

impl Data {
    /// The record of an address.
    pub(super) const fn of(addr: IpAddr) -> Data {
        match addr {
            IpAddr::V4(addr) => Data::A(addr),
            IpAddr::V6(addr) => Data::Aaaa(addr),
        }
    }

    /// The number of its type.
    pub(super) const fn kind(&self) -> u16 {
        match self {
            Data::A(_) => kind::A,
            Data::Aaaa(_) => kind::AAAA,
            Data::Cname(_) => kind::CNAME,
            Data::Ns(_) => kind::NS,
            Data::Ptr(_) => kind::PTR,
            Data::Txt(_) => kind::TXT,
            Data::Srv { .. } => kind::SRV,
            Data::Soa { .. } => kind::SOA,
        }
    }
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Record {
    /// The name it is found under.
    pub(super) owner: Name,
    /// Seconds that it may be kept.
    pub(super) ttl: u32,
    /// What it says.
    pub(super) data: Data,
}

/// What is answered to a question, all of it; what does not fit is left out later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) rcode: Rcode,
    /// It is ours to know.
    pub(super) authoritative: bool,
    pub(super) answers: Vec<Record>,
    pub(super) authorities: Vec<Record>,
    pub(super) additionals: Vec<Record>,
    /// The number of answers in small datagrams is limited, whatever would fit.
    pub(super) counted: bool,
    /// Some answers are left out already, because so many fit in no message.
    pub(super) shortened: bool,
}

impl Reply {
    /// An answer from the zone.
    pub(super) fn of(answers: Vec<Record>) -> Reply {
        let (authorities, additionals) = (Vec::new(), Vec::new());
        let (rcode, authoritative) = (Rcode::NoError, true);
        Reply { rcode, authoritative, answers, authorities, additionals, counted: false, shortened: false }
    }

    /// There is no answer here.
    pub(super) fn failed(rcode: Rcode) -> Reply {
        Reply { rcode, authoritative: false, ..Reply::of(Vec::new()) }
    }

    /// The zone has nothing to say to this; `soa` says how long that may be believed.
    pub(super) fn negative(rcode: Rcode, soa: Record) -> Reply {
        Reply { rcode, authorities: vec![soa], ..Reply::of(Vec::new()) }
    }
}
