//! `remint store`.

mod backup;
mod copy;
mod epoch;
mod place;
mod progress;
mod status;

use clap::Subcommand;

use crate::install::Common;

/// Look at the store, back it up, move it, and say that it lost commits.
#[derive(Subcommand)]
pub(crate) enum Store {
    Backup(backup::Backup),
    Copy(copy::Copy),
    #[command(subcommand)]
    Epoch(epoch::Epoch),
    /// Show where the store is and how it is
    Status(Common),
}

impl Store {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Backup(backup) => backup.run(),
            Self::Copy(copy) => copy.run(),
            Self::Epoch(epoch) => epoch.run(),
            Self::Status(common) => status::show(&common),
        }
    }
}
