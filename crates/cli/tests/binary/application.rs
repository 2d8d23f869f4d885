//! `remint client` for applications that people sign in to.

use serde_json::{Value, json};

use crate::home::Home;

const CREATE: [&str; 5] = ["client", "create", "--id", "web", "--public"];
const CALLBACK: &str = "https://app.example/cb";

fn create(home: &Home, more: &[&str]) -> Value {
    home.json(&[&CREATE, ["--redirect-uri", CALLBACK].as_slice(), more].concat())
}

fn update(home: &Home, more: &[&str]) -> Value {
    home.json(&[["client", "update", "web"].as_slice(), more].concat())
}

#[track_caller]
fn check(shown: &Value, expected: &Value) {
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(&shown[member], value, "{member}");
    }
}

#[test]
fn a_client_with_a_redirection_uri_gets_the_code_flow_with_the_safe_defaults() {
    let home = Home::new();
    let defaults = json!({
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [CALLBACK],
        "response_types": ["code"],
        "response_modes": [],
        "pkce": "required",
        "plain_challenge": false,
        "repeat_redirect_uri": true,
        "first_party": false,
        "refresh_tokens": "always",
        "default_max_age": null,
        "id_token_signed_response_alg": null,
        "subject_type": "public",
        "access_token_format": "opaque",
        "web_origins": [],
    });
    check(&create(&home, &[]), &defaults);
    check(&home.json(&["client", "show", "web"]), &defaults);
    let once = ["client", "create", "--id", "once", "--redirect-uri", CALLBACK];
    let once = home.json(&[&once, ["--refresh-tokens", "never"].as_slice()].concat());
    check(&once, &json!({ "grant_types": ["authorization_code"], "refresh_tokens": "never" }));
    let old = ["client", "create", "--id", "old", "--redirect-uri", CALLBACK];
    let old = home.json(&[&old, ["--response-type", "id_token token"].as_slice()].concat());
    check(&old, &json!({ "grant_types": [], "response_types": ["id_token token"] }));
    let own =
        ["client", "create", "--id", "own", "--redirect-uri", CALLBACK, "--grant", "password"];
    check(&home.json(&own), &json!({ "grant_types": ["password"] }));
    let machine = ["client", "create", "--id", "machine", "--grant", "client_credentials"];
    assert_eq!(home.json(&machine).get("redirect_uris"), None, "no business there");
}

/// Every flag, and what is shown of it.
fn everything() -> (Vec<&'static str>, Value) {
    let flags = "--redirect-uri https://app.example/cb --redirect-uri http://127.0.0.1/cb \
        --post-logout-redirect-uri https://app.example/bye --response-type code \
        --response-mode form_post --response-mode query --pkce required --plain-challenge \
        --repeat-redirect-uri false --first-party true --refresh-tokens offline_access \
        --default-max-age 1h --id-token-alg ES256 --pairwise-sector app.example \
        --access-token-format jwt --backchannel-logout-uri https://app.example/back \
        --frontchannel-logout-uri https://app.example/front --web-origin https://app.example \
        --web-origin http://localhost:3000 --client-uri https://app.example \
        --policy-uri https://app.example/policy --tos-uri https://app.example/terms";
    let mut flags: Vec<_> = flags.split_ascii_whitespace().collect();
    flags.extend(["--response-type", "id_token code"]);
    let shown = json!({
        "redirect_uris": ["http://127.0.0.1/cb", "https://app.example/cb"],
        "post_logout_redirect_uris": ["https://app.example/bye"],
        "response_types": ["code", "code id_token"],
        "response_modes": ["query", "form_post"],
        "pkce": "required",
        "plain_challenge": true,
        "repeat_redirect_uri": false,
        "first_party": true,
        "refresh_tokens": "offline_access",
        "default_max_age": 3600,
        "id_token_signed_response_alg": "ES256",
        "subject_type": "pairwise",
        "pairwise_sector": "app.example",
        "access_token_format": "jwt",
        "backchannel_logout_uri": "https://app.example/back",
        "frontchannel_logout_uri": "https://app.example/front",
        "web_origins": ["http://localhost:3000", "https://app.example"],
        "client_uri": "https://app.example",
        "policy_uri": "https://app.example/policy",
        "tos_uri": "https://app.example/terms",
    });
    (flags, shown)
}

