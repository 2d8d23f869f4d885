//! The listener with TLS.

use std::sync::Arc;

use remint_server::http::serve;
use remint_server::http::tls;
use remint_server::router;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::site::Site;

/// A second listener for the site's server, with a certificate of its own.
struct Secured {
    address: std::net::SocketAddr,
    roots: RootCertStore,
    _dir: tempfile::TempDir,
}

fn secure(site: &Site) -> Secured {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = tls::self_signed(dir.path(), "localhost").unwrap();
    let config = Arc::new(arc_swap::ArcSwap::new(tls::load(&certificate, &key).unwrap()));
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&certificate).unwrap()).unwrap();
    let address = site.block_on(async {
        let listeners = serve::bind(&[([127, 0, 0, 1], 0).into()]).unwrap();
        let address = listeners[0].local_addr().unwrap();
        let never = std::future::pending();
        let app = Arc::clone(&site.app);
        tokio::spawn(serve::run(app, router(&site.app), listeners, Some(config), never));
        address
    });
    Secured { address, roots, _dir: dir }
}

impl Secured {
    async fn get(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> std::io::Result<(String, Option<rustls::ProtocolVersion>)> {
        let config = ClientConfig::builder_with_protocol_versions(versions)
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let request =
            "GET /health/live HTTP/1.1\r\nHost: id.example.com\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok((text, stream.get_ref().1.protocol_version()))
    }
}

#[test]
fn checklist_82_tls_12_and_13_are_spoken_and_nothing_older_or_in_clear() {
    let site = Site::with("http.plain=false issuer=https://id.example.com");
    let secured = secure(&site);
    for (asked, spoken) in [
        (&rustls::version::TLS12, rustls::ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, rustls::ProtocolVersion::TLSv1_3),
    ] {
        let (text, version) = site.block_on(secured.get(&[asked])).unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert!(text.contains("strict-transport-security: max-age=31536000\r\n"), "{text}");
        assert_eq!(version, Some(spoken));
    }
    // A TLS 1.1 client hello, which gets an alert and no handshake.
    let hello = [22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2];
    let rest = [[0; 32].as_slice(), &[0, 0, 2, 0, 47, 1, 0]].concat();
    for greeting in [[hello.as_slice(), &rest].concat(), b"GET / HTTP/1.1\r\n\r\n".to_vec()] {
        let answer = site.block_on(async {
            let mut stream = TcpStream::connect(secured.address).await.unwrap();
            stream.write_all(&greeting).await.unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            answer
        });
        assert!(answer.is_empty() || answer.first() == Some(&21), "an alert: {answer:?}");
    }
}
