//! The playground of a development server: the whole walk as a browser takes it.

use remint_protocol::client::{AuthMethod, GrantType};
use remint_protocol::family::RevokeReason;
use remint_protocol::redirect_uri::RedirectUri;
use remint_protocol::resource::Resources;
use remint_server::playground::{self, PlaygroundClients};

use crate::site::{Answer, PASSWORD, SECRET, Site};
use crate::visitor::{Visitor, hidden, is_consent, is_sign_in};

const ISSUER: &str = "https://localhost:9443";
const API: &str = "https://api.example/";

/// A site with the clients that `remint serve --dev` seeds.
fn site() -> Site {
    let clients =
        PlaygroundClients { app: "app", scope: "openid profile email a", api: ("api", SECRET) };
    let site = Site::with_more(|app| playground::routes(app, clients));
    let api = || Resources::parse([API]).unwrap();
    let uri = |path: &str| vec![RedirectUri::register(&format!("{ISSUER}{path}")).unwrap()];
    site.register_spa("app", |client| {
        client.auth_methods = vec![AuthMethod::None];
        client.grants = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
        client.resources = api();
        client.authorize.redirect_uris = uri("/playground/callback");
        client.relying_party.post_logout_redirect_uris = uri("/playground/signed-out");
    });
    site.register("api", |client| client.serves = api());
    site
}

/// What a page shows, without its markup.
fn text(html: &str) -> String {
    let text: String =
        html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect();
    text.replace("&#38;", "&").replace("&#34;", "\"").replace("&#39;", "'")
}

