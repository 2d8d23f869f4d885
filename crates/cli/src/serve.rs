//! `remint serve`.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use remint_server::App;
use remint_server::clock::Clock;
use remint_server::config::{Config, ConfigError, Issuer, OpsListen, Setting as _, Sources};
use remint_server::files::whole_file::give_to_owner_of;
use remint_server::http::serve::{Background, Tls, bind, run, start_background};
use remint_server::http::tls;
use remint_server::http::tls::Live;
use remint_server::ops_router;
use remint_server::playground;
use remint_server::router_with;
use remint_store::Store;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::dev::Dev;
use crate::install::{Location, absolute, known_keys, open_store, postgres, surprising_files};
use crate::log;
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
    /// The address to listen on (overrides `http.listen`).
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// The issuer identifier (overrides `issuer`).
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
                .with_environment(std::env::vars_os())?
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
        let _lines = log::begin(&config);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut builder = if cores == 1 {
            tokio::runtime::Builder::new_current_thread()
        } else {
            tokio::runtime::Builder::new_multi_thread()
        };
        // Said here, because tokio would read TOKIO_WORKER_THREADS, and panic where that is no number.
        let runtime = builder.worker_threads(cores).enable_all().build()?;
        let served = runtime.block_on(serve(config, dev.as_mut(), self.issuer.is_none()));
        // What still waits for a disk or a database does not hold up the end.
        runtime.shutdown_timeout(Duration::from_secs(1));
        served
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

/// The number of files that a server has open besides its clients: the database with its readers, the log,
/// listeners, timers.
const OWN_FILES: u64 = 40;

/// Connections are file descriptors. The soft limit is often 1024, whatever the hard one is. Gives how many
/// connections there can be: beyond that the database could not be opened, nor health be asked for.
fn raise_file_limit(config: &Config) -> u32 {
    let connections = config.http.max_connections;
    let own = OWN_FILES + config.store.url.as_ref().map_or(0, |_| config.store.connections.into());
    let limit = getrlimit(Resource::Nofile);
    // Some more for luck.
    let wanted = u64::from(connections) + own + 60;
    let allowed = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if limit.current.is_some_and(|current| current < allowed) {
        let raised = Rlimit { current: Some(allowed), maximum: limit.maximum };
        let _ = setrlimit(Resource::Nofile, raised);
    }
    if allowed >= wanted {
        return connections;
    }
    let possible = allowed.saturating_sub(own).max(8);
    let possible = u32::try_from(possible).unwrap_or(connections).min(connections);
    tracing::warn!(
        "the system allows {allowed} open files, which is too few for http.max_connections = {connections}: \
         {possible} connections are served at once (systemd: LimitNOFILE=, containers: --ulimit nofile=)"
    );
    possible
}

async fn serve(
    mut config: Config,
    dev: Option<&mut Dev>,
    is_issuer_free: bool,
) -> anyhow::Result<()> {
    let started = Clock::System.now();
    config.http.max_connections = raise_file_limit(&config);
    let _locks = locks(&config)?;
    let store = if dev.is_some() {
        Store::open(&config.database())?
    } else {
        if let Some(settings) = postgres(&config)?.filter(|_| config.store.migrate_on_start) {
            migrate::at_start(settings).await?;
        }
        open_store(&config).await?
    };
    let keys = known_keys(&config, &store).await?;
    remint_server::http::tls::check_authorities(&config)?;
    if dev.is_none() {
        warn(&config);
    }
    let listeners = listen(&config)?;
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
            warn(&config);
            Some(dev.seed(&store, &keys, &config).await?)
        }
        None => None,
    };
    let live = transport(&config)?;
    let is_dev = seeded.is_some();
    let ops = ops(&config, is_dev)?;
    let app = App::new(config, store.clone(), keys, Clock::System)?;
    let background = start_background(&app);
    // Before anyone is told that the server is ready, and may therefore send it a signal.
    let hangups = signal(SignalKind::hangup())?;
    let [first, impatient] = [Ends::listen()?, Ends::listen()?];
    let tls = live.as_ref().map(|live| follow(&app, live));
    tokio::spawn(reload_on_hangup(hangups, Arc::clone(&app), live));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    if let Some(ops) = ops {
        let mut stopped = stopped.clone();
        let router = ops_router(&app);
        let ended = async move { drop(stopped.wait_for(|is| *is).await) };
        tokio::spawn(run(Arc::clone(&app), router, ops, None, ended));
    }
    announce(url, seeded, Clock::System.now().distance(started));
    let (stopping_app, delay) = (Arc::clone(&app), app.config().http.shutdown_delay);
    let stopping = async move {
        first.recv(1).await;
        pause(&stopping_app, delay).await;
        tracing::info!("stopping: running requests may finish; a second signal ends them");
        stop.send_replace(true);
    };
    tokio::select! {
        () = async {
            run(Arc::clone(&app), public(&app, is_dev), listeners, tls, stopping).await;
            app.drain_logout_deliveries().await;
            close(&app, (store.clone(), &background), CLOSING).await;
        } => {}
        // Also where the store is being closed already.
        () = impatient.recv(2) => {
            tracing::warn!("running requests were ended");
            close(&app, (store.clone(), &background), Duration::from_secs(1)).await;
        }
    }
    Ok(())
}

