//! nginx with the configuration that the documentation shows, but for names, paths and ports.

use std::env;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

pub(crate) const CONFIGURATION: &str = include_str!("../../../../docs/nginx/remint.conf");

/// Everything around it that belongs to a test alone.
const AROUND: &str = "daemon off; pid nginx.pid; events {} http { client_body_temp_path body; \
    proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s; include remint.conf; }";

/// Where nginx is; `None` leaves the tests out.
pub(crate) fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = dirs.map(|dir| dir.join("nginx")).find(|file| file.is_file());
    assert!(
        found.is_some() || env::var_os("REMINT_TEST_REQUIRE_NGINX").is_none(),
        "REMINT_TEST_REQUIRE_NGINX is set, but there is no nginx (Debian's package is called nginx)"
    );
    found
}

/// A running nginx.
pub(crate) struct Nginx {
    pub(crate) address: SocketAddr,
    dir: PathBuf,
    child: Child,
}

impl Nginx {
    /// Starts nginx in front of two nodes, which have the second of these certificates, or one of those
    /// in that file, and waits until it answers. The first is its own.
    pub(crate) fn start(dir: &Path, nodes: [SocketAddr; 2], certificates: [&Path; 2]) -> Self {
        Self::start_with(dir, |address| configuration(address, nodes, certificates))
    }

    /// Starts nginx with the configuration for an address.
    pub(crate) fn start_with(dir: &Path, configuration: impl Fn(SocketAddr) -> String) -> Self {
        let program = find().unwrap();
        fs::write(dir.join("nginx.conf"), AROUND).unwrap();
        for _ in 0..10 {
            // Somebody else may take the port meanwhile.
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let address = free.local_addr().unwrap();
            drop(free);
            fs::write(dir.join("remint.conf"), configuration(address)).unwrap();
            let log =
                File::options().append(true).create(true).open(dir.join("start.log")).unwrap();
            let mut command = Command::new(&program);
            command
                .arg("-p")
                .arg(dir)
                .arg("-c")
                .arg(dir.join("nginx.conf"))
                .args(["-e", "error.log"]);
            command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            let child = command.spawn().unwrap();
            let mut nginx = Self { address, dir: dir.to_owned(), child };
            if nginx.answers() {
                return nginx;
            }
        }
        panic!("nginx does not start: {}", fs::read_to_string(dir.join("start.log")).unwrap());
    }

    fn answers(&mut self) -> bool {
        for _ in 0..1_000 {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if TcpStream::connect(self.address).is_ok() {
                return true;
            }
            sleep(Duration::from_millis(20));
        }
        false
    }

    /// The requests so far, a line for each, once there are so many. A request is written down a
    /// little later than its client has the answer.
    pub(crate) fn log(&self, at_least: usize) -> Vec<String> {
        for _ in 0..1_000 {
            let text = fs::read_to_string(self.dir.join("access.log")).unwrap();
            if text.lines().count() >= at_least {
                return text.lines().map(str::to_owned).collect();
            }
            sleep(Duration::from_millis(20));
        }
        panic!("fewer than {at_least} requests are in nginx's log");
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it, which they would not if it were killed.
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

fn configuration(address: SocketAddr, nodes: [SocketAddr; 2], certificates: [&Path; 2]) -> String {
    let mut text = CONFIGURATION.to_owned();
    let [files, trusted] = certificates.map(|file| file.to_str().unwrap());
    for (documented, here) in [
        ("listen 443 ssl", format!("listen {address} ssl")),
        ("10.0.0.11:9443", nodes[0].to_string()),
        ("10.0.0.12:9443", nodes[1].to_string()),
        ("/etc/nginx/id.example.com.crt", files.to_owned()),
        ("/etc/nginx/id.example.com.key", files.replace(".crt", ".key")),
        ("/etc/nginx/remint-nodes.crt", trusted.to_owned()),
        ("/var/log/nginx/remint.log", "access.log".to_owned()),
        // So that nothing depends on how fast a test is.
        ("fail_timeout=5s", "fail_timeout=1h".to_owned()),
    ] {
        assert!(text.contains(documented), "{documented} is not in the configuration any more");
        text = text.replace(documented, &here);
    }
    text
}
