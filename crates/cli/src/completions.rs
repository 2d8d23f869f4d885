//! `remint completions`.

use clap::Args;
use clap_complete::Shell;

/// Print the completions of a shell.
#[derive(Args)]
#[command(after_help = "Example:\n  remint completions bash > /etc/bash_completion.d/remint")]
pub(crate) struct Completions {
    /// Which shell.
    shell: Shell,
}

impl Completions {
    #[expect(clippy::unnecessary_wraps, reason = "every command answers the same way")]
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let mut command = crate::command();
        clap_complete::generate(self.shell, &mut command, "remint", &mut std::io::stdout());
        Ok(())
    }
}
