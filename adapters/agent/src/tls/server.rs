//! The server's side: a certificate and its key, read again when the configuration is.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;

use super::{certificates, provider};
use crate::config::os_error;

/// The certificate that the HTTP server shows. Clones of its `Arc` share it.
#[derive(Debug)]
pub struct Certificates {
    cert: PathBuf,
    key: PathBuf,
    current: Mutex<Arc<ServerConfig>>,
}

impl Certificates {
    /// Reads a certificate, with those that vouch for it behind it, and its key, both in PEM.
    ///
    /// # Errors
    /// Which file cannot be used and why, as one line for the user.
    pub fn load(cert: &Path, key: &Path) -> Result<Certificates, String> {
        let current = Mutex::new(read(cert, key)?);
        Ok(Certificates { cert: cert.to_owned(), key: key.to_owned(), current })
    }

    /// Reads the files again; connections from now on see what they hold.
    ///
    /// # Errors
    /// As for [`load`](Self::load); then all stays as it is.
    pub fn reload(&self) -> Result<(), String> {
        let fresh = read(&self.cert, &self.key)?;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn read(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let chain = certificates(cert).map_err(|error| format!("Invalid certificate file: {error}"))?;
    let wrong = |error: String| format!("Invalid key file: {error}");
    let bytes = std::fs::read(key).map_err(|error| wrong(os_error("open", key, &error)))?;
    let private = PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| {
        wrong(format!("{}: no private key in it; PEM with 'BEGIN PRIVATE KEY' is expected", key.display()))
    })?;
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?.with_no_client_auth();
    let mut config = builder.with_single_cert(chain, private).map_err(|error| {
        let (cert, key) = (cert.display(), key.display());
        format!("The certificate in {cert} and the key in {key} do not go together: {error}")
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_that_cannot_be_used_are_named_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["a", "b"] {
            let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
            fs::write(at(&format!("{name}.crt")), made.cert.pem()).unwrap();
            fs::write(at(&format!("{name}.key")), made.signing_key.serialize_pem()).unwrap();
        }
        fs::write(at("text"), "hello").unwrap();
        fs::write(at("cut.crt"), "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
        for (cert, key, expected) in [
            ("none", "a.key", "Invalid certificate file: open DIR/none: no such file or directory".to_owned()),
            (
                "text",
                "a.key",
                "Invalid certificate file: DIR/text: no certificate in it; PEM with 'BEGIN CERTIFICATE' is expected"
                    .to_owned(),
            ),
            ("cut.crt", "a.key", "Invalid certificate file: DIR/cut.crt: ".to_owned()),
            ("a.crt", "none", "Invalid key file: open DIR/none: no such file or directory".to_owned()),
            (
                "a.crt",
                "a.crt",
                "Invalid key file: DIR/a.crt: no private key in it; PEM with 'BEGIN PRIVATE KEY' is expected".to_owned(),
            ),
            ("a.crt", "b.key", "The certificate in DIR/a.crt and the key in DIR/b.key do not go together: ".to_owned()),
        ] {
            let error = Certificates::load(&at(cert), &at(key)).unwrap_err();
            let expected = expected.replace("DIR", &dir.path().display().to_string());
            assert!(error.starts_with(&expected), "{error}\nfor {expected}");
        }
        let loaded = Certificates::load(&at("a.crt"), &at("a.key")).unwrap();
        let before = loaded.current();
        fs::copy(at("text"), at("a.crt")).unwrap();
        assert!(loaded.reload().is_err());
        assert!(Arc::ptr_eq(&before, &loaded.current()), "what was good stays");
        fs::copy(at("b.crt"), at("a.crt")).unwrap();
        fs::copy(at("b.key"), at("a.key")).unwrap();
        loaded.reload().unwrap();
        assert!(!Arc::ptr_eq(&before, &loaded.current()));
    }
}
