//! Finding an installation: its configuration, keys and store.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use remint_server::clock::Clock;
use remint_server::config::{Config, Sources, StoreUrl};
use remint_server::keys::{self, Known};
use remint_store::Store;
use remint_store::postgres::Settings;
use tokio::runtime::{Builder, Runtime};

use crate::output::Output;

/// The name of the configuration in a data directory.
pub(crate) const CONFIG_FILE: &str = "remint.toml";

/// Where the installation is.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Location {
    /// The configuration file. Without one: `remint.toml` in the data directory or here.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// The data directory; stands over `data_dir` of the configuration.
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) data_dir: Option<PathBuf>,
}

impl Location {
    /// Reads the file and the environment.
    pub(crate) fn sources(&self) -> anyhow::Result<Sources> {
        let file = self.file()?;
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("cannot read the configuration {}", file.display()))?;
        let data_dir = match &self.data_dir {
            Some(dir) => Some(absolute(dir)?.to_string_lossy().into_owned()),
            None => None,
        };
        let sources = Sources::from_toml(&absolute(&file)?, &text)?;
        Ok(sources.with_variables(std::env::vars()).with_flag("data_dir", "data-dir", data_dir))
    }

    /// Reads and checks the whole configuration.
    pub(crate) fn config(&self) -> anyhow::Result<Config> {
        Ok(Config::resolve(&self.sources()?)?)
    }

    fn file(&self) -> anyhow::Result<PathBuf> {
        if let Some(file) = &self.config {
            return Ok(file.clone());
        }
        let dir = self.data_dir.clone().unwrap_or_default();
        let file = dir.join(CONFIG_FILE);
        if !file.exists() {
            let dir = if dir.as_os_str().is_empty() {
                "here".into()
            } else {
                format!("in {}", dir.display())
            };
            bail!(
                "there is no {CONFIG_FILE} {dir}: run `remint init` first, or say where it is with \
                 --config or --data-dir"
            );
        }
        Ok(file)
    }
}

/// What commands on an installation have in common.
#[derive(Args)]
pub(crate) struct Common {
    #[command(flatten)]
    pub(crate) location: Location,
    #[command(flatten)]
    pub(crate) output: Output,
}

pub(crate) fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("no such path: {}", path.display()))
}

/// An installation, opened.
pub(crate) struct Installation {
    pub(crate) config: Config,
    pub(crate) keys: Known,
    pub(crate) store: Store,
}

impl Installation {
    pub(crate) fn open(location: &Location) -> anyhow::Result<Self> {
        Self::of(location.config()?)
    }

    pub(crate) fn of(config: Config) -> anyhow::Result<Self> {
        block_on(async {
            let store = open_store(&config).await?;
            let keys = known_keys(&config, &store).await?;
            Ok(Self { config, keys, store })
        })
    }
}

/// The root keys of an installation; refused where the file has another key than the store means.
pub(crate) async fn known_keys(config: &Config, store: &Store) -> anyhow::Result<Known> {
    let file = config.key_file();
    let known = keys::load(&file, store, now()).await?;
    if let Some(kid) = known.differs.first() {
        bail!(
            "the root key {kid} in {} is not the one that this store was used with: restore the key file \
             from your backup, or copy that of another node",
            file.display()
        );
    }
    Ok(known)
}

/// Opens the store that the configuration names, which must be there.
pub(crate) async fn open_store(config: &Config) -> anyhow::Result<Store> {
    if let Some(settings) = postgres(config)? {
        return Ok(Store::connect(settings).await?);
    }
    let database = config.database();
    if !database.exists() {
        bail!("there is no database {}: run `remint init` first", database.display());
    }
    Ok(Store::open(&database)?)
}

/// How PostgreSQL is reached; `None` where the configuration names none.
pub(crate) fn postgres(config: &Config) -> anyhow::Result<Option<Settings>> {
    let store = &config.store;
    let Some(StoreUrl(url)) = store.url.clone() else { return Ok(None) };
    let url = match &store.password_file {
        Some(file) => {
            let file = config.path(file);
            let password = std::fs::read_to_string(&file)
                .with_context(|| format!("cannot read store.password_file {}", file.display()))?;
            url.with_password(password.trim_end_matches(['\r', '\n']))
        }
        None => url,
    };
    Ok(Some(Settings {
        url,
        ca_file: store.ca_file.as_deref().map(|file| config.path(file)),
        connections: store.connections,
        connect_timeout: store.connect_timeout,
        statement_timeout: store.statement_timeout,
        revocation_commit: store.revocation_commit,
    }))
}

/// Runs one of a command's futures to its end. All of them share a runtime: connections live on it.
pub(crate) fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return runtime.block_on(future);
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    RUNTIME.get_or_init(|| runtime).block_on(future)
}

/// How long a running server may go on with what it has read: 100 ms with a snapshot of the file, and 250 ms
/// with the registration of a client, or with keys.
const STALE: Duration = Duration::from_millis(400);

/// Waits until every running server sees what was committed: what a command says is over, is over.
pub(crate) fn let_servers_see() {
    std::thread::sleep(STALE);
}

/// The time of a command.
pub(crate) fn now() -> remint_protocol::time::Timestamp {
    Clock::System.now()
}
