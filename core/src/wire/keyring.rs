//! The keys of gossip encryption (gossip-wire, section 16).

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use aes_gcm::aead::consts::U12;
use aes_gcm::aes::Aes192;
use aes_gcm::{AeadInOut as _, Aes128Gcm, Aes256Gcm, AesGcm, KeyInit as _};
use thiserror::Error;

/// Bytes of a nonce.
pub(super) const NONCE: usize = 12;
/// Bytes of an authentication tag.
pub(super) const TAG: usize = 16;

/// Why a keyring did not change, in the words members tell each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The key has none of the three sizes of AES.
    #[error("key size must be 16, 24 or 32 bytes")]
    Size,
    /// Only a key of the ring can become the primary one.
    #[error("Requested key is not in the keyring")]
    Unknown,
    /// The primary key cannot be removed; another must become primary first.
    #[error("Removing the primary key is not allowed")]
    Primary,
}

/// The keys a node knows: the first encrypts, all decrypt. Without keys there is no encryption.
///
/// Copies share the prepared ciphers; an empty ring takes no memory.
#[derive(Clone, Default)]
pub struct Keyring {
    keys: Vec<Arc<Key>>,
}

struct Key {
    bytes: Box<[u8]>,
    cipher: Cipher,
}

enum Cipher {
    Aes128(Aes128Gcm),
    Aes192(AesGcm<Aes192, U12>),
    Aes256(Aes256Gcm),
}

impl Keyring {
    /// A ring of these keys, the primary one first; repeated ones count once.
    ///
    /// # Errors
    /// [`KeyError::Size`] if a key has another size than 16, 24 or 32 bytes.
    pub fn new<K: AsRef<[u8]>>(keys: impl IntoIterator<Item = K>) -> Result<Self, KeyError> {
        let mut ring = Keyring::default();
        keys.into_iter().try_for_each(|key| ring.add(key.as_ref()))?;
        Ok(ring)
    }

    /// Whether there is no key, and so no encryption.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys, the primary one first.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        self.keys.iter().map(|key| &*key.bytes)
    }

    /// The key that encrypts.
    #[must_use]
    pub fn primary(&self) -> Option<&[u8]> {
        self.keys().next()
    }

    /// Appends a key; the first one becomes primary. A key that is there already changes nothing.
    ///
    /// # Errors
    /// [`KeyError::Size`]. The ring is as it was.
    pub fn add(&mut self, key: &[u8]) -> Result<(), KeyError> {
        let cipher = Cipher::new(key).ok_or(KeyError::Size)?;
        if self.position(key).is_none() {
            self.keys.push(Arc::new(Key { bytes: key.into(), cipher }));
        }
        Ok(())
    }

    /// Makes a key of the ring the primary one.
    ///
    /// # Errors
    /// [`KeyError::Unknown`]. The ring is as it was.
    pub fn use_key(&mut self, key: &[u8]) -> Result<(), KeyError> {
        let position = self.position(key).ok_or(KeyError::Unknown)?;
        self.keys[..=position].rotate_right(1);
        Ok(())
    }

    /// Removes a key; one that is not there changes nothing.
    ///
    /// # Errors
    /// [`KeyError::Primary`]. The ring is as it was.
    pub fn remove(&mut self, key: &[u8]) -> Result<(), KeyError> {
        match self.position(key) {
            Some(0) => return Err(KeyError::Primary),
            Some(position) => drop(self.keys.remove(position)),
            None => {}
        }
        Ok(())
    }

    fn position(&self, key: &[u8]) -> Option<usize> {
        self.keys().position(|known| known == key)
    }

    /// Encrypts `message` in place under the primary key; `None` without one.
    pub(super) fn encrypt(&self, nonce: &[u8; NONCE], ad: &[u8], message: &mut [u8]) -> Option<[u8; TAG]> {
        self.keys.first().and_then(|key| key.cipher.encrypt(nonce, ad, message))
    }

    /// Decrypts `sealed` into `plain` with the first key that can, and says whether there was one.
    pub(super) fn decrypt(
        &self,
        nonce: &[u8; NONCE],
        ad: &[u8],
        sealed: &[u8],
        tag: &[u8; TAG],
        plain: &mut Vec<u8>,
    ) -> bool {
        self.keys.iter().any(|key| {
            // A failed attempt may leave anything behind.
            plain.clear();
            plain.extend_from_slice(sealed);
            key.cipher.decrypt(nonce, ad, plain, tag)
        })
    }
}

impl fmt::Debug for Keyring {
    /// Keys are secrets; only their number is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.keys.len())
    }
}

impl PartialEq for Keyring {
    fn eq(&self, other: &Self) -> bool {
        self.keys().eq(other.keys())
    }
}

impl Eq for Keyring {}

impl Cipher {
    fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Aes128Gcm::new_from_slice(key).ok().map(Cipher::Aes128),
            24 => AesGcm::new_from_slice(key).ok().map(Cipher::Aes192),
            32 => Aes256Gcm::new_from_slice(key).ok().map(Cipher::Aes256),
            _ => None,
        }
    }

    fn encrypt(&self, nonce: &[u8; NONCE], ad: &[u8], message: &mut [u8]) -> Option<[u8; TAG]> {
        let nonce = nonce.into();
        let tag = match self {
            Cipher::Aes128(cipher) => cipher.encrypt_inout_detached(nonce, ad, message.into()),
            Cipher::Aes192(cipher) => cipher.encrypt_inout_detached(nonce, ad, message.into()),
            Cipher::Aes256(cipher) => cipher.encrypt_inout_detached(nonce, ad, message.into()),
        };
        tag.ok().map(Into::into)
    }

    fn decrypt(&self, nonce: &[u8; NONCE], ad: &[u8], message: &mut [u8], tag: &[u8; TAG]) -> bool {
        let (nonce, tag) = (nonce.into(), tag.into());
        match self {
            Cipher::Aes128(cipher) => cipher.decrypt_inout_detached(nonce, ad, message.into(), tag),
            Cipher::Aes192(cipher) => cipher.decrypt_inout_detached(nonce, ad, message.into(), tag),
            Cipher::Aes256(cipher) => cipher.decrypt_inout_detached(nonce, ad, message.into(), tag),
        }
        .is_ok()
    }
}
