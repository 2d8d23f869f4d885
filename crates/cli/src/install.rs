//! Finding an installation: its configuration, keys and store.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use remint_protocol::audit::Object;
use remint_protocol::event::Event;
use remint_server::clock::Clock;
use remint_server::config::{Config, Sources, StoreUrl};
use remint_server::files::secret_file;
use remint_server::keys::{self, RootKeys};
use remint_store::Store;
use remint_store::postgres::Settings;
use tokio::runtime::{Builder, Runtime};

use crate::audit;
use crate::output::Output;
use crate::secret;

/// The name of the configuration in a data directory.
pub(crate) const CONFIG_FILE: &str = "remint.toml";

/// The place of the installation.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Location {
    /// The configuration file. Without one: `remint.toml` in the data directory or here.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// Data directory (overrides `data_dir`).
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) data_dir: Option<PathBuf>,
}

impl Location {
    /// Reads the file and the environment.
    pub(crate) fn sources(&self) -> anyhow::Result<Sources> {
        let file = self.file()?;
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("cannot read the configuration {}", file.display()))?;
        let data_dir = self.data_dir.as_deref().map(absolute).transpose()?;
        let sources = Sources::from_toml(&absolute(&file)?, &text)?;
        let sources = sources.with_environment(std::env::vars_os())?;
        Ok(sources.with_data_dir("data-dir", data_dir))
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
        if !is_there(&file)? {
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

/// The flags that commands on an installation have in common.
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

/// Whether a file is there. Where nobody may look, that is said, and not that it is missing.
pub(crate) fn is_there(file: &Path) -> anyhow::Result<bool> {
    file.try_exists().with_context(|| format!("cannot look for {}", file.display()))
}

/// An installation, opened.
pub(crate) struct Installation {
    pub(crate) config: Config,
    pub(crate) keys: RootKeys,
    pub(crate) store: Store,
}

impl Installation {
    pub(crate) fn open(location: &Location) -> anyhow::Result<Self> {
        Self::of(location.config()?)
    }

    /// Opens an installation to look at it: nothing is changed, and nothing need be writable.
    pub(crate) fn open_to_read(location: &Location) -> anyhow::Result<Self> {
        let config = location.config()?;
        block_on(async {
            let store = open_store_to_read(&config).await?;
            let keys = keys::look(&config.key_file(), &store).await?;
            refuse_differing(&config, &keys)?;
            Ok(Self { config, keys, store })
        })
    }

    /// Makes a change, and tells of it: see [`audit`].
    pub(crate) fn change<T>(
        &self,
        what: (&Event, Object<'_>),
        make: impl AsyncFnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let made = audit::change(&self.config, what, || block_on(make()))?;
        let_servers_see();
        Ok(made)
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
pub(crate) async fn known_keys(config: &Config, store: &Store) -> anyhow::Result<RootKeys> {
    let known = keys::load(&config.key_file(), store, now()).await?;
    refuse_differing(config, &known)?;
    Ok(known)
}

fn refuse_differing(config: &Config, known: &RootKeys) -> anyhow::Result<()> {
    if let Some(kid) = known.differs.first() {
        bail!(
            "the root key {kid} in {} is not the one that this store was used with: restore the key file \
             from your backup, or copy that of another node",
            config.key_file().display()
        );
    }
    Ok(())
}

/// Opens the store that the configuration names, which must be there.
pub(crate) async fn open_store(config: &Config) -> anyhow::Result<Store> {
    if let Some(settings) = postgres(config)? {
        return Ok(Store::connect(settings).await?);
    }
    Ok(Store::open(&database(config)?)?)
}

/// Opens the store that the configuration names, to look at it. A file is not changed by that.
pub(crate) async fn open_store_to_read(config: &Config) -> anyhow::Result<Store> {
    if let Some(settings) = postgres(config)? {
        return Ok(Store::connect(settings).await?);
    }
    Ok(Store::open_to_read(&database(config)?)?)
}

/// The database file, which must be there.
pub(crate) fn database(config: &Config) -> anyhow::Result<PathBuf> {
    let database = config.database();
    if !is_there(&database)? {
        bail!("there is no database {}: run `remint init` first", database.display());
    }
    Ok(database)
}

/// Returns the settings for PostgreSQL; `None` if the configuration names none.
pub(crate) fn postgres(config: &Config) -> anyhow::Result<Option<Settings>> {
    let store = &config.store;
    let Some(StoreUrl(url)) = store.url.clone() else { return Ok(None) };
    let url = match &store.password_file {
        Some(file) => {
            let file = config.path(file);
            let password = secret_file::read(&file).context("store.password_file")?;
            let password = std::str::from_utf8(&password);
            let password = password.with_context(|| format!("{} is not text", file.display()))?;
            url.with_password(secret::without_line_end(password))
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

/// Lists what others may do with the files of an installation, and should not.
pub(crate) fn surprising_files(config: &Config) -> Vec<String> {
    let mode = |path: &Path| path.metadata().map(|m| m.permissions().mode() & 0o7777).ok();
    let (dir, database) = (config.data_dir(), config.database());
    let mut notes = Vec::new();
    // Only its owner may take files out of a directory with the sticky bit.
    if let Some(mode) = mode(&dir).filter(|mode| mode & 0o002 != 0 && mode & 0o1000 == 0) {
        notes.push(format!(
            "everybody on this machine can replace the files in the data directory {} (mode {mode:04o}): run \
             chmod 700 on it",
            dir.display()
        ));
    }
    if let Some(mode) = mode(&database).filter(|mode| mode & 0o007 != 0) {
        notes.push(format!(
            "everybody on this machine can read who is who in the database {} (mode {mode:04o}): run chmod 600 \
             on it",
            database.display()
        ));
    }
    notes
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

/// The time for which a running server may go on with what it has read: 100 ms with a snapshot of the file,
/// and 250 ms with the registration of a client, or with keys.
const STALE: Duration = Duration::from_millis(400);

/// Waits until every running server sees what was committed: what a command says is done, is done.
pub(crate) fn let_servers_see() {
    std::thread::sleep(STALE);
}

/// The time of a command.
pub(crate) fn now() -> remint_protocol::time::Timestamp {
    Clock::System.now()
}
