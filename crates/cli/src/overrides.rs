//! The flags with which a client departs from the server-wide token settings.

use clap::Args;
use remint_protocol::policy::{MaxLifetime, OnReuse, Overrides};
use remint_server::config::Setting;
use serde::Serialize;
use std::time::Duration;

use crate::change::Change;

fn change<T: Setting>(text: &str) -> Result<Change<T>, String> {
    if text == "inherit" {
        return Ok(Change::Unset);
    }
    T::read(text).map(Change::To).ok_or_else(|| format!("write {}, or `inherit`", T::EXPECTS))
}

/// Token settings of one client. `inherit` follows the server's.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Token settings (`inherit` follows the server's)")]
pub(crate) struct OverrideFlags {
    /// Lifetime of an access token.
    #[arg(long, value_name = "TIME", value_parser = change::<Duration>)]
    access_token_lifetime: Option<Change<Duration>>,
    /// Lifetime of a refresh token.
    #[arg(long, value_name = "TIME", value_parser = change::<Duration>)]
    refresh_token_lifetime: Option<Change<Duration>>,
    /// Whether each refresh gives a new refresh token.
    #[arg(long, value_name = "BOOL", value_parser = change::<bool>)]
    renew_refresh_token: Option<Change<bool>>,
    /// Whether a renewed refresh token gets a new expiry.
    #[arg(long, value_name = "BOOL", value_parser = change::<bool>)]
    extend_on_renewal: Option<Change<bool>>,
    /// Time for which all refresh tokens of one authorization live together, or `none`.
    #[arg(long, value_name = "TIME", value_parser = change::<MaxLifetime>)]
    refresh_token_max_lifetime: Option<Change<MaxLifetime>>,
    /// Time after a renewal for which the previous refresh token still gets the same successor.
    #[arg(long, value_name = "TIME", value_parser = change::<Duration>)]
    grace_period: Option<Change<Duration>>,
    /// Effect of a used-up refresh token: `revoke_family` or `deny`.
    #[arg(long, value_name = "WHAT", value_parser = change::<OnReuse>)]
    on_reuse: Option<Change<OnReuse>>,
    /// Whether a renewal ends the access tokens issued before it.
    #[arg(long, value_name = "BOOL", value_parser = change::<bool>)]
    revoke_access_token_on_refresh: Option<Change<bool>>,
}

impl OverrideFlags {
    pub(crate) fn apply(&self, to: &mut Overrides) {
        Change::apply(self.access_token_lifetime.as_ref(), &mut to.access_token_lifetime);
        Change::apply(self.refresh_token_lifetime.as_ref(), &mut to.refresh_token_lifetime);
        Change::apply(self.renew_refresh_token.as_ref(), &mut to.renew_refresh_token);
        Change::apply(self.extend_on_renewal.as_ref(), &mut to.extend_on_renewal);
        Change::apply(self.refresh_token_max_lifetime.as_ref(), &mut to.refresh_token_max_lifetime);
        Change::apply(self.grace_period.as_ref(), &mut to.grace_period);
        Change::apply(self.on_reuse.as_ref(), &mut to.on_reuse);
        Change::apply(
            self.revoke_access_token_on_refresh.as_ref(),
            &mut to.revoke_access_token_on_refresh,
        );
    }
}

/// The settings that a client does not inherit, as one would write them.
#[derive(Serialize)]
pub(crate) struct Shown {
    access_token_lifetime: Option<String>,
    refresh_token_lifetime: Option<String>,
    renew_refresh_token: Option<bool>,
    extend_on_renewal: Option<bool>,
    refresh_token_max_lifetime: Option<String>,
    grace_period: Option<String>,
    on_reuse: Option<&'static str>,
    revoke_access_token_on_refresh: Option<bool>,
}

impl From<&Overrides> for Shown {
    fn from(own: &Overrides) -> Self {
        Self {
            access_token_lifetime: own.access_token_lifetime.map(shown),
            refresh_token_lifetime: own.refresh_token_lifetime.map(shown),
            renew_refresh_token: own.renew_refresh_token,
            extend_on_renewal: own.extend_on_renewal,
            refresh_token_max_lifetime: own.refresh_token_max_lifetime.map(shown),
            grace_period: own.grace_period.map(shown),
            on_reuse: own.on_reuse.map(OnReuse::as_str),
            revoke_access_token_on_refresh: own.revoke_access_token_on_refresh,
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "so that it reads `map(shown)`")]
fn shown<T: Setting>(value: T) -> String {
    value.show().trim_matches('"').to_owned()
}
