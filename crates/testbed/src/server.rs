//! One server process in a directory: it starts, stops and dies.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;

use crate::home::Home;
use crate::installation::Installation;
use crate::processes;
use crate::wait::{PAUSE, eventually};

pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A port below those that the system hands out to outgoing connections. One of those could be
/// taken while a server is down, and a client that keeps trying to connect can even end up
/// connected to itself there.
fn free_port() -> u16 {
    let candidates = (0..1000).filter_map(|_| u16::try_from(10_240 + random() % 20_000).ok());
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    candidates.into_iter().find(is_free).expect("a free port")
}

/// A directory with data in it, and the port of the server that runs on it.
pub(crate) struct Server {
    pub(crate) home: Home,
    pub(crate) port: u16,
}

impl Server {
    /// Starts for the first time, on a port that it finds.
    pub(crate) fn start(home: Home) -> Self {
        let mut server = Self { home, port: 0 };
        for _ in 0..20 {
            server.port = free_port();
            if server.launch() {
                return server;
            }
        }
        panic!("PostgreSQL finds no port to listen on. Its log:\n{}", server.home.log());
    }

    pub(crate) fn start_again(&self) {
        assert!(!self.home.server_is_alive(), "the server on port {} runs already", self.port);
        let started = (0..100).any(|_| self.launch() || (thread::sleep(PAUSE), false).1);
        let (port, home) = (self.port, &self.home);
        assert!(started, "PostgreSQL does not get its port {port} back. Its log:\n{}", home.log());
    }

    /// Waits until the server accepts connections. False when somebody else has the port.
    fn launch(&self) -> bool {
        let data = self.home.data();
        // Left behind by a server that was killed; its process id may be another process's now.
        let _ = fs::remove_file(format!("{data}/postmaster.pid"));
        let postgres = Installation::get().program("postgres");
        self.home.start_server(&[&postgres, "-D", &data, "-p", &self.port.to_string()]);
        let mut alive = true;
        let ready = eventually(|| {
            alive = self.home.server_is_alive();
            !alive || self.is_ready()
        });
        let log = self.home.log();
        let taken = !alive && log.contains("Address already in use");
        assert!(alive || taken, "PostgreSQL does not start. Its log:\n{log}");
        assert!(ready, "PostgreSQL accepts no connections. Its log:\n{log}");
        alive
    }

    /// The eighth line of the lock file is what `pg_ctl` goes by as well.
    fn is_ready(&self) -> bool {
        self.lock_file_line(7).is_some_and(|status| status == "ready")
    }

    fn lock_file_line(&self, index: usize) -> Option<String> {
        let text = fs::read_to_string(format!("{}/postmaster.pid", self.home.data())).ok()?;
        text.lines().nth(index).map(|line| line.trim().to_owned())
    }

    pub(crate) fn stop(&self, signal: &str) {
        self.home.signal_server(signal);
        self.wait_for_the_end();
    }

    pub(crate) fn kill(&self) {
        let pid = self.lock_file_line(0).and_then(|pid| pid.parse().ok());
        processes::kill_with_descendants(pid.expect("a running server"));
        self.wait_for_the_end();
    }

    fn wait_for_the_end(&self) {
        let ended = eventually(|| !self.home.server_is_alive());
        assert!(ended, "PostgreSQL does not stop. Its log:\n{}", self.home.log());
    }
}
