//! What Salesforce says before a login: whether the host is there, knows the app, its callback and its scopes, and requires
//! PKCE.

use std::time::{Instant, SystemTime};

use actix_salesforce::{
    Secret,
    config::PlannedLogin,
    oauth::{
        AuthorizationPreview, AuthorizationRefusal, AuthorizeOptions, OAuthError, Scopes, TokenTypeHint,
    },
};
use url::Url;

use super::{
    clock,
    finding::{Check, Finding, Report},
    org::Org,
    setup,
};
use crate::failure::sentence;

/// What is known of a login host afterwards.
pub(super) enum HostState {
    /// No login is possible.
    Unusable,
    /// Salesforce shows its login page for this redirect URI.
    Ready(Url),
    /// Neither redirect URI is registered.
    NoCallback,
}

/// Checks the default login host, or the one that was chosen. `loopback`: the redirect URI of this program.
pub(super) async fn check(org: &Org, loopback: &Url, report: &mut Report) -> HostState {
    let host = org.login.host.issuer().to_owned();
    let (began, own) = (Instant::now(), preview(org, &org.login.redirect_uri, "").await);
    let (took, received) = (began.elapsed(), SystemTime::now());
    let own = match own {
        Ok(own) => own,
        Err(error) => {
            report.add(not_reached(&org.login, &error));
            return HostState::Unusable;
        }
    };
    report.add(Finding::passed(Check::Reach, format!("{host} responds, in {} ms.", took.as_millis())));
    report.add(clock::check(own.date.as_deref(), received, took));
    let other = match *loopback == org.login.redirect_uri {
        true => own.refusal.clone(),
        false => match preview(org, loopback, "").await {
            Ok(other) => other.refusal,
            Err(error) => {
                report.add(not_reached(&org.login, &error));
                return HostState::Unusable;
            }
        },
    };
    let accepted = [(&org.login.redirect_uri, &own.refusal), (loopback, &other)];
    let accepted = accepted.into_iter().find(|(_, refusal)| is_callback_known(refusal.as_ref()));
    report_app(own.refusal.as_ref(), other.as_ref(), report);
    report_callback(&org.login, own.refusal.as_ref(), report);
    let Some((redirect_uri, refusal)) = accepted else {
        let is_mismatch = |refusal: &Option<AuthorizationRefusal>| {
            refusal.as_ref().is_some_and(|refusal| is_about_callback(&refusal.code))
        };
        return if is_mismatch(&own.refusal) && is_mismatch(&other) {
            HostState::NoCallback
        } else {
            HostState::Unusable
        };
    };
    if refusal.is_some() {
        return HostState::Unusable;
    }
    report.working_on("trying scopes and PKCE");
    report.add(scopes(org, redirect_uri).await.unwrap_or_else(|error| not_reached(&org.login, &error)));
    report.add(pkce(org, redirect_uri).await.unwrap_or_else(|error| not_reached(&org.login, &error)));
    match is_callback_known(other.as_ref()) {
        // A login would be refused, too.
        _ if report.has_failed(Check::Scopes) => HostState::Unusable,
        true => HostState::Ready(loopback.clone()),
        false => HostState::NoCallback,
    }
}

/// Checks a further login host: only what depends on the host.
pub(super) async fn check_further(org: &Org, login: &PlannedLogin, report: &mut Report) {
    let further = org.at(login.clone());
    match preview(&further, &login.redirect_uri, "").await {
        Err(error) => report.add(not_reached(login, &error)),
        Ok(preview) => {
            report.add(Finding::passed(Check::Reach, format!("{} responds.", login.host.issuer())));
            if let Some(refusal) =
                preview.refusal.as_ref().filter(|refusal| !is_about_callback(&refusal.code))
            {
                report.add(of_host(setup::refused(Check::App, &refusal.code, refusal.description), login));
            }
            report_callback(login, preview.refusal.as_ref(), report);
        }
    }
}

