//! Forms that somebody else made: of another site, another person, another window, another request.

use super::{Came, FORM, SESSION, at_account, at_consent, came, known, site};
use crate::site::{Answer, As, PASSWORD, Site};
use crate::visitor::{Callback, hidden, is_consent, is_sign_in};

/// Everything that changes something, with what it would take beside the proof.
fn posts(site: &Site) -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let page = site.visitor().authorize(&[]);
    let flow = hidden(&page, "flow");
    let text = |text: &str| text.to_owned();
    vec![
        ("/login", vec![("username", text("alice")), ("password", text(PASSWORD))]),
        ("/consent", vec![("flow", flow), ("decision", text("allow"))]),
        ("/oidc/logout", vec![]),
        ("/account/sessions/end", vec![("session", text("AAAAAAAAAAAAAAAAAAAAAA"))]),
        ("/account/applications/end", vec![("application", text("web"))]),
        ("/account/sign-out", vec![]),
        (
            "/account/password",
            vec![
                ("current_password", text(PASSWORD)),
                ("new_password", text("through the looking glass")),
                ("repeated_password", text("through the looking glass")),
            ],
        ),
    ]
}

#[test]
fn checklist_85_no_post_does_anything_without_the_proof_of_this_browser_and_person() {
    let site = site();
    site.create_user("bob");
    let mut alice = known(&site);
    let tokens = site.redeem(&Callback::of(&alice.authorize(&[])).value("code")).ok();
    let (_, of_another_browser) = at_account(&site, "alice");
    // Another person who used the same browser, before.
    let mut both = site.visitor();
    both.set_cookie(FORM, alice.cookie(FORM).unwrap());
    let page = both.get("/login");
    let of_another_person = both.sign_in(&page, "bob", PASSWORD);
    let of_nobody = hidden(&page, "csrf");
    let proofs = [
        String::new(),
        "AAAA".to_owned(),
        "A".repeat(43),
        hidden(&of_another_browser, "csrf"),
        hidden(&of_another_person, "csrf"),
        of_nobody,
    ];
    let session = alice.cookie(SESSION).unwrap().to_owned();
    for (path, fields) in posts(&site) {
        for csrf in &proofs {
            let mut form: Vec<(&str, &str)> = vec![("csrf", csrf)];
            form.extend(fields.iter().map(|(name, value)| (*name, value.as_str())));
            let answer = alice.post(path, &form);
            let is_refused = match path {
                "/login" => is_sign_in(&answer) && answer.status == 400,
                // Asked anew, which an empty proof of a sign-out request is as well.
                "/consent" => {
                    answer.header("location").unwrap().starts_with("/oauth2/authorize/continue?")
                }
                "/oidc/logout" if csrf.is_empty() => answer.body.contains("id=\"logout-confirm\""),
                _ => came(&answer) == Came::Page(403),
            };
            assert!(is_refused, "{path} {csrf}: {answer:?}");
            assert_eq!(alice.cookie(SESSION), Some(&*session), "{path} {csrf}");
        }
    }
    Callback::of(&alice.authorize(&[])).value("code");
    site.refresh_as(As::Client("web"), &tokens.text("refresh_token"), &[]).ok();
    let (_, page) = at_account(&site, "alice");
    assert!(page.body.contains("account-username"), "the password is the old one");
}

#[test]
fn checklist_85_nobody_is_signed_in_by_the_form_of_a_stranger() {
    let site = site();
    site.create_user("mallory");
    let mut thief = site.visitor();
    let page = thief.get("/login");
    let csrf = hidden(&page, "csrf");
    let fields = [("csrf", &*csrf), ("username", "mallory"), ("password", PASSWORD)];
    // Without any cookie, and with the cookie of a form of one's own.
    let mut victim = site.visitor();
    assert_eq!(victim.post("/login", &fields).status, 400);
    victim.get("/login");
    assert_eq!(victim.post("/login", &fields).status, 400);
    assert_eq!(victim.cookie(SESSION), None);
}

#[test]
fn a_consent_page_speaks_for_the_person_who_saw_it_alone() {
    let site = site();
    let bob = site.create_user("bob");
    let (mut window, page) = at_consent(&site, &[]);
    // Bob signs in in another window of the same browser.
    let mut other = window.clone();
    site.wait(10);
    let sign_in = other.authorize(&[("prompt", "login")]);
    let consent_of_bob = other.sign_in(&sign_in, "bob", PASSWORD);
    assert!(is_consent(&consent_of_bob) && consent_of_bob.body.contains("bob"));
    window.set_cookie(SESSION, other.cookie(SESSION).unwrap());
    // What alice was shown is posted as bob: he is asked himself, and nothing is remembered of him.
    for decision in ["allow", "deny", "switch"] {
        let answer = window.decide(&page, decision);
        assert!(is_consent(&answer) && answer.body.contains("bob"), "{decision}: {answer:?}");
    }
    assert_eq!(site.block_on(site.store.list_consents(bob.id, "", 10)).unwrap(), []);
    let answer = window.decide(&consent_of_bob, "allow");
    Callback::of(&answer).value("code");
}

