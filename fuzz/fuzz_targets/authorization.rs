//! The authorization request, and what carries it from page to page.
//!
//! Laws: an answer goes only where the client is registered, with the state as it was sent; no code
//! without a challenge; the order of the parameters means nothing. What waits or is redeemed opens only if
//! it is exactly what sealing gives, and never as the other kind.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use remint_protocol::authorize::{SignInContext, MAX_STATE, Request, Step, Target, decide};
use remint_protocol::client_id::ClientId;
use remint_protocol::client::{AuthMethod, Client};
use remint_protocol::code::AuthorizationCode;
use remint_protocol::form::Form;
use remint_protocol::interaction::{Interaction, MAX_REQUEST, Waiting};
use remint_protocol::keyring::{Keyring, RootKey};
use remint_protocol::redirect_uri::RedirectUri;
use remint_protocol::reject::Why;
use remint_protocol::resource::Resources;
use remint_protocol::response::ResponseType;
use remint_protocol::scope::Scope;
use remint_protocol::secret::SecretHash;
use remint_protocol::time::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

static KEYS: LazyLock<Keyring> =
    LazyLock::new(|| Keyring::new(&[(1, RootKey([1; 32]))], 1).expect("a keyring"));

static SHOP: LazyLock<Client> = LazyLock::new(|| {
    let mut shop = Client::new(ClientId::parse("shop").expect("an id"), NOW);
    shop.auth_methods = vec![AuthMethod::None];
    shop.scope = Scope::parse("openid a b").expect("a scope");
    shop.resources = Resources::parse(["https://api.example/"]).expect("a resource");
    shop.authorize.response_types = ResponseType::ALL.to_vec();
    shop.authorize.redirect_uris =
        ["https://app.example/cb", "http://127.0.0.1/cb", "com.example.app:/cb"]
            .iter()
            .map(|uri| RedirectUri::register(uri).expect("a URI"))
            .collect();
    shop
});

fuzz_target!(|input: &[u8]| {
    let first = judge(input);
    let mut pairs: Vec<_> = input.split(|byte| *byte == b'&').collect();
    // Backwards, the values of `resource` included: they are a set.
    pairs.reverse();
    let second = judge(&pairs.join(&b'&'));
    assert_eq!(first.is_some(), second.is_some(), "the order means something");
    if let (Some((first, _)), Some((second, _))) = (first, second) {
        assert_eq!(first, second, "the order means something");
    }
    if let Ok(text) = std::str::from_utf8(input) {
        waits(text);
        only_what_was_sealed_opens(text);
        registers(text);
    }
});

/// The target, and what the request asks for, of a request that goes anywhere at all.
fn judge(query: &[u8]) -> Option<(Target, Result<Request, Why>)> {
    let form = Form::parse(query).ok()?;
    let target = Target::prove(&form, Some(&SHOP)).ok()?;
    let uris = &SHOP.authorize.redirect_uris;
    let own = uris.iter().find(|uri| uri.matches(&target.uri)).expect("it is registered");
    let sent = form.find("redirect_uri").expect("several are registered");
    assert_eq!(sent, target.uri);
    assert!(sent == own.as_str() || own.as_str().starts_with("http://127.0.0.1"), "{sent}");
    assert!(target.uri.bytes().all(|b| b.is_ascii_graphic() && b != b'#'), "no header takes it");
    assert_eq!(target.state.as_deref(), form.find("state"));
    assert!(target.state.as_ref().is_none_or(|state| state.len() <= MAX_STATE));
    let request = Request::read(&form, &SHOP).map_err(|reject| reject.why);
    if let Ok(request) = &request {
        holds(request, &target);
    }
    Some((target, request))
}

fn holds(request: &Request, target: &Target) {
    assert!(!request.response_type.code || request.challenge.is_some(), "no challenge");
    assert!(!request.response_type.id_token || request.nonce.is_some(), "no nonce");
    assert!(request.scope.is_subset(&SHOP.scope) && request.resources.is_subset(&SHOP.resources));
    let nobody = SignInContext { session: None, subject: None, consent: None, is_proven: false };
    match decide(request, target, &SHOP, nobody, NOW) {
        Step::SignIn => assert!(!request.prompt.none, "a page"),
        Step::Refuse(reject) => {
            assert!(request.prompt.none, "no page");
            assert_eq!(reject.why, Why::LoginRequired);
        }
        step @ (Step::Consent | Step::Answer) => panic!("{step:?} for nobody"),
    }
}

/// A request that waits comes back as it was.
fn waits(request: &str) {
    let waiting = Interaction {
        waiting: Waiting::Authorization,
        request: request.to_owned(),
        since: NOW,
        proof: None,
    };
    let Some(text) = waiting.seal(&KEYS) else {
        assert!(request.len() > MAX_REQUEST);
        return;
    };
    assert!(AuthorizationCode::open(&KEYS, &text, &SHOP.id).is_err());
    assert_eq!(Interaction::open(&KEYS, Waiting::Authorization, &text, NOW), Ok(waiting));
}

/// Nobody can write one, or a second spelling of one.
fn only_what_was_sealed_opens(text: &str) {
    if let Ok(waiting) = Interaction::open(&KEYS, Waiting::Authorization, text, NOW) {
        assert_eq!(waiting.seal(&KEYS).as_deref(), Some(text));
    }
    if let Ok(code) = AuthorizationCode::open(&KEYS, text, &SHOP.id) {
        // The tag is the store's to make; all the rest is sealed as it was said.
        let again = code.code.seal(&KEYS, &SHOP.id, &SecretHash([7; 32])).unwrap();
        let opened = AuthorizationCode::open(&KEYS, &again, &SHOP.id).unwrap();
        assert_eq!(opened.code, code.code);
    }
}

/// What is registered can be redirected to, and matches itself.
fn registers(text: &str) {
    if let Ok(uri) = RedirectUri::register(text) {
        assert!(uri.matches(text) && text.bytes().all(|b| b.is_ascii_graphic()));
        assert!(!text.contains(['#', '\\']), "{text}");
        assert_eq!(RedirectUri::from_stored(text).as_ref(), Some(&uri));
    }
}
