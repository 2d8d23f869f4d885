//! A node that breaks off after it has read a request: nobody knows what it has done.

use std::io::{ErrorKind, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// One that listens for as long as the tests run.
pub(crate) struct Broken {
    pub(crate) address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Broken {
    pub(crate) fn start(certificate: &Path) -> Self {
        let tls = remint_server::http::tls::load(certificate, &certificate.with_extension("key"))
            .unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if read_request(stream, &tls) {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Self { address, requests }
    }

    /// How many requests it has read so far.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Reads until the end of a form, and hangs up.
fn read_request(stream: TcpStream, tls: &Arc<ServerConfig>) -> bool {
    let connection = ServerConnection::new(Arc::clone(tls)).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    let (mut text, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return false,
            Ok(count) => text.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
        let is_get = text.starts_with(b"GET") && text.ends_with(b"\r\n\r\n");
        if is_get || String::from_utf8_lossy(&text).contains("refresh_token=rmrt_") {
            return true;
        }
    }
}
