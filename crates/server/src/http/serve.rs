//! Listening: connections, their limits and timeouts, TLS, and an orderly end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use remint_protocol::tell;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tower::ServiceExt as _;

mod pace;

use pace::{Limits, Pace, Paced};

use crate::App;
use crate::background::logout_delivery;
use crate::background::node;
use crate::background::sweep;
use crate::background::watch;
use crate::http::client_ip::Peer;
use crate::http::host;
use crate::keys::signing;

/// The longest time that a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The most memory for the head of a request, and for what is read or written at once.
const BUFFER_MAX: usize = 16 * 1024;

/// The TLS configuration, which can be replaced while connections are open.
pub type Tls = Arc<ArcSwap<ServerConfig>>;

/// Number of connections that the system queues while the server is busy, as far as it allows.
const QUEUE: u32 = 4096;

/// Pause before the server accepts again after a failure.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Binds all addresses. Where a host has several, as `localhost` has, one that works is enough.
///
/// # Errors
/// Names the address that cannot be bound.
pub fn bind(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let mut bound: Vec<TcpListener> = Vec::new();
    let mut failed = None;
    for address in addresses {
        // With port 0 the system chooses, and the others follow.
        let port =
            bound.first().and_then(|l| l.local_addr().ok()).map_or(address.port(), |a| a.port());
        // Not a new one: an IPv6 address may have a zone.
        let mut place = *address;
        place.set_port(port);
        match open(place) {
            Ok(listener) => bound.push(listener),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => return Err(named(*address, &e)),
            Err(e) => failed = Some(named(*address, &e)),
        }
    }
    match (bound.is_empty(), failed) {
        (true, Some(error)) => Err(error),
        _ => Ok(bound),
    }
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for earlier connections.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(QUEUE)
}

fn named(address: SocketAddr, error: &io::Error) -> io::Error {
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => "another program, or another remint, has this port already".into(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".into(),
        io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            "ports below 1024 need the capability CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=)"
                .into()
        }
        _ => error.to_string(),
    };
    io::Error::new(error.kind(), format!("cannot listen on {address}: {why}"))
}

/// Serves `router` on `listeners` until `stop` resolves, then lets running requests finish.
pub async fn run(
    app: Arc<App>,
    router: Router,
    listeners: Vec<TcpListener>,
    tls: Option<Tls>,
    stop: impl Future<Output = ()>,
) {
    let http = &app.config().http;
    let server = Arc::new(Server {
        app: Arc::clone(&app),
        router,
        tls,
        limits: Limits { head: http.header_timeout, idle: http.idle_timeout },
        write_timeout: http.body_timeout,
        connections: Arc::new(Semaphore::new(http.max_connections as usize)),
    });
    let open = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            accepted = accept(&listeners, &server.connections) => {
                let (stream, peer, permit) = accepted;
                let (server, watcher) = (Arc::clone(&server), open.watcher());
                tokio::spawn(async move {
                    server.connection(stream, peer, watcher).await;
                    drop(permit);
                });
            }
            () = &mut stop => break,
        }
    }
    drop(listeners);
    if timeout(http.drain_timeout, open.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
}

/// Starts the background work of a server, which goes on until it is ended, or the runtime is.
pub fn start_background(app: &Arc<App>) -> Background {
    Background(
        [
            tokio::spawn(watch::watch(Arc::clone(app))),
            tokio::spawn(node::heartbeat(Arc::clone(app))),
            tokio::spawn(signing::run(Arc::clone(app))),
            tokio::spawn(sweep::sweep(Arc::clone(app))),
            tokio::spawn(logout_delivery::run(Arc::clone(app))),
        ]
        .map(|work| work.abort_handle()),
    )
}

/// The background work of a server.
#[derive(Debug)]
pub struct Background([AbortHandle; 5]);

