//! What an error of Salesforce means, and where in Setup it is changed: the words of the app's pages.

use actix_salesforce::{
    http::HttpError,
    oauth::{InvalidTokenResponse, OAuthError},
    pages::explain_error,
};

use super::finding::{Check, Finding};
use crate::failure::sentence;

/// The app's own settings in Setup.
pub(crate) const APP_SETTINGS: &str = "redirect_uri_mismatch";
/// What an administrator of the org decides about the app.
pub(crate) const APP_POLICIES: &str = "invalid_app_access";

/// Returns where in Setup an error with this code is changed.
pub(crate) fn place(code: &str) -> Option<String> {
    explain_error(code, None)?.place.map(|place| format!("Setup > {place}"))
}

/// Adds the place of [`place`], and what is to be looked for there.
pub(crate) fn at(finding: Finding, code: &str, what: &str) -> Finding {
    match place(code) {
        Some(place) => finding.setup(format!("{place}: {what}")),
        None => finding.setup(what),
    }
}

/// Explains an error code of the authorization endpoint or the token endpoint.
pub(crate) fn refused(check: Check, code: &str, description: Option<&str>) -> Finding {
    let finding = match explain_error(code, description) {
        None => Finding::failed(check, format!("Salesforce refuses: {code}{}", in_words(description)))
            .fix("see the error in Salesforce Help, \"OAuth 2.0 Authorization Errors\""),
        Some(found) => {
            let finding =
                Finding::failed(check, format!("{} ({code}{})", found.reason, in_words(description)));
            let finding = finding.fix(format!("{} By: {}", found.action, found.who));
            match found.place {
                Some(place) => finding.setup(format!("Setup > {place}")),
                None => finding,
            }
        }
    };
    finding.code(code)
}

fn in_words(description: Option<&str>) -> String {
    description.map(|text| format!(": {text}")).unwrap_or_default()
}

/// Explains a failed request to the token endpoint. `check`: what it is a failure of unless the error says more.
pub(crate) fn token_error(check: Check, error: &OAuthError) -> Finding {
    match error {
        OAuthError::Http(HttpError::Redirect(_)) => unreachable(check, error),
        OAuthError::Http(_) if error.is_response_lost() => {
            Finding::failed(check, format!("The response to a request for tokens was lost: {}.", sentence(error)))
                .fix("run it again; if that happens again, check the network and the proxies between here and Salesforce")
        }
        OAuthError::Http(_) => unreachable(check, error),
        OAuthError::InvalidResponse(InvalidTokenResponse::InstanceNotAllowed) => Finding::failed(
            check,
            "The instance of the org is not one of Salesforce's domains, so that its tokens are refused.",
        )
        .fix("add the origin of the org's My Domain to SALESFORCE_ALLOWED_ORIGINS")
        .setup("Setup > Company Settings > My Domain, \"Current My Domain URL\""),
        _ if error.is_credentials_rejected() => secret(),
        _ => match (error.error_code(), error.description()) {
            (Some(code), description) if error.is_ip_restricted() => {
                refused(Check::IpRestrictions, code, description)
            }
            (Some(code), description) => refused(check, code, description),
            (None, _) => Finding::failed(check, sentence(error))
                .fix("try again later; Salesforce's status is at https://status.salesforce.com"),
        },
    }
}

/// The client secret is wrong.
pub(crate) fn secret() -> Finding {
    let finding = refused(Check::Secret, "invalid_client", Some("invalid client credentials"));
    Finding { what: "Salesforce does not accept the client secret of this app.".into(), ..finding }
        .fix("compare SALESFORCE_CLIENT_SECRET with the app's consumer secret")
}

/// No response arrived, or one that leads elsewhere. `check`: the one whose request it was.
pub(crate) fn unreachable(check: Check, error: &OAuthError) -> Finding {
    let setting = if check == Check::ServiceUser { "SALESFORCE_SERVICE_URL" } else { "SALESFORCE_LOGIN_URL" };
    let finding = Finding::failed(check, sentence(error)).code("unreachable");
    match error {
        OAuthError::Http(HttpError::HostNotAllowed(_)) => {
            finding.fix("add the host to SALESFORCE_ALLOWED_ORIGINS if it is correct")
        }
        OAuthError::Http(HttpError::Redirect(_)) => finding.fix(format!("compare {setting} with the My Domain of the org")),
        _ => finding.fix(format!(
            "compare {setting} with the address of the login page, and check DNS, firewall and certificates; behind a forward \
             proxy set SALESFORCE_TOKEN_PROXY and SALESFORCE_API_PROXY"
        )),
    }
}
