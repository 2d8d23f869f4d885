//! The authorities that are trusted when this server connects to others: those of the system, or of
//! `SSL_CERT_FILE` and `SSL_CERT_DIR` instead, and those of `outbound.ca_file`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::{TlsError, pem};
use crate::config::Config;

/// Checks that everything that names authorities can be read.
///
/// # Errors
/// [`TlsError`].
pub fn check(config: &Config) -> Result<(), TlsError> {
    check_variables()?;
    of_file(
        config.outbound.ca_file.as_deref().map(|file| config.path(file)),
        &mut RootCertStore::empty(),
    )
}

pub(super) fn read(config: &Config) -> Result<RootCertStore, TlsError> {
    all(config.outbound.ca_file.as_deref().map(|file| config.path(file)))
}

pub(super) fn none() -> RootCertStore {
    RootCertStore::empty()
}

/// The configuration with which this server connects to others.
pub(crate) fn client(ca_file: Option<PathBuf>) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(all(ca_file)?)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn all(ca_file: Option<PathBuf>) -> Result<RootCertStore, TlsError> {
    check_variables()?;
    let mut roots = RootCertStore::empty();
    // Some of a system's certificates are often of kinds that are not understood.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    of_file(ca_file, &mut roots)?;
    Ok(roots)
}

fn of_file(file: Option<PathBuf>, roots: &mut RootCertStore) -> Result<(), TlsError> {
    let Some(file) = file else { return Ok(()) };
    for (at, certificate) in pem::certificates(&file)?.into_iter().enumerate() {
        roots.add(certificate).map_err(|_| {
            TlsError::file(
                &file,
                format!("certificate number {} in it cannot be trusted: it is damaged", at + 1),
            )
        })?;
    }
    Ok(())
}

/// Checks the variables, because the library that reads them ignores what is missing.
fn check_variables() -> Result<(), TlsError> {
    let fault = |variable, value: &Path, reason: String| {
        Err(TlsError::Variable { variable, value: value.display().to_string(), reason })
    };
    if let Some(file) = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from) {
        if let Err(e) = std::fs::File::open(&file) {
            let reason = format!("{e}: write the path of a file with certificates in PEM");
            return fault("SSL_CERT_FILE", &file, reason);
        }
        match pem::check(&file) {
            Err(TlsError::File { reason, .. }) => return fault("SSL_CERT_FILE", &file, reason),
            other => other?,
        }
    }
    if let Some(dirs) = std::env::var_os("SSL_CERT_DIR") {
        for dir in std::env::split_paths(&dirs).filter(|dir| !dir.as_os_str().is_empty()) {
            if let Err(e) = std::fs::read_dir(&dir) {
                return fault(
                    "SSL_CERT_DIR",
                    &dir,
                    format!("{e}: write the path of a directory with certificates in PEM"),
                );
            }
        }
    }
    Ok(())
}
