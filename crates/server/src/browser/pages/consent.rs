//! The page that asks for consent: `POST /consent` with `decision`, `csrf` and `flow`.
//!
//! It says who asks, where the answer goes, what for and for how long. Of a client whose identity is
//! not proven it says so (RFC 8252 §8.6).

use std::time::Duration;

use askama::Template;

use super::{Frame, Link, Opener, Page, Policy, Source, scope};

/// The path of the page and of its form.
pub const PATH: &str = "/consent";
/// `decision`: yes.
pub const ALLOW: &str = "allow";
/// `decision`: no.
pub const DENY: &str = "deny";
/// `decision`: it is for somebody else to say; sign in as them.
pub const SWITCH: &str = "switch";

/// The client that asks.
#[derive(Clone, Debug, Default)]
pub struct Asker {
    /// The client's name.
    pub name: String,
    /// Its `client_id`.
    pub id: String,
    /// The destination of the response: the host of the redirect URI, or its scheme.
    pub redirect_host: String,
    /// Its home page.
    pub website: Option<Link>,
    /// Its privacy policy.
    pub privacy: Option<Link>,
    /// Its terms.
    pub terms: Option<Link>,
    /// Whether anybody could claim to be it: a public client with a private-use scheme or on loopback,
    /// or one that registered itself.
    pub is_unproven: bool,
}

/// The consent page.
#[derive(Clone, Debug, Default)]
pub struct Consent {
    /// The authorization request that goes on afterwards.
    pub flow: String,
    /// Against forms of other sites.
    pub csrf: String,
    /// The client that asks.
    pub client: Asker,
    /// The user who is signed in.
    pub username: String,
    /// The scopes that it asks for.
    pub scopes: Vec<String>,
    /// The resources (RFC 8707) that are asked for.
    pub resources: Vec<String>,
    /// The time for which access lasts without another question; none if it lasts until it is ended.
    pub lasts: Option<Duration>,
    /// The destination of the redirect after the decision: the client's redirect URI.
    pub target: Option<Source>,
}

#[derive(Template)]
#[template(path = "consent.html")]
struct Html<'a> {
    at: &'a Frame<'a>,
    page: &'a Consent,
}

impl Html<'_> {
    /// Returns the letter that stands for a picture.
    fn initial(&self) -> String {
        let first = self.page.username.chars().find(|c| c.is_alphanumeric());
        first.map(|c| c.to_uppercase().to_string()).unwrap_or_default()
    }

    /// The sentences of the scopes that have one; those without have a list of their own.
    fn known(&self) -> Vec<String> {
        let all = scope::in_order(&self.page.scopes).into_iter();
        all.filter_map(|(_, key)| key).map(|key| self.at.say(key)).collect()
    }

    fn own(&self) -> Vec<&String> {
        self.page.scopes.iter().filter(|s| scope::key(s).is_none()).collect()
    }

    fn lasts(&self) -> String {
        match self.page.lasts {
            Some(lifetime) => self.at.span(lifetime),
            None => self.at.say("consent-until-ended"),
        }
    }

    fn has_links(&self) -> bool {
        let client = &self.page.client;
        client.website.is_some() || client.privacy.is_some() || client.terms.is_some()
    }
}

impl Page for Consent {
    fn policy(&self) -> Policy {
        Policy::with_forms_to(self.target.as_ref())
    }

    fn opener(&self) -> Opener {
        Opener::Kept
    }

    fn html(&self, at: &Frame<'_>) -> askama::Result<String> {
        Html { at, page: self }.render()
    }
}
