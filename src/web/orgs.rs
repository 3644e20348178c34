//! [`SalesforceOrgs`]: the orgs that a browser is logged in at, for handlers that work with several of them.

use std::{sync::Arc, time::SystemTime};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::{
    FutureExt as _,
    future::{self, LocalBoxFuture},
};

use super::{
    extract::required,
    no_store::NoStore,
    require::{NotFresh, RequiredFreshness},
    session::{CookieContents, FreshLogin, Slot, user_tag},
    worker::WorkerState,
};
use crate::{
    SalesforceUser,
    grants::{FoundLogin, GrantHandle, JobGrant, LoginId, Undecided},
};
use salesforce_connection::{Connection, Error, OrgId, Result, UserRef};

/// The orgs that the browser of a request is logged in at: the current one, and those that its user
/// [added](crate::routes::orgs). A handler that takes it is protected as by [`SalesforceConn`](crate::SalesforceConn).
///
/// A handler names the orgs that it works with, by ids that its form or path carries: the source and the target of a
/// migration. Only logins of this browser are found. Each connection stays with its user and org, whatever is
/// current meanwhile.
///
/// ```
/// use actix_salesforce::{OrgId, Result, SalesforceOrgs};
/// use actix_web::{Responder, get, web};
///
/// #[get("/compare/{one}/{other}")]
/// async fn compare(orgs: SalesforceOrgs, path: web::Path<(OrgId, OrgId)>) -> Result<impl Responder> {
///     let (one, other) = (orgs.connection(path.0)?, orgs.connection(path.1)?);
///     let count = "SELECT COUNT() FROM Account";
///     let (one, other) = (one.query::<()>(count).count().await?, other.query::<()>(count).count().await?);
///     Ok(format!("{one} accounts and {other} accounts"))
/// }
/// ```
///
/// A rule of [`RequireLogin`](crate::RequireLogin) around the handler is about the current org and its user. What users may
/// do in the others, Salesforce decides, or the handler by [`OrgLogin::user`]. One rule is about each org:
/// [`fresh`](crate::RequireLogin::fresh). Below it the handler gets no org at which the user has not logged in as recently.
///
/// # Errors
/// As [`SalesforceConn`](crate::SalesforceConn).
#[derive(Debug, Clone)]
pub struct SalesforceOrgs {
    current: OrgLogin,
    others: Vec<OtherLogin>,
    /// The users whose orgs cannot say now whether they may come in.
    undecided: Vec<(UserRef, Undecided)>,
    required: RequiredFreshness,
    now: SystemTime,
}

/// A login beside the current one.
#[derive(Debug, Clone)]
struct OtherLogin {
    login: OrgLogin,
    fresh: Option<FreshLogin>,
    /// Where its user logs in again at Salesforce's login page.
    login_path: Option<String>,
}

/// One of the orgs that a browser is logged in at.
#[derive(Debug, Clone)]
pub struct OrgLogin {
    user: SalesforceUser,
    connection: Connection,
}

impl OrgLogin {
    /// Returns the user of this login.
    pub fn user(&self) -> &SalesforceUser {
        &self.user
    }

    /// Returns the connection of this login's user to the org.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl SalesforceOrgs {
    /// Returns the current login, whose connection [`SalesforceConn`](crate::SalesforceConn) is.
    pub fn current(&self) -> &OrgLogin {
        &self.current
    }

    /// Returns all logins of the browser, the current one first. Below a rule with
    /// [`fresh`](crate::RequireLogin::fresh): those that are as recent.
    pub fn iter(&self) -> impl Iterator<Item = &OrgLogin> {
        let others = self.others.iter().filter_map(|other| self.as_recent(other).ok());
        std::iter::once(&self.current).chain(others)
    }

    /// Returns the connection to this org.
    ///
    /// # Errors
    /// [`Error::OrgLoginRequired`] if the browser has no login at the org, or if two of its users are logged in there and
    /// neither is the current one: [`connection_of`](Self::connection_of) names the user. [`Error::FreshLoginRequired`] if a
    /// rule asks for a recent login, and this one is not. [`Error::Unavailable`] if only production orgs may come in, and
    /// this one is down before it has said whether it is one.
    pub fn connection(&self, org: OrgId) -> Result<&Connection> {
        if self.current.user.organization_id == org {
            return Ok(&self.current.connection);
        }
        let mut found = self.others.iter().filter(|other| other.login.user.organization_id == org);
        match (found.next(), found.next()) {
            (Some(other), None) => Ok(&self.as_recent(other)?.connection),
            (None, _) => Err(self.missing(org, |user| user.organization_id == org)),
            _ => Err(Error::OrgLoginRequired(org)),
        }
    }

    /// Returns the connection of this user.
    ///
    /// # Errors
    /// [`Error::OrgLoginRequired`] if the user is not logged in in this browser. Others as for
    /// [`connection`](Self::connection).
    pub fn connection_of(&self, user: UserRef) -> Result<&Connection> {
        if self.current.user.user_ref() == user {
            return Ok(&self.current.connection);
        }
        let found = self.others.iter().find(|other| other.login.user.user_ref() == user);
        let other = found.ok_or_else(|| self.missing(user.organization_id, |other| other == user))?;
        Ok(&self.as_recent(other)?.connection)
    }

    /// Returns why there is no valid login of such a user of an org.
    fn missing(&self, org: OrgId, is_wanted: impl Fn(UserRef) -> bool) -> Error {
        let undecided = self.undecided.iter().find(|(user, _)| is_wanted(*user));
        undecided.map_or(Error::OrgLoginRequired(org), |(_, cause)| cause.clone().into())
    }

