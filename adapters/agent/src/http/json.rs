//! JSON, written out with no blanks: what a library for any use does, at half its cost for lists of
//! records, which are what this API is asked for all day. Names of fields are known not to need escapes,
//! and most texts turn out not to.

use bytes::Bytes;
use serde::Serialize;
use serde::ser::{
    Error as _, Impossible, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple, Serializer,
};
use serde_json::Error;

/// Writes a value out.
pub(super) fn to_bytes(value: &impl Serialize) -> Bytes {
    let mut out = Vec::with_capacity(256);
    write(&mut out, value);
    out.into()
}

/// Writes a value behind what is there already.
pub(super) fn write(out: &mut Vec<u8>, value: &impl Serialize) {
    let start = out.len();
    if value.serialize(Writer(&mut *out)).is_err() {
        // No answer has keys that are no texts, or variants with fields.
        debug_assert!(false, "a value that JSON has no form for");
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

struct Writer<'a>(&'a mut Vec<u8>);

impl Writer<'_> {
    fn unsigned(self, mut number: u64) {
        let mut digits = [0; 20];
        let mut start = digits.len();
        loop {
            start -= 1;
            digits[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.0.extend_from_slice(&digits[start..]);
    }

    fn text(self, text: &str) {
        let bytes = text.as_bytes();
        let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
        self.0.push(b'"');
        // Without a way out, so that many bytes are looked at at once.
        if bytes.iter().fold(true, |all, byte| all & plain(*byte)) {
            self.0.extend_from_slice(bytes);
        } else {
            bytes
                .iter()
                .for_each(|byte| if plain(*byte) { self.0.push(*byte) } else { escape(self.0, *byte) });
        }
        self.0.push(b'"');
    }
}

/// A byte that may not stand in a text as it is.
fn escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            let digit = |value: u8| char::from_digit(u32::from(value), 16).map_or(b'0', |digit| digit as u8);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 0xf)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// The parts of a list or an object.
struct Parts<'a> {
    out: &'a mut Vec<u8>,
    /// What stands before the next part.
    before: u8,
    end: u8,
}

impl Parts<'_> {
    fn part(&mut self) -> &mut Vec<u8> {
        self.out.push(self.before);
        self.before = b',';
        self.out
    }

    fn finish(self) {
        if self.before != b',' {
            self.out.push(self.before);
        }
        self.out.push(self.end);
    }
}

impl SerializeSeq for Parts<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(Writer(self.part()))
    }

    fn end(self) -> Result<(), Error> {
        self.finish();
        Ok(())
    }
}

impl SerializeTuple for Parts<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<(), Error> {
        SerializeSeq::end(self)
    }
}

impl SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result<(), Error> {
        let out = self.part();
        let start = out.len();
        key.serialize(Writer(out))?;
        if self.out.get(start) != Some(&b'"') {
            return Err(Error::custom("key must be a string"));
        }
        Ok(())
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
        self.out.push(b':');
        value.serialize(Writer(self.out))
    }

    fn end(self) -> Result<(), Error> {
        SerializeSeq::end(self)
    }
}

impl SerializeStruct for Parts<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        let out = self.part();
        out.reserve(name.len() + 3);
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        value.serialize(Writer(out))
    }

    fn end(self) -> Result<(), Error> {
        SerializeSeq::end(self)
    }
}

/// The methods that take a number of some width.
macro_rules! numbers {
    ($($method:ident($type:ty) $as:ident;)*) => {
        $(fn $method(self, number: $type) -> Result<(), Error> {
            self.$as(number.into());
            Ok(())
        })*
    };
}

impl Writer<'_> {
    fn signed(self, number: i64) {
        if number < 0 {
            self.0.push(b'-');
        }
        self.unsigned(number.unsigned_abs());
    }

    /// Where it matters how a number is rounded.
    fn float(self, number: f64) {
        if serde_json::to_writer(&mut *self.0, &number).is_err() {
            self.0.extend_from_slice(b"null");
        }
    }
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Parts<'a>;
    type SerializeTuple = Parts<'a>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Parts<'a>;
    type SerializeStruct = Parts<'a>;
    type SerializeStructVariant = Impossible<(), Error>;

    numbers! {
        serialize_u8(u8) unsigned;
        serialize_u16(u16) unsigned;
        serialize_u32(u32) unsigned;
        serialize_u64(u64) unsigned;
        serialize_i8(i8) signed;
        serialize_i16(i16) signed;
        serialize_i32(i32) signed;
        serialize_i64(i64) signed;
        serialize_f32(f32) float;
        serialize_f64(f64) float;
    }

    fn serialize_bool(self, truth: bool) -> Result<(), Error> {
        self.0.extend_from_slice(if truth { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_char(self, char: char) -> Result<(), Error> {
        self.text(char.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        self.text(text);
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Error> {
        self.collect_seq(bytes)
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.0.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        Err(no_form())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'a>, Error> {
        Ok(Parts { out: self.0, before: b'[', end: b']' })
    }

    fn serialize_tuple(self, len: usize) -> Result<Parts<'a>, Error> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Impossible<(), Error>, Error> {
        Err(no_form())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Impossible<(), Error>, Error> {
        Err(no_form())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'a>, Error> {
        Ok(Parts { out: self.0, before: b'{', end: b'}' })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts<'a>, Error> {
        self.serialize_map(None)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Impossible<(), Error>, Error> {
        Err(no_form())
    }
}

fn no_form() -> Error {
    Error::custom("a variant with fields has no form here")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;
    use serde_json::json;

    use super::*;

    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Record {
        text: String,
        texts: Vec<String>,
        numbers: (u64, i64, u16),
        map: BTreeMap<String, Option<bool>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        floats: Vec<f64>,
        nothing: (),
    }

    #[test]
    fn it_is_what_others_write() {
        type Given = (String, Vec<String>, (u64, i64, u16), BTreeMap<String, Option<bool>>, Vec<f64>);
        fn check((text, texts, numbers, map, floats): Given) -> bool {
            let record = Record { text, texts, numbers, map, floats, nothing: () };
            to_bytes(&record) == serde_json::to_vec(&record).unwrap()
        }
        quickcheck::quickcheck(check as fn(Given) -> bool);
        let all: String = (0..=0x2fff_u32).filter_map(char::from_u32).collect();
        assert_eq!(to_bytes(&all), serde_json::to_vec(&all).unwrap());
        let value = json!({ "a": [], "b": {}, "c": [[], {}, null, 'x', -1.5, i64::MIN, u64::MAX] });
        assert_eq!(to_bytes(&value), value.to_string());
    }
}
