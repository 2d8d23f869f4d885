//! The keys that sign JWTs, as an operator sees them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::home::{Home, Server, eventually};

fn listed(home: &Home) -> Vec<Value> {
    let keys = home.json(&["key", "list"]);
    keys.as_array().unwrap().iter().filter(|key| key["kind"] == "signing").cloned().collect()
}

/// The kids of an algorithm in one state.
fn kids(home: &Home, alg: &str, state: &str) -> Vec<String> {
    let mut keys = listed(home);
    keys.retain(|key| key["alg"] == alg && key["state"] == state);
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn published(server: &Server) -> BTreeSet<String> {
    let set = server.get("/oauth2/jwks").ok().json();
    let keys = set["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn all(home: &Home) -> BTreeSet<String> {
    listed(home).iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn init_makes_a_key_for_each_algorithm_and_a_server_publishes_them() {
    let home = Home::new();
    let keys = listed(&home);
    let algs: Vec<_> = keys.iter().map(|key| key["alg"].as_str().unwrap()).collect();
    assert_eq!(algs, ["RS256", "ES256", "PS256", "EdDSA"]);
    assert!(keys.iter().all(|key| key["state"] == "signing" && key["sealed_under"] == 1));
    let text = home.run(&["key", "list"]).ok().stdout;
    assert!(text.contains("root") && text.contains("RS256  signing"), "{text}");
    let server = home.serve();
    assert_eq!(published(&server), all(&home));
    assert_eq!(all(&home).len(), 4, "the server made none");
}

#[test]
fn a_rotated_key_is_published_first_and_one_that_leaked_is_withdrawn_at_once() {
    let home = Home::new();
    let server = home.serve();
    let [first] = &kids(&home, "RS256", "signing")[..] else { panic!() };
    let said = home.run(&["key", "rotate"]).ok().stdout;
    assert_eq!(said.matches("is published; it signs from").count(), 4, "{said}");
    assert_eq!(kids(&home, "RS256", "signing"), [first.as_str()]);
    let [waits] = &kids(&home, "RS256", "published")[..] else { panic!() };
    eventually("the server publishes them", || published(&server).len() == 8);
    let error = home.run(&["key", "rotate", "--alg", "RS256"]).failed();
    assert!(error.contains("the next RS256 key is published already and signs from"), "{error}");
    let error = home.run(&["key", "rotate", "--withdraw"]);
    assert!(!error.status.success() && error.stderr.contains("--now"), "{error:?}");

    home.run(&["key", "rotate", "--alg", "RS256", "--now", "--withdraw"]).ok();
    let [last] = &kids(&home, "RS256", "signing")[..] else { panic!() };
    assert!(![first, waits].contains(&last));
    eventually("the server publishes it alone", || published(&server) == all(&home));
    assert_eq!(all(&home).len(), 7, "and of the others both");
}

#[test]
fn a_root_key_is_not_given_up_while_a_signing_key_is_sealed_under_it() {
    let home = Home::new();
    home.set("tokens.access_token_lifetime", "\"1s\"");
    home.run(&["key", "add"]).ok();
    home.run(&["key", "activate", "2"]).ok();
    let error = home.run(&["key", "retire", "1"]).failed();
    assert!(error.contains("4 signing keys are sealed under it"), "{error}");
    let before = all(&home);
    let server = home.serve();
    let under_2 = || listed(&home).iter().all(|key| key["sealed_under"] == 2);
    eventually("the server moves them", under_2);
    let retire = || home.run(&["key", "retire", "1"]).status.success();
    eventually("nothing needs the old one", retire);
    assert_eq!(published(&server), before);
    server.stop();
    assert_eq!(published(&home.serve()), before);
}

#[test]
fn what_is_lost_with_a_root_key_is_made_anew() {
    let home = Home::new();
    home.run(&["key", "add"]).ok();
    home.run(&["key", "activate", "2"]).ok();
    let before = all(&home);
    home.run(&["key", "retire", "1", "--force"]).ok();
    assert!(listed(&home).is_empty());
    let published = published(&home.serve());
    assert_eq!((published.len(), published.is_disjoint(&before)), (4, true));
}
