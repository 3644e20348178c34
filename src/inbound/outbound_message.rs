//! [`OutboundMessage`]: what a flow's or a workflow's outbound message sends.

use std::{collections::HashSet, fmt, marker::PhantomData};

use actix_web::{FromRequest, HttpMessage as _, HttpRequest, HttpResponse, dev::Payload, http::StatusCode};
use futures_util::{FutureExt as _, future::LocalBoxFuture};
use serde::de::DeserializeOwned;

use super::{
    CallError,
    ack::Acknowledged,
    body,
    client_certificate::{self, NOT_PINNED},
    delivery, service_connection,
};
use crate::web::{FromSalesforce, WorkerState};
use salesforce_connection::{
    Connection, Error, OrgId, SalesforceId,
    inbound::{InvalidValues, Notification, OutboundEnvelope},
};

/// The segment of the route's path that holds the secret.
const SECRET: &str = "secret";

/// An outbound message of Salesforce: up to a hundred records of one object that changed. For a route whose path has a
/// segment `{secret}`, such as `/outbound/{secret}`; a handler that takes it needs no login and no cookie.
///
/// What it proves: its sender knows the [secret](super::OutboundMessages) in the address, and shows a pinned client
/// certificate where the settings have one. Salesforce signs nothing, so that the
/// values are [claims](Self::claimed): read the records by [`connection`](Self::connection) before acting on them.
///
/// It comes at least once, in any order, and with the record's latest values. A notification that was acknowledged is
/// dropped if it comes again within 25 hours, on every process that shares the store. One whose handler fails or whose
/// process ends comes again. Respond with [`Ack`](super::Ack), or with an error, which Salesforce repeats for 24 hours.
///
/// # Errors
/// [`CallError::Refused`] (401), one response for each reason. 503 if the store is down, or if another request with one of
/// the notifications is being handled.
#[doc(alias = "soap")]
#[doc(alias = "workflow")]
pub struct OutboundMessage<T> {
    worker: WorkerState,
    envelope: OutboundEnvelope,
    /// The places of notifications that were not acknowledged before.
    new: Vec<usize>,
    values: PhantomData<fn() -> T>,
}

/// Without the values.
impl<T> fmt::Debug for OutboundMessage<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundMessage").field("envelope", &self.envelope).finish_non_exhaustive()
    }
}

/// What a sender claims of a record. See [`OutboundMessage::claimed`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Claimed<T> {
    /// The record.
    pub id: SalesforceId,
    /// The notification. Repeats have the same id.
    pub notification_id: SalesforceId,
    /// The values of the fields that the outbound message names. Null fields are left out by Salesforce.
    pub values: T,
}

impl<T> OutboundMessage<T> {
    /// Returns the id of the org whose secret the sender knows.
    pub fn organization_id(&self) -> OrgId {
        self.envelope.organization
    }

    /// Returns the object of the records, for example `Account`.
    pub fn object(&self) -> &str {
        &self.envelope.object
    }

    /// Returns the id of the outbound message's definition in Setup.
    pub fn action_id(&self) -> SalesforceId {
        self.envelope.action_id
    }

    /// Returns the ids of the records that were not acknowledged before, each once, in the order of the envelope.
    pub fn new_ids(&self) -> impl Iterator<Item = SalesforceId> {
        let mut seen = HashSet::new();
        self.new_notifications().map(|notification| notification.record_id).filter(move |id| seen.insert(*id))
    }

    fn new_notifications(&self) -> impl Iterator<Item = &Notification> {
        self.new.iter().filter_map(|place| self.envelope.notifications.get(*place))
    }

    /// Returns a connection of the [service user](crate::Salesforce::service_connection), which is of the same org: to read
    /// the records.
    ///
    /// # Errors
    /// As [`service_connection`](crate::Salesforce::service_connection); [`CallError::NotPermitted`] if the service user is
    /// of another org.
    pub async fn connection(&self) -> Result<Connection, CallError> {
        service_connection(&self.worker, self.organization_id()).await
    }
}

impl<T: DeserializeOwned> OutboundMessage<T> {
    /// Returns what the sender claims of the records that were not acknowledged before: their values when the message was
    /// sent. They are a hint, for example of what is worth reading.
    ///
    /// Fields that are null are left out by Salesforce: each field of `T` that can be null is an `Option`. Whether a record
    /// was created or changed is not said.
    ///
    /// # Errors
    /// [`InvalidValues`] if the values of a record do not fit into `T`.
    pub fn claimed(&self) -> Result<Vec<Claimed<T>>, InvalidValues> {
        let claimed = |notification: &Notification| {
            Ok(Claimed {
                id: notification.record_id,
                notification_id: notification.id,
                values: notification.values()?,
            })
        };
        self.new_notifications().map(claimed).collect()
    }
}

impl<T: 'static> FromRequest for OutboundMessage<T> {
    type Error = CallError;
    type Future = LocalBoxFuture<'static, Result<Self, CallError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        async move {
            FromSalesforce::mark(&request);
            let worker = WorkerState::of(&request)?;
            let (envelope, ids) = accept(&worker, &request, &mut payload).await?;
            let new = delivery::begin(&worker, &request, ids, is_acknowledged).await?;
            Ok(Self { worker, envelope, new, values: PhantomData })
        }
        .boxed_local()
    }
}

/// Verifies the sender, then reads the envelope. Returns what names its notifications in the store, too.
async fn accept(
    worker: &WorkerState,
    request: &HttpRequest,
    payload: &mut Payload,
) -> Result<(OutboundEnvelope, Vec<String>), CallError> {
    let refused = |reason: &dyn fmt::Display| {
        tracing::warn!("an outbound message was refused: {reason}");
        CallError::Refused
    };
    let Some(secret) = request.match_info().get(SECRET) else {
        let route = request.match_pattern().unwrap_or_default();
        tracing::error!(
            route,
            "a route of outbound messages has no secret: its path needs a segment `{{secret}}`"
        );
        return Err(
            Error::internal("the path of a route of outbound messages has no segment `{secret}`").into()
        );
    };
    let senders = &worker.settings().inbound.outbound;
    // Each is compared, so that the time does not depend on which it is.
    let known = senders
        .iter()
        .fold(None, |found, sender| if sender.has_secret(secret) { Some(sender) } else { found });
    let sender = known.ok_or_else(|| refused(&"the secret in its path is not in the settings"))?;
    let header = worker.settings().inbound.certificate_header.as_ref();
    if !client_certificate::is_pinned(request, header, &sender.pins) {
        return Err(refused(&NOT_PINNED));
    }
    let body = body::read(request.headers(), payload).await.map_err(|error| refused(&error))?;
    let mut envelope = OutboundEnvelope::parse(&body).map_err(|error| refused(&error))?;
    if envelope.organization != sender.organization {
        return Err(refused(&"it names another org than the settings have for its secret"));
    }
    // An id twice in one envelope is one notification.
    let mut seen = HashSet::new();
    envelope.notifications.retain(|one| seen.insert(one.id));
    let name = |one: &Notification| format!("outbound {} {}", envelope.organization, one.id);
    let ids = envelope.notifications.iter().map(name).collect();
    Ok((envelope, ids))
}

/// Returns whether the handler acknowledged the message.
fn is_acknowledged(request: &HttpRequest, response: &HttpResponse<()>) -> bool {
    response.status() == StatusCode::OK && request.extensions().contains::<Acknowledged>()
}
