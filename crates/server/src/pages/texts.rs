//! Every sentence of the pages, from the `.ftl` files of `locales/`.
//!
//! A sentence comes in two forms. `say` gives text, which templates escape. `rich` gives HTML in which
//! each name that was put in is escaped and set apart by `<bdi>`, so that a name written from right to
//! left, or one with control characters, cannot turn the sentence around it.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use askama::filters::{self, HtmlSafe};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

use super::Language;

type Bundle = FluentBundle<FluentResource>;

pub(super) const ENGLISH: &str = include_str!("../../locales/en/pages.ftl");
pub(super) const GERMAN: &str = include_str!("../../locales/de/pages.ftl");

/// The sentences of one language.
pub(super) struct Texts {
    plain: Bundle,
    rich: Bundle,
}

impl Texts {
    pub(super) fn of(language: Language) -> &'static Self {
        static EN: LazyLock<Texts> = LazyLock::new(|| Texts::read(Language::English, ENGLISH));
        static DE: LazyLock<Texts> = LazyLock::new(|| Texts::read(Language::German, GERMAN));
        match language {
            Language::English => &EN,
            Language::German => &DE,
        }
    }

    fn read(language: Language, source: &str) -> Self {
        let plain = bundle(language, source);
        let mut rich = bundle(language, source);
        // `<bdi>` isolates already.
        rich.set_use_isolating(false);
        rich.set_transform(Some(|text| Cow::Owned(escaped(text))));
        rich.set_formatter(Some(|value, _| match value {
            FluentValue::String(name) => Some(format!("<bdi>{}</bdi>", escaped(name))),
            _ => None,
        }));
        Self { plain, rich }
    }

    pub(super) fn say(&self, key: &str, args: &FluentArgs<'_>) -> String {
        format(&self.plain, key, args)
    }

    pub(super) fn rich(&self, key: &str, args: &FluentArgs<'_>) -> Html {
        Html(format(&self.rich, key, args))
    }
}

/// HTML that is safe as it is.
pub(super) struct Html(String);

impl HtmlSafe for Html {}

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn bundle(language: Language, source: &str) -> Bundle {
    let tag: LanguageIdentifier = language.tag().parse().unwrap_or_default();
    let mut bundle = Bundle::new_concurrent(vec![tag]);
    // What cannot be read is left out; the tests see to it that all can.
    let (Ok(resource) | Err((resource, _))) = FluentResource::try_new(source.to_owned());
    bundle.add_resource_overriding(resource);
    bundle
}

fn format(bundle: &Bundle, key: &str, args: &FluentArgs<'_>) -> String {
    // A key is never the visitor's: it stands in our templates, and the tests look for each of them.
    let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
        return key.to_owned();
    };
    bundle.format_pattern(pattern, Some(args), &mut Vec::new()).into_owned()
}

fn escaped(text: &str) -> String {
    let Ok(safe) = filters::escape(text, filters::Html);
    safe.0.to_string()
}
