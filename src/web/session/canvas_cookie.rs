//! The cookie of a login by Canvas: it comes in frames of a page of Salesforce, and nowhere else.
//!
//! `SameSite=None; Secure; Partitioned`: a browser that knows partitions (CHIPS) sends it only below the site in whose
//! frame it was set. Others may send it with each request, so that it counts only in frames and for what the app's own
//! pages load, and never beside an ordinary login.

use actix_web::{
    HttpResponse,
    http::header::{self, HeaderMap, HeaderValue},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    super::{origin::SEC_FETCH_SITE, response::SEC_FETCH_DEST},
    CookieContents, cookie, cookie_header, sealed_cookie,
};
use crate::{
    base::seal::{Purpose, SealError},
    config::Settings,
};
use salesforce_connection::Secret;

const NAME: &str = ".canvas";

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Content<'a> {
    /// The opaque id of the login.
    i: &'a str,
    /// The URL of the org's host.
    h: String,
    /// The sites that may show its pages in a frame.
    a: String,
    /// What the app added to the login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<serde_json::Value>,
}

/// Returns whether a request is one in which the cookie counts: a frame, or what a page of this app loads. Not what a
/// window opens, not what a page of another site loads, and not what a client sends that does not say (Fetch Metadata).
fn counts(headers: &HeaderMap) -> bool {
    let destination = headers.get(SEC_FETCH_DEST).and_then(|destination| destination.to_str().ok());
    match destination {
        Some("iframe" | "frame") => true,
        Some("document") | None => false,
        Some(_) => headers.get(SEC_FETCH_SITE).is_some_and(|site| site == "same-origin"),
    }
}

/// Returns the login that the browser sent with a request of a frame.
pub(crate) fn read(settings: &Settings, headers: &HeaderMap) -> Option<CookieContents> {
    if !is_sent(settings, headers) {
        return None;
    }
    sealed_cookie::open(settings, headers, NAME, Purpose::CanvasLogin, |plain| {
        let Content { i, h, a, x } = serde_json::from_slice(&plain).ok()?;
        Some(CookieContents {
            id: Secret::from(i),
            host: h,
            user: None,
            fresh: None,
            facts: x,
            frame: Some(a),
        })
    })
}

/// Returns whether a request has the cookie and is one in which it counts. It may still not open.
pub(crate) fn is_sent(settings: &Settings, headers: &HeaderMap) -> bool {
    let has = |name: &str| cookie_header::all(headers).any(|(sent, _)| sent == name.as_bytes());
    settings.paths.canvas.is_some()
        && counts(headers)
        && settings.scoped_names(NAME).any(|(_, name)| has(&name))
}

/// Gives the browser this login, in the frame that it comes from.
pub(crate) fn set(
    settings: &Settings,
    response: &mut HttpResponse,
    login: &CookieContents,
) -> Result<(), SealError> {
    let content = Content {
        i: login.id.expose(),
        h: login.host.clone(),
        a: login.frame.clone().unwrap_or_default(),
        x: login.facts.clone(),
    };
    let plain = Zeroizing::new(serde_json::to_vec(&content).map_err(|_| SealError)?);
    let (name, value) = sealed_cookie::seal(settings, NAME, Purpose::CanvasLogin, &plain)?;
    add(response, &cookie::cross_site(name, value));
    Ok(())
}

/// Takes the login from the browser, in the frame that it comes from.
pub(crate) fn remove(settings: &Settings, response: &mut HttpResponse) {
    let mut cookie = cookie::cross_site(settings.scoped_name(NAME), String::new());
    cookie.set_max_age(actix_web::cookie::time::Duration::ZERO);
    add(response, &cookie);
}

/// actix-web's cookies do not know the attribute.
fn add(response: &mut HttpResponse, cookie: &actix_web::cookie::Cookie<'_>) {
    match HeaderValue::from_str(&format!("{cookie}; Partitioned")) {
        Ok(value) => response.headers_mut().append(header::SET_COOKIE, value),
        // The value is base64, and the attributes are plain ASCII.
        Err(error) => tracing::error!(%error, "cookie not written"),
    }
}
