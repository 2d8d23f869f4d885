//! Signing out (OpenID Connect RP-Initiated Logout §2): the question, `POST /oidc/logout` with `csrf`
//! and `flow`, and the page afterwards, which may tell applications by hidden frames (Front-Channel
//! Logout §2) and goes on from there by itself.

use askama::Template;

use super::{Frame, Link, Page, Policy, Source};

/// The path of the page and of its form.
pub const PATH: &str = "/oidc/logout";

/// The question whether to sign out.
#[derive(Clone, Debug, Default)]
pub struct SignOut {
    /// The logout request that goes on afterwards.
    pub flow: String,
    /// Against forms of other sites.
    pub csrf: String,
    /// The user who is signed in.
    pub username: String,
    /// The application that asks for it, where that is known.
    pub client: Option<String>,
    /// The destination of the redirect afterwards: the client's `post_logout_redirect_uri`.
    pub target: Option<Source>,
}

/// The way on from the page after signing out.
#[derive(Clone, Debug)]
pub struct Next {
    /// The `post_logout_redirect_uri`, with `state`.
    pub url: String,
    /// The application's name.
    pub client: String,
}

/// The page after signing out.
#[derive(Clone, Debug, Default)]
pub struct SignedOut {
    /// The front-channel logout URLs of the applications that were used in the session.
    pub frames: Vec<Link>,
    /// The way on from here.
    pub next: Option<Next>,
}

#[derive(Template)]
#[template(path = "sign_out.html")]
struct Question<'a> {
    at: &'a Frame<'a>,
    page: &'a SignOut,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct Done<'a> {
    at: &'a Frame<'a>,
    page: &'a SignedOut,
}

impl SignedOut {
    /// Returns the way on, unless its scheme runs what stands in it.
    fn next(&self) -> Option<&Next> {
        self.next.as_ref().filter(|next| Source::of(&next.url).is_some())
    }
}

impl Page for SignOut {
    fn policy(&self) -> Policy {
        Policy::with_forms_to(self.target.as_ref())
    }

    fn html(&self, at: &Frame<'_>) -> askama::Result<String> {
        Question { at, page: self }.render()
    }
}

impl Page for SignedOut {
    fn policy(&self) -> Policy {
        let frames = self.frames.iter().filter_map(Link::source).collect();
        Policy { frames, ..Policy::default() }
    }

    // WCAG 2.2 §2.2.1 is about time to read or to do something. Here is nothing to do, and the browser goes
    // where it was going anyway: without frames it would be there already. The link goes there at once.
    fn onward(&self) -> Option<&str> {
        let is_loading = !self.frames.is_empty();
        self.next().filter(|_| is_loading).map(|next| next.url.as_str())
    }

    fn html(&self, at: &Frame<'_>) -> askama::Result<String> {
        Done { at, page: self }.render()
    }
}
