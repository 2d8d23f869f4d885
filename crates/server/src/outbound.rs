//! One POST to a URL that a registration names, as safely as possible. The address is looked up, checked and
//! connected to here, so that it cannot change in between (DNS rebinding). No proxy, no redirect, no
//! connection used twice. Only the head of the response is read, up to a bound; the body is ignored.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Method, Request, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use remint_protocol::public_address::is_public;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use url::{Host, Position, Url};

use crate::config::Logout;
use crate::http::tls;

/// The most memory for the head of a response.
const BUFFER_MAX: usize = 16 * 1024;
/// The most addresses of one host that are tried.
const ADDRESSES: usize = 4;
/// The most names that are looked up at once. A slow lookup holds a thread, even when nobody waits for it.
const LOOKUPS: usize = 16;

/// Sends requests.
pub(crate) struct Outbound {
    may_be_private: bool,
    timeout: Duration,
    ca_file: Option<PathBuf>,
    tls: OnceCell<TlsConnector>,
    lookups: Arc<Semaphore>,
}

/// The reason there is no response.
#[derive(Debug)]
pub(crate) enum NotSent {
    /// None of the host's addresses may be connected to.
    Forbidden,
    /// Any failure that is worth a retry.
    Failed(String),
}

fn failed(error: impl Display) -> NotSent {
    NotSent::Failed(error.to_string())
}

impl Outbound {
    pub(crate) fn new(settings: &Logout, ca_file: Option<PathBuf>) -> Self {
        Self {
            ca_file,
            may_be_private: settings.allow_private_addresses,
            timeout: settings.timeout,
            tls: OnceCell::new(),
            lookups: Arc::new(Semaphore::new(LOOKUPS)),
        }
    }

    /// Posts a form and returns the status of the response.
    pub(crate) async fn post(&self, url: &Url, form: String) -> Result<u16, NotSent> {
        let exchanged = Box::pin(timeout(self.timeout, self.exchange(url, form))).await;
        exchanged.unwrap_or_else(|_| Err(failed("no answer in time")))
    }

    async fn exchange(&self, url: &Url, form: String) -> Result<u16, NotSent> {
        let addresses = self.addresses(url).await?;
        let stream = TcpStream::connect(&*addresses).await.map_err(failed)?;
        if url.scheme() != "https" {
            return ask(stream, url, form).await;
        }
        let name = match url.host() {
            Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()).map_err(failed)?,
            Some(Host::Ipv4(address)) => ServerName::from(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => ServerName::from(IpAddr::V6(address)),
            None => return Err(failed("the URL has no host")),
        };
        let tls = self.tls.get_or_try_init(|| connector(self.ca_file.clone())).await?;
        let secured = tls.connect(name, stream).await.map_err(|e| failed(tls::sentence(&e)))?;
        ask(secured, url, form).await
    }

    /// The host's addresses that may be connected to; never empty.
    async fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, NotSent> {
        let port = url.port_or_known_default().ok_or_else(|| failed("the URL has no port"))?;
        let all = match url.host() {
            Some(Host::Ipv4(address)) => vec![SocketAddr::new(address.into(), port)],
            Some(Host::Ipv6(address)) => vec![SocketAddr::new(address.into(), port)],
            Some(Host::Domain(name)) => self.look_up(name.to_owned(), port).await?,
            None => Vec::new(),
        };
        let is_encrypted = url.scheme() == "https";
        let may_be = |address: &SocketAddr| {
            let address = address.ip().to_canonical();
            // Only the client may read what is sent.
            let is_safe = is_encrypted || address.is_loopback();
            is_safe && (self.may_be_private || is_public(address))
        };
        let all: Vec<_> = all.into_iter().filter(may_be).take(ADDRESSES).collect();
        if all.is_empty() { Err(NotSent::Forbidden) } else { Ok(all) }
    }

