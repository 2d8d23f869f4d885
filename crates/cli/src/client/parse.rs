//! Values of flags, read and refused in one way.

use anyhow::Context as _;
use remint_protocol::redirect_uri::RedirectUri;

/// The advice of a parser that takes one of a few words.
pub(super) fn one_of<'a>(all: impl Iterator<Item = &'a str>) -> String {
    format!("write one of {}", all.collect::<Vec<_>>().join(", "))
}

/// Takes redirection URIs for registration; `""` stands for none.
pub(super) fn redirect_uris(texts: &[String]) -> anyhow::Result<Vec<RedirectUri>> {
    let named = texts.iter().filter(|text| !text.is_empty());
    let mut uris = named
        .map(|text| RedirectUri::register(text).with_context(|| format!("`{text}` is refused")))
        .collect::<anyhow::Result<Vec<_>>>()?;
    uris.sort_unstable();
    uris.dedup();
    Ok(uris)
}
