//! The text of `remint.toml`: each value under a comment that says where it comes from.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The settings that an import can write, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Setting {
    /// The issuer of the tokens.
    Issuer,
    /// The listen address of the server.
    Listen,
    /// Whether it speaks HTTP without TLS.
    Plain,
    /// The certificate for TLS.
    Certificate,
    /// The private key that belongs to it.
    PrivateKey,
    /// The lifetime of an access token.
    AccessLifetime,
    /// The lifetime of a refresh token.
    RefreshLifetime,
    /// The lifetime of a session.
    MaxLifetime,
    /// Whether a refresh gives a new refresh token.
    Renew,
    /// Whether the new one gets a new expiry.
    Extend,
    /// The time for which the old one still gets the same response.
    GracePeriod,
    /// The effect of a used-up refresh token.
    OnReuse,
    /// Whether a refresh ends the access tokens before it.
    RevokeAccess,
}

impl Setting {
    /// The table and the name in it.
    const fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::Issuer => ("", "issuer"),
            Self::Listen => ("http", "listen"),
            Self::Plain => ("http", "plain"),
            Self::Certificate => ("http", "certificate"),
            Self::PrivateKey => ("http", "private_key"),
            Self::AccessLifetime => ("tokens", "access_token_lifetime"),
            Self::RefreshLifetime => ("tokens", "refresh_token_lifetime"),
            Self::MaxLifetime => ("tokens", "refresh_token_max_lifetime"),
            Self::Renew => ("tokens", "renew_refresh_token"),
            Self::Extend => ("tokens", "extend_on_renewal"),
            Self::GracePeriod => ("tokens", "grace_period"),
            Self::OnReuse => ("tokens", "on_reuse"),
            Self::RevokeAccess => ("tokens", "revoke_access_token_on_refresh"),
        }
    }
}

/// A value of the configuration.
pub(super) enum Value {
    /// `true` or `false`.
    Switch(bool),
    /// A time in seconds.
    Seconds(i64),
    /// A string.
    Text(String),
}

impl Value {
    /// A string.
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    fn in_toml(&self) -> String {
        match self {
            Self::Switch(on) => on.to_string(),
            Self::Seconds(seconds) => seconds.to_string(),
            Self::Text(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        }
    }
}

/// The width of a comment.
const WIDTH: usize = 100;

struct Entry {
    value: Value,
    comment: String,
    /// Written as a comment, for the reader to switch on.
    is_suggestion: bool,
}

/// The file as it grows.
#[derive(Default)]
pub(super) struct Draft {
    entries: BTreeMap<Setting, Entry>,
}

impl Draft {
    /// Sets a value and gives back how the report names it, like `tokens.grace_period = 60`.
    pub(super) fn set(&mut self, key: Setting, value: Value, comment: String) -> String {
        let line = match key.name() {
            ("", name) => format!("{name} = {}", value.in_toml()),
            (table, name) => format!("{table}.{name} = {}", value.in_toml()),
        };
        self.entries.insert(key, Entry { value, comment, is_suggestion: false });
        line
    }

    /// Shows a value that the reader may want, unless the setting has one.
    pub(super) fn suggest(&mut self, key: Setting, value: Value, comment: &str) {
        let entry = Entry { value, comment: comment.to_owned(), is_suggestion: true };
        self.entries.entry(key).or_insert(entry);
    }

    /// Whether the setting has a value.
    pub(super) fn has(&self, key: Setting) -> bool {
        self.entries.get(&key).is_some_and(|entry| !entry.is_suggestion)
    }

    /// The text of the file, under a heading.
    pub(super) fn render(&self, heading: &str) -> String {
        let mut out = String::new();
        comment(&mut out, heading);
        let mut table = "";
        for (key, entry) in &self.entries {
            let (own_table, name) = key.name();
            if own_table != table {
                table = own_table;
                push(&mut out, format_args!("\n[{table}]"));
            } else if !entry.comment.is_empty() {
                out.push('\n');
            }
            comment(&mut out, &entry.comment);
            let off = if entry.is_suggestion { "# " } else { "" };
            push(&mut out, format_args!("{off}{name} = {}", entry.value.in_toml()));
        }
        out
    }
}

fn push(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{line}");
}

/// Adds `text` as comment lines of a bounded width.
fn comment(out: &mut String, text: &str) {
    for paragraph in text.lines() {
        let mut width = 0;
        for word in paragraph.split_whitespace() {
            let length = word.chars().count() + 1;
            if width == 0 || width + length > WIDTH {
                let start = if width == 0 { "#" } else { "\n#" };
                out.push_str(start);
                width = 1;
            }
            out.push(' ');
            out.push_str(word);
            width += length;
        }
        out.push('\n');
    }
}
