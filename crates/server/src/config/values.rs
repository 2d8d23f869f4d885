//! The types that settings have: how each is written and read.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use remint_protocol::policy::{MaxLifetime, OnReuse};
use remint_protocol::throttle::Limit;
use remint_store::postgres::{RevocationCommit, Url};

/// A value that a setting may have.
pub trait Setting: Sized {
    /// The values that may be written, with an example, to stand after "write".
    const EXPECTS: &'static str;
    /// Whether the value may hold a secret.
    const IS_SECRET: bool = false;

    /// Reads what was written.
    fn read(text: &str) -> Option<Self>;

    /// Shows the value as one would write it in the file.
    fn show(&self) -> String;
}

impl Setting for bool {
    const EXPECTS: &'static str = "true or false";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// Reads a number of digits alone: Rust's own parser takes a sign as well.
pub(super) fn digits<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

impl Setting for u32 {
    const EXPECTS: &'static str = "a whole number, for example 64";

    fn read(text: &str) -> Option<Self> {
        digits(text)
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for Duration {
    const EXPECTS: &'static str = "a time such as \"1d\", \"1h 30m\", \"90s\", or whole seconds";

    fn read(text: &str) -> Option<Self> {
        // Between the parts of a time stand spaces; humantime takes whatever Unicode calls white space.
        let is_plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b' ' || b == b'.');
        let seconds = digits(text).map(Self::from_secs);
        seconds.or_else(|| humantime::parse_duration(text).ok().filter(|_| is_plain))
    }

    fn show(&self) -> String {
        const UNITS: [(u128, &str); 4] =
            [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
        // One unit where one is enough: 365d, not a year less some hours.
        let millis = self.as_millis();
        let whole = UNITS.into_iter().find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit));
        match whole {
            Some((unit, name)) => quoted(&format!("{}{name}", millis / unit)),
            None => quoted(&humantime::format_duration(*self).to_string()),
        }
    }
}

impl Setting for MaxLifetime {
    const EXPECTS: &'static str = "a time such as \"365d\", or \"none\"";

    fn read(text: &str) -> Option<Self> {
        if text == "none" { Some(Self::Endless) } else { Duration::read(text).map(Self::Of) }
    }

    fn show(&self) -> String {
        match self {
            Self::Endless => quoted("none"),
            Self::Of(lifetime) => lifetime.show(),
        }
    }
}

impl Setting for OnReuse {
    const EXPECTS: &'static str = "\"revoke_family\" or \"deny\"";

    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn show(&self) -> String {
        quoted(self.as_str())
    }
}

impl Setting for PathBuf {
    const EXPECTS: &'static str = "a path";

    fn read(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self::from(text))
    }

