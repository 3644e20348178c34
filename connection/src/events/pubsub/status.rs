//! [`PubSubError`]: what the Pub/Sub API rejects, and what a subscription does about it.

use std::{error::Error as StdError, fmt, time::Duration};

use tonic::{Code, Status};

use super::super::{avro::AvroError, error::DecodeError, position::Position};
use super::publish::NotPublished;

/// What the codes of the API begin with.
const PREFIX: &str = "sfdc.platform.eventbus.grpc.";
/// Longest message of Salesforce in bytes that an error has.
const MAX_MESSAGE: usize = 1_024;

/// Why events were not delivered or not published. Never repeats an event's data.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PubSubError {
    /// Salesforce rejected the call.
    #[error(transparent)]
    Rejected(Box<RejectedCall>),
    /// Salesforce no longer has the position from which the subscription was to go on: it is older than 72 hours, of
    /// another org, or of a topic that was reset. Events are lost.
    ///
    /// Read the records again and start from [`StartFrom::Latest`](super::super::StartFrom::Latest), or take what is
    /// retained from [`StartFrom::Earliest`](super::super::StartFrom::Earliest).
    #[error(
        "Salesforce no longer has this position of the topic, so that events are lost. Start from the earliest or the \
         latest event, and read the records again"
    )]
    LostPosition(#[source] Box<RejectedCall>),
    /// One event cannot be read. The subscription goes on with the next one.
    #[error("an event of the topic cannot be read, schema {schema_id}")]
    #[non_exhaustive]
    Undecodable {
        /// The id of the schema that the event names.
        schema_id: String,
        /// The position after the event.
        position: Position,
        /// What is wrong with it.
        source: Box<DecodeError>,
    },
    /// An event does not fit the schema of its topic. Nothing was sent.
    #[error("event {index} does not fit the schema of the topic")]
    #[non_exhaustive]
    Unfit {
        /// The event's place in the list, from 0.
        index: usize,
        /// The field and what is wrong with it.
        source: AvroError,
    },
    /// An event is larger than 1 MB. Nothing was sent.
    #[error("event {index} is larger than 1 MB, Salesforce's limit")]
    #[non_exhaustive]
    TooLarge {
        /// The event's place in the list, from 0.
        index: usize,
    },
    /// Two events have the same id. Nothing was sent.
    #[error("event {index} has the id of an earlier one. Give each event a UUID to itself")]
    #[non_exhaustive]
    DuplicateId {
        /// The place of the second event in the list, from 0.
        index: usize,
    },
    /// The user may not publish to the topic, or it is one of change events. Nothing was sent.
    #[error(
        "this user may not publish to the topic. Platform events need the permission \"Create\"; change events are \
         published by Salesforce alone"
    )]
    NotPublishable,
    /// The schema of a topic cannot be read. Nothing was sent.
    #[error("the schema of the topic cannot be read")]
    Schema(#[source] DecodeError),
    /// A response is larger than 16 MiB and was not read. A subscription ends with it if a single event is as large.
    #[error(
        "a response of the Pub/Sub API is larger than 16 MiB and was not read. If it ended a subscription, the next event \
         alone is as large: start from the latest event, and read the records again"
    )]
    ResponseTooLarge,
    /// An event was not published, or may not have been: from [`Published::outcome`](super::Published::outcome).
    #[error(transparent)]
    NotPublished(#[from] NotPublished),
    /// The API could not be reached, or the connection was lost.
    #[error("the Pub/Sub API cannot be reached. Check that port 443 of its host is open for HTTP/2")]
    Unreachable(#[source] Box<dyn StdError + Send + Sync>),
    /// A response that the API does not have.
    #[error("unexpected response of the Pub/Sub API: {0}")]
    Protocol(&'static str),
}

crate::debug::debug_as_display!(PubSubError);

impl PubSubError {
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::NotPublished(NotPublished::Rejected(error)) => error.is_transient(),
            Self::Rejected(call) => matches!(call.reaction(), Reaction::Retry(_)),
            _ => false,
        }
    }

    /// Returns how Salesforce rejected the call, if it did.
    pub fn rejected(&self) -> Option<&RejectedCall> {
        match self {
            Self::Rejected(call) | Self::LostPosition(call) => Some(call),
            _ => None,
        }
    }
}

