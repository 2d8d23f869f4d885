//! Reading: from a file, the environment and flags to values with their origin.

use std::ffi::OsString;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::orchestrator::is_of_service;
use super::values::Setting;
use super::{keys, variable};

/// The place where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In a file, at a line.
    File(PathBuf, usize),
    /// On the command line.
    Flag(&'static str),
    /// In the environment.
    Variable(String),
    /// Nowhere.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file, line) => write!(f, "{}:{line}", file.display()),
            Self::Flag(flag) => write!(f, "--{flag}"),
            Self::Variable(name) => f.write_str(name),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {message}")]
pub struct ConfigError {
    /// The place.
    pub origin: Origin,
    /// The fault, and what to write instead.
    pub message: String,
}

#[derive(Clone, Debug)]
struct Written {
    key: String,
    text: String,
    origin: Origin,
}

/// All that was written, the weakest first.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    base: PathBuf,
    written: Vec<Written>,
    /// A data directory whose name need not be text.
    data_dir: Option<PathBuf>,
    /// A variable that is none of ours, and nobody else's.
    stranger: Option<ConfigError>,
}

/// The prefix of all variables of ours.
const PREFIX: &str = "REMINT_";

impl Sources {
    /// No file: every key has its default, relative paths start from `base`.
    pub fn without_file(base: &Path) -> Self {
        Self { base: base.to_owned(), ..Self::default() }
    }

    /// Takes the text of a file; relative paths in it start from the file's directory.
    ///
    /// # Errors
    /// When it is not TOML.
    pub fn from_toml(file: &Path, text: &str) -> Result<Self, ConfigError> {
        let at = |span: Option<Range<usize>>| {
            let before = text.get(..span.map_or(0, |s| s.start)).unwrap_or_default();
            Origin::File(file.to_owned(), before.matches('\n').count() + 1)
        };
        let table = DeTable::parse(text).map_err(|e| ConfigError {
            origin: at(e.span()),
            message: format!("this is not TOML: {}", e.message()),
        })?;
        let base = file.parent().unwrap_or(Path::new("")).to_owned();
        let mut sources = Self { base, ..Self::default() };
        sources.take_table("", table.get_ref(), &at)?;
        Ok(sources)
    }

    fn take_table(
        &mut self,
        prefix: &str,
        table: &DeTable<'_>,
        at: &impl Fn(Option<Range<usize>>) -> Origin,
    ) -> Result<(), ConfigError> {
        for (name, value) in table {
            let key = format!("{prefix}{}", name.get_ref());
            let origin = at(Some(name.span()));
            match value.get_ref() {
                DeValue::Table(inner) if prefix.is_empty() => {
                    // An empty section sets nothing, but its name may still be a typo.
                    let dotted = format!("{key}.");
                    if !keys().any(|k| k.name.starts_with(&dotted)) {
                        return Err(unknown(&dotted, origin));
                    }
                    self.take_table(&dotted, inner, at)?;
                }
                _ => {
                    let Some(text) = text_of(value) else {
                        let message = keys().find(|k| k.name == key).map_or_else(
                            || unknown(&key, origin.clone()).message,
                            |k| format!("{key} can not be this: write {}", k.expects),
                        );
                        return Err(ConfigError { origin, message });
                    };
                    self.written.push(Written { key, text, origin });
                }
            }
        }
        Ok(())
    }

    /// Puts the environment over what was read so far.
    #[must_use]
    pub fn with_variables(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        for (name, text) in variables {
            if let Some(key) = keys().find(|key| variable(key.name) == name) {
                let origin = Origin::Variable(name);
                self.written.push(Written { key: key.name.to_owned(), text, origin });
            } else if name.starts_with(PREFIX) && !is_of_service(&name, &text) {
                self.stranger = self.stranger.or_else(|| Some(unknown_variable(name)));
            }
        }
        self
    }

