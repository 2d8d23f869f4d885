//! TLS of the process: a self-signed certificate that is kept, and SIGHUP.

use std::path::Path;
use std::sync::Arc;

use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::home::{Home, Server, eventually};

/// Whether a client that trusts this certificate alone can connect.
fn is_trusted(server: &Server, certificate: &Path) -> bool {
    is_trusted_as("localhost", server, certificate)
}

/// The same by a name, or an address.
pub(crate) fn is_trusted_as(name: &'static str, server: &Server, certificate: &Path) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let address = server.url.strip_prefix("https://").unwrap().to_owned();
    let connect = async {
        let stream = TcpStream::connect(address).await.unwrap();
        connector.connect(ServerName::try_from(name).unwrap(), stream).await.is_ok()
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(connect)
}

#[test]
fn a_self_signed_certificate_is_made_once_and_kept_at_mode_0600() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    home.set("http.plain", "false");
    let server = home.serve();
    let certificate = home.file("self-signed.crt");
    assert!(is_trusted(&server, &certificate));
    let mode = std::fs::metadata(home.file("self-signed.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let first = std::fs::read(&certificate).unwrap();
    server.stop();
    let server = home.serve();
    assert_eq!(std::fs::read(&certificate).unwrap(), first);
    assert!(is_trusted(&server, &certificate));
}

#[test]
fn sighup_reads_the_certificate_again_and_a_broken_one_changes_nothing() {
    let home = Home::new();
    home.set("http.plain", "false");
    home.set("http.certificate", "\"tls.crt\"");
    home.set("http.private_key", "\"tls.key\"");
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = [&old, &new]
        .map(|dir| remint_server::http::tls::self_signed(dir.path(), "localhost").unwrap());
    let [(old_certificate, old_key), (new_certificate, new_key)] = made;
    let install = |certificate: &Path, key: &Path| {
        std::fs::copy(certificate, home.file("tls.crt")).unwrap();
        std::fs::copy(key, home.file("tls.key")).unwrap();
    };
    install(&old_certificate, &old_key);
    let server = home.serve();
    assert!(is_trusted(&server, &old_certificate) && !is_trusted(&server, &new_certificate));
    install(&new_certificate, &new_key);
    server.signal(Signal::HUP);
    eventually("the new certificate is used", || is_trusted(&server, &new_certificate));

    install(&old_certificate, &new_key);
    server.signal(Signal::HUP);
    eventually("the log tells", || home.log().contains("the old certificate stays"));
    assert!(is_trusted(&server, &new_certificate));
    let error = home.run(&["config", "check"]).failed();
    assert!(error.contains("do not work"), "{error}");
}