/// The public endpoints; of a development server, with the playground.
fn public(app: &Arc<App>, is_dev: bool) -> axum::Router {
    let playground = is_dev.then(|| playground::routes(app, Dev::playground()));
    router_with(app, playground.unwrap_or_default())
}

async fn close(app: &App, (store, background): (Store, &Background), patience: Duration) {
    let closed = async {
        background.end().await;
        app.deregister_node().await;
        store.close().await;
    };
    if tokio::time::timeout(patience, closed).await.is_err() {
        tracing::error!("the store could not be closed in time; what was answered is in it");
    }
}

/// The time that the store may take to close: a disk or a database that hangs does not hold up the end
/// forever.
const CLOSING: Duration = Duration::from_secs(10);

/// Says that this node is not ready any more, and goes on serving until others have noticed.
async fn pause(app: &App, delay: Duration) {
    app.announce_stop();
    if !delay.is_zero() {
        tracing::info!(
            "not ready any more: requests are still served for {}; a second signal ends this",
            delay.show().trim_matches('"')
        );
        tokio::time::sleep(delay).await;
    }
}

/// Says that the server is ready, which it is whether or not that can be written, and whether or not anybody
/// takes it.
fn announce(url: String, seeded: Option<String>, took: Duration) {
    let version = env!("CARGO_PKG_VERSION");
    let ready = format!("remint {version} is ready at {url} after {} ms\n", took.as_millis());
    std::thread::spawn(move || {
        if let Err(error) = print(&format!("{ready}{}", seeded.unwrap_or_default())) {
            tracing::warn!("{error:#}; the server is ready at {url} all the same");
        }
    });
}

fn warn(config: &Config) {
    for warning in config.warnings().into_iter().chain(surprising_files(config)) {
        tracing::warn!("{warning}");
    }
}

fn listen(config: &Config) -> anyhow::Result<Vec<TcpListener>> {
    let named = "http.listen, or --listen";
    let addresses = config.http.listen.addresses();
    let addresses =
        addresses.with_context(|| format!("{named}: {} has no address", config.http.listen));
    bind(&addresses?).context(named)
}

/// TLS as configured: files, a self-signed certificate, or none.
fn transport(config: &Config) -> anyhow::Result<Option<Live>> {
    if config.http.plain.is_on() {
        return Ok(None);
    }
    let live = Live::load(tls_files(config)?)?;
    for finding in tls::look(config, Clock::System.now())? {
        tracing::warn!("{finding}");
    }
    Ok(Some(live))
}

/// Has the files of the certificate watched, and gives what connections take it from.
fn follow(app: &Arc<App>, live: &Live) -> Tls {
    app.set_certificate_expiry(live.expiry());
    tokio::spawn(live.clone().watch(Arc::clone(app)));
    live.tls()
}

fn tls_files(config: &Config) -> anyhow::Result<(PathBuf, PathBuf)> {
    match (&config.http.certificate, &config.http.private_key) {
        (Some(certificate), Some(key)) => Ok((config.path(certificate), config.path(key))),
        _ => Ok(tls::self_signed(&config.data_dir(), config.server.issuer.host())?),
    }
}

/// Always listens for the signal: unheard, it would end the process.
async fn reload_on_hangup(mut hangups: Signal, app: Arc<App>, live: Option<Live>) {
    while hangups.recv().await.is_some() {
        match &live {
            Some(live) => live.reload(&app).await,
            None => tracing::info!("there is no certificate to read again: http.plain is on"),
        }
    }
}

fn ops(config: &Config, is_dev: bool) -> anyhow::Result<Option<Vec<TcpListener>>> {
    let OpsListen::On(address) = &config.ops.listen else { return Ok(None) };
    let addresses = address.addresses();
    let addresses = addresses.with_context(|| format!("ops.listen: {address} has no address"))?;
    match bind(&addresses) {
        Ok(listeners) => Ok(Some(listeners)),
        Err(error) if is_dev => {
            tracing::warn!("no /metrics: {error}");
            Ok(None)
        }
        Err(error) => Err(error).context("ops.listen"),
    }
}

fn url(config: &Config, listeners: &[TcpListener]) -> String {
    let scheme = if config.http.plain.is_on() { "http" } else { "https" };
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

/// One server on a data directory, and one on a database, wherever it is that a symbolic link leads to. With a
/// database elsewhere the directory may be one that cannot be written.
fn locks(config: &Config) -> anyhow::Result<Vec<Lock>> {
    let is_unwritable = |error: &anyhow::Error| {
        let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        matches!(kind, Some(ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied))
    };
    let mut locks = match Lock::take(&config.data_dir()) {
        Err(error) if config.store.url.is_some() && is_unwritable(&error) => Vec::new(),
        taken => vec![taken?],
    };
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
