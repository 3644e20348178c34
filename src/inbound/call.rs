//! [`SalesforceCall`]: a request of Apex, a flow or an External Service, with the token of a Named Credential.

use std::sync::Arc;

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{self, HeaderMap},
};
use futures_util::{FutureExt as _, future::LocalBoxFuture};
use serde_json::Value;

use super::{
    CallError,
    client_certificate::{self, NOT_PINNED},
    only_header,
};
use crate::{
    config::CheckedCaller,
    grants::{JobGrant, StoredGrant},
    web::{FromSalesforce, WorkerState},
};
use salesforce_connection::{
    Connection, Error, OrgId, UserId, UserRef,
    inbound::{InvalidCall, VerifiedCall},
    token::ServiceUser,
};

/// A verified request of Salesforce to the app: a callout with the JWT of a Named Credential. A handler that takes it
/// needs no login and no cookie.
///
/// The token is in the header `Authorization: Bearer …`, signed with RS256 or RS512 by a certificate of the settings
/// ([`Caller`](super::Caller)), for their audience, of their issuer and org, and at most ten minutes long. It proves which
/// user's transaction sent the request. It does not protect the body, and a copy of it counts until it ends: whether
/// Salesforce sends a token with several requests is unverified, so that a second use is not refused unless the settings
/// say so.
///
/// # Errors
/// [`CallError::Refused`] (401), one response for each reason; [`CallError::Salesforce`] (503) if the store is down and
/// tokens count once.
///
/// ```
/// use actix_salesforce::inbound::{CallError, SalesforceCall};
/// use actix_web::{post, web::Json};
///
/// #[derive(serde::Deserialize)]
/// struct NewOrder { account: String }
/// #[derive(serde::Serialize)]
/// struct Receipt { name: String }
///
/// #[post("/from-salesforce/orders")]
/// async fn order(call: SalesforceCall, order: Json<NewOrder>) -> Result<Json<Receipt>, CallError> {
///     let salesforce = call.connection().await?;
///     let query = salesforce.query::<(String,)>("SELECT Name FROM Account WHERE Name = :name");
///     let _ = query.bind("name", &order.account);
///     Ok(Json(Receipt { name: salesforce.identity().await?.username }))
/// }
/// ```
#[doc(alias = "named_credential")]
#[doc(alias = "callout")]
#[doc(alias = "external_service")]
#[derive(Debug, Clone)]
pub struct SalesforceCall {
    worker: WorkerState,
    call: VerifiedCall,
}

impl SalesforceCall {
    /// Returns the calling user: the user whose transaction in Salesforce sent the request.
    pub fn user(&self) -> UserRef {
        self.call.user
    }

    /// Returns the id of the calling org.
    pub fn organization_id(&self) -> OrgId {
        self.call.user.organization_id
    }

    /// Returns the id of the calling user.
    pub fn user_id(&self) -> UserId {
        self.call.user.user_id
    }

