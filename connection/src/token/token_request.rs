//! [`TokenRequest`]: what a [`ServiceTokenSource`](super::ServiceTokenSource) sends for a token.

use std::{error::Error as StdError, sync::Arc, time::SystemTime};

use super::{TokenError, exchanged::SubjectTokenSource, service_user::ServiceUser};
use crate::{
    oauth::{
        client::OAuthClient, error::OAuthError, login_host::LoginHost, token_exchange::TokenExchange,
        token_response::TokenResponse,
    },
    user_ref::UserRef,
};

pub(super) enum TokenRequest {
    ServiceUser(ServiceUser),
    /// Of a user who is logged in at another identity provider.
    Exchange {
        exchange: TokenExchange,
        subject: Arc<dyn SubjectTokenSource>,
    },
}

/// Why a token request has no token.
pub(super) enum TokenRequestError {
    OAuth(OAuthError),
    /// The login at the identity provider has ended. Nothing was sent.
    LoginEnded,
    /// The program could not provide the subject token. Nothing was sent.
    NoSubject(Box<dyn StdError + Send + Sync>),
}

impl TokenRequest {
    pub(super) fn host(&self) -> &LoginHost {
        match self {
            Self::ServiceUser(user) => &user.host,
            Self::Exchange { exchange, .. } => exchange.host(),
        }
    }

    pub(super) async fn send(
        &self,
        oauth: &OAuthClient,
        now: SystemTime,
    ) -> Result<TokenResponse, TokenRequestError> {
        let response = match self {
            Self::ServiceUser(user) => oauth.service_tokens(user, now).await,
            Self::Exchange { exchange, subject } => {
                let subject = subject.subject_token().await.map_err(TokenRequestError::NoSubject)?;
                let subject = subject.ok_or(TokenRequestError::LoginEnded)?;
                oauth.exchange_subject_token(exchange, &subject).await
            }
        };
        response.map_err(TokenRequestError::OAuth)
    }

    /// Returns the error for a refusal of Salesforce that a retry does not change.
    pub(super) fn refused(&self, error: OAuthError) -> TokenError {
        match self {
            Self::ServiceUser(_) => TokenError::Refused(Arc::new(error)),
            Self::Exchange { .. } => TokenError::LoginRefused(Arc::new(error)),
        }
    }

    /// Returns whether a token that is not accepted is revoked: it is that of a user who did not ask for it. A service user
    /// stays, because its other processes may have a token of the same session (unverified).
    pub(super) fn revokes_unused(&self) -> bool {
        matches!(self, Self::Exchange { .. })
    }

    /// Returns whether a token of `user` may follow one of `known`.
    ///
    /// An administrator may change the user that an app runs as, but not to one of another org. The connection of a user
    /// stays that user's, also if another user has got the user name.
    pub(super) fn may_follow(&self, known: UserRef, user: UserRef) -> bool {
        match self {
            Self::ServiceUser(service) if service.username().is_none() => {
                known.organization_id == user.organization_id
            }
            Self::ServiceUser(_) | Self::Exchange { .. } => known == user,
        }
    }
}
