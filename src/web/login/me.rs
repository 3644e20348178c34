//! Who is logged in, for scripts of the app's own pages.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};

use crate::{
    SalesforceUser,
    web::{error, extract, response},
};
use salesforce_connection::Result;

/// Sends the user who is logged in as JSON: `organization_id`, `user_id`, `username`, `display_name`, `instance_url`,
/// `scopes`. 401 without a login. Sends no request to Salesforce, and never a token to the browser.
pub async fn me(request: HttpRequest) -> HttpResponse {
    match user(&request).await {
        Ok(user) => response::builder(StatusCode::OK).json(user),
        // Never a redirect: this route is for programs.
        Err(error) if error.needs_login() => error::login_required_json(&request),
        Err(error) => error::response(&error, &request),
    }
}

async fn user(request: &HttpRequest) -> Result<SalesforceUser> {
    let (_, grant) = extract::required(request).await?;
    SalesforceUser::of(&grant)
}
