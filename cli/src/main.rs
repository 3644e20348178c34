//! The program `actix-salesforce`: tools for a team that builds on the crate of that name.

mod arguments;
mod failure;
mod fake;
mod nearest;
mod style;
mod types;

use std::process::ExitCode;

use clap::Parser;

use self::arguments::{Arguments, Command};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = match arguments.command {
        Command::Fake(fake) => fake::run(fake).await,
        Command::Types(types) => types::run(types).await,
    };
    ended.unwrap_or_else(|failure| failure.report())
}