impl Background {
    /// Ends it at its next pause, and waits for that, so that nothing uses a store that is being closed. Work
    /// that is half done is done again later, as after a crash.
    pub async fn end(&self) {
        self.0.iter().for_each(AbortHandle::abort);
        while !self.0.iter().all(AbortHandle::is_finished) {
            sleep(Duration::from_millis(1)).await;
        }
    }
}

type Permit = tokio::sync::OwnedSemaphorePermit;

async fn accept(
    listeners: &[TcpListener],
    connections: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Permit) {
    let mut has_failed = false;
    loop {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(connections).acquire_owned().await else {
            std::future::pending::<()>().await;
            continue;
        };
        match any(listeners).await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) => {
                // Out of file descriptors, most likely: others must close first. Said once each time.
                if !std::mem::replace(&mut has_failed, true) {
                    tracing::warn!(%error, "cannot accept a connection");
                }
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// The next connection of any listener.
async fn any(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    std::future::poll_fn(|context| {
        listeners
            .iter()
            .map(|listener| listener.poll_accept(context))
            .find(std::task::Poll::is_ready)
            .unwrap_or(std::task::Poll::Pending)
    })
    .await
}

struct Server {
    app: Arc<App>,
    router: Router,
    tls: Option<Tls>,
    limits: Limits,
    write_timeout: Duration,
    connections: Arc<Semaphore>,
}

type Watcher = hyper_util::server::graceful::Watcher;

impl Server {
    async fn connection(&self, stream: TcpStream, peer: SocketAddr, watcher: Watcher) {
        // Responses are small and must not wait for more.
        let _ = stream.set_nodelay(true);
        // A client that takes no response must not keep its place.
        let mut stream = Box::pin(TimeoutStream::new(stream));
        stream.as_mut().set_write_timeout_pinned(Some(self.write_timeout));
        let Some(tls) = &self.tls else {
            return self.http(stream, peer, watcher).await;
        };
        let acceptor = TlsAcceptor::from(tls.load_full());
        match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => self.http(stream, peer, watcher).await,
            Ok(Err(error)) => tracing::debug!(%error, %peer, "TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "TLS handshake timed out"),
        }
    }

    async fn http<S>(&self, stream: S, peer: SocketAddr, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (app, router) = (Arc::clone(&self.app), self.router.clone());
        let pace = Pace::begin();
        let asked = Arc::clone(&pace);
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            let checked = host::check(request.version(), request.uri(), request.headers());
            let is_chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
            request.extensions_mut().insert(Peer(peer));
            let (app, router) = (Arc::clone(&app), router.clone());
            let asked = Arc::clone(&asked);
            asked.request_read();
            async move {
                let answer = match checked {
                    Ok(()) => {
                        router.oneshot(request).await.map(|response| closing(response, is_chunked))
                    }
                    Err(refused) => {
                        app.metrics().reject(refused.name());
                        tell!(
                            REQUEST_REFUSED,
                            status = StatusCode::BAD_REQUEST.as_u16(),
                            error = "invalid_request",
                            cause = refused.name(),
                            source = %peer.ip().to_canonical(),
                        );
                        Ok(host::refuse(refused))
                    }
                };
                asked.response_ready();
                answer
            }
        });
        let stream = TokioIo::new(Paced::new(stream, Arc::clone(&pace)));
        let mut builder = http1::Builder::new();
        let builder = builder.header_read_timeout(None).max_buf_size(BUFFER_MAX);
        let connection = builder.serve_connection(stream, service);
        let are_scarce = || self.connections.available_permits() == 0;
        tokio::select! {
            served = watcher.watch(connection) => if let Err(error) = served {
                tracing::debug!(%error, %peer, "connection ended");
            },
            why = pace.exceeded(self.limits, are_scarce) => {
                tracing::debug!(%peer, why, "connection closed");
            }
        }
    }
}

/// Closes after a chunked request: a `Content-Length` in it may have been dropped already (RFC 9112 §6.1).
fn closing(mut response: Response, was_chunked: bool) -> Response {
    if was_chunked {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
