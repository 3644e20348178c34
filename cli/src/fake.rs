//! `fake`: runs a command against a fake org.

use std::process::{ExitCode, Stdio};

use clap::Args;
use salesforce_fake_org::FakeOrg;
use tokio::process::Command;

use crate::failure::Failure;

/// Runs a command against a fake org, and ends with it
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  actix-salesforce fake -- cargo run")]
pub(crate) struct Fake {
    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(crate) async fn run(fake: Fake) -> Result<ExitCode, Failure> {
    let org = FakeOrg::start().await.map_err(|error| Failure::of("cannot start the fake org", &error))?;
    let [program, arguments @ ..] = fake.command.as_slice() else {
        return Err(Failure::new("no command is named"));
    };
    let status = Command::new(program)
        .args(arguments)
        .envs(org.variables())
        .stdin(Stdio::inherit())
        .status()
        .await
        .map_err(|error| Failure::of(format_args!("cannot run {program}"), &error))?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
