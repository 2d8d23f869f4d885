//! A certificate as clients will see it (RFC 5280, RFC 9525): what makes it useless, and what surprises.

use std::net::IpAddr;
use std::path::Path;

use remint_protocol::time::Timestamp;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;

use crate::config::Config;

/// The least size of an RSA key, in bits (RFC 9325 §4.5).
const RSA_LEAST: usize = 2048;

/// Signatures by hashes that are broken: MD2, MD5 and SHA-1, with RSA, DSA and ECDSA.
const BROKEN: [&str; 5] = [
    "1.2.840.113549.1.1.2",
    "1.2.840.113549.1.1.4",
    "1.2.840.113549.1.1.5",
    "1.2.840.10040.4.3",
    "1.2.840.10045.4.1",
];

fn parse<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    X509Certificate::from_der(der).ok().map(|(_, certificate)| certificate)
}

fn rsa_bits(certificate: &X509Certificate<'_>) -> Option<usize> {
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => Some(key.key_size()),
        _ => None,
    }
}

/// The reason no client can work with this chain, if there is one.
pub(super) fn reason_unusable(chain: &[CertificateDer<'_>]) -> Option<String> {
    for (at, der) in chain.iter().enumerate() {
        if parse(der).is_none() {
            return Some(format!(
                "certificate number {} in it is damaged: copy it again, whole",
                at + 1
            ));
        }
    }
    let leaf = chain.first().and_then(parse)?;
    let bits = rsa_bits(&leaf).filter(|bits| *bits < RSA_LEAST)?;
    Some(format!(
        "the certificate's RSA key has {bits} bits, which clients refuse: make one of at least {RSA_LEAST}, and a \
         certificate for it"
    ))
}

/// The earliest expiry in the chain, in seconds since the epoch.
pub(super) fn expiry(chain: &[CertificateDer<'_>]) -> Option<i64> {
    chain.iter().filter_map(parse).map(|one| one.validity().not_after.timestamp()).min()
}

/// Findings that may surprise, each as a sentence.
pub(super) fn findings(
    chain: &[CertificateDer<'_>],
    file: &Path,
    config: &Config,
    roots: &RootCertStore,
    now: Timestamp,
) -> Vec<String> {
    let parsed: Vec<_> = chain.iter().filter_map(parse).collect();
    let mut found = Vec::new();
    let Some(leaf) = parsed.first() else { return found };
    found.extend(times(&parsed, now));
    let what = if config.http.certificate.is_some() {
        format!("have one made for {}", config.server.issuer.host())
    } else {
        "remove self-signed.crt and self-signed.key, and the start makes others".to_owned()
    };
    found.extend(names(leaf, config.server.issuer.host(), &what));
    found.extend(kind(leaf));
    found.extend(order(&parsed));
    found.extend(strength(&parsed));
    if config.http.certificate.is_some() {
        found.extend(authority(&parsed, config, roots));
    }
    found.into_iter().map(|sentence| format!("{}: {sentence}", file.display())).collect()
}

fn date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| "some other time".into(), |at| at.to_string())
}

/// The position in a chain, in words.
fn which(at: usize) -> String {
    if at == 0 { "the certificate".into() } else { format!("certificate number {} in it", at + 1) }
}

fn times(chain: &[X509Certificate<'_>], now: Timestamp) -> Vec<String> {
    let mut found = Vec::new();
    for (at, certificate) in chain.iter().enumerate() {
        let (from, to) = (&certificate.validity().not_before, &certificate.validity().not_after);
        let (from, to) = (from.timestamp(), to.timestamp());
        if to < now.as_secs() {
            found.push(format!(
                "{} expired at {}, and clients refuse it: renew it",
                which(at),
                date(to)
            ));
        } else if from > now.as_secs() {
            found.push(format!(
                "{} is not valid before {}, and clients refuse it: is this machine's clock right?",
                which(at),
                date(from)
            ));
        }
    }
    found
}

/// The finding if `subjectAltName` lacks the host; other names do not count (RFC 9525 §6).
fn names(leaf: &X509Certificate<'_>, host: &str, what: &str) -> Option<String> {
    let mut names = Vec::new();
    let ip = host.parse::<IpAddr>().ok();
    if let Ok(Some(extension)) = leaf.subject_alternative_name() {
        for name in &extension.value.general_names {
            match name {
                GeneralName::DNSName(name) => {
                    if ip.is_none() && is_named(name, host) {
                        return None;
                    }
                    names.push((*name).to_owned());
                }
                GeneralName::IPAddress(bytes) => {
                    let address = address(bytes);
                    if ip.is_some() && ip == address {
                        return None;
                    }
                    names.extend(address.map(|address| address.to_string()));
                }
                _ => {}
            }
        }
    }
    if names.is_empty() {
        return Some(format!(
            "the certificate names no host as subjectAltName, and clients look nowhere else: {what}"
        ));
    }
    let names = names.join(", ");
    Some(format!("the certificate is for {names}, but issuer is at {host}: {what}"))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn is_named(name: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.');
    match name.strip_prefix("*.") {
        // RFC 9525 §6.3: for one whole label.
        Some(rest) => host.split_once('.').is_some_and(|(_, tail)| tail.eq_ignore_ascii_case(rest)),
        None => name.eq_ignore_ascii_case(host),
    }
}

fn kind(leaf: &X509Certificate<'_>) -> Vec<String> {
    let mut found = Vec::new();
    if leaf.is_ca() {
        found.push(
            "the certificate is one of an authority (CA:TRUE), which many clients refuse for a server: have one made \
             without, for example by `openssl req -x509 -addext basicConstraints=CA:FALSE`"
                .to_owned(),
        );
    }
    if let Ok(Some(usage)) = leaf.extended_key_usage()
        && !usage.value.server_auth
        && !usage.value.any
    {
        found.push(
            "the certificate is not for servers (extendedKeyUsage has no serverAuth), and clients refuse it: have one \
             made that is"
                .to_owned(),
        );
    }
    found
}

fn order(chain: &[X509Certificate<'_>]) -> Option<String> {
    let pairs = chain.iter().zip(chain.iter().skip(1)).enumerate();
    let mut wrong =
        pairs.filter(|(_, (one, next))| one.issuer().as_raw() != next.subject().as_raw());
    let (at, _) = wrong.next()?;
    Some(format!(
        "certificate number {} is not that of the authority which signed number {}: put the server's first, then the \
         one that signed it, and so on",
        at + 2,
        at + 1
    ))
}

fn is_self_signed(certificate: &X509Certificate<'_>) -> bool {
    certificate.issuer().as_raw() == certificate.subject().as_raw()
}

fn strength(chain: &[X509Certificate<'_>]) -> Vec<String> {
    let mut found = Vec::new();
    for (at, certificate) in chain.iter().enumerate() {
        let algorithm = certificate.signature_algorithm.algorithm.to_id_string();
        if BROKEN.contains(&&*algorithm) && (at == 0 || !is_self_signed(certificate)) {
            found.push(format!(
                "{} is signed by a hash that is broken (MD5 or SHA-1), and clients refuse it: have one made with \
                 SHA-256",
                which(at)
            ));
        }
        if at > 0
            && let Some(bits) = rsa_bits(certificate).filter(|bits| *bits < RSA_LEAST)
        {
            found.push(format!(
                "the RSA key of {} has {bits} bits, and clients refuse it: ask the authority for a newer one",
                which(at)
            ));
        }
    }
    found
}

/// The finding if the chain leads to no authority that this machine trusts.
fn authority(
    chain: &[X509Certificate<'_>],
    config: &Config,
    roots: &RootCertStore,
) -> Option<String> {
    let trusted = roots.subjects();
    let is_trusted = |name: &[u8]| trusted.iter().any(|root| root.as_ref() == name);
    let last = chain.last()?;
    if is_self_signed(last) {
        let is_known = is_trusted(last.subject().as_raw()) || config.server.issuer.is_loopback();
        return (chain.len() == 1 && !is_known).then(|| {
            "the certificate is self-signed, and no client trusts it that was not told to: have one made by an \
             authority, or name it in outbound.ca_file where all clients know it"
                .to_owned()
        });
    }
    // Where nothing is trusted at all, nothing can be said.
    if trusted.is_empty() || is_trusted(last.issuer().as_raw()) {
        return None;
    }
    Some(format!(
        "the chain ends with one signed by \"{}\", which this machine does not trust: append the certificates in \
         between (authorities send them as fullchain.pem), or name your own authority in outbound.ca_file",
        last.issuer()
    ))
}
