//! Secrets come from a prompt or standard input, never from the command line, where every user of
//! the machine could read them.

use std::io::{IsTerminal as _, Read as _};

use anyhow::bail;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

/// The most bytes that are read of a secret.
const MOST: u64 = 64 * 1024;

/// Reads a secret from standard input, up to the first line's end. Nothing else is taken off it.
pub(crate) fn from_stdin(what: &str) -> anyhow::Result<SecretString> {
    let mut bytes = Zeroizing::new(Vec::new());
    std::io::stdin().lock().take(MOST + 1).read_to_end(&mut bytes)?;
    let first = bytes.split_inclusive(|b| *b == b'\n').next().unwrap_or_default();
    if first.len() as u64 > MOST {
        bail!("the {what} on standard input is longer than {MOST} bytes");
    }
    let Ok(text) = std::str::from_utf8(first) else {
        bail!("the {what} on standard input is not UTF-8");
    };
    let line = without_line_end(text);
    if line.is_empty() {
        bail!("standard input has no {what}");
    }
    if line.contains('\0') {
        bail!("the {what} on standard input has a NUL in it, which no request can carry");
    }
    Ok(line.into())
}

/// A secret as editors and `echo` write it, with one line end behind it, without that line end.
pub(crate) fn without_line_end(text: &str) -> &str {
    let line = text.strip_suffix('\n').unwrap_or(text);
    line.strip_suffix('\r').unwrap_or(line)
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
