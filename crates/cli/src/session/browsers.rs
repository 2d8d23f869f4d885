//! `remint session browsers`, and the end of one of them.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use remint_protocol::browser_session::{BrowserSession, BrowserSessionId, State};
use remint_protocol::family::RevokeReason;
use remint_protocol::time::Timestamp;
use remint_protocol::user::UserStanding;
use remint_store::{Outcome, Store, User};
use serde::Serialize;

use crate::install::{Common, Installation, block_on, now};
use crate::output::time;
use crate::user;

#[derive(Args)]
#[command(after_help = "Example:\n  remint session browsers alice")]
pub(crate) struct Browsers {
    /// The user's name.
    username: String,
    /// Those that are over, too.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Serialize)]
struct Printed {
    browser: String,
    state: &'static str,
    /// The `User-Agent` of the browser.
    agent: String,
    source: String,
    /// The means by which the user proved their identity (RFC 8176).
    amr: String,
    created: String,
    signed_in: String,
    seen: String,
    ends: String,
}

impl Printed {
    fn of(session: &BrowserSession, user: &User, idle: Duration, at: Timestamp) -> Self {
        let standing = UserStanding { enabled: user.disabled_at.is_none(), ended: user.ended };
        Self {
            browser: session.id.sid(),
            state: session.state(Some(standing), idle, at).as_str(),
            agent: session.user_agent.clone(),
            source: session.source.clone(),
            amr: session.amr.clone(),
            created: time(session.created_at),
            signed_in: time(session.auth_time),
            seen: time(session.seen_at),
            ends: time(session.expires_at),
        }
    }
}

impl Browsers {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let at = Installation::open_to_read(&self.common.location)?;
        let idle = at.config.sessions.idle_lifetime;
        let printed = block_on(self.collect(&at.store, idle))?;
        let columns = ["browser", "state", "agent", "source", "signed_in", "seen", "ends"];
        self.common.output.many(&printed, &columns)
    }

    async fn collect(&self, store: &Store, idle: Duration) -> anyhow::Result<Vec<Printed>> {
        let (user, now) = (user::find(store, &self.username).await?, now());
        let (mut printed, mut pages) = (Vec::new(), store.browser_session_pages(user.id));
        while let Some(sessions) = pages.next().await? {
            let all = sessions.iter().map(|session| Printed::of(session, &user, idle, now));
            printed.extend(all.filter(|one| self.all || one.state == State::Live.as_str()));
        }
        Ok(printed)
    }
}

/// Finds the session of a browser by the id that `session browsers` shows.
pub(super) async fn find(store: &Store, sid: &str) -> anyhow::Result<BrowserSession> {
    let id = BrowserSessionId::from_sid(sid).with_context(|| {
        format!("`{sid}` is not the id of a browser: `remint session browsers NAME` shows them")
    })?;
    let Some(visitor) = store.load_browser_session(id).await? else {
        bail!(
            "there is no such browser any more: `remint session browsers NAME` shows those there are"
        )
    };
    Ok(visitor.session)
}

/// Ends the session of a browser and what goes with it, and counts that.
pub(super) async fn end(
    store: &Store,
    session: &BrowserSession,
    now: Timestamp,
) -> anyhow::Result<usize> {
    let (user, id) = (session.user_id, session.id);
    let outcome = store.end_browser_session((user, id), now).await?;
    if outcome == Outcome::Conflict {
        bail!("somebody else changed it at the same time: look and try again");
    }
    let which = super::ended::belongs_to(id);
    super::ended::revoked(store, user, which, (now, RevokeReason::SignOut)).await
}
