//! The configuration: one TOML file, `REMINT_…` variables over it, flags over those.
//!
//! Every key is declared once, in `config/settings.rs`, with its documentation; the parser, the environment's
//! names, the reference page and `remint config show` all come from that declaration. Unknown keys and
//! senseless values are refused with the file, the line and what to write instead.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use remint_protocol::logout_notice::LONGEST_ATTEMPT;
use remint_protocol::policy::{OnReuse, Policy};
use remint_protocol::token_settings;

mod addresses;
mod brand;
mod findings;
mod network;
mod orchestrator;
mod read;
mod settings;
mod values;

pub(crate) use addresses::is_loopback_host;
pub use addresses::{HomeUrl, Issuer, ListenAddress, OpsListen};
pub use brand::{BrandName, Colour};
pub use network::{Networks, Plain};
pub use read::{ConfigError, Origin, Sources};
pub use settings::*;
pub use values::{Argon2Memory, LogFormat, LogLevel, RequestLimit, Setting, StoreUrl};

impl Config {
    /// Resolves and checks everything.
    ///
    /// # Errors
    /// Says where the fault is and what to write instead.
    pub fn resolve(sources: &Sources) -> Result<Self, ConfigError> {
        sources.refuse_unknown_keys()?;
        let mut config = Self::read(sources, sources.base().to_owned())?;
        if let Some(dir) = sources.data_dir() {
            dir.clone_into(&mut config.server.data_dir);
        }
        config.check(sources)?;
        Ok(config)
    }

    fn check(&self, sources: &Sources) -> Result<(), ConfigError> {
        if let Err(fault) = self.policy().check() {
            return Err(sources.fault(&format!("tokens.{}", fault.setting), fault.advice));
        }
        if self.http.certificate.is_some() != self.http.private_key.is_some() {
            let (missing, given) = if self.http.certificate.is_none() {
                ("http.certificate", "http.private_key")
            } else {
                ("http.private_key", "http.certificate")
            };
            return Err(sources.fault(given, &format!("write {missing} too, or neither")));
        }
        if self.http.plain.is_on() && self.http.certificate.is_some() {
            return Err(
                sources.fault("http.plain", "write it without http.certificate, or leave it out")
            );
        }
        if let (Some(_), Some(url)) = (&self.store.ca_file, &self.store.url)
            && !url.0.is_encrypted()
        {
            let advice = "write it with sslmode=verify-full in store.url, or leave it out";
            return Err(sources.fault("store.ca_file", advice));
        }
        self.check_bounds(sources)?;
        self.check_listeners(sources)
    }

    fn check_listeners(&self, sources: &Sources) -> Result<(), ConfigError> {
        let http = &self.http;
        // Tokens must not cross a network in clear (RFC 6749 §3.2).
        if http.plain == Plain::Loopback && !http.listen.is_loopback() {
            return Err(sources.fault(
                "http.plain",
                "listen on a loopback address, for example http.listen = \"127.0.0.1:9763\", give a certificate, \
                 or, where a proxy in front ends TLS, write http.plain = \"behind_proxy\" and its addresses as \
                 http.trusted_proxies",
            ));
        }
        if http.plain == Plain::BehindProxy && http.trusted_proxies.is_empty() {
            return Err(sources.fault(
                "http.plain",
                "write the addresses of the proxy that ends TLS as http.trusted_proxies, for example [\"10.0.0.0/8\"]",
            ));
        }
        if let OpsListen::On(ops) = &self.ops.listen
            && ops.overlaps(&http.listen)
        {
            let advice = "http.listen has that port already: write another one, or \"off\"";
            return Err(sources.fault("ops.listen", advice));
        }
        Ok(())
    }

