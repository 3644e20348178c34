//! [`Finding`]: the outcome of one check, and [`Report`], which collects and shows them.

use std::{io, process::ExitCode};

use clap::ValueEnum;
use serde::Serialize;

use super::render;
use crate::{
    failure::{FINDINGS, INTERRUPTED},
    progress::Progress,
};

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Check {
    /// The variables: missing, invalid and misspelt ones
    Settings,
    /// SALESFORCE_KEYS
    Keys,
    /// SALESFORCE_STORE: opening, writing, reading, deleting
    Store,
    /// Leases, which keep two processes from refreshing one grant
    StoreLease,
    /// The time of a store operation
    StoreLatency,
    /// SALESFORCE_KEYS open the grants of the store
    StoredGrants,
    /// The public URL leads to the app
    PublicUrl,
    /// A proxy in front passes on what logins and logouts need
    ProxyHeaders,
    /// The login host can be reached
    Reach,
    /// This machine's clock against Salesforce's
    Clock,
    /// The org knows the app and lets it log users in
    App,
    /// The app's callback URL is registered
    Callback,
    /// Salesforce requires PKCE of the app
    Pkce,
    /// The scopes are assigned to the app
    Scopes,
    /// The client secret
    Secret,
    /// The loopback callback of this program is registered
    LoginCallback,
    /// A login, up to the tokens
    Login,
    /// The signature and the claims of the ID token
    IdToken,
    /// The scopes that Salesforce granted
    GrantedScopes,
    /// Addresses from which tokens may be requested and used
    IpRestrictions,
    /// A refresh token was issued
    RefreshToken,
    /// The refresh token works
    Refresh,
    /// Each refresh replaces the refresh token
    Rotation,
    /// The service user gets a token
    ServiceUser,
    /// The REST API accepts the token
    Api,
    /// The API requests that the org has left
    ApiUsage,
    /// SALESFORCE_API_VERSION
    ApiVersion,
    /// The tokens were revoked at the end
    Revoked,
    /// The login is in the keyring of this machine (--keep)
    Kept,
}

impl Check {
    /// The checks of the login host that need no login.
    pub(crate) const BEFORE_LOGIN: [Self; 7] =
        [Self::Reach, Self::Clock, Self::App, Self::Callback, Self::Pkce, Self::Scopes, Self::Secret];
    /// The checks that need a login.
    pub(crate) const WITH_LOGIN: [Self; 7] = [
        Self::Login,
        Self::IdToken,
        Self::GrantedScopes,
        Self::IpRestrictions,
        Self::RefreshToken,
        Self::Refresh,
        Self::Rotation,
    ];
    /// The checks that need an access token.
    pub(crate) const WITH_TOKEN: [Self; 3] = [Self::Api, Self::ApiUsage, Self::ApiVersion];

    /// The checks of each run: all but those of what a run may not have: a service user, and tokens to revoke or to
    /// keep.
    pub(crate) fn of_each_run() -> impl Iterator<Item = Self> {
        let all = Self::value_variants().iter().copied();
        all.filter(|check| !matches!(check, Self::ServiceUser | Self::Revoked | Self::Kept))
    }

    /// Returns the name on the command line and in the output.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Passed,
    Warning,
    Failed,
    Skipped,
}

/// The outcome of one check. Contains no secret.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    pub(crate) check: Check,
    pub(crate) outcome: Outcome,
    /// `unreachable`, or Salesforce's error code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    pub(crate) what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fix: Option<String>,
    /// Where in Salesforce's Setup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) setup: Option<String>,
}

impl Finding {
    pub(crate) fn new(check: Check, outcome: Outcome, what: impl Into<String>) -> Self {
        Self { check, outcome, code: None, what: what.into(), fix: None, setup: None }
    }

    pub(crate) fn passed(check: Check, what: impl Into<String>) -> Self {
        Self::new(check, Outcome::Passed, what)
    }

    pub(crate) fn warning(check: Check, what: impl Into<String>) -> Self {
        Self::new(check, Outcome::Warning, what)
    }

