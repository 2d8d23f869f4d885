//! TLS 1.2 and 1.3 by rustls; a certificate from files, or a self-signed one for development; and the client
//! side, for connections to others.
//!
//! A certificate that cannot work is refused with a sentence; one that may surprise gets a finding (`judge`).
//! Files that change are read again while the server runs (`renewal`).

mod authorities;
mod fault;
mod judge;
mod pem;
mod renewal;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use remint_protocol::time::Timestamp;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

use crate::config::Config;

pub use authorities::check as check_authorities;
pub(crate) use authorities::client;
pub(crate) use fault::sentence;
pub use renewal::Live;

use crate::files::secret_file::SecretFileError;
use crate::files::whole_file::{Draft, WriteError};

/// The reason TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be used.
    #[error("{}: {reason}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The private key cannot be read, or others can read it.
    #[error("the private key {0}")]
    Key(SecretFileError),
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The certificate and the key do not go together.
    #[error(
        "the certificate {} and the private key {} do not work together: {reason}",
        certificate.display(), private_key.display()
    )]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        private_key: PathBuf,
        /// The reason.
        reason: String,
    },
    /// TLS itself cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Library(#[from] rustls::Error),
    /// A variable that names the system's authorities leads nowhere.
    #[error(
        "{variable} = \"{value}\" does not work here: {reason}, or unset it for those that the system trusts"
    )]
    Variable {
        /// Its name.
        variable: &'static str,
        /// Its value.
        value: String,
        /// The reason, and what to write instead.
        reason: String,
    },
    /// A self-signed certificate cannot be made.
    #[error("cannot make a self-signed certificate: {0}")]
    SelfSigned(#[from] rcgen::Error),
}

/// Converts by hand, because the error's sentence is part of the whole one, not its source.
impl From<SecretFileError> for TlsError {
    fn from(error: SecretFileError) -> Self {
        Self::Key(error)
    }
}

impl TlsError {
    fn file(file: &Path, reason: impl Into<String>) -> Self {
        Self::File { file: file.to_owned(), reason: reason.into() }
    }
}

/// A certificate chain with its key, ready to be used.
pub struct Pair {
    config: Arc<ServerConfig>,
    chain: Vec<CertificateDer<'static>>,
}

/// Reads certificate chain and key.
///
/// # Errors
/// [`TlsError`].
pub fn load(certificate: &Path, private_key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    Ok(read(certificate, private_key)?.config)
}

fn read(certificate: &Path, private_key: &Path) -> Result<Pair, TlsError> {
    let chain = pem::certificates(certificate)?;
    let key = pem::private_key(private_key)?;
    if let Some(reason) = judge::reason_unusable(&chain) {
        return Err(TlsError::file(certificate, reason));
    }
    // RFC 9325: 1.2 and 1.3 with rustls' suites, all of them forward-secret AEADs.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    if let Some(reason) = reason_unfit(&provider, &chain, &key) {
        let (certificate, private_key) = (certificate.to_owned(), private_key.to_owned());
        return Err(TlsError::Pair { certificate, private_key, reason });
    }
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain.clone(), key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Pair { config: Arc::new(config), chain })
}

/// The reason the key is not that of the first certificate, if it is not.
fn reason_unfit(
    provider: &CryptoProvider,
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
) -> Option<String> {
    let Ok(key) = provider.key_provider.load_private_key(key.clone_key()) else {
        return Some(
            "a key of this kind is not supported: make one of RSA with at least 2048 bits, or ECDSA with P-256 or \
             P-384"
                .into(),
        );
    };
    let fits = |certificate: &CertificateDer<'static>| {
        let pair = CertifiedKey::new(vec![certificate.clone()], Arc::clone(&key));
        // For some keys it cannot be told.
        !matches!(
            pair.keys_match(),
            Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch))
        )
    };
    match chain.iter().position(fits) {
        Some(0) => None,
        Some(at) => Some(format!(
            "the key is that of certificate number {} in the file: put that one first, and those that lead to the \
             authority after it",
            at + 1
        )),
        None => Some("the key is that of another certificate: were both renewed?".into()),
    }
}

/// Reads the certificate that is configured, or was made, and returns findings about it.
///
/// # Errors
/// [`TlsError`], where it cannot be used.
pub fn look(config: &Config, now: Timestamp) -> Result<Vec<String>, TlsError> {
    let roots = authorities::read(config)?;
    if config.http.plain.is_on() {
        return Ok(Vec::new());
    }
    let (certificate, private_key) = match (&config.http.certificate, &config.http.private_key) {
        (Some(certificate), Some(key)) => (config.path(certificate), config.path(key)),
        _ => self_signed_files(&config.data_dir()),
    };
    if config.http.certificate.is_none() && !(certificate.exists() && private_key.exists()) {
        return Ok(Vec::new());
    }
    let pair = read(&certificate, &private_key)?;
    Ok(judge::findings(&pair.chain, &certificate, config, &roots, now))
}

fn self_signed_files(dir: &Path) -> (PathBuf, PathBuf) {
    (dir.join("self-signed.crt"), dir.join("self-signed.key"))
}

/// The files of the self-signed certificate in `dir`, made if they are not there yet.
///
/// # Errors
/// [`TlsError`].
pub fn self_signed(dir: &Path, host: &str) -> Result<(PathBuf, PathBuf), TlsError> {
    let (certificate, private_key) = self_signed_files(dir);
    if certificate.exists() && private_key.exists() {
        return Ok((certificate, private_key));
    }
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !names.iter().any(|name| name == host) {
        names.push(host.to_owned());
    }
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::new(names)?;
    parameters.distinguished_name = subject(&parameters.key_identifier(&key));
    let made = parameters.self_signed(&key)?;
    let mut both = [(&private_key, key.serialize_pem(), 0o600), (&certificate, made.pem(), 0o644)];
    // A file that exists is half of a pair whose other half is missing. It is replaced first, so that one of
    // the new pair is missing, too, until the end.
    both.sort_by_key(|(file, ..)| !file.exists());
    for (file, text, mode) in both {
        let draft = if file.exists() { Draft::replace(file) } else { Draft::create(file, mode) };
        draft?.put(text.as_bytes())?;
    }
    Ok((certificate, private_key))
}

/// A different name for every key. RFC 5280 §4.1.2.4: clients find the issuer of a certificate by name, and
/// take two of one name for the same.
fn subject(key: &[u8]) -> DistinguishedName {
    let id: String = key.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Remint, self-signed");
    name.push(DnType::CommonName, format!("Remint {id}"));
    name
}

#[cfg(test)]
mod tests {
    use tokio_rustls::rustls::RootCertStore;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;

    use super::*;

    #[test]
    fn two_self_signed_certificates_of_one_host_have_two_names() {
        let mut roots = RootCertStore::empty();
        for _ in 0..2 {
            let dir = tempfile::tempdir().unwrap();
            let (certificate, _) = self_signed(dir.path(), "id.example.com").unwrap();
            roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
        }
        let subjects = roots.subjects();
        assert_ne!(subjects[0].as_ref(), subjects[1].as_ref());
    }
}