    async fn look_up(&self, name: String, port: u16) -> Result<Vec<SocketAddr>, NotSent> {
        let place = Arc::clone(&self.lookups).acquire_owned().await.map_err(failed)?;
        // The lookup goes on when nobody waits for it any more, and holds its permit until it ends.
        let looked_up = tokio::spawn(async move {
            let found = lookup_host((name, port)).await.map(Iterator::collect::<Vec<_>>);
            drop(place);
            found
        });
        let found: Vec<_> = looked_up.await.map_err(failed)?.map_err(failed)?;
        if found.is_empty() { Err(failed("the host has no address")) } else { Ok(found) }
    }
}

/// Reads the trusted authorities, on first use.
async fn connector(ca_file: Option<PathBuf>) -> Result<TlsConnector, NotSent> {
    let config = tokio::task::spawn_blocking(|| tls::client(ca_file)).await.map_err(failed)?;
    Ok(TlsConnector::from(config.map_err(failed)?))
}

/// Sends the request and returns the status of the response.
async fn ask<S>(stream: S, url: &Url, form: String) -> Result<u16, NotSent>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = Request::builder()
        .method(Method::POST)
        .uri(&url[Position::BeforePath..Position::AfterQuery])
        .header(header::HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::USER_AGENT, concat!("remint/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .body(Full::new(Bytes::from(form)))
        .map_err(failed)?;
    let mut builder = http1::Builder::new();
    let handshake = builder.max_buf_size(BUFFER_MAX).handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(failed)?;
    let mut answering = pin!(sender.send_request(request));
    let answer = tokio::select! {
        answer = &mut answering => answer,
        // The connection ended first; the outcome is there already.
        _ = connection => answering.await,
    };
    Ok(answer.map_err(failed)?.status().as_u16())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};

    use super::*;

    async fn addresses(url: &str, may_be_private: bool) -> Result<Vec<SocketAddr>, NotSent> {
        let settings = Logout { allow_private_addresses: may_be_private, timeout: Duration::MAX };
        Outbound::new(&settings, None).addresses(&Url::parse(url).unwrap()).await
    }

    async fn is_forbidden(url: &str, may_be_private: bool) -> bool {
        matches!(addresses(url, may_be_private).await, Err(NotSent::Forbidden))
    }

    #[tokio::test]
    async fn checklist_78_an_address_is_judged_however_it_is_written() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0.0.0.0",
            "10.0.0.1",
            "169.254.169.254",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::7f00:1]",
            "[fd00::1]",
            "[fe80::1]",
            "localhost",
        ] {
            let url = format!("https://{host}/logout");
            assert!(is_forbidden(&url, false).await, "{host}");
            assert!(!is_forbidden(&url, true).await, "{host}");
        }
        let public = addresses("https://1.1.1.1:8443/logout", false).await.unwrap();
        assert_eq!(public, [SocketAddr::from(([1, 1, 1, 1], 8443))]);
    }

    /// A client's server with a certificate for `name`, answering one request, and a connector that trusts
    /// it.
    async fn listen(name: &str) -> (Url, TlsConnector) {
        let certified = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let provider = || Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key);
        let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that does not trust it has left by now.
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        });
        let mut roots = RootCertStore::empty();
        roots.add(certified.cert.der().clone()).unwrap();
        let trusting = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        (Url::parse(&url).unwrap(), TlsConnector::from(Arc::new(trusting)))
    }

    #[tokio::test]
    async fn checklist_78_a_certificate_is_trusted_and_of_the_name() {
        let poster = || {
            let timeout = Duration::from_secs(30);
            Outbound::new(&Logout { allow_private_addresses: true, timeout }, None)
        };
        for (name, is_theirs) in [("localhost", true), ("other.example", false)] {
            let (url, trusting) = listen(name).await;
            let poster = Outbound { tls: OnceCell::new_with(Some(trusting)), ..poster() };
            let sent = poster.post(&url, "x=y".into()).await;
            assert_eq!(sent.is_ok_and(|status| status == 204), is_theirs, "{name}");
        }
        let (url, _) = listen("localhost").await;
        let sent = poster().post(&url, "x=y".into()).await;
        assert!(
            matches!(&sent, Err(NotSent::Failed(why)) if why.contains("certificate")),
            "{sent:?}"
        );
    }

    fn trusting(ca_file: Option<PathBuf>) -> Outbound {
        let timeout = Duration::from_secs(30);
        Outbound::new(&Logout { allow_private_addresses: true, timeout }, ca_file)
    }

    async fn fault(url: &Url, ca_file: Option<PathBuf>) -> String {
        match trusting(ca_file).post(url, "x=y".into()).await {
            Err(NotSent::Failed(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    /// A client's server with a certificate of an authority, and the authority's file.
    async fn listen_with(
        dir: &std::path::Path,
        change: impl FnOnce(&mut rcgen::CertificateParams),
    ) -> (Url, PathBuf) {
        let key = || rcgen::KeyPair::generate().unwrap();
        let mut root = rcgen::CertificateParams::new(vec![]).unwrap();
        root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = rcgen::CertifiedIssuer::self_signed(root, key()).unwrap();
        let file = dir.join("ca.crt");
        std::fs::write(&file, root.pem()).unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
        change(&mut params);
        let own = key();
        let signed = params.signed_by(&own, &root).unwrap();
        let key = PrivateKeyDer::try_from(own.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.der().clone()], key);
        let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
            }
        });
        (Url::parse(&url).unwrap(), file)
    }

    #[tokio::test]
    async fn checklist_78_an_authority_of_outbound_ca_file_is_trusted_beside_the_systems() {
        let dir = tempfile::tempdir().unwrap();
        let (url, file) = listen_with(dir.path(), |_| {}).await;
        assert_eq!(trusting(Some(file)).post(&url, "x=y".into()).await.ok(), Some(204));
        let why = fault(&url, None).await;
        assert!(why.contains("add the authority by outbound.ca_file"), "{why}");
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_certificate_is_said_in_a_sentence() {
        use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, SanType, date_time_ymd};
        type Change = fn(&mut rcgen::CertificateParams);
        let table: [(Change, &str); 6] = [
            (
                |p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
                "one of an authority (CA:TRUE)",
            ),
            (|p| p.not_after = date_time_ymd(2020, 1, 1), "its certificate has expired"),
            (
                |p| p.not_before = date_time_ymd(2990, 1, 1),
                "is not valid yet: is this machine's clock right?",
            ),
            (
                |p| {
                    p.subject_alt_names =
                        vec![SanType::DnsName("other.example".try_into().unwrap())];
                },
                "its certificate is for other.example, not for this host",
            ),
            (|p| p.subject_alt_names.clear(), "its certificate names no host as subjectAltName"),
            (
                |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
                "its certificate is not for servers",
            ),
        ];
        for (change, sentence) in table {
            let dir = tempfile::tempdir().unwrap();
            let (url, file) = listen_with(dir.path(), change).await;
            let why = fault(&url, Some(file)).await;
            assert!(why.contains(sentence) && !why.contains(['{', '"']), "{sentence}: {why}");
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        let url = Url::parse(&format!("https://localhost:{port}/")).unwrap();
        for sentence in
            ["it does not speak TLS at that port", "it hung up during the TLS handshake"]
        {
            let why = fault(&url, None).await;
            assert!(why.contains(sentence), "{sentence}: {why}");
        }
    }

    #[tokio::test]
    async fn what_is_not_encrypted_stays_on_this_machine() {
        for host in ["1.1.1.1", "10.0.0.1", "[2606:4700:4700::1111]"] {
            assert!(is_forbidden(&format!("http://{host}/"), true).await, "{host}");
        }
        assert!(!is_forbidden("http://127.0.0.1/", true).await);
        assert!(!is_forbidden("http://[::1]/", true).await);
    }
}
