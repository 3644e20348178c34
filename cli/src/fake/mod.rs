//! `fake`: runs a command against a fake org, and ends with it.

mod browser;
mod child;
mod environment;

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use salesforce_fake_org::FakeOrg;

use crate::{failure::Failure, output::note};

/// Runs a command against a fake Salesforce org on this machine, and ends with it
///
/// The command gets the variables that actix-salesforce reads, for an org with sample data that listens on loopback
/// only. The exit status is the command's; a signal that ends it counts 128 and the signal's number. Ctrl-C and SIGTERM
/// end the command, and the org with it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  actix-salesforce fake -- cargo run
  actix-salesforce fake --open -- cargo run
  actix-salesforce fake --load tests/org.json --load tests/Invoice__c.csv -- cargo run
  actix-salesforce fake --quiet -- cargo test
  actix-salesforce fake -- sh -c 'curl -s \"$SALESFORCE_LOGIN_URL/.well-known/openid-configuration\"'")]
pub(crate) struct Fake {
    /// Objects, users, rows and rules to add: a JSON file, or a CSV file named after its object. May be repeated
    #[arg(long, value_name = "FILE")]
    load: Vec<PathBuf>,
    /// Sample accounts, each of the first 1,000 with contacts, opportunities and more
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000)]
    rows: u64,
    /// Port of the login host; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    /// Port of the instance; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    instance_port: u16,
    /// Log in as the first user, without any page
    #[arg(long)]
    auto_approve: bool,
    /// Seconds after which an unused access token ends
    #[arg(long, value_name = "SECONDS", default_value_t = 7_200)]
    session_ttl: u64,
    /// User name of the service user: client credentials give tokens of this user
    #[arg(long, value_name = "USERNAME", default_value = "ada@example.com")]
    service_user: String,
    /// Open the app's login page in a browser, once the app accepts connections. BROWSER names the browser
    #[arg(long)]
    open: bool,
    /// Print the variables and all users, too
    #[arg(long, short, conflicts_with = "quiet")]
    verbose: bool,
    /// Print nothing about the org
    #[arg(long, short)]
    quiet: bool,
    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(crate) async fn run(fake: Fake) -> Result<ExitCode, Failure> {
    let [program, arguments @ ..] = fake.command.as_slice() else {
        return Err(
            Failure::new("no command is named").help("name one: `actix-salesforce fake -- cargo run`")
        );
    };
    // Before the org starts: no signal may end this process without the command.
    let signals = child::Signals::new().map_err(|error| {
        Failure::of("cannot wait for signals", &error)
            .help("raise this user's limit of open files (`ulimit -n`)")
    })?;
    let org = start(&fake).await?;
    let environment = environment::of(&org, std::env::vars_os());
    if !fake.quiet {
        introduce(&org, &environment, fake.verbose);
    }
    let page = fake.open.then(|| browser::login_page(&environment)).transpose()?;
    let opened = page.map(|page| tokio::spawn(browser::open(page)));
    let status = child::run(program, arguments, &environment, signals).await;
    if let Some(opened) = opened {
        opened.abort();
    }
    Ok(ExitCode::from(status?))
}

async fn start(fake: &Fake) -> Result<FakeOrg, Failure> {
    let mut builder = FakeOrg::builder()
        .port(fake.port)
        .instance_port(fake.instance_port)
        .rows(fake.rows)
        .auto_approve(fake.auto_approve)
        .session_ttl(std::time::Duration::from_secs(fake.session_ttl))
        .execution_user(&fake.service_user);
    // The org's app has what the settings ask for, as the real one is to have. Without the variable it has the defaults.
    if let Ok(scopes) = std::env::var("SALESFORCE_SCOPES") {
        let scopes = scopes.trim_matches(['"', '\'', ' ']);
        if !scopes.is_empty() {
            builder = builder.scopes(scopes);
        }
    }
    for path in &fake.load {
        builder = builder.load(path).map_err(|error| {
            Failure::of("cannot load a file into the fake org", &error).help(
                "the README of the fake org (`fake-org/README.md`) has the members of such a file, and an example",
            )
        })?;
    }
    builder.start().await.map_err(|error| {
        Failure::of("cannot start the fake org", &error)
            .help("leave out `--port` and `--instance-port`: free ports are taken then")
    })
}

/// Says what the user has to know: where the org is, and who can log in.
fn introduce(org: &FakeOrg, environment: &environment::Environment, verbose: bool) {
    let users = org.users();
    note("Fake org", format_args!("{} (instance {})", org.login_url(), org.instance_url()));
    if let Some(first) = users.first() {
        let more = match users.len() {
            1 => String::new(),
            count if verbose => format!(" ({count} users have it)"),
            count => format!(" ({} more with `--verbose`)", count - 1),
        };
        note("Log in as", format_args!("{}, password {}{more}", first.username(), first.password()));
    }
    if verbose {
        for user in users.iter().skip(1) {
            note("", format_args!("{} ({})", user.username(), user.display_name()));
        }
        for (name, value) in &environment.set {
            note("Sets", format_args!("{name}={value}"));
        }
    }
    for (names, what) in [(&environment.replaced, "Replaces"), (&environment.removed, "Leaves out")] {
        if !names.is_empty() {
            note(what, format_args!("{} of your environment", names.join(", ")));
        }
    }
}
