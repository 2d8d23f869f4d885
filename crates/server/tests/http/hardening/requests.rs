//! The authorization request: both methods, every parameter, in any order.

use std::io::ErrorKind;
use std::net::TcpListener;

use base64::Engine as _;
use remint_protocol::pkce::Pkce;
use remint_protocol::resource::Resources;
use remint_protocol::response::{ResponseMode, ResponseType};
use remint_testbed::http;

use super::{BOTH, By, Came, ask, ask_with, came, form, known, site};
use crate::site::{Answer, As, Site};
use crate::visitor::{CALLBACK, CHALLENGE, Callback, VERIFIER, request};

fn error(name: &str) -> Came {
    Came::Error(name.to_owned())
}

/// Requests of a known visitor, and what comes of them.
fn table() -> Vec<(&'static [(&'static str, &'static str)], Came)> {
    let invalid = || error("invalid_request");
    vec![
        (&[], Came::Code),
        // Line 8: unknown ones are ignored, and one without a value is not there.
        (&[("unheard_of", "x"), ("audience", "y"), ("claims_locales", "{")], Came::Code),
        (&[("display", "hologram"), ("acr_values", "gold"), ("ui_locales", "tlh")], Came::Code),
        // Line 32: what is not essential is not insisted upon.
        (&[("claims", "{\"id_token\":{\"acr\":{\"values\":[\"gold\"]}}}")], Came::Code),
        (
            &[("claims", "{\"id_token\":{\"acr\":{\"essential\":true,\"values\":[\"gold\"]}}}")],
            error("unmet_authentication_requirements"),
        ),
        (&[("claims", "{")], invalid()),
        // Line 9.
        (&[("response_type", "")], invalid()),
        (&[("response_type", "none")], error("unsupported_response_type")),
        (&[("response_type", "code code")], error("unsupported_response_type")),
        (&[("response_type", "Code")], error("unsupported_response_type")),
        (&[("response_type", "id_token code"), ("scope", "openid")], Came::Code),
        (&[("response_type", "code id_token"), ("scope", "openid")], Came::Code),
        // Line 10.
        (&[("response_mode", "web_message")], invalid()),
        (&[("response_mode", "query.jwt")], invalid()),
        (&[("response_mode", "fragment")], Came::Code),
        (&[("response_mode", "form_post")], Came::FormPost),
        (&[("response_type", "code id_token"), ("response_mode", "query")], invalid()),
        (&[("response_type", "token"), ("response_mode", "query")], invalid()),
        // Lines 11, 12 and 14.
        (&[("code_challenge", "")], invalid()),
        (&[("code_challenge", ""), ("code_challenge_method", "")], invalid()),
        (&[("code_challenge_method", "")], invalid()),
        (&[("code_challenge_method", "plain")], invalid()),
        (&[("code_challenge_method", "s256")], invalid()),
        (&[("code_challenge_method", "S512")], invalid()),
        (&[("code_challenge", "short")], invalid()),
        (&[("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=")], invalid()),
        (&[("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM")], invalid()),
        // Line 27.
        (&[("scope", "openid nobody")], error("invalid_scope")),
        (&[("scope", "openid \"")], error("invalid_scope")),
        (&[("scope", "öpenid")], error("invalid_scope")),
        // Line 28.
        (&[("prompt", "none")], Came::Code),
        (&[("prompt", "none login")], invalid()),
        (&[("prompt", "consent none")], invalid()),
        (&[("prompt", "create")], invalid()),
        (&[("prompt", "consent")], Came::Consent),
        (&[("prompt", "login consent")], Came::SignIn),
        (&[("prompt", "select_account")], Came::SignIn),
        (&[("scope", "openid b"), ("prompt", "none")], error("consent_required")),
        // Line 29.
        (&[("max_age", "-1")], invalid()),
        (&[("max_age", "1e3")], invalid()),
        // Line 30.
        (&[("id_token_hint", "x.y.z")], invalid()),
        // Lines 33 to 35.
        (&[("request", "e30.e30.")], error("request_not_supported")),
        (&[("request_uri", "https://evil.example/r")], error("request_uri_not_supported")),
        (&[("request_uri", "http://169.254.169.254/")], error("request_uri_not_supported")),
        (&[("request", "x"), ("request_uri", "https://x")], error("request_not_supported")),
        (&[("registration", "{}")], error("registration_not_supported")),
        (&[("nonce", ""), ("response_type", "id_token"), ("scope", "openid")], invalid()),
        (&[("scope", "a"), ("response_type", "id_token")], error("invalid_scope")),
    ]
}

