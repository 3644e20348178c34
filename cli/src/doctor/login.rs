//! A login of a user: asked for, walked in a browser, received over a loopback callback.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, SystemTime},
};

use actix_salesforce::{
    Secret, UserRef,
    oauth::{AuthorizeOptions, IdTokenError, Scopes, TokenResponse},
};
use dialoguer::Confirm;
use tokio::time::timeout;
use url::Url;

use super::{
    finding::{Check, Finding, Report},
    listener::{Callback, Listener},
    org::Org,
    setup, tokens,
};
use crate::{failure::sentence, interrupt::Interrupt};

/// What a login costs.
const COST: &str = "A login takes one of the five approvals that a user can give an app: with a sixth one Salesforce ends the \
                    user's oldest login to this app, on whatever machine. This one is refreshed twice, and";
const REVOKED: &str = "revoked at the end.";
const KEPT: &str =
    "kept in the keyring of this machine: the next run uses it, and one without --keep revokes it.";

/// Whether a login may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consent {
    /// Ask on the terminal.
    Ask,
    Given,
    Refused,
}

/// Returns whether the user agrees to a login.
async fn is_agreed(consent: Consent, is_kept: bool, report: &mut Report) -> bool {
    let cost = format!("{COST} {}", if is_kept { KEPT } else { REVOKED });
    let why = match consent {
        Consent::Given => {
            report.without_progress(|| note(&cost));
            return true;
        }
        Consent::Ask if !io::stdin().is_terminal() || !io::stderr().is_terminal() => {
            "A login takes one of the user's five approvals of the app, and there is no terminal to ask at. Use --yes to agree."
        }
        Consent::Refused | Consent::Ask => {
            report.settle();
            note(&cost);
            let ask = || Confirm::new().with_prompt("Log in now?").default(false).interact_opt();
            match tokio::task::spawn_blocking(ask).await {
                Ok(Ok(Some(true))) => return true,
                _ => "The login was declined.",
            }
        }
    };
    report.skip(Check::WITH_LOGIN, why);
    false
}

/// Writes to standard error: standard output has the findings alone.
fn note(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{}", textwrap::fill(text, textwrap::termwidth().min(100)));
}

/// Logs a user in. Returns tokens that have to be revoked or kept; `is_kept`: the user is told which.
pub(super) async fn log_in(
    org: &Org,
    redirect_uri: &Url,
    (consent, is_kept): (Consent, bool),
    within: Duration,
    interrupt: &Interrupt,
    report: &mut Report,
) -> Option<TokenResponse> {
    if consent == Consent::Refused {
        report.add(Finding::passed(Check::LoginCallback, format!("{redirect_uri} is registered.")));
        report.skip(Check::WITH_LOGIN, "No login is made: --no-login.");
        return None;
    }
    let listener = match Listener::open(redirect_uri).await {
        Ok(listener) => listener,
        Err(error) => {
            let finding = Finding::skipped(
                Check::LoginCallback,
                format!("{redirect_uri} cannot be listened on: {error}."),
            );
            report.add(finding.fix(
                "stop the program that has the port, or name another registered callback with --callback",
            ));
            report.skip(Check::WITH_LOGIN, "It needs a login, and the loopback callback is in use.");
            return None;
        }
    };
    report.add(Finding::passed(Check::LoginCallback, format!("{redirect_uri} is registered and free.")));
    if !is_agreed(consent, is_kept, report).await {
        return None;
    }
    let request =
        org.oauth.authorize(&org.login.host, redirect_uri, &AuthorizeOptions::new(org.plan.scopes.clone()));
    report.without_progress(|| {
        note("Open this address in a browser on this machine, and log in:");
        // In one line, so that it can be copied.
        let _ = writeln!(anstream::stderr().lock(), "\n{}\n", request.url);
    });
    report.working_on("waiting for the login");
    let callback = interrupt.or(timeout(within, listener.wait(request.state.clone()))).await;
    let code = match callback {
        None => {
            report.skip(Check::WITH_LOGIN, "Interrupted.");
            return None;
        }
        Some(Err(_)) => {
            let what = format!("No login was completed within {} seconds.", within.as_secs());
            let finding = Finding::failed(Check::Login, what);
            report.add(finding.fix(
                "if Salesforce showed an error page, it says why; otherwise log in sooner, or give more time with --timeout",
            ));
            report.skip(Check::WITH_LOGIN, "The login was not completed.");
            return None;
        }
        Some(Ok(Callback::Refused { code, description })) => {
            let description = known(description.as_deref());
            let is_restricted = description.is_some_and(|known| IP_RESTRICTIONS.contains(&known));
            let check = if is_restricted { Check::IpRestrictions } else { Check::Login };
            report.add(setup::refused(check, &code.to_ascii_lowercase(), description));
            report.skip(Check::WITH_LOGIN, "Salesforce refused the login.");
            return None;
        }
        Some(Ok(Callback::Code(code))) => code,
    };
    report.working_on("exchanging the code");
    match org.oauth.exchange(&org.login.host, redirect_uri, &code, &request.verifier).await {
        Ok(tokens) => {
            report_tokens(org, &tokens, request.nonce.as_ref(), report).await;
            Some(tokens)
        }
        Err(error) => {
            report.add(setup::token_error(Check::Login, &error));
            if error.is_response_lost() {
                let why = "Salesforce may have made a login whose tokens are not readable here.";
                report.add(tokens::revoke_by_hand(why));
            }
            report.skip(Check::WITH_LOGIN, "The login was not completed.");
            None
        }
    }
}