    /// Returns a claim of the token, for example a custom one of the External Credential.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.call.claims.get(name)
    }

    /// Returns the audience of the [`Caller`](super::Caller) whose rules the token meets. Several callers share all routes:
    /// compare it where a route is for one of them.
    pub fn audience(&self) -> &str {
        let rules = self.worker.settings().inbound.verifier.rules().get(self.call.rules);
        rules.map_or("", |rules| rules.audience.as_str())
    }

    /// Returns the unique name of the certificate that signed the token.
    pub fn certificate(&self) -> &str {
        let rules = self.worker.settings().inbound.verifier.rules().get(self.call.rules);
        let certificate = rules.and_then(|rules| rules.certificates.get(self.call.certificate));
        certificate.map_or("", |(name, _)| name.as_str())
    }

    /// Returns the connection of the calling user: the one that the user's login left in the store, else one by JWT bearer
    /// if the settings have a [key](super::Caller::jwt_bearer) for it.
    ///
    /// Never that of another user or of the service user.
    ///
    /// # Errors
    /// [`CallError::LoginRequired`] (403 with the code `login_required`) if the user has no connection, or one that has
    /// ended: Apex can show that the user has to log in to the app once. [`CallError::NotPermitted`] if Salesforce refuses
    /// JWT bearer for the user. `org_not_allowed` if the settings do not let the org in; 503 if Salesforce or the store is
    /// down.
    pub async fn connection(&self) -> Result<Connection, CallError> {
        let stored = self.worker.grants().grant_of(self.call.user).await.map_err(Error::from)?;
        match stored {
            StoredGrant::Valid(grant) => {
                return Ok(self.worker.connection_from(Arc::new(JobGrant { grant, owned: None })));
            }
            StoredGrant::OrgNotAllowed => return Err(Error::OrgNotAllowed.into()),
            StoredGrant::Undecided(cause) => return Err(Error::from(cause).into()),
            StoredGrant::Broken(_) | StoredGrant::Absent => {}
        }
        let caller = self.caller();
        let (Some(bearer), Some(username)) =
            (caller.and_then(|caller| caller.jwt_bearer.as_ref()), &self.call.username)
        else {
            return Err(CallError::LoginRequired);
        };
        let user = ServiceUser::jwt_bearer(bearer.host.clone(), username, bearer.key.clone());
        let source = self.worker.grants().service(&user).await?;
        if source.user() != self.call.user {
            tracing::error!(
                user = ?self.call.user,
                "JWT bearer gave a token of another user than the one that calls. Check the claim with the user name"
            );
            return Err(CallError::NotPermitted);
        }
        Ok(self.worker.connection_from(source))
    }

    fn caller(&self) -> Option<&CheckedCaller> {
        self.worker.settings().inbound.callers.get(self.call.rules)
    }

    async fn of(request: &HttpRequest) -> Result<Self, CallError> {
        FromSalesforce::mark(request);
        let worker = WorkerState::of(request)?;
        let inbound = &worker.settings().inbound;
        let now = worker.salesforce().now();
        let verified = bearer(request.headers()).and_then(|token| inbound.verifier.verify(token, now));
        let call = verified.map_err(|invalid| refused(&invalid, inbound.verifier.key_ids()))?;
        let call = Self { worker: worker.clone(), call };
        let pins = call.caller().map_or(&[][..], |caller| &caller.pins);
        if !client_certificate::is_pinned(request, inbound.certificate_header.as_ref(), pins) {
            tracing::warn!("a call of Salesforce was refused: {NOT_PINNED}");
            return Err(CallError::Refused);
        }
        if call.caller().is_some_and(|caller| caller.single_use) {
            call.consume().await?;
        }
        Ok(call)
    }

    /// Uses the token up.
    async fn consume(&self) -> Result<(), CallError> {
        let Some(id) = &self.call.token_id else {
            tracing::warn!(
                "a call of Salesforce was refused: its token has no `jti`, and the settings need one"
            );
            return Err(CallError::Refused);
        };
        let now = self.worker.salesforce().now();
        let rest = self.call.expires_at.duration_since(now).unwrap_or_default() + VerifiedCall::LEEWAY;
        // The issuer makes the id unique (RFC 7519 section 4.1.7).
        let token = format!("call {} {id}", self.organization_id());
        if self.worker.grants().consume_value(token, rest).await.map_err(Error::from)? {
            return Ok(());
        }
        tracing::warn!(user = ?self.call.user, "a call of Salesforce was refused: its token was used before");
        Err(CallError::Refused)
    }
}

impl FromRequest for SalesforceCall {
    type Error = CallError;
    type Future = LocalBoxFuture<'static, Result<Self, CallError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move { Self::of(&request).await }.boxed_local()
    }
}

/// Returns the token of the only `Authorization` header.
fn bearer(headers: &HeaderMap) -> Result<&str, InvalidCall> {
    let value = only_header(headers, header::AUTHORIZATION).ok_or(InvalidCall::Form)?;
    let (scheme, token) =
        value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(InvalidCall::Form)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token) } else { Err(InvalidCall::Form) }
}

/// Logs why a call is refused. The caller gets one response for each reason.
fn refused<'a>(reason: &InvalidCall, known: impl Iterator<Item = &'a str>) -> CallError {
    match reason {
        InvalidCall::UnknownKey(kid) => tracing::warn!(
            kid = kid.as_deref().unwrap_or("not a name"),
            known = known.collect::<Vec<_>>().join(" "),
            "a call of Salesforce was refused: {reason}"
        ),
        reason => tracing::warn!("a call of Salesforce was refused: {reason}"),
    }
    CallError::Refused
}