#[test]
fn checklist_7_both_methods_give_the_same_answer_to_every_request() {
    let site = site();
    let mut visitor = known(&site);
    for (changes, expected) in table() {
        for by in BOTH {
            site.wait(1);
            assert_eq!(came(&ask_with(&mut visitor, by, changes)), expected, "{by:?} {changes:?}");
        }
    }
}

#[test]
fn checklist_7_the_query_of_a_post_is_no_part_of_the_request() {
    let site = site();
    let mut visitor = known(&site);
    let path = format!("/oauth2/authorize?{}", request(&[]));
    let answer = visitor.send("POST", &path, http::FORM, "");
    assert_eq!(came(&answer), Came::Page(400));
    for kind in ["Content-Type: application/json\r\n", "Content-Type: text/plain\r\n", ""] {
        let answer = visitor.send("POST", "/oauth2/authorize", kind, &request(&[]));
        assert_eq!(came(&answer), Came::Page(400), "{kind}");
    }
}

/// Every parameter that anything says something about.
const PARAMETERS: [&str; 21] = [
    "acr_values",
    "claims",
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "display",
    "id_token_hint",
    "login_hint",
    "max_age",
    "nonce",
    "prompt",
    "redirect_uri",
    "registration",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
    "ui_locales",
    "claims_locales",
];

#[test]
fn checklist_8_a_parameter_that_is_there_twice_is_an_error_and_no_redirect() {
    let site = site();
    let mut visitor = known(&site);
    for name in PARAMETERS {
        for (first, second) in [("x", "x"), ("x", "y"), ("", "x")] {
            let query = format!("{}&{name}={first}&{name}={second}", request(&[(name, "")]));
            for by in BOTH {
                assert_eq!(came(&ask(&mut visitor, by, &query)), Came::Page(400), "{by:?} {query}");
            }
        }
    }
}

#[test]
fn checklist_8_the_page_names_the_parameter_that_is_there_twice_and_no_name_of_the_requesters_own()
{
    let site = site();
    let named = |more: &str| {
        let [get, post] = BOTH.map(|by| {
            let page = ask(&mut site.visitor(), by, &format!("{}&{more}", request(&[])));
            assert_eq!(came(&page), Came::Page(400), "{by:?} {more}");
            let marked = page.body.split_once("id=\"error-parameter\"");
            marked.map(|(_, rest)| rest.split_once("</p>").unwrap().0.to_owned())
        });
        assert_eq!(get, post);
        get
    };
    for name in ["client_id", "redirect_uri", "scope", "state"] {
        assert!(named(&format!("{name}=x")).is_some_and(|text| text.contains(name)), "{name}");
    }
    assert!(named("client%5Fid=x").is_some_and(|text| text.contains("client_id")));
    assert!(named("resource=x:1&resource=x:2&nonce=x").unwrap().contains("nonce"));
    for unknown in ["evil=1&evil=2", "%3Cb%3E=1&%3Cb%3E=2", "claims_locales=1&claims_locales=2"] {
        assert_eq!(named(unknown), None, "{unknown}");
    }
}

#[test]
fn checklist_8_an_empty_parameter_is_not_there() {
    let site = site();
    let mut visitor = known(&site);
    for name in PARAMETERS {
        let without = request(&[(name, "")]);
        for by in BOTH {
            let [left_out, empty] = [without.clone(), format!("{without}&{name}=")]
                .map(|query| came(&ask(&mut visitor, by, &query)));
            assert_eq!(left_out, empty, "{by:?} {name}");
        }
    }
}

