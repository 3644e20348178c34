//! The consent form's other side: Allow or Deny.

use super::authorize::finish;
use super::authorize_request::AuthorizeRequest;
use super::login::COOKIE;
use crate::auth::error::OauthError;
use crate::web::http_request::HttpRequest;
use crate::web::http_response::HttpResponse;

pub(super) async fn submit(http: HttpRequest) -> HttpResponse {
    let request = match AuthorizeRequest::read(&http, http.form_param("request").unwrap_or_default()) {
        Ok(request) => request,
        Err(problem) => return problem.response(),
    };
    let cookie = http.cookie(&COOKIE.name(&http));
    let now = http.org.clock.now();
    let Some(user) = http.org.auth(|auth| auth.browser_user(now, cookie).cloned()) else {
        return request.login_form(&http.org, None);
    };
    if http.form_param("save").is_none() {
        return request.deny(OauthError::new("access_denied", "end-user denied authorization")).response();
    }
    http.org.auth(|auth| auth.remember_consent(&user.id, request.scopes.clone()));
    finish(&http, &request, &user, None).await
}