    /// Puts the environment of a process over what was read so far. What others put there is theirs, in whatever
    /// encoding; a variable of ours must be text.
    ///
    /// # Errors
    /// Names a variable of ours that is not UTF-8.
    pub fn with_environment(
        self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut texts = Vec::new();
        for (name, value) in variables {
            if !name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
                continue;
            }
            match (name.to_str(), value.into_string()) {
                (Some(name), Ok(value)) => texts.push((name.to_owned(), value)),
                _ => {
                    return Err(ConfigError {
                        origin: Origin::Variable(name.to_string_lossy().into_owned()),
                        message: "the variable is not UTF-8: write it in UTF-8, or unset it".into(),
                    });
                }
            }
        }
        Ok(self.with_variables(texts))
    }

    /// Puts a flag over what was read so far.
    #[must_use]
    pub fn with_flag(mut self, key: &str, flag: &'static str, text: Option<String>) -> Self {
        self.written.extend(text.map(|text| Written {
            key: key.to_owned(),
            text,
            origin: Origin::Flag(flag),
        }));
        self
    }

    /// Puts the flag of the data directory over what was read so far. Its name may have any bytes.
    #[must_use]
    pub fn with_data_dir(self, flag: &'static str, dir: Option<PathBuf>) -> Self {
        let text = dir.as_ref().map(|dir| dir.to_string_lossy().into_owned());
        Self { data_dir: dir, ..self }.with_flag("data_dir", flag, text)
    }

    pub(super) fn data_dir(&self) -> Option<&Path> {
        self.data_dir.as_deref()
    }

    pub(super) fn base(&self) -> &Path {
        &self.base
    }

    /// Finds the place that a key's value comes from.
    pub fn origin(&self, key: &str) -> Origin {
        self.find(key).map_or(Origin::Default, |w| w.origin.clone())
    }

    fn find(&self, key: &str) -> Option<&Written> {
        self.written.iter().rev().find(|w| w.key == key)
    }

    pub(super) fn resolve<T: Setting>(&self, key: &str, default: &str) -> Result<T, ConfigError> {
        let written = self.find(key);
        let text = written.map_or(default, |w| w.text.as_str());
        T::read(text).ok_or_else(|| self.fault(key, &format!("write {}", T::EXPECTS)))
    }

    /// A fault of a key's value, at the place where it was written.
    pub(super) fn fault(&self, key: &str, advice: &str) -> ConfigError {
        let is_secret = keys().any(|k| k.name == key && k.is_secret);
        let written = self.find(key).filter(|_| !is_secret);
        let shown = written.map(|w| format!(" = {}", super::values::quoted(&w.text)));
        let shown = shown.unwrap_or_default();
        ConfigError {
            origin: self.origin(key),
            message: format!("{key}{shown} does not work here: {advice}"),
        }
    }

    pub(super) fn refuse_unknown_keys(&self) -> Result<(), ConfigError> {
        if let Some(error) = &self.stranger {
            return Err(error.clone());
        }
        let stranger = self.written.iter().find(|w| !keys().any(|k| k.name == w.key));
        stranger.map_or(Ok(()), |w| Err(unknown(&w.key, w.origin.clone())))
    }
}

fn unknown_variable(name: String) -> ConfigError {
    let distance = |known: &String| strsim::damerau_levenshtein(known, &name);
    let nearest = keys().map(|key| variable(key.name)).min_by_key(distance).unwrap_or_default();
    let message = format!("there is no such variable; did you mean {nearest}?");
    ConfigError { origin: Origin::Variable(name), message }
}

fn unknown(key: &str, origin: Origin) -> ConfigError {
    let distance = |known: &str| strsim::damerau_levenshtein(known, key);
    let whole = keys().map(|k| k.name).min_by_key(|known| distance(known)).unwrap_or_default();
    // A key under the wrong section is more likely than a wrong key under the right one.
    let tail = key.trim_end_matches('.').rsplit('.').next().unwrap_or(key);
    let same_tail = keys().map(|k| k.name).find(|k| k.rsplit('.').next() == Some(tail));
    let nearest = same_tail.unwrap_or(whole);
    let key = key.trim_end_matches('.');
    ConfigError { origin, message: format!("there is no key {key}; did you mean {nearest}?") }
}

