//! `remint client`.

use serde_json::json;

use crate::home::{Home, eventually};

const CREATE: [&str; 6] = ["client", "create", "--id", "app", "--grant", "client_credentials"];

#[test]
fn a_generated_secret_is_shown_once_and_works() {
    let home = Home::furnished();
    let made = home.json(&CREATE);
    let secret = made["client_secret"].as_str().unwrap();
    assert!(secret.len() >= 43, "256 bits: {secret}");
    let shown = home.run(&["client", "show", "app", "--json"]).ok();
    assert!(!shown.stdout.contains("secret\":"), "{}", shown.stdout);
    let server = home.serve();
    let form = [("grant_type", "client_credentials")];
    let answer = server.try_post_as(&format!("app:{secret}"), "/oauth2/token", &form);
    answer.unwrap().ok();
}

#[test]
fn registration_is_shown_as_it_was_made() {
    let home = Home::new();
    home.run(&[
        "client",
        "create",
        "--id",
        "spa",
        "--public",
        "--grant",
        "password",
        "--grant",
        "refresh_token",
        "--scope",
        "b a",
        "--name",
        "The shop",
        "--resource",
        "https://api",
        "--grace-period",
        "60s",
        "--refresh-token-max-lifetime",
        "none",
    ])
    .ok();
    let spa = home.json(&["client", "show", "spa"]);
    for (member, value) in [
        ("client_id", json!("spa")),
        ("name", json!("The shop")),
        ("enabled", json!(true)),
        ("token_endpoint_auth_methods", json!(["none"])),
        ("grant_types", json!(["password", "refresh_token"])),
        ("scope", json!("a b")),
        ("resources", json!(["https://api"])),
        ("grace_period", json!("1m")),
        ("refresh_token_max_lifetime", json!("none")),
        ("renew_refresh_token", json!(null)),
    ] {
        assert_eq!(spa[member], value, "{member}");
    }
    assert_eq!(home.json(&["client", "list"]).as_array().unwrap().len(), 1);
    assert!(home.run(&["client", "list"]).ok().stdout.contains("spa"));
}

