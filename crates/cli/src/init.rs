//! `remint init`.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use remint_protocol::audit::Object;
use remint_protocol::event;
use remint_server::config::{Config, Issuer, SECTIONS, Setting as _, Sources};
use remint_server::files::whole_file::Draft;
use remint_server::keys::KeyFile;
use remint_server::keys::signing;
use remint_store::Store;

use crate::audit;
use crate::install::{CONFIG_FILE, absolute, block_on, known_keys, now};
use crate::output::Output;

/// Write a commented configuration, the key file and the database.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  remint init\n  remint init --data-dir /var/lib/remint --issuer https://id.example.com\n\n\
                        Nothing that is there already is overwritten."
)]
pub(crate) struct Init {
    /// The directory to make.
    #[arg(long, value_name = "DIR", default_value = "remint")]
    data_dir: PathBuf,
    /// The issuer identifier: the URL under which clients will reach the server.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// A PostgreSQL database to use instead of a file, such as `postgres://remint@db.example.com/remint`.
    #[arg(long, value_name = "URL")]
    store_url: Option<String>,
    #[command(flatten)]
    output: Output,
}

impl Init {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let dir = absolute(&self.data_dir)?;
        let file = dir.join(CONFIG_FILE);
        let text = commented(&self.given()?);
        // What would be written must be good before anything is.
        let config = Config::resolve(&Sources::from_toml(&file, &text)?)?;
        let database = config.database();
        let made = [&file, &config.key_file(), &database];
        for there in made {
            // A symbolic link that leads nowhere is there too.
            if there.symlink_metadata().is_ok() {
                bail!("{} is there already; nothing was changed", there.display());
            }
        }
        audit::change(&config, (&event::INSTALLATION_CREATED, Object::Installation), || {
            self.make((&file, &text), &config)
        })?;
        let shown = self.data_dir.display();
        let has = if self.store_url.is_some() {
            format!("a configuration and keys. Next:\n  remint migrate --data-dir {shown}")
        } else {
            "a configuration, keys and a database. Next:".to_owned()
        };
        self.output.done(&format!(
            "{shown} has {has}\n  \
             remint user create --data-dir {shown} --username alice\n  \
             remint client create --data-dir {shown} --id shop --grant password --grant refresh_token\n  \
             remint config check --data-dir {shown}\n  \
             remint serve --data-dir {shown}"
        ))
    }
}

impl Init {
    /// Makes all files, or none.
    fn make(&self, (file, text): (&Path, &str), config: &Config) -> anyhow::Result<()> {
        let dir = file.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .with_context(|| format!("cannot make the directory {}", dir.display()))?;
        let mut made = Made::default();
        write_new(file, text)?;
        made.0.push(file.to_owned());
        KeyFile::create(&config.key_file())?;
        made.0.push(config.key_file());
        if self.store_url.is_none() {
            // Whoever made the key file makes the database.
            made.0.push(config.database());
            block_on(make_store(&config.database(), config))?;
        }
        made.keep();
        Ok(())
    }

    /// The keys that are written with a value.
    fn given(&self) -> anyhow::Result<Vec<Given>> {
        let mut given = Vec::new();
        if let Some(text) = &self.issuer {
            let issuer = Issuer::read(text);
            let issuer =
                issuer.with_context(|| format!("--issuer {text}: write {}", Issuer::EXPECTS))?;
            given.push(Given::new("issuer", issuer.show()));
            given.extend(listener(&issuer));
        }
        if let Some(url) = &self.store_url {
            given.push(Given::new("store.url", format!("\"{url}\"")));
        }
        Ok(given)
    }
}

/// A key that is written with a value, and why it has this one.
struct Given {
    key: &'static str,
    /// As it stands in TOML.
    value: String,
    why: String,
}

impl Given {
    fn new(key: &'static str, value: String) -> Self {
        Self { key, value, why: String::new() }
    }
}

