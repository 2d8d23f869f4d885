//! Client authentication (RFC 6749 §2.3): reading the credentials, and judging them.
//!
//! Refuses two methods in one request, two ids that differ, and a method that the client is not
//! registered for. An unknown client and a wrong secret are told apart in the logs only.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

use crate::client::{AuthMethod, Client};
use crate::form::{self, Form};
use crate::keyring::Keyring;
use crate::reject::{Reject, Why};
use crate::time::Timestamp;

/// The claim of a request to come from a client.
#[derive(PartialEq, Eq)]
pub struct Credentials {
    /// The claimed client.
    pub client_id: String,
    /// The proof of that claim.
    pub proof: ClientCredential,
}

/// The proof of a client's identity.
#[derive(PartialEq, Eq)]
pub enum ClientCredential {
    /// Secret in the `Authorization` header.
    Basic(String),
    /// Secret in the body.
    Post(String),
    /// Not at all.
    None,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({:?}, {:?})", self.client_id, self.proof.method())
    }
}

impl ClientCredential {
    /// The method's registered name.
    pub const fn method(&self) -> AuthMethod {
        match self {
            Self::Basic(_) => AuthMethod::ClientSecretBasic,
            Self::Post(_) => AuthMethod::ClientSecretPost,
            Self::None => AuthMethod::None,
        }
    }

    /// The secret that it sends.
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::Basic(secret) | Self::Post(secret) => Some(secret),
            Self::None => None,
        }
    }
}

/// Reads the credentials of a request out of its `Authorization` header and its body.
///
/// # Errors
/// `invalid_client` for a broken header or none at all, `invalid_request` for two methods at once.
pub fn read(authorization: Option<&[u8]>, form: &Form<'_>) -> Result<Credentials, Reject> {
    let id = form.find("client_id");
    let secret = form.find("client_secret");
    let Some(header) = authorization else {
        let client_id = id.ok_or(Why::ClientMissing)?.to_owned();
        let proof = secret.map_or(ClientCredential::None, |s| ClientCredential::Post(s.to_owned()));
        return Ok(Credentials { client_id, proof });
    };
    let (client_id, basic) = parse_basic(header)?;
    // RFC 6749 §2.3: not more than one authentication method in each request.
    if secret.is_some() {
        return Err(Why::ClientAuthTwice.into());
    }
    if id.is_some_and(|id| id != client_id) {
        return Err(Why::ClientsDiffer.into());
    }
    Ok(Credentials { client_id, proof: ClientCredential::Basic(basic) })
}

/// Base64 as clients send it: padding may be missing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Parses Basic credentials (RFC 7617 §2), id and secret form-decoded (RFC 6749 §2.3.1).
///
/// # Errors
/// `invalid_client`, whatever is wrong.
pub fn parse_basic(header: &[u8]) -> Result<(String, String), Reject> {
    let malformed = || Reject::from(Why::BasicMalformed);
    let text = std::str::from_utf8(header).map_err(|_| malformed())?;
    // RFC 9110 §11.1, §11.4: the scheme's case means nothing; auth-scheme 1*SP token68. Nothing but SP
    // separates: HTAB is white space around a header field alone.
    let (scheme, encoded) = text.trim_matches([' ', '\t']).split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(malformed());
    }
    let decoded = BASE64.decode(encoded.trim_start_matches(' ')).map_err(|_| malformed())?;
    let colon = decoded.iter().position(|b| *b == b':').ok_or_else(malformed)?;
    let (id, secret) = decoded.split_at(colon);
    let secret = secret.get(1..).unwrap_or_default();
    let part = |raw| form::decode(raw).map_err(|_| malformed()).map(std::borrow::Cow::into_owned);
    let (id, secret) = (part(id)?, part(secret)?);
    if id.is_empty() { Err(malformed()) } else { Ok((id, secret)) }
}

/// Whether these credentials are right for this client, which may not exist.
///
/// # Errors
/// `invalid_client`; the answer does not tell which part was wrong.
pub fn authenticate(
    credentials: &Credentials,
    client: Option<&Client>,
    keys: &Keyring,
    now: Timestamp,
) -> Result<(), Reject> {
    let Some(client) = client else {
        // As much work as for a client that exists, so that time does not tell.
        if let (Some(secret), Some(decoy)) =
            (credentials.proof.secret(), keys.hash_client_secret("decoy"))
        {
            let _ = keys.is_client_secret(&decoy, secret);
        }
        return Err(Why::ClientUnknown.into());
    };
    let is_right = match credentials.proof.secret() {
        None => true,
        Some(secret) => is_secret_right(client, secret, keys, now),
    };
    if !client.auth_methods.contains(&credentials.proof.method()) {
        return Err(Why::ClientMethodNotRegistered.into());
    }
    if !is_right {
        return Err(Why::ClientSecretWrong.into());
    }
    if !client.enabled {
        return Err(Why::ClientDisabled.into());
    }
    Ok(())
}

