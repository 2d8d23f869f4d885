//! Signing out (OpenID Connect RP-Initiated Logout §2): the question, `POST /oidc/logout` with `csrf`
//! and `flow`, and the page afterwards, which may tell applications by hidden frames (Front-Channel
//! Logout §2).

use askama::Template;

use super::{Frame, Link, Page, Policy, Source};

/// Where the form leads.
pub const PATH: &str = "/oidc/logout";

/// The question whether to sign out.
#[derive(Clone, Debug, Default)]
pub struct SignOut {
    /// The logout request that goes on afterwards.
    pub flow: String,
    /// Against forms of other sites.
    pub csrf: String,
    /// Who is signed in.
    pub username: String,
    /// The application that asks for it, where that is known.
    pub client: Option<String>,
    /// Where the redirect afterwards leads: the client's `post_logout_redirect_uri`.
    pub target: Option<Source>,
}

/// Where to go from the page after signing out.
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
    /// Where to go from here.
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

impl Done<'_> {
    /// A link, unless its scheme runs what stands in it.
    fn next(&self) -> Option<&Next> {
        self.page.next.as_ref().filter(|next| Source::of(&next.url).is_some())
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

    fn html(&self, at: &Frame<'_>) -> askama::Result<String> {
        Done { at, page: self }.render()
    }
}
