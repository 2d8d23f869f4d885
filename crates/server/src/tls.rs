//! TLS 1.2 and 1.3 by rustls; a certificate from files, or a self-signed one for development; and what
//! connects to others.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};

use crate::secret_file::{self, SecretFileError};
use crate::whole_file::{Draft, WriteError};

/// Why TLS can not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can not be used.
    #[error("{}: {reason}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The private key can not be read, or others can.
    #[error("the private key {0}")]
    Key(#[from] SecretFileError),
    /// A file can not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The certificate and the key do not go together.
    #[error("the certificate and the private key do not work: {0}")]
    Pair(#[from] rustls::Error),
    /// A self-signed certificate can not be made.
    #[error("cannot make a self-signed certificate: {0}")]
    SelfSigned(#[from] rcgen::Error),
}

/// Reads certificate chain and key.
///
/// # Errors
/// [`TlsError`].
pub fn load(certificate: &Path, private_key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let fault = |file: &Path, reason: String| TlsError::File { file: file.to_owned(), reason };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| fault(certificate, format!("no PEM certificate can be read: {e}")))?;
    if chain.is_empty() {
        return Err(fault(certificate, "there is no PEM certificate in it".into()));
    }
    let key = PrivateKeyDer::from_pem_slice(&secret_file::read(private_key)?)
        .map_err(|e| fault(private_key, format!("no PEM private key can be read: {e}")))?;
    // RFC 9325: 1.2 and 1.3 with rustls' suites, all of them forward-secret AEADs.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// What this server connects to others with: the authorities that the system trusts, or those of
/// `SSL_CERT_FILE`.
pub(crate) fn client() -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    // Some of a system's certificates are often of kinds that are not understood.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The files of the self-signed certificate in `dir`, made if they are not there yet.
///
/// # Errors
/// [`TlsError`].
pub fn self_signed(dir: &Path, host: &str) -> Result<(PathBuf, PathBuf), TlsError> {
    let certificate = dir.join("self-signed.crt");
    let private_key = dir.join("self-signed.key");
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
    // One that is there is of a pair whose other half is missing. It goes first, so that until the end one
    // of the new pair is missing too.
    both.sort_by_key(|(file, ..)| !file.exists());
    for (file, text, mode) in both {
        let draft = if file.exists() { Draft::replace(file) } else { Draft::create(file, mode) };
        draft?.put(text.as_bytes())?;
    }
    Ok((certificate, private_key))
}

/// Another name for every key. RFC 5280 §4.1.2.4: clients find the issuer of a certificate by name, and
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
