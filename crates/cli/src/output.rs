//! Printing: JSON for scripts, aligned text for people, from the same values.

use std::io::Write as _;

use anyhow::Context as _;
use clap::Args;
use remint_protocol::time::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// The format of the output.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Output {
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Output {
    /// Prints one thing: a line for each of its members.
    pub(crate) fn one(self, thing: &impl Serialize) -> anyhow::Result<()> {
        let value = serde_json::to_value(thing)?;
        if self.json {
            return print(&format!("{value:#}\n"));
        }
        let members: Vec<_> = value.as_object().into_iter().flatten().collect();
        let width = members.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let line = |(name, value): &(&String, &Value)| {
            let text = cell(value);
            (!text.is_empty()).then(|| format!("{name:width$}  {text}\n"))
        };
        print(&members.iter().filter_map(line).collect::<String>())
    }

    /// Prints many things: a table with the named columns. JSON has all members.
    pub(crate) fn many(self, things: &[impl Serialize], columns: &[&str]) -> anyhow::Result<()> {
        let values = things.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
        if self.json {
            return print(&format!("{:#}\n", Value::Array(values)));
        }
        let mut rows = vec![columns.iter().map(|c| c.replace('_', " ").to_uppercase()).collect()];
        let member = |value: &Value, name: &&str| value.get(*name).map_or_else(String::new, cell);
        rows.extend(
            values.iter().map(|v| columns.iter().map(|c| member(v, c)).collect::<Vec<_>>()),
        );
        print(&table(&rows))
    }

    /// Says what was done. In JSON it is an object, so that scripts need no special case.
    pub(crate) fn done(self, text: &str) -> anyhow::Result<()> {
        if self.json {
            return print(&format!("{:#}\n", serde_json::json!({ "done": text })));
        }
        print(&format!("{text}\n"))
    }
}

fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |i: usize| rows.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|i| width(i).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<_> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        // What others wrote, such as the name of a browser, must not steer the terminal.
        Value::String(text) => text.replace(char::is_control, " "),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(cell).collect();
            let is_plain = items.iter().all(|item| !item.contains(' '));
            items.join(if is_plain { " " } else { ", " })
        }
        Value::Object(members) => {
            let shown = members.iter().filter(|(_, v)| !v.is_null());
            shown.map(|(name, v)| format!("{name}={}", cell(v))).collect::<Vec<_>>().join(" ")
        }
        Value::Bool(flag) => (if *flag { "yes" } else { "no" }).to_owned(),
        Value::Number(number) => number.to_string(),
    }
}

/// Writes to standard output. A reader that went away, as `head` does, is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Judges what came of writing to standard output.
pub(crate) fn written(result: std::io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

/// Reads a number of digits alone, for clap: Rust's own parser takes a sign as well.
pub(crate) fn digits<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| "write a number of digits alone, not too large".into())
}

/// Writes a line to standard error. Where that is closed or full, nobody would read a complaint either.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A point in time as RFC 3339; `never` at the end of time.
pub(crate) fn time(at: Timestamp) -> String {
    if at.as_millis() == i64::MAX {
        return "never".into();
    }
    let at = jiff::Timestamp::from_second(at.as_secs());
    at.map_or_else(|_| "unknown".into(), |at| at.to_string())
}
