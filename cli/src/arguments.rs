//! What the program takes from its command line.

use clap::{Parser, Subcommand};

use crate::{
    app_metadata::AppMetadata,
    call_metadata::CallMetadata,
    doctor::Doctor,
    fake::Fake,
    shell::{Completions, Man},
    types::Types,
};

/// Tools for a team that builds on actix-salesforce.
#[derive(Debug, Parser)]
#[command(name = "actix-salesforce", version, arg_required_else_help = true, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Doctor(Doctor),
    Fake(Fake),
    Types(Types),
    AppMetadata(AppMetadata),
    CallMetadata(CallMetadata),
    Completions(Completions),
    Man(Man),
}
