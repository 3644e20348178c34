//! [`Ack`] and [`NotAcknowledged`]: the two responses to an outbound message.

use std::{error::Error as StdError, fmt};

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse, Responder, ResponseError,
    http::{StatusCode, header},
};
use serde_json::json;

use crate::base::error_chain::ErrorChain;

const BODY: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
                    xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Body><notificationsResponse \
                    xmlns=\"http://soap.sforce.com/2005/09/outbound\"><Ack>true</Ack></notificationsResponse>\
                    </soapenv:Body></soapenv:Envelope>";

/// How long until Salesforce may repeat, in seconds. It has its own times: the interval grows up to two hours.
const RETRY_AFTER: u32 = 60;

/// Tells Salesforce that an [outbound message](super::OutboundMessage) was handled, so that it is not repeated.
///
/// A message that can never be handled is acknowledged, too, after the app has noted it elsewhere: otherwise it comes back
/// for 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack;

/// The request was acknowledged.
pub(super) struct Acknowledged;

impl Responder for Ack {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        request.extensions_mut().insert(Acknowledged);
        HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, "text/xml; charset=UTF-8"))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body(BODY)
    }
}

/// An outbound message was not handled: 503, so that Salesforce repeats it. `?` makes one of any error, which is logged.
///
/// ```
/// use actix_salesforce::inbound::{Ack, NotAcknowledged, OutboundMessage};
/// use actix_web::post;
///
/// #[derive(serde::Deserialize)]
/// #[serde(rename_all = "PascalCase")]
/// struct Account { name: Option<String> }
///
/// #[post("/outbound/{secret}")]
/// async fn accounts(message: OutboundMessage<Account>) -> Result<Ack, NotAcknowledged> {
///     let salesforce = message.connection().await?;
///     for id in message.new_ids() {
///         let account: Account = salesforce.sobject("Account").retrieve(id).await?;
///         # let _ = account.name;
///     }
///     Ok(Ack)
/// }
/// ```
pub struct NotAcknowledged(Box<dyn StdError + Send + Sync>);

impl<E: StdError + Send + Sync + 'static> From<E> for NotAcknowledged {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for NotAcknowledged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the outbound message was not handled")
    }
}

impl fmt::Debug for NotAcknowledged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}: {:?}", self.0)
    }
}

impl ResponseError for NotAcknowledged {
    fn status_code(&self) -> StatusCode {
        StatusCode::SERVICE_UNAVAILABLE
    }

    fn error_response(&self) -> HttpResponse {
        tracing::warn!(error = %ErrorChain(self.0.as_ref()), "{self}, and Salesforce repeats it");
        HttpResponse::ServiceUnavailable()
            .insert_header((header::RETRY_AFTER, RETRY_AFTER))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .json(json!({ "code": "not_acknowledged", "message": self.to_string() }))
    }
}
