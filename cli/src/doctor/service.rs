//! The service user: client credentials or JWT bearer. No user is asked, and no approval is taken.

use std::time::SystemTime;

use actix_salesforce::{
    oauth::{OAuthError, TokenResponse},
    token::ServiceUser,
};

use super::{
    finding::{Check, Finding, Report},
    org::Org,
    setup,
};
use crate::failure::sentence;

/// Fetches a token for the service user of the settings, or for the user of client credentials at the login host.
pub(super) async fn check(org: &Org, report: &mut Report) -> Option<TokenResponse> {
    report.working_on("fetching a token for the service user");
    let user = org.plan.service.clone();
    let user = user.unwrap_or_else(|| ServiceUser::client_credentials(org.login.host.clone()));
    let oauth = match user.app() {
        Some(app) => org.oauth.with_app(app.clone()),
        None => org.oauth.clone(),
    };
    match oauth.service_tokens(&user, SystemTime::now()).await {
        Ok(tokens) => {
            let found = tokens.identity.user;
            let what = format!(
                "User {} of org {} gets tokens without a login.",
                found.user_id, found.organization_id
            );
            report.add(Finding::passed(Check::ServiceUser, what));
            Some(tokens)
        }
        Err(error) => {
            report.add(refused(&error, &user));
            // Where the secret or the address is at fault, the finding is that of another check.
            report.skip([Check::ServiceUser], "Salesforce refused the token.");
            if error.is_response_lost() {
                let finding = Finding::failed(
                    Check::Revoked,
                    "Salesforce may have issued a token whose response was lost.",
                );
                report.add(finding.fix("it ends by itself with the session timeout of the org"));
            }
            None
        }
    }
}

fn refused(error: &OAuthError, user: &ServiceUser) -> Finding {
    let by_jwt = user.username().is_some();
    let finding = Finding::failed(Check::ServiceUser, format!("{}.", sentence(error)));
    match (error, error.description()) {
        (OAuthError::NeedsMyDomain, _) => {
            finding.fix("set SALESFORCE_SERVICE_URL to the My Domain of the org")
        }
        (_, Some("no client credentials user enabled")) => {
            let finding = finding.code("invalid_grant").fix("choose the user that client credentials run as");
            setup::at(finding, setup::APP_POLICIES, "\"Client Credentials Flow\", \"Run As\"")
        }
        (_, Some("request not supported on this domain")) => {
            finding.code("invalid_grant").fix("set SALESFORCE_SERVICE_URL to the My Domain of the org")
        }
        (_, Some("user hasn't approved this consumer")) => {
            let finding = finding
                .code("invalid_grant")
                .fix("approve the app for the service user's profile or permission set");
            setup::at(finding, setup::APP_POLICIES, "\"Permitted Users\"")
        }
        (_, Some("invalid assertion")) if by_jwt => {
            let finding = finding.code("invalid_grant");
            let finding = finding.fix("compare SALESFORCE_SERVICE_KEY and SALESFORCE_SERVICE_USERNAME with the app's certificate and user");
            setup::at(finding, setup::APP_SETTINGS, "\"Use digital signatures\"")
        }
        _ if error.is_credentials_rejected() => {
            let secret = match user.app() {
                Some(_) => "SALESFORCE_SERVICE_CLIENT_SECRET",
                None => "SALESFORCE_CLIENT_SECRET",
            };
            let finding = finding.code("invalid_client");
            let finding = finding.fix(format!("compare {secret} with the app's consumer secret"));
            setup::at(finding, setup::APP_SETTINGS, "\"Consumer Key and Secret\"")
        }
        _ => setup::token_error(Check::ServiceUser, error),
    }
}

/// Revokes the token.
pub(super) async fn revoke(org: &Org, tokens: &TokenResponse, report: &mut Report) {
    report.working_on("revoking the service user's token");
    let revoked = org.oauth.revoke(&tokens.instance_url, &tokens.access_token).await;
    report.add(match revoked {
        Ok(()) => Finding::passed(Check::Revoked, "The service user's token was revoked."),
        Err(error) => Finding::failed(Check::Revoked, format!("{}.", sentence(&error)))
            .fix("it ends by itself with the session timeout of the org"),
    });
}
