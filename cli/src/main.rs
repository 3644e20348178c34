//! The program `actix-salesforce`: tools for a team that builds on the crate of that name.

mod arguments;
mod doctor;
mod failure;
mod fake;

use std::process::ExitCode;

use clap::Parser;

use self::arguments::{Arguments, Command};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = match arguments.command {
        Command::Doctor(doctor) => doctor::run(doctor).await,
        Command::Fake(fake) => fake::run(fake).await,
    };
    ended.unwrap_or_else(|failure| failure.report())
}
