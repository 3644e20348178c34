//! [`RequireLogin`]: who may use a route. On a scope, on a resource, or as the type of an extractor.

mod access;
mod check;
mod decide;
mod extract;
mod fresh;
mod handle;
mod middleware;
mod refusal;

#[cfg(feature = "events")]
pub(crate) use self::decide::enforce_here;
pub(crate) use self::{
    check::rules_of_this_thread,
    decide::Denied,
    fresh::{NotFresh, RequiredFreshness},
    handle::RuleState,
};
pub use self::{
    extract::{AccessRule, Allowed, MayUse},
    refusal::AccessRefusal,
};

use std::{fmt, future::Future, sync::Arc, time::Duration};

use actix_web::HttpRequest;
use futures_util::{FutureExt as _, future::LocalBoxFuture};

use crate::SalesforceUser;
use salesforce_connection::{Connection, OrgId};

type Predicate = dyn Fn(&SalesforceUser) -> bool + Send + Sync;
type AsyncPredicate = dyn Fn(SalesforceUser, Connection) -> LocalBoxFuture<'static, std::result::Result<bool, actix_web::Error>>
    + Send
    + Sync;

/// How long what Salesforce said about a user is used, unless [`RequireLogin::max_age`] says otherwise. Short enough for
/// an administrator who takes a permission away, long enough that a user who clicks costs no requests.
const MAX_AGE: Duration = Duration::from_secs(5 * 60);

/// Protects everything below a scope, on a resource or in an app. A request without a login gets the same response as
/// from [`SalesforceConn`](crate::SalesforceConn), even for a path that does not exist.
///
/// A login proves who the user is, not that the user belongs to you: with a login host that all orgs share
/// (`https://login.salesforce.com`, the default, and `https://test.salesforce.com`) a user of **any** org passes, as far as
/// that org lets its users use the app. Say who may come in: name the orgs in `SALESFORCE_ALLOWED_ORGS` or with
/// [`org`](Self::org).
///
/// ```
/// use actix_salesforce::RequireLogin;
/// use actix_web::web;
///
/// let admin = web::scope("/admin").wrap(
///     RequireLogin::new().org("00D5g00000ABCDE").permission("Manage_Invoices").except("/health"),
/// );
/// # let _ = admin;
/// ```
///
/// Each rule has to hold. Of several [orgs](Self::org), [profiles](Self::profile) or [user types](Self::user_type), of
/// which a user has one, one has to match. A user who fails a rule gets 403: a page with the reason, the user's name, and
/// ways to log out or to log in as another user; JSON for programs. It never leads to a login by itself, so it cannot
/// loop. Each refusal is one line in the log.
///
/// What Salesforce says about a user is read when a rule needs it, and used for five minutes ([`max_age`](Self::max_age)),
/// until the user logs in again, or until [`Salesforce::refresh_access`](crate::Salesforce::refresh_access). What cannot be
/// read closes the route: with 403, naming what is missing, or with 503 in an outage.
///
/// Wrap it inside (register it before) [`Salesforce`](crate::Salesforce): `.wrap(rule).wrap(salesforce)`. The start fails
/// if the settings lack what a rule needs: see [`Salesforce::check_rule`](crate::Salesforce::check_rule).
///
/// A CORS preflight carries no cookie and gets 401 here. Wrap `Cors` outermost (register it last, after `Salesforce`):
/// it then responds to preflights itself, and adds its headers to the 401 and 503.
///
/// Exceptions are matched on the path that routing sees, decoded and relative to where this is wrapped, so that no
/// other spelling of a path opens another route.
#[derive(Clone, Default)]
pub struct RequireLogin {
    except: Vec<String>,
    scopes: Vec<String>,
    orgs: Vec<OrgId>,
    user_types: Vec<String>,
    permissions: Vec<String>,
    permission_sets: Vec<String>,
    profiles: Vec<String>,
    predicates: Vec<Arc<Predicate>>,
    async_predicates: Vec<Arc<AsyncPredicate>>,
    fresh: Option<Duration>,
    reason: Option<String>,
    any_org: bool,
    max_age: Option<Duration>,
    /// Arguments that mean nothing. Such a rule lets no request pass, and the start fails.
    mistakes: Vec<&'static str>,
}

