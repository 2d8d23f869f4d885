//! What the tests of one server and those of several have in common: the executable and what its
//! commands do.

use std::io::Write as _;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

pub(crate) const REMINT: &str = env!("CARGO_BIN_EXE_remint");
pub(crate) const SECRET: &str = "shop-secret";
pub(crate) const PASSWORD: &str = "wonderland";

/// Registers the client `shop`, whose secret is read.
pub(crate) const CREATE_SHOP: [&str; 13] = [
    "client",
    "create",
    "--id",
    "shop",
    "--grant",
    "password",
    "--grant",
    "refresh_token",
    "--grant",
    "client_credentials",
    "--scope",
    "a b",
    "--secret-stdin",
];
pub(crate) const CALLBACK: &str = "https://app.example/cb";
pub(crate) const SIGNED_OUT: &str = "https://app.example/signed-out";
/// Registers the client `web` for the code flow, whose secret is read.
pub(crate) const CREATE_WEB: [&str; 15] = [
    "client",
    "create",
    "--id",
    "web",
    "--grant",
    "authorization_code",
    "--grant",
    "refresh_token",
    "--scope",
    "openid a",
    "--redirect-uri",
    CALLBACK,
    "--post-logout-redirect-uri",
    SIGNED_OUT,
    "--secret-stdin",
];
/// Creates the user `alice`, whose password is read.
pub(crate) const CREATE_ALICE: [&str; 5] =
    ["user", "create", "--username", "alice", "--password-stdin"];

/// The executable, with none of the tester's own settings.
pub(crate) fn remint() -> Command {
    bare(REMINT)
}

pub(crate) fn bare(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!(self.status.success(), "{self:?}");
        self
    }

    /// Asserts a failure and gives its message, without what the audit says of it.
    #[track_caller]
    pub(crate) fn failed(self) -> String {
        assert_eq!(self.status.code(), Some(1), "{self:?}");
        let is_audit = |line: &&str| line.contains(" audit: event=");
        self.stderr.split_inclusive('\n').filter(|line| !is_audit(line)).collect()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// Runs a command to its end, with something to read.
pub(crate) fn run(mut command: Command, input: &str) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read is no fault.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Tries again for as long as anything that is promised "within a second" may take on a machine
/// that is busy with something else.
pub(crate) fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("never: {what}");
}
