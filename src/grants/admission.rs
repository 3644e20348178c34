//! Who may log in: orgs by their ids, and the functions of the app that are asked at each login.
//!
//! A login that is refused is stored nowhere, and its tokens are revoked. What costs nothing is checked first; the app's
//! function that sees the user comes last.

use std::{
    error::Error as StdError, fmt, future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use serde::Serialize;
use url::Url;

use super::{
    CallbackPurpose, GrantHandle, GrantManager, GrantTokens, LogInError, Profile, sandboxes::Sandboxes,
};
use salesforce_connection::{
    Connection, Error, OrgId, Secret, UserId, UserRef,
    oauth::{LoginHost, Scopes},
    token::{FixedToken, TokenSource},
};

/// Longest time that a function of the app may take, and that asking an org whether it is a sandbox may take. A user waits
/// meanwhile, and the callback's lease must not end.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// Largest facts in bytes, as JSON. Sealed and in base64 they fit into the login's cookie with everything else in it.
const MAX_FACTS_BYTES: usize = 1024;

type BoxError = Box<dyn StdError + Send + Sync>;
type OrgFunction = dyn Fn(OrgId) -> BoxFuture<'static, Result<bool, BoxError>> + Send + Sync;
type LoginFunction =
    dyn Fn(VerifiedLogin) -> BoxFuture<'static, Result<LoginDecision, BoxError>> + Send + Sync;

/// A login whose user is verified and that is not stored yet: what
/// [`SalesforceBuilder::on_login`](crate::SalesforceBuilder::on_login) decides on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct VerifiedLogin {
    /// The id of the user's org.
    pub organization_id: OrgId,
    /// The user's id.
    pub user_id: UserId,
    /// The user name, if Salesforce returned one. For display; it can change.
    pub username: Option<String>,
    /// The name to display, if Salesforce returned one.
    pub display_name: Option<String>,
    /// The URL of the org's REST API host.
    pub instance_url: Url,
    /// The scopes that Salesforce granted.
    pub scopes: Scopes,
    /// Where the user logged in.
    pub login_host: LoginHost,
    connection: Connection,
}

impl VerifiedLogin {
    /// Returns a connection of the user, for questions to the org. It is for this decision: its token is not refreshed.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// What the app decides on a login.
#[derive(Debug, Clone)]
#[must_use]
pub struct LoginDecision(Decision);

#[derive(Debug, Clone)]
enum Decision {
    Allow(Option<Arc<str>>),
    Refuse(String),
}

/// Facts that cannot be stored with a login. Repeats nothing of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidFacts {
    /// They have more than 1 KiB as JSON.
    #[error("the facts have {bytes} bytes as JSON; at most {MAX_FACTS_BYTES} are stored with a login")]
    #[non_exhaustive]
    TooLarge {
        /// Their size in bytes.
        bytes: usize,
    },
    /// They cannot be written as JSON.
    #[error("the facts cannot be written as JSON")]
    NotJson(#[source] serde_json::Error),
}

impl LoginDecision {
    /// Lets the user in.
    pub fn allow() -> Self {
        Self(Decision::Allow(None))
    }

    /// Lets the user in, with facts about the login that handlers read as [`LoginFacts`](crate::LoginFacts).
    ///
    /// # Errors
    /// The facts have more than 1 KiB as JSON, or are not JSON.
    pub fn allow_with(facts: &impl Serialize) -> Result<Self, InvalidFacts> {
        let json = serde_json::to_string(facts).map_err(InvalidFacts::NotJson)?;
        if json.len() > MAX_FACTS_BYTES {
            return Err(InvalidFacts::TooLarge { bytes: json.len() });
        }
        Ok(Self(Decision::Allow(Some(json.into()))))
    }

    /// Refuses the user, who reads this reason.
    pub fn refuse(reason: impl Into<String>) -> Self {
        Self(Decision::Refuse(reason.into()))
    }
}

/// Tokens of a verified user who may not be let in yet.
pub(super) struct VerifiedTokens<'a> {
    pub(super) user: UserRef,
    pub(super) instance_url: &'a Url,
    pub(super) scopes: &'a Scopes,
    pub(super) access_token: &'a Secret,
    pub(super) host: &'a LoginHost,
    pub(super) profile: &'a Profile,
}

