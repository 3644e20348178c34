//! Why there is no token of a service user.

/// The app's "run as" user was changed to one of another org, or a subject token is another user's.
#[derive(Debug, thiserror::Error)]
#[error(
    "the token now belongs to a user of another org, or to another user. Create a new source if that is intended"
)]
pub(super) struct UserChanged;

/// The token was younger than [`min_token_age`](super::ServiceTokenTiming::min_token_age).
#[derive(Debug, thiserror::Error)]
#[error("a token that was refreshed a moment ago was rejected")]
pub(super) struct RejectedTooSoon;

/// No token arrived within [`deadline`](super::ServiceTokenTiming::deadline).
#[derive(Debug, thiserror::Error)]
#[error("no token arrived in time")]
pub(super) struct NoTokenInTime;

/// No permit for a token request became free in time.
#[derive(Debug, thiserror::Error)]
#[error("too many token requests are running")]
pub(super) struct TooManyRequests;

/// The task that requested the token ended early, for example because its runtime was shut down.
#[derive(Debug, thiserror::Error)]
#[error("the token request was cancelled: its runtime, or the `Salesforce` that it belongs to, was dropped")]
pub(super) struct Cancelled;
