//! TLS for those who connect: certificates read from files and again when these change, client
//! certificates asked for, and whose they are.

use crate::desk::WatchedFile;
use crate::doors::CertificateName;
use reboot_store::files::FromFiles;
use reboot_store::tls::{certificates, private_key, provider, roots};
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Where the server's certificates are, and whether clients must have one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsSettings {
    /// The server's certificate and those between it and the authority, PEM.
    pub cert_file: PathBuf,
    /// Its key, PEM.
    pub key_file: PathBuf,
    /// The authorities that may sign clients' certificates; without it none is asked for.
    pub client_ca_file: Option<PathBuf>,
    /// Whether a client without a certificate is turned away in the handshake.
    pub require_client_cert: bool,
}

/// What makes an encrypted connection of one that was accepted.
pub struct Acceptor {
    config: FromFiles<ServerConfig>,
    settings: TlsSettings,
}

// === impl Acceptor ===

impl Acceptor {
    /// One by these settings. Files are read now, and again within five seconds of a change; while
    /// they do not hold together, as between the writing of two, the last good ones serve.
    ///
    /// # Errors
    /// Names the file that cannot be used, and why.
    pub fn new(settings: TlsSettings) -> Result<Self, String> {
        let own = [&settings.cert_file, &settings.key_file];
        let files = own.into_iter().chain(settings.client_ca_file.as_ref());
        let files = files.cloned().collect();
        let told = settings.clone();
        let config = FromFiles::new(files, move || configure(&told));
        config.current()?;
        Ok(Self { config, settings })
    }

    /// Its files as they are now, each with why it is not taken.
    pub(crate) fn look_at_files(&self) -> Vec<(WatchedFile, Option<String>)> {
        let trouble = self.config.trouble();
        let is_of_clients = trouble.is_some() && verifier(&self.settings).is_err();
        let (own, clients) = match is_of_clients {
            true => (None, trouble),
            false => (trouble, None),
        };
        vec![
            (WatchedFile::Certificate, own),
            (WatchedFile::ClientCa, clients),
        ]
    }

    /// Shakes hands, within `patience`. Also answers whose certificate the client showed.
    ///
    /// # Errors
    /// Why there is no connection: the client's affair, but a slow one's may be told apart as
    /// [`io::ErrorKind::TimedOut`].
    pub async fn accept<S>(
        &self,
        stream: S,
        patience: Duration,
    ) -> io::Result<(TlsStream<S>, Option<CertificateName>)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = self.config.current().map_err(io::Error::other)?;
        let shaken = timeout(patience, TlsAcceptor::from(config).accept(stream)).await;
        let stream = shaken.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let shown = stream.get_ref().1.peer_certificates();
        let name = shown.and_then(|chain| common_name(chain.first()?));
        Ok((stream, name))
    }
}

fn configure(settings: &TlsSettings) -> Result<ServerConfig, String> {
    let builder = ServerConfig::builder_with_provider(provider());
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let builder = match verifier(settings)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let (cert, key) = (&settings.cert_file, &settings.key_file);
    let config = builder.with_single_cert(certificates(cert)?, private_key(key)?);
    let mut config = config.map_err(|error| {
        let (cert, key) = (cert.display(), key.display());
        format!("cert_file {cert} and key_file {key} do not go together: {error}")
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A session that is taken up again skips the look at the client's certificate, which may not
    // be good any more.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn verifier(settings: &TlsSettings) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
    let Some(file) = &settings.client_ca_file else {
        return Ok(None);
    };
    let roots = Arc::new(roots(Some(file))?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, provider());
    let builder = match settings.require_client_cert {
        true => builder,
        false => builder.allow_unauthenticated(),
    };
    let built = builder.build();
    let built = built
        .map_err(|error| format!("client_ca_file {} cannot be used: {error}", file.display()))?;
    Ok(Some(built))
}

/// The common name of a certificate that was verified; the last one, which is the most specific.
fn common_name(certificate: &CertificateDer<'_>) -> Option<CertificateName> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let name = certificate.subject().iter_common_name().last()?;
    Some(CertificateName(name.as_str().ok()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reboot_lab::{Authority, Validity};
    use std::fs;

    #[test]
    fn the_file_that_turned_bad_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new(dir.path(), "fleet").unwrap();
        let hosts = ["127.0.0.1"];
        let own = authority.server("server", &hosts, Validity::Now).unwrap();
        let acceptor = Acceptor::new(TlsSettings {
            cert_file: own.cert.clone(),
            key_file: own.key.clone(),
            client_ca_file: Some(authority.ca_file.clone()),
            require_client_cert: false,
        });
        let acceptor = acceptor.unwrap();
        let bad = || -> Vec<_> {
            let all = acceptor.look_at_files().into_iter();
            all.filter_map(|(file, why)| Some((file, why?))).collect()
        };
        assert_eq!(bad(), []);
        for (path, file) in [
            (&own.key, WatchedFile::Certificate),
            (&own.cert, WatchedFile::Certificate),
            (&authority.ca_file, WatchedFile::ClientCa),
        ] {
            let good = fs::read(path).unwrap();
            fs::write(path, "nothing").unwrap();
            let told = bad();
            let [(named, why)] = &told[..] else {
                panic!("{path:?}: {told:?}");
            };
            assert_eq!(*named, file, "{why}");
            assert!(why.contains(&*path.to_string_lossy()), "{why}");
            fs::write(path, good).unwrap();
            assert_eq!(bad(), [], "{path:?}");
        }
    }
}
