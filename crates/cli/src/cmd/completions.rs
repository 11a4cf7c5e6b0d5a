//! `latchwork completions`: a shell comes in, a script that completes all commands goes out.

use crate::exit::{Exit, Failure};
use crate::print;

const EXAMPLES: &str = "\
Examples:
  latchwork completions bash > ~/.local/share/bash-completion/completions/latchwork
  latchwork completions zsh > ~/.zfunc/_latchwork        with ~/.zfunc in fpath
  latchwork completions fish > ~/.config/fish/completions/latchwork.fish";

/// Write a script that completes commands and flags in a shell
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Completions {
    /// The shell
    shell: clap_complete::Shell,
}

impl Completions {
    pub(crate) fn run(self, mut program: clap::Command) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut program, "latchwork", &mut script);
        print::raw(&script)?;
        Ok(Exit::Done)
    }
}