#[test]
fn what_no_registration_may_have_is_refused_with_the_reason() {
    let home = Home::new();
    let public = ["client", "create", "--id", "spa", "--public"];
    for (more, reason) in [
        (vec![], "the client could do nothing: name a grant"),
        (vec!["--grant", "client_credentials"], "RFC 6749 §4.4"),
        (vec!["--grant", "password", "--renew-refresh-token", "false"], "RFC 9700 §2.2.2"),
        (vec!["--grant", "password", "--scope", "a\"b"], "illegal character"),
        (vec!["--grant", "password", "--resource", "nowhere"], "absolute URI"),
        (vec!["--grant", "password", "--grace-period", "11m"], "grace_period"),
    ] {
        let error = home.run(&[&public, more.as_slice()].concat()).failed();
        assert!(error.contains(reason), "{more:?}: {error}");
    }
    let error = home.run(&["client", "create", "--id", "usr_x", "--grant", "password"]).failed();
    assert!(error.contains("can not be a client id"), "{error}");
    home.run(&CREATE).ok();
    let error = home.run(&CREATE).failed();
    assert!(error.contains("there is a client app already"), "{error}");
    for arguments in [vec!["client", "show", "x"], vec!["client", "delete", "x"]] {
        assert!(home.run(&arguments).failed().contains("there is no client x"));
    }
    let unknown = home.run(&["client", "create", "--id", "y", "--grant", "implicit"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        unknown.stderr.contains("write one of authorization_code, client_credentials"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn a_running_server_follows_changes_of_a_client() {
    let home = Home::furnished();
    let server = home.serve();
    let first = server.log_in().ok().text("refresh_token");
    home.run(&["client", "update", "shop", "--renew-refresh-token", "false"]).ok();
    let kept = std::cell::RefCell::new(first);
    eventually("the same token comes back", || {
        let next = server.refresh(&kept.borrow()).ok().text("refresh_token");
        kept.replace(next.clone()) == next
    });
    home.run(&["client", "update", "shop", "--renew-refresh-token", "inherit"]).ok();
    assert_eq!(home.json(&["client", "show", "shop"])["renew_refresh_token"], json!(null));

    home.run(&["client", "update", "shop", "--enabled", "false"]).ok();
    eventually("a disabled client is refused", || server.log_in().status == 401);
    home.run(&["client", "update", "shop", "--enabled", "true"]).ok();
    eventually("an enabled one is not", || server.log_in().status == 200);

    home.run(&["client", "delete", "shop"]).ok();
    eventually("a deleted one is", || server.log_in().status == 401);
}

#[test]
fn a_rotated_secret_leaves_the_old_one_as_long_as_told() {
    let home = Home::furnished();
    let server = home.serve();
    let works = |secret: &str| {
        let form = [("grant_type", "client_credentials")];
        let credentials = format!("shop:{secret}");
        server.try_post_as(&credentials, "/oauth2/token", &form).unwrap().status == 200
    };
    let rotated = home.json(&["client", "rotate-secret", "shop", "--keep-old", "1h"]);
    let second = rotated["client_secret"].as_str().unwrap().to_owned();
    eventually("the new secret works", || works(&second));
    assert!(works(crate::home::SECRET), "and so does the old one");
    home.run_with(&["client", "rotate-secret", "shop", "--secret-stdin"], "third\n").ok();
    eventually("the third works", || works("third"));
    assert!(!works(&second) && !works(crate::home::SECRET));
}

#[test]
fn a_client_made_again_under_the_same_id_has_nothing_of_the_old_one() {
    let home = Home::furnished();
    let server = home.serve();
    let session = server.log_in().ok();
    let own = server.post("/oauth2/token", &[("grant_type", "client_credentials")]).ok();
    home.run(&["client", "delete", "shop"]).ok();
    let again = ["client", "create", "--id", "shop", "--grant", "password", "--secret-stdin"];
    home.run_with(&again, "another-secret").ok();
    let seen = |token: &str| {
        let form = [("token", token)];
        server.try_post_as("shop:another-secret", "/oauth2/introspect", &form).unwrap()
    };
    eventually("the new client is known", || seen("x").status == 200);
    for token in [own.text("access_token"), session.text("access_token")] {
        assert_eq!(seen(&token).body, r#"{"active":false}"#);
    }
}

#[test]
fn a_command_line_that_can_not_be_read_says_how() {
    let home = Home::new();
    let ran = home.run(&["client", "update", "shop", "--grace-period", "soon"]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(ran.stderr.contains("write a time such as"), "{}", ran.stderr);
}

#[test]
fn a_public_client_becomes_confidential_on_purpose_alone() {
    let home = Home::furnished();
    let spa =
        ["client", "create", "--id", "spa", "--public", "--grant", "password", "--scope", "a b"];
    let with_secret = home.run_with(&[&spa[..], &["--secret-stdin"]].concat(), "x");
    assert_eq!(with_secret.status.code(), Some(2), "--public leaves no secret to give");
    let by_method = [
        &["client", "create", "--id", "spa", "--grant", "password"][..],
        &["--token-endpoint-auth-method", "none", "--secret-stdin"],
    ]
    .concat();
    let error = home.run_with(&by_method, "x").failed();
    assert!(error.contains("a public client has no secret: leave out --secret-stdin"), "{error}");
    home.run(&spa).ok();
    let before = home.json(&["client", "show", "spa"]);
    for rotate in [
        &["client", "rotate-secret", "spa"][..],
        &["client", "rotate-secret", "spa", "--keep-old", "1h"],
    ] {
        let error = home.run(rotate).failed();
        assert!(error.contains("the client spa is public"), "{error}");
        let way = "remint client update spa --token-endpoint-auth-method client_secret_basic";
        assert!(error.contains(way), "{error}");
    }
    let read = home.run_with(&["client", "rotate-secret", "spa", "--secret-stdin"], "x\n").failed();
    assert!(read.contains("is public"), "{read}");
    // What changes something else changes nothing of it.
    home.run(&["client", "update", "spa", "--name", "The app"]).ok();
    let after = home.json(&["client", "show", "spa"]);
    assert_eq!(after["token_endpoint_auth_methods"], before["token_endpoint_auth_methods"]);
    // On purpose, it gets the secret that it needs from then on.
    let method = ["--token-endpoint-auth-method", "client_secret_basic"];
    let update = [&["client", "update", "spa"][..], &method].concat();
    let secret = home.json(&update)["client_secret"].as_str().unwrap().to_owned();
    let server = home.serve();
    let form = [("grant_type", "password"), ("username", "alice"), ("password", "wonderland")];
    server.try_post_as(&format!("spa:{secret}"), "/oauth2/token", &form).unwrap().ok();
    // Again it changes nothing, and no secret is lost or made.
    assert_eq!(home.json(&update)["client_secret"], json!(null));
    server.try_post_as(&format!("spa:{secret}"), "/oauth2/token", &form).unwrap().ok();
    let read = [&update[..], &["--secret-stdin"]].concat();
    let error = home.run_with(&read, "x").failed();
    assert!(error.contains("`remint client rotate-secret spa` changes a secret"), "{error}");
    // And back, which says what is lost.
    let public = ["client", "update", "spa", "--token-endpoint-auth-method", "none"];
    let ran = home.run(&public).ok();
    assert!(ran.stderr.contains("The client is public now: its secret is deleted"), "{ran:?}");
    home.run_with(&read, "own-secret\n").ok();
    eventually("the secret that was read works", || {
        let answer = server.try_post_as("spa:own-secret", "/oauth2/token", &form);
        answer.is_some_and(|answer| answer.status == 200)
    });
}