impl RequireLogin {
    /// Protects all paths.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves exactly this path open. It is relative to where this is wrapped, without a query. Default: no exception.
    #[must_use]
    pub fn except(mut self, path: impl Into<String>) -> Self {
        self.except.push(path.into());
        self
    }

    /// Requires that the grant has this scope, such as `api`.
    ///
    /// `full` contains all scopes but `refresh_token` and `openid`.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Requires that the user belongs to this org: its id with 15 or 18 characters. With several, to one of them.
    ///
    /// An invalid id fails the start and lets no request pass.
    #[must_use]
    pub fn org(mut self, id: impl fmt::Display) -> Self {
        match id.to_string().parse() {
            Ok(org) => self.orgs.push(org),
            Err(_) => self.mistakes.push("`org` takes the id of an organization (00D…)"),
        }
        self
    }

    /// Requires a kind of user, such as `STANDARD`. This is the word of the visitor's own org: any org can claim it.
    ///
    /// Read from the identity of the user's own connection (`user_type`). With several kinds, one of them. Name the orgs
    /// ([`org`](Self::org)), or the start warns.
    #[must_use]
    pub fn user_type(mut self, user_type: impl Into<String>) -> Self {
        self.user_types.push(user_type.into());
        self
    }

    /// Requires a custom permission. This is the word of the visitor's own org: any org can claim it.
    ///
    /// `name` is its API name, with the namespace if it has one. Read from the identity of the user's own connection,
    /// which needs the scope `custom_permissions`: add it to `SALESFORCE_SCOPES` and to the app in Salesforce. Name the
    /// orgs ([`org`](Self::org)), or the start warns.
    #[doc(alias = "custom_permission")]
    #[must_use]
    pub fn permission(mut self, name: impl Into<String>) -> Self {
        self.permissions.push(name.into());
        self
    }

    /// Requires a permission set. This is the word of the visitor's own org: any org can claim it.
    ///
    /// `name` is its API name, with the namespace if it is part of a managed package (`acme__Billing`): a package's
    /// permission set is another one than the org's own of the same name. Read by the service user of that org
    /// ([`SalesforceBuilder::service_user`](crate::SalesforceBuilder::service_user)), because only users with a setup
    /// permission may read `PermissionSetAssignment`. Assignments count that are active and direct; those by a permission
    /// set group do not. Users of an org that is not the service user's get 403. Name the orgs ([`org`](Self::org)), or
    /// the start warns.
    #[must_use]
    pub fn permission_set(mut self, name: impl Into<String>) -> Self {
        self.permission_sets.push(name.into());
        self
    }

