//! Certificates for whoever connects: read from files, read again when these change. The one
//! place that names the cryptography under rustls.

use crate::files::FromFiles;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How to check the server, and who we are to it. Files are read again when they change.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// The authorities to trust, PEM; the system's where there is none.
    pub ca_file: Option<PathBuf>,
    /// Our certificate and its key, PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Trust whoever answers. Only for a laboratory.
    pub insecure_skip_verify: bool,
}

// === impl Tls ===

impl Tls {
    /// What rustls makes of it, for a connection that speaks this protocol (ALPN).
    pub fn client(self, protocol: &'static [u8]) -> FromFiles<ClientConfig> {
        let identity = self.identity.iter().flat_map(|(cert, key)| [cert, key]);
        let files = self.ca_file.iter().chain(identity).cloned().collect();
        FromFiles::new(files, move || configure(&self, protocol))
    }
}

/// The cryptography under all of TLS here.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn configure(tls: &Tls, protocol: &[u8]) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let builder = if tls.insecure_skip_verify {
        let trusting = Trusting(provider());
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(trusting))
    } else {
        builder.with_root_certificates(roots(tls.ca_file.as_deref())?)
    };
    let mut config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => builder
            .with_client_auth_cert(certificates(cert)?, private_key(key)?)
            .map_err(|error| {
                let (cert, key) = (cert.display(), key.display());
                format!("cert_file {cert} and key_file {key} do not go together: {error}")
            })?,
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

/// The authorities to trust: of this file, or the system's.
///
/// # Errors
/// Names the file that cannot be used, and why.
pub fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Some(file) = ca_file else {
        // Some of a system's authorities may be odd: the others still serve.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let advice = "install ca-certificates, or set ca_file";
            return Err(format!("this system trusts no authority: {advice}"));
        }
        return Ok(roots);
    };
    for certificate in certificates(file)? {
        let added = roots.add(certificate);
        added.map_err(|error| format!("ca_file {} cannot be used: {error}", file.display()))?;
    }
    Ok(roots)
}

/// The certificates in a file, PEM; at least one.
///
/// # Errors
/// Names the file, and why it cannot be used.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<_, _>>);
    let found: Vec<_> = found.map_err(|error| unreadable("certificates", file, &error))?;
    if found.is_empty() {
        return Err(format!("{} holds no certificate in PEM", file.display()));
    }
    Ok(found)
}

/// The private key in a file, PEM.
///
/// # Errors
/// Names the file, and why it cannot be used.
pub fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| unreadable("a private key", file, &error))
}

fn unreadable(what: &str, file: &Path, error: &pem::Error) -> String {
    format!("cannot read {what} from {}: {error}", file.display())
}

/// Trusts whoever answers, as long as it has the key of the certificate that it shows.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _between: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
