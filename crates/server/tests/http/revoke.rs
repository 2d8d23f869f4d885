//! The revocation endpoint (RFC 7009).

use crate::site::{As, Site, Tokens};

const DEMO: As<'_> = As::Client("demo");

fn revoke(site: &Site, sender: As<'_>, form: &[(&str, &str)]) {
    let answer = site.post("/oauth2/revoke", sender, form).ok();
    assert_eq!(answer.body, "");
}

#[test]
fn checklist_69_a_refresh_token_ends_with_its_access_tokens() {
    let site = Site::new();
    let first = site.tokens();
    let next: Tokens = site.refresh(&first.refresh).ok().into();
    revoke(&site, DEMO, &[("token", &next.refresh)]);
    for access in [&first.access, &next.access] {
        assert!(!site.is_active(access));
    }
    site.refresh(&next.refresh).expect(400, "invalid_grant");
}

#[test]
fn signing_out_with_an_old_token_works_too() {
    let site = Site::new();
    let first = site.tokens();
    let next: Tokens = site.refresh(&first.refresh).ok().into();
    revoke(&site, DEMO, &[("token", &first.refresh)]);
    site.refresh(&next.refresh).expect(400, "invalid_grant");
}

#[test]
fn checklist_69_an_access_token_ends_alone() {
    let site = Site::new();
    let tokens = site.tokens();
    let other = site.token(DEMO, &[("grant_type", "client_credentials")]).ok();
    revoke(&site, DEMO, &[("token", &tokens.access)]);
    assert!(!site.is_active(&tokens.access));
    assert!(site.is_active(&other.text("access_token")) && site.is_active(&tokens.refresh));
    revoke(&site, DEMO, &[("token", &other.text("access_token"))]);
    assert!(!site.is_active(&other.text("access_token")));
    site.refresh(&tokens.refresh).ok();
}

#[test]
fn checklist_69_unknown_tokens_and_those_of_others_are_200_and_stay() {
    let site = Site::new();
    site.register("other", |_| {});
    let tokens = site.tokens();
    for token in [tokens.access.as_str(), &tokens.refresh, "nonsense", "rmrt_x", "rmat_x"] {
        revoke(&site, As::Client("other"), &[("token", token)]);
    }
    assert!(site.is_active(&tokens.access) && site.is_active(&tokens.refresh));
    site.refresh(&tokens.refresh).ok();
}

#[test]
fn checklist_69_a_wrong_hint_does_no_harm() {
    let site = Site::new();
    let tokens = site.tokens();
    revoke(&site, DEMO, &[("token", &tokens.refresh), ("token_type_hint", "access_token")]);
    site.refresh(&tokens.refresh).expect(400, "invalid_grant");
    let tokens = site.tokens();
    revoke(&site, DEMO, &[("token", &tokens.access), ("token_type_hint", "nonsense")]);
    assert!(!site.is_active(&tokens.access));
}

#[test]
fn checklist_69_the_client_authenticates() {
    let site = Site::new();
    let tokens = site.tokens();
    let form = [("token", tokens.refresh.as_str())];
    for sender in [As::Nobody, As::Basic("demo", "wrong")] {
        site.post("/oauth2/revoke", sender, &form).expect(401, "invalid_client");
    }
    site.post("/oauth2/revoke", DEMO, &[]).expect(400, "invalid_request");
    site.refresh(&tokens.refresh).ok();

    site.register_public("spa");
    let spa = ("client_id", "spa");
    let tokens: Tokens = site.log_in(As::Nobody, &[spa]).ok().into();
    revoke(&site, As::Nobody, &[("token", &tokens.refresh), spa]);
    site.refresh_as(As::Nobody, &tokens.refresh, &[spa]).expect(400, "invalid_grant");
}

#[test]
fn checklist_69_a_store_that_does_not_answer_is_503_not_200() {
    let site = Site::new();
    let tokens = site.tokens();
    site.close_store();
    let answer = site.post("/oauth2/revoke", DEMO, &[("token", &tokens.refresh)]);
    answer.expect(503, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), Some("1"));
    let refused = site.refresh(&tokens.refresh);
    refused.expect(503, "temporarily_unavailable");
    assert_eq!(site.get("/health/ready").status, 503);
    assert_eq!(site.get("/health/live").status, 200);
}
