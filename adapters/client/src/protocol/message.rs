//! What every object of the protocol can do, and the macro that says how one is laid out.

use tidings_core::wire::msgpack::{Dialect, Reader, Writer};

use super::value::Value;
use crate::protocol::Malformed;

/// An object of the protocol: a header, a body or a record.
pub trait Message: Sized {
    /// Appends the object's encoding to `out`, byte for byte as the reference agent and client
    /// write it (maps with more than one free key excepted: theirs come in random order, ours
    /// sorted).
    fn encode(&self, out: &mut Vec<u8>);

    /// Decodes one object. Unknown keys are ignored, missing ones and nil are the zero value, and a
    /// struct may come as an array.
    ///
    /// # Errors
    /// If `object` is not exactly one object of this kind.
    fn decode(object: &[u8]) -> Result<Self, Malformed>;
}

impl<T: Value> Message for T {
    fn encode(&self, out: &mut Vec<u8>) {
        self.write(&mut Writer::new(out, Dialect::Rpc));
    }

    fn decode(object: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::strict(object);
        let message = Self::read(&mut reader)?;
        if reader.is_empty() { Ok(message) } else { Err(Malformed::Type) }
    }
}

/// Defines structs of the protocol.
///
/// Fields stand in the order they are written in: sorted by key. The number behind a key is the
/// field's place when the struct comes as an array: the reference declares some structs in another
/// order than it writes them.
macro_rules! messages {
    ($(
        $(#[$attr:meta])*
        $vis:vis struct $name:ident {
            $($(#[$field_attr:meta])* $field:ident: $type:ty = $key:literal @ $place:literal,)*
        }
    )*) => {$(
        $(#[$attr])*
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $name {
            $($(#[$field_attr])* $vis $field: $type,)*
        }

        impl $name {
            /// The keys, each at its place in an array.
            const KEYS: [&'static str; [$($place),*].len()] = {
                let mut keys = [""; [$($place),*].len()];
                $(keys[$place] = $key;)*
                keys
            };
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $($field: $crate::protocol::value::Value::zero(),)* }
            }
        }

        impl $crate::protocol::value::Value for $name {
            fn zero() -> Self {
                Self::default()
            }

            fn write(&self, writer: &mut $crate::protocol::value::RpcWriter<'_>) {
                writer.map(Self::KEYS.len());
                $(
                    writer.str($key);
                    $crate::protocol::value::Value::write(&self.$field, writer);
                )*
            }

            fn read(
                reader: &mut tidings_core::wire::msgpack::Reader<'_>,
            ) -> Result<Self, $crate::protocol::Malformed> {
                let mut message = Self::default();
                reader.fields(&Self::KEYS, |index, reader| {
                    match index {
                        $($place => {
                            message.$field = $crate::protocol::value::Value::read(reader)?;
                        })*
                        _ => unreachable!("KEYS has no such place"),
                    }
                    Ok(())
                })?;
                Ok(message)
            }
        }
    )*};
}
pub(super) use messages;
