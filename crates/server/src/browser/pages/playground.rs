//! The playground of a development server: a walk through the code flow, with each request and answer, the
//! family's row, and the row of the decision table that the last refresh token fell into.
//!
//! It is for developers, who try things, so it is in English alone. Forms lead to `POST` [`PATH`] with
//! [`STEP`] and `csrf`, and to the logout of the server itself.

use askama::Template;
use remint_protocol::family::Family;
use remint_protocol::refresh::Case;
use remint_protocol::time::Timestamp;

use super::moment::Moment;
use super::{Frame, Page, Policy};

/// The page.
pub const PATH: &str = "/playground";
/// The path to which the responses to its authorization requests go.
pub const CALLBACK: &str = "/playground/callback";
/// The path to which people come back after signing out.
pub const SIGNED_OUT: &str = "/playground/signed-out";
/// The field that says what to do next.
pub const STEP: &str = "step";

/// A request or a response.
#[derive(Clone, Default)]
pub struct Message {
    /// With what is long left out in the middle, and one parameter to a line.
    pub short: String,
    /// As it was.
    pub whole: String,
}

/// A check of the application on a response.
#[derive(Clone)]
pub struct Check {
    /// The rule that must hold.
    pub what: &'static str,
    /// Whether it does.
    pub holds: bool,
}

/// The case of the decision table for a refresh token.
#[derive(Clone, Copy)]
pub struct Verdict {
    /// The row of the table.
    pub row: Case,
    /// The exact cause, as logs have it; empty where there is nothing to refuse.
    pub cause: &'static str,
    /// Whether it ended the family.
    pub ends: bool,
}

/// One step: a request, its answer, and what they mean.
#[derive(Clone)]
pub struct Exchange {
    /// The action.
    pub title: &'static str,
    /// Its result.
    pub told: String,
    /// Whether it came out as the application would like.
    pub is_good: bool,
    /// The request.
    pub request: Message,
    /// The answer.
    pub answer: Message,
    /// The checks on the response.
    pub checks: Vec<Check>,
    /// The claims of the ID token in the response.
    pub claims: Option<String>,
    /// The case of the refresh token.
    pub verdict: Option<Verdict>,
    /// The family's row before.
    pub before: Option<Family>,
    /// The family's row afterwards.
    pub after: Option<Family>,
}

/// The possible next steps.
#[derive(Clone)]
pub enum Next {
    /// Send the browser to the authorization endpoint.
    Begin {
        /// The request.
        request: Message,
        /// The same as a link.
        url: String,
    },
    /// Redeem the code.
    Redeem,
    /// Use the tokens.
    Use {
        /// Whether there is a refresh token that was used up.
        has_used: bool,
        /// The fields of the form that signs out.
        leave: Vec<(&'static str, String)>,
    },
}

/// The page.
pub struct Playground {
    /// Against forms of other sites.
    pub csrf: String,
    /// The possible next steps.
    pub next: Next,
    /// The steps so far, the newest first.
    pub steps: Vec<Exchange>,
}

#[derive(Template)]
#[template(path = "playground.html")]
struct Html<'a> {
    at: &'a Frame<'a>,
    page: &'a Playground,
}

/// A column of the family's row.
struct Column {
    name: &'static str,
    before: Option<String>,
    now: String,
    means: &'static str,
}

/// The text of a column of a row.
type Show = fn(&Family) -> String;

impl Column {
    fn is_changed(&self) -> bool {
        self.before.as_ref().is_some_and(|before| *before != self.now)
    }
}

