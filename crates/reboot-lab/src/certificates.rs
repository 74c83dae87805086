//! Certificates, good and bad.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use crate::LabError;

/// An authority that signs certificates.
pub struct Authority {
    /// Its own certificate, PEM: for whoever is to trust it.
    pub ca_file: PathBuf,
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, PEM.
    pub cert: PathBuf,
    /// The key, PEM.
    pub key: PathBuf,
}

/// When a certificate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Now.
    Now,
    /// It did once.
    Expired,
    /// It will one day.
    Future,
}

// === impl Authority ===

impl Authority {
    /// A new authority, its files in `folder`.
    ///
    /// # Errors
    /// When they cannot be made or written.
    pub fn new(folder: &Path, name: &str) -> Result<Self, LabError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate()?;
        let ca_file = folder.join(format!("{name}.ca.pem"));
        fs::write(&ca_file, params.self_signed(&key)?.pem())?;
        Ok(Self {
            ca_file,
            folder: folder.to_owned(),
            issuer: Issuer::new(params, key),
        })
    }

    /// A server's certificate for these names and addresses. It serves a client too: etcd's
    /// members use theirs for both.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn server(
        &self,
        file: &str,
        hosts: &[&str],
        validity: Validity,
    ) -> Result<Identity, LabError> {
        self.sign(file, "etcd", hosts, validity)
    }

    /// A client's certificate; etcd takes the common name for a user's where authentication is
    /// on.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn client(
        &self,
        file: &str,
        common_name: &str,
        validity: Validity,
    ) -> Result<Identity, LabError> {
        self.sign(file, common_name, &[], validity)
    }

    fn sign(
        &self,
        file: &str,
        common_name: &str,
        hosts: &[&str],
        validity: Validity,
    ) -> Result<Identity, LabError> {
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts)?;
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let (from, to) = validity.years();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate()?;
        let identity = Identity {
            cert: self.folder.join(format!("{file}.pem")),
            key: self.folder.join(format!("{file}.key")),
        };
        fs::write(&identity.cert, params.signed_by(&key, &self.issuer)?.pem())?;
        fs::write(&identity.key, key.serialize_pem())?;
        Ok(identity)
    }
}

// === impl Validity ===

impl Validity {
    /// From the beginning of one year to the beginning of the other.
    fn years(self) -> (i32, i32) {
        match self {
            Self::Now => (2000, 3000),
            Self::Expired => (2000, 2001),
            Self::Future => (2999, 3000),
        }
    }
}