/// Returns the settings of a listener that is reached at the issuer.
fn listener(issuer: &Issuer) -> Vec<Given> {
    let port = issuer.port();
    if !issuer.is_loopback() {
        let why = format!(
            " `remint init` chose this for the issuer: its clients connect to port {port}, at any address of this\n \
             machine; \"[::]:{port}\" is IPv6, too. Ports below 1024 need CAP_NET_BIND_SERVICE, which the systemd unit\n \
             of the quick start gives. Behind a proxy on this machine that ends TLS, write instead\n \
             listen = \"127.0.0.1:9763\", plain = true and trusted_proxies = [\"127.0.0.1\"].\n"
        );
        return vec![Given { key: "http.listen", value: format!("\"0.0.0.0:{port}\""), why }];
    }
    let host = match issuer.host() {
        address if address.contains(':') => format!("[{address}]"),
        address if address.parse::<std::net::IpAddr>().is_ok() => address.to_owned(),
        _ => "localhost".to_owned(),
    };
    let why = " `remint init` chose this for the issuer.\n".to_owned();
    let mut all = vec![Given { key: "http.listen", value: format!("\"{host}:{port}\""), why }];
    if !issuer.is_https() {
        all.push(Given::new("http.plain", "true".into()));
    }
    all
}

async fn make_store(database: &Path, config: &Config) -> anyhow::Result<()> {
    let store = Store::open(database)?;
    let keys = known_keys(config, &store).await?;
    signing::make_missing(&store, &keys, now()).await?;
    store.close().await;
    Ok(())
}

/// The files that were made here. They are removed again if not all can be made, so that it can be tried
/// again.
#[derive(Default)]
struct Made(Vec<PathBuf>);

impl Made {
    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for file in &self.0 {
            for beside in ["", "-wal", "-shm"] {
                let mut name = file.as_os_str().to_owned();
                name.push(beside);
                let _ = fs::remove_file(name);
            }
        }
    }
}

/// Writes a file that must not be there yet.
pub(crate) fn write_new(file: &Path, text: &str) -> anyhow::Result<()> {
    Ok(Draft::create(file, 0o640)?.put(text.as_bytes())?)
}

/// Every key with its documentation and its default, commented out, but for those that are given.
fn commented(given: &[Given]) -> String {
    let mut text = String::from("# Remint's configuration. Each key shows its default.\n");
    for (section, about, keys) in SECTIONS {
        text.push('\n');
        text.extend(about.lines().map(|line| format!("#{line}\n")));
        if !section.is_empty() {
            text.push_str(&format!("[{}]\n", section.trim_end_matches('.')));
        }
        for key in *keys {
            let name = key.name.rsplit('.').next().unwrap_or(key.name);
            text.push('\n');
            text.extend(key.doc.lines().map(|line| format!("#{line}\n")));
            match given.iter().find(|given| given.key == key.name) {
                Some(Given { value, why, .. }) => {
                    text.extend(why.lines().map(|line| format!("#{line}\n")));
                    text.push_str(&format!("{name} = {value}\n"));
                }
                None => text.push_str(&format!("# {name} = {}\n", written(key.default))),
            }
        }
    }
    text
}

/// A default as it would stand in TOML.
fn written(default: &str) -> String {
    let is_bare = default.parse::<i64>().is_ok() || default.parse::<bool>().is_ok();
    if is_bare { default.to_owned() } else { format!("\"{default}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commented_configuration_is_good_with_every_comment_sign_removed() {
        let issuer = || Given::new("issuer", "\"https://id.example.com\"".into());
        let text = commented(&[issuer()]);
        let uncommented: String = text
            .lines()
            .map(|line| line.strip_prefix("# ").filter(|l| l.contains(" = ")).unwrap_or(line))
            .filter(|line| !line.starts_with("issuer = \"https://localhost"))
            .map(|line| format!("{line}\n"))
            .collect();
        let at = Path::new("remint.toml");
        let config = |text| Config::resolve(&Sources::from_toml(at, text).unwrap()).unwrap();
        assert_eq!(config(&uncommented), config(&text));
        assert_eq!(config(&text).server.issuer.as_str(), "https://id.example.com");
    }
}