/// How Salesforce rejected a call of the Pub/Sub API.
#[derive(Clone, PartialEq, Eq)]
pub struct RejectedCall {
    status: Code,
    code: String,
    message: String,
}

impl RejectedCall {
    /// Returns Salesforce's code without its common beginning `sfdc.platform.eventbus.grpc.`, for example
    /// `topic.not.found`. Empty if there is none.
    ///
    /// Source: Pub/Sub API documentation, "Handle Errors".
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Returns the name of the gRPC status, for example `NotFound`.
    pub fn status(&self) -> String {
        format!("{:?}", self.status)
    }

    /// Returns Salesforce's own words. They may name the org and the topic.
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn status_code(&self) -> Code {
        self.status
    }

    pub(crate) fn of(status: &Status) -> Self {
        let code =
            status.metadata().get("error-code").and_then(|code| code.to_str().ok()).unwrap_or_default();
        let code = code.strip_prefix(PREFIX).unwrap_or(code);
        let is_code = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let code =
            if code.len() <= 128 && code.bytes().all(is_code) { code.to_owned() } else { String::new() };
        let message = status.message();
        let message = message.get(..message.floor_char_boundary(MAX_MESSAGE)).unwrap_or_default().to_owned();
        Self { status: status.code(), code, message }
    }

    /// What to do about it.
    pub(crate) fn reaction(&self) -> Reaction {
        match self.code.as_str() {
            "service.auth.error" => Reaction::RefreshToken,
            "subscription.fetch.replayid.corrupted" | "subscription.fetch.replayid.validation.failed" => {
                Reaction::LostPosition
            }
            "subscription.limit.exceeded" => Reaction::Retry(Pace::Limit),
            "service.protection.triggered"
            | "service.protection.stream.limit.triggered"
            | "concurrent.client.limit.exceeded" => Reaction::Retry(Pace::Slow),
            "topic.not.found" | "topic.meta.permission" => Reaction::TopicMissing,
            // Of the decoder in this process: none of Salesforce's is without a code.
            "" if self.status == Code::OutOfRange => Reaction::RequestLess,
            _ => match self.status {
                Code::Unauthenticated if self.code.is_empty() => Reaction::RefreshToken,
                Code::Unavailable
                | Code::Internal
                | Code::Unknown
                | Code::Cancelled
                | Code::Aborted
                | Code::DeadlineExceeded
                | Code::Ok => Reaction::Retry(Pace::Normal),
                Code::ResourceExhausted => Reaction::Retry(Pace::Slow),
                Code::NotFound => Reaction::TopicMissing,
                _ => Reaction::End,
            },
        }
    }

    /// What an administrator or the program has to change.
    fn hint(&self) -> &'static str {
        match self.code.as_str() {
            "topic.not.found" => {
                ". Check the topic's name, capitals included: `/data/AccountChangeEvent`, `/data/Order__ChangeEvent`, \
                 `/event/Order_Event__e`; Setup, Change Data Capture has to select the object"
            }
            "topic.meta.permission" | "subscription.topic.cannot.subscribe" => {
                ". The user needs \"View All\" for the object of a change event, and \"Read\" for a platform event"
            }
            "service.auth.headers.invalid" => ". Check the instance URL and the org id of the token",
            "service.tenant.license" => ". The org's edition has no Pub/Sub API",
            "subscription.limit.exceeded" => {
                ". The org has used up its event deliveries of the last 24 hours"
            }
            _ => "",
        }
    }
}

/// Without Salesforce's words: they name the org.
impl fmt::Display for RejectedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the Pub/Sub API rejected the call ({:?}", self.status)?;
        if !self.code.is_empty() {
            write!(f, ", {}", self.code)?;
        }
        write!(f, "){}", self.hint())
    }
}

impl StdError for RejectedCall {}

crate::debug::debug_as_display!(RejectedCall);

/// What a subscription does after a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Refresh the token, once.
    RefreshToken,
    /// Connect again from the position.
    Retry(Pace),
    /// An error of the program at the start; later on the channel may just be changed.
    TopicMissing,
    LostPosition,
    /// Connect again and request a single event: a response was too large.
    RequestLess,
    End,
}

/// How long to wait before the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    Normal,
    /// The service protects itself.
    Slow,
    /// A limit over 24 hours.
    Limit,
}

