//! `remint serve`.

use std::fs::File;
use std::io::{IsTerminal as _, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use arc_swap::ArcSwap;
use clap::Args;
use remint_server::clock::Clock;
use remint_server::config::{
    Config, ConfigError, Issuer, LogFormat, OpsListen, Setting as _, Sources,
};
use remint_server::serve::{Tls, bind, run, start_background};
use remint_server::whole_file::give_to_owner_of;
use remint_server::{App, ops_router, router, tls};
use remint_store::Store;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::dev::Dev;
use crate::install::{Location, absolute, known_keys, open_store, postgres, surprising_files};
use crate::migrate;
use crate::output::print;

/// Run the server.
///
/// Ctrl-C or SIGTERM lets running requests finish; SIGHUP reads the certificate again.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  remint serve --dev\n  remint serve --data-dir /var/lib/remint\n  remint serve --config /etc/remint/remint.toml"
)]
pub(crate) struct Serve {
    /// A throw-away server on this machine's loopback, with a client and a user. Not for production.
    #[arg(long)]
    dev: bool,
    /// The address to listen on; stands over `http.listen`.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// The issuer identifier; stands over `issuer`.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    #[command(flatten)]
    location: Location,
}

impl Serve {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let mut dev =
            if self.dev { Some(Dev::new(self.location.data_dir.as_deref())?) } else { None };
        let sources = match &dev {
            Some(_) if self.location.config.is_some() => {
                bail!("--dev has its own configuration; leave out --config")
            }
            // Wherever a variable says that the data is: a development server has its own.
            Some(dev) => Sources::without_file(dev.dir())
                .with_variables(std::env::vars())
                .with_flag("data_dir", "dev", Some(".".into()))
                .with_flag("key_file", "dev", Some("remint.keys".into()))
                // Applications are tried out on this very machine.
                .with_flag("logout.allow_private_addresses", "dev", Some("true".into())),
            None => self.location.sources()?,
        };
        let config = self.resolve(sources)?;
        if self.dev && !config.http.listen.is_loopback() {
            bail!(
                "--dev has known passwords, so it listens on loopback addresses only, not on {}",
                config.http.listen
            );
        }
        log(&config);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut builder = if cores == 1 {
            tokio::runtime::Builder::new_current_thread()
        } else {
            tokio::runtime::Builder::new_multi_thread()
        };
        builder.enable_all().build()?.block_on(serve(config, dev.as_mut(), self.issuer.is_none()))
    }

    fn resolve(&self, sources: Sources) -> Result<Config, ConfigError> {
        let sources = sources.with_flag("http.listen", "listen", self.listen.clone()).with_flag(
            "issuer",
            "issuer",
            self.issuer.clone(),
        );
        Config::resolve(&sources)
    }
}

fn log(config: &Config) {
    let level = config.log.level.as_str().parse().unwrap_or(tracing::Level::INFO);
    let filter = Targets::new().with_default(tracing::Level::WARN).with_targets(
        ["remint", "remint_protocol", "remint_server", "remint_store"].map(|t| (t, level)),
    );
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second call, as in tests, keeps the first.
    let _ = match config.log.format {
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
        LogFormat::Text => registry.with(lines).try_init(),
    };
}

/// Connections are file descriptors. The soft limit is often 1024, whatever the hard one is.
fn raise_file_limit(connections: u32) {
    let limit = getrlimit(Resource::Nofile);
    // The database, the log, the listeners and some for luck.
    let wanted = u64::from(connections) + 100;
    let allowed = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if limit.current.is_some_and(|current| current < allowed) {
        let raised = Rlimit { current: Some(allowed), maximum: limit.maximum };
        let _ = setrlimit(Resource::Nofile, raised);
    }
    if allowed < wanted {
        tracing::warn!(
            "the system allows {allowed} open files, which is too few for http.max_connections = {connections}"
        );
    }
}

async fn serve(
    mut config: Config,
    dev: Option<&mut Dev>,
    is_issuer_free: bool,
) -> anyhow::Result<()> {
    let started = Clock::System.now();
    raise_file_limit(config.http.max_connections);
    let _locks = locks(&config)?;
    let store = if dev.is_some() {
        Store::open(&config.database())?
    } else {
        if let Some(settings) = postgres(&config)?.filter(|_| config.store.migrate_on_start) {
            migrate::migrate(settings).await?;
        }
        open_store(&config).await?
    };
    let keys = known_keys(&config, &store).await?;
    for warning in config.warnings().into_iter().chain(surprising_files(&config)) {
        tracing::warn!("{warning}");
    }
    let listeners = bind(&config.http.listen.addresses()?).await?;
    let url = url(&config, &listeners);
    if let Some(address) = listeners.first().and_then(|l| l.local_addr().ok()) {
        config.http.listen = config.http.listen.with_port(address.port());
    }
    if dev.is_some() && is_issuer_free {
        // What `--dev` prints must work where it listens.
        config.server.issuer = Issuer::read(&url).unwrap_or(config.server.issuer);
    }
    let seeded = match dev {
        Some(dev) => {
            config.playground = Some(Dev::playground());
            Some(dev.seed(&store, &keys, &config).await?)
        }
        None => None,
    };
    let tls = transport(&config)?;
    let ops = ops(&config, seeded.is_some()).await?;
    let app = App::new(config, store.clone(), keys, Clock::System)?;
    start_background(&app);
    // Before anyone is told that the server is ready, and may therefore send it a signal.
    let hangups = signal(SignalKind::hangup())?;
    let [first, impatient] = [Ends::listen()?, Ends::listen()?];
    tokio::spawn(reload_on_hangup(hangups, Arc::clone(&app), tls.clone()));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    if let Some(ops) = ops {
        let mut stopped = stopped.clone();
        let router = ops_router(&app);
        let ended = async move { drop(stopped.wait_for(|is| *is).await) };
        tokio::spawn(run(Arc::clone(&app), router, ops, None, ended));
    }
    announce(&url, seeded.as_deref(), Clock::System.now().since(started))?;
    let stopping = async move {
        first.recv(1).await;
        tracing::info!("stopping: running requests may finish; a second signal ends them");
        stop.send_replace(true);
    };
    tokio::select! {
        () = async {
            run(Arc::clone(&app), router(&app), listeners, tls, stopping).await;
            app.settle().await;
        } => {}
        () = impatient.recv(2) => tracing::warn!("running requests were ended"),
    }
    app.leave().await;
    store.close().await;
    Ok(())
}

