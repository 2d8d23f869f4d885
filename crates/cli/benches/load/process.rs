//! The processes of a run: what they are told, which core they have, how they end.
//!
//! Every command line, configuration key and path of Remint that the benchmark relies on stands in
//! this file.

use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::client::Client;
use crate::within;

const REMINT: &str = env!("CARGO_BIN_EXE_remint");

pub(crate) const TOKEN: &str = "/oauth2/token";
pub(crate) const INTROSPECT: &str = "/oauth2/introspect";
pub(crate) const AUTHORIZE: &str = "/oauth2/authorize";
pub(crate) const READY: &str = "/health/ready";

const CONFIG: &str = "remint.toml";
const KEYS: &str = "remint.keys";

/// The client of most loads.
pub(crate) const CLIENT: &str = "bench";
/// Clients that get an ID token with each refresh, by its algorithm.
pub(crate) const RS256_CLIENT: &str = "bench-rs256";
pub(crate) const ES256_CLIENT: &str = "bench-es256";
/// The client that redeems codes. Nobody is asked for consent to it.
pub(crate) const CODE_CLIENT: &str = "bench-code";
pub(crate) const REDIRECT_URI: &str = "https://bench.example/callback";
const CLIENT_SECRET: &str = "bench-secret-bench-secret-bench-secret-0001";
/// Nodes on one PostgreSQL database.
pub(crate) const NODES: usize = 3;

pub(crate) const USERNAME: &str = "bench";
pub(crate) const PASSWORD: &str = "bench-password-0001";

/// How often a starting or ending process is looked at, and for how long at most.
const GLANCE: Duration = Duration::from_millis(5);
const GLANCES: u32 = 4_000;

/// The Authorization header of a client.
pub(crate) fn authorization(client: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{client}:{CLIENT_SECRET}")))
}

/// Which core has the server and which the driver.
#[derive(Clone, Copy)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    pub(crate) driver: usize,
}

impl Cores {
    /// The first two that this process may use, where possible no two threads of one core. `None`
    /// when there is only one.
    pub(crate) fn choose() -> Result<Option<Self>> {
        let allowed = sched_getaffinity(None)?;
        let mut free = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let Some(server) = free.next() else { return Ok(None) };
        let rest: Vec<usize> = free.collect();
        let other = rest.iter().find(|core| siblings(**core) != siblings(server));
        Ok(other.or(rest.first()).map(|driver| Self { server, driver: *driver }))
    }
}

fn siblings(core: usize) -> String {
    let path = format!("/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list");
    std::fs::read_to_string(path).unwrap_or_else(|_| core.to_string())
}

/// Puts this thread on the driver's core.
pub(crate) fn pin_driver(cores: Option<Cores>) -> Result<()> {
    cores.map_or(Ok(()), |cores| pin(cores.driver))
}

fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("pinning to core {core}"))
}

/// Runs `part` where the server's processes have to be: what it starts stays there.
pub(crate) fn on_server_core<T>(cores: Option<Cores>, part: impl FnOnce() -> T) -> Result<T> {
    if let Some(cores) = cores {
        pin(cores.server)?;
    }
    let result = part();
    pin_driver(cores)?;
    Ok(result)
}

/// Where a run keeps its files and where its servers listen.
pub(crate) struct Site {
    root: PathBuf,
    data: PathBuf,
    cores: Option<Cores>,
    /// The URL of a PostgreSQL database; without one, SQLite.
    store: Option<String>,
    nodes: Vec<SocketAddr>,
    bare: SocketAddr,
}

impl Site {
    /// A data directory below `root`, not made yet, for one node on SQLite.
    pub(crate) fn new(root: &Path, cores: Option<Cores>) -> Result<Self> {
        let [remint, bare] = free_addresses()?;
        let data = root.join("data");
        Ok(Self { root: root.to_owned(), data, cores, store: None, nodes: vec![remint], bare })
    }