impl Pace {
    /// Returns the wait before the next try after so many that failed. `fraction` is random, from 0 to 1.
    pub(crate) fn wait(self, failed: u32, fraction: f64) -> Duration {
        let (first, longest) = match self {
            Self::Normal => (Duration::from_millis(250), Duration::from_secs(60)),
            Self::Slow => (Duration::from_secs(30), Duration::from_secs(10 * 60)),
            Self::Limit => (Duration::from_secs(15 * 60), Duration::from_secs(15 * 60)),
        };
        let wait = first.saturating_mul(1 << failed.min(16)).min(longest);
        wait.mul_f64(0.75 + fraction.clamp(0.0, 1.0) / 4.0)
    }
}

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum CallError {
    Rejected(RejectedCall),
    /// Without a response of the API.
    Transport(Box<dyn StdError + Send + Sync>),
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        // Only an error of the connection has a cause; a status of the server does not.
        match status.source() {
            Some(_) => Self::Transport(Box::new(ConnectionFailed(status))),
            None => Self::Rejected(RejectedCall::of(&status)),
        }
    }
}

impl From<CallError> for PubSubError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Transport(source) => Self::Unreachable(source),
            CallError::Rejected(call) if call.reaction() == Reaction::LostPosition => {
                Self::LostPosition(Box::new(call))
            }
            CallError::Rejected(call) if call.reaction() == Reaction::RequestLess => Self::ResponseTooLarge,
            CallError::Rejected(call) => Self::Rejected(Box::new(call)),
        }
    }
}

/// An error of the connection, without the metadata of the call.
struct ConnectionFailed(Status);

impl fmt::Display for ConnectionFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection failed")
    }
}

impl fmt::Debug for ConnectionFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::debug::write_chain(self, f)
    }
}

impl StdError for ConnectionFailed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(status: Code, code: &str) -> RejectedCall {
        let mut rejected = Status::new(status, "words");
        if !code.is_empty() {
            let code = format!("{PREFIX}{code}").parse().unwrap();
            rejected.metadata_mut().insert("error-code", code);
        }
        RejectedCall::of(&rejected)
    }

    #[test]
    fn each_rejection_leads_to_what_can_cure_it() {
        use Reaction::{End, LostPosition, RefreshToken, RequestLess, Retry, TopicMissing};
        for (status, code, expected) in [
            (Code::Internal, "service.unavailable", Retry(Pace::Normal)),
            (Code::Unavailable, "", Retry(Pace::Normal)),
            (Code::Unauthenticated, "service.auth.error", RefreshToken),
            (Code::Unauthenticated, "", RefreshToken),
            (Code::Unauthenticated, "service.auth.headers.invalid", End),
            (Code::ResourceExhausted, "service.protection.triggered", Retry(Pace::Slow)),
            (Code::ResourceExhausted, "subscription.limit.exceeded", Retry(Pace::Limit)),
            (Code::PermissionDenied, "service.tenant.license", End),
            (Code::NotFound, "topic.not.found", TopicMissing),
            (Code::PermissionDenied, "topic.meta.permission", TopicMissing),
            (Code::InvalidArgument, "subscription.fetch.replayid.corrupted", LostPosition),
            (Code::InvalidArgument, "subscription.fetch.replayid.validation.failed", LostPosition),
            (Code::InvalidArgument, "subscription.fetch.topic.mismatch", End),
            (Code::Unimplemented, "", End),
            (Code::OutOfRange, "", RequestLess),
            (Code::OutOfRange, "subscription.other", End),
        ] {
            assert_eq!(call(status, code).reaction(), expected, "{status:?} {code}");
        }
        assert_eq!(call(Code::NotFound, "topic.not.found").code(), "topic.not.found");
        assert_eq!(call(Code::NotFound, "not a code").code(), "");
    }

    #[test]
    fn waits_grow_to_a_limit() {
        let seconds = |pace: Pace, failed| pace.wait(failed, 1.0).as_secs();
        assert_eq!([0, 2, 5, 9, 4_000].map(|failed| seconds(Pace::Normal, failed)), [0, 1, 8, 60, 60]);
        assert_eq!([0, 1, 9].map(|failed| seconds(Pace::Slow, failed)), [30, 60, 600]);
        assert_eq!([0, 9].map(|failed| seconds(Pace::Limit, failed)), [900, 900]);
        // A call that fails at once is not repeated at once.
        assert!(Pace::Normal.wait(0, 0.0) >= Duration::from_millis(180));
    }
}
