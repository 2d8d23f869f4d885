//! The form parser against the lenient one of the WHATWG's URL standard.
//!
//! Laws: what it takes, it reads as the lenient parser does; what it refuses, it refuses for a reason
//! that can be seen in the input; what it read, encoded again, reads the same.

#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use remint_protocol::form::{Form, MAX_PARAMETERS};
use remint_protocol::reject::{Code, Reject, Why};

type Pairs = Vec<(String, String)>;

fuzz_target!(|body: &[u8]| {
    let lenient: Pairs = form_urlencoded::parse(body).into_owned().collect();
    match Form::parse(body) {
        Ok(form) => {
            reads_like(&form, &lenient);
            reads_the_same_again(&form, &lenient);
        }
        Err(reject) => has_a_reason(reject, body, &lenient),
    }
});

fn reads_like(form: &Form<'_>, lenient: &Pairs) {
    assert!(form.names().eq(lenient.iter().map(|(name, _)| name)), "other names");
    assert!(lenient.len() <= MAX_PARAMETERS);
    for (name, value) in lenient {
        assert!(!name.contains('\0') && !value.contains('\0'));
        let values: Vec<_> =
            lenient.iter().filter(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v).collect();
        assert!(form.all(name).eq(values.iter().copied()), "other values of {name:?}");
        assert_eq!(form.find(name), values.first().map(|v| v.as_str()));
        assert!(name == "resource" || values.len() <= 1, "{name:?} twice");
    }
}

fn reads_the_same_again(form: &Form<'_>, pairs: &Pairs) {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let encoded: Vec<_> =
        pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    let encoded = encoded.join("&");
    let again = Form::parse(encoded.as_bytes()).expect("what was read once reads again");
    assert!(form.names().eq(again.names()));
    for name in form.names() {
        assert!(form.all(name).eq(again.all(name)));
    }
}

fn has_a_reason(reject: Reject, body: &[u8], lenient: &Pairs) {
    assert_eq!(reject.code, Code::InvalidRequest);
    match reject.why {
        Why::ParametersTooMany => assert!(lenient.len() > MAX_PARAMETERS),
        Why::ParameterTwice => {
            let mut seen = HashSet::new();
            let mut names = lenient.iter().map(|(name, _)| name).filter(|n| *n != "resource");
            assert!(!names.all(|name| seen.insert(name)), "no name is there twice");
        }
        Why::ParameterMalformed => assert!(
            std::str::from_utf8(body).is_err() || body.contains(&b'%') || body.contains(&0),
            "nothing is malformed"
        ),
        why => panic!("{why:?} is no matter of the form"),
    }
}