/// What Salesforce says at the callback where it does not allow the address of the browser, or the hour.
const IP_RESTRICTIONS: [&str; 2] = ["ip restricted", "ip restricted or invalid login hours"];

/// Any site can put a text into a link to the callback: only descriptions that are known are shown.
fn known(description: Option<&str>) -> Option<&'static str> {
    const KNOWN: [&str; 5] = [
        "end-user denied authorization",
        "organization is locked, closed, or suspended",
        "this app is blocked by admin",
        "app must be installed into org",
        "user is not admin approved to access this app",
    ];
    IP_RESTRICTIONS.into_iter().chain(KNOWN).find(|known| description == Some(known))
}

/// Reports what the token response says.
async fn report_tokens(org: &Org, tokens: &TokenResponse, nonce: Option<&Secret>, report: &mut Report) {
    let user = tokens.identity.user;
    report.add(logged_in(org, user, "is logged in."));
    let requested = &org.plan.scopes;
    report.add(match requested.contains("openid") {
        false => Finding::skipped(Check::IdToken, "SALESFORCE_SCOPES has no openid."),
        true => {
            match org.oauth.verify_id_token(&org.login.host, tokens, nonce, SystemTime::now()).await {
                Ok(_) => Finding::passed(Check::IdToken, "The ID token is valid."),
                Err(error @ IdTokenError::Clock { .. }) => {
                    Finding::failed(Check::IdToken, format!("{}.", sentence(&error)))
                        .fix("synchronize the clock of this machine (NTP)")
                }
                Err(error) => Finding::failed(Check::IdToken, sentence(&error)).fix(
                    "check that no proxy changes responses, and that SALESFORCE_LOGIN_URL is the org's own address",
                ),
            }
        }
    });
    report.add(granted_scopes(requested, &tokens.scopes));
}

/// The login, which the app refuses if its settings refuse the org.
pub(super) fn logged_in(org: &Org, user: UserRef, how: &str) -> Finding {
    let UserRef { organization_id, user_id, .. } = user;
    match org.plan.refusal(&org.login.host, organization_id) {
        None => Finding::passed(Check::Login, format!("User {user_id} of org {organization_id} {how}")),
        Some(why) => {
            let what = format!("The app refuses user {user_id}: the org is {organization_id}, and {why}.");
            Finding::failed(Check::Login, what)
                .fix("correct the setting, or log in as a user of an org that the app lets in")
        }
    }
}

/// Whether all requested scopes were granted.
pub(super) fn granted_scopes(requested: &Scopes, granted: &Scopes) -> Finding {
    let missing: Vec<_> = requested.iter().filter(|scope| !granted.contains(scope)).collect();
    match (granted.is_empty(), missing.is_empty()) {
        (true, _) => Finding::skipped(Check::GrantedScopes, "Salesforce does not list the granted scopes."),
        (_, true) => Finding::passed(Check::GrantedScopes, "All requested scopes were granted."),
        _ => {
            let finding = Finding::failed(
                Check::GrantedScopes,
                format!("Salesforce did not grant: {}.", missing.join(", ")),
            );
            let finding = finding.fix("add them to the app's selected OAuth scopes");
            setup::at(finding, setup::APP_SETTINGS, "\"Selected OAuth Scopes\"")
        }
    }
}
