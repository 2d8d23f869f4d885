//! The account page, as far as a browser is not needed to see it (`browser/` has the rest).

use remint_protocol::browser_session::{BrowserSession, BrowserSessionId};
use remint_protocol::family::{Family, RevokeReason};
use remint_protocol::family_id::FamilyId;

use crate::site::{PASSWORD, Site};
use crate::visitor::{hidden, is_sign_in};

#[test]
fn where_forms_lead_a_look_leads_back_to_the_account_page() {
    let site = Site::new();
    let mut visitor = site.visitor();
    let page = visitor.get("/login");
    let page = visitor.sign_in(&page, "alice", PASSWORD);
    let (csrf, refused) = (hidden(&page, "csrf"), "/account/password");
    // The page that says so stays at this address, and people send it anew from the address bar.
    let short = visitor.post(refused, &[("csrf", &csrf), ("new_password", "x")]);
    assert_eq!(short.status, 400, "{short:?}");
    for form in [refused, "/account/sessions/end", "/account/applications/end", "/account/sign-out"]
    {
        let answer = visitor.get(form);
        assert_eq!(answer.status, 303, "{form}: {answer:?}");
        assert_eq!(answer.header("location"), Some("/account"), "{form}");
        assert!(!is_sign_in(&visitor.follow(answer)), "nobody was signed out by {form}");
    }
}

/// So many, and all before what is alive in the order of the ids.
const OVER: u8 = 230;

fn first_ids() -> impl Iterator<Item = [u8; 16]> {
    (1..=OVER).map(|number| {
        let mut id = [0; 16];
        id[15] = number;
        id
    })
}

#[test]
fn what_is_over_does_not_take_the_place_of_sessions_and_applications_that_are_alive() {
    let site = Site::new();
    site.tokens();
    let mut visitor = site.visitor();
    let page = visitor.get("/login");
    visitor.sign_in(&page, "alice", PASSWORD);
    let alice = site.user("alice").id;
    let session =
        site.block_on(site.store.list_browser_sessions(alice, None, 1)).unwrap().remove(0);
    let family = site.families().remove(0).family;
    for id in first_ids() {
        let (ended, revoked) = (BrowserSessionId(id), FamilyId(id));
        let session = BrowserSession { id: ended, ..session.clone() };
        let family = Family { id: revoked, ..family.clone() };
        site.block_on(async {
            site.store.insert_browser_session(&session, None).await.unwrap();
            site.store.insert_family_at_browser(&family, session.secret_hash).await.unwrap();
            site.store.end_browser_session((alice, ended), site.now()).await.unwrap();
            site.store.revoke_family(revoked, RevokeReason::User, site.now()).await.unwrap();
        });
    }
    let page = visitor.get("/account").ok().body;
    assert!(page.contains(&format!("value=\"{}\"", session.id.sid())), "{page}");
    assert!(page.contains("name=\"application\" value=\"demo\""), "{page}");
    assert_eq!(page.matches("name=\"session\"").count(), 1);
}
