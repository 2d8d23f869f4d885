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
use axum::http::{HeaderValue, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tower::ServiceExt as _;

use crate::source::Peer;
use crate::{App, backchannel, host, node, signing, sweep, watch};

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The most memory for the head of a request, and for what is read or written at once.
const BUFFER_MAX: usize = 16 * 1024;

/// The TLS configuration, which can be replaced while connections are open.
pub type Tls = Arc<ArcSwap<ServerConfig>>;

/// Binds all addresses. Where a host has several, as `localhost` has, one that works is enough.
///
/// # Errors
/// Names the address that can not be bound.
pub async fn bind(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let mut bound: Vec<TcpListener> = Vec::new();
    let mut failed = None;
    for address in addresses {
        // With port 0 the system chooses, and the others follow.
        let port =
            bound.first().and_then(|l| l.local_addr().ok()).map_or(address.port(), |a| a.port());
        match TcpListener::bind(SocketAddr::new(address.ip(), port)).await {
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

fn named(address: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
}

/// Serves `router` on `listeners` until `stop` resolves, then lets running requests finish.
pub async fn run(
    app: Arc<App>,
    router: Router,
    listeners: Vec<TcpListener>,
    tls: Option<Tls>,
    stop: impl Future<Output = ()>,
) {
    let http = &app.config.http;
    let server = Arc::new(Server {
        app: Arc::clone(&app),
        router,
        tls,
        header_timeout: http.header_timeout,
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

/// Starts the background work of a server.
pub fn start_background(app: &Arc<App>) {
    tokio::spawn(watch::watch(Arc::clone(app)));
    tokio::spawn(node::tell(Arc::clone(app)));
    tokio::spawn(signing::keep(Arc::clone(app)));
    tokio::spawn(sweep::sweep(Arc::clone(app)));
    tokio::spawn(backchannel::keep(Arc::clone(app)));
}

type Permit = tokio::sync::OwnedSemaphorePermit;

async fn accept(
    listeners: &[TcpListener],
    connections: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Permit) {
    loop {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(connections).acquire_owned().await else {
            std::future::pending::<()>().await;
            continue;
        };
        match any(listeners).await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) => {
                // Out of file descriptors, most likely: others must close first.
                tracing::warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(100)).await;
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
    header_timeout: Duration,
    write_timeout: Duration,
    connections: Arc<Semaphore>,
}

type Watcher = hyper_util::server::graceful::Watcher;

impl Server {
    async fn connection(&self, stream: TcpStream, peer: SocketAddr, watcher: Watcher) {
        // Answers are small and must not wait for more.
        let _ = stream.set_nodelay(true);
        // A client that takes no answer must not keep its place.
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
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            let checked = host::check(request.version(), request.uri(), request.headers());
            let is_chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
            request.extensions_mut().insert(Peer(peer));
            let (app, router) = (Arc::clone(&app), router.clone());
            async move {
                if let Err(refused) = checked {
                    app.metrics.reject(refused.name());
                    tracing::debug!(%peer, ?refused, "a request was refused before it was read");
                    return Ok(host::refuse(refused));
                }
                let mut response = router.oneshot(request).await?;
                // RFC 9112 §6.1: a Content-Length beside it may have been dropped already.
                if is_chunked {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(header::CONNECTION, close);
                }
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .max_buf_size(BUFFER_MAX)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, %peer, "connection ended");
        }
    }
}
