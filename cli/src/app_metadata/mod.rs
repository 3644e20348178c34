//! `app-metadata`: writes the files of an External Client App that matches the settings.

mod components;
mod scopes;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use actix_salesforce::{Config, Secret};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::{Args, ValueHint};

use self::components::App;
use crate::{
    failure::Failure,
    nearest::nearest,
    output,
    project::{self, api_name},
    settings_file::SettingsFile,
};

/// The variables that the app in Salesforce has to match.
const SETTINGS: [&str; 7] = [
    "SALESFORCE_PUBLIC_URL",
    "SALESFORCE_LOGIN_URL",
    "SALESFORCE_LOGIN_HOSTS",
    "SALESFORCE_ALLOWED_ORGS",
    "SALESFORCE_ALLOW_MY_DOMAIN",
    "SALESFORCE_SCOPES",
    "SALESFORCE_SINGLE_LOGOUT",
];
/// Writes the files of an External Client App that matches the settings, ready to deploy with the Salesforce CLI
///
/// Callback URLs, scopes and flows follow from the SALESFORCE_ variables, and from the file of `--config`: SALESFORCE_PUBLIC_URL, SALESFORCE_SCOPES,
/// SALESFORCE_LOGIN_HOSTS, SALESFORCE_SINGLE_LOGOUT, SALESFORCE_SERVICE_URL. The files have no client secret and no client
/// id: Salesforce makes both when the app is deployed. Files and members are from Salesforce's documentation; a deployment
/// is unverified.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  actix-salesforce app-metadata --contact-email ops@acme.example
  actix-salesforce app-metadata --contact-email ops@acme.example --name Acme_App --out sfdx
  cd salesforce && sf project deploy start --target-org YOUR-ORG

Exit status: 0 fine, 2 wrong use, or a file that exists.")]
pub(crate) struct AppMetadata {
    /// The address at which Salesforce reaches who is responsible for the app
    #[arg(long, value_name = "EMAIL", value_parser = email)]
    contact_email: String,
    /// The API name of the app: letters, digits and single underscores
    #[arg(long, default_value = "Actix_App", value_parser = api_name)]
    name: String,
    /// The name that users see when they log in. Default: the API name
    #[arg(long)]
    label: Option<String>,
    /// The folder to write to. A folder with a sfdx-project.json keeps it
    #[arg(long, short, value_name = "FOLDER", default_value = "salesforce", value_hint = ValueHint::DirPath)]
    out: PathBuf,
    /// The app has no secret (a public client)
    #[arg(long)]
    public_client: bool,
    /// The certificate of the service user's key, in PEM, for JWT bearer
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    certificate: Option<PathBuf>,
    /// The user name that client credentials work as
    #[arg(long, value_name = "USERNAME")]
    run_as: Option<String>,
    /// Only users with one of these permission sets may use the app. May be repeated
    #[arg(long, value_name = "NAME", value_parser = api_name)]
    permission_set: Vec<String>,
    /// Overwrite files that exist
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    settings: SettingsFile,
}

pub(crate) fn run(arguments: AppMetadata) -> Result<ExitCode, Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    let file = arguments.settings.read()?;
    let config =
        of_the_app(&file).with_variables(|name| SETTINGS.contains(&name).then(|| variable(name)).flatten());
    let service = file.with_variables(variable).service;
    let login_url = config.login_url.clone();
    // The flows of a service user are those of its app: a separate one has other files.
    let has_separate_app = service.as_ref().is_some_and(|service| service.client_id.is_some());
    let service = service.filter(|_| !has_separate_app);
    let has_key = service.as_ref().is_some_and(|service| service.username.is_some() || service.key.is_some());
    let has_client_credentials =
        arguments.run_as.is_some() || (!has_key && service.is_some_and(|service| !service.url.is_empty()));
    if has_key && arguments.certificate.is_none() {
        return Err(Failure::new("the settings name a service user with a key, whose certificate the app needs")
            .help("give it with `--certificate FILE` (`openssl req -x509 -key key.pem -out cert.pem -days 365` makes one)"));
    }
    let app = app(&arguments, config, has_client_credentials)?;
    project::write(&arguments.out, &login_url, app.components(), arguments.force)?;
    // Nothing is left to tell of an error of standard error.
    let _ = writeln!(
        anstream::stderr(),
        "\n{}",
        next_steps(&arguments, has_client_credentials, has_separate_app)
    );
    Ok(ExitCode::SUCCESS)
}

