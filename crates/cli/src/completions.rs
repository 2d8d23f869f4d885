//! `remint completions`.

use clap::Args;
use clap_complete::Shell;

use crate::output::print;

/// Print the completions of a shell.
#[derive(Args)]
#[command(after_help = "Example:\n  remint completions bash > /etc/bash_completion.d/remint")]
pub(crate) struct Completions {
    /// Shell to make completions for.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let mut command = crate::command();
        // Into memory first: it would panic where a write fails.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "remint", &mut script);
        print(&String::from_utf8_lossy(&script))
    }
}
