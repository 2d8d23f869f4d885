//! A TCP proxy that stands for the network between a client and a server, and fails on request.

mod flow;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use flow::{Direction, Pair, Shared, reset};

const PATIENCE: Duration = Duration::from_secs(10);

/// A port on loopback that leads to another address for as long as this value lives.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Proxy {
    /// A proxy in front of that address.
    pub fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let shared = Arc::new(Shared::new(to));
        let for_acceptor = Arc::clone(&shared);
        let acceptor = Some(thread::spawn(move || accept(&listener, &for_acceptor)));
        Self { port, shared, acceptor }
    }

    /// Returns the port that clients connect to, on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes all connections that are open, as if both ends had crashed: each sees a reset.
    pub fn cut(&self) {
        assert!(self.shared.cut(), "connections through the proxy do not close");
    }

    /// Arms the proxy: of what clients send from now on, on connections old and new, just `n` bytes
    /// are still delivered. The connection that has the last of them is reset towards its client;
    /// its server gets what was delivered, then an end, and its answers are lost. Others go on.
    pub fn cut_after_bytes(&self, n: u64) {
        self.shared.lock().budget = Some(n);
    }

    /// Whether new connections are reset at once.
    pub fn refuse(&self, on: bool) {
        self.shared.lock().refuse = on;
    }

    /// Whether bytes stand still. Connections stay open, and new ones are accepted.
    pub fn freeze(&self, on: bool) {
        self.shared.freeze(on);
    }

    /// Leads new connections to another address.
    pub fn repoint(&self, to: SocketAddr) {
        self.shared.lock().to = to;
    }

    pub(crate) fn target(&self) -> SocketAddr {
        self.shared.lock().to
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        // Wakes the acceptor.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        self.shared.cut();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.lock().closed {
            return;
        }
        if let Ok(client) = client {
            connect(client, shared);
        }
    }
}

fn connect(client: TcpStream, shared: &Arc<Shared>) {
    let (to, refuse, cuts) = {
        let state = shared.lock();
        (state.to, state.refuse, state.cuts)
    };
    let server = if refuse {
        Err(io::ErrorKind::ConnectionRefused.into())
    } else {
        TcpStream::connect_timeout(&to, PATIENCE)
    };
    let Ok(server) = server else {
        reset(&client);
        return;
    };
    let pair = Arc::new(Pair::new(client, server));
    if shared.open(&pair, cuts) {
        for direction in [Direction::Up, Direction::Down] {
            let (shared, pair) = (Arc::clone(shared), Arc::clone(&pair));
            thread::spawn(move || shared.carry(&pair, direction));
        }
    }
}
