//! `remint import`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::import_wso2::{Line, Placeholders, convert};
use crate::init::write_new;
use crate::output::{Output, digits, note, print};

/// Move here from another server.
#[derive(Subcommand)]
pub(crate) enum Import {
    /// Turn the OAuth section of WSO2 Identity Server's identity.xml into a remint.toml
    Wso2Config(Wso2Config),
}

#[derive(Args)]
#[command(
    after_help = "Example:\n  remint import wso2-config repository/conf/identity/identity.xml --output remint.toml"
)]
pub(crate) struct Wso2Config {
    /// WSO2's `identity.xml`.
    file: PathBuf,
    /// File to write the configuration to; nothing is overwritten. Without it, nothing is written.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Value of `${carbon.host}`.
    #[arg(long, value_name = "HOST", default_value = "localhost")]
    host: String,
    /// Value of `${carbon.management.port}`.
    #[arg(long, value_name = "PORT", default_value_t = 9443, value_parser = digits::<u16>)]
    port: u16,
    #[command(flatten)]
    print: Output,
}

impl Import {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Self::Wso2Config(import) = self;
        import.run()
    }
}

impl Wso2Config {
    fn run(self) -> anyhow::Result<()> {
        let bytes = std::fs::read(&self.file)
            .with_context(|| format!("cannot read {}", self.file.display()))?;
        // WSO2's own files say that they are ISO-8859-1, where every byte is the character it is.
        let xml = String::from_utf8(bytes)
            .unwrap_or_else(|e| e.into_bytes().into_iter().map(char::from).collect());
        let placeholders =
            Placeholders { host: self.host, port: self.port, ..Placeholders::default() };
        let import =
            convert(&xml, &placeholders).with_context(|| self.file.display().to_string())?;
        if let Some(file) = &self.output {
            write_new(file, &import.toml)?;
        }
        if self.print.json {
            return self.print.many(&import.report, &[]);
        }
        print(&import.report.iter().map(paragraph).collect::<String>())?;
        match &self.output {
            Some(file) => note(&format!("{} is written.", file.display())),
            None => note("Nothing is written yet: name a file with --output."),
        }
        Ok(())
    }
}

/// One element of the report, for people.
fn paragraph(line: &Line) -> String {
    let Line { element, value, verdict, reason, becomes, source_line } = line;
    let value = if value.is_empty() { String::new() } else { format!(" = {value}") };
    let becomes = becomes.as_ref().map_or_else(String::new, |b| format!("    {b}\n"));
    format!("{verdict} (line {source_line}): {element}{value}\n{becomes}    {reason}\n\n")
}
