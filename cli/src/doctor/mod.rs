//! `doctor`: checks an app's settings against its org.
//!
//! One file for each area; each check adds a [`Finding`] to the report. Nothing is edited, and no secret
//! is printed.

mod api;
mod authorize;
mod clock;
mod finding;
mod kept;
mod keyring;
mod listener;
mod login;
mod org;
mod public_url;
mod render;
mod service;
mod settings;
mod setup;
mod store;
mod stored_grants;
mod tokens;

use std::{process::ExitCode, time::Duration};

use actix_salesforce::{
    config::{PlannedLogin, StartPlan},
    http::is_loopback,
};
use clap::Args;
use url::Url;

use self::{
    authorize::HostState,
    finding::{Check, Finding, Report},
    kept::Resumed,
    login::Consent,
    org::Org,
    tokens::Held,
};
use crate::{
    failure::{Failure, INTERRUPTED},
    interrupt::Interrupt,
    settings_file::SettingsFile,
};

/// The loopback callback of Salesforce's own command line, which many apps have registered.
const DEFAULT_CALLBACK: &str = "http://localhost:1717/OauthRedirect";

const CLIENT: &str = "check SALESFORCE_API_PROXY and SALESFORCE_TOKEN_PROXY, and this machine's list of certificate authorities";

const EXAMPLES: &str = "\
Examples:
  actix-salesforce doctor                  Ask, then log in with a browser
  actix-salesforce doctor --no-login       Only what needs no login
  actix-salesforce doctor --client-credentials --json > report.json
  actix-salesforce doctor --yes --allow pkce --allow rotation
  actix-salesforce doctor --keep           Keep the login for the next run
  actix-salesforce doctor --config app.toml --section salesforce
  actix-salesforce fake -- actix-salesforce doctor --no-login

The settings are the SALESFORCE_ variables of the app, and with --config a file of it; what it sets in code is not seen. Exit status: 0 nothing found, 1 findings, 2 wrong use, or
nothing could be checked, 130 interrupted. Skipped checks do not count.";

/// Checks the app's settings against the org, and names each fix and its place in Setup
///
/// Edits nothing, prints no secret and leaves stored logins alone. A login for the checks takes one of the user's five
/// approvals of the app, so that it is asked for first; it is refreshed twice and revoked at the end, or kept with --keep.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Doctor {
    /// Log in without asking
    #[arg(long, conflicts_with_all = ["no_login", "client_credentials"])]
    yes: bool,
    /// Make no login: the checks that need one are skipped
    #[arg(long, conflicts_with = "client_credentials")]
    no_login: bool,
    /// Store the login in the keyring of this machine instead of revoking it: the next run uses it, and one without --keep
    /// revokes it
    #[arg(long, conflicts_with_all = ["no_login", "client_credentials"])]
    keep: bool,
    /// Take a token of the service user (client credentials, or JWT bearer with SALESFORCE_SERVICE_KEY) instead of a login
    #[arg(long)]
    client_credentials: bool,
    /// Redirect URI of the login, on this machine [default: the app's own if it is on this machine and the app does not
    /// run, else http://localhost:1717/OauthRedirect]
    #[arg(long, value_name = "URL", value_parser = listener::parse)]
    callback: Option<Url>,
    /// Login host to log in at, by its name in SALESFORCE_LOGIN_HOSTS [default: SALESFORCE_LOGIN_URL]
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Seconds to wait for the login
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Report findings of this check, and leave them out of the exit status. Can be given several times
    #[arg(long, value_name = "CHECK", hide_possible_values = true)]
    allow: Vec<Check>,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsFile,
}