    pub(crate) fn failed(check: Check, what: impl Into<String>) -> Self {
        Self::new(check, Outcome::Failed, what)
    }

    pub(crate) fn skipped(check: Check, what: impl Into<String>) -> Self {
        Self::new(check, Outcome::Skipped, what)
    }

    pub(crate) fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    pub(crate) fn setup(mut self, place: impl Into<String>) -> Self {
        self.setup = Some(place.into());
        self
    }
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Summary {
    pub(crate) passed: usize,
    pub(crate) warning: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    findings: &'a [Finding],
    summary: Summary,
    interrupted: bool,
}

/// Collects the findings. Without `--json` each is shown at once.
pub(crate) struct Report {
    findings: Vec<Finding>,
    is_json: bool,
    /// Findings of these checks do not count for the exit status.
    allowed: Vec<Check>,
    progress: Progress,
}

impl Report {
    pub(crate) fn new(is_json: bool, allowed: Vec<Check>) -> Self {
        Self { findings: Vec::new(), is_json, allowed, progress: Progress::new(true) }
    }

    /// Shows what takes time from now on.
    pub(crate) fn working_on(&self, what: impl Into<String>) {
        self.progress.working_on(what);
    }

    /// Runs something that writes to the terminal by itself.
    pub(crate) fn without_progress<T>(&self, work: impl FnOnce() -> T) -> T {
        self.progress.suspend(work)
    }

    /// Ends the progress line.
    pub(crate) fn settle(&self) {
        self.progress.settle();
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        if !self.is_json {
            self.progress.suspend(|| render::finding(&finding));
        }
        self.findings.push(finding);
    }

    /// Reports these checks as skipped, unless they have a finding. The text names them together.
    pub(crate) fn skip(&mut self, checks: impl IntoIterator<Item = Check>, why: &str) {
        let mut skipped: Vec<Finding> = Vec::new();
        for check in checks {
            if !self.has(check) && !skipped.iter().any(|finding| finding.check == check) {
                skipped.push(Finding::skipped(check, why));
            }
        }
        if let [first, others @ ..] = skipped.as_slice()
            && !self.is_json
        {
            let mut shown = first.clone();
            if !others.is_empty() {
                let names: Vec<_> = others.iter().map(|finding| finding.check.name()).collect();
                shown.what = format!("{why} Also: {}.", names.join(", "));
            }
            self.progress.suspend(|| render::finding(&shown));
        }
        self.findings.extend(skipped);
    }

    pub(crate) fn has(&self, check: Check) -> bool {
        self.findings.iter().any(|finding| finding.check == check)
    }

    pub(crate) fn has_failed(&self, check: Check) -> bool {
        self.findings.iter().any(|finding| finding.check == check && finding.outcome == Outcome::Failed)
    }

    /// Shows the summary, and returns the exit status.
    pub(crate) fn end(self, interrupted: bool) -> io::Result<ExitCode> {
        self.settle();
        let count = |outcome| self.findings.iter().filter(|finding| finding.outcome == outcome).count();
        let summary = Summary {
            passed: count(Outcome::Passed),
            warning: count(Outcome::Warning),
            failed: count(Outcome::Failed),
            skipped: count(Outcome::Skipped),
        };
        let counts = |finding: &&Finding| {
            matches!(finding.outcome, Outcome::Warning | Outcome::Failed)
                && !self.allowed.contains(&finding.check)
        };
        let counted = self.findings.iter().filter(counts).count();
        let shown = match self.is_json {
            true => render::json(&Document { findings: &self.findings, summary, interrupted }),
            false => render::summary(&summary, interrupted),
        };
        // A reader that has enough closes the pipe, which is no failure.
        if let Err(error) = shown
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            return Err(error);
        }
        Ok(match (interrupted, counted) {
            (true, _) => ExitCode::from(INTERRUPTED),
            (false, 0) => ExitCode::SUCCESS,
            (false, _) => ExitCode::from(FINDINGS),
        })
    }
}
