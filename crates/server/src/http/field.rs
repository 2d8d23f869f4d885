//! The text of header fields, as RFC 9110 §5.6 writes it: the only white space is SP and HTAB.
//!
//! Rust's `trim` also removes U+00A0 and U+2000, which a browser or a proxy sees as part of a name or a
//! value.

/// Takes optional white space (RFC 9110 §5.6.3) off both ends.
pub(crate) fn strip(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_spaces_and_tabs_are_stripped() {
        for (text, left) in [
            ("a", "a"),
            ("", ""),
            (" \t ", ""),
            ("\t a b \t", "a b"),
            ("\u{a0}a", "\u{a0}a"),
            ("\u{2000}a\u{3000}", "\u{2000}a\u{3000}"),
            ("\u{b}a\u{c}", "\u{b}a\u{c}"),
            ("\r\na\u{85}", "\r\na\u{85}"),
        ] {
            assert_eq!(strip(text.as_bytes()), left.as_bytes(), "{text:?}");
        }
    }
}
