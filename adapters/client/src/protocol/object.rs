//! Cutting a byte stream into objects.

use bytes::{Bytes, BytesMut};
use tidings_core::wire::msgpack::Scanner;

use crate::protocol::Malformed;

/// Collects bytes as they arrive and hands out complete objects.
///
/// It holds at most one incomplete object of the size given to [`new`](Self::new), and what was
/// [`extend`](Self::extend)ed behind it; an object that claims more is refused as soon as the claim
/// can be seen.
///
/// ```
/// use tidings_client::protocol::ObjectBuffer;
///
/// let mut buffer = ObjectBuffer::new(1 << 20);
/// buffer.extend(b"\x81\xa7Versi");
/// assert_eq!(buffer.next_object(), Ok(None));
/// buffer.extend(b"on\x01\x82");
/// assert_eq!(buffer.next_object(), Ok(Some(b"\x81\xa7Version\x01"[..].into())));
/// assert_eq!(buffer.next_object(), Ok(None));
/// ```
#[derive(Debug)]
pub struct ObjectBuffer {
    buffer: BytesMut,
    scanner: Scanner,
    object_bytes_max: usize,
}

impl ObjectBuffer {
    /// Refuses objects of more than `object_bytes_max` bytes.
    #[must_use]
    pub fn new(object_bytes_max: usize) -> Self {
        ObjectBuffer { buffer: BytesMut::new(), scanner: Scanner::new(object_bytes_max), object_bytes_max }
    }

    /// Adds bytes that arrived.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The place to read into; whatever is appended counts as arrived.
    pub fn spare(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Whether nothing is held, so that the end of the stream here cuts no object.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next complete object, if there is one.
    ///
    /// # Errors
    /// If the bytes are no MessagePack or the object is too large. The stream cannot be continued.
    pub fn next_object(&mut self) -> Result<Option<Bytes>, Malformed> {
        let Some(len) = self.scanner.scan(&self.buffer)? else { return Ok(None) };
        self.scanner = Scanner::new(self.object_bytes_max);
        Ok(Some(self.buffer.split_to(len).freeze()))
    }
}
