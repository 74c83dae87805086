//! Certificates: read from files, read again when these change. The one place that names the
//! cryptography under rustls.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::time::Instant;

use super::options::Tls;

/// How often files are looked at, at most.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Where certificates come from.
pub(super) struct Certificates {
    tls: Tls,
    known: Mutex<Option<Known>>,
}

/// What was read last.
struct Known {
    config: Arc<ClientConfig>,
    files: Vec<Option<Stamp>>,
    looked: Instant,
}

/// What changes about a file when its content does, or when another takes its place.
#[derive(PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    #[cfg(unix)]
    inode: u64,
}

// === impl Certificates ===

impl Certificates {
    pub(super) fn new(tls: Tls) -> Self {
        Self {
            tls,
            known: Mutex::new(None),
        }
    }

    /// The certificates as the files hold them. While files that changed do not hold together, as
    /// between the writing of two, the last good ones serve.
    ///
    /// # Errors
    /// Names the file that cannot be used, and why.
    pub(super) fn current(&self) -> Result<Arc<ClientConfig>, String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*known
            && known.looked.elapsed() < LOOK_INTERVAL
        {
            return Ok(known.config.clone());
        }
        self.look(&mut known)
    }

    /// Forgets when it looked last: a member did not take what we have.
    pub(super) fn look_again(&self) -> Result<Arc<ClientConfig>, String> {
        self.look(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn look(&self, known: &mut Option<Known>) -> Result<Arc<ClientConfig>, String> {
        // Before the files are read: what is written meanwhile is seen at the next look.
        let files: Vec<_> = self.files().map(|file| Stamp::of(file)).collect();
        let looked = Instant::now();
        if let Some(known) = known {
            known.looked = looked;
            if known.files == files {
                return Ok(known.config.clone());
            }
        }
        match (configure(&self.tls), &mut *known) {
            (Ok(config), _) => {
                let config = Arc::new(config);
                *known = Some(Known {
                    config: config.clone(),
                    files,
                    looked,
                });
                Ok(config)
            }
            (Err(_), Some(known)) => Ok(known.config.clone()),
            (Err(error), None) => Err(error),
        }
    }

    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let identity = self.tls.identity.iter().flat_map(|(cert, key)| [cert, key]);
        self.tls.ca_file.iter().chain(identity)
    }
}

// === impl Stamp ===

impl Stamp {
    /// Nothing for a file that cannot be seen.
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            modified: metadata.modified().ok(),
            length: metadata.len(),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(&metadata),
        })
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn configure(tls: &Tls) -> Result<ClientConfig, String> {
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
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, String> {
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

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<_, _>>);
    let found: Vec<_> = found.map_err(|error| unreadable("certificates", file, &error))?;
    if found.is_empty() {
        return Err(format!("{} holds no certificate in PEM", file.display()));
    }
    Ok(found)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
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
