//! `remint store epoch`.

use anyhow::bail;
use clap::{Args, Subcommand};
use remint_protocol::audit::Object;
use remint_protocol::event;
use remint_store::Outcome;
use serde::Serialize;

use crate::audit;
use crate::install::{Common, block_on, open_store, open_store_to_read};
use crate::output::digits;

/// Show and raise the epoch.
///
/// The epoch rises when the database may have lost its last commits. Every refresh token carries the
/// epoch that it was issued in. One that is ahead of its session's row, and from an earlier epoch, is a
/// client whose last refresh the database forgot: the row catches up, and the session lives on. One that
/// is ahead and from this epoch is a forgery, and ends the session.
#[derive(Subcommand)]
pub(crate) enum Epoch {
    /// Show the epoch
    Show(Common),
    Bump(Bump),
}

/// Say that the database may have lost commits.
///
/// Do this after a restore from a backup, before servers start on what was restored; and after a
/// failover that is not seen by itself, as of a managed service: `remint store status` says whether the
/// timeline is watched. Sessions whose clients are ahead of their rows then heal at their next refresh.
/// Running servers follow at once.
///
/// Do not do it for anything else. After a restart it is not needed, nor after a failover where the
/// timeline is watched, nor after `remint store copy`. A token that is ahead of its row is otherwise a
/// sign that somebody has your key file: for every token from before a bump, this sign is given up. The
/// epoch never falls.
#[derive(Args)]
#[command(after_help = "Examples:\n  remint store epoch bump\n  \
                        remint store epoch bump --above 3    a backup from before the epoch was 3 was restored")]
pub(crate) struct Bump {
    /// Raise it above this one, which was in use before the restore. An epoch that tokens already have
    /// would take their holders for forgers.
    #[arg(long, value_name = "EPOCH", default_value_t = 0, value_parser = digits::<u16>)]
    above: u16,
    #[command(flatten)]
    common: Common,
}

#[derive(Serialize)]
struct Printed {
    epoch: u16,
}

impl Epoch {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Show(common) => show(&common),
            Self::Bump(bump) => bump.run(),
        }
    }
}

fn show(common: &Common) -> anyhow::Result<()> {
    let config = common.location.config()?;
    let store = block_on(open_store_to_read(&config))?;
    let epoch = block_on(async { Ok(store.epoch().await?) })?;
    common.output.one(&Printed { epoch })
}

impl Bump {
    fn run(self) -> anyhow::Result<()> {
        let config = self.common.location.config()?;
        let store = block_on(open_store(&config))?;
        let epoch = audit::change(&config, (&event::STORE_EPOCH_BUMPED, Object::Store), || {
            block_on(async {
                loop {
                    if store.raise_epoch().await? == Outcome::Conflict {
                        bail!("the epoch is {} already, the last one that there is", u16::MAX);
                    }
                    let epoch = store.epoch().await?;
                    if epoch > self.above {
                        return Ok(epoch);
                    }
                }
            })
        })?;
        if self.common.output.json {
            return self.common.output.one(&Printed { epoch });
        }
        self.common.output.done(&format!(
            "the epoch is {epoch}: sessions whose clients are ahead of their rows heal when they refresh"
        ))
    }
}
