//! The behaviour of WSO2 that has no element, and that Remint does not share or must be told to share.

use super::document::Section;
use super::draft::{Draft, Setting, Value};
use super::error::ImportError;
use super::rules::{Judgement, switch};
use super::{Line, Verdict};

const GRANT: &str = "SupportedGrantTypes/SupportedGrantType";
const REFRESH_GRANT: &str = "SupportedGrantTypes/SupportedGrantType[refresh_token]";

/// The lines of the report; goes after everything else, because a setting that an element made is
/// not made again.
pub(super) fn lines(section: &Section, draft: &mut Draft) -> Result<Vec<Line>, ImportError> {
    let renew = section.find("RenewRefreshTokenForRefreshGrant");
    let renews = renew.map_or(Ok(true), switch)?;
    let refresh_line = renew.map_or(section.at.line, |found| found.at.line);
    let lines = [
        missing_grant(section).map(|j| j.line(REFRESH_GRANT, "(not in the file)", section.at.line)),
        Some(old_access_token(draft, renews).line(
            "(refresh: old access token)",
            "ends",
            refresh_line,
        )),
        Some(reuse(draft).line("(refresh: used-up refresh token)", "is refused", refresh_line)),
        session(draft).map(|j| j.line("(refresh: length of a session)", "endless", refresh_line)),
        Some(repeated_request().line(
            "(other grants: repeated request)",
            "same token",
            section.at.line,
        )),
    ];
    Ok(lines.into_iter().flatten().collect())
}

fn missing_grant(section: &Section) -> Option<Judgement> {
    let has_grants = section.found.iter().any(|found| found.path.starts_with(GRANT));
    let reason = "WSO2 gives out no refresh tokens without this grant; in Remint that is so for \
                  each client that is created without --grant refresh_token";
    (has_grants && section.find(REFRESH_GRANT).is_none())
        .then(|| Judgement::new(Verdict::Approximated, reason))
}

fn old_access_token(draft: &mut Draft, renews: bool) -> Judgement {
    let (verdict, reason) = if renews {
        let reason = "WSO2 ends the old access token at every refresh, without an element for it";
        (Verdict::Honoured, reason)
    } else {
        let reason = "WSO2 ends the old access token at every refresh; Remint does so only where \
                      the refresh token is renewed, otherwise the access token lives until it \
                      expires";
        (Verdict::Approximated, reason)
    };
    let becomes = draft.set(Setting::RevokeAccess, Value::Switch(true), reason.to_owned());
    Judgement::new(verdict, reason).becoming(becomes)
}

fn reuse(draft: &mut Draft) -> Judgement {
    let reason = "WSO2 only refuses a used-up refresh token; Remint also ends the session, because \
                  somebody else may hold the token";
    draft.suggest(Setting::OnReuse, Value::text("deny"), reason);
    Judgement::new(Verdict::Approximated, reason)
}

fn session(draft: &mut Draft) -> Option<Judgement> {
    let reason = "WSO2 lets a session go on for as long as it is refreshed in time; Remint ends it \
                  after 365 days";
    let is_bounded = !draft.has(Setting::MaxLifetime);
    draft.suggest(Setting::MaxLifetime, Value::text("none"), reason);
    is_bounded.then(|| Judgement::new(Verdict::Approximated, reason))
}

fn repeated_request() -> Judgement {
    let reason = "WSO2 answers a second request of the same client, user and scope with the token \
                  of the first; Remint makes new tokens for each";
    Judgement::new(Verdict::Ignored, reason)
}
