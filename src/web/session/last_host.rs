//! The cookie with the login host of the browser's last login, so that the next one goes there.
//!
//! It is not sealed: it says no more than a link to the login route can, and the settings of today decide whether the host
//! counts. A completed login writes it, so that a link of another site cannot change where a user logs in from now on.

use actix_web::{
    cookie::{Cookie, time},
    http::header::HeaderMap,
};

use super::{cookie, cookie_header};
use crate::config::Settings;
use salesforce_connection::oauth::LoginHost;

const NAME: &str = ".host";

/// Long enough for an app that is used twice a year.
const LIFETIME: time::Duration = time::Duration::days(180);

/// Returns the host of the last login, if users may still choose it.
pub(crate) fn read(settings: &Settings, headers: &HeaderMap) -> Option<LoginHost> {
    if !settings.is_choice_of_hosts() {
        return None;
    }
    settings.find_host(cookie_header::only(headers, &settings.scoped_name(NAME))?)
}

/// Returns the cookie with this host. `None` if there is no choice.
pub(crate) fn cookie(settings: &Settings, host: &LoginHost) -> Option<Cookie<'static>> {
    let name = settings.scoped_name(NAME);
    let value = settings.host_name(host).to_owned();
    settings.is_choice_of_hosts().then(|| cookie::make(settings, name, value, LIFETIME))
}