/// Asks with these scopes; empty: with none, which means all scopes of the app.
async fn preview(org: &Org, redirect_uri: &Url, scopes: &str) -> Result<AuthorizationPreview, OAuthError> {
    org.oauth.preview(&request(org, redirect_uri, scopes)).await
}

fn request(org: &Org, redirect_uri: &Url, scopes: &str) -> Url {
    let options = AuthorizeOptions::new(scopes.parse().unwrap_or_default());
    org.oauth.authorize(&org.login.host, redirect_uri, &options).url
}

fn of_host(mut finding: Finding, login: &PlannedLogin) -> Finding {
    finding.what = format!("{}: {}", login.host.issuer(), finding.what);
    finding
}

fn not_reached(login: &PlannedLogin, error: &OAuthError) -> Finding {
    let finding = match error {
        OAuthError::Http(_) => setup::unreachable(Check::Reach, error),
        OAuthError::Status { status, .. } => {
            let what = format!("The host is there and refuses to work: status {status}.");
            let finding = Finding::failed(Check::Reach, what).code(format!("status-{status}"));
            finding.fix("compare SALESFORCE_LOGIN_URL with the address of the login page; if that is correct, try again \
                         later: Salesforce's status is at https://status.salesforce.com")
        }
        error => Finding::failed(Check::Reach, sentence(error))
            .fix("compare SALESFORCE_LOGIN_URL with the address of the login page"),
    };
    of_host(finding, login)
}

fn is_about_callback(code: &str) -> bool {
    matches!(code, "redirect_uri_mismatch" | "redirect_uri_missing")
}

fn is_about_client(code: &str) -> bool {
    matches!(code, "invalid_client_id" | "app_not_found" | "oauth_ec_app_not_found")
}

/// Salesforce sends the browser to registered callbacks only.
fn is_callback_known(refusal: Option<&AuthorizationRefusal>) -> bool {
    refusal.is_none_or(|refusal| refusal.at_callback)
}

fn report_app(own: Option<&AuthorizationRefusal>, other: Option<&AuthorizationRefusal>, report: &mut Report) {
    // A callback that is not registered hides what Salesforce says about the app; the other one may show it.
    let refusals = [own, other].into_iter().flatten();
    let refusal = refusals.into_iter().find(|refusal| !is_about_callback(&refusal.code));
    report.add(match refusal {
        None => Finding::passed(Check::App, "Salesforce knows the app."),
        Some(refusal) if is_about_client(&refusal.code) => {
            let finding = setup::refused(Check::App, &refusal.code, refusal.description);
            finding.fix(
                "compare SALESFORCE_CLIENT_ID with the app's consumer key, and SALESFORCE_LOGIN_URL with the org that has the \
                 app",
            )
        }
        Some(refusal) => setup::refused(Check::App, &refusal.code, refusal.description),
    });
}

fn report_callback(login: &PlannedLogin, refusal: Option<&AuthorizationRefusal>, report: &mut Report) {
    let uri = &login.redirect_uri;
    report.add(match refusal {
        Some(refusal) if is_about_callback(&refusal.code) => {
            let finding = Finding::failed(Check::Callback, format!("{uri} is not registered with the app."));
            let finding = finding.code(&*refusal.code).fix(format!(
                "add {uri} to the app's callback URLs, the same to the last character, or correct SALESFORCE_PUBLIC_URL"
            ));
            setup::at(finding, setup::APP_SETTINGS, "\"Callback URL\"")
        }
        refusal if is_callback_known(refusal) => {
            Finding::passed(Check::Callback, format!("{uri} is registered."))
        }
        _ => Finding::skipped(Check::Callback, "Salesforce refuses the app before it looks at the callback."),
    });
}

