//! The page to sign in on: `POST /login` with `username`, `password`, `csrf` and `flow`.

use std::time::Duration;

use askama::Template;
use axum::http::StatusCode;

use super::{Frame, Opener, Page, Policy, Source};

/// The path of the page and of its form.
pub const PATH: &str = "/login";
/// The field of the name.
pub const USERNAME: &str = "username";
/// The field of the password.
pub const PASSWORD: &str = "password";

/// The notice above the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Name and password do not go together, or the account does not exist or may not be used: one
    /// sentence for all.
    WrongCredentials,
    /// Too many wrong guesses came before.
    Wait(Duration),
    /// The form lay too long, or its cookie did not come back.
    Expired,
    /// The session ended while something else was on.
    SessionEnded,
    /// The application wants a fresh proof (`prompt=login`, `max_age`).
    Again,
}

/// The sign-in page.
#[derive(Clone, Debug, Default)]
pub struct SignIn {
    /// The authorization request that goes on afterwards.
    pub flow: String,
    /// Against forms of other sites.
    pub csrf: String,
    /// The content of the field at first, from `login_hint` or from the last try.
    pub username: String,
    /// The name of the application that asks; none for the account page.
    pub client: Option<String>,
    /// The fault, or the reason for the page.
    pub notice: Option<Notice>,
    /// The end of the redirects after signing in: the client's redirect URI.
    pub target: Option<Source>,
}

impl SignIn {
    const fn is_problem(&self) -> bool {
        matches!(self.notice, Some(Notice::WrongCredentials | Notice::Wait(_)))
    }

    const fn is_wrong(&self) -> bool {
        matches!(self.notice, Some(Notice::WrongCredentials))
    }
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Html<'a> {
    at: &'a Frame<'a>,
    page: &'a SignIn,
}

impl Html<'_> {
    fn notice(&self) -> Option<String> {
        Some(match self.page.notice? {
            Notice::WrongCredentials => self.at.say("sign-in-wrong"),
            Notice::Wait(wait) => self.at.say_span("sign-in-wait", wait),
            Notice::Expired => self.at.say("sign-in-expired"),
            Notice::SessionEnded => self.at.say("sign-in-ended"),
            Notice::Again => self.at.say("sign-in-again"),
        })
    }
}

impl Page for SignIn {
    /// A refused sign-in is no success, so that a browser does not offer to keep the password.
    fn status(&self) -> StatusCode {
        match self.notice {
            Some(Notice::WrongCredentials | Notice::Expired) => StatusCode::BAD_REQUEST,
            Some(Notice::Wait(_)) => StatusCode::TOO_MANY_REQUESTS,
            Some(Notice::SessionEnded | Notice::Again) | None => StatusCode::OK,
        }
    }

    fn policy(&self) -> Policy {
        Policy::with_forms_to(self.target.as_ref())
    }

    fn retry_after(&self) -> Option<Duration> {
        match self.notice {
            Some(Notice::Wait(wait)) => Some(wait),
            _ => None,
        }
    }

    fn opener(&self) -> Opener {
        Opener::Kept
    }

    fn html(&self, at: &Frame<'_>) -> askama::Result<String> {
        Html { at, page: self }.render()
    }
}