fn seen(page: &Answer, parts: &[&str]) {
    assert_eq!(page.status, 200, "{page:?}");
    let text = text(&page.body);
    for part in parts {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

/// The value of a column of the family's row, as the page shows it.
fn column(page: &Answer, name: &str) -> String {
    let start = format!("id=\"family-{name}\">");
    let (_, rest) = page.body.split_once(&start).unwrap_or_else(|| panic!("{name}: {page:?}"));
    rest.split_once('<').unwrap().0.to_owned()
}

/// Where the page's button leads.
fn link(page: &Answer) -> String {
    let (_, rest) = page.body.split_once("id=\"playground-begin\" href=\"").unwrap();
    rest.split_once('"').unwrap().0.replace("&#38;", "&")
}

impl Visitor<'_> {
    /// Follows redirects of this server, those that name it whole, too.
    fn go(&mut self, mut answer: Answer) -> Answer {
        loop {
            answer = self.follow(answer);
            let Some(own) = answer.header("location").and_then(|to| to.strip_prefix(ISSUER)) else {
                return answer;
            };
            let own = own.split('#').next().unwrap().to_owned();
            answer = self.get(&own);
        }
    }

    /// From the playground's button through sign-in and consent back to the playground.
    fn play(&mut self) -> Answer {
        let page = self.get("/playground");
        let answer = self.get(&link(&page));
        let mut answer = self.go(answer);
        if is_sign_in(&answer) {
            let (csrf, flow) = (hidden(&answer, "csrf"), hidden(&answer, "flow"));
            let name = [("username", "alice"), ("password", PASSWORD)];
            let fields = [&[("csrf", &*csrf), ("flow", &*flow)], &name[..]].concat();
            answer = self.post("/login", &fields);
            answer = self.go(answer);
        }
        if is_consent(&answer) {
            let (csrf, flow) = (hidden(&answer, "csrf"), hidden(&answer, "flow"));
            let fields = [("csrf", &*csrf), ("flow", &*flow), ("decision", "allow")];
            answer = self.post("/consent", &fields);
            answer = self.go(answer);
        }
        answer
    }

    /// Presses one of the playground's buttons.
    fn press(&mut self, page: &Answer, step: &str) -> Answer {
        assert!(page.body.contains(&format!("value=\"{step}\"")), "{step} is not on {page:?}");
        let csrf = hidden(page, "csrf");
        let answer = self.post("/playground", &[("csrf", &csrf), ("step", step)]);
        assert_eq!(answer.status, 303, "{answer:?}");
        self.go(answer)
    }

    /// A walk up to the first tokens.
    fn playing(&mut self) -> Answer {
        let page = self.play();
        self.press(&page, "redeem")
    }
}

#[test]
fn a_walk_shows_each_request_its_answer_and_the_familys_row() {
    let site = site();
    let mut visitor = site.visitor();
    let page = visitor.play();
    seen(&page, &["GET /oauth2/authorize", "&code_challenge_method=S256", "A code came back"]);
    seen(&page, &["✓ state is", "✓ iss is", "iss=https%3A%2F%2Flocalhost%3A9443"]);
    assert!(site.families().is_empty(), "nothing is written yet");

    let page = visitor.press(&page, "redeem");
    seen(&page, &["POST /oauth2/token HTTP/1.1", "grant_type=authorization_code", "\"rmrt_"]);
    seen(&page, &["✓ nonce is", "✓ at_hash is", "✓ aud is", "host: localhost:9443", "200 OK"]);
    assert_eq!(column(&page, "generation"), "0");

    let page = visitor.press(&page, "refresh");
    seen(&page, &["Row of the table: current", "grant_type=refresh_token", "✓ sub and auth_time"]);
    assert_eq!(
        (column(&page, "generation"), column(&page, "revoked_at")),
        ("1".into(), "–".into())
    );
    assert!(page.body.contains("<del>0</del>"), "what changed is marked");

    let page = visitor.press(&page, "userinfo");
    seen(&page, &["GET /oauth2/userinfo HTTP/1.1", "authorization: Bearer rmat_", "\"sub\": \""]);
    let page = visitor.press(&page, "introspect");
    seen(&page, &["authorization: Basic ", "\"active\": true", "\"aud\": [", API]);

    let page = visitor.press(&page, "damage");
    seen(&page, &["Row of the table: garbage", "400 Bad Request"]);
    assert_eq!(column(&page, "revoke_reason"), "–");

    let page = visitor.press(&page, "replay");
    seen(
        &page,
        &["Row of the table: reuse (refresh_reused)", "the family has ended", "invalid_grant"],
    );
    assert_eq!(column(&page, "revoke_reason"), "reuse");
    let family = &site.families()[0].family;
    assert_eq!(family.revoked.map(|(_, why)| why), Some(RevokeReason::Reuse));

    let page = visitor.press(&page, "refresh");
    seen(&page, &["Row of the table: dead (refresh_revoked)"]);
    let page = visitor.press(&page, "introspect");
    seen(&page, &["{\n  \"active\": false\n}", "has ended with its family"]);
    let page = visitor.press(&page, "userinfo");
    seen(&page, &["401 Unauthorized", "www-authenticate: Bearer", "not alive any more"]);
    let page = visitor.press(&page, "revoke");
    seen(&page, &["POST /oauth2/revoke HTTP/1.1", "nothing left to end"]);
    let page = visitor.press(&page, "restart");
    seen(&page, &["What there is to see", "Sign in"]);
}

#[test]
fn a_code_that_is_redeemed_again_ends_the_family_and_the_page_says_so() {
    let site = site();
    let mut visitor = site.visitor();
    let page = visitor.playing();
    let page = visitor.press(&page, "again");
    seen(&page, &["the family has ended", "invalid_grant"]);
    assert_eq!(column(&page, "revoke_reason"), "code_reuse");
}

#[test]
fn revoking_ends_the_family() {
    let site = site();
    let mut visitor = site.visitor();
    let page = visitor.playing();
    let page = visitor.press(&page, "revoke");
    seen(&page, &["The family has ended, and every token with it"]);
    assert_eq!(column(&page, "revoke_reason"), "client");
}

#[test]
fn within_its_grace_the_old_token_gets_the_same_successor() {
    let site = site();
    site.change("app", |client| {
        client.overrides.grace_period = Some(std::time::Duration::from_secs(30));
    });
    let mut visitor = site.visitor();
    let page = visitor.playing();
    let page = visitor.press(&page, "refresh");
    let page = visitor.press(&page, "replay");
    seen(&page, &["Row of the table: retry", "The same successor was computed again"]);
    let page = visitor.press(&page, "refresh");
    seen(&page, &["Row of the table: current"]);
    assert_eq!(column(&page, "generation"), "2");
}

#[test]
fn signing_out_ends_the_session_and_the_family_and_comes_back() {
    let site = site();
    let mut visitor = site.visitor();
    let page = visitor.playing();
    let names = ["client_id", "post_logout_redirect_uri", "state", "id_token_hint"];
    let values = names.map(|name| hidden(&page, name));
    let fields: Vec<_> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
    let answer = visitor.post("/oidc/logout", &fields);
    let page = visitor.go(answer);
    seen(&page, &["POST /oidc/logout HTTP/1.1", "GET /playground/signed-out", "is over"]);
    assert_eq!(column(&page, "revoke_reason"), "sign_out");
    assert_eq!(visitor.cookie("__Host-remint-session"), None);
    let page = visitor.get("/playground/signed-out?state=made-up");
    assert_eq!(page.status, 303);
    assert_eq!(text(&visitor.go(page).body).matches("is over").count(), 1, "nobody signed out");
}

#[test]
fn an_answer_that_this_browser_did_not_ask_for_is_dropped() {
    let site = site();
    let mut visitor = site.visitor();
    let begun = visitor.get("/playground");
    let state = link(&begun).split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let iss = "https%3A%2F%2Flocalhost%3A9443";
    for (query, wrong) in [
        (format!("code=x&state=made-up&iss={iss}"), "✗ Not so: state is"),
        (format!("code=x&iss={iss}"), "✗ Not so: state is"),
        (format!("code=x&state={state}&iss=https%3A%2F%2Fevil.example"), "✗ Not so: iss is"),
        (format!("code=x&state={state}"), "✗ Not so: iss is"),
    ] {
        let answer = visitor.get(&format!("/playground/callback?{query}"));
        let page = visitor.go(answer);
        seen(&page, &[wrong, "the application drops it"]);
        assert!(!page.body.contains("value=\"redeem\""), "{query}");
    }
    // A state is good for one answer.
    let page = visitor.play();
    assert!(page.body.contains("value=\"redeem\""), "{page:?}");
    let state = text(&page.body).split("&state=").nth(1).unwrap()[..22].to_owned();
    let answer = visitor.get(&format!("/playground/callback?code=other&state={state}&iss={iss}"));
    let page = visitor.go(answer);
    seen(&page, &["✗ Not so: state is"]);
    let page = visitor.press(&page, "redeem");
    seen(&page, &["The code is spent"]);

    let answer = site.get("/playground/callback?code=x&state=x");
    assert_eq!(answer.status, 403, "no browser of ours");
}

#[test]
fn an_error_is_shown_and_the_walk_begins_anew() {
    let site = site();
    let mut visitor = site.visitor();
    let first = link(&visitor.get("/playground"));
    let state = first.split("state=").nth(1).unwrap().split('&').next().unwrap();
    let iss = "https%3A%2F%2Flocalhost%3A9443";
    let target = format!("/playground/callback?error=access_denied&state={state}&iss={iss}");
    let answer = visitor.get(&target);
    let page = visitor.go(answer);
    seen(&page, &["There is no code: access_denied."]);
    assert_ne!(link(&page), first, "state and nonce are drawn anew");
}

#[test]
fn steps_are_taken_by_our_own_form_only() {
    let site = site();
    let mut visitor = site.visitor();
    let page = visitor.playing();
    let csrf = hidden(&page, "csrf");
    for fields in [
        &[("step", "refresh")][..],
        &[("step", "refresh"), ("csrf", "AAAA")],
        &[("step", "nonsense"), ("csrf", &csrf)],
        &[("csrf", &csrf)],
        &[("step", "replay"), ("csrf", &csrf)],
    ] {
        assert_eq!(visitor.post("/playground", fields).status, 403, "{fields:?}");
    }
    let other = site.visitor().post("/playground", &[("step", "refresh"), ("csrf", &csrf)]);
    assert_eq!(other.status, 403);
    assert_eq!(site.families()[0].family.generation, 0);
}

#[test]
fn tokens_are_abbreviated_and_what_came_from_outside_is_no_markup() {
    let site = site();
    let mut visitor = site.visitor();
    let page = visitor.playing();
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let parts: Vec<_> = page.body.split("<pre translate=\"no\">").collect();
    // What stands behind a summary is there to be seen whole.
    let short = parts.windows(2).filter(|pair| !pair[0].trim_end().ends_with("</summary>"));
    let short: Vec<_> = short.map(|pair| pair[1].split("</pre>").next().unwrap()).collect();
    assert_eq!(short.len(), 4, "two requests and their answers");
    for shown in short {
        assert!(shown.split(|c| !is_part(c)).all(|word| word.len() <= 40), "{shown}");
    }
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with(
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
        ),
        "{policy}"
    );
    for never in ["<script", "style=\"", " onclick"] {
        assert!(!page.body.contains(never), "{never}");
    }
    let hostile = "%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let answer = visitor.get(&format!("/playground/callback?error={hostile}&state={hostile}"));
    assert!(!visitor.go(answer).body.contains("<script"));
    let mut ids: Vec<_> =
        page.body.split(" id=\"").skip(1).map(|rest| rest.split('"').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

#[test]
fn without_a_development_server_there_is_no_playground() {
    let site = Site::new();
    for path in ["/playground", "/playground/callback?code=x", "/playground/signed-out"] {
        assert_eq!(site.get(path).status, 404, "{path}");
    }
    let answer = site.visitor().post("/playground", &[("step", "refresh")]);
    assert_eq!(answer.status, 404);
}