/// Requests all scopes, and each one alone if they are refused, to name those that are not assigned to the app.
async fn scopes(org: &Org, redirect_uri: &Url) -> Result<Finding, OAuthError> {
    let wanted: &Scopes = &org.plan.scopes;
    let Some(refusal) = preview(org, redirect_uri, &wanted.to_string()).await?.refusal else {
        return Ok(Finding::passed(Check::Scopes, format!("Salesforce accepts the scopes {wanted}.")));
    };
    if refusal.code != "invalid_scope" {
        return Ok(setup::refused(Check::Scopes, &refusal.code, refusal.description));
    }
    let mut missing = Vec::new();
    for scope in wanted.iter() {
        let refusal = preview(org, redirect_uri, scope).await?.refusal;
        if refusal.is_some_and(|refusal| refusal.code == "invalid_scope") {
            missing.push(scope);
        }
    }
    let what = match missing.is_empty() {
        true => format!("The app may not request the scopes {wanted} together."),
        false => format!("The app has not been assigned: {}.", missing.join(", ")),
    };
    let finding = Finding::failed(Check::Scopes, what).code("invalid_scope").fix(
        "add them to the app's selected OAuth scopes, or take them out of SALESFORCE_SCOPES; a change takes some minutes to \
         have an effect",
    );
    Ok(setup::at(finding, setup::APP_SETTINGS, "\"Selected OAuth Scopes\""))
}

/// Requests a login without PKCE, which Salesforce refuses if it requires PKCE. That it does so before the login is
/// unverified for other errors than `missing required code challenge`.
async fn pkce(org: &Org, redirect_uri: &Url) -> Result<Finding, OAuthError> {
    let mut url = request(org, redirect_uri, "");
    let kept = url.query_pairs().filter(|(name, _)| !name.starts_with("code_challenge"));
    let kept: Vec<_> = kept.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    url.query_pairs_mut().clear().extend_pairs(kept);
    Ok(match org.oauth.preview(&url).await?.refusal {
        Some(_) => Finding::passed(Check::Pkce, "Salesforce requires PKCE of the app."),
        None => {
            let finding = Finding::warning(
                Check::Pkce,
                "Salesforce takes logins of this app without PKCE. The crate sends it, and an attacker's request need not.",
            );
            let finding = finding.fix("make PKCE required for the app");
            setup::at(
                finding,
                setup::APP_SETTINGS,
                "\"Require Proof Key for Code Exchange (PKCE) extension for Supported Authorization Flows\"",
            )
        }
    })
}

/// Checks the client secret, and the one from before a rotation, with a question about a token that does not exist.
pub(super) async fn secret(org: &Org) -> Finding {
    if org.oauth.app().client_secret.is_none() {
        return Finding::skipped(Check::Secret, "The settings have no client secret: a public client.");
    }
    let absent = Secret::new("no-such-token");
    match org.oauth.introspect(&org.login.host, &absent, TokenTypeHint::Access).await {
        Ok(_) => {}
        Err(error) if error.is_credentials_rejected() => return setup::secret(),
        Err(error) => {
            let what = "Salesforce does not say before a login whether the secret is right";
            return Finding::skipped(
                Check::Secret,
                format!("{what}: {}.", sentence(&error).trim_end_matches('.')),
            );
        }
    }
    if let Some(previous) = org.plan.previous_app.clone() {
        let oauth = org.oauth.with_app(previous);
        let asked = oauth.introspect(&org.login.host, &absent, TokenTypeHint::Access).await;
        if asked.is_err_and(|error| error.is_credentials_rejected()) {
            let what = "Salesforce accepts the client secret, and no longer the credentials from before the rotation.";
            return Finding::warning(Check::Secret, what).fix(
                "remove SALESFORCE_PREVIOUS_CLIENT_ID and SALESFORCE_PREVIOUS_CLIENT_SECRET: grants that were given to them \
                 cannot be refreshed any more",
            );
        }
    }
    Finding::passed(Check::Secret, "Salesforce accepts the client secret.")
}
