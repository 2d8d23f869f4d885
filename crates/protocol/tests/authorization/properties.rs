//! What holds for every request, URI, code and flipped bit.

use std::fmt::Write as _;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use remint_protocol::authorize::{Request, Target};
use remint_protocol::browser_session::BrowserSessionId;
use remint_protocol::client::{AuthMethod, Client};
use remint_protocol::client_id::ClientId;
use remint_protocol::code::{AuthorizationCode, RedirectHash};
use remint_protocol::ends::Ends;
use remint_protocol::family_id::FamilyId;
use remint_protocol::form::Form;
use remint_protocol::interaction::{self, Interaction, Waiting};
use remint_protocol::keyring::{Keyring, RootKey};
use remint_protocol::pkce::Challenge;
use remint_protocol::redirect_uri::RedirectUri;
use remint_protocol::reject::Why;
use remint_protocol::resource::Resources;
use remint_protocol::response::ResponseType;
use remint_protocol::scope::Scope;
use remint_protocol::secret::{FamilySecret, SecretHash};
use remint_protocol::time::Timestamp;
use remint_protocol::user::UserId;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const SESSION: SecretHash = SecretHash([8; 32]);
const CALLBACK: &str = "https://app.example/cb";

fn keys() -> Keyring {
    Keyring::new(&[(1, RootKey([1; 32])), (2, RootKey([2; 32]))], 2).unwrap()
}

fn shop() -> Client {
    let mut shop = Client::new(ClientId::parse("shop").unwrap(), NOW);
    shop.auth_methods = vec![AuthMethod::ClientSecretBasic];
    shop.scope = Scope::parse("openid a b").unwrap();
    shop.authorize.response_types = ResponseType::ALL.to_vec();
    shop.authorize.redirect_uris =
        [CALLBACK, "http://127.0.0.1/cb"].map(|uri| RedirectUri::register(uri).unwrap()).to_vec();
    shop
}

