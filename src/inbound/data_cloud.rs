//! [`DataCloudEvents`]: what a webhook target of Data 360 is sent.

use std::{collections::HashSet, fmt, time::Duration};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::{FutureExt as _, future::LocalBoxFuture};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::{CallError, body, delivery, only_header, service_connection};
use crate::web::{FromSalesforce, WorkerState};
use salesforce_connection::{
    Connection, Error, OrgId,
    inbound::{DataCloudEvent, DataCloudPayload, InvalidPayload},
};

/// The header with the signature.
const SIGNATURE: &str = "x-signature";

/// Largest declared body in bytes that needs no place: as much as any handler may buffer. So slow senders of large bodies
/// do not keep usual ones out.
const SMALL: usize = 64 * 1024;
/// The large bodies that are received in this process before their sender is known. Each may have 5 MiB.
static UNVERIFIED: Semaphore = Semaphore::const_new(16);
/// How long a request waits for one of these places.
const WAIT: Duration = Duration::from_secs(5);

/// Events of Data 360 (Data Cloud), signed with a key of the [settings](super::DataCloud). A handler that takes it needs no
/// login and no cookie.
///
/// The signature is HMAC-SHA256 over the bytes of the body, compared in constant time before anything is read. It has no
/// time, so that a copy of a request is as valid as the original: an event whose handler succeeded is dropped if it comes
/// again within 25 hours, on every process that shares the store.
///
/// The handler succeeded if its response is 2xx. After any other response, or if the process ends, a repeat is handled.
/// When Salesforce repeats is unverified.
///
/// # Errors
/// [`CallError::Refused`] (401), one response for each reason. 503 if the store is down, or if another request with one of
/// the events is being handled.
///
/// ```
/// use actix_salesforce::inbound::{CallError, DataCloudEvents};
/// use actix_web::{HttpResponse, post};
///
/// #[post("/data-360")]
/// async fn data(events: DataCloudEvents) -> Result<HttpResponse, CallError> {
///     for event in events.new_events() {
///         println!("{:?} of {:?}", event.event_type, event.source_object_developer_name);
///     }
///     Ok(HttpResponse::Ok().finish())
/// }
/// ```
#[doc(alias = "data_360")]
#[doc(alias = "webhook")]
pub struct DataCloudEvents {
    worker: WorkerState,
    organization: OrgId,
    payload: DataCloudPayload,
    new: Vec<usize>,
}

/// Without the values.
impl fmt::Debug for DataCloudEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataCloudEvents").field("payload", &self.payload).finish_non_exhaustive()
    }
}

impl DataCloudEvents {
    /// Returns the id of the org whose key signed the events.
    pub fn organization_id(&self) -> OrgId {
        self.organization
    }

    /// Returns the events that were not handled before, in the order of the payload.
    pub fn new_events(&self) -> impl Iterator<Item = &DataCloudEvent> {
        self.new.iter().filter_map(|place| self.payload.events.get(*place))
    }

    /// Returns the schemas of the values, as they came.
    pub fn schemas(&self) -> &Value {
        &self.payload.schemas
    }

    /// Returns a connection of the [service user](crate::Salesforce::service_connection), which is of the same org.
    ///
    /// # Errors
    /// As [`service_connection`](crate::Salesforce::service_connection); [`CallError::NotPermitted`] if the service user is
    /// of another org.
    pub async fn connection(&self) -> Result<Connection, CallError> {
        service_connection(&self.worker, self.organization).await
    }
}

impl FromRequest for DataCloudEvents {
    type Error = CallError;
    type Future = LocalBoxFuture<'static, Result<Self, CallError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        async move {
            FromSalesforce::mark(&request);
            let worker = WorkerState::of(&request)?;
            let (organization, payload) = accept(&worker, &request, &mut payload).await?;
            let name = |event: &DataCloudEvent| format!("data cloud {organization} {}", event.event_uuid);
            let ids = payload.events.iter().map(name).collect();
            let is_done = |_: &HttpRequest, response: &HttpResponse<()>| response.status().is_success();
            let new = delivery::begin(&worker, &request, ids, is_done).await?;
            Ok(Self { worker, organization, payload, new })
        }
        .boxed_local()
    }
}

/// Verifies the signature, then reads the events. One that stands twice counts once.
async fn accept(
    worker: &WorkerState,
    request: &HttpRequest,
    payload: &mut Payload,
) -> Result<(OrgId, DataCloudPayload), CallError> {
    let refused = |reason: &dyn fmt::Display| {
        tracing::warn!("a payload of Data 360 was refused: {reason}");
        CallError::Refused
    };
    // Before the body is read, which may be large and anyone's.
    let signature = only_header(request.headers(), SIGNATURE).and_then(|value| value.to_str().ok());
    let signature = signature.filter(|text| is_signature(text));
    let signature = signature.ok_or_else(|| refused(&InvalidPayload::Form))?;
    if worker.settings().inbound.data_cloud.is_empty() {
        return Err(refused(&"the settings have no sender"));
    }
    let _permit = if body::declared(request.headers()).is_some_and(|length| length <= SMALL) {
        None
    } else {
        let permit = tokio::time::timeout(WAIT, UNVERIFIED.acquire()).await;
        Some(permit.map_err(|_| Error::unavailable(WAIT, TooManyPayloads))?)
    };
    let body = body::read(request.headers(), payload).await.map_err(|error| refused(&error))?;
    let mut reason = InvalidPayload::Signature;
    for sender in &worker.settings().inbound.data_cloud {
        match DataCloudPayload::verify(&body, signature, &sender.keys) {
            Ok(mut payload) => {
                let mut seen = HashSet::new();
                payload.events.retain(|event| seen.insert(event.event_uuid.clone()));
                return Ok((sender.organization, payload));
            }
            Err(InvalidPayload::Signature) => {}
            Err(error) => reason = error,
        }
    }
    Err(refused(&reason))
}

/// Too many payloads are being received whose sender is not known yet.
#[derive(Debug, thiserror::Error)]
#[error("too many payloads of Data 360 are being received")]
struct TooManyPayloads;

/// Whether a text has the form of a signature: 32 bytes in base64.
fn is_signature(text: &str) -> bool {
    STANDARD.decode(text.trim()).is_ok_and(|bytes| bytes.len() == 32)
}
