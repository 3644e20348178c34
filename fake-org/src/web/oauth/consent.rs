//! The consent form's other side: Allow or Deny.

use super::authorize::finish;
use super::login::COOKIE;
use super::request::AuthorizeRequest;
use crate::auth::error::OauthError;
use crate::web::call::Call;
use crate::web::pages;
use crate::web::reply::Reply;

pub(super) async fn submit(call: Call) -> Reply {
    let request = match AuthorizeRequest::read(&call, call.form_param("request").unwrap_or_default()) {
        Ok(request) => request,
        Err(problem) => return problem.reply(),
    };
    let cookie = call.cookie(&COOKIE.name(&call));
    let now = call.org.clock.now();
    let Some(user) = call.org.auth(|auth| auth.browser_user(now, cookie).cloned()) else {
        return pages::login::show(&call.org, &request, None);
    };
    if call.form_param("save").is_none() {
        return request.deny(OauthError::new("access_denied", "end-user denied authorization")).reply();
    }
    call.org.auth(|auth| auth.remember_consent(&user.id, request.scopes.clone()));
    finish(&call, &request, &user, None).await
}
