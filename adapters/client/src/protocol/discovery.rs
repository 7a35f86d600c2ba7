//! Apps and routers: what the agent Blued added to the protocol (seed-systems, section 1.5).

use bytes::Bytes;
use tidings_core::wire::msgpack::Reader;

use super::message::messages;
use super::value::{RpcWriter, Value, read_list, write_list};
use crate::protocol::Malformed;

messages! {
    /// An app that is registered at the agent.
    pub struct MicroApp {
        /// Where it is reached: any text, usually a URL.
        addr: String = "Addr" @ 0,
        /// The services it uses.
        consumers: Vec<String> = "Consumers" @ 2,
        /// The services it offers.
        providers: Vec<String> = "Providers" @ 1,
    }

    /// Where a service is.
    pub struct Router {
        /// The addresses it is at.
        addrs: Vec<RouterAddr> = "Addrs" @ 1,
        /// 16 bytes: the sum of the MD5 digests of the addresses, byte by byte.
        checksum: Bytes = "Checksum" @ 2,
        /// The service's name.
        service: String = "Service" @ 0,
    }

    /// An address of a service.
    pub struct RouterAddr {
        /// The address, as the app gave it.
        addr: String = "Addr" @ 1,
        /// The member that announced it.
        node: String = "Node" @ 0,
    }
}

/// Fewer bytes than any element of these lists has on the wire. It keeps a list of empty ones from
/// growing to many times its bytes.
const ELEMENT_BYTES_MIN: usize = 4;

macro_rules! lists {
    ($($element:ty)*) => {$(
        /// An empty list is an empty array here, unlike lists of texts.
        impl Value for Vec<$element> {
            fn zero() -> Self {
                Vec::new()
            }

            fn write(&self, writer: &mut RpcWriter<'_>) {
                write_list(self, writer);
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                read_list(reader, reader.rest().len() / ELEMENT_BYTES_MIN)
            }
        }
    )*};
}

lists! { MicroApp Router RouterAddr }
