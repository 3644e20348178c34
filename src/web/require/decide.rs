//! Decides whether a rule lets a request pass.

use std::{fmt, time::Duration};

use actix_web::{HttpRequest, HttpResponse, error::InternalError};

use super::{
    AccessRefusal, RequireLogin,
    access::{self, NotRead},
    fresh::{Freshness, RequiredFreshness},
};
use crate::{
    SalesforceUser,
    grants::GrantHandle,
    web::{error, extract, request_info::RequestInfo, worker::WorkerState},
};
use salesforce_connection::{Error, UserRef};

/// Longest time that a rule of the app's own may take. As long as a user waits for a page.
const PREDICATE_TIMEOUT: Duration = Duration::from_secs(10);

/// When to try again after a rule took too long.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Why a request does not pass.
#[derive(Debug)]
pub(crate) enum Denied {
    /// The user fails a rule.
    Refused { refusal: AccessRefusal, user: SalesforceUser },
    /// The user has not logged in again recently. `is_logged_in`: otherwise not at all.
    NotFresh { within: Duration, is_logged_in: bool },
    /// The login is missing, something cannot be read, or a rule of the app's own failed.
    Error(actix_web::Error),
}

impl From<Error> for Denied {
    fn from(error: Error) -> Self {
        Self::Error(error.into())
    }
}

/// A rule of the app's own did not return in time.
#[derive(Debug, thiserror::Error)]
#[error("an access rule of this app did not return within {PREDICATE_TIMEOUT:?}")]
struct RuleTimedOut;

impl Denied {
    /// Returns the response as an error of an extractor, and logs it.
    pub(crate) fn into_error(self, request: &HttpRequest) -> actix_web::Error {
        let response = self.response(request);
        InternalError::from_response(self.to_string(), response).into()
    }

    /// Returns the response, and logs it.
    pub(crate) fn response(&self, request: &HttpRequest) -> HttpResponse {
        match self {
            Self::Refused { refusal, user } => {
                let route = request.match_pattern();
                RequestInfo::of(request).not_allowed(refusal.clone(), user, route.as_deref())
            }
            Self::NotFresh { within, is_logged_in } => {
                let info = RequestInfo::of(request);
                // The first login is a fresh one where the browser can be sent there.
                if *is_logged_in || info.is_page() {
                    info.fresh_login_required(*within)
                } else {
                    error::response(&Error::LoginRequired, request)
                }
            }
            Self::Error(error) => match error.as_error::<Error>() {
                Some(error) => error::response(error, request),
                None => error.error_response(),
            },
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { refusal, .. } => write!(f, "an access rule refuses the user: {}", refusal.code()),
            Self::NotFresh { .. } => f.write_str("the user has to log in again"),
            Self::Error(error) => error.fmt(f),
        }
    }
}

/// Returns the user of a request that passes.
pub(super) async fn enforce(rule: &RequireLogin, request: &HttpRequest) -> Result<SalesforceUser, Denied> {
    if let Some(within) = rule.fresh {
        RequiredFreshness::of(request).require(within);
    }
    let (worker, grant) = match extract::required(request).await {
        Ok(found) => found,
        // So that the user does not log in twice.
        Err(error) if error.needs_login() => {
            return Err(match rule.fresh {
                Some(within) => Denied::NotFresh { within, is_logged_in: false },
                None => error.into(),
            });
        }
        Err(error) => return Err(error.into()),
    };
    let user = SalesforceUser::of(&grant)?;
    if let Some(refusal) = refusal(rule, &worker, &grant, &user).await? {
        return Err(Denied::Refused { refusal, user });
    }
    // Last: a user who may not use the route is not sent to log in again.
    let Some(within) = rule.fresh else { return Ok(user) };
    match Freshness::of(&worker, request, within) {
        Freshness::Fresh => Ok(user),
        Freshness::Old => Err(Denied::NotFresh { within, is_logged_in: true }),
        Freshness::NotConfirmed => Err(Denied::Refused { refusal: AccessRefusal::NotConfirmed, user }),
    }
}

/// Returns the user of a request that passes a rule of the handler's own, or the response to one that does not.
#[cfg(feature = "events")]
pub(crate) async fn enforce_here(
    rule: &RequireLogin,
    request: &HttpRequest,
) -> Result<SalesforceUser, actix_web::Error> {
    enforce(rule, request).await.map_err(|denied| denied.into_error(request))
}

/// Returns whether the user of a request passes, without the age of the login.
pub(super) async fn allows(rule: &RequireLogin, request: &HttpRequest) -> Result<bool, actix_web::Error> {
    let worker = WorkerState::of(request)?;
    let Some(grant) = worker.login(request).await? else { return Ok(false) };
    crate::web::no_store::NoStore::mark(request);
    let user = SalesforceUser::of(&grant)?;
    match refusal(rule, &worker, &grant, &user).await {
        Ok(refusal) => Ok(refusal.is_none()),
        Err(Denied::Error(error)) => Err(error),
        Err(_) => Ok(false),
    }
}

