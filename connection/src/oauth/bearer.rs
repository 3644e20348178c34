//! The header by which a request shows an access token (RFC 6750 section 2.1).

use reqwest::header::HeaderValue;

use crate::{oauth::error::InvalidTokenResponse, secret::Secret};

/// Returns an `Authorization` header that logs and `Debug` do not show.
pub(crate) fn bearer(token: &Secret) -> Result<HeaderValue, InvalidTokenResponse> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
        .map_err(|_| InvalidTokenResponse::NoToken)?;
    value.set_sensitive(true);
    Ok(value)
}