/// Runs all checks.
pub(crate) async fn run(doctor: Doctor) -> Result<ExitCode, Failure> {
    let interrupt = Interrupt::listen();
    let mut report = Report::new(doctor.json, doctor.allow.clone());
    let config = doctor.settings.read()?.with_env();
    let plan = settings::check(&config, &mut report);
    let login = plan.as_ref().map(|plan| chosen(&doctor, plan)).transpose()?;
    if doctor.keep && login.is_some() && interrupt.or(kept::require()).await.transpose()?.is_none() {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    store::check(&config, plan.as_ref(), &interrupt, &mut report).await;
    match plan.zip(login) {
        Some((plan, login)) => {
            if interrupt.or(public_url::check(&plan, &mut report)).await.is_some() {
                check_org(&doctor, plan, login, &interrupt, &mut report).await?;
            }
        }
        None => {
            let all = Check::BEFORE_LOGIN.into_iter().chain(Check::WITH_LOGIN).chain(Check::WITH_TOKEN);
            report.skip(all.chain([Check::PublicUrl, Check::ProxyHeaders]), "The settings are invalid.");
        }
    }
    let interrupted = interrupt.is_raised();
    if interrupted {
        report.skip(Check::of_each_run(), "Interrupted.");
    }
    report.end(interrupted).map_err(|error| {
        Failure::of("cannot print the findings", &error)
            .help("check where the output goes to: a full disk, or a device that takes none")
    })
}

async fn check_org(
    doctor: &Doctor,
    plan: StartPlan,
    login: PlannedLogin,
    interrupt: &Interrupt,
    report: &mut Report,
) -> Result<(), Failure> {
    let callback = callback(doctor, &login);
    let org = Org::new(plan, login)
        .map_err(|error| Failure::of("cannot create the HTTP client", &error).help(CLIENT))?;
    report.working_on("asking Salesforce about the app");
    let Some(state) = interrupt.or(before_login(&org, &callback, report)).await else { return Ok(()) };
    let has_service_user = org.plan.service.is_some() || doctor.client_credentials;
    let has_own_app = org.plan.service.as_ref().is_some_and(|user| user.app().is_some());
    let service = match has_service_user && !interrupt.is_raised() {
        true if report.has_failed(Check::Secret) && !has_own_app => {
            report.skip([Check::ServiceUser], "The client secret is wrong.");
            None
        }
        true => service::check(&org, report).await,
        false => None,
    };
    let uses_kept = !doctor.client_credentials && !doctor.no_login && !matches!(state, HostState::Unusable);
    let resumed = match uses_kept && !interrupt.is_raised() {
        true => kept::resume(&org, doctor.keep, interrupt, report).await,
        false => Resumed::None,
    };
    let held = match (state, resumed) {
        _ if doctor.client_credentials => {
            report.skip(Check::WITH_LOGIN, "It needs the login of a user: --client-credentials makes none.");
            None
        }
        (HostState::Unusable, _) => {
            report.skip(Check::BEFORE_LOGIN.into_iter().chain(Check::WITH_LOGIN), "An earlier check failed.");
            None
        }
        (HostState::NoCallback, resumed) => {
            report.add(unregistered(&callback));
            if matches!(resumed, Resumed::None) {
                let why = "It needs a login, and no loopback callback is registered.";
                report.skip(Check::WITH_LOGIN, why);
            }
            resumed.held()
        }
        (HostState::Ready(callback), Resumed::None) => {
            let (within, how) = (Duration::from_secs(doctor.timeout), (consent(doctor), doctor.keep));
            login::log_in(&org, &callback, how, within, interrupt, report)
                .await
                .map(|tokens| Held::new(tokens, org.plan.scopes.clone()))
        }
        (HostState::Ready(callback), resumed) => {
            report.add(Finding::passed(Check::LoginCallback, format!("{callback} is registered.")));
            resumed.held()
        }
    };
    report.skip(Check::BEFORE_LOGIN, "An earlier check failed.");
    with_tokens(&org, (held, doctor.keep), service, interrupt, report).await;
    Ok(())
}

/// Uses the tokens, and revokes them in any case, unless the login is to be kept.
async fn with_tokens(
    org: &Org,
    (held, is_kept): (Option<Held>, bool),
    service: Option<actix_salesforce::oauth::TokenResponse>,
    interrupt: &Interrupt,
    report: &mut Report,
) {
    let mut held = held;
    if let Some(held) = &mut held
        && !interrupt.is_raised()
    {
        held.check(org, interrupt, report).await;
    }
    let tokens = held.as_ref().map(|held| &held.tokens).or(service.as_ref());
    let is_taken = match tokens {
        // Dropped at once when interrupted: these requests change nothing.
        Some(tokens) => interrupt.or(api::check(org, tokens, report)).await,
        None => {
            report.skip(Check::WITH_TOKEN, "It needs a token.");
            None
        }
    };
    if let Some(held) = held {
        if let Some(is_taken) = is_taken {
            held.report_address(is_taken, report);
        }
        held.end(org, is_kept && !interrupt.is_raised(), report).await;
    }
    if let Some(service) = service {
        service::revoke(org, &service, report).await;
    }
}

async fn before_login(org: &Org, callback: &Url, report: &mut Report) -> HostState {
    let mut state = authorize::check(org, callback, report).await;
    if !report.has_failed(Check::Reach) && !report.has_failed(Check::App) {
        report.add(authorize::secret(org).await);
    }
    if report.has_failed(Check::Secret) {
        // A login would cost an approval, and end without tokens.
        state = HostState::Unusable;
    }
    for login in org.plan.logins.iter().filter(|login| login.host != org.login.host) {
        authorize::check_further(org, login, report).await;
    }
    state
}

/// Returns the login host that was chosen.
fn chosen(doctor: &Doctor, plan: &StartPlan) -> Result<PlannedLogin, Failure> {
    let is_it = |login: &&PlannedLogin| login.name.as_deref() == doctor.host.as_deref();
    plan.logins.iter().find(is_it).cloned().ok_or_else(|| {
        let names: Vec<_> = plan.logins.iter().filter_map(|login| login.name.as_deref()).collect();
        let known = if names.is_empty() {
            "it names none".to_owned()
        } else {
            format!("it names {}", names.join(", "))
        };
        Failure::new("SALESFORCE_LOGIN_HOSTS has no login host of the name that --host gives").help(known)
    })
}

/// Returns the redirect URI of this program's login.
fn callback(doctor: &Doctor, login: &PlannedLogin) -> Url {
    // While the app runs here, it has the port.
    let is_free = |uri: &&Url| listener::is_free(uri);
    let own =
        Some(&login.redirect_uri).filter(|uri| is_loopback(uri) && uri.scheme() == "http").filter(is_free);
    let default = || own.cloned().or_else(|| DEFAULT_CALLBACK.parse().ok());
    doctor.callback.clone().or_else(default).unwrap_or_else(|| login.redirect_uri.clone())
}

fn consent(doctor: &Doctor) -> Consent {
    match (doctor.yes, doctor.no_login) {
        (true, _) => Consent::Given,
        (_, true) => Consent::Refused,
        _ => Consent::Ask,
    }
}

fn unregistered(callback: &Url) -> Finding {
    let finding =
        Finding::skipped(Check::LoginCallback, format!("{callback} is not registered with the app."));
    let finding =
        finding.fix(format!("to check a login too, add {callback} to the app's callback URLs for a while"));
    setup::at(finding, setup::APP_SETTINGS, "\"Callback URL\"")
}
