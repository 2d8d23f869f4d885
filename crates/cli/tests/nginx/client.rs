//! Clients with an address of their own: all of 127.0.0.0/8 is this machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use remint_testbed::http::{Answer, FORM, basic};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::site::{HOST, PASSWORD, SECRET};

/// Neither that of the nodes nor that of nginx, which is 127.0.0.1.
pub(crate) const HOME: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
pub(crate) const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// The client `shop`, on a machine of its own.
pub(crate) struct Client {
    from: Ipv4Addr,
    to: SocketAddr,
    certificate: CertificateDer<'static>,
}

impl Client {
    /// One that trusts a certificate.
    pub(crate) fn new(from: Ipv4Addr, to: SocketAddr, certificate: &Path) -> Self {
        Self { from, to, certificate: CertificateDer::from_pem_file(certificate).unwrap() }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\n"), "")
    }

    /// Signs alice in, and writes itself where the request comes from.
    pub(crate) fn log_in_forwarded_for(&self, address: &str) -> Answer {
        let forwarded = format!("X-Forwarded-For: {address}\r\n");
        self.post(&forwarded, &format!("grant_type=password&username=alice&password={PASSWORD}"))
    }

    pub(crate) fn log_in(&self) -> Answer {
        self.post("", &format!("grant_type=password&username=alice&password={PASSWORD}"))
    }

    pub(crate) fn refresh(&self, token: &str) -> Answer {
        self.post("", &format!("grant_type=refresh_token&refresh_token={token}"))
    }

    fn post(&self, headers: &str, form: &str) -> Answer {
        let authorization = basic(&format!("shop:{SECRET}"));
        let head = format!(
            "POST /oauth2/token HTTP/1.1\r\nAuthorization: {authorization}\r\n{FORM}{headers}"
        );
        self.send(&head, form)
    }

    fn send(&self, head: &str, body: &str) -> Answer {
        let length = body.len();
        let request = format!(
            "{head}Host: {HOST}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Answer::parse(&runtime.block_on(self.exchange(&request)))
    }

    async fn exchange(&self, request: &str) -> String {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((self.from, 0).into()).unwrap();
        let stream = socket.connect(self.to).await.unwrap();
        let name = ServerName::try_from(HOST).unwrap();
        let mut tls = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        tls.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // What was read before a connection broke off is there all the same.
        let _ = tls.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }
}
