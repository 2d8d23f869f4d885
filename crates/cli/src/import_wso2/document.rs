//! From XML to the flat list of elements under `<OAuth>`, each with its rule.
//!
//! Refused are document type declarations, files of a size or a depth that no identity.xml has, and
//! elements that are there twice although WSO2 reads one of them only. The limits stand before the
//! parser, which takes quadratic time over attributes and more over namespaces.

use std::collections::BTreeMap;

use roxmltree::{Document, Node};

use super::elements::{self, By, Rule};
use super::error::{At, ImportError};
use super::placeholders::{Placeholders, WHITE_SPACE};

/// The namespace of WSO2's configuration files.
const NAMESPACE: &str = "http://wso2.org/projects/carbon/carbon.xml";
/// Ten times the size of the largest identity.xml that WSO2 ever shipped.
const MAX_BYTES: usize = 2 * 1024 * 1024;
/// The bounds on the text: a pattern, how often it may occur, and the words for an excess.
const LIMITS: [(&str, usize, &str); 3] = [
    ("<", 100_000, "100,000 tags"),
    ("=", 20_000, "20,000 attributes"),
    ("xmlns", 200, "200 namespace declarations"),
];
const MAX_DEPTH: usize = 16;
/// No element that is known has a longer name.
const MAX_NAME: usize = 64;
const MAX_VALUE: usize = 200;

/// The `<OAuth>` section.
pub(super) struct Section {
    /// The position of its start.
    pub(super) at: At,
    /// Its elements, in the order of the file. Elements that only group others are left out.
    pub(super) found: Vec<Found>,
}

impl Section {
    /// The element at `path`.
    pub(super) fn find(&self, path: &str) -> Option<&Found> {
        self.found.iter().find(|found| found.path == path)
    }
}

/// An element under `<OAuth>`.
pub(super) struct Found {
    /// Its path under `<OAuth>`, with the names of elements that repeat in brackets.
    pub(super) path: String,
    /// Its text on one line, placeholders resolved, fit to be shown.
    pub(super) value: String,
    /// Its position in the file.
    pub(super) at: At,
    /// The rule for it.
    pub(super) rule: &'static Rule,
}

/// Reads the `<OAuth>` section.
pub(super) fn read(xml: &str, placeholders: &Placeholders) -> Result<Section, ImportError> {
    check_size(xml)?;
    let places = Places::new(xml);
    let document = Document::parse(xml).map_err(|error| malformed(&error, xml, &places))?;
    let root = document.root_element();
    let mut sections = std::iter::once(root)
        .chain(root.children())
        .filter(|node| node.tag_name().name() == "OAuth" && is_ours(*node));
    let oauth = sections.next().ok_or_else(|| ImportError::NoOAuth {
        at: places.of(root),
        root: shown(root.tag_name().name(), MAX_NAME),
    })?;
    if let Some(second) = sections.next() {
        let (first, second) = (places.of(oauth), places.of(second));
        return Err(ImportError::Repeated { element: "OAuth".to_owned(), first, second });
    }
    let mut walk = Walk { places: &places, placeholders, seen: BTreeMap::new(), found: Vec::new() };
    walk.children(oauth, &Path::default(), 1)?;
    Ok(Section { at: places.of(oauth), found: walk.found })
}

fn check_size(xml: &str) -> Result<(), ImportError> {
    if xml.len() > MAX_BYTES {
        return Err(ImportError::TooLarge { what: "2 MiB" });
    }
    match LIMITS.iter().find(|(text, limit, _)| xml.matches(text).count() > *limit) {
        Some((_, _, what)) => Err(ImportError::TooLarge { what }),
        None => Ok(()),
    }
}

fn malformed(error: &roxmltree::Error, xml: &str, places: &Places<'_>) -> ImportError {
    use roxmltree::Error::{DtdDetected, UnclosedRootNode, UnexpectedEndOfStream};
    match error {
        DtdDetected => {
            ImportError::HasDoctype { at: places.at(xml.find("<!DOCTYPE").unwrap_or_default()) }
        }
        UnclosedRootNode | UnexpectedEndOfStream => ImportError::Malformed {
            at: places.at(xml.len()),
            problem: "the file ends too early".to_owned(),
        },
        other => {
            let pos = other.pos();
            let problem = other.to_string().replace(&format!(" at {pos}"), "");
            ImportError::Malformed {
                at: At { line: pos.row, column: pos.col },
                problem: shown(&problem, MAX_VALUE),
            }
        }
    }
}

fn is_ours(node: Node<'_, '_>) -> bool {
    node.is_element() && node.tag_name().namespace().is_none_or(|uri| uri == NAMESPACE)
}

/// A path twice: as the table writes it, and with the names of elements that repeat.
#[derive(Default)]
struct Path {
    key: String,
    shown: String,
}

impl Path {
    fn join(&self, name: &str) -> Self {
        let join = |before: &str| match before {
            "" => name.to_owned(),
            _ => format!("{before}/{name}"),
        };
        Self { key: join(&self.key), shown: join(&self.shown) }
    }
}