impl<'a> VerifiedTokens<'a> {
    pub(super) fn of(grant: &'a GrantTokens) -> Self {
        Self {
            user: grant.key.user(),
            instance_url: grant.access.instance_url(),
            scopes: grant.access.scopes(),
            access_token: &grant.access_token,
            host: &grant.host,
            profile: &grant.profile,
        }
    }
}

/// Who may log in, besides [`HostOrgs`](super::HostOrgs).
#[derive(Default)]
pub(crate) struct Admission {
    pub(super) sandboxes: Sandboxes,
    functions: AppFunctions,
}

/// The app's functions that are asked at each login.
#[derive(Clone, Default)]
pub(crate) struct AppFunctions {
    org: Option<Arc<OrgFunction>>,
    login: Option<Arc<LoginFunction>>,
}

impl fmt::Debug for AppFunctions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppFunctions")
            .field("org", &self.org.is_some())
            .field("login", &self.login.is_some())
            .finish()
    }
}

impl AppFunctions {
    pub(crate) fn set_org<F, E>(&mut self, function: impl Fn(OrgId) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<bool, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.org = Some(Arc::new(move |org| {
            let decision = function(org);
            Box::pin(async move { decision.await.map_err(Into::into) })
        }));
    }

    pub(crate) fn set_login<F, E>(&mut self, function: impl Fn(VerifiedLogin) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<LoginDecision, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.login = Some(Arc::new(move |login| {
            let decision = function(login);
            Box::pin(async move { decision.await.map_err(Into::into) })
        }));
    }
}

impl Admission {
    pub(crate) fn new(refuses_sandboxes: bool, functions: AppFunctions) -> Self {
        Self { sandboxes: Sandboxes::new(refuses_sandboxes), functions }
    }
}

/// Why an org is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RefusedOrg {
    #[error("the user's organization is not named in SALESFORCE_ALLOWED_ORGS")]
    NotNamed,
    #[error("the user's organization is named in SALESFORCE_DENIED_ORGS")]
    Denied,
    #[error("the app's function of `allow_org_if` returned false")]
    ByFunction,
    #[error("the user's organization is a sandbox or a scratch org, and SALESFORCE_ALLOW_SANDBOXES is false")]
    Sandbox,
    #[error(
        "the user's organization does not say whether it is a sandbox (Organization.IsSandbox cannot be read), and \
         SALESFORCE_ALLOW_SANDBOXES is false"
    )]
    PerhapsSandbox,
}

