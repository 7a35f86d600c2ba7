//! How each type of field looks on the wire (serf-agent, section 8.1).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use tidings_core::wire::msgpack::{Reader, Writer};

use crate::protocol::Malformed;

/// Writes the RPC dialect into a growing buffer.
pub(super) type RpcWriter<'a> = Writer<'a, Vec<u8>>;

/// Elements of a list of texts or numbers: more than any command has use for, and few enough that
/// a list of empty ones does not grow to many times its bytes on the wire.
const LIST_ELEMENTS_MAX: usize = 65_536;

/// A value on the wire.
pub(super) trait Value: Sized {
    /// What a missing field and nil stand for.
    fn zero() -> Self;
    fn write(&self, writer: &mut RpcWriter<'_>);
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed>;
}

macro_rules! values {
    ($($type:ty: $write:ident($convert:expr), $read:expr;)*) => {$(
        impl Value for $type {
            fn zero() -> Self {
                Self::default()
            }

            fn write(&self, writer: &mut RpcWriter<'_>) {
                writer.$write($convert(self));
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                $read(reader)
            }
        }
    )*};
}

values! {
    bool: bool(|v: &bool| *v), Reader::bool;
    u8: uint(|v: &u8| u64::from(*v)), Reader::u8;
    u16: uint(|v: &u16| u64::from(*v)), Reader::u16;
    u64: uint(|v: &u64| *v), Reader::u64;
    i64: int(|v: &i64| *v), Reader::i64;
    f64: f64(|v: &f64| *v), Reader::f64;
    String: str(String::as_str), read_text;
    // A payload; an empty one is nil, as in a Go slice nobody set.
    Bytes: bytes_or_nil(|v| v), read_payload;
}

/// A text. Go takes any bytes for one, and logs and payloads bring them, so what is not UTF-8 is
/// replaced by marks instead of being refused.
fn read_text(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    let mut ahead = reader.clone();
    match ahead.str() {
        Ok(text) => {
            *reader = ahead;
            Ok(text.to_owned())
        }
        Err(Malformed::Utf8) => reader.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
        Err(error) => Err(error),
    }
}

/// Text, bytes, or an array of integers: Go takes each for a field of bytes.
fn read_payload(reader: &mut Reader<'_>) -> Result<Bytes, Malformed> {
    match reader.clone().array_len() {
        Ok(_) => (0..reader.array_len()?).map(|_| reader.u8()).collect(),
        _ => reader.bytes().map(Bytes::copy_from_slice),
    }
}

/// 4 or 16 bytes. Agents of 2015 to 2019 send IPv4 addresses mapped into 16 bytes.
impl Value for IpAddr {
    fn zero() -> Self {
        Ipv4Addr::UNSPECIFIED.into()
    }

    fn write(&self, writer: &mut RpcWriter<'_>) {
        match self {
            IpAddr::V4(ip) => writer.bytes(&ip.octets()),
            IpAddr::V6(ip) => writer.bytes(&ip.octets()),
        };
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let bytes = reader.bytes()?;
        if bytes.is_empty() {
            return Ok(Self::zero());
        }
        if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
            return Ok(Ipv4Addr::from(octets).into());
        }
        match <[u8; 16]>::try_from(bytes) {
            Ok(octets) => Ok(Ipv6Addr::from(octets).to_canonical()),
            Err(_) => Err(Malformed::Address),
        }
    }
}

impl<V: Value> Value for BTreeMap<String, V> {
    fn zero() -> Self {
        BTreeMap::new()
    }

    fn write(&self, writer: &mut RpcWriter<'_>) {
        writer.map(self.len());
        for (key, value) in self {
            writer.str(key);
            value.write(writer);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let len = reader.map_len()?;
        let mut map = BTreeMap::new();
        for _ in 0..len {
            let key = read_text(reader)?;
            map.insert(key, V::read(reader)?);
        }
        Ok(map)
    }
}

/// `None` is nil: the reference tells a map nobody made from an empty one.
impl<V: Value> Value for Option<BTreeMap<String, V>> {
    fn zero() -> Self {
        None
    }

    fn write(&self, writer: &mut RpcWriter<'_>) {
        match self {
            Some(map) => map.write(writer),
            None => _ = writer.nil(),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        if reader.take_nil() { Ok(None) } else { BTreeMap::read(reader).map(Some) }
    }
}

/// An empty list is nil, as in a Go slice nobody set.
impl Value for Vec<String> {
    fn zero() -> Self {
        Vec::new()
    }

    fn write(&self, writer: &mut RpcWriter<'_>) {
        write_list_or_nil(self, writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        read_list(reader, LIST_ELEMENTS_MAX)
    }
}

/// An empty list is nil, as for texts.
impl Value for Vec<f64> {
    fn zero() -> Self {
        Vec::new()
    }

    fn write(&self, writer: &mut RpcWriter<'_>) {
        write_list_or_nil(self, writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        read_list(reader, LIST_ELEMENTS_MAX)
    }
}

fn write_list_or_nil<V: Value>(list: &[V], writer: &mut RpcWriter<'_>) {
    if list.is_empty() { _ = writer.nil() } else { write_list(list, writer) }
}

/// Writes a list; an empty one is an empty array.
pub(super) fn write_list<V: Value>(list: &[V], writer: &mut RpcWriter<'_>) {
    writer.array(list.len());
    list.iter().for_each(|value| value.write(writer));
}

/// Reads a list of at most `max` elements.
pub(super) fn read_list<V: Value>(reader: &mut Reader<'_>, max: usize) -> Result<Vec<V>, Malformed> {
    let len = reader.array_len()?;
    if len > max {
        return Err(Malformed::TooLarge);
    }
    (0..len).map(|_| V::read(reader)).collect()
}
