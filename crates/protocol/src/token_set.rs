//! A set of words that travels as one space-separated string: the shape that `scope` (RFC 6749 §3.3)
//! and our stored resource indicators share.

/// Sorted, without duplicates, separated by single spaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct TokenSet(String);

impl TokenSet {
    pub(crate) fn collect<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all: Vec<&str> = words.into_iter().collect();
        all.sort_unstable();
        all.dedup();
        Self(all.join(" "))
    }

    /// Takes a string that this type produced earlier, as the store does.
    pub(crate) fn from_normal_form(text: String) -> Self {
        let sorted = text.split(' ').is_sorted_by(|a, b| a < b);
        if sorted { Self(text) } else { Self::collect(text.split_ascii_whitespace()) }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split_ascii_whitespace()
    }

    pub(crate) fn contains(&self, word: &str) -> bool {
        self.iter().any(|w| w == word)
    }

    pub(crate) fn is_subset(&self, other: &Self) -> bool {
        self.0 == other.0 || self.iter().all(|w| other.contains(w))
    }

    pub(crate) fn intersect(&self, other: &Self) -> Self {
        if self.0 == other.0 {
            return self.clone();
        }
        Self::collect(self.iter().filter(|w| other.contains(w)))
    }

    pub(crate) fn without(&self, unwanted: &[&str]) -> Self {
        Self::collect(self.iter().filter(|w| !unwanted.contains(w)))
    }
}
