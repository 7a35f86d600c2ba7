//! TLS: certificates from files for the HTTP server, and connections of checks and the command line.

mod client;
mod server;

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::config::os_error;

pub(crate) use self::client::{Trust, connect};
pub use self::server::Certificates;

/// Bytes both ways, encrypted or not.
pub(crate) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// A connection, of whichever kind.
pub(crate) type Connection = Box<dyn Bytes>;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The certificates of a PEM file.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = std::fs::read(path).map_err(|error| os_error("open", path, &error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|error| format!("{}: {error}", path.display()))?;
    if found.is_empty() {
        return Err(format!(
            "{}: no certificate in it; PEM with 'BEGIN CERTIFICATE' is expected",
            path.display()
        ));
    }
    Ok(found)
}
