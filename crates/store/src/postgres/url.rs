//! The URL of PostgreSQL, and whether to trust the server that answers there.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr as _;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// A `postgres://` URL, read and checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// One for each host, so that each gets its time.
    configs: Vec<Config>,
    encrypt: bool,
    shown: String,
}

impl Url {
    /// Reads `postgres://user:password@host:port/database?sslmode=verify-full`. Several hosts may be
    /// named, separated by commas; the one that accepts writes is used. `sslmode` is `verify-full` or
    /// `disable`; left out, it is `disable` for this machine alone. The modes in between, which would
    /// let anyone in the path pose as the database, are refused.
    pub fn parse(text: &str) -> Option<Self> {
        let rest =
            text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"))?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let is_mode = |pair: &&str| pair.starts_with("sslmode=");
        let others: Vec<_> = query.split('&').filter(|p| !p.is_empty() && !is_mode(p)).collect();
        let mode = query.split('&').find(is_mode).and_then(|pair| pair.split_once('='));
        let query = others.join("&");
        let configs = each_host(place).into_iter().map(|place| {
            let config = Config::from_str(&format!("postgres://{place}?{query}")).ok()?;
            let is_good = !config.get_hosts().is_empty() && has_plain_port(&place);
            is_good.then_some(config)
        });
        let mut configs: Vec<Config> = configs.collect::<Option<_>>()?;
        let encrypt = match mode {
            Some((_, "verify-full")) => true,
            Some((_, "disable")) => false,
            Some(_) => return None,
            None => !configs.iter().all(is_local),
        };
        for config in &mut configs {
            config.ssl_mode(if encrypt { SslMode::Require } else { SslMode::Disable });
            // After a failover the old primary may be back as a replica.
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        Some(Self { configs, encrypt, shown: without_password(text) })
    }

    /// Puts a password into it that was kept elsewhere.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        for config in &mut self.configs {
            config.password(password);
        }
        self
    }

    /// Whether what crosses the network is encrypted, and the server's name proven.
    pub const fn is_encrypted(&self) -> bool {
        self.encrypt
    }

    /// Whether the database is on this machine.
    pub fn is_local(&self) -> bool {
        self.configs.iter().all(is_local)
    }

    pub(super) fn configs(&self) -> &[Config] {
        &self.configs
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({})", self.shown)
    }
}

/// The places with one host each.
fn each_host(place: &str) -> Vec<String> {
    let (who, rest) = place.rsplit_once('@').map_or(("", place), |(who, rest)| (who, rest));
    let at = if who.is_empty() { "" } else { "@" };
    let (hosts, database) = rest.split_once('/').unwrap_or((rest, ""));
    hosts.split(',').map(|host| format!("{who}{at}{host}/{database}")).collect()
}

/// Whether what stands behind the host's colon is a number of digits alone (RFC 3986 §3.2.3): Rust's own parser
/// takes a sign as well.
fn has_plain_port(place: &str) -> bool {
    let (_, rest) = place.rsplit_once('@').unwrap_or(("", place));
    let (host, _) = rest.split_once('/').unwrap_or((rest, ""));
    match host.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port.bytes().all(|b| b.is_ascii_digit()),
        _ => true,
    }
}

fn is_local(config: &Config) -> bool {
    config.get_hosts().iter().all(is_this_machine)
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
        }
        Host::Unix(path) => path.is_absolute() || path == Path::new(""),
    }
}

/// A password can stand before the `@` or among the parameters.
fn without_password(text: &str) -> String {
    let (head, query) = text.split_once('?').unwrap_or((text, ""));
    let (scheme, place) = head.split_once("://").unwrap_or(("", head));
    let place = match place.rsplit_once('@') {
        Some((who, host)) => {
            let user = who.split(':').next().unwrap_or_default();
            let hidden = if who.contains(':') { ":…" } else { "" };
            format!("{user}{hidden}@{host}")
        }
        None => place.to_owned(),
    };
    let query: Vec<_> =
        query.split('&').filter(|p| !p.is_empty() && !p.starts_with("password=")).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{scheme}://{place}{mark}{}", query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_on_another_machine_is_asked_for_its_certificate_unless_told_otherwise() {
        for (text, encrypted) in [
            ("postgres://remint@localhost/remint", false),
            ("postgres://remint@127.0.0.1,[::1]/remint", false),
            ("postgres://remint@/remint?host=/var/run/postgresql", false),
            ("postgresql://remint@db.example.com/remint", true),
            ("postgres://remint@localhost,db2/remint", true),
            ("postgres://remint@db1,db2/remint?sslmode=disable", false),
            ("postgres://remint@localhost/remint?sslmode=verify-full", true),
        ] {
            assert_eq!(Url::parse(text).unwrap().is_encrypted(), encrypted, "{text}");
        }
    }

    #[test]
    fn a_mode_that_encrypts_for_whoever_answers_is_refused() {
        for text in [
            "postgres://remint@db/remint?sslmode=require",
            "postgres://remint@db/remint?sslmode=prefer",
            "postgres://remint@db/remint?sslmode=verify-ca",
            "postgres://remint@db/remint?colour=blue",
            "postgres://remint@db:+5432/remint",
            "postgres://remint@db1:5432,db2:+5432/remint",
            "postgres:///remint",
            "mysql://remint@db/remint",
            "/var/lib/remint.db",
        ] {
            assert!(Url::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let text = "postgres://remint:pa55@db:5433/remint?password=pa55&sslmode=verify-full";
        let url = Url::parse(text).unwrap();
        assert_eq!(url.to_string(), "postgres://remint:…@db:5433/remint?sslmode=verify-full");
        assert!(!format!("{url:?}").contains("pa55"));
    }
}