impl Html<'_> {
    fn last(&self) -> Option<&Exchange> {
        self.page.steps.first()
    }

    fn earlier(&self) -> impl Iterator<Item = &Exchange> {
        self.page.steps.iter().skip(1)
    }

    /// The family's row after the last step, if there is one.
    fn columns(&self) -> Vec<Column> {
        let Some(last) = self.last() else { return Vec::new() };
        let Some(after) = &last.after else { return Vec::new() };
        let before = last.before.as_ref();
        let columns: [(&str, Show, &str); 9] = [
            ("generation", |f| f.generation.to_string(), "How often the family was renewed."),
            ("grace_floor", |f| f.grace_floor.to_string(), "No older token may be retried."),
            ("confirmed", |f| f.confirmed.to_string(), "Whether the newest token was presented."),
            ("revoked_at", |f| f.revoked.map_or("–".into(), |(at, _)| time(at)), "When it ended."),
            ("revoke_reason", |f| f.revoked.map_or("–", |(_, why)| why.as_str()).into(), "Why."),
            ("rotated_at", |f| time(f.rotated_at), "When the newest token was issued."),
            ("expires_at", |f| time(f.expires_at), "When the newest token expires."),
            ("epoch", |f| f.epoch.to_string(), "Rises when a failover may have lost commits."),
            ("kid", |f| f.kid.to_string(), "The root key that sealed the newest token."),
        ];
        let column = |(name, show, means): (_, Show, _)| Column {
            name,
            before: before.map(show),
            now: show(after),
            means,
        };
        columns.map(column).into()
    }

    fn has_verdict(&self) -> bool {
        self.last().is_some_and(|last| last.verdict.is_some())
    }

    fn is_last_row(&self, row: Case) -> bool {
        self.last().and_then(|last| last.verdict).is_some_and(|verdict| verdict.row == row)
    }
}

fn time(at: Timestamp) -> String {
    Moment::of(at).map(|at| at.to_string()).unwrap_or_default()
}

/// The decision table as `docs/refresh-tokens.md` has it: when a token falls into a row, and what that
/// means.
const TABLE: [(Case, &str, &str); 12] = [
    (
        Case::Current,
        "The newest token, renewal on.",
        "The row counted one up, and the answer holds the next token. The one that was presented is used up.",
    ),
    (
        Case::Kept,
        "The newest token, renewal off.",
        "The same refresh token came back, with a new access token.",
    ),
    (
        Case::Retry,
        "The one before, within grace_period, its successor not used yet.",
        "The same successor was computed again: to the client it is as if no answer had been lost.",
    ),
    (
        Case::Reuse,
        "Any other older token.",
        "A used-up token in anyone’s hands means that somebody has a copy. Nobody can tell who is the thief.",
    ),
    (
        Case::LostCommit,
        "Ahead of the row, from an older epoch.",
        "A failover lost the commit of the last refresh, so the row catches up with the token.",
    ),
    (
        Case::StaleStore,
        "Ahead of the row, from a later epoch.",
        "This store is that of yesterday: the client is asked to come back later.",
    ),
    (
        Case::Forgery,
        "A generation that was never issued, or a wrong secret.",
        "No honest client can have such a token.",
    ),
    (
        Case::Dead,
        "Expired, revoked, or no such family.",
        "The family has ended before, so nothing is left to be changed.",
    ),
    (
        Case::Denied,
        "More was asked for than was granted.",
        "The request was refused and the row stays as it was.",
    ),
    (
        Case::Garbage,
        "The seal does not open.",
        "Damaged or made up: refused without a look into the database.",
    ),
    (
        Case::RollOut,
        "Sealed under a key that is not here yet.",
        "Another node has a newer key: the client is asked to come back later.",
    ),
    (
        Case::StaleRights,
        "The one before, from when the session had other rights.",
        "It cannot be retried, and the family lives on.",
    ),
];

impl Verdict {
    /// Returns its meaning.
    pub fn sentence(&self) -> &'static str {
        let found = TABLE.iter().find(|(row, ..)| *row == self.row);
        found.map_or("", |(_, _, sentence)| sentence)
    }
}

impl Page for Playground {
    fn policy(&self) -> Policy {
        Policy::with_forms()
    }

    fn html(&self, at: &Frame<'_>) -> askama::Result<String> {
        Html { at, page: self }.render()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_row_once() {
        for row in Case::ALL {
            assert_eq!(TABLE.iter().filter(|(known, ..)| known == row).count(), 1, "{row:?}");
        }
        assert_eq!(TABLE.len(), Case::ALL.len());
    }
}
