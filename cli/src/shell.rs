//! `completions` and `man`: what a shell and a manual need of the program.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory as _, ValueHint};
use clap_complete::Shell;

use crate::{
    arguments::Arguments,
    failure::Failure,
    output::{note, print, replace},
};

const PROGRAM: &str = "actix-salesforce";

/// Prints a script that completes the program's arguments in a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  actix-salesforce completions bash > ~/.local/share/bash-completion/completions/actix-salesforce
  actix-salesforce completions zsh > \"${fpath[1]}/_actix-salesforce\"
  actix-salesforce completions fish > ~/.config/fish/completions/actix-salesforce.fish")]
pub(crate) struct Completions {
    shell: Shell,
}

/// Prints the manual page, or writes the pages of all commands
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  actix-salesforce man | man -l -
  actix-salesforce man --out ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// The folder for the pages of all commands
    #[arg(long, short, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
}

pub(crate) fn completions(completions: &Completions) -> Result<ExitCode, Failure> {
    // Into memory first: the generator takes a closed pipe for a bug.
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut Arguments::command(), PROGRAM, &mut script);
    print(&script)
}

pub(crate) fn man(man: &Man) -> Result<ExitCode, Failure> {
    let Some(folder) = &man.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Arguments::command()).render(&mut page).map_err(|error| {
            Failure::of("cannot write the manual page", &error).help("write to a folder, with `--out`")
        })?;
        return print(&page);
    };
    let failed = |error: std::io::Error| {
        Failure::of(format_args!("cannot write to {}", folder.display()), &error)
            .help("give `--out` a folder that this user may write to")
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    // Apart first: a page in its place is there as a whole.
    let pages = tempfile::tempdir().map_err(failed)?;
    clap_mangen::generate_to(Arguments::command(), pages.path()).map_err(failed)?;
    for page in std::fs::read_dir(pages.path()).map_err(failed)? {
        let page = page.map_err(failed)?;
        let text = std::fs::read_to_string(page.path()).map_err(failed)?;
        replace(&folder.join(page.file_name()), &text)?;
    }
    note("Written", folder.display());
    Ok(ExitCode::SUCCESS)
}
