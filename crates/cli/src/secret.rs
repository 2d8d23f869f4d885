//! Secrets come from a prompt or standard input, never from the command line, where every user of
//! the machine could read them.

use std::io::{IsTerminal as _, Read as _};

use anyhow::bail;
use secrecy::{ExposeSecret as _, SecretString};

/// Reads a secret from standard input, up to the first line's end.
pub(crate) fn from_stdin(what: &str) -> anyhow::Result<SecretString> {
    let mut text = String::new();
    std::io::stdin().lock().take(64 * 1024).read_to_string(&mut text)?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        bail!("standard input has no {what}");
    }
    Ok(line.into())
}

/// Asks for a new secret twice.
pub(crate) fn from_prompt(what: &str) -> anyhow::Result<SecretString> {
    if !std::io::stdin().is_terminal() {
        bail!("there is no terminal to ask for the {what}: use the -stdin flag and pipe it in");
    }
    let first: SecretString = rpassword::prompt_password(format!("New {what}: "))?.into();
    let again: SecretString = rpassword::prompt_password("Once more: ")?.into();
    if first.expose_secret() != again.expose_secret() {
        bail!("the two were not the same");
    }
    if first.expose_secret().is_empty() {
        bail!("the {what} is empty");
    }
    Ok(first)
}