/// Returns the first rule that the user fails: those first that send no request to Salesforce.
async fn refusal(
    rule: &RequireLogin,
    worker: &WorkerState,
    grant: &GrantHandle,
    user: &SalesforceUser,
) -> Result<Option<AccessRefusal>, Denied> {
    if let Some(mistake) = rule.mistakes.first() {
        return Ok(Some(AccessRefusal::Unreadable((*mistake).to_owned())));
    }
    if !rule.orgs.is_empty() && !rule.orgs.contains(&user.organization_id) {
        return Ok(Some(AccessRefusal::Organization));
    }
    if let Some(scope) = rule.scopes.iter().find(|scope| !user.scopes.contains(scope)) {
        return Ok(Some(AccessRefusal::Scope(scope.clone())));
    }
    if !rule.predicates.iter().all(|predicate| predicate(user)) {
        return Ok(Some(AccessRefusal::Rule(rule.reason.clone())));
    }
    match words_of_org(rule, worker, grant).await {
        Ok(None) => {}
        Ok(Some(refusal)) => return Ok(Some(refusal)),
        Err(NotRead::Missing(what)) => return Ok(Some(AccessRefusal::Unreadable(what))),
        Err(NotRead::Failed(error)) => return Err(error.into()),
    }
    for predicate in &rule.async_predicates {
        let allowed = predicate(user.clone(), worker.connection(grant.clone()));
        let allowed = tokio::time::timeout(PREDICATE_TIMEOUT, allowed)
            .await
            .map_err(|_| Error::unavailable(RETRY_AFTER, RuleTimedOut))?
            .map_err(Denied::Error)?;
        if !allowed {
            return Ok(Some(AccessRefusal::Rule(rule.reason.clone())));
        }
    }
    Ok(None)
}

/// Returns the first rule that the user fails by the word of the user's org.
async fn words_of_org(
    rule: &RequireLogin,
    worker: &WorkerState,
    grant: &GrantHandle,
) -> Result<Option<AccessRefusal>, NotRead> {
    let is_one_of = |names: &[String], name: &str| names.iter().any(|known| known == name);
    let reader = access::Reader::new(worker, grant, rule.max_age.unwrap_or(super::MAX_AGE));
    if !rule.user_types.is_empty() || !rule.permissions.is_empty() {
        let identity = reader.identity(!rule.permissions.is_empty()).await?;
        if !rule.user_types.is_empty() {
            let kind = identity.user_type.as_deref().ok_or_else(|| NotRead::missing("user_type"))?;
            if !is_one_of(&rule.user_types, kind) {
                return Ok(Some(AccessRefusal::UserType));
            }
        }
        if let Some(name) = rule.permissions.iter().find(|name| !identity.has_custom_permission(name)) {
            return Ok(Some(AccessRefusal::Permission(name.clone())));
        }
    }
    if !rule.profiles.is_empty() && !is_one_of(&rule.profiles, &reader.profile().await?) {
        return Ok(Some(AccessRefusal::Profile));
    }
    if !rule.permission_sets.is_empty() {
        let sets = reader.permission_sets().await?;
        if let Some(name) = rule.permission_sets.iter().find(|name| !sets.contains(*name)) {
            return Ok(Some(AccessRefusal::PermissionSet(name.clone())));
        }
    }
    Ok(None)
}

impl SalesforceUser {
    /// Returns the ids of the user.
    pub(crate) fn user_ref(&self) -> UserRef {
        UserRef::new(self.organization_id, self.user_id)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_refusal_is_one_line_in_the_log_with_the_ids_of_the_user() {
        let user = SalesforceUser {
            organization_id: "00D000000000001EAA".parse().unwrap(),
            user_id: "005000000000001AAA".parse().unwrap(),
            username: Some("ada@example.com".to_owned()),
            display_name: None,
            instance_url: String::new(),
            scopes: "api".parse().unwrap(),
        };
        for accept in ["text/html", "application/json"] {
            let refusal = AccessRefusal::Permission("Export".to_owned());
            let denied = Denied::Refused { refusal, user: user.clone() };
            let request = TestRequest::default().insert_header(("accept", accept)).to_http_request();
            let (response, log) = crate::base::test_log::logged(|| denied.response(&request));
            assert_eq!((response.status().as_u16(), log.lines().count()), (403, 1), "{log}");
            for text in ["INFO", "00D000000000001EAA:005000000000001AAA", "permission", "Export"] {
                assert!(log.contains(text), "{text}: {log}");
            }
            assert!(!log.contains("ada@example.com"), "{log}");
            // As the error of an extractor, too.
            let error = || denied.into_error(&request).as_response_error().error_response();
            let (response, log) = crate::base::test_log::logged(error);
            assert_eq!((response.status().as_u16(), log.lines().count()), (403, 1), "{log}");
        }
    }
}