    fn show(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

impl<T: Setting> Setting for Option<T> {
    const EXPECTS: &'static str = T::EXPECTS;
    const IS_SECRET: bool = T::IS_SECRET;

    fn read(text: &str) -> Option<Self> {
        if text.is_empty() { Some(None) } else { T::read(text).map(Some) }
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(|| quoted(""), T::show)
    }
}

/// `store.url`. It is shown without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreUrl(pub Url);

impl StoreUrl {
    /// Whether others could read along.
    pub(crate) fn is_open_to_the_network(&self) -> bool {
        !self.0.is_encrypted() && !self.0.is_local()
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Setting for StoreUrl {
    const EXPECTS: &'static str = "a URL such as \"postgres://remint@db.example.com/remint?sslmode=verify-full\", where sslmode is verify-full or disable";
    const IS_SECRET: bool = true;

    fn read(text: &str) -> Option<Self> {
        Url::parse(text).map(Self)
    }

    fn show(&self) -> String {
        quoted(&self.0.to_string())
    }
}

impl Setting for RevocationCommit {
    const EXPECTS: &'static str = "\"server\", \"on\", \"remote_write\" or \"remote_apply\"";

    fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|value| value.as_str() == text)
    }

    fn show(&self) -> String {
        quoted(self.as_str())
    }
}

/// A number of requests in a time; or as many as come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimit(Option<(u32, Duration)>);

impl RequestLimit {
    /// A bucket that holds as many, and leaks them evenly over the time.
    pub(crate) fn limit(self) -> Option<Limit> {
        self.0.map(|(requests, time)| Limit::leaking(requests, time / requests))
    }
}

impl Setting for RequestLimit {
    const EXPECTS: &'static str =
        "requests per time such as \"600/1m\", at most 1000 a second, or \"off\"";

    fn read(text: &str) -> Option<Self> {
        const DAY: Duration = Duration::from_hours(24);
        if matches!(text, "off" | "0") {
            return Some(Self(None));
        }
        let (requests, time) = text.split_once('/')?;
        let requests = requests.parse().ok().filter(|requests| *requests > 0)?;
        let time = Duration::read(time)?;
        let is_good = (Duration::from_secs(1)..=DAY).contains(&time)
            && time / requests >= Duration::from_millis(1);
        is_good.then_some(Self(Some((requests, time))))
    }

    fn show(&self) -> String {
        self.0.map_or_else(
            || quoted("off"),
            |(requests, time)| quoted(&format!("{requests}/{}", time.show().trim_matches('"'))),
        )
    }
}

/// `passwords.memory`, in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Memory(pub u32);

impl Setting for Argon2Memory {
    const EXPECTS: &'static str = "memory from \"8MiB\" to \"1024MiB\", for example \"19MiB\"";

    fn read(text: &str) -> Option<Self> {
        let mebibytes: u32 = digits(text.strip_suffix("MiB")?.trim_end_matches(' '))?;
        (8..=1024).contains(&mebibytes).then(|| Self(mebibytes * 1024))
    }

    fn show(&self) -> String {
        quoted(&format!("{}MiB", self.0 / 1024))
    }
}

macro_rules! choices {
    ($(#[$doc:meta])* $name:ident, $expects:literal { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// As written.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl Setting for $name {
            const EXPECTS: &'static str = $expects;

            fn read(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }

            fn show(&self) -> String {
                quoted(self.as_str())
            }
        }
    };
}

choices! {
    /// `log.format`.
    LogFormat, "\"text\" or \"json\"" {
        /// Lines for people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

choices! {
    /// `log.level`.
    LogLevel, "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"" {
        /// Faults that need somebody.
        Error = "error",
        /// Events that may need somebody.
        Warn = "warn",
        /// Events of sessions, but for ordinary refreshes.
        Info = "info",
        /// Every request.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

/// A basic string of TOML, on one line.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_requests_is_so_many_in_a_time_or_off() {
        for (text, shown, pace) in [
            ("600/1m", "\"600/1m\"", Some((600, Duration::from_millis(100)))),
            ("1/1d", "\"1/1d\"", Some((1, Duration::from_hours(24)))),
            ("1000/1s", "\"1000/1s\"", Some((1000, Duration::from_millis(1)))),
            ("5/10", "\"5/10s\"", Some((5, Duration::from_secs(2)))),
            ("off", "\"off\"", None),
            ("0", "\"off\"", None),
        ] {
            let read = RequestLimit::read(text).unwrap();
            assert_eq!(read.show(), shown);
            let limit = read.limit().map(|limit| (limit.free, limit.first_wait));
            assert_eq!(limit, pace, "{text}");
        }
        for bad in
            ["", "600", "600/", "/1m", "0/1m", "-1/1m", "1001/1s", "1/0s", "1/2d", "1/m", "a/1m"]
        {
            assert_eq!(RequestLimit::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_quoted_reads_back_as_toml() {
        for text in ["", "/etc/remint/müller's \"keys\"", "C:\\x", "a\nb\t\u{7f}\u{85}"] {
            let line = format!("x = {}", quoted(text));
            let table: toml::Table = line.parse().unwrap();
            assert_eq!(table["x"].as_str(), Some(text), "{line}");
            assert_eq!(line.lines().count(), 1);
        }
    }
}