fn app(arguments: &AppMetadata, mut config: Config, has_client_credentials: bool) -> Result<App, Failure> {
    let scopes = scopes::in_metadata(&config.scopes).map_err(|unknown| {
        let failure = |scope: &&str| {
            let help = match nearest(scope, scopes::known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "leave it out of SALESFORCE_SCOPES for this command, and add it to the app in Setup"
                    .to_owned(),
            };
            Failure::new(format_args!("the scope `{scope}` has no name in metadata that this program knows"))
                .help(help)
        };
        unknown.iter().map(failure).collect::<Failure>()
    })?;
    // The library computes and checks the addresses. It needs a client id and keys, which the app does not have yet; they
    // end with this process.
    "not-deployed-yet".clone_into(&mut config.client_id);
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| {
        Failure::of("cannot make a random key", &error)
            .help("this system has no source of random numbers: run it on another one")
    })?;
    config.keys = Some(Secret::new(STANDARD.encode(key)));
    let plan = config.plan().map_err(|error| {
        Failure::of("the settings are invalid", &error).help("correct them: docs/settings.md")
    })?;
    Ok(App {
        name: arguments.name.clone(),
        label: arguments.label.clone().unwrap_or_else(|| arguments.name.replace('_', " ")),
        contact_email: arguments.contact_email.clone(),
        description: format!("The app at {}", plan.public_url.as_str().trim_end_matches('/')),
        redirect_uris: plan.redirect_uris.into_iter().collect(),
        scopes,
        is_public_client: arguments.public_client,
        has_client_credentials,
        certificate: arguments.certificate.as_deref().map(certificate).transpose()?,
        single_logout_url: plan.single_logout_route.map(String::from),
        run_as: arguments.run_as.clone(),
        permission_sets: arguments.permission_set.clone(),
    })
}

/// Those settings of a file that the app in Salesforce has to match. The others may not be there yet, or be those of another
/// machine.
fn of_the_app(settings: &Config) -> Config {
    let mut config = Config::default();
    config.public_url.clone_from(&settings.public_url);
    config.routes.clone_from(&settings.routes);
    config.login_url.clone_from(&settings.login_url);
    config.login_hosts.clone_from(&settings.login_hosts);
    config.allowed_orgs.clone_from(&settings.allowed_orgs);
    config.allow_my_domain = settings.allow_my_domain;
    config.scopes.clone_from(&settings.scopes);
    config.single_logout = settings.single_logout;
    config
}

fn certificate(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| output::unreadable(path, &error))?;
    if text.contains("PRIVATE KEY") || !text.contains("-----BEGIN CERTIFICATE-----") {
        return Err(Failure::new(format_args!("{} is not a certificate in PEM alone", path.display()))
            .help("give the file that begins with -----BEGIN CERTIFICATE-----; a private key never leaves this machine"));
    }
    Ok(text.trim().to_owned())
}

fn next_steps(arguments: &AppMetadata, has_client_credentials: bool, has_separate_app: bool) -> String {
    let mut steps = format!(
        "Next, in {}:\n  sf project deploy start --target-org YOUR-ORG\nThen Setup, External Client App Manager, {}, \
         Consumer Key and Secret: they are SALESFORCE_CLIENT_ID and SALESFORCE_CLIENT_SECRET.\nDo not retrieve \
         extlClntAppGlobalOauthSets into source control: an org writes the secret there.",
        arguments.out.display(),
        arguments.label.as_deref().unwrap_or(&arguments.name),
    );
    if has_client_credentials && arguments.run_as.is_none() {
        steps.push_str(
            "\nIn the app's policies choose the user that client credentials work as (or give `--run-as`).",
        );
    }
    if has_separate_app {
        steps.push_str(
            "\nThe service user has a separate app (SALESFORCE_SERVICE_CLIENT_ID), which these files do not change.",
        );
    }
    steps
}

fn email(text: &str) -> Result<String, String> {
    match text.split_once('@') {
        Some((user, host))
            if !user.is_empty() && host.contains('.') && !text.contains(char::is_whitespace) =>
        {
            Ok(text.to_owned())
        }
        _ => Err("an address such as ops@acme.example".into()),
    }
}
