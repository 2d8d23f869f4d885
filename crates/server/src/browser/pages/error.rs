//! The page for what cannot go on. It names the parameter at fault from a closed list and the request
//! in the log; nothing that was sent is ever on it, and it leads nowhere (RFC 9700 §4.11).

use std::time::Duration;

use askama::Template;
use axum::http::StatusCode;

use super::{Frame, Opener, Page};

macro_rules! parameters {
    ($($variant:ident = $name:literal,)*) => {
        /// A parameter that can be at fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Parameter {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Parameter {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The one of that name.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|parameter| parameter.name() == name)
            }
        }
    };
}

parameters! {
    AcrValues = "acr_values",
    Claims = "claims",
    ClientId = "client_id",
    CodeChallenge = "code_challenge",
    CodeChallengeMethod = "code_challenge_method",
    Display = "display",
    IdTokenHint = "id_token_hint",
    LoginHint = "login_hint",
    LogoutHint = "logout_hint",
    MaxAge = "max_age",
    Nonce = "nonce",
    PostLogoutRedirectUri = "post_logout_redirect_uri",
    Prompt = "prompt",
    RedirectUri = "redirect_uri",
    Request = "request",
    RequestUri = "request_uri",
    Resource = "resource",
    ResponseMode = "response_mode",
    ResponseType = "response_type",
    Scope = "scope",
    State = "state",
    UiLocales = "ui_locales",
}

/// The fault of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not there.
    Missing,
    /// It is there more than once.
    Repeated,
    /// It cannot be read.
    Malformed,
    /// It is longer than any of its kind.
    TooLong,
    /// It is not what is registered: an unknown client, another redirect URI.
    Unregistered,
    /// It can be read, and is nothing that the server does.
    Unsupported,
    /// The client may not ask for it.
    NotAllowed,
}

/// The trouble that ends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The application's request is wrong; 400.
    Request(Parameter, Fault),
    /// The request is wrong as a whole: not a form, too large, broken; 400.
    Unreadable,
    /// The form is not one that this browser was given, or it lay too long; 403.
    Forbidden,
    /// There is no such page; 404.
    NotFound,
    /// Too many tries; 429.
    TooMany(Duration),
    /// Too many requests from one address; 429.
    TooManyRequests(Duration),
    /// A fault of ours; 500.
    Internal,
    /// Not now; 503.
    Unavailable(Duration),
}

/// The error page.
#[derive(Clone, Debug)]
pub struct ErrorPage {
    /// The trouble.
    pub trouble: Trouble,
    /// The request's id, as in `X-Request-Id` and in the log.
    pub request_id: String,
}

#[derive(Template)]
#[template(path = "error.html")]
struct Html<'a> {
    at: &'a Frame<'a>,
    page: &'a ErrorPage,
}

impl Html<'_> {
    fn title(&self) -> String {
        self.at.say(match self.page.trouble {
            Trouble::Request(..) | Trouble::Unreadable => "error-request-title",
            Trouble::Forbidden => "error-forbidden-title",
            Trouble::NotFound => "error-not-found-title",
            Trouble::TooMany(_) => "error-too-many-title",
            Trouble::TooManyRequests(_) => "error-too-many-requests-title",
            Trouble::Internal => "error-internal-title",
            Trouble::Unavailable(_) => "error-unavailable-title",
        })
    }

    fn advice(&self) -> String {
        match self.page.trouble {
            Trouble::Request(..) | Trouble::Unreadable => self.at.say("error-request"),
            Trouble::Forbidden => self.at.say("error-forbidden"),
            Trouble::NotFound => self.at.say("error-not-found"),
            Trouble::TooMany(wait) => self.at.say_span("error-too-many", wait),
            Trouble::TooManyRequests(wait) => self.at.say_span("error-too-many-requests", wait),
            Trouble::Internal => self.at.say("error-internal"),
            Trouble::Unavailable(wait) => self.at.say_span("error-unavailable", wait),
        }
    }

    fn fault(&self) -> Option<super::texts::Html> {
        let Trouble::Request(parameter, fault) = self.page.trouble else { return None };
        let key = match fault {
            Fault::Missing => "fault-missing",
            Fault::Repeated => "fault-repeated",
            Fault::Malformed => "fault-malformed",
            Fault::TooLong => "fault-too-long",
            Fault::Unregistered => "fault-unregistered",
            Fault::Unsupported => "fault-unsupported",
            Fault::NotAllowed => "fault-not-allowed",
        };
        Some(self.at.rich_name(key, parameter.name()))
    }
}

impl Page for ErrorPage {
    fn status(&self) -> StatusCode {
        match self.trouble {
            Trouble::Request(..) | Trouble::Unreadable => StatusCode::BAD_REQUEST,
            Trouble::Forbidden => StatusCode::FORBIDDEN,
            Trouble::NotFound => StatusCode::NOT_FOUND,
            Trouble::TooMany(_) | Trouble::TooManyRequests(_) => StatusCode::TOO_MANY_REQUESTS,
            Trouble::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Trouble::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self.trouble {
            Trouble::TooMany(wait)
            | Trouble::TooManyRequests(wait)
            | Trouble::Unavailable(wait) => Some(wait),
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
