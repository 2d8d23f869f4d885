//! Certificates and keys in PEM (RFC 7468), and explanations of files that have something else.

use std::path::Path;

use tokio_rustls::rustls::pki_types::pem::{PemObject as _, SectionKind};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::TlsError;
use crate::files::secret_file;

/// The certificates in a file; never empty.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = std::fs::read(file);
    let bytes =
        bytes.map_err(|e| TlsError::file(file, format!("the certificate cannot be read: {e}")))?;
    let bytes = text(file, Zeroizing::new(bytes), "certificate", "openssl x509 -inform der")?;
    let all = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|_| TlsError::file(file, DAMAGED))?;
    if all.is_empty() {
        let kinds = kinds(&bytes);
        let reason = if has_label(&bytes, "TRUSTED CERTIFICATE") {
            "there is no PEM certificate in it, but one of OpenSSL's own kind: run `openssl x509` on it"
        } else if has_label(&bytes, "PKCS7") {
            "there is no PEM certificate in it, but PKCS #7: run `openssl pkcs7 -print_certs` on it"
        } else if kinds.contains(&SectionKind::Csr) || has_label(&bytes, "NEW CERTIFICATE REQUEST")
        {
            "there is no PEM certificate in it, but the request for one: name the file that the authority sent"
        } else if kinds.iter().any(|kind| is_key(*kind))
            || has_label(&bytes, "ENCRYPTED PRIVATE KEY")
        {
            "there is no PEM certificate in it, but a private key: name the certificate's file"
        } else {
            "there is no PEM certificate in it: it begins with -----BEGIN CERTIFICATE-----"
        };
        return Err(TlsError::file(file, reason));
    }
    Ok(all)
}

/// Checks that a file has certificates, without having all those of a system in memory at once.
pub(super) fn check(file: &Path) -> Result<(), TlsError> {
    let mut are_whole = CertificateDer::pem_file_iter(file)
        .ok()
        .map(|all| all.map(|certificate| certificate.is_ok()))
        .into_iter()
        .flatten()
        .peekable();
    if are_whole.peek().is_some() && are_whole.all(|is_whole| is_whole) {
        return Ok(());
    }
    // Reading the whole file gives the reason.
    certificates(file).map(|_| ())
}

/// The first private key in a file.
pub(super) fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = secret_file::read(file)?;
    let bytes = text(file, bytes, "private key", "openssl pkey -inform der")?;
    if let Ok(key) = PrivateKeyDer::from_pem_slice(&bytes)
        && !is_encrypted(&bytes)
    {
        return Ok(key);
    }
    let kinds = kinds(&bytes);
    let reason = if is_encrypted(&bytes) {
        "the private key is encrypted, and nobody is there to type its password: run \
         `openssl pkey -in FILE -out NEWFILE`, and keep the new file at mode 0600"
    } else if kinds.iter().any(|kind| is_key(*kind)) || has_label(&bytes, "PRIVATE KEY") {
        DAMAGED
    } else if kinds.contains(&SectionKind::Certificate) {
        "there is no PEM private key in it, but a certificate: name the key's file"
    } else {
        "there is no PEM private key in it: it begins with -----BEGIN PRIVATE KEY-----"
    };
    Err(TlsError::file(file, reason))
}

const DAMAGED: &str = "it is cut off or damaged: copy it again, whole";

fn is_key(kind: SectionKind) -> bool {
    matches!(kind, SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey)
}

/// The kinds of sections in a file.
fn kinds(bytes: &[u8]) -> Vec<SectionKind> {
    <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes)
        .map_while(Result::ok)
        .map(|(kind, _)| kind)
        .collect()
}

fn has_label(bytes: &[u8], label: &str) -> bool {
    contains(bytes, &format!("-----BEGIN {label}-----"))
}

fn is_encrypted(bytes: &[u8]) -> bool {
    has_label(bytes, "ENCRYPTED PRIVATE KEY") || contains(bytes, "Proc-Type: 4,ENCRYPTED")
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

/// The content of a file that should be text in ASCII.
fn text(
    file: &Path,
    bytes: Zeroizing<Vec<u8>>,
    what: &str,
    converter: &str,
) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let reason = match &**bytes {
        [] => Some("it is empty".to_owned()),
        [0xef, 0xbb, 0xbf, ..] => Some(
            "it begins with a byte order mark, as some editors write it: save it as plain ASCII"
                .to_owned(),
        ),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            Some("it is UTF-16: save it as plain ASCII".to_owned())
        }
        // ASN.1's SEQUENCE and its length, with which no text begins.
        [0x30, 0x80..=0x84, ..] => Some(format!(
            "the {what} is in DER, or in PKCS #12, not in PEM: run `{converter} -in FILE -out NEWFILE`, or \
             `openssl pkcs12 -in FILE -nodes -out NEWFILE` on a .p12 or .pfx file"
        )),
        _ => None,
    };
    match reason {
        Some(reason) => Err(TlsError::file(file, reason)),
        None => Ok(bytes),
    }
}
