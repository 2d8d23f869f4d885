//! Client authentication at the token, introspection and revocation endpoints.

use remint_protocol::client::AuthMethod;
use remint_testbed::http;

use crate::site::{Answer, As, SECRET, Site, basic};

const CREDENTIALS: (&str, &str) = ("grant_type", "client_credentials");

fn ask(site: &Site, sender: As<'_>, form: &[(&str, &str)]) -> Answer {
    site.token(sender, &[&[CREDENTIALS], form].concat())
}

#[track_caller]
fn refused(answer: &Answer) {
    answer.expect(401, "invalid_client");
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Basic realm=\"remint\""), "{challenge}");
}

#[test]
fn basic_and_post_prove_a_confidential_client() {
    let site = Site::new();
    ask(&site, As::Client("demo"), &[]).ok();
    ask(&site, As::Nobody, &[("client_id", "demo"), ("client_secret", SECRET)]).ok();
    ask(&site, As::Client("demo"), &[("client_id", "demo")]).ok();
    refused(&ask(&site, As::Nobody, &[]));
    refused(&ask(&site, As::Nobody, &[("client_id", "demo")]));
    refused(&ask(&site, As::Nobody, &[("client_secret", SECRET)]));
}

#[test]
fn checklist_40_two_methods_or_two_clients_in_one_request_are_refused() {
    let site = Site::new();
    let demo = As::Client("demo");
    ask(&site, demo, &[("client_secret", SECRET)]).expect(400, "invalid_request");
    let both = [("client_id", "demo"), ("client_secret", SECRET)];
    ask(&site, demo, &both).expect(400, "invalid_request");
    ask(&site, demo, &[("client_id", "other")]).expect(400, "invalid_request");
}

#[test]
fn checklist_41_a_broken_basic_header_is_401_with_a_challenge() {
    let site = Site::new();
    site.register("a+b", |client| {
        client.secret = site.keys.hash_client_secret("p %+&");
    });
    for header in [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic ZGVtbw==",
        "Basic OnMzY3JldA==",
        "Basic ZGVtbzolenp6",
        "Basic /////w==",
        "Bearer ZGVtbzpzM2NyZXQ=",
        "ZGVtbzpzM2NyZXQ=",
        "Negotiate x",
    ] {
        refused(&ask(&site, As::Header(header), &[]));
    }
    ask(&site, As::Header(&basic("a%2Bb", "p+%25%2B%26")), &[]).ok();
    ask(&site, As::Header(&basic("demo", SECRET).replacen("Basic", "bASIC", 1)), &[]).ok();
}

#[test]
fn two_authorization_headers_are_refused() {
    let site = Site::new();
    let twice = format!("Authorization: {0}\r\nAuthorization: {0}\r\n", basic("demo", SECRET));
    let request = http::form("/oauth2/token", &twice, "grant_type=client_credentials");
    assert_eq!(site.exchange(request).status, 401);
}

#[test]
fn checklist_42_an_unknown_client_and_a_wrong_secret_look_alike() {
    let site = Site::new();
    let shape = |answer: Answer| {
        let mut headers = answer.headers;
        headers.retain(|(name, _)| name != "x-request-id" && name != "date");
        (answer.status, headers, answer.body)
    };
    let wrong = shape(ask(&site, As::Basic("demo", "wrong"), &[]));
    assert_eq!(shape(ask(&site, As::Basic("nobody", "wrong"), &[])), wrong);
    assert_eq!(shape(ask(&site, As::Basic("demo", ""), &[])), wrong);
    site.change("demo", |client| client.enabled = false);
    assert_eq!(shape(ask(&site, As::Client("demo"), &[])), wrong, "disabled");
}

#[test]
fn checklist_44_a_client_uses_the_methods_that_it_is_registered_for() {
    let site = Site::new();
    site.register("header", |c| c.auth_methods = vec![AuthMethod::ClientSecretBasic]);
    site.register("body", |c| c.auth_methods = vec![AuthMethod::ClientSecretPost]);
    site.register_public("spa");
    let body = |id| [("client_id", id), ("client_secret", SECRET)];
    ask(&site, As::Client("header"), &[]).ok();
    refused(&ask(&site, As::Nobody, &body("header")));
    ask(&site, As::Nobody, &body("body")).ok();
    refused(&ask(&site, As::Client("body"), &[]));
    refused(&ask(&site, As::Nobody, &[("client_id", "body")]));
    refused(&ask(&site, As::Client("spa"), &[]));
    refused(&ask(&site, As::Nobody, &body("spa")));
    site.log_in(As::Nobody, &[("client_id", "spa")]).ok();
}

#[test]
fn checklist_67_every_endpoint_names_the_scheme_and_takes_no_bearer_token() {
    let site = Site::new();
    let access = site.tokens().access;
    let bearer = format!("Bearer {access}");
    for path in ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"] {
        for sender in [As::Nobody, As::Header(&bearer)] {
            let answer = site.post(path, sender, &[("token", &access), CREDENTIALS]);
            refused(&answer);
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(!challenge.contains("error"), "{challenge}");
        }
    }
    let both = site.post(
        "/oauth2/introspect",
        As::Client("demo"),
        &[("token", &access), ("client_secret", SECRET)],
    );
    both.expect(400, "invalid_request");
}

#[test]
fn a_rotated_secret_works_beside_the_old_one_as_long_as_was_said() {
    let site = Site::new();
    site.change("demo", |client| {
        let old = client.secret.unwrap();
        client.previous_secret = Some((old, site.now().after(std::time::Duration::from_mins(1))));
        client.secret = site.keys.hash_client_secret("new");
    });
    ask(&site, As::Basic("demo", "new"), &[]).ok();
    ask(&site, As::Client("demo"), &[]).ok();
    site.wait(60);
    ask(&site, As::Basic("demo", "new"), &[]).ok();
    refused(&ask(&site, As::Client("demo"), &[]));
}

#[test]
fn checklist_89_a_changed_registration_takes_effect_within_a_second() {
    let site = Site::new();
    ask(&site, As::Client("demo"), &[]).ok();
    site.change("demo", |client| client.secret = site.keys.hash_client_secret("new"));
    refused(&ask(&site, As::Client("demo"), &[]));
    ask(&site, As::Basic("demo", "new"), &[]).ok();
}
