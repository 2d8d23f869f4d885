//! The stores that a copy is between.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::bail;
use remint_server::config::{Config, StoreUrl};
use remint_store::postgres::Url;
use remint_store::{MigrateError, OpenError, Store};

use crate::install::{known_keys, open_store, postgres};

/// A store, as named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The one of the configuration.
    Config,
    /// A file.
    Sqlite(PathBuf),
    /// A database, and the file with its password.
    Postgres(Box<Url>, Option<PathBuf>),
}

impl Place {
    /// Reads what was written for a flag. It is not repeated in errors: it may hold a password.
    pub(super) fn parse(
        flag: &str,
        text: &OsStr,
        password_file: Option<&Path>,
    ) -> anyhow::Result<Self> {
        // The name of a file need not be text.
        let file = text.as_bytes().strip_prefix(b"sqlite:").filter(|file| !file.is_empty());
        let place = match (text.to_str(), file) {
            (Some("config"), _) => Self::Config,
            (_, Some(file)) => Self::Sqlite(OsStr::from_bytes(file).into()),
            (text, _) => match text.and_then(Url::parse) {
                Some(url) => Self::Postgres(url.into(), password_file.map(Into::into)),
                None => bail!(
                    "--{flag} does not work here: write `sqlite:` and a path, a URL such as \
                     \"postgres://remint@db.example.com/remint?sslmode=verify-full\", where sslmode is \
                     verify-full or disable, or `config`"
                ),
            },
        };
        match (&place, password_file) {
            (Self::Config | Self::Sqlite(_), Some(_)) => {
                bail!("--{flag}-password-file goes with a URL in --{flag}")
            }
            _ => Ok(place),
        }
    }

    /// Whether both are one store. A database that is reached in two ways is not found out; copying it
    /// onto itself raises its epoch and does nothing else.
    pub(super) fn is_same(&self, other: &Self, config: &Config) -> bool {
        match (self.resolved(config), other.resolved(config)) {
            (Self::Sqlite(a), Self::Sqlite(b)) => {
                let file = |path| std::fs::metadata(path).map(|m| (m.dev(), m.ino())).ok();
                a == b || file(a).is_some_and(|a| file(b) == Some(a))
            }
            (Self::Postgres(a, _), Self::Postgres(b, _)) => a.to_string() == b.to_string(),
            _ => false,
        }
    }

    fn resolved(&self, config: &Config) -> Self {
        match (self, &config.store.url) {
            (Self::Config, Some(StoreUrl(url))) => Self::Postgres(url.clone().into(), None),
            (Self::Config, None) => Self::Sqlite(config.database()),
            (explicit, _) => explicit.clone(),
        }
    }
}

/// Opens a store that must be there.
pub(super) async fn open_source(place: &Place, config: &Config) -> anyhow::Result<Store> {
    match place {
        Place::Config => {
            let store = open_store(config).await?;
            // Which makes the keys known to it, where it is from a version that did not do so.
            known_keys(config, &store).await?;
            Ok(store)
        }
        Place::Sqlite(file) if !file.exists() => bail!("there is no database {}", file.display()),
        Place::Sqlite(file) => Ok(match Store::open_to_read(file) {
            // A copy takes the tables as they are now.
            Err(OpenError::Migrate { reason: MigrateError::TooOld { .. }, .. }) => {
                Store::open(file)?
            }
            opened => opened?,
        }),
        Place::Postgres(url, password_file) => connect(url, password_file.clone(), config).await,
    }
}

/// Opens a store; makes it where it is a file.
pub(super) async fn open_target(place: &Place, config: &Config) -> anyhow::Result<Store> {
    match (place, postgres(config)?) {
        (Place::Config, Some(settings)) => Ok(Store::connect(settings).await?),
        (Place::Config, None) => Ok(Store::open(&config.database())?),
        (Place::Sqlite(file), _) => Ok(Store::open(file)?),
        (Place::Postgres(url, file), _) => connect(url, file.clone(), config).await,
    }
}

/// With the settings of the configuration, but for the password, which belongs to its own URL.
async fn connect(
    url: &Url,
    password_file: Option<PathBuf>,
    config: &Config,
) -> anyhow::Result<Store> {
    let mut config = config.clone();
    config.store.url = Some(StoreUrl(url.clone()));
    config.store.password_file = password_file.map(std::path::absolute).transpose()?;
    if !url.is_encrypted() {
        config.store.ca_file = None;
    }
    open_store(&config).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_file_a_url_or_that_of_the_configuration() {
        let place = |text| Place::parse("to", OsStr::new(text), None).unwrap();
        assert_eq!(place("config"), Place::Config);
        assert_eq!(place("sqlite:/a/b.db"), Place::Sqlite("/a/b.db".into()));
        assert_eq!(place("sqlite:b.db"), Place::Sqlite("b.db".into()));
        assert!(matches!(place("postgres://u@localhost/x"), Place::Postgres(_, None)));
    }

    #[test]
    fn what_is_no_store_is_refused_without_being_repeated() {
        for text in
            ["", "sqlite:", "b.db", "mysql://u:pa55@db/x", "postgres://u:pa55@db/x?sslmode=prefer"]
        {
            let error = Place::parse("from", OsStr::new(text), None).unwrap_err().to_string();
            assert!(error.starts_with("--from does not work here: write"), "{error}");
            assert!(!error.contains("pa55"), "{error}");
        }
        let error = Place::parse("to", OsStr::new("config"), Some(Path::new("pw")))
            .unwrap_err()
            .to_string();
        assert_eq!(error, "--to-password-file goes with a URL in --to");
    }
}