#[test]
fn every_part_of_a_registration_is_set_shown_kept_and_taken_away() {
    let home = Home::new();
    create(&home, &[]);
    let (flags, shown) = everything();
    check(&update(&home, &flags), &shown);
    check(&update(&home, &["--name", "The app"]), &shown);
    let text = home.run(&["client", "show", "web"]).ok().stdout;
    assert!(text.contains("code, code id_token\n"), "{text}");
    let back = "--post-logout-redirect-uri= --response-mode any --plain-challenge false \
        --repeat-redirect-uri true --first-party false --refresh-tokens always \
        --default-max-age none --id-token-alg inherit --pairwise-sector= \
        --access-token-format opaque --backchannel-logout-uri= --frontchannel-logout-uri= \
        --web-origin= --client-uri= --policy-uri= --tos-uri= --response-type code \
        --redirect-uri https://app.example/cb --name=";
    let back: Vec<_> = back.split_ascii_whitespace().collect();
    let plain = home.json(&["client", "show", "web"]);
    let mut fresh = update(&home, &back);
    let first =
        home.json(&["client", "create", "--id", "other", "--public", "--redirect-uri", CALLBACK]);
    for member in ["client_id", "created", "updated"] {
        fresh[member] = first[member].clone();
    }
    assert_eq!(fresh, first, "as if {plain} had never been");
}

#[test]
fn what_no_application_may_have_is_refused_with_what_to_write_instead() {
    let home = Home::new();
    create(&home, &[]);
    for (flags, reason) in [
        (["--redirect-uri", "https://app.example/cb#x"], "no fragment"),
        (["--redirect-uri", "javascript:alert(1)"], "not safe"),
        (["--redirect-uri", "http://app.example/cb"], "loopback addresses only"),
        (["--redirect-uri", ""], "needs a redirection URI"),
        (["--post-logout-redirect-uri", "myapp:/bye"], "com.example.app"),
        (["--pkce", "or_nonce"], "a public client needs PKCE"),
        (["--pairwise-sector", "https://app.example"], "write for example app.example"),
        (["--backchannel-logout-uri", "http://app.example/x"], "begins with https://"),
        (["--frontchannel-logout-uri", "https://other.example/"], "one of the client's"),
        (["--web-origin", "https://app.example/"], "without a path"),
        (["--client-uri", "javascript:alert(1)"], "client_uri is a URL that begins"),
        (["--policy-uri", "x"], "policy_uri is a URL that begins"),
        (["--tos-uri", "x"], "tos_uri is a URL that begins"),
    ] {
        let before = home.json(&["client", "show", "web"]);
        let error = home.run(&[["client", "update", "web"].as_slice(), &flags].concat()).failed();
        assert!(error.contains(reason), "{flags:?}: {error}");
        assert_eq!(home.json(&["client", "show", "web"]), before, "{flags:?}");
    }
    for (flags, advice) in [
        (["--response-type", "code code"], "write one of \"code\", \"token\""),
        (["--response-mode", "web_message"], "write one of query, fragment, form_post, any"),
        (["--pkce", "optional"], "write one of required, or_nonce"),
        (["--refresh-tokens", "sometimes"], "write one of always, offline_access, never"),
        (["--default-max-age", "soon"], "or `none`"),
        (["--id-token-alg", "none"], "write one of RS256, ES256, PS256, EdDSA, inherit"),
        (["--access-token-format", "saml"], "write one of opaque, jwt"),
    ] {
        let ran = home.run(&[["client", "update", "web"].as_slice(), &flags].concat());
        assert_eq!(ran.status.code(), Some(2), "{flags:?}");
        assert!(ran.stderr.contains(advice), "{flags:?}: {}", ran.stderr);
    }
}
