//! The parser of Basic credentials.
//!
//! Laws: what opens, encoded as RFC 6749 section 2.3.1 says, opens to the same; any id and secret that
//! can be sent come back as they were; what does not open is always `invalid_client`.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use libfuzzer_sys::fuzz_target;
use remint_protocol::client_auth::{Credentials, ClientCredential, parse_basic, read};
use remint_protocol::form::Form;
use remint_protocol::reject::{Code, Why};

fuzz_target!(|header: &[u8]| {
    match parse_basic(header) {
        Ok((id, secret)) => {
            assert!(!id.is_empty(), "an empty id");
            comes_back(&id, &secret);
            is_what_the_request_says(header, &id, &secret);
        }
        Err(reject) => {
            assert_eq!((reject.code, reject.why), (Code::InvalidClient, Why::BasicMalformed))
        }
    }
    // The same bytes as what a client would send.
    let Ok(text) = std::str::from_utf8(header) else { return };
    let (id, secret) = text.split_once(' ').unwrap_or((text, ""));
    if !id.is_empty() && !text.contains('\0') {
        comes_back(id, secret);
    }
});

/// Sends the credentials in every spelling that clients use.
fn comes_back(id: &str, secret: &str) {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(id), encode(secret));
    let expected = (id.to_owned(), secret.to_owned());
    for encoded in [STANDARD.encode(&pair), STANDARD_NO_PAD.encode(&pair)] {
        for scheme in ["Basic", "basic", "BASIC"] {
            let header = format!("{scheme} {encoded}");
            assert_eq!(parse_basic(header.as_bytes()).as_ref(), Ok(&expected), "{header}");
        }
    }
}

fn is_what_the_request_says(header: &[u8], id: &str, secret: &str) {
    let expected = Credentials { client_id: id.to_owned(), proof: ClientCredential::Basic(secret.to_owned()) };
    assert_eq!(read(Some(header), &Form::default()), Ok(expected));
    // RFC 6749 section 2.3: not more than one method.
    let form = Form::parse(b"client_secret=x").expect("a form");
    assert_eq!(read(Some(header), &form).map_err(|r| r.why), Err(Why::ClientAuthTwice));
}
