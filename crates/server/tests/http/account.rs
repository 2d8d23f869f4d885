//! The account page, as far as a browser is not needed to see it (`browser/` has the rest).

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