    /// The same for [`NODES`] nodes on a PostgreSQL database.
    pub(crate) fn on_postgres(root: &Path, cores: Option<Cores>, url: String) -> Result<Self> {
        let [bare, nodes @ ..] = free_addresses::<{ NODES + 1 }>()?;
        let data = root.join("node-0");
        let nodes = nodes.to_vec();
        Ok(Self { root: root.to_owned(), data, cores, store: Some(url), nodes, bare })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Makes the data directory with the configuration, the clients and the user.
    pub(crate) fn create(&self) -> Result<()> {
        let mut init = vec!["init"];
        init.extend(self.store.iter().flat_map(|url| ["--store-url", url]));
        self.remint(&init, None)?;
        for (node, address) in self.nodes.iter().enumerate() {
            let data = self.data_of(node);
            if node > 0 {
                std::fs::create_dir(&data).with_context(|| data.display().to_string())?;
                std::fs::copy(self.data.join(KEYS), data.join(KEYS)).context("copying the keys")?;
            }
            let config = data.join(CONFIG);
            std::fs::write(config, self.settings(*address)).context("writing a configuration")?;
        }
        if self.store.is_some() {
            self.remint(&["migrate"], None)?;
        }
        let by_password = "--grant password --grant client_credentials --grant refresh_token";
        let by_code = format!(
            "--grant authorization_code --grant refresh_token --first-party --redirect-uri {REDIRECT_URI}"
        );
        let alg = |alg: &str| format!("{by_password} --id-token-alg {alg}");
        for (id, more, scope) in [
            (CLIENT, by_password, "a b c"),
            (RS256_CLIENT, &alg("RS256"), "openid"),
            (ES256_CLIENT, &alg("ES256"), "openid"),
            (CODE_CLIENT, &by_code, "a b c"),
        ] {
            let mut client = vec!["client", "create", "--id", id, "--secret-stdin"];
            client.extend(more.split_whitespace());
            client.extend(["--scope", scope]);
            self.remint(&client, Some(CLIENT_SECRET))?;
        }
        self.remint(&["user", "create", "--username", USERNAME, "--password-stdin"], Some(PASSWORD))
    }

    /// Nodes share the keys and differ in their address.
    fn data_of(&self, node: usize) -> PathBuf {
        if node == 0 { self.data.clone() } else { self.root.join(format!("node-{node}")) }
    }

    fn settings(&self, listen: SocketAddr) -> String {
        let store = self.store.iter().map(|url| format!("\n[store]\nurl = \"{url}\"\n"));
        format!(
            "[http]\nplain = true\nlisten = \"{listen}\"\n\n[ops]\nlisten = \"off\"\n\n\
             [log]\nlevel = \"warn\"\n{}",
            store.collect::<String>()
        )
    }

    /// Starts the first node on the server's core; it may not answer yet.
    pub(crate) fn serve(&self) -> Result<Server> {
        self.serve_node(0)
    }

    /// Starts a node, counted from 0, on the server's core; it may not answer yet.
    pub(crate) fn serve_node(&self, node: usize) -> Result<Server> {
        let address = *self.nodes.get(node).context("there are fewer nodes")?;
        let mut command = Command::new(REMINT);
        command.arg("serve").arg("--data-dir").arg(self.data_of(node));
        self.start(command, address, &format!("remint-{}.log", address.port()))
    }

    /// Starts the bare server on the server's core; it may not answer yet.
    pub(crate) fn serve_bare(&self) -> Result<Server> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("bare").arg(self.bare.port().to_string());
        self.start(command, self.bare, "bare.log")
    }

    /// Runs one of Remint's commands to its end.
    fn remint(&self, arguments: &[&str], input: Option<&str>) -> Result<()> {
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut child = Command::new(REMINT)
            .args(arguments)
            .arg("--data-dir")
            .arg(&self.data)
            .env_clear()
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context(REMINT)?;
        let fed = match (child.stdin.take(), input) {
            (Some(mut stdin), Some(input)) => writeln!(stdin, "{input}"),
            _ => Ok(()),
        };
        let output = child.wait_with_output()?;
        ensure!(
            output.status.success(),
            "remint {} ended with {}:\n{}{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        fed.context("writing to remint's standard input")
    }

    fn start(&self, mut command: Command, address: SocketAddr, log: &str) -> Result<Server> {
        let path = self.root.join(log);
        let log = File::create(&path).with_context(|| path.display().to_string())?;
        // The caller's REMINT_ variables must not decide what is measured.
        command.env_clear().stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = on_server_core(self.cores, || command.spawn())?;
        Ok(Server { child: child.context("starting a server")?, address, log: path })
    }
}

/// Addresses on loopback with ports that nobody has.
fn free_addresses<const COUNT: usize>() -> Result<[SocketAddr; COUNT]> {
    let listeners = (0..COUNT).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    // All are held before any is let go, so that they differ.
    let listeners: Vec<TcpListener> = listeners.collect::<std::io::Result<_>>()?;
    let addresses: Vec<SocketAddr> =
        listeners.iter().map(TcpListener::local_addr).collect::<std::io::Result<_>>()?;
    addresses.try_into().ok().context("as many addresses as listeners")
}

/// A running server. It is killed when it goes out of scope.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it says that it is ready.
    pub(crate) async fn ready(mut self) -> Result<Self> {
        within(30, "ready", self.poll()).await?;
        Ok(self)
    }

    async fn poll(&mut self) -> Result<()> {
        for _ in 0..GLANCES {
            let mut client = Client::new(self.address, "");
            if client.get(READY).await.is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            self.ensure_running()?;
            tokio::time::sleep(GLANCE).await;
        }
        bail!("the server does not become ready:\n{}", self.log())
    }

    /// Fails with what it wrote when it has ended by itself.
    pub(crate) fn ensure_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the server ended with {status}:\n{}", self.log()),
        }
    }

    /// Asks it to end, with SIGTERM, and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        for _ in 0..GLANCES {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "after SIGTERM: {status}\n{}", self.log());
                return Ok(());
            }
            tokio::time::sleep(GLANCE).await;
        }
        bail!("the server does not end after SIGTERM:\n{}", self.log())
    }

    /// What it wrote to its standard output and error.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