#[test]
fn checklist_8_resource_alone_may_repeat() {
    let site = Site::new();
    site.register_web("web", |client| {
        client.resources =
            Resources::parse(["https://one.example/", "https://two.example/"]).unwrap();
    });
    let mut visitor = site.visitor();
    visitor.obtain(&[("resource", "https://one.example/")]);
    let two = [("resource", "https://one.example/"), ("resource", "https://two.example/")];
    for by in BOTH {
        let query = format!("{}&{}", request(&[]), form(&two));
        assert_eq!(came(&ask(&mut visitor, by, &query)), Came::Consent, "the second was not asked");
        let query = format!("{}&{}", request(&[]), form(&[("resource", "https://evil.example/")]));
        assert_eq!(came(&ask(&mut visitor, by, &query)), error("invalid_target"));
    }
}

#[test]
fn checklist_9_a_client_gets_only_what_it_is_registered_for() {
    let site = Site::new();
    site.register_web("web", |_| {});
    let mut visitor = known(&site);
    for kind in ResponseType::ALL.iter().filter(|kind| **kind != ResponseType::CODE) {
        let kind = kind.to_string();
        for by in BOTH {
            let answer =
                ask_with(&mut visitor, by, &[("response_type", &kind), ("scope", "openid")]);
            assert_eq!(came(&answer), error("unauthorized_client"), "{kind}");
            let location = answer.header("location").unwrap();
            assert!(
                location.starts_with(&format!("{CALLBACK}#error=")),
                "in a fragment: {location}"
            );
        }
    }
}

#[test]
fn checklist_10_a_client_may_be_held_to_some_modes() {
    let site = Site::new();
    site.register_web("web", |client| {
        client.authorize.response_modes = vec![ResponseMode::FormPost];
    });
    let mut visitor = site.visitor();
    for (mode, expected) in [("query", "unauthorized_client"), ("fragment", "unauthorized_client")]
    {
        let answer = ask_with(&mut visitor, By::Get, &[("response_mode", mode)]);
        assert!(matches!(came(&answer), Came::Error(e) if e == expected || e == "invalid_request"));
    }
}

#[test]
fn checklist_11_a_confidential_client_with_a_nonce_policy_may_leave_the_challenge_out() {
    let site = Site::new();
    site.register_web("web", |client| client.authorize.pkce = Pkce::OrNonce);
    site.register_spa("spa", |_| {});
    let bare = [("code_challenge", ""), ("code_challenge_method", "")];
    let mut visitor = site.visitor();
    let code = visitor.code(&bare);
    // Line 14: a verifier that nothing was committed to.
    site.redeem(&code).expect(400, "invalid_grant");
    site.redeem_with(As::Client("web"), &code, &[("code_verifier", "")]).ok();
    let without_nonce = [&bare[..], &[("nonce", "")]].concat();
    assert_eq!(came(&ask_with(&mut visitor, By::Get, &without_nonce)), error("invalid_request"));
    let public = [&bare[..], &[("client_id", "spa")]].concat();
    assert_eq!(came(&ask_with(&mut visitor, By::Get, &public)), error("invalid_request"));
}

#[test]
fn checklist_13_and_14_a_verifier_that_is_none_redeems_nothing_and_spends_nothing() {
    let site = site();
    let code = site.visitor().code(&[]);
    let long = "a".repeat(129);
    let padded = format!("{VERIFIER}=");
    let umlaut = format!("{}ü", &VERIFIER[1..]);
    let spaced = format!("{VERIFIER} ");
    for verifier in ["", "short", &VERIFIER[1..], &long, &padded, &umlaut, &spaced, CHALLENGE] {
        site.redeem_with(As::Client("web"), &code, &[("code_verifier", verifier)])
            .expect(400, "invalid_grant");
    }
    assert!(site.families().is_empty());
    site.redeem(&code).ok();
}

