//! The files that pages load: the stylesheet, the icon and the operator's logo.
//!
//! Stylesheet and icon have the hash of their content in their URL, so that browsers may keep them for
//! ever. The logo is the operator's file. An SVG can hold scripts: in `<img>` they never run, and when
//! the file is opened by itself its own policy forbids them.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::palette::{self, Palette};
use crate::config::Colour;

const STYLE: &str = include_str!("../../../assets/pages.css");

/// The largest logo, in bytes.
const LARGEST: u64 = 256 * 1024;

/// The reason why a logo cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("brand.logo: {}: {reason}", file.display())]
pub struct LogoError {
    file: PathBuf,
    reason: String,
}

#[derive(Debug)]
struct Asset {
    name: String,
    kind: &'static str,
    content: Bytes,
}

impl Asset {
    fn hashed(stem: &str, extension: &str, kind: &'static str, content: String) -> Self {
        let name = format!("{stem}-{}.{extension}", hash(content.as_bytes()));
        Self { name, kind, content: content.into() }
    }
}

/// The files that pages load.
#[derive(Debug)]
pub(super) struct Assets {
    style: Asset,
    icon: Asset,
    logo: Option<Asset>,
    ground: [Colour; 2],
}

impl Assets {
    pub(super) fn new(accent: Option<Colour>, logo: Option<&Path>) -> Result<Self, LogoError> {
        let style = format!("{}{STYLE}", palette::stylesheet(accent));
        let (light, dark) = (Palette::light(accent), Palette::dark(accent));
        Ok(Self {
            style: Asset::hashed("style", "css", "text/css; charset=utf-8", style),
            icon: Asset::hashed("icon", "svg", "image/svg+xml", icon(&light)),
            logo: logo.map(read_logo).transpose()?,
            ground: [light.ground(), dark.ground()],
        })
    }

    /// The path of the stylesheet.
    pub(super) fn style(&self) -> String {
        format!("/assets/{}", self.style.name)
    }

    /// The path of the icon in the browser's tab.
    pub(super) fn icon(&self) -> String {
        format!("/assets/{}", self.icon.name)
    }

    /// The path of the logo, with what changes when the logo does.
    pub(super) fn logo(&self) -> Option<String> {
        self.logo.as_ref().map(|logo| format!("/assets/logo?{}", logo.name))
    }

    /// The ground colour in the light and in the dark scheme.
    pub(super) const fn ground(&self) -> [Colour; 2] {
        self.ground
    }

    pub(super) fn respond(&self, file: &str) -> Response {
        const FOR_EVER: &str = "public, max-age=31536000, immutable";
        const FOR_AN_HOUR: &str = "public, max-age=3600";
        match &self.logo {
            _ if file == self.style.name => served(&self.style, FOR_EVER),
            _ if file == self.icon.name => served(&self.icon, FOR_EVER),
            Some(logo) if file == "logo" => served(logo, FOR_AN_HOUR),
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

fn served(asset: &Asset, cache: &'static str) -> Response {
    let fixed: [(HeaderName, &'static str); 5] = [
        (header::CONTENT_TYPE, asset.kind),
        (header::CACHE_CONTROL, cache),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Drawings bring their styles along.
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
        ),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    let headers = fixed.map(|(name, value)| (name, HeaderValue::from_static(value)));
    (headers, asset.content.clone()).into_response()
}

fn read_logo(file: &Path) -> Result<Asset, LogoError> {
    let fault = |reason: String| LogoError { file: file.to_owned(), reason };
    let mut content = Vec::new();
    File::open(file)
        .and_then(|opened| opened.take(LARGEST + 1).read_to_end(&mut content))
        .map_err(|e| fault(e.to_string()))?;
    if content.len() as u64 > LARGEST {
        return Err(fault("it is larger than 256 KiB".into()));
    }
    let kind = kind_of(&content).ok_or_else(|| fault("it is neither SVG nor PNG".into()))?;
    Ok(Asset { name: hash(&content), kind, content: content.into() })
}

fn kind_of(content: &[u8]) -> Option<&'static str> {
    if content.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some("image/png");
    }
    let text = std::str::from_utf8(content).ok()?.trim_start_matches('\u{feff}').trim_start();
    (text.starts_with('<') && text.contains("<svg")).then_some("image/svg+xml")
}

fn icon(palette: &Palette) -> String {
    let (fill, on_fill) = (palette.fill(), palette.on_fill());
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 32 32\">\
         <rect width=\"32\" height=\"32\" rx=\"8\" fill=\"{fill}\"/>\
         <g fill=\"none\" stroke=\"{on_fill}\" stroke-width=\"2.6\" stroke-linecap=\"round\" stroke-linejoin=\"round\">\
         <path d=\"M24 16a8 8 0 1 1-2.6-5.9\"/><path d=\"M22 6v4.6h-4.6\"/></g>\
         <circle cx=\"16\" cy=\"16\" r=\"2.4\" fill=\"{on_fill}\"/></svg>"
    )
}

/// Enough of the hash to tell one version from another.
fn hash(content: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, content);
    hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logo(content: &[u8]) -> Result<Asset, LogoError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("logo");
        std::fs::write(&file, content).unwrap();
        read_logo(&file)
    }

    #[test]
    fn a_logo_is_an_svg_or_a_png_of_bounded_size() {
        assert_eq!(logo(b"\x89PNG\r\n\x1a\n....").unwrap().kind, "image/png");
        let svg = b"\xef\xbb\xbf<?xml version=\"1.0\"?>\n<svg xmlns=\"x\"/>";
        assert_eq!(logo(svg).unwrap().kind, "image/svg+xml");
        for (content, reason) in [
            (&b"<html>"[..], "neither SVG nor PNG"),
            (b"GIF89a", "neither SVG nor PNG"),
            (b"", "neither SVG nor PNG"),
            (&vec![b' '; 256 * 1024 + 1], "larger than 256 KiB"),
        ] {
            assert!(logo(content).unwrap_err().to_string().contains(reason));
        }
        let missing = read_logo(Path::new("/nowhere/logo.svg")).unwrap_err().to_string();
        assert!(missing.starts_with("brand.logo: /nowhere/logo.svg: "), "{missing}");
    }

    #[test]
    fn the_static_stylesheet_takes_every_colour_from_the_palette() {
        let names: Vec<_> = palette::stylesheet(None)
            .split("--")
            .skip(1)
            .filter_map(|part| part.split_once(':').map(|(name, _)| name.to_owned()))
            .collect();
        for used in STYLE.split("var(--").skip(1) {
            let name = used.split([')', ',']).next().unwrap();
            let is_local = STYLE.contains(&format!("--{name}:"));
            assert!(is_local || names.iter().any(|known| known == name), "--{name}");
        }
        for name in names {
            assert!(STYLE.contains(&format!("var(--{name})")), "--{name} is not used");
        }
        for literal in ["#", "rgb(", "hsl(", ": white", ": black", "url(", "@import"] {
            assert!(!STYLE.contains(literal), "{literal}");
        }
    }
}
