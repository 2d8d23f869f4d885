//! Nodes: servers on one database, with files of their own.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Runs a command on the files of a node, with something to read.
pub(crate) fn remint(dir: &Path, arguments: &[&str], input: &str) {
    let mut child = command(dir, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read is no fault.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The executable, with none of the tester's own settings.
fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_remint"));
    command.env_clear().args(arguments).arg("--data-dir").arg(dir);
    for (name, value) in [
        ("REMINT_HTTP_LISTEN", "127.0.0.1:0"),
        ("REMINT_HTTP_TRUSTED_PROXIES", "127.0.0.1"),
        ("REMINT_OPS_LISTEN", "off"),
        ("REMINT_PASSWORDS_MEMORY", "8MiB"),
        ("REMINT_PASSWORDS_ITERATIONS", "1"),
    ] {
        command.env(name, value);
    }
    command
}

/// A running server.
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    dir: PathBuf,
    child: Child,
}

impl Node {
    /// Starts a server and waits until it says that it is ready.
    pub(crate) fn start(dir: &Path) -> Self {
        let log = File::create(dir.join("serve.log")).unwrap();
        let mut command = command(dir, &["serve"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let mut greeting = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut greeting).unwrap();
        let address =
            greeting.split_once(" is ready at ").and_then(|(_, url)| url.split_once("://"));
        let address = address.map(|(_, rest)| rest);
        let address = address.and_then(|rest| rest.split(' ').next()?.parse().ok());
        let dir = dir.to_owned();
        Self { address: address.unwrap_or_else(|| panic!("not ready: {greeting:?}")), dir, child }
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.join("serve.log")).unwrap()
    }

    /// Nothing in the process gets a chance to tidy up.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