#[test]
fn checklist_15_metadata_lists_the_methods_and_a_code_does_not_show_its_challenge() {
    let site = site();
    let metadata = site.get("/.well-known/oauth-authorization-server").ok().json();
    assert_eq!(metadata["code_challenge_methods_supported"], serde_json::json!(["S256"]));
    let base64 = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let code = site.visitor().code(&[]);
    let sealed = base64.decode(&code["rmac_".len()..code.len() - 6]).unwrap();
    let challenge = base64.decode(CHALLENGE).unwrap();
    let holds = |bytes: &[u8]| sealed.windows(bytes.len()).any(|part| part == bytes);
    assert!(!holds(&challenge[..8]) && !holds(b"n-0S6") && !holds(b"openid"));
}

#[test]
fn checklist_16_every_answer_in_every_mode_says_who_gives_it() {
    let site = site();
    let mut visitor = known(&site);
    let metadata = site.get("/.well-known/openid-configuration").ok().json();
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    let issuer = metadata["issuer"].as_str().unwrap();
    for kind in ["code", "id_token", "code id_token", "token", "none", "code token id_token"] {
        for mode in ["", "fragment", "form_post", "smoke"] {
            let changes = [("response_type", kind), ("response_mode", mode), ("scope", "openid")];
            let answer = ask_with(&mut visitor, By::Get, &changes);
            if came(&answer) == Came::FormPost {
                let field = format!("name=\"iss\" value=\"{issuer}\"");
                assert_eq!(answer.body.matches(&field).count(), 1, "{answer:?}");
            } else {
                assert_eq!(Callback::of(&answer).value("iss"), issuer, "{kind} {mode}");
            }
        }
    }
}

#[test]
fn checklist_17_a_state_comes_back_byte_by_byte_in_every_mode() {
    let site = site();
    let mut visitor = known(&site);
    let long = "0123456789abcdef".repeat(128);
    for state in [
        "+",
        "%",
        "%25",
        "a b+c",
        "ü€𝄞",
        "a&b=c#d?e",
        "\"'<>`",
        "\r\nX-Evil: 1",
        "a\u{202e}b",
        &long,
    ] {
        for by in BOTH {
            let answer = ask_with(&mut visitor, by, &[("state", state)]);
            assert_eq!(Callback::of(&answer).value("state"), state);
            let answer = ask_with(&mut visitor, by, &[("state", state), ("scope", "x y")]);
            let callback = Callback::of(&answer);
            assert_eq!(
                (callback.value("error"), callback.value("state").as_str()),
                ("invalid_scope".into(), state)
            );
        }
    }
    let longest = "s".repeat(4096);
    assert_eq!(
        Callback::of(&ask_with(&mut visitor, By::Get, &[("state", &longest)])).value("state"),
        longest
    );
    let longer = "s".repeat(4097);
    for by in BOTH {
        let page = ask_with(&mut visitor, by, &[("state", &longer)]);
        assert_eq!(came(&page), Came::Page(400));
        assert!(page.body.contains("state") && !page.body.contains("ssss"), "{page:?}");
    }
}

#[test]
fn checklist_18_error_texts_are_plain_and_never_say_what_was_sent() {
    let site = site();
    let mut visitor = known(&site);
    for name in PARAMETERS {
        // Each is also what nothing takes.
        for value in ["ZZ9plural\"\\", "ZZ9plural\u{7f}", "ZZ9plural ü"] {
            let answer = ask_with(&mut visitor, By::Get, &[("state", ""), (name, value)]);
            let Some(location) = answer.header("location") else { continue };
            let callback = Callback::of(&answer);
            let Some(text) = callback.find("error_description") else { continue };
            let legal = |b: u8| matches!(b, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E);
            assert!(text.bytes().all(legal) && !text.is_empty(), "{text}");
            assert!(name == "state" || !location.contains("ZZ9plural"), "{name}: {location}");
        }
    }
}

