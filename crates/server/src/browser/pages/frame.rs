//! The values that all templates have at hand: the sentences, the brand, and the places of things.

use std::time::Duration;

use fluent_bundle::FluentArgs;
use remint_protocol::time::Timestamp;

use super::Language;
use super::assets::Assets;
use super::moment::{Moment, Span};
use super::texts::{Html, Texts};
use crate::config::Colour;

/// The frame around a page, in the language of its reader.
pub struct Frame<'a> {
    language: Language,
    texts: &'static Texts,
    brand: &'a str,
    base: &'a str,
    assets: &'a Assets,
}

impl<'a> Frame<'a> {
    pub(super) fn new(
        language: Language,
        brand: &'a str,
        base: &'a str,
        assets: &'a Assets,
    ) -> Self {
        Self { language, texts: Texts::of(language), brand, base, assets }
    }

    /// The tag for `lang`.
    pub(super) const fn language(&self) -> &'static str {
        self.language.tag()
    }

    pub(super) const fn brand(&self) -> &str {
        self.brand
    }

    /// A path of this server as a browser needs it: the issuer may have a path of its own.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The path of the stylesheet.
    pub(super) fn style(&self) -> String {
        self.path(&self.assets.style())
    }

    /// The path of the icon in the browser's tab.
    pub(super) fn icon(&self) -> String {
        self.path(&self.assets.icon())
    }

    /// The path of the operator's logo.
    pub(super) fn logo(&self) -> Option<String> {
        self.assets.logo().map(|logo| self.path(&logo))
    }

    /// Returns the colours of the background, in the light and in the dark scheme.
    pub(super) const fn ground(&self) -> [Colour; 2] {
        self.assets.ground()
    }

    pub(super) fn say(&self, key: &str) -> String {
        self.texts.text(key, &FluentArgs::new())
    }

    /// A sentence with a name in it, as text.
    pub(super) fn say_name(&self, key: &str, name: &str) -> String {
        self.texts.text(key, &[("name", isolated(name))].into_iter().collect())
    }

    /// A sentence with a length of time in it.
    pub(super) fn say_span(&self, key: &str, length: Duration) -> String {
        self.texts.text(key, &[("span", self.span(length))].into_iter().collect())
    }

    /// A sentence with a number in it.
    pub(super) fn say_count(&self, key: &str, count: u64) -> String {
        self.texts.text(key, &[("count", count)].into_iter().collect())
    }

    /// A sentence with two names in it, as text.
    pub(super) fn say_both(&self, key: &str, name: &str, other: &str) -> String {
        self.texts.text(
            key,
            &[("name", isolated(name)), ("other", isolated(other))].into_iter().collect(),
        )
    }

    /// A sentence with a name in it, set apart.
    pub(super) fn rich_name(&self, key: &str, name: &str) -> Html {
        self.texts.rich(key, &[("name", name)].into_iter().collect())
    }

    /// A lifetime in words, in its largest whole unit.
    pub(super) fn span(&self, lifetime: Duration) -> String {
        let span = Span::of(lifetime);
        self.say_count(span.key(), span.count())
    }

    /// Returns the time since something happened, in words; the day, if it is long ago.
    pub(super) fn when(&self, at: Timestamp, now: Timestamp) -> When {
        let since = now.distance(at);
        let words = if since < Duration::from_mins(1) {
            self.say("moment-now")
        } else if since < Moment::RECENT {
            let span = Span::up_to(since);
            self.say_count(span.key_ago(), span.count())
        } else {
            self.day(at)
        };
        When { words, instant: Moment::of(at).map(|at| at.to_string()).unwrap_or_default() }
    }

    /// The day of a point in time, in UTC.
    fn day(&self, at: Timestamp) -> String {
        let Some(moment) = Moment::of(at) else { return String::new() };
        let mut args = FluentArgs::new();
        args.set("day", moment.day());
        args.set("month", self.say(moment.month_key()));
        args.set("year", moment.year());
        self.texts.text("moment-day", &args)
    }
}

/// A point in time, for people and for machines.
pub(super) struct When {
    pub(super) words: String,
    /// As `datetime` wants it.
    pub(super) instant: String,
}

/// Keeps the direction of a name from what is around it (UAX #9: first strong isolate), as `<bdi>`
/// does in HTML.
fn isolated(name: &str) -> String {
    format!("\u{2068}{name}\u{2069}")
}
