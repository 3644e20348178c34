//! The program `actix-salesforce`: tools for a team that builds on the crate of that name.

mod app_metadata;
mod arguments;
mod call_metadata;
mod doctor;
mod failure;
mod fake;
mod interrupt;
mod nearest;
mod output;
mod progress;
mod project;
mod settings_file;
mod shell;
mod style;
mod types;

use std::process::ExitCode;

use clap::Parser;

use self::arguments::{Arguments, Command};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = match arguments.command {
        Command::Doctor(doctor) => doctor::run(doctor).await,
        Command::Fake(fake) => fake::run(fake).await,
        Command::Types(types) => types::run(types).await,
        Command::AppMetadata(app_metadata) => app_metadata::run(app_metadata),
        Command::CallMetadata(call_metadata) => call_metadata::run(call_metadata),
        Command::Completions(completions) => shell::completions(&completions),
        Command::Man(man) => shell::man(&man),
    };
    ended.unwrap_or_else(|failure| failure.report())
}