/// Settings are read from text, whatever TOML type they were written as; lists are joined.
fn text_of(value: &Spanned<DeValue<'_>>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Array(items) => {
            let texts: Option<Vec<_>> = items.iter().map(text_of).collect();
            texts.map(|all| all.join(" "))
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn resolve(text: &str) -> Result<Config, String> {
        Sources::from_toml(Path::new("/etc/remint.toml"), text)
            .and_then(|sources| Config::resolve(&sources))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn an_empty_file_gives_the_defaults_and_the_defaults_show_as_written() {
        let config = resolve("").unwrap();
        assert_eq!(config.policy(), remint_protocol::policy::Policy::default());
        assert_eq!(config.database(), Path::new("/etc/./remint.db"));
        for (key, value) in config.show() {
            let default = keys().find(|k| k.name == key).unwrap().default;
            let written = Sources::default().with_flag(key, "x", Some(default.into()));
            let again = Config::resolve(&written).unwrap();
            assert_eq!(again.show().into_iter().find(|(k, _)| *k == key).unwrap().1, value);
        }
    }

    #[test]
    fn an_unknown_key_names_file_line_and_the_nearest_known_key() {
        let error =
            resolve("issuer = \"https://a\"\n\n[tokens]\ngrace_perod = \"60s\"\n").unwrap_err();
        assert_eq!(
            error,
            "/etc/remint.toml:4: there is no key tokens.grace_perod; did you mean tokens.grace_period?"
        );
        let error = resolve("grace_period = \"60s\"").unwrap_err();
        assert!(error.ends_with("did you mean tokens.grace_period?"), "{error}");
        let error = resolve("[token]\ngrace_period = 1").unwrap_err();
        assert!(error.starts_with("/etc/remint.toml:1: there is no key token;"), "{error}");
        let error = resolve("[http.listen]\nx = 1").unwrap_err();
        assert!(error.contains("http.listen can not be this: write host and port"), "{error}");
    }

    #[test]
    fn a_senseless_value_says_what_to_write() {
        for (text, part) in [
            ("issuer = \"http://example.com\"", "write an https URL"),
            ("issuer = 1.5", "write an https URL"),
            (
                "[http]\nlisten = \"9443\"",
                ":2: http.listen = \"9443\" does not work here: write host",
            ),
            ("[http]\nplain = true\nlisten = \"0.0.0.0:80\"", ":2: http.plain"),
            ("[http]\nplain = true\nlisten = \"[::]:80\"", "write http.plain = \"behind_proxy\""),
            (
                "[http]\nlisten = \"0.0.0.0:80\"\nplain = \"behind_proxy\"",
                ":3: http.plain = \"behind_proxy\" does not work here: write the addresses of the proxy",
            ),
            ("[http]\nplain = \"maybe\"", "write true, false or \"behind_proxy\""),
            (
                "[http]\nplain = true\ntrusted_proxies = [\n\"10.0.0.0/33\"]",
                ":3: http.trusted_proxies = \"10.0.0.0/33\" does not work here: write IP addresses, or networks",
            ),
            ("[http]\nidle_timeout = \"0s\"", "write a time from \"100ms\" to \"1h\""),
            ("[http]\nshutdown_delay = \"2h\"", "write a time from \"0s\" to \"1h\""),
            (
                "[http]\nlisten = \"0.0.0.0:9464\"",
                "default: ops.listen does not work here: http.listen has that port already",
            ),
            (
                "[pages]\nhome = \"/shop\"",
                ":2: pages.home = \"/shop\" does not work here: write an https URL",
            ),
            ("[pages]\nhome = \"http://example.com/\"", "write an https URL"),
            ("[pages]\nhome = \"javascript:alert(1)\"", "write an https URL"),
            ("issuer = \"https://[fe80::1%25eth0]\"", "write an https URL"),
            ("issuer = \"https://localhost:0\"", "write an https URL"),
            ("[http]\ncertificate = \"c.pem\"", "write http.private_key too"),
            ("[tokens]\ngrace_period = \"11m\"", "write at most \"10m\""),
            ("[tokens]\nrefresh_token_lifetime = \"400d\"", "refresh_token_max_lifetime"),
            ("[tokens]\non_reuse = \"explode\"", "\"revoke_family\" or \"deny\""),
            ("[passwords]\nmemory = \"1MiB\"", "write memory from"),
            ("[passwords]\niterations = 0", "write a number from 1 to 100"),
            ("[http]\nmax_connections = 0", "write a number from 1 to 1000000"),
            ("[http]\nheader_timeout = \"0s\"", "write a time from \"100ms\" to \"1h\""),
            ("[http]\nbody_timeout = 18446744073709551615", "write a time from"),
            ("[http]\ndrain_timeout = \"2h\"", "write a time from \"0s\" to \"1h\""),
            ("[logout]\ntimeout = \"11s\"", "write a time from \"100ms\" to \"10s\""),
            ("[store]\nurl = \"mysql://db\"", ":2: store.url does not work here: write a URL"),
            ("[store]\nurl = \"postgres://u:pa55@db/x?sslmode=prefer\"", "verify-full or disable"),
            ("[store]\nconnections = 2", "write a number from 3 to 1000"),
            (
                "[store]\nurl = \"postgres://u@localhost/x\"\nca_file = \"ca.pem\"",
                ":3: store.ca_file = \"ca.pem\" does not work here: write it with sslmode",
            ),
            (
                "[brand]\ncolour = \"teal\"",
                ":2: brand.colour = \"teal\" does not work here: write six",
            ),
            ("[brand]\nname = \"a\\nb\"", "write one to 60 letters"),
            ("a = ", ":1: this is not TOML"),
            ("[tokens]\naccess_token_lifetime = -1", "write a time such as"),
        ] {
            let error = resolve(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("pa55"), "{error}");
        }
    }

    #[test]
    fn whole_seconds_and_quoted_values_are_read() {
        let config =
            resolve("[tokens]\nrefresh_token_lifetime = 84600\nrenew_refresh_token = \"false\"");
        let policy = config.unwrap().policy();
        assert_eq!(policy.refresh_token_lifetime.as_secs(), 84_600);
        assert!(!policy.renew_refresh_token);
    }

    #[test]
    fn an_unknown_variable_is_refused_with_the_nearest_one() {
        let with = |name: &str, value: &str| {
            let sources = Sources::default().with_variables([(name.into(), value.into())]);
            Config::resolve(&sources).map_err(|e| e.to_string())
        };
        let error = with("REMINT_TOKENS_GRACE_PEROID", "60s").unwrap_err();
        assert_eq!(
            error,
            "REMINT_TOKENS_GRACE_PEROID: there is no such variable; did you mean REMINT_TOKENS_GRACE_PERIOD?"
        );
        assert!(with("HOME", "/root").is_ok());
        for (name, value) in [
            ("REMINT_STORE_PORT", "5432"),
            ("REMINT_STORE_PORT", "tcp://db"),
            ("REMINT_PORT", "9443"),
            ("REMINT_OPS_PORT_TCP", "x"),
            ("REMINT_LOG_PORT_443", "x"),
            ("REMINT_LOG_PORT_443_TCP_HOST", "x"),
            ("REMINT_LOG_PORT_99999_TCP", "x"),
            ("REMINT_BRAND_NAMES", "Shop"),
            ("REMINT_SERVICEHOST", "10.0.0.1"),
            ("REMINT_STORE_SERVICE", "10.0.0.1"),
            ("REMINT_STORE_SERVICE_PORT_", "443"),
            ("REMINT_STORE_HOST", "db"),
            ("REMINT_WHATEVER", "x"),
            ("REMINT_", "x"),
        ] {
            let error = with(name, value).unwrap_err();
            assert!(
                error.starts_with(&format!("{name}: there is no such variable; did you")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_variable_of_ours_is_utf_8_and_others_may_be_anything() {
        use std::os::unix::ffi::OsStringExt as _;
        let raw = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        let read = |name: &[u8], value: &[u8]| {
            let sources = Sources::default().with_environment([(raw(name), raw(value))]);
            sources.map(|sources| sources.origin("issuer")).map_err(|e| e.to_string())
        };
        for (name, value) in
            [(&b"LESSCHARSET"[..], &b"\xe9"[..]), (b"\xff", b"x"), (b"XREMINT_ISSUER", b"\xe9")]
        {
            assert_eq!(read(name, value), Ok(Origin::Default));
        }
        let set = Origin::Variable("REMINT_ISSUER".into());
        assert_eq!(read(b"REMINT_ISSUER", b"https://a"), Ok(set));
        let error = "REMINT_ISSUER: the variable is not UTF-8: write it in UTF-8, or unset it";
        assert_eq!(read(b"REMINT_ISSUER", b"https://\xe9").unwrap_err(), error);
        assert!(read(b"REMINT_\xe9", b"x").unwrap_err().starts_with("REMINT_\u{fffd}: "));
    }

    #[test]
    fn a_byte_order_mark_and_line_ends_of_windows_change_nothing() {
        let plain = resolve("issuer = \"https://a\"\n\n[tokens]\ngrace_period = \"5s\"\n").unwrap();
        let other = "\u{feff}issuer = \"https://a\"\r\n\r\n[tokens]\r\ngrace_period = \"5s\"\r\n";
        assert_eq!(resolve(other).unwrap().show(), plain.show());
        let error = resolve(&other.replace("5s", "soon")).unwrap_err();
        assert!(error.starts_with("/etc/remint.toml:4: "), "{error}");
    }

    #[test]
    fn variables_that_orchestrators_set_for_services_are_nobodys_settings() {
        for service in
            ["", "STORE_", "LOG_", "BRAND_", "DATA_", "HTTP_", "OPS_", "TOKENS_", "MY_APP_"]
        {
            for (name, value) in [
                ("SERVICE_HOST", "10.43.0.7"),
                ("SERVICE_PORT", "5432"),
                ("SERVICE_PORT_HTTPS", "443"),
                ("SERVICE_PORT_WEB_2", "443"),
                ("PORT", "tcp://10.43.0.7:5432"),
                ("PORT", "udp://[fd00::7]:53"),
                ("PORT_5432_TCP", "tcp://10.43.0.7:5432"),
                ("PORT_5432_TCP_PROTO", "tcp"),
                ("PORT_5432_TCP_PORT", "5432"),
                ("PORT_5432_TCP_ADDR", "10.43.0.7"),
                ("PORT_53_UDP_ADDR", "10.43.0.7"),
                ("PORT_36412_SCTP_ADDR", "10.43.0.7"),
            ] {
                let name = format!("REMINT_{service}{name}");
                let sources = Sources::default().with_variables([(name.clone(), value.into())]);
                let resolved = Config::resolve(&sources);
                assert_eq!(resolved, Config::resolve(&Sources::default()), "{name}={value}");
            }
        }
        let linked = [("REMINT_DB_NAME".to_owned(), "/web/db".to_owned())];
        assert!(Config::resolve(&Sources::default().with_variables(linked)).is_ok());
    }

    #[test]
    fn variables_stand_over_the_file_and_flags_over_both() {
        let sources = Sources::from_toml(Path::new("r.toml"), "issuer = \"https://file\"").unwrap();
        let variables = [("REMINT_ISSUER".to_owned(), "https://variable".to_owned())];
        let sources = sources.with_variables(variables);
        assert_eq!(sources.origin("issuer").to_string(), "REMINT_ISSUER");
        let sources = sources.with_flag("issuer", "issuer", Some("https://flag".into()));
        assert_eq!(Config::resolve(&sources).unwrap().server.issuer.as_str(), "https://flag");
    }
}
