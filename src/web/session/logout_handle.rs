//! The cookie for Salesforce's single logout: a handle that can end one login, and is good for nothing else.
//!
//! Salesforce's logout page calls the app in a frame, where the login's cookie does not come (`SameSite=Lax`). This one
//! does. It holds the name of the login's record, sealed: neither the login's id nor anything that the id follows from.

use actix_web::{
    cookie::{Cookie, time},
    http::header::HeaderMap,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{cookie, cookie_header};
use crate::{
    base::seal::{Purpose, SealError},
    config::Settings,
    store::LoginKey,
};
use salesforce_connection::Secret;

const NAME: &str = ".slo";

/// What the value is bound to: the cookie's name, the app and the mount.
fn bound_to(settings: &Settings, client_id: &str, name: &str) -> Vec<u8> {
    [name, client_id, &settings.paths.mount].join("\0").into_bytes()
}

/// Returns the cookie that can end the login with this id.
pub(crate) fn make(settings: &Settings, login: &Secret) -> Result<Cookie<'static>, SealError> {
    let name = settings.scoped_name(NAME);
    let key = LoginKey::from_session_id(login);
    let bound_to = bound_to(settings, &settings.client_id, &name);
    let sealed = settings.keys.seal(Purpose::LogoutHandle, &bound_to, key.as_bytes())?;
    let mut cookie = cookie::cross_site(name, URL_SAFE_NO_PAD.encode(sealed));
    // As long as the login's own cookie.
    if let Some(lifetime) = settings.remember.and_then(|time| time::Duration::try_from(time).ok()) {
        cookie.set_max_age(lifetime);
    }
    Ok(cookie)
}

/// Returns the login that the browser's handle can end.
pub(crate) fn read(settings: &Settings, headers: &HeaderMap) -> Option<LoginKey> {
    settings.scoped_names(NAME).find_map(|(client_id, name)| {
        let sealed = URL_SAFE_NO_PAD.decode(cookie_header::only(headers, &name)?).ok()?;
        let bound_to = bound_to(settings, client_id, &name);
        let plain = settings.keys.open(Purpose::LogoutHandle, &bound_to, &sealed).ok()?;
        Some(LoginKey::from_bytes(plain.as_slice().try_into().ok()?))
    })
}

/// Returns the cookie that takes the handle from the browser.
pub(crate) fn removal(settings: &Settings) -> Cookie<'static> {
    let mut cookie = cookie::cross_site(settings.scoped_name(NAME), String::new());
    cookie.set_max_age(time::Duration::ZERO);
    cookie
}
