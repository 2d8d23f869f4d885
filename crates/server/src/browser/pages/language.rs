//! The language of a page: by `ui_locales` (OpenID Connect Core §3.1.2.1), then by `Accept-Language`
//! (RFC 9110 §12.5.4). What is not understood is passed over.

use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use remint_protocol::form::Form;
use unic_langid::LanguageIdentifier;

/// A language that the pages speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// German.
    German,
}

/// The number of preferences that are looked at; nobody has more, and the rest is not worth the work.
const MOST: usize = 32;

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// The tag of RFC 5646, which `lang` and `Content-Language` bear.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// The first language of `ui_locales` that the pages speak, then that of the browser, then
    /// English.
    pub fn choose(ui_locales: Option<&str>, headers: &HeaderMap) -> Self {
        let asked = ui_locales.unwrap_or_default().split(' ');
        asked.take(MOST).find_map(Self::of).or_else(|| Self::accepted(headers)).unwrap_or_default()
    }

    /// As a request itself asks for it: in its query, where it has one that can be read.
    pub(crate) fn of_request(head: &Parts) -> Self {
        Self::asked_for(head.uri.query().unwrap_or_default(), head)
    }

    /// As parameters ask for it that did not come with this very request.
    pub(crate) fn asked_for(parameters: &str, head: &Parts) -> Self {
        let form = Form::parse(parameters.as_bytes()).ok();
        Self::choose(form.as_ref().and_then(|form| form.find("ui_locales")), &head.headers)
    }

    fn accepted(headers: &HeaderMap) -> Option<Self> {
        let line = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
        let shortened: Vec<_> = line.split(',').take(MOST).collect();
        let by_preference = accept_language::parse_with_quality(&shortened.join(","));
        // RFC 9110 §12.4.2: a quality of 0 means "not acceptable".
        by_preference
            .iter()
            .filter(|(_, quality)| *quality > 0.0)
            .find_map(|(tag, _)| Self::of(tag))
    }

    fn of(tag: &str) -> Option<Self> {
        let asked: LanguageIdentifier = tag.parse().ok()?;
        Self::ALL.into_iter().find(|known| asked.language.as_str() == known.tag())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(ui_locales: Option<&str>, accept: &str) -> Language {
        let headers = [(header::ACCEPT_LANGUAGE, accept.parse().unwrap())].into_iter().collect();
        Language::choose(ui_locales, &headers)
    }

    #[test]
    fn ui_locales_stand_over_the_browser_and_both_go_by_preference() {
        use Language::{English, German};
        assert_eq!(choose(Some("fr-CA de-CH en"), "en"), German);
        assert_eq!(choose(Some("fr"), "de-AT, en;q=0.5"), German);
        assert_eq!(choose(Some(""), "en;q=0.3, de;q=0.7"), German);
        assert_eq!(choose(None, "fr, de;q=0, en;q=0.1"), English);
        assert_eq!(choose(None, "ja, *"), English);
        assert_eq!(Language::choose(None, &HeaderMap::new()), English);
    }

    #[test]
    fn nonsense_is_passed_over() {
        for text in ["", "   ", ";;;", "de;q=x", "\"><script>", "dé", "-", ",,,,", "de_"] {
            let _ = Language::choose(Some(text), &HeaderMap::new());
            if let Ok(value) = text.parse() {
                let headers = [(header::ACCEPT_LANGUAGE, value)].into_iter().collect();
                let _ = Language::choose(None, &headers);
            }
        }
        let long = "xx ".repeat(100_000) + "de";
        assert_eq!(Language::choose(Some(&long), &HeaderMap::new()), Language::English);
    }
}
