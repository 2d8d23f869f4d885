//! An installation, its commands and its server.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

pub(crate) use remint_testbed::http::Answer;
use remint_testbed::http::{Http, basic};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{CREATE_ALICE, CREATE_SHOP, REMINT, bare};
pub(crate) use crate::support::{PASSWORD, Ran, SECRET, eventually, remint, run};

/// An address that nobody listens on.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A client that waits for half a minute.
pub(crate) fn client() -> Http {
    Http::new(Duration::from_secs(30))
}

/// The metrics that a server shows its operators.
pub(crate) fn metrics(ops: SocketAddr) -> String {
    client().get(&format!("http://{ops}/metrics"), &[]).unwrap().ok().body
}

/// One of them, by its name; none where it is not shown.
pub(crate) fn metric(ops: SocketAddr, name: &str) -> Option<u64> {
    let text = metrics(ops);
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    Some(value.parse().unwrap())
}

/// An installation made by `remint init`.
pub(crate) struct Home {
    dir: TempDir,
}

impl Home {
    /// With the defaults but for a plain listener on a port of its own and fast passwords.
    pub(crate) fn new() -> Self {
        let home = Self { dir: tempfile::tempdir().unwrap() };
        run(home.command(&["init"]), "").ok();
        home.set("http.plain", "true");
        home.set("http.listen", "\"127.0.0.1:0\"");
        home.set("ops.listen", "\"off\"");
        home.set("passwords.memory", "\"8MiB\"");
        home.set("passwords.iterations", "1");
        home
    }

    /// The same with the client `shop` and the user `alice`.
    pub(crate) fn furnished() -> Self {
        let home = Self::new();
        home.run_with(&CREATE_SHOP, SECRET).ok();
        home.run_with(&CREATE_ALICE, PASSWORD).ok();
        home
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// Puts a value in the place of the commented default.
    pub(crate) fn set(&self, key: &str, value: &str) {
        let file = self.file("remint.toml");
        let text = fs::read_to_string(&file).unwrap();
        let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
        let start =
            if section.is_empty() { 0 } else { text.find(&format!("[{section}]")).unwrap() };
        let line = |from: &str| {
            from.find(&format!("\n# {name} = ")).or_else(|| from.find(&format!("\n{name} = ")))
        };
        let at = start + line(&text[start..]).unwrap_or_else(|| panic!("{key} in {text}")) + 1;
        let end = at + text[at..].find('\n').unwrap();
        fs::write(file, format!("{}{name} = {value}{}", &text[..at], &text[end..])).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = remint();
        command.args(arguments).arg("--data-dir").arg(self.dir());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        run(self.command(arguments), input)
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).ok().json()
    }

    pub(crate) fn serve(&self) -> Server {
        self.serve_with(|_| {})
    }

    pub(crate) fn serve_with(&self, edit: impl FnOnce(&mut Command)) -> Server {
        let mut command = self.command(&["serve"]);
        edit(&mut command);
        Server::start(command, &self.file("serve.log"))
    }

    /// Serves under limits of the shell, such as one on the size of files.
    pub(crate) fn serve_in_shell(&self, limits: &str) -> Server {
        let mut command = bare("/bin/sh");
        let script = format!("{limits}; exec \"$0\" serve --data-dir \"$1\"");
        command.arg("-c").arg(script).arg(REMINT).arg(self.dir());
        Server::start(command, &self.file("serve.log"))
    }

    /// What was logged by servers that have ended, and some of what a running one did: see [`Server::log`].
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.file("serve.log")).unwrap()
    }
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    pub(crate) url: String,
    /// The first line and what followed at once.
    pub(crate) greeting: String,
    client: Http,
    /// The id and the secret that forms are sent with: those of the shop, unless others are put here.
    pub(crate) credentials: String,
}

impl Server {
    /// Starts a server and waits until it says that it is ready. Its log goes to the end of a file.
    pub(crate) fn start(mut command: Command, log: &Path) -> Self {
        let file = File::options().append(true).create(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        lines.read_line(&mut greeting).unwrap();
        let url = greeting.split(" is ready at ").nth(1).and_then(|rest| rest.split(' ').next());
        let url = url.unwrap_or_else(|| panic!("not ready: {greeting:?}")).to_owned();
        if greeting.contains("ready") && command.get_args().any(|a| a == "--dev") {
            while !greeting.contains("Ctrl-C") {
                assert_ne!(lines.read_line(&mut greeting).unwrap(), 0, "{greeting}");
            }
        }
        let credentials = format!("shop:{SECRET}");
        Self { child, log: log.to_owned(), url, greeting, client: client(), credentials }
    }

    /// What was logged about everything that was asked for before this. Lines are written by a thread of
    /// their own, in their order: the line about a refused request tells that those before it are there.
    pub(crate) fn log(&self) -> String {
        let refused = self.get("/nowhere");
        let id = refused.header("x-request-id").unwrap();
        let log = || fs::read_to_string(&self.log).unwrap();
        eventually("its last line is written", || log().contains(id));
        log()
    }

    /// The address that it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.url.split_once("://").unwrap().1.parse().unwrap()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for the end of a server that was told to stop.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// SIGTERM, and the orderly end that follows.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// SIGKILL: nothing in the process gets a chance to tidy up.
    pub(crate) fn kill(mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }

    /// Sends a form; `None` where the connection broke.
    pub(crate) fn try_post(&self, path: &str, form: &[(&str, &str)]) -> Option<Answer> {
        self.try_post_as(&self.credentials, path, form)
    }

    pub(crate) fn try_post_as(
        &self,
        credentials: &str,
        path: &str,
        form: &[(&str, &str)],
    ) -> Option<Answer> {
        let headers = [("authorization", &*basic(credentials))];
        self.client.post(&format!("{}{path}", self.url), &headers, form).ok()
    }

    pub(crate) fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.try_post(path, form).unwrap()
    }

    pub(crate) fn log_in(&self) -> Answer {
        let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
        self.post("/oauth2/token", &form)
    }

    pub(crate) fn try_refresh(&self, token: &str) -> Option<Answer> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.try_post("/oauth2/token", &form)
    }

    pub(crate) fn refresh(&self, token: &str) -> Answer {
        self.try_refresh(token).unwrap()
    }

    pub(crate) fn is_active(&self, token: &str) -> bool {
        let answer = self.post("/oauth2/introspect", &[("token", token)]).ok();
        answer.json()["active"].as_bool().unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[])
    }

    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.client.get(&format!("{}{path}", self.url), headers).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
