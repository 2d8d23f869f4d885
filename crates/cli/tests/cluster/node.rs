//! One node: a data directory with configuration and keys, and the server that runs on it.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use remint_testbed::http::{Answer, Http, basic};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{PASSWORD, Ran, SECRET, eventually, remint, run};

/// How often something that watches a server starts it again.
const STARTS: usize = 100;

/// A client that waits for a quarter of a minute.
pub(crate) fn client() -> Http {
    Http::new(Duration::from_secs(15))
}

pub(crate) struct Node {
    pub(crate) number: usize,
    dir: PathBuf,
    variables: Vec<(String, String)>,
    server: Mutex<Server>,
}

#[derive(Default)]
struct Server {
    child: Option<Child>,
    /// Where it is, or was when it last ran.
    url: String,
}

impl Node {
    /// One whose data directory is made already.
    pub(crate) fn new(number: usize, dir: &Path, variables: &[(String, String)]) -> Self {
        let (dir, variables) = (dir.to_owned(), variables.to_owned());
        Self { number, dir, variables, server: Mutex::default() }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// What the next command or server has in its environment.
    pub(crate) fn set(&mut self, variable: &str, value: &str) {
        self.variables.push((variable.to_owned(), value.to_owned()));
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = remint();
        command.args(arguments).arg("--data-dir").arg(&self.dir);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        run(self.command(arguments), input)
    }

    fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap()
    }

    /// Starts the server, and starts it again when it gives up, as anything does that keeps one
    /// running.
    pub(crate) fn start(&self) {
        for _ in 0..STARTS {
            if self.try_start() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("node {} does not start:\n{}", self.number, self.log());
    }

    fn try_start(&self) -> bool {
        let log = File::options().append(true).create(true).open(self.file("serve.log")).unwrap();
        let mut command = self.command(&["serve"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut server = self.server();
        assert!(server.child.is_none(), "node {} runs already", self.number);
        let url = line.split(" is ready at ").nth(1).and_then(|rest| rest.split(' ').next());
        match url {
            Some(url) => *server = Server { child: Some(child), url: url.to_owned() },
            None => drop(child.wait().unwrap()),
        }
        url.is_some()
    }

    /// Nothing in the process gets a chance to tidy up.
    pub(crate) fn kill(&self) {
        self.end(Signal::KILL);
    }

    /// An orderly end.
    pub(crate) fn stop(&self) {
        self.end(Signal::TERM);
    }

    /// Sends a signal without waiting for anything.
    pub(crate) fn signal(&self, signal: Signal) {
        let server = self.server();
        kill_process(Pid::from_child(server.child.as_ref().unwrap()), signal).unwrap();
    }

    /// How the server ended, once it did after a signal.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        let mut server = self.server();
        let status = server.child.as_mut().and_then(|child| child.try_wait().unwrap());
        if status.is_some() {
            server.child = None;
        }
        status
    }

    fn end(&self, signal: Signal) {
        let mut child = self.server().child.take().unwrap();
        kill_process(Pid::from_child(&child), signal).unwrap();
        child.wait().unwrap();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.server().child.as_ref().unwrap().id()
    }

    /// Whether the server runs, and how it ended.
    pub(crate) fn state(&self) -> String {
        let mut server = self.server();
        let state = match server.child.as_mut().map(|child| child.try_wait().unwrap()) {
            None => "not started".to_owned(),
            Some(None) => "running".to_owned(),
            Some(Some(status)) => status.to_string(),
        };
        format!("node {}: {state}", self.number)
    }

    pub(crate) fn url(&self) -> String {
        self.server().url.clone()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.url().strip_prefix("http://").unwrap().parse().unwrap()
    }

    /// What its servers logged. Lines are written by a thread of their own, in their order: where one runs, the
    /// line about a refused request tells that those before it are there.
    pub(crate) fn log(&self) -> String {
        let log = || fs::read_to_string(self.file("serve.log")).unwrap_or_default();
        let runs = self.server().child.is_some();
        let refused = client().get(&format!("{}/nowhere", self.url()), &[]).ok();
        if let Some(refused) = refused.filter(|_| runs) {
            let id = refused.header("x-request-id").unwrap();
            eventually("its last line is written", || log().contains(id));
        }
        log()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        client().get(&format!("{}{path}", self.url()), &[]).unwrap()
    }

    pub(crate) fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.send(&client(), path, form).unwrap()
    }

    /// Sends a form with the shop's credentials; why there is no answer where there is none.
    pub(crate) fn send(
        &self,
        http: &Http,
        path: &str,
        form: &[(&str, &str)],
    ) -> Result<Answer, String> {
        self.send_as(http, &format!("shop:{SECRET}"), (path, form))
    }

    pub(crate) fn send_as(
        &self,
        http: &Http,
        credentials: &str,
        (path, form): (&str, &[(&str, &str)]),
    ) -> Result<Answer, String> {
        let headers = [("authorization", &*basic(credentials))];
        http.post(&format!("{}{path}", self.url()), &headers, form)
    }

    pub(crate) fn refresh(&self, token: &str) -> Answer {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.post("/oauth2/token", &form)
    }

    pub(crate) fn log_in(&self) -> Answer {
        let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
        self.post("/oauth2/token", &form)
    }

    /// Waits until it says that it should be sent requests.
    pub(crate) fn is_ready_in_the_end(&self) {
        let what = format!("node {} is ready", self.number);
        eventually(&what, || self.get("/health/ready").status == 200);
    }

    /// Waits until it says that it should not, and why.
    pub(crate) fn is_unready_in_the_end(&self, why: &str) {
        eventually(&format!("node {} says {why:?}", self.number), || {
            let answer = self.get("/health/ready");
            answer.status == 503 && answer.body.contains(why)
        });
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let server = self.server.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(mut child) = server.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