fn announce(url: &str, seeded: Option<&str>, took: Duration) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    print(&format!("remint {version} is ready at {url} after {} ms\n", took.as_millis()))?;
    if let Some(text) = seeded {
        print(text)?;
    }
    Ok(std::io::stdout().flush()?)
}

/// TLS as configured: files, a self-signed certificate, or none.
fn transport(config: &Config) -> anyhow::Result<Option<Tls>> {
    if config.http.plain {
        return Ok(None);
    }
    let (certificate, private_key) = tls_files(config)?;
    Ok(Some(Arc::new(ArcSwap::new(tls::load(&certificate, &private_key)?))))
}

fn tls_files(config: &Config) -> anyhow::Result<(PathBuf, PathBuf)> {
    match (&config.http.certificate, &config.http.private_key) {
        (Some(certificate), Some(key)) => Ok((config.path(certificate), config.path(key))),
        _ => {
            let issuer = config.server.issuer.as_str();
            let host = issuer.split(['/', ':']).nth(3).unwrap_or("localhost");
            Ok(tls::self_signed(&config.data_dir(), host)?)
        }
    }
}

/// Always listens for the signal: unheard, it would end the process.
async fn reload_on_hangup(mut hangups: Signal, app: Arc<App>, tls: Option<Tls>) {
    while hangups.recv().await.is_some() {
        let Some(tls) = &tls else {
            tracing::info!("there is no certificate to read again: http.plain is on");
            continue;
        };
        let read = tls_files(app.config())
            .and_then(|(certificate, key)| Ok(tls::load(&certificate, &key)?));
        match read {
            Ok(new) => {
                tls.store(new);
                tracing::info!("the certificate was read again");
            }
            Err(error) => tracing::error!("the old certificate stays: {error:#}"),
        }
    }
}

async fn ops(config: &Config, is_dev: bool) -> anyhow::Result<Option<Vec<TcpListener>>> {
    let OpsListen::On(address) = &config.ops.listen else { return Ok(None) };
    match bind(&address.addresses()?).await {
        Ok(listeners) => Ok(Some(listeners)),
        Err(error) if is_dev => {
            tracing::warn!("no /metrics: {error}");
            Ok(None)
        }
        Err(error) => Err(error).context("ops.listen"),
    }
}

fn url(config: &Config, listeners: &[TcpListener]) -> String {
    let scheme = if config.http.plain { "http" } else { "https" };
    let address = listeners.first().and_then(|l| l.local_addr().ok());
    match (config.http.listen.as_str().strip_prefix("localhost:"), address) {
        (Some(_), Some(address)) => format!("{scheme}://localhost:{}", address.port()),
        (_, Some(address)) => format!("{scheme}://{address}"),
        (_, None) => format!("{scheme}://{}", config.http.listen),
    }
}

/// The signals that end a server.
struct Ends {
    interrupts: Signal,
    terminations: Signal,
}

impl Ends {
    fn listen() -> anyhow::Result<Self> {
        let interrupts = signal(SignalKind::interrupt())?;
        Ok(Self { interrupts, terminations: signal(SignalKind::terminate())? })
    }

    /// Resolves at the `nth` signal.
    async fn recv(mut self, nth: u32) {
        for _ in 0..nth {
            tokio::select! {
                _ = self.interrupts.recv() => {}
                _ = self.terminations.recv() => {}
            }
        }
    }
}

/// One server on a data directory, and one on a database, wherever it is that a symbolic link leads to.
fn locks(config: &Config) -> anyhow::Result<Vec<Lock>> {
    let mut locks = vec![Lock::take(&config.data_dir())?];
    let is_link = config.store.url.is_none() && config.database().is_symlink();
    if let Some(real) = is_link.then(|| config.database().canonicalize().ok()).flatten()
        && let (Some(dir), Ok(own)) = (real.parent(), config.data_dir().canonicalize())
        && dir != own
    {
        locks.push(Lock::take(dir)?);
    }
    Ok(locks)
}

/// Held while a server runs on a data directory.
struct Lock {
    _file: File,
}

impl Lock {
    fn take(dir: &Path) -> anyhow::Result<Self> {
        let dir_path = absolute(dir)?;
        let path = dir_path.join("serve.lock");
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        if file.try_lock().is_err() {
            let mut owner = String::new();
            let _ = file.read_to_string(&mut owner);
            bail!(
                "another remint serve (process {}) runs on the data directory {} already",
                owner.trim(),
                dir.display()
            );
        }
        // A server that root tried out does not keep the next one from starting.
        give_to_owner_of(&file, &dir_path);
        file.set_len(0)?;
        file.rewind()?;
        write!(file, "{}", std::process::id())?;
        Ok(Self { _file: file })
    }
}