struct Walk<'a> {
    places: &'a Places<'a>,
    placeholders: &'a Placeholders,
    seen: BTreeMap<String, At>,
    found: Vec<Found>,
}

impl Walk<'_> {
    fn children(
        &mut self,
        parent: Node<'_, '_>,
        path: &Path,
        depth: usize,
    ) -> Result<(), ImportError> {
        for node in parent.children().filter(Node::is_element) {
            if depth > MAX_DEPTH {
                return Err(ImportError::TooDeep { at: self.places.of(node) });
            }
            let name = shown(node.tag_name().name(), MAX_NAME);
            let name = if is_ours(node) { name } else { format!("{{foreign}}{name}") };
            let path = path.join(&name);
            self.element(node, path, depth)?;
        }
        Ok(())
    }

    fn element(
        &mut self,
        node: Node<'_, '_>,
        mut path: Path,
        depth: usize,
    ) -> Result<(), ImportError> {
        let by = elements::told_apart_by(&path.key);
        let label = by.map(|by| label(node, by));
        // `<GrantTypeName>` is the name of its parent and has no line of its own.
        let is_label = node.parent_element().is_some_and(|parent| {
            let above = path.key.rsplit_once('/').map_or("", |(above, _)| above);
            let by = elements::told_apart_by(above);
            matches!(by, Some(By::Child(name)) if name == node.tag_name().name()) && is_ours(parent)
        });
        if is_label {
            return Ok(());
        }
        if let Some(label) = &label {
            path.shown = format!("{}[{label}]", path.shown);
        }
        let at = self.places.of(node);
        if elements::is_known(&path.key)
            && let Some(first) = self.seen.insert(path.shown.clone(), at)
        {
            return Err(ImportError::Repeated { element: path.shown, first, second: at });
        }
        let is_group = node.children().any(|child| child.is_element());
        if !is_group || label.is_some() || node.attributes().len() > 0 {
            self.found.push(Found {
                value: self.value(node, by, label.as_deref()),
                rule: elements::rule(&path.key, label.as_deref()),
                path: path.shown.clone(),
                at,
            });
        }
        self.children(node, &path, depth + 1)
    }

    /// The text of an element, or its attributes where it has no text.
    fn value(&self, node: Node<'_, '_>, by: Option<By>, label: Option<&str>) -> String {
        if node.ancestors().any(holds_secret) {
            return HIDDEN.to_owned();
        }
        if let (Some(By::Child(_)), Some(label)) = (by, label) {
            return label.to_owned();
        }
        let text: String = node.children().filter_map(|child| own_text(child)).collect();
        if !text.trim_matches(WHITE_SPACE).is_empty() {
            return self.resolved(&text);
        }
        let attributes: Vec<String> = node
            .attributes()
            .map(|attribute| {
                let hidden = is_secret(attribute.name());
                let value = if hidden { HIDDEN } else { attribute.value() };
                format!("{}={value}", attribute.name())
            })
            .collect();
        self.resolved(&attributes.join(" "))
    }

    /// Shortened first: looking for the ends of a million placeholders takes forever.
    fn resolved(&self, text: &str) -> String {
        shown(&self.placeholders.resolve(&shown(text, MAX_VALUE)), MAX_VALUE)
    }
}

const HIDDEN: &str = "(not shown)";

/// Whether an element is called a secret, by its own name or like `<Property Name="Password">`.
fn holds_secret(node: Node<'_, '_>) -> bool {
    let names = ["name", "key", "id"];
    let is_name = |name: &str| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    is_secret(node.tag_name().name())
        || node.attributes().any(|given| is_name(given.name()) && is_secret(given.value()))
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("pass") || name.contains("secret")
}

fn own_text<'a>(node: Node<'a, '_>) -> Option<&'a str> {
    node.text().filter(|_| node.is_text())
}

/// The name that tells an element from others of the same path.
fn label(node: Node<'_, '_>, by: By) -> String {
    let text = match by {
        By::Attribute(name) => node.attribute(name).unwrap_or_default().to_owned(),
        By::Child(name) => node
            .children()
            .filter(|child| child.tag_name().name() == name && is_ours(*child))
            .flat_map(|child| child.children().filter_map(own_text))
            .collect(),
    };
    let text = match (by, text.rsplit_once('.')) {
        // Of a Java class the last part is enough.
        (By::Attribute(_), Some((_, class))) => class,
        _ => &text,
    };
    let text = shown(text, MAX_NAME);
    if text.is_empty() { "?".to_owned() } else { text }
}

/// Text made fit for a report: on one line, short, and without characters that steer a terminal.
fn shown(text: &str, limit: usize) -> String {
    let words = text.split(WHITE_SPACE).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    let mut chars = line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut short: String = chars.by_ref().take(limit).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

/// The positions at which the lines of a text begin. The parser's own search begins at the top each time,
/// which a long file with many elements would turn into minutes.
struct Places<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(breaks).collect() }
    }

    fn of(&self, node: Node<'_, '_>) -> At {
        self.at(node.range().start)
    }

    fn at(&self, offset: usize) -> At {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let before = self.text.get(start..offset).map_or(0, |text| text.chars().count());
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        At { line: count(line), column: count(before + 1) }
    }
}
