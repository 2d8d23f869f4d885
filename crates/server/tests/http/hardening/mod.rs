//! The authorization endpoint and the pages as a thief, a forger and a hasty hand meet them. The tests
//! that name a line of the checklist prove it over HTTP; what the rules' own tests prove already is
//! not said again here.

mod changes;
mod code;
mod corpus;
mod forms;
mod native;
mod openid;
mod pages;
mod races;
mod redirects;
mod reflected;
mod requests;
mod sizes;

use remint_protocol::response::ResponseType;
use remint_testbed::http;

use crate::site::{Answer, PASSWORD, Site};
use crate::visitor::{Fields, Visitor, encode, is_consent, is_sign_in, request};

pub(crate) const SESSION: &str = "__Host-remint-session";
pub(crate) const FORM: &str = "__Host-remint-form";

fn site() -> Site {
    let site = Site::new();
    site.register_web("web", |client| client.authorize.response_types = ResponseType::ALL.to_vec());
    site
}

/// How a request reaches the authorization endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Get,
    Post,
}

const BOTH: [By; 2] = [By::Get, By::Post];

/// Sends the query of a request and follows it to a page or to an answer.
fn ask(visitor: &mut Visitor<'_>, by: By, query: &str) -> Answer {
    let answer = match by {
        By::Get => visitor.get(&format!("/oauth2/authorize?{query}")),
        By::Post => visitor.send("POST", "/oauth2/authorize", http::FORM, query),
    };
    visitor.follow(answer)
}

fn ask_with(visitor: &mut Visitor<'_>, by: By, changes: &Fields<'_>) -> Answer {
    ask(visitor, by, &request(changes))
}

/// What came of a request, without what differs each time.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Came {
    SignIn,
    Consent,
    /// An error page with the parameter at fault.
    Page(u16),
    Code,
    Error(String),
    /// The page that posts the answer.
    FormPost,
}

#[track_caller]
fn came(answer: &Answer) -> Came {
    if is_sign_in(answer) {
        return Came::SignIn;
    }
    if is_consent(answer) {
        return Came::Consent;
    }
    if answer.body.contains("id=\"form-post-continue\"") {
        return Came::FormPost;
    }
    let Some(location) = answer.header("location") else {
        assert!(answer.body.contains("<h1 id=\"error\">"), "{answer:?}");
        return Came::Page(answer.status);
    };
    assert_eq!(answer.status, 303, "{answer:?}");
    let parameters = location.split_once(['?', '#']).unwrap().1.trim_end_matches("#_");
    let find = |name: &str| {
        let start = format!("{name}=");
        parameters.split('&').find_map(|pair| pair.strip_prefix(&start)).map(str::to_owned)
    };
    match find("error") {
        Some(error) => Came::Error(error),
        None => {
            let given = ["code", "access_token", "id_token"].map(find);
            assert!(given.iter().any(Option::is_some), "{location}");
            Came::Code
        }
    }
}

/// A visitor who has signed in as `alice` and has consented to what [`request`] asks for.
fn known(site: &Site) -> Visitor<'_> {
    let mut visitor = site.visitor();
    visitor.obtain(&[]);
    visitor
}

/// The page of a request for somebody who has signed in as `alice` and not consented.
fn at_consent<'s>(site: &'s Site, changes: &Fields<'_>) -> (Visitor<'s>, Answer) {
    let mut visitor = site.visitor();
    let page = visitor.authorize(changes);
    let page = visitor.sign_in(&page, "alice", PASSWORD);
    assert!(is_consent(&page), "{page:?}");
    (visitor, page)
}

/// Signs in for the account page.
fn at_account<'s>(site: &'s Site, username: &str) -> (Visitor<'s>, Answer) {
    let mut visitor = site.visitor();
    let page = visitor.get("/login");
    let page = visitor.sign_in(&page, username, PASSWORD);
    assert!(page.body.contains("id=\"account-username\""), "{page:?}");
    (visitor, page)
}

fn form(fields: &Fields<'_>) -> String {
    encode(fields)
}
