//! The REST API: access, requests that are left, version.

use std::{sync::Arc, time::Duration};

use actix_salesforce::{
    Connection, Error, oauth::TokenResponse, org::VersionSupport, request::Retry, token::FixedToken,
};

use super::{
    finding::{Check, Finding, Report},
    org::Org,
};
use crate::failure::sentence;

/// The share of an org's daily requests from which on a warning is due.
const NEARLY_USED: u64 = 90;
/// REST API Developer Guide, "Status Codes and Error Responses".
const EXPIRED: &str = "INVALID_OPERATION_WITH_EXPIRED_PASSWORD";
const LATER: &str = "try again later; Salesforce's status is at https://status.salesforce.com";
/// Longest time for a request.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Sends some requests with an access token that was issued a moment ago. Returns whether Salesforce took it from this
/// machine's address: it did so too if it then refused the request for another reason.
pub(super) async fn check(org: &Org, tokens: &TokenResponse, report: &mut Report) -> bool {
    report.working_on("trying the REST API");
    let source = FixedToken::new(tokens.identity.user, tokens.instance_url.clone(), &tokens.access_token);
    let source = match source {
        Ok(source) => source,
        Err(error) => {
            report.add(
                Finding::failed(Check::Api, sentence(&error)).fix("check that no proxy changes responses"),
            );
            report.skip(Check::WITH_TOKEN, "The access token cannot be used.");
            return false;
        }
    };
    let sf = Connection::new(&org.client, Arc::new(source)).with_timeout(TIMEOUT).with_retry(Retry::none());
    version(&sf, report).await;
    let organization = sf.query::<serde_json::Value>("SELECT Id FROM Organization LIMIT 1").fetch_all().await;
    let is_taken = organization.as_ref().err().is_none_or(is_code_of_salesforce);
    match organization {
        Ok(_) => report.add(Finding::passed(
            Check::Api,
            format!("The API at {} accepts the token.", tokens.instance_url),
        )),
        Err(error) => {
            let finding = denied(&error, report.has(Check::ApiVersion));
            let why = match finding.check {
                Check::IpRestrictions => "The API rejects the token, so that it says no more.",
                _ => "The org's API requests are used up.",
            };
            report.add(finding);
            report.skip([Check::Api], why);
        }
    }
    match sf.api_usage() {
        Some(usage) if u64::from(usage.used) * 100 >= u64::from(usage.allowed) * NEARLY_USED => {
            let what = format!(
                "The org has used {} of {} API requests of the last 24 hours.",
                usage.used, usage.allowed
            );
            let finding =
                Finding::warning(Check::ApiUsage, what).fix("find out which app sends them, or buy more");
            report
                .add(finding.setup(
                    "Setup > Company Settings > Company Information, \"API Requests, Last 24 Hours\"",
                ));
        }
        Some(usage) => {
            let what = format!("The org has used {} of {} API requests.", usage.used, usage.allowed);
            report.add(Finding::passed(Check::ApiUsage, what));
        }
        None => report.skip([Check::ApiUsage], "Salesforce did not say how many requests are left."),
    }
    is_taken
}

/// Returns whether Salesforce read the token, and refuses for a reason that is no address. A status without a code may be
/// that of a proxy.
fn is_code_of_salesforce(error: &Error) -> bool {
    match error {
        Error::ApiAccessDenied { .. } | Error::LimitExceeded { .. } => true,
        Error::Api { status, errors, .. } => *status < 500 && !errors.is_empty(),
        _ => false,
    }
}

/// Compares the version of the settings with those of the org. The list needs no access to the API.
async fn version(sf: &Connection, report: &mut Report) {
    // With `newest` it is the version of the settings.
    let newest = sf.newest_version().await.ok();
    let version = sf.api_version();
    let fix = "set SALESFORCE_API_VERSION to a version that the org has, or leave it out";
    let support = sf.version_support().await;
    let newest = newest.map(|newest| format!("; its newest is {newest}")).unwrap_or_default();
    report.add(match support {
        Ok(VersionSupport::Supported) => {
            Finding::passed(Check::ApiVersion, format!("The org has API version {version}{newest}."))
        }
        Ok(VersionSupport::NearEnd) => Finding::warning(
            Check::ApiVersion,
            format!("API version {version} is older than three years and will be retired{newest}."),
        )
        .fix(fix),
        Ok(_) => Finding::failed(Check::ApiVersion, format!("The org has no API version {version}{newest}."))
            .fix(fix),
        Err(error) => {
            Finding::skipped(Check::ApiVersion, format!("The org's versions are unknown: {error}."))
        }
    });
}

fn denied(error: &Error, has_version: bool) -> Finding {
    let finding = |check| Finding::failed(check, format!("{}.", sentence(error).trim_end_matches('.')));
    match error {
        // The token is a moment old.
        Error::LoginRequired => {
            let what = "The API rejects an access token that was issued a moment ago.";
            let finding = Finding::failed(Check::IpRestrictions, what).fix(
                "the usual cause: sessions are locked to the address that they began at, and token requests and API requests \
                 leave by different ones (SALESFORCE_TOKEN_PROXY, SALESFORCE_API_PROXY, a NAT with several addresses)",
            );
            finding.setup("Setup > Security > Session Settings, \"Lock sessions to the IP address from which they originated\"")
        }
        Error::ApiAccessDenied { errors, .. } => {
            let finding = finding(Check::Api).fix(
                "add the scope api to the app and to SALESFORCE_SCOPES, give the user \"API Enabled\", and permit the app if API \
                 access control is on; a user whose password has expired or who has terms to accept logs in to Salesforce once",
            );
            let finding = finding.setup(
                "Setup > Users > Profiles or Permission Sets, \"API Enabled\"; Setup > Security > API Access Control; the app's OAuth \
                 policies",
            );
            match errors.first() {
                Some(error) => finding.code(error.code.to_ascii_lowercase()),
                None => finding,
            }
        }
        Error::LimitExceeded { .. } => finding(Check::ApiUsage)
            .fix("wait, find out which app sends the requests, or buy more")
            .setup("Setup > Company Settings > Company Information, \"API Requests, Last 24 Hours\""),
        Error::Http(_) | Error::Unavailable { .. } => finding(Check::Api)
            .code("unreachable")
            .fix("check DNS and firewall for the host of the instance; behind a forward proxy set SALESFORCE_API_PROXY"),
        Error::Api { status, .. } if has_version && *status == 404 => {
            Finding::skipped(Check::Api, "The org does not have the API version of the settings.")
        }
        Error::Api { errors, .. } if errors.iter().any(|error| error.code == EXPIRED) => finding(Check::Api)
            .code(EXPIRED.to_ascii_lowercase())
            .fix("the user logs in to Salesforce once and sets a new password, or an administrator resets it")
            .setup("Setup > Users > Users, \"Reset Password\""),
        Error::Api { status: 500.., .. } => finding(Check::Api).fix(LATER),
        Error::Api { errors, .. } => {
            let finding = finding(Check::Api).fix("see the error in the REST API Developer Guide, \"Status Codes and Error Responses\"");
            match errors.first() {
                Some(error) => finding.code(error.code.to_ascii_lowercase()),
                None => finding,
            }
        }
        _ => finding(Check::Api).fix(LATER),
    }
}
