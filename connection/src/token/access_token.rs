//! [`AccessToken`]: an access token in the form that requests use.

use std::fmt;

use reqwest::header::HeaderValue;
use url::Url;

use crate::{
    oauth::{bearer::bearer, error::InvalidTokenResponse, scopes::Scopes},
    secret::Secret,
};

/// An access token with the instance that it belongs to.
///
/// A [`TokenSource`](super::TokenSource) shares it in an `Arc`, so that requests do not copy it. `Debug` does not show the
/// token.
#[derive(Clone)]
pub struct AccessToken {
    /// `Bearer …`, marked sensitive. A clone shares the bytes.
    authorization: HeaderValue,
    instance_url: Url,
    scopes: Scopes,
    generation: Generation,
}

/// Distinguishes the tokens of one [`TokenSource`](super::TokenSource). Only the source gives it a meaning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Generation(pub u128);

impl AccessToken {
    /// Creates a token for requests to `instance_url`.
    ///
    /// # Errors
    /// [`InvalidTokenResponse::NoToken`] if the token has characters that an HTTP header cannot contain.
    pub fn new(token: &Secret, instance_url: Url, scopes: Scopes) -> Result<Self, InvalidTokenResponse> {
        let authorization = bearer(token)?;
        Ok(Self { authorization, instance_url, scopes, generation: Generation::default() })
    }

    /// Sets the generation, by which the source recognizes this token. Default: 0.
    #[must_use]
    pub fn with_generation(mut self, generation: Generation) -> Self {
        self.generation = generation;
        self
    }

    /// Returns the instance that the token belongs to. The token is sent to no other host, except to
    /// [API hosts](crate::api_host) that the client names and the token's audience allows.
    pub fn instance_url(&self) -> &Url {
        &self.instance_url
    }

    /// Returns the scopes that were granted.
    pub fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// Returns the generation that the source gave the token.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    pub(crate) fn authorization(&self) -> &HeaderValue {
        &self.authorization
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("instance_url", &self.instance_url.as_str())
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}