    /// Returns a login if it is as recent as the rules around the handler ask for.
    fn as_recent<'a>(&self, other: &'a OtherLogin) -> Result<&'a OrgLogin> {
        match self.required.missing(other.fresh, self.now) {
            None => Ok(&other.login),
            Some(NotFresh { within, is_confirmable }) => {
                let user = other.login.user.user_ref();
                let login_path = other.login_path.clone().filter(|_| is_confirmable);
                Err(Error::fresh_login_required(user, within, login_path))
            }
        }
    }
}

impl FromRequest for SalesforceOrgs {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move {
            let (worker, grant) = required(&request).await?;
            let current =
                OrgLogin { user: SalesforceUser::of(&grant)?, connection: worker.connection(grant) };
            let found = logins(&worker, &request).await?;
            let undecided = found.unusable.into_iter();
            let undecided = undecided.filter_map(|login| login.undecided).collect();
            let others = found.valid.into_iter().filter(|login| !login.is_current);
            let others = others.map(|login| OtherLogin {
                fresh: login.contents.fresh,
                login_path: worker
                    .settings()
                    .fresh_login_link(&login.contents.host, login.user.username.as_deref()),
                login: OrgLogin {
                    // Its error names its login host, because a login of the current user would not help.
                    connection: worker
                        .connection_from(Arc::new(JobGrant { grant: login.grant, owned: None })),
                    user: login.user,
                },
            });
            let (others, now) = (others.collect(), worker.salesforce().now());
            Ok(Self { current, others, undecided, required: RequiredFreshness::of(&request), now })
        }
        .boxed_local()
    }
}

/// A valid login of a browser.
pub(crate) struct ValidLogin {
    pub(crate) slot: Slot,
    pub(crate) contents: CookieContents,
    pub(crate) user: SalesforceUser,
    pub(crate) is_current: bool,
    grant: GrantHandle,
}

/// The logins of a browser.
pub(crate) struct BrowserLogins {
    /// In an order that stays: by org and user.
    pub(crate) valid: Vec<ValidLogin>,
    /// The slots of those that have ended, as the store says.
    pub(crate) ended: Vec<Slot>,
    /// Those that cannot be used now. They stay, and can be dropped.
    pub(crate) unusable: Vec<UnusableLogin>,
}

/// A login of a browser that cannot be used now.
pub(crate) struct UnusableLogin {
    pub(crate) slot: Slot,
    pub(crate) contents: CookieContents,
    pub(crate) is_current: bool,
    /// Its user, as far as the store says who that is.
    user: Option<UserRef>,
    /// Its user, and why the user's org may not come in now.
    pub(crate) undecided: Option<(UserRef, Undecided)>,
}

impl UnusableLogin {
    /// Returns whether it is the login of this user, or of some user of this org.
    pub(crate) fn is_of(&self, org: OrgId, user: Option<UserRef>) -> bool {
        match (self.user, user) {
            (Some(own), Some(user)) => own == user,
            (Some(own), None) => own.organization_id == org,
            (None, Some(user)) => self.contents.user == Some(user_tag(user)),
            (None, None) => false,
        }
    }
}

impl BrowserLogins {
    /// Returns the users of the logins that are valid, or whose orgs cannot say so now.
    pub(crate) fn users(&self) -> impl Iterator<Item = UserRef> {
        let undecided = self.unusable.iter().filter_map(|login| Some(login.undecided.as_ref()?.0));
        self.valid.iter().map(|login| login.user.user_ref()).chain(undecided)
    }
}

/// Looks the logins up that the browser sent.
///
/// # Errors
/// The store is down.
pub(crate) async fn logins(worker: &WorkerState, request: &HttpRequest) -> Result<BrowserLogins> {
    NoStore::mark(request);
    let current = worker.current_login(request).map(|current| current.slot);
    let all = worker.browser_logins(request);
    // All at once, so that the orgs of all other logins together cost the request no more than one of them.
    let found = future::join_all(all.iter().map(async |login| {
        let id = LoginId::new(login.contents.id.clone());
        match current.as_ref() == Some(&login.slot) {
            true => worker.grants().find_login(&id).await,
            false => worker.grants().find_login_beside(&id, true).await,
        }
    }));
    let found = found.await;
    let mut logins = BrowserLogins { valid: Vec::new(), ended: Vec::new(), unusable: Vec::new() };
    for (login, found) in all.into_iter().zip(found) {
        let is_current = current.as_ref() == Some(&login.slot);
        let (slot, contents) = (login.slot, login.contents);
        let (user, undecided) = match found? {
            FoundLogin::Valid(grant) => {
                // It may have ended just now.
                let Ok(user) = SalesforceUser::of(&grant) else { continue };
                logins.valid.push(ValidLogin { slot, contents, user, is_current, grant });
                continue;
            }
            FoundLogin::Over => {
                logins.ended.push(slot);
                continue;
            }
            FoundLogin::Refused(_) => (None, None),
            FoundLogin::Undecided(user, cause) => (Some(user), Some((user, cause))),
            FoundLogin::Unusable(user) => (user, None),
        };
        logins.unusable.push(UnusableLogin { slot, contents, is_current, user, undecided });
    }
    logins.valid.sort_by_key(|login| login.user.user_ref());
    Ok(logins)
}
