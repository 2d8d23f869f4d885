//! `remint config`.

use clap::Subcommand;
use serde::Serialize;

use crate::install::{Common, now, postgres, surprising_files};
use anyhow::Context as _;
use remint_server::config::{Config as Resolved, OpsListen};

/// Check and show the configuration.
#[derive(Subcommand)]
pub(crate) enum Config {
    /// Say whether the configuration can be used, and what may surprise
    Check(Common),
    /// Show every setting, its value and where it comes from
    Show(Common),
}

#[derive(Serialize)]
struct Checked {
    config: &'static str,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Shown {
    key: &'static str,
    value: String,
    origin: String,
}

impl Config {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Check(common) => check(&common),
            Self::Show(common) => show(&common),
        }
    }
}

fn check(at: &Common) -> anyhow::Result<()> {
    let config = at.location.config()?;
    remint_server::keys::KeyFile::read(&config.key_file())?;
    postgres(&config)?;
    remint_server::browser::pages::Pages::new(&config)?;
    let mut warnings = config.warnings();
    warnings.extend(remint_server::http::tls::look(&config, now())?);
    let (http, ops) = (&config.http.listen, &config.ops.listen);
    http.addresses().with_context(|| format!("http.listen: {http} has no address"))?;
    if let OpsListen::On(ops) = ops {
        ops.addresses().with_context(|| format!("ops.listen: {ops} has no address"))?;
    }
    warnings.extend(surprising_files(&config));
    let is_good = warnings.is_empty();
    if at.output.json {
        let config = if is_good { "good" } else { "usable" };
        return at.output.one(&Checked { config, warnings });
    }
    if is_good {
        return crate::output::print("The configuration is good.\n");
    }
    let lines: String = warnings.iter().map(|w| format!("- {w}\n")).collect();
    crate::output::print(&format!("The configuration can be used, but look at this:\n{lines}"))
}

fn show(at: &Common) -> anyhow::Result<()> {
    let sources = at.location.sources()?;
    let config = Resolved::resolve(&sources)?;
    let all: Vec<_> = config
        .show()
        .into_iter()
        .map(|(key, value)| Shown { key, value, origin: sources.origin(key).to_string() })
        .collect();
    at.output.many(&all, &["key", "value", "origin"])
}