/// Whether an org is a sandbox could not be asked, or a function of the app failed or took too long. Says nothing about the
/// user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotDecided {
    #[error("{0} did not return within {TIMEOUT:?}")]
    TimedOut(&'static str),
    #[error("{0} failed")]
    Failed(&'static str, #[source] BoxError),
    #[error("{0} failed a moment ago")]
    FailedBefore(&'static str),
    #[error("{0} panicked")]
    Panicked(&'static str),
}

impl NotDecided {
    /// Returns whether the request to the org failed for its user alone, whose token is refreshed or who has too many
    /// requests at a time. Another user's request may succeed.
    pub(super) fn is_of_user(&self) -> bool {
        let Self::Failed(_, source) = self else { return false };
        matches!(
            source.downcast_ref(),
            Some(Error::Unavailable { .. } | Error::ConcurrencyLimit { .. } | Error::QuotaReserved { .. })
        )
    }
}

/// Awaits a function of the app, for a while.
async fn within<T>(
    what: &'static str,
    work: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, NotDecided> {
    // A panic must not end the task that has the tokens to revoke.
    match tokio::time::timeout(TIMEOUT, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(Ok(value))) => Ok(value),
        Ok(Ok(Err(error))) => Err(NotDecided::Failed(what, error)),
        Ok(Err(_)) => Err(NotDecided::Panicked(what)),
        Err(_) => Err(NotDecided::TimedOut(what)),
    }
}

impl GrantManager {
    /// Checks an org by the lists of the settings.
    pub(super) fn check_org(&self, host: &LoginHost, org: OrgId) -> Result<(), RefusedOrg> {
        let orgs = &self.config.host_orgs;
        match orgs.let_in(host, org) {
            true => Ok(()),
            false if orgs.is_denied(org) => Err(RefusedOrg::Denied),
            false => Err(RefusedOrg::NotNamed),
        }
    }

    /// Checks an org by the settings, without asking it or the app's functions: for tokens that no login brings.
    pub(super) fn check_org_unasked(
        &self,
        host: &LoginHost,
        org: OrgId,
        instance: &Url,
    ) -> Result<(), RefusedOrg> {
        self.check_org(host, org)?;
        match self.config.admission.sandboxes.refuses(org, host, instance) {
            true => Err(RefusedOrg::Sandbox),
            false => Ok(()),
        }
    }

    /// Checks an org before any request is sent to its instance.
    pub(super) async fn admit_org(&self, host: &LoginHost, org: OrgId) -> Result<(), LogInError> {
        self.check_org(host, org)?;
        let Some(function) = &self.config.admission.functions.org else { return Ok(()) };
        match within("the function of `allow_org_if`", async { function(org).await }).await? {
            true => Ok(()),
            false => Err(RefusedOrg::ByFunction.into()),
        }
    }

    /// Checks a verified user: whether the org is a sandbox where those are refused, then the app's function. Returns the
    /// facts that the app adds to the login.
    pub(super) async fn admit_user(
        &self,
        tokens: VerifiedTokens<'_>,
        purpose: &CallbackPurpose,
    ) -> Result<Option<Arc<str>>, LogInError> {
        let admission = &self.config.admission;
        // The app's function decides on logins. Whom an owner connects, the owner decides.
        let is_login = matches!(purpose, CallbackPurpose::Login);
        let asks_app = is_login && admission.functions.login.is_some();
        if !admission.sandboxes.are_refused() && !asks_app {
            return Ok(None);
        }
        let VerifiedTokens { user, instance_url, scopes, access_token, host, profile } = tokens;
        let source = FixedToken::new(user, instance_url.clone(), access_token)?;
        let login = self.verified(host, profile, instance_url.clone(), scopes.clone(), Arc::new(source));
        if admission.sandboxes.are_refused() {
            self.refuse_sandbox(&login).await?;
        }
        if asks_app { self.decide(login).await } else { Ok(None) }
    }

    fn verified(
        &self,
        host: &LoginHost,
        profile: &Profile,
        instance_url: Url,
        scopes: Scopes,
        source: Arc<dyn TokenSource>,
    ) -> VerifiedLogin {
        let user = source.user();
        VerifiedLogin {
            organization_id: user.organization_id,
            user_id: user.user_id,
            username: profile.username.clone(),
            display_name: profile.display_name.clone(),
            instance_url,
            scopes,
            login_host: host.clone(),
            connection: Connection::new(&self.config.client, source).with_timeout(TIMEOUT),
        }
    }

    /// Asks the app's function again for the facts of a login that is stored.
    pub(super) async fn facts_of(
        &self,
        grant: GrantHandle,
        host: &LoginHost,
    ) -> Result<Option<Arc<str>>, LogInError> {
        if self.config.admission.functions.login.is_none() {
            return Ok(None);
        }
        let Ok(tokens) = grant.current() else { return Ok(None) };
        let (instance_url, scopes) = (tokens.access.instance_url().clone(), tokens.access.scopes().clone());
        self.decide(self.verified(host, &tokens.profile, instance_url, scopes, Arc::new(grant))).await
    }

    /// Asks the app's function, if there is one, about a login.
    async fn decide(&self, login: VerifiedLogin) -> Result<Option<Arc<str>>, LogInError> {
        let Some(function) = &self.config.admission.functions.login else { return Ok(None) };
        match within("the function of `on_login`", async { function(login).await }).await?.0 {
            Decision::Allow(facts) => Ok(facts),
            Decision::Refuse(reason) => Err(LogInError::Refused(reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_function_of_the_app_is_awaited_for_five_seconds() {
        let after = |seconds| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok::<_, BoxError>(true)
        };
        assert!(matches!(within("x", after(4)).await, Ok(true)));
        assert!(matches!(within("x", after(6)).await, Err(NotDecided::TimedOut("x"))));
        let fails = async { Err::<bool, _>(BoxError::from("down")) };
        assert!(matches!(within("x", fails).await, Err(NotDecided::Failed("x", _))));
    }

    #[test]
    fn facts_have_a_kilobyte_at_most() {
        let exactly = "x".repeat(MAX_FACTS_BYTES - 2);
        assert!(LoginDecision::allow_with(&exactly).is_ok());
        let error = LoginDecision::allow_with(&format!("{exactly}x")).unwrap_err();
        assert!(matches!(error, InvalidFacts::TooLarge { bytes: 1025 }) && !error.to_string().contains("xx"));
    }
}