#[test]
fn a_consent_page_still_holds_after_the_same_person_proved_themself_again() {
    let site = site();
    let (mut window, page) = at_consent(&site, &[]);
    site.wait(10);
    let sign_in = window.authorize(&[("prompt", "login")]);
    window.sign_in(&sign_in, "alice", PASSWORD);
    Callback::of(&window.decide(&page, "allow")).value("code");
}

#[test]
fn the_pages_of_a_person_who_signed_out_do_nothing() {
    let site = site();
    let (mut window, page) = at_consent(&site, &[]);
    let mut other = window.clone();
    let account = other.get("/account");
    other.post("/account/sign-out", &[("csrf", &hidden(&account, "csrf"))]);
    // With the cookie that the browser threw away, and without it.
    assert!(is_sign_in(&window.decide(&page, "allow")));
    assert!(is_sign_in(&other.decide(&page, "allow")));
    let user = site.user("alice").id;
    assert_eq!(site.block_on(site.store.list_consents(user, "", 10)).unwrap(), []);
}

#[test]
fn a_decision_that_no_button_makes_is_none() {
    let site = site();
    let (mut visitor, page) = at_consent(&site, &[]);
    for decision in ["", "ALLOW", "yes", "allow "] {
        let answer = visitor.decide(&page, decision);
        assert_eq!(came(&answer), Came::Page(403), "{decision}");
    }
    assert!(is_consent(&visitor.authorize(&[])));
}

/// A request that waits is no secret and no proof: whoever is sent one by somebody else signs in and is
/// asked as if the request were their own, and is told whose it is.
#[test]
fn the_waiting_request_of_somebody_else_gives_nothing_away() {
    let site = site();
    let thief = site.visitor().authorize(&[("state", "of-the-thief")]);
    let flow = hidden(&thief, "flow");
    let mut victim = site.visitor();
    let answer = victim.get(&format!("/oauth2/authorize/continue?flow={flow}"));
    let page = victim.follow(answer);
    assert!(is_sign_in(&page));
    let page = victim.sign_in(&page, "alice", PASSWORD);
    assert!(is_consent(&page) && page.body.contains("The Shop"));
    // Line 47: nothing of the victim's reaches the thief, whose browser has no session.
    let mut thief = site.visitor();
    for path in ["/oauth2/authorize/continue", "/consent", "/login"] {
        let answer = thief.get(&format!("{path}?flow={flow}"));
        assert!(is_sign_in(&thief.follow(answer)), "{path}");
    }
}

#[test]
fn a_waiting_request_leads_nowhere_but_where_it_was_going() {
    let site = site();
    let page = site.visitor().authorize(&[]);
    let flow = hidden(&page, "flow");
    let mut visitor = site.visitor();
    let forged = [
        "https://evil.example/".to_owned(),
        "//evil.example/".to_owned(),
        "rmir_".to_owned(),
        flow.replace("rmir_", "rmac_"),
        flow[..flow.len() - 1].to_owned(),
        format!("{flow}A"),
        flow.to_lowercase(),
    ];
    let is_refused = |answer: Answer| {
        assert_eq!((came(&answer), answer.header("location")), (Came::Page(403), None));
    };
    for flow in &forged {
        let query = super::form(&[("flow", flow)]);
        for path in ["/login", "/consent", "/oauth2/authorize/continue"] {
            is_refused(visitor.get(&format!("{path}?{query}")));
        }
        for path in ["/login", "/consent"] {
            is_refused(visitor.post(path, &[("flow", flow)]));
        }
    }
    // Other parameters beside it change nothing of it.
    let with_more =
        format!("/oauth2/authorize/continue?flow={flow}&redirect_uri=https://evil.example");
    let answer = visitor.get(&with_more);
    assert!(!answer.header("location").unwrap().contains("evil"));
    // It is too old after an hour.
    site.wait(60 * 60);
    is_refused(visitor.get(&format!("/login?flow={flow}")));
}

#[test]
fn signing_in_without_a_request_leads_to_the_account_whatever_the_query_says() {
    let site = site();
    let mut visitor = site.visitor();
    let page = visitor.get("/login?next=https://evil.example/&return_to=//evil.example&redirect_uri=https://evil.example");
    let csrf = hidden(&page, "csrf");
    let fields = [
        ("csrf", &*csrf),
        ("username", "alice"),
        ("password", PASSWORD),
        ("next", "https://evil.example/"),
    ];
    assert_eq!(visitor.post("/login", &fields).header("location"), Some("/account"));
}
