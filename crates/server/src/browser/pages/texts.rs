//! Every sentence of the pages, from the `.ftl` files of `locales/`.
//!
//! A sentence comes in two forms. `text` gives text, which templates escape. `rich` gives HTML in which
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

const ENGLISH: &str = include_str!("../../../locales/en/pages.ftl");
const GERMAN: &str = include_str!("../../../locales/de/pages.ftl");

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
        rich.set_transform(Some(|text| Cow::Owned(escaped(text))));
        rich.set_formatter(Some(|value, _| match value {
            FluentValue::String(name) => Some(format!("<bdi>{}</bdi>", escaped(name))),
            _ => None,
        }));
        Self { plain, rich }
    }

    pub(super) fn text(&self, key: &str, args: &FluentArgs<'_>) -> String {
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
    // Names are isolated where they are put in; around numbers the marks would only be in the way.
    bundle.set_use_isolating(false);
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
    let mut out = String::new();
    // `format_pattern` would give the whole sentence to the formatter once more.
    let _ = bundle.write_pattern(&mut out, pattern, Some(args), &mut Vec::new());
    out
}

fn escaped(text: &str) -> String {
    let Ok(safe) = filters::escape(text, filters::Html);
    safe.0.to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::path::Path;

    use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};

    use super::*;

    type Messages = BTreeMap<String, BTreeSet<String>>;

    /// Every message with the arguments that it takes.
    fn messages(source: &str) -> Messages {
        let resource = fluent_syntax::parser::parse(source).unwrap();
        let mut all = Messages::new();
        for entry in resource.body {
            match entry {
                Entry::Message(message) => {
                    let mut arguments = BTreeSet::new();
                    collect(&message.value.unwrap(), &mut arguments);
                    let name = message.id.name.to_owned();
                    assert!(all.insert(name, arguments).is_none(), "{} twice", message.id.name);
                }
                Entry::Comment(_) | Entry::GroupComment(_) | Entry::ResourceComment(_) => {}
                other => panic!("{other:?}"),
            }
        }
        all
    }

    fn collect(pattern: &Pattern<&str>, arguments: &mut BTreeSet<String>) {
        for element in &pattern.elements {
            let PatternElement::Placeable { expression } = element else { continue };
            let inline = match expression {
                Expression::Inline(inline) => inline,
                Expression::Select { selector, variants } => {
                    for variant in variants {
                        collect(&variant.value, arguments);
                    }
                    selector
                }
            };
            let InlineExpression::VariableReference { id } = inline else { panic!("{inline:?}") };
            arguments.insert(id.name.to_owned());
        }
    }

    #[test]
    fn both_languages_have_the_same_sentences_with_the_same_arguments() {
        let (english, german) = (messages(ENGLISH), messages(GERMAN));
        assert!(english.len() > 100);
        assert_eq!(english, german);
    }

    /// The templates and the code of the pages.
    fn sources() -> Vec<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let files = ["templates", "src/browser/pages"].into_iter().flat_map(|dir| {
            fs::read_dir(root.join(dir)).unwrap().map(|entry| entry.unwrap().path())
        });
        let text = |file| fs::read_to_string(file).unwrap();
        files.map(text).map(|text| text.split("#[cfg(test)]").next().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_sentence_is_used_and_every_sentence_that_is_used_is_there() {
        let sources = sources();
        let known = messages(ENGLISH);
        for key in known.keys() {
            let quoted = format!("\"{key}\"");
            assert!(sources.iter().any(|text| text.contains(&quoted)), "{key} is not used");
        }
        let calls = [
            ("say(\"", &[][..]),
            ("say_name(\"", &["name"]),
            ("rich_name(\"", &["name"]),
            ("say_count(\"", &["count"]),
            ("say_span(\"", &["span"]),
            ("say_both(\"", &["name", "other"]),
        ];
        for (call, arguments) in calls {
            for used in sources.iter().flat_map(|text| text.split(call).skip(1)) {
                let key = used.split('"').next().unwrap();
                let takes = known.get(key).unwrap_or_else(|| panic!("{key} is not there"));
                assert!(takes.iter().all(|a| arguments.contains(&a.as_str())), "{key}: {takes:?}");
            }
        }
    }

    #[test]
    fn every_language_can_be_read_whole() {
        for (language, source) in [(Language::English, ENGLISH), (Language::German, GERMAN)] {
            assert!(FluentResource::try_new(source.to_owned()).is_ok());
            let texts = Texts::of(language);
            for (key, arguments) in messages(source) {
                let mut args = FluentArgs::new();
                for argument in &arguments {
                    match argument.as_str() {
                        "count" | "day" => args.set(argument.clone(), 3),
                        _ => args.set(argument.clone(), "<x>"),
                    }
                }
                let plain = texts.text(&key, &args);
                assert!(!plain.is_empty() && plain != key && !plain.contains('{'), "{plain}");
                let rich = texts.rich(&key, &args).to_string();
                assert!(!rich.contains("<x>"), "{rich}");
            }
        }
    }
}