    /// Requires a profile. This is the word of the visitor's own org: any org can claim it.
    ///
    /// `name` is its name as Setup shows it to users with English as their language. Read by the user's own connection,
    /// which needs the scope `api`. With several names, one of them. Name the orgs ([`org`](Self::org)), or the start
    /// warns.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profiles.push(name.into());
        self
    }

    /// Requires that `rule` returns `true` for the user. Sends no request to Salesforce.
    #[must_use]
    #[doc(alias = "permission")]
    #[doc(alias = "role")]
    #[doc(alias = "authorize")]
    pub fn allow_if(mut self, rule: impl Fn(&SalesforceUser) -> bool + Send + Sync + 'static) -> Self {
        self.predicates.push(Arc::new(rule));
        self
    }

    /// Requires that `rule` returns `true`, for example after a look into the app's own table.
    ///
    /// It gets the user and the user's connection, and is called for each request: what costs much is for the app to
    /// cache. An error closes the route with its own response; so does a rule that takes longer than ten seconds, with
    /// 503.
    ///
    /// ```
    /// use actix_salesforce::{RequireLogin, Result};
    ///
    /// let rule = RequireLogin::new().allow_if_async(|_, sf| async move {
    ///     let open = sf.query::<()>("SELECT COUNT() FROM Case WHERE IsClosed = false").count().await?;
    ///     Ok::<_, actix_salesforce::Error>(open > 0)
    /// });
    /// # let _ = rule;
    /// ```
    #[must_use]
    pub fn allow_if_async<F, E>(
        mut self,
        rule: impl Fn(SalesforceUser, Connection) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = std::result::Result<bool, E>> + 'static,
        E: Into<actix_web::Error>,
    {
        self.async_predicates.push(Arc::new(move |user, connection| {
            rule(user, connection).map(|allowed| allowed.map_err(Into::into)).boxed_local()
        }));
        self
    }

    /// Requires that the user has logged in at Salesforce again within this many minutes, for what must not happen in a
    /// session that was left alone.
    ///
    /// Only a login counts that asked Salesforce for its login page (`prompt=login`, sealed into the pending login) and
    /// that a user completed who had a valid login in this browser before it, or any user in a browser without one; where
    /// the ID token has an `auth_time`, this has to be recent, too. Whether Salesforce sends one is unverified.
    ///
    /// In a browser with several orgs the rule is about the current login, and below it
    /// [`SalesforceOrgs`](crate::SalesforceOrgs) gives only logins that are as recent.
    ///
    /// A navigation by GET is sent to log in and comes back. Every other request gets 401 `fresh_login_required` with the
    /// login's URL and `WWW-Authenticate: Bearer error="insufficient_user_authentication"` (RFC 9470); a form gets a page
    /// that links back to the form's page. The body of a request is not stored: the form has to be sent again.
    ///
    /// This guards a session that was left alone. It does not guard against the user at the keyboard, who may know the
    /// password, or have a browser that fills it in.
    #[doc(alias = "step_up")]
    #[doc(alias = "reauthenticate")]
    #[must_use]
    pub fn fresh(mut self, minutes: u32) -> Self {
        if minutes == 0 {
            self.mistakes.push("`fresh` takes at least one minute");
        }
        self.fresh = Some(Duration::from_secs(u64::from(minutes) * 60));
        self
    }

    /// Sets the reason that users read whom a rule of the app's own refuses ([`allow_if`](Self::allow_if),
    /// [`allow_if_async`](Self::allow_if_async)). Default: that they are not allowed to use this.
    #[must_use]
    pub fn reason(mut self, text: impl Into<String>) -> Self {
        self.reason = Some(text.into());
        self
    }

    /// Says that users of any org may pass, so that the start does not warn of rules that are the word of the visitor's
    /// own org. For apps that other orgs install, where each user sees the own org's data only.
    #[must_use]
    pub fn any_org(mut self) -> Self {
        self.any_org = true;
        self
    }

    /// Sets how long what Salesforce said about a user is used. Zero: it is read for each request. Default: five minutes.
    #[doc(alias = "ttl")]
    #[doc(alias = "cache")]
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// Returns whether the user of a request passes, without enforcing it: for a menu that shows only what can be used.
    ///
    /// `false` without a login. [`fresh`](Self::fresh) is left out: what needs a new login can be used after it. Exceptions
    /// are left out, too.
    ///
    /// # Errors
    /// What a rule needs could not be read, for example in an outage.
    ///
    /// ```
    /// use actix_salesforce::RequireLogin;
    /// use actix_web::{HttpRequest, Responder, get};
    ///
    /// #[get("/menu")]
    /// async fn menu(request: HttpRequest) -> actix_web::Result<impl Responder> {
    ///     let invoices = RequireLogin::new().any_org().permission("Manage_Invoices");
    ///     Ok(if invoices.allows(&request).await? { "Home, Invoices" } else { "Home" })
    /// }
    /// ```
    pub async fn allows(&self, request: &HttpRequest) -> std::result::Result<bool, actix_web::Error> {
        decide::allows(self, request).await
    }

    /// Returns the rules that are the word of the visitor's own org, for messages.
    fn words_of_org(&self) -> impl Iterator<Item = String> {
        let named = |what: &'static str| move |name: &String| format!("{what}(\"{name}\")");
        self.user_types
            .iter()
            .map(named("user_type"))
            .chain(self.permissions.iter().map(named("permission")))
            .chain(self.permission_sets.iter().map(named("permission_set")))
            .chain(self.profiles.iter().map(named("profile")))
    }
}

impl fmt::Debug for RequireLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireLogin")
            .field("except", &self.except)
            .field("orgs", &self.orgs)
            .field("scopes", &self.scopes)
            .field("words_of_org", &self.words_of_org().collect::<Vec<_>>())
            .field("predicates", &(self.predicates.len() + self.async_predicates.len()))
            .field("fresh", &self.fresh)
            .finish_non_exhaustive()
    }
}