    /// Checks values that would fail only later, one connection or one password at a time.
    fn check_bounds(&self, sources: &Sources) -> Result<(), ConfigError> {
        let hour = Duration::from_hours(1);
        let moment = Duration::from_millis(100);
        let (store, http, passwords) = (&self.store, &self.http, &self.passwords);
        for (key, value, least, most) in [
            ("store.connect_timeout", store.connect_timeout, moment, hour),
            ("store.statement_timeout", store.statement_timeout, moment, hour),
            ("http.header_timeout", http.header_timeout, moment, hour),
            ("http.body_timeout", http.body_timeout, moment, hour),
            ("http.idle_timeout", http.idle_timeout, moment, hour),
            ("http.shutdown_delay", http.shutdown_delay, Duration::ZERO, hour),
            ("http.drain_timeout", http.drain_timeout, Duration::ZERO, hour),
            ("logout.timeout", self.logout.timeout, moment, LONGEST_ATTEMPT),
        ] {
            if !(least..=most).contains(&value) {
                let advice = format!("write a time from {} to {}", least.show(), most.show());
                return Err(sources.fault(key, &advice));
            }
        }
        self.check_signing(sources)?;
        for (key, value, least, most) in [
            ("store.connections", store.connections, 3, 1_000),
            ("http.max_connections", http.max_connections, 1, 1_000_000),
            ("passwords.iterations", passwords.iterations, 1, 100),
            ("passwords.workers", passwords.workers, 0, 1_000),
            ("passwords.queue", passwords.queue, 0, 100_000),
        ] {
            if !(least..=most).contains(&value) {
                let advice = format!("write a number from {least} to {most}");
                return Err(sources.fault(key, &advice));
            }
        }
        Ok(())
    }

    fn check_signing(&self, sources: &Sources) -> Result<(), ConfigError> {
        let (hour, month) = (Duration::from_hours(1), Duration::from_hours(30 * 24));
        let lead = self.signing.lead_time;
        // Longer than clients may keep the key set.
        if !(hour..=month).contains(&lead) {
            return Err(sources.fault("signing.lead_time", "write a time from \"1h\" to \"30d\""));
        }
        if self.signing.rotate_every.is_some_and(|every| every < lead * 2) {
            let advice = format!("write at least {}, twice signing.lead_time", (lead * 2).show());
            return Err(sources.fault("signing.rotate_every", &advice));
        }
        let life = self.tokens.id_token_lifetime;
        if !(Duration::from_secs(1)..=month).contains(&life) {
            let advice = "write a time from \"1s\" to \"30d\"";
            return Err(sources.fault("tokens.id_token_lifetime", advice));
        }
        Ok(())
    }

    /// The server-wide token policy.
    pub fn policy(&self) -> Policy {
        macro_rules! policy {
            ($($(#[doc = $doc:literal])* $name:ident: $type:ty, $word:literal;)*) => {
                Policy { $($name: self.tokens.$name,)* }
            };
        }
        token_settings!(policy)
    }

    /// Things that are allowed but may surprise.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let t = &self.tokens;
        if !t.renew_refresh_token {
            warnings.push(
                "tokens.renew_refresh_token is off: public clients still get a new refresh token each time, \
                 because theirs could be copied unnoticed (RFC 9700 section 2.2.2)"
                    .into(),
            );
            if t.revoke_access_token_on_refresh {
                warnings.push(
                    "tokens.revoke_access_token_on_refresh has no effect on confidential clients while \
                     tokens.renew_refresh_token is off"
                        .into(),
                );
            }
        }
        if t.on_reuse == OnReuse::Deny {
            warnings.push(
                "tokens.on_reuse is \"deny\": a stolen refresh token that is noticed does not end the session \
                 (RFC 9700 section 4.14.2 asks for it)"
                    .into(),
            );
        }
        if let Some(url) = self.store.url.as_ref().filter(|url| url.is_open_to_the_network()) {
            warnings.push(format!(
                "store.url is {url}: names and hashes cross the network in clear, and whoever poses as the \
                 database is believed"
            ));
        }
        if self.server.issuer.as_str().starts_with("http://") {
            warnings.push("issuer is a plain http URL: fine on this machine, not beyond it".into());
        }
        warnings.extend(findings::all(self));
        warnings
    }

    /// The database file, where there is no `store.url`.
    pub fn database(&self) -> PathBuf {
        self.data_dir().join("remint.db")
    }

    /// The data directory, as a path from here.
    pub fn data_dir(&self) -> PathBuf {
        self.path(&self.server.data_dir)
    }

    /// The key file, as a path from here.
    pub fn key_file(&self) -> PathBuf {
        self.path(&self.server.key_file)
    }

    /// A path of the configuration, as a path from here.
    pub fn path(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show().iter().try_for_each(|(key, value)| writeln!(f, "{key} = {value}"))
    }
}

/// The variable that sets a key: `http.listen` is `REMINT_HTTP_LISTEN`.
pub fn variable(key: &str) -> String {
    format!("REMINT_{}", key.replace('.', "_").to_ascii_uppercase())
}
