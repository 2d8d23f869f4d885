//! `application/x-www-form-urlencoded` parameters (RFC 6749 Appendix B), strictly.
//!
//! Refuses what lenient parsers let through: a parameter sent twice (RFC 6749 §3.2), broken percent
//! encoding, broken UTF-8, NUL, and more parameters than any request has. A parameter without a
//! value counts as absent (RFC 6749 §3.1).

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode;

use crate::reject::{Reject, Why};

/// The most parameters that a request may have.
pub const MAX_PARAMETERS: usize = 64;

/// The parameters of one request.
#[derive(Default)]
pub struct Form<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl fmt::Debug for Form<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values are passwords and tokens.
        f.debug_list().entries(self.names()).finish()
    }
}

impl<'a> Form<'a> {
    /// Parses a request body or a query.
    ///
    /// # Errors
    /// `invalid_request`, as the module says.
    pub fn parse(input: &'a [u8]) -> Result<Self, Reject> {
        Self::read(input).map_err(|(reject, _)| reject)
    }

    /// The name of the parameter that makes [`Self::parse`] say that one was sent twice. It is the
    /// requester's own text: to be compared, never to be shown.
    pub fn repeated(input: &'a [u8]) -> Option<Cow<'a, str>> {
        Self::read(input).err().and_then(|(_, name)| name)
    }

    /// The parameters, or why there are none and which name was sent twice.
    fn read(input: &'a [u8]) -> Result<Self, (Reject, Option<Cow<'a, str>>)> {
        let refuse = |reject: Reject| (reject, None);
        let mut all: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        for pair in input.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
            if all.len() == MAX_PARAMETERS {
                return Err(refuse(Why::ParametersTooMany.into()));
            }
            let (name, value) = match pair.iter().position(|b| *b == b'=') {
                Some(at) => (pair.get(..at), pair.get(at + 1..)),
                None => (Some(pair), Some(&b""[..])),
            };
            let name = decode(name.unwrap_or_default()).map_err(refuse)?;
            let value = decode(value.unwrap_or_default()).map_err(refuse)?;
            // RFC 8707 §2: `resource` alone may be repeated.
            if name != "resource" && all.iter().any(|(n, _)| *n == name) {
                return Err((Why::ParameterTwice.into(), Some(name)));
            }
            all.push((name, value));
        }
        Ok(Self(all))
    }

    /// The parameter's value; `None` where it is missing or empty.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_ref())
    }

    /// The values of a parameter that may be repeated.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        self.0.iter().filter(move |(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_ref())
    }

    /// The parameters' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_ref())
    }
}

/// Decodes one name or value.
pub(crate) fn decode(raw: &[u8]) -> Result<Cow<'_, str>, Reject> {
    let malformed = || Reject::from(Why::ParameterMalformed);
    let plain = !raw.iter().any(|b| matches!(b, b'%' | b'+'));
    let text = if plain {
        Cow::Borrowed(std::str::from_utf8(raw).map_err(|_| malformed())?)
    } else {
        if !has_whole_escapes(raw) {
            return Err(malformed());
        }
        let spaced: Vec<u8> = raw.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
        let decoded = percent_decode(&spaced).decode_utf8().map_err(|_| malformed())?;
        Cow::Owned(decoded.into_owned())
    };
    if text.contains('\0') { Err(malformed()) } else { Ok(text) }
}

fn has_whole_escapes(raw: &[u8]) -> bool {
    let mut rest = raw;
    while let Some(at) = rest.iter().position(|b| *b == b'%') {
        match rest.get(at + 1..at + 3) {
            Some([a, b]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {}
            _ => return false,
        }
        rest = rest.get(at + 3..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn why(body: &str) -> Why {
        Form::parse(body.as_bytes()).unwrap_err().why
    }

    #[test]
    fn values_are_decoded_and_empty_ones_are_absent() {
        let form = Form::parse(b"a=1+2%2B&b=&c&&d=%C3%BC").unwrap();
        assert_eq!(form.find("a"), Some("1 2+"));
        assert_eq!((form.find("b"), form.find("c"), form.find("x")), (None, None, None));
        assert_eq!(form.find("d"), Some("ü"));
    }

    #[test]
    fn a_parameter_sent_twice_is_refused() {
        for body in ["a=1&a=1", "a=1&a=2", "a=&a=1", "a=1&%61=2"] {
            assert_eq!(why(body), Why::ParameterTwice, "{body}");
            assert_eq!(Form::repeated(body.as_bytes()).as_deref(), Some("a"), "{body}");
        }
        for body in ["", "a=1&b=2", "a=1&%", "resource=x:1&resource=x:2"] {
            assert_eq!(Form::repeated(body.as_bytes()), None, "{body}");
        }
        let form = Form::parse(b"resource=x:1&resource=x:2").unwrap();
        assert_eq!(form.all("resource").count(), 2);
    }

    #[test]
    fn broken_encodings_are_refused() {
        for body in ["a=%", "a=%4", "a=%zz", "a=%ff", "a=%00", "%c3=1", "a=\0"] {
            assert_eq!(why(body), Why::ParameterMalformed, "{body}");
        }
        assert_eq!(Form::parse(b"a=\xff").unwrap_err().why, Why::ParameterMalformed);
    }

    #[test]
    fn ten_thousand_parameters_are_refused() {
        let body: String = (0..10_000).map(|i| format!("p{i}=1&")).collect();
        assert_eq!(why(&body), Why::ParametersTooMany);
    }

    proptest! {
        #[test]
        fn no_input_panics(body in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Form::parse(&body);
        }
    }
}
