//! `remint user update`: what is known of a person.

use serde_json::{Value, json};

use crate::home::Home;

const UPDATE: [&str; 3] = ["user", "update", "alice"];

fn update(home: &Home, flags: &[&str]) -> Value {
    home.json(&[UPDATE.as_slice(), flags].concat())
}

/// The claims of §5.1, without what is shown beside them and the time of the change.
fn claims(mut shown: Value) -> Value {
    for beside in ["username", "sub", "enabled", "created", "updated"] {
        shown.as_object_mut().unwrap().remove(beside).unwrap();
    }
    assert!(shown.as_object_mut().unwrap().remove("updated_at").unwrap().is_number());
    shown
}

#[test]
fn every_claim_of_the_standard_is_set_shown_and_taken_away() {
    let home = Home::furnished();
    let texts = json!({
        "name": "Alice Ö. Liddell",
        "given_name": "Alice",
        "family_name": "Liddell",
        "middle_name": "Pleasance",
        "nickname": "Al",
        "preferred_username": "alice",
        "profile": "https://people.example/alice",
        "picture": "https://people.example/alice.png",
        "website": "https://alice.example",
        "email": "alice@example.com",
        "gender": "female",
        "birthdate": "1852-05-04",
        "zoneinfo": "Europe/London",
        "locale": "en-GB",
        "phone_number": "+44 1865 123456",
    });
    let address = json!({
        "formatted": "Christ Church\nOxford",
        "street_address": "St Aldate's",
        "locality": "Oxford",
        "region": "Oxfordshire",
        "postal_code": "OX1 1DP",
        "country": "UK",
    });
    let member = |name: &str| match name {
        "formatted" => "--address".to_owned(),
        "street_address" => "--address-street".into(),
        name => format!("--address-{}", name.replace('_', "-")),
    };
    let claim = |name: &str| format!("--{}", name.replace('_', "-"));
    let mut flags: Vec<String> = Vec::new();
    for (name, value) in texts.as_object().unwrap() {
        flags.extend([claim(name), value.as_str().unwrap().to_owned()]);
    }
    for (name, value) in address.as_object().unwrap() {
        flags.extend([member(name), value.as_str().unwrap().to_owned()]);
    }
    flags.extend(["--email-verified".into(), "--phone-number-verified".into(), "false".into()]);
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let shown = update(&home, &flags);
    let mut expected = texts.clone();
    expected["address"] = address;
    expected["email_verified"] = json!(true);
    expected["phone_number_verified"] = json!(false);
    assert_eq!(claims(shown.clone()), expected);
    assert_eq!(home.json(&["user", "show", "alice"]), shown);
    let text = home.run(&["user", "show", "alice"]).ok().stdout;
    assert!(text.contains("formatted=Christ Church Oxford"), "one line each: {text}");

    let gone: Vec<_> =
        flags.iter().filter(|flag| flag.starts_with("--") && !flag.contains("verified")).collect();
    let gone: Vec<_> = gone.iter().flat_map(|flag| [**flag, ""]).collect();
    assert_eq!(claims(update(&home, &gone)), json!({}));
}

#[test]
fn an_address_changes_member_by_member() {
    let home = Home::furnished();
    update(&home, &["--address-locality", "Oxford", "--address-country", "UK"]);
    let moved = update(&home, &["--address-locality", "Bath", "--address-country", ""]);
    assert_eq!(moved["address"], json!({ "locality": "Bath" }));
    assert_eq!(update(&home, &["--address-locality", ""]).get("address"), None);
}

#[test]
fn another_address_is_not_verified_by_itself() {
    let home = Home::furnished();
    update(&home, &["--email", "alice@example.com", "--email-verified"]);
    let moved = update(&home, &["--email", "alice@other.example"]);
    assert_eq!(moved.get("email_verified"), None);
}

#[test]
fn what_no_profile_may_have_is_refused_with_what_to_write_instead() {
    let home = Home::furnished();
    update(&home, &["--name", "Alice"]);
    let before = home.json(&["user", "show", "alice"]);
    let long = "x".repeat(17_000);
    for (flags, reason) in [
        (vec![], "name a claim"),
        (vec!["--email", "alice"], "alice@example.com"),
        (vec!["--picture", "javascript:alert(1)"], "begins with https://"),
        (vec!["--birthdate", "yesterday"], "1990-12-31"),
        (vec!["--phone-number-verified"], "write that as well"),
        (vec!["--nickname", &long], "shorten"),
        (vec!["--nickname", "a\tb"], "one line"),
    ] {
        let error = home.run(&[UPDATE.as_slice(), &flags].concat()).failed();
        assert!(error.contains(reason), "{error}");
        assert_eq!(home.json(&["user", "show", "alice"]), before);
    }
    let error = home.run(&["user", "update", "bob", "--name", "Bob"]).failed();
    assert!(error.contains("there is no user bob"), "{error}");
}
