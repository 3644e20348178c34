//! UserRef is logged in, for scripts of the app's own pages.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};

use super::super::{answer, error, extract};
use crate::SalesforceUser;
use salesforce_connection::Result;

/// UserRef is logged in, as JSON: `organization_id`, `user_id`, `username`, `display_name`, `instance_url`, `scopes`. 401
/// when nobody is. No call to Salesforce, and never a token.
pub async fn me(request: HttpRequest) -> HttpResponse {
    match user(&request).await {
        Ok(user) => answer::builder(StatusCode::OK).json(user),
        // Never a redirect: a program asks.
        Err(error) if error.needs_login() => actix_web::ResponseError::error_response(&error),
        Err(error) => error::answer(&error, &request),
    }
}

async fn user(request: &HttpRequest) -> Result<SalesforceUser> {
    let (_, grant) = extract::required(request).await?;
    SalesforceUser::of(&grant)
}
