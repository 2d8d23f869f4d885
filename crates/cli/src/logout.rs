//! `remint logout`.

use clap::Subcommand;
use remint_protocol::logout_notice::LogoutNotice;
use remint_store::Store;
use serde::Serialize;

use crate::install::{Common, Installation, block_on};
use crate::output::time;

/// See which clients were not told of a logout.
#[derive(Subcommand)]
pub(crate) enum Logout {
    /// List the clients that are still to be told of the end of a session, and those given up in the last week
    #[command(after_help = "Example:\n  remint logout list")]
    List(Common),
}

#[derive(Serialize)]
struct Printed {
    client: String,
    /// `waiting` or `given up`; the log says why, in the event `logout.not_told`.
    state: &'static str,
    user: String,
    /// The browser whose session is over.
    browser: String,
    attempts: u32,
    ended: String,
    /// The time of the next attempt.
    next: Option<String>,
    given_up: Option<String>,
}

impl Printed {
    fn of(notice: &LogoutNotice) -> Self {
        let given_up = notice.given_up_at();
        Self {
            client: notice.client_id.to_string(),
            state: if given_up.is_some() { "given up" } else { "waiting" },
            user: notice.user_id.to_string(),
            browser: notice.browser_session.sid(),
            attempts: notice.attempts,
            ended: time(notice.created_at),
            next: given_up.is_none().then(|| time(notice.due_at)),
            given_up: given_up.map(time),
        }
    }
}

impl Logout {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Self::List(common) = self;
        let at = Installation::open(&common.location)?;
        let printed = block_on(list(&at.store))?;
        let columns =
            ["client", "state", "user", "browser", "attempts", "ended", "next", "given_up"];
        common.output.many(&printed, &columns)
    }
}

async fn list(store: &Store) -> anyhow::Result<Vec<Printed>> {
    let (mut printed, mut after) = (Vec::new(), None);
    loop {
        let page = store.list_logout_notices(after.as_ref(), 500).await?;
        let Some(last) = page.last().cloned() else { return Ok(printed) };
        printed.extend(page.iter().map(Printed::of));
        after = Some(last);
    }
}
