//! `remint config`.

use clap::Subcommand;
use serde::Serialize;

use crate::install::{Common, postgres, surprising_files};
use remint_server::config::Config as Resolved;

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
    remint_server::pages::Pages::new(&config)?;
    if let (Some(certificate), Some(key)) = (&config.http.certificate, &config.http.private_key) {
        remint_server::tls::load(&config.path(certificate), &config.path(key))?;
    }
    let mut warnings = config.warnings();
    warnings.extend(surprising_files(&config));
    if at.output.json {
        return at.output.one(&Checked { config: "good", warnings });
    }
    let lines: String = warnings.iter().map(|w| format!("note: {w}\n")).collect();
    crate::output::print(&format!("The configuration is good.\n{lines}"))
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
