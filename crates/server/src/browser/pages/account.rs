//! The page of one's own account: sessions and applications, each ended by one click, and the
//! password.
//!
//! Forms lead to `POST` [`END_SESSION`] (`session`), [`END_APPLICATION`] (`application`),
//! [`CHANGE_PASSWORD`] ([`CURRENT`], [`NEW`], [`REPEATED`]) and [`SIGN_OUT`], each with `csrf`.

use std::net::IpAddr;
use std::time::Duration;

use askama::Template;
use axum::http::StatusCode;
use remint_protocol::time::Timestamp;
use remint_protocol::user::PasswordUnfit;

use super::frame::When;
use super::{Agent, Frame, Page, Place, Policy, scope};

/// The page.
pub const PATH: &str = "/account";
/// Ends one session; the field is `session`.
pub const END_SESSION: &str = "/account/sessions/end";
/// Ends an application's access; the field is `application`.
pub const END_APPLICATION: &str = "/account/applications/end";
/// Changes the password.
pub const CHANGE_PASSWORD: &str = "/account/password";
/// Signs out here.
pub const SIGN_OUT: &str = "/account/sign-out";
/// The field of the password that holds until now.
pub const CURRENT: &str = "current_password";
/// The field of the password that is to hold from now on.
pub const NEW: &str = "new_password";
/// The field of the same once more.
pub const REPEATED: &str = "repeated_password";

/// A session: a browser that is signed in.
#[derive(Clone, Debug)]
pub struct Session {
    /// The name that the form sends back: no secret, and nothing that signs in.
    pub id: String,
    /// The browser's `User-Agent`.
    pub user_agent: String,
    /// The address from which it was last seen.
    pub address: Option<IpAddr>,
    /// The time at which the person signed in.
    pub signed_in_at: Timestamp,
    /// The time of its last use.
    pub last_seen_at: Timestamp,
    /// Whether it is the one that shows this page.
    pub is_current: bool,
}

/// An application that has access.
#[derive(Clone, Debug)]
pub struct Application {
    /// The name that the form sends back.
    pub id: String,
    /// The client's name.
    pub name: String,
    /// The scopes that it has.
    pub scopes: Vec<String>,
    /// The time at which it was given access.
    pub created_at: Timestamp,
    /// The time at which it last used its access, if it did.
    pub last_used_at: Option<Timestamp>,
}

/// The reason why the password was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordProblem {
    /// The current one is wrong.
    WrongCurrent,
    /// Too many wrong guesses came before.
    Wait(Duration),
    /// The new one is not taken.
    Unfit(PasswordUnfit),
}

/// The action that was just done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// A session was ended.
    SessionEnded,
    /// An application's access was ended.
    ApplicationEnded,
    /// The password was changed, and other sessions were ended by it.
    PasswordChanged,
}

/// The account page.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Against forms of other sites.
    pub csrf: String,
    /// The user name of the account.
    pub username: String,
    /// The time, for "three hours ago".
    pub now: Timestamp,
    /// The sessions, in the order to show.
    pub sessions: Vec<Session>,
    /// The applications, in the order to show.
    pub applications: Vec<Application>,
    /// The action that was just done.
    pub done: Option<Done>,
    /// The problem with the new password.
    pub problem: Option<PasswordProblem>,
    /// The fewest characters of a new password.
    pub least_length: u32,
}

#[derive(Template)]
#[template(path = "account.html")]
struct Html<'a> {
    at: &'a Frame<'a>,
    page: &'a Account,
}

impl Html<'_> {
    fn done(&self) -> Option<String> {
        Some(self.at.say(match self.page.done? {
            Done::SessionEnded => "account-session-ended",
            Done::ApplicationEnded => "account-application-ended",
            Done::PasswordChanged => "account-password-changed",
        }))
    }

    fn problem(&self) -> Option<String> {
        Some(match self.page.problem? {
            PasswordProblem::WrongCurrent => self.at.say("password-wrong"),
            PasswordProblem::Wait(wait) => self.at.say_span("password-wait", wait),
            PasswordProblem::Unfit(PasswordUnfit::TooShort) => self.at.say("password-short"),
            PasswordProblem::Unfit(PasswordUnfit::TooLong) => self.at.say("password-long"),
            PasswordProblem::Unfit(PasswordUnfit::NotTheSame) => self.at.say("password-different"),
            PasswordProblem::Unfit(PasswordUnfit::Unchanged) => self.at.say("password-unchanged"),
        })
    }

    /// The field that a problem is about.
    fn wrong_field(&self) -> &'static str {
        match self.page.problem {
            None | Some(PasswordProblem::Wait(_)) => "",
            Some(PasswordProblem::WrongCurrent) => CURRENT,
            Some(PasswordProblem::Unfit(PasswordUnfit::NotTheSame)) => REPEATED,
            Some(PasswordProblem::Unfit(_)) => NEW,
        }
    }

    fn agent(&self, session: &Session) -> String {
        let agent = Agent::read(&session.user_agent);
        match (agent.browser, agent.system) {
            (Some(browser), Some(system)) => self.at.say_both("session-on", browser, system),
            (Some(one), None) | (None, Some(one)) => one.to_owned(),
            (None, None) => self.at.say("session-unknown"),
        }
    }

    fn place(&self, session: &Session) -> Option<String> {
        Some(match Place::of(session.address?) {
            Place::ThisMachine => self.at.say("place-this-machine"),
            Place::Local => self.at.say("place-local"),
            Place::Network(network) => self.at.say_name("place-network", &network),
        })
    }

    fn seen(&self, session: &Session) -> When {
        self.at.when(session.last_seen_at, self.page.now)
    }

    fn signed_in(&self, session: &Session) -> When {
        self.at.when(session.signed_in_at, self.page.now)
    }

    fn created(&self, application: &Application) -> When {
        self.at.when(application.created_at, self.page.now)
    }

    fn used(&self, application: &Application) -> Option<When> {
        application.last_used_at.map(|at| self.at.when(at, self.page.now))
    }

    fn can(&self, application: &Application) -> Vec<String> {
        let all = scope::in_order(&application.scopes).into_iter();
        all.map(|(name, key)| match key {
            Some(key) => self.at.say(key),
            None => self.at.say_name("scope-own", name),
        })
        .collect()
    }
}

impl Page for Account {
    fn status(&self) -> StatusCode {
        match self.problem {
            None => StatusCode::OK,
            Some(PasswordProblem::Wait(_)) => StatusCode::TOO_MANY_REQUESTS,
            Some(_) => StatusCode::BAD_REQUEST,
        }
    }

    fn policy(&self) -> Policy {
        Policy::with_forms()
    }

    fn retry_after(&self) -> Option<Duration> {
        match self.problem {
            Some(PasswordProblem::Wait(wait)) => Some(wait),
            _ => None,
        }
    }

    fn html(&self, at: &Frame<'_>) -> askama::Result<String> {
        Html { at, page: self }.render()
    }
}
