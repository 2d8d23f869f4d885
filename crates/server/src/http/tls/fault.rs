//! The reason a connection to another server failed, as a sentence to act on.

use std::io;

use tokio_rustls::rustls::{CertificateError, Error};

/// Describes an error.
pub(crate) fn sentence(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidCertificate(fault)) => of_certificate(fault),
        Some(Error::AlertReceived(alert)) => format!("it ended the TLS handshake ({alert:?})"),
        Some(Error::PeerIncompatible(_)) => {
            "it speaks no TLS that this server does, which is 1.2 or 1.3".into()
        }
        Some(Error::InvalidMessage(_)) => "it does not speak TLS at that port".into(),
        Some(Error::NoCertificatesPresented) => "it showed no certificate".into(),
        Some(_) => "the TLS handshake went wrong".into(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "it hung up during the TLS handshake".into()
        }
        None => error.to_string(),
    }
}

fn of_certificate(fault: &CertificateError) -> String {
    use CertificateError as E;
    match fault {
        E::UnknownIssuer => "its certificate is of an authority that this server does not trust: have it send the \
                             whole chain, or add the authority by outbound.ca_file"
            .into(),
        E::Expired | E::ExpiredContext { .. } => "its certificate has expired".into(),
        E::NotValidYet | E::NotValidYetContext { .. } => {
            "its certificate is not valid yet: is this machine's clock right?".into()
        }
        E::NotValidForName => "its certificate is for another host".into(),
        E::NotValidForNameContext { presented, .. } => {
            // As the library has them: `DnsName("other.example")`.
            let names: Vec<_> = presented.iter().map(|name| bare(name)).collect();
            if names.is_empty() {
                "its certificate names no host as subjectAltName".into()
            } else {
                format!("its certificate is for {}, not for this host", names.join(", "))
            }
        }
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => "its certificate is not for servers".into(),
        E::Revoked => "its certificate was revoked".into(),
        E::BadSignature => "its certificate is not signed by whom it says".into(),
        E::BadEncoding => "its certificate is damaged".into(),
        E::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "its certificate is one of an authority (CA:TRUE), not one of a server: have one made without".into()
        }
        E::UnsupportedSignatureAlgorithmContext { .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "its certificate is signed in a way that is not supported, such as by SHA-1".into()
        }
        _ => "its certificate cannot be used".into(),
    }
}

fn bare(name: &str) -> &str {
    name.split_once("(\"").and_then(|(_, rest)| rest.strip_suffix("\")")).unwrap_or(name)
}