#[test]
fn checklist_20_no_origin_may_read_the_authorization_endpoint() {
    let site = site();
    let mut visitor = known(&site);
    let path = format!("/oauth2/authorize?{}", request(&[]));
    let has_cors = |answer: &Answer| {
        answer.headers.iter().any(|(n, _)| n.to_ascii_lowercase().starts_with("access-control-"))
    };
    for origin in ["https://app.example", "https://localhost:9443", "null", "https://evil.example"]
    {
        let lines = format!(
            "Origin: {origin}\r\nAccess-Control-Request-Method: GET\r\n\
             Access-Control-Request-Headers: authorization\r\n"
        );
        for method in ["GET", "OPTIONS", "HEAD"] {
            assert!(!has_cors(&visitor.send(method, &path, &lines, "")), "{method} {origin}");
        }
        for path in ["/login", "/consent", "/account", "/oidc/logout"] {
            assert!(!has_cors(&visitor.send("GET", path, &lines, "")), "{path} {origin}");
            assert!(!has_cors(&visitor.send("OPTIONS", path, &lines, "")), "{path} {origin}");
        }
    }
}

/// Decision K1 of the checklist: every client here was registered by an operator, so a fresh browser is
/// sent back with an error at once. Whom nobody registered gets a page, as line 3 has it.
#[test]
fn checklist_23_an_error_is_redirected_at_once_only_to_where_an_operator_said() {
    let site = site();
    let mut fresh = site.visitor();
    let bad = ("scope", "no such");
    assert_eq!(came(&ask_with(&mut fresh, By::Get, &[bad])), error("invalid_scope"));
    let elsewhere = [bad, ("redirect_uri", "https://evil.example/")];
    assert_eq!(came(&ask_with(&mut fresh, By::Get, &elsewhere)), Came::Page(400));
}

/// An unsecured object, one that nobody can check, and one that is none.
const OBJECTS: [&str; 3] = [
    "eyJhbGciOiJub25lIn0.eyJjbGllbnRfaWQiOiJ3ZWIiLCJyZXNwb25zZV90eXBlIjoiY29kZSJ9.",
    "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJjbGllbnRfaWQiOiJ3ZWIiLCJzY29wZSI6ImIifQ.c2ln",
    "x",
];

/// Decision 0018: what cannot be checked is not read. The parameters beside it are not answered either.
#[test]
fn checklist_33_a_request_object_is_refused_by_name_whatever_it_says() {
    let site = site();
    for object in OBJECTS {
        for by in BOTH {
            for mut visitor in [site.visitor(), known(&site)] {
                let answer = ask_with(&mut visitor, by, &[("request", object)]);
                assert_eq!(came(&answer), error("request_not_supported"), "{by:?} {object}");
            }
        }
    }
    // Nor does one say where the answer goes.
    let elsewhere = [("request", OBJECTS[0]), ("redirect_uri", "https://evil.example/")];
    assert_eq!(came(&ask_with(&mut site.visitor(), By::Get, &elsewhere)), Came::Page(400));
}

#[test]
fn checklist_35_a_request_uri_is_never_fetched() {
    let site = site();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    for scheme in ["http", "https"] {
        let uri = format!("{scheme}://127.0.0.1:{port}/request");
        for by in BOTH {
            for mut visitor in [site.visitor(), known(&site)] {
                let answer = ask_with(&mut visitor, by, &[("request_uri", &uri)]);
                assert_eq!(came(&answer), error("request_uri_not_supported"), "{by:?} {uri}");
            }
        }
        // Nor where no answer goes to the client.
        let nobody = [("client_id", "nobody"), ("request_uri", &*uri)];
        assert_eq!(came(&ask_with(&mut site.visitor(), By::Get, &nobody)), Came::Page(400));
    }
    let nobody = listener.accept().expect_err("a connection").kind();
    assert_eq!(nobody, ErrorKind::WouldBlock);
}

#[test]
fn checklist_34_metadata_does_not_promise_request_objects() {
    let metadata = site().get("/.well-known/openid-configuration").ok().json();
    for name in ["request", "request_uri"] {
        assert_eq!(metadata[format!("{name}_parameter_supported")], false, "{name}");
    }
}
