//! The header and the bodies of responses (serf-agent, section 8.4).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tidings_core::serf::coordinate;
use tidings_core::wire::msgpack::Reader;

use super::message::messages;
use super::value::{RpcWriter, Value, read_list, write_list};
use crate::protocol::Malformed;

messages! {
    /// Precedes every response and record.
    pub struct ResponseHeader {
        /// What went wrong; empty: nothing.
        error: String = "Error" @ 0,
        /// The request's number.
        seq: u64 = "Seq" @ 1,
    }

    /// Answer to `join`, also when it failed.
    pub struct JoinResponse {
        /// Addresses that worked.
        num: i64 = "Num" @ 0,
    }

    /// Answer to `members` and `members-filtered`.
    pub struct MembersResponse {
        /// The members, in no particular order.
        members: Vec<Member> = "Members" @ 0,
    }

    /// Answer to the key commands, also when they failed.
    pub struct KeyResponse {
        /// Nodes that hold each key; `None` unless keys were asked for.
        keys: Option<BTreeMap<String, i64>> = "Keys" @ 1,
        /// What nodes have to say, mostly why they failed.
        messages: BTreeMap<String, String> = "Messages" @ 0,
        /// Nodes that failed.
        num_err: i64 = "NumErr" @ 3,
        /// Nodes asked.
        num_nodes: i64 = "NumNodes" @ 2,
        /// Nodes that answered.
        num_resp: i64 = "NumResp" @ 4,
    }

    /// Answer to `get-coordinate`.
    pub struct CoordinateResponse {
        /// Where the member is; zeros when it is unknown.
        coord: Coordinate = "Coord" @ 0,
        /// Whether the member has a coordinate.
        ok: bool = "Ok" @ 1,
    }

    /// A place in the network's coordinate space; all in seconds, the error excepted.
    pub struct Coordinate {
        /// Correction learnt from recent measurements.
        adjustment: f64 = "Adjustment" @ 2,
        /// Confidence: 0 is certain, 1.5 is anything.
        error: f64 = "Error" @ 1,
        /// Distance from the Euclidean space: the access link.
        height: f64 = "Height" @ 3,
        /// Position in the Euclidean space; empty when unknown.
        vec: Vec<f64> = "Vec" @ 0,
    }

    /// A member as the agent reports it. Versions: `protocol_*` are the gossip layer's,
    /// `delegate_*` the Serf layer's.
    pub struct Member {
        /// Its address.
        addr: IpAddr = "Addr" @ 1,
        /// Serf protocol it speaks.
        delegate_cur: u8 = "DelegateCur" @ 10,
        /// Highest Serf protocol it understands.
        delegate_max: u8 = "DelegateMax" @ 9,
        /// Lowest Serf protocol it understands.
        delegate_min: u8 = "DelegateMin" @ 8,
        /// Its name.
        name: String = "Name" @ 0,
        /// Its gossip port.
        port: u16 = "Port" @ 2,
        /// Gossip protocol it speaks.
        protocol_cur: u8 = "ProtocolCur" @ 7,
        /// Highest gossip protocol it understands.
        protocol_max: u8 = "ProtocolMax" @ 6,
        /// Lowest gossip protocol it understands.
        protocol_min: u8 = "ProtocolMin" @ 5,
        /// `alive`, `leaving`, `left`, `failed` or `none`.
        status: String = "Status" @ 4,
        /// Its tags.
        tags: BTreeMap<String, String> = "Tags" @ 3,
    }
}

/// Answer to `stats`: groups of named values.
pub type StatsResponse = BTreeMap<String, BTreeMap<String, String>>;

/// Fewer bytes than any member has on the wire. It keeps a list of empty members from growing to
/// many times its bytes.
const MEMBER_BYTES_MIN: usize = 32;

/// An empty list is an empty array here, unlike lists of texts.
impl Value for Vec<Member> {
    fn zero() -> Self {
        Vec::new()
    }

    fn write(&self, writer: &mut RpcWriter<'_>) {
        write_list(self, writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        read_list(reader, reader.rest().len() / MEMBER_BYTES_MIN)
    }
}

impl Member {
    /// Where its gossip port is.
    #[must_use]
    pub const fn gossip_addr(&self) -> SocketAddr {
        SocketAddr::new(self.addr, self.port)
    }
}

impl Coordinate {
    /// The estimated round trip; `None` if one of the two is not of the space agents use.
    #[must_use]
    pub fn distance(&self, other: &Coordinate) -> Option<Duration> {
        Some(self.in_space()?.distance(&other.in_space()?))
    }

    fn in_space(&self) -> Option<coordinate::Coordinate> {
        let &Coordinate { adjustment, error, height, ref vec } = self;
        let vec = vec.as_slice().try_into().ok()?;
        Some(coordinate::Coordinate { vec, error, adjustment, height })
    }
}
