//! The client's side: whom to trust, and a connection over TLS.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Connection, certificates, provider};

/// Where systems keep the authorities they trust.
const SYSTEM_FILES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Whose certificates are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust<'a> {
    /// Those that the system's authorities vouch for: of the file in `SSL_CERT_FILE`, or of one of the
    /// usual files.
    System,
    /// Those that the authorities in this PEM file vouch for.
    File(&'a Path),
    /// All.
    Anybody,
}

/// Speaks TLS on a connection to `host`; `protocol` is what is to be spoken inside.
///
/// # Errors
/// Nobody can be trusted, or the other side cannot.
pub(crate) async fn connect(
    stream: TcpStream,
    host: &str,
    trust: Trust<'_>,
    protocol: &[u8],
) -> Result<Connection, String> {
    let mut config = config(trust)?;
    config.alpn_protocols = vec![protocol.to_vec()];
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("tls: {host:?} is no host name"))?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    Ok(Box::new(stream.map_err(|error| format!("tls: {error}"))?))
}

fn config(trust: Trust<'_>) -> Result<ClientConfig, String> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    let roots = match trust {
        Trust::Anybody => {
            let verifier = Arc::new(NoVerifier(provider));
            return Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth());
        }
        Trust::File(path) => Arc::new(roots(path)?),
        Trust::System => system_roots()?,
    };
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Read once: probes are many.
fn system_roots() -> Result<Arc<RootCertStore>, String> {
    static ROOTS: OnceLock<Result<Arc<RootCertStore>, String>> = OnceLock::new();
    let find = || {
        let path = match std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()) {
            Some(path) => PathBuf::from(path),
            None => {
                let usual = SYSTEM_FILES.into_iter().find(|path| Path::new(path).exists());
                usual.map(PathBuf::from).ok_or_else(|| {
                    format!(
                        "tls: no certificates of authorities: none of {} exists, and SSL_CERT_FILE is not set",
                        SYSTEM_FILES.join(", ")
                    )
                })?
            }
        };
        roots(&path).map(Arc::new)
    };
    ROOTS.get_or_init(find).clone()
}

fn roots(path: &Path) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    let found = certificates(path).map_err(|error| format!("tls: {error}"))?;
    // Bundles of systems hold old ones that nobody can use any more.
    let (good, _) = store.add_parsable_certificates(found);
    if good == 0 {
        Err(format!("tls: {}: none of its certificates can be used", path.display()))
    } else {
        Ok(store)
    }
}

/// Takes any certificate; only that the other side holds its key is verified.
#[derive(Debug)]
struct NoVerifier(Arc<CryptoProvider>);

impl ServerCertVerifier for NoVerifier {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