/// The secret of a request, judged as a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// None: no secret is sent, or the client has none that could be guessed.
    Nothing,
    /// The client's secret, by whichever method it came.
    Right,
    /// Another one, or that of a client that does not exist or is disabled.
    Wrong,
}

/// Judges the secret alone, whatever else is wrong with the request: only what could be guessed counts as
/// a guess.
pub fn guess(
    credentials: &Credentials,
    client: Option<&Client>,
    keys: &Keyring,
    now: Timestamp,
) -> Guess {
    let Some(secret) = credentials.proof.secret().filter(|secret| !secret.is_empty()) else {
        return Guess::Nothing;
    };
    // Which clients exist is told by neither: one that does not is guessed at like any other.
    let Some(client) = client else { return Guess::Wrong };
    let has_secret = client.secret.is_some() || client.previous_secret.is_some();
    if client.is_public() || !has_secret {
        return Guess::Nothing;
    }
    if is_secret_right(client, secret, keys, now) && client.enabled {
        Guess::Right
    } else {
        Guess::Wrong
    }
}

fn is_secret_right(client: &Client, secret: &str, keys: &Keyring, now: Timestamp) -> bool {
    let current = client.secret.is_some_and(|stored| keys.is_client_secret(&stored, secret));
    let previous = client
        .previous_secret
        .is_some_and(|(stored, until)| now < until && keys.is_client_secret(&stored, secret));
    current || previous
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::client;
    use crate::keyring::tests::keyring;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn basic(pair: &str) -> Vec<u8> {
        format!("Basic {}", BASE64.encode(pair)).into_bytes()
    }

    fn read_body(header: Option<&[u8]>, body: &str) -> Result<Credentials, Why> {
        read(header, &Form::parse(body.as_bytes()).unwrap()).map_err(|r| r.why)
    }

    #[test]
    fn checklist_41_basic_credentials_are_form_decoded() {
        assert_eq!(parse_basic(&basic("a%20b:c%3Ad+e")).unwrap(), ("a b".into(), "c:d e".into()));
        assert_eq!(parse_basic(&basic("id:with:colons")).unwrap().1, "with:colons");
        assert_eq!(parse_basic(b"bAsIc ZGVtbzpkZW1v").unwrap(), ("demo".into(), "demo".into()));
        let spaced = parse_basic(b" Basic   ZGVtbzpkZW1v\t");
        assert_eq!(spaced.unwrap(), ("demo".into(), "demo".into()));
        assert!(parse_basic(b"Basic aWQ6").is_ok() && parse_basic(b"Basic aWQ6YQ").is_ok());
    }

    #[test]
    fn checklist_41_malformed_basic_credentials_are_invalid_client() {
        let bad: [&[u8]; 16] = [
            b"",
            b"Basic",
            b"Basic ",
            b"Bearer abc",
            b"Basic ###",
            b"Basic Zm9v",
            b"\xff\xfe",
            &basic(":secret"),
            &basic("id:%zz"),
            // RFC 9110 §11.4: nothing but spaces, and nothing that only Unicode calls white space.
            b"Basic\tZGVtbzpkZW1v",
            b"Basic \tZGVtbzpkZW1v",
            "\u{a0}Basic ZGVtbzpkZW1v".as_bytes(),
            "Basic\u{a0}ZGVtbzpkZW1v".as_bytes(),
            "Basic ZGVtbzpkZW1v\u{2000}".as_bytes(),
            b"Basic ZGVt bzpkZW1v",
            b"Basic \x0bZGVtbzpkZW1v",
        ];
        for header in bad {
            assert_eq!(parse_basic(header).unwrap_err().why, Why::BasicMalformed, "{header:?}");
        }
    }

    #[test]
    fn checklist_40_two_methods_in_one_request_are_refused() {
        let header = basic("demo:secret");
        let both = read_body(Some(&header), "client_id=demo&client_secret=secret");
        assert_eq!(both.unwrap_err(), Why::ClientAuthTwice);
        assert_eq!(read_body(Some(&header), "client_id=other").unwrap_err(), Why::ClientsDiffer);
        assert!(
            read_body(Some(&header), "client_id=demo").is_ok(),
            "the same id again is harmless"
        );
        assert_eq!(read_body(None, "").unwrap_err(), Why::ClientMissing);
        assert_eq!(read_body(None, "client_secret=x").unwrap_err(), Why::ClientMissing);
    }

    #[test]
    fn checklist_44_only_a_registered_method_counts() {
        let keys = keyring(&[1], 1);
        let mut demo = client("demo");
        demo.secret = keys.hash_client_secret("secret");
        let judge = |client: &Client, proof| {
            let credentials = Credentials { client_id: "demo".into(), proof };
            authenticate(&credentials, Some(client), &keys, NOW).map_err(|r| r.why)
        };
        assert_eq!(judge(&demo, ClientCredential::Basic("secret".into())), Ok(()));
        assert_eq!(
            judge(&demo, ClientCredential::Basic("wrong".into())),
            Err(Why::ClientSecretWrong)
        );
        let unregistered = Err(Why::ClientMethodNotRegistered);
        assert_eq!(judge(&demo, ClientCredential::Post("secret".into())), unregistered);
        assert_eq!(judge(&demo, ClientCredential::None), unregistered);
        demo.auth_methods = vec![AuthMethod::None];
        assert_eq!(judge(&demo, ClientCredential::Basic("secret".into())), unregistered);
        assert_eq!(judge(&demo, ClientCredential::None), Ok(()));
        demo.enabled = false;
        assert_eq!(judge(&demo, ClientCredential::None), Err(Why::ClientDisabled));
    }

    #[test]
    fn only_a_secret_that_there_is_can_be_guessed() {
        let keys = keyring(&[1], 1);
        let mut demo = client("demo");
        demo.secret = keys.hash_client_secret("secret");
        let judge = |client: Option<&Client>, proof| {
            guess(&Credentials { client_id: "demo".into(), proof }, client, &keys, NOW)
        };
        let (basic, post) = (ClientCredential::Basic, ClientCredential::Post);
        assert_eq!(judge(Some(&demo), basic("secret".into())), Guess::Right);
        assert_eq!(judge(Some(&demo), post("secret".into())), Guess::Right, "by another method");
        assert_eq!(judge(Some(&demo), post("wrong".into())), Guess::Wrong);
        assert_eq!(judge(None, basic("wrong".into())), Guess::Wrong);
        for nothing in [ClientCredential::None, basic(String::new()), post(String::new())] {
            assert_eq!(judge(Some(&demo), nothing), Guess::Nothing);
        }
        assert_eq!(judge(None, ClientCredential::None), Guess::Nothing);
        demo.enabled = false;
        assert_eq!(judge(Some(&demo), basic("secret".into())), Guess::Wrong, "or it would tell");
        demo.auth_methods = vec![AuthMethod::None];
        demo.secret = None;
        assert_eq!(judge(Some(&demo), basic("stray".into())), Guess::Nothing);
    }

    #[test]
    fn the_previous_secret_works_until_its_time_is_over() {
        let keys = keyring(&[1], 1);
        let mut demo = client("demo");
        demo.secret = keys.hash_client_secret("new");
        let until = Timestamp::from_millis(2_000);
        demo.previous_secret = keys.hash_client_secret("old").map(|stored| (stored, until));
        let judge = |secret: &str, now| {
            let proof = ClientCredential::Basic(secret.into());
            authenticate(&Credentials { client_id: "demo".into(), proof }, Some(&demo), &keys, now)
        };
        assert!(judge("new", NOW).is_ok() && judge("old", NOW).is_ok());
        assert!(judge("new", until).is_ok() && judge("old", until).is_err());
    }

    #[test]
    fn checklist_42_an_unknown_client_and_a_wrong_secret_get_the_same_answer() {
        let (unknown, wrong) =
            (Reject::from(Why::ClientUnknown), Reject::from(Why::ClientSecretWrong));
        assert_eq!((unknown.code, unknown.description()), (wrong.code, wrong.description()));
    }

    proptest! {
        #[test]
        fn no_header_panics(header in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_basic(&header);
            let _ = parse_basic(&basic(&String::from_utf8_lossy(&header)));
        }
    }
}