/// Parameters with values that are right, wrong or odd; each at most once.
fn parameters() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let of = |values: &'static [&'static str]| prop_oneof![4 => prop::sample::select(values).prop_map(str::to_owned), 1 => "[^\0]{0,12}"];
    let all = [
        (
            "redirect_uri",
            of(&[CALLBACK, "http://127.0.0.1:80/cb", "https://evil.example/"]).boxed(),
        ),
        ("response_type", of(&["code", "id_token code", "token", "code code"]).boxed()),
        ("response_mode", of(&["query", "fragment", "form_post"]).boxed()),
        ("scope", of(&["openid", "openid a", "b a", "c"]).boxed()),
        ("state", of(&["xyz", "+", "%"]).boxed()),
        ("nonce", of(&["n"]).boxed()),
        ("prompt", of(&["none", "login", "none login"]).boxed()),
        ("max_age", of(&["0", "60", "-1"]).boxed()),
        ("code_challenge", of(&["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "x"]).boxed()),
        ("code_challenge_method", of(&["S256", "plain"]).boxed()),
        ("request", Just("x".to_owned()).boxed()),
        ("unheard_of", of(&["y"]).boxed()),
    ];
    // Most are there most of the time, or nothing would ever be right.
    let each = all.map(|(name, values)| {
        let weight = if matches!(name, "request" | "prompt" | "max_age") { 0.1 } else { 0.8 };
        prop::option::weighted(weight, values.prop_map(move |value| (name, value)))
    });
    each.to_vec().prop_map(|found| found.into_iter().flatten().collect())
}

fn encode(parameters: &[(&str, String)]) -> String {
    let mut text = String::new();
    for (name, value) in parameters {
        let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
        write!(text, "&{name}={value}").unwrap();
    }
    text
}

/// What a request comes to, whichever way.
fn judge(query: &str) -> Result<(Target, Result<Request, Why>), Why> {
    let form = Form::parse(query.as_bytes()).map_err(|reject| reject.why)?;
    let target = Target::prove(&form, Some(&shop())).map_err(|unproven| unproven.0)?;
    Ok((target, Request::read(&form, &shop()).map_err(|reject| reject.why)))
}

proptest! {
    #[test]
    fn checklist_7_the_order_of_the_parameters_means_nothing(
        (ordered, shuffled) in parameters()
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        prop_assert_eq!(judge(&encode(&ordered)), judge(&encode(&shuffled)));
    }

    #[test]
    fn checklist_7_how_a_value_is_written_means_nothing(all in parameters()) {
        let whole: String = all
            .iter()
            .map(|(name, value)| {
                let value: String = value.bytes().fold(String::new(), |mut text, byte| {
                    write!(text, "%{byte:02x}").unwrap();
                    text
                });
                format!("{name}={value}&&")
            })
            .collect();
        prop_assert_eq!(judge(&encode(&all)), judge(&whole));
    }

    #[test]
    fn checklist_8_a_parameter_that_is_there_twice_is_refused_before_all_else(
        all in parameters(), at: prop::sample::Index, place: prop::sample::Index, empty: bool,
    ) {
        prop_assume!(!all.is_empty());
        let mut twice = all.clone();
        let (name, value) = at.get(&all).clone();
        twice.insert(place.index(all.len() + 1), (name, if empty { String::new() } else { value }));
        prop_assert_eq!(judge(&encode(&twice)).err(), Some(Why::ParameterTwice));
    }

    #[test]
    fn checklist_8_what_is_unknown_or_empty_changes_nothing(
        all in parameters(), place: prop::sample::Index, value in "[^\0]{0,20}",
    ) {
        let mut more = all.clone();
        more.insert(place.index(all.len() + 1), ("never_heard_of", value));
        more.push(("id_token_hint", String::new()));
        prop_assert_eq!(judge(&encode(&all)), judge(&encode(&more)));
    }

    #[test]
    fn checklist_1_an_answer_goes_to_what_was_sent_and_what_was_sent_is_registered(
        all in parameters()
    ) {
        let sent = all.iter().find(|(name, value)| *name == "redirect_uri" && !value.is_empty());
        if let Ok((target, _)) = judge(&encode(&all)) {
            let (_, sent) = sent.expect("two are registered, so one is sent");
            prop_assert_eq!(&target.uri, sent);
            prop_assert!(sent == CALLBACK || is_loopback_variant("http://127.0.0.1/cb", sent));
        }
    }

    #[test]
    fn checklist_11_no_code_without_a_challenge_and_no_id_token_without_a_nonce(all in parameters()) {
        if let Ok((_, Ok(request))) = judge(&encode(&all)) {
            prop_assert!(!request.response_type.code || request.challenge.is_some());
            prop_assert!(!request.response_type.id_token || request.nonce.is_some());
            prop_assert!(request.scope.is_subset(&shop().scope));
        }
    }
}

/// Written anew, by the definition: the same but for what stands between the host and the path.
fn is_loopback_variant(registered: &str, presented: &str) -> bool {
    ["http://127.0.0.1", "http://[::1]"].iter().any(|literal| {
        let split = |uri: &str| -> Option<(String, String)> {
            let rest = uri.strip_prefix(literal)?;
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            Some((rest[..end].to_owned(), rest[end..].to_owned()))
        };
        let is_port = |port: &str| {
            port.is_empty()
                || port.strip_prefix(':').is_some_and(|digits| {
                    !digits.is_empty()
                        && digits.len() <= 5
                        && digits.bytes().all(|b| b.is_ascii_digit())
                        && (1..=65_535).contains(&digits.parse::<u32>().unwrap())
                })
        };
        match (split(registered), split(presented)) {
            (Some((own, path)), Some((port, same))) => {
                is_port(&own) && is_port(&port) && path == same
            }
            _ => false,
        }
    })
}

/// Pieces that URIs are made of, put together at random.
fn uri() -> impl Strategy<Value = String> {
    let pick = |values: &'static [&'static str]| prop::sample::select(values);
    let scheme =
        pick(&["https://", "http://", "HTTP://", "https:/", "com.example.app:/", "//", ""]);
    let user = pick(&["", "", "", "a@", "127.0.0.1@"]);
    let host = pick(&[
        "app.example",
        "127.0.0.1",
        "[::1]",
        "localhost",
        "127.1",
        "[::1",
        "127.0.0.1.evil",
    ]);
    let port = pick(&[
        "", "", ":80", ":8080", ":0", ":65535", ":65536", ":", ":x", ":080", ":+1", ":80:80",
    ]);
    let path = pick(&["", "/", "/cb", "/cb/", "/CB", "/%63b", "/cb?x=1", "?x", "/cb#f", "\\cb"]);
    (scheme, user, host, port, path).prop_map(|(a, b, c, d, e)| [a, b, c, d, e].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn checklist_1_nothing_matches_but_the_same_bytes_or_another_port_of_a_loopback_literal(
        registered in uri(), presented in prop_oneof![4 => uri(), 1 => ".{0,40}"],
    ) {
        let Ok(own) = RedirectUri::register(&registered) else { return Ok(()) };
        prop_assert!(own.matches(&registered));
        let expected = registered == presented || is_loopback_variant(&registered, &presented);
        prop_assert_eq!(own.matches(&presented), expected, "{} for {}", presented, registered);
    }

    #[test]
    fn checklist_1_one_changed_byte_is_another_uri(
        registered in uri(), at: prop::sample::Index, to: u8,
    ) {
        let Ok(own) = RedirectUri::register(&registered) else { return Ok(()) };
        let mut bytes = registered.clone().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        let Ok(changed) = String::from_utf8(bytes) else { return Ok(()) };
        prop_assert!(!own.matches(&changed) || is_loopback_variant(&registered, &changed));
    }

    #[test]
    fn checklist_2_what_is_registered_is_what_a_browser_goes_to(text in prop_oneof![4 => uri(), 1 => ".{0,40}"]) {
        let Ok(own) = RedirectUri::register(&text) else { return Ok(()) };
        prop_assert_eq!(own.as_str(), text.as_str());
        prop_assert!(text.bytes().all(|b| b.is_ascii_graphic()), "it fits into a header");
        prop_assert!(!text.contains(['#', '\\']));
        prop_assert_eq!(RedirectUri::from_stored(&text), Some(own));
    }
}

fn code() -> impl Strategy<Value = AuthorizationCode> {
    let ids = (any::<[u8; 16]>(), any::<[u8; 16]>(), any::<[u8; 16]>(), any::<[u8; 16]>());
    let bound = (any::<[u8; 32]>(), any::<bool>(), any::<Option<[u8; 32]>>());
    (ids, bound, ".{0,64}", prop::option::of(".{1,512}")).prop_map(|(ids, bound, claims, nonce)| {
        AuthorizationCode {
            family: FamilyId(ids.0),
            secret: FamilySecret::new(ids.1),
            user_id: UserId(ids.2),
            browser_session: BrowserSessionId(ids.3),
            auth_time: NOW,
            issued_at: NOW,
            born: Ends::new(7),
            redirect_uri: RedirectHash(bound.0),
            redirect_uri_sent: bound.1,
            challenge: bound.2.map(Challenge),
            amr: "pwd".into(),
            scope: Scope::parse("a openid").unwrap(),
            resources: Resources::default(),
            nonce,
            claims,
        }
    })
}

proptest! {
    #[test]
    fn a_code_says_what_was_sealed_to_its_client_alone(code in code()) {
        let (keys, shop) = (keys(), shop().id);
        let text = code.seal(&keys, &shop, &SESSION).unwrap();
        prop_assert_eq!(AuthorizationCode::open(&keys, &text, &shop).map(|opened| opened.code), Ok(code));
        let other = ClientId::parse("shop2").unwrap();
        prop_assert!(AuthorizationCode::open(&keys, &text, &other).is_err());
        prop_assert!(Interaction::open(&keys, Waiting::Authorization, &text.replace("rmac_", "rmir_"), NOW).is_err());
    }

    #[test]
    fn checklist_47_every_flipped_bit_makes_a_code_garbage(code in code(), at: prop::sample::Index, bit in 0_u8..8) {
        let (keys, shop) = (keys(), shop().id);
        let text = code.seal(&keys, &shop, &SESSION).unwrap();
        let mut bytes = text.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let Ok(flipped) = String::from_utf8(bytes) else { return Ok(()) };
        prop_assert!(AuthorizationCode::open(&keys, &flipped, &shop).is_err(), "{}", flipped);
    }

    #[test]
    fn a_waiting_request_says_what_was_sealed_until_it_is_too_old(
        request in ".{0,600}", since in 0_i64..2_000_000_000_000, later in 0_u64..7_200_000,
    ) {
        let keys = keys();
        let waiting = Interaction { waiting: Waiting::Authorization, request, since: Timestamp::from_millis(since), proof: None };
        let text = waiting.seal(&keys).unwrap();
        prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{}", text);
        let later = std::time::Duration::from_millis(later);
        let opened = Interaction::open(&keys, Waiting::Authorization, &text, waiting.since.after(later));
        prop_assert_eq!(opened.is_ok(), later < interaction::LIFETIME);
        prop_assert!(opened.is_err() || opened == Ok(waiting));
    }

    #[test]
    fn every_flipped_bit_makes_a_waiting_request_garbage(
        request in ".{0,100}", at: prop::sample::Index, bit in 0_u8..8,
    ) {
        let keys = keys();
        let mut bytes = Interaction { waiting: Waiting::Authorization, request, since: NOW, proof: None }.seal(&keys).unwrap().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let Ok(flipped) = String::from_utf8(bytes) else { return Ok(()) };
        prop_assert!(Interaction::open(&keys, Waiting::Authorization, &flipped, NOW).is_err(), "{}", flipped);
    }

    #[test]
    fn a_form_reads_back_what_was_written_into_it(
        fields in prop::collection::btree_map("[^\0]{1,8}", "[^\0]{0,12}", 0..40)
    ) {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let pairs: Vec<_> =
            fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let body = pairs.join("&");
        let form = Form::parse(body.as_bytes()).unwrap();
        for (name, value) in &fields {
            let expected = Some(value.as_str()).filter(|value| !value.is_empty());
            prop_assert_eq!(form.find(name), expected);
        }
        prop_assert_eq!(form.names().count(), fields.len());
    }
}
