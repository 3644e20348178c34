//! The attributes of the cookies that this crate writes itself. The embedded session's are in `app_session.rs`.

use actix_web::cookie::{Cookie, SameSite, time};

use crate::config::Settings;

/// Returns a cookie that lives for `lifetime`.
pub(crate) fn make(
    settings: &Settings,
    name: String,
    value: String,
    lifetime: time::Duration,
) -> Cookie<'static> {
    let mut cookie = until_the_browser_closes(settings, name, value);
    cookie.set_max_age(lifetime);
    cookie
}

/// Returns a cookie without a lifetime: browsers drop it when they close.
pub(crate) fn until_the_browser_closes(settings: &Settings, name: String, value: String) -> Cookie<'static> {
    Cookie::build(name, value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(settings.is_https())
        .finish()
}

/// Returns a cookie that comes with requests from pages of other sites, too. Browsers take it with `Secure` only, on
/// loopback http as well.
pub(crate) fn cross_site(name: String, value: String) -> Cookie<'static> {
    Cookie::build(name, value).path("/").http_only(true).same_site(SameSite::None).secure(true).finish()
}

/// Returns the cookie that removes `name`. It has the same attributes, without which browsers ignore it.
pub(crate) fn removal(settings: &Settings, name: String) -> Cookie<'static> {
    make(settings, name, String::new(), time::Duration::ZERO)
}
