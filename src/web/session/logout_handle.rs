//! The cookie for Salesforce's single logout: a handle that can end the browser's logins, and is good for nothing else.
//!
//! Salesforce's logout page calls the app in a frame, where the logins' cookies do not come (`SameSite=Lax`). This one
//! does. It holds the names of the logins' records, sealed: neither a login's id nor anything that an id follows from.
//!
//! It is written with the login cookies: by the callback, the orgs route, the logout and resealing. Two callbacks at once
//! write it without each other's login, so that a navigation which finds it incomplete brings it again.

use actix_web::{
    cookie::{Cookie, time},
    http::header::HeaderMap,
};

use super::{cookie, cookie_header, sealed_cookie};
use crate::{
    base::seal::{Purpose, SealError},
    config::Settings,
    store::LoginKey,
};
use salesforce_connection::Secret;

const NAME: &str = ".slo";
/// Length of a [`LoginKey`] in bytes.
const KEY_BYTES: usize = 32;

/// Returns the cookie that can end the logins with these ids, the removal if there are none. `None`: the app takes no
/// part in Salesforce's single logout.
pub(crate) fn make<'a>(
    settings: &Settings,
    logins: impl IntoIterator<Item = &'a Secret>,
) -> Result<Option<Cookie<'static>>, SealError> {
    if settings.paths.slo.is_none() {
        return Ok(None);
    }
    let keys: Vec<u8> = logins.into_iter().flat_map(|id| *LoginKey::from_login_id(id).as_bytes()).collect();
    if keys.is_empty() {
        return Ok(Some(removal(settings.scoped_name(NAME))));
    }
    let (name, value) = sealed_cookie::seal(settings, NAME, Purpose::LogoutHandle, &keys)?;
    let mut cookie = cookie::cross_site(name, value);
    // As long as the logins' own cookies.
    if let Some(lifetime) = settings.remember.and_then(|time| time::Duration::try_from(time).ok()) {
        cookie.set_max_age(lifetime);
    }
    Ok(Some(cookie))
}

/// Returns the logins that the browser's handle can end. That of an earlier version has one.
pub(crate) fn read(settings: &Settings, headers: &HeaderMap) -> Vec<LoginKey> {
    sealed_cookie::open(settings, headers, NAME, Purpose::LogoutHandle, |plain| {
        let (keys, rest) = plain.as_chunks::<KEY_BYTES>();
        rest.is_empty().then(|| keys.iter().copied().map(LoginKey::from_bytes).collect())
    })
    .unwrap_or_default()
}

/// Returns whether the browser has a handle that misses one of these logins.
pub(crate) fn misses_any<'a>(
    settings: &Settings,
    headers: &HeaderMap,
    logins: impl IntoIterator<Item = &'a Secret>,
) -> bool {
    let known = read(settings, headers);
    let is_missing = |id| !known.contains(&LoginKey::from_login_id(id));
    !known.is_empty() && logins.into_iter().any(is_missing)
}

/// Returns the cookies that take the handle from the browser, also under its name before a rotation of the app's
/// credentials.
pub(crate) fn removals(settings: &Settings, headers: &HeaderMap) -> Vec<Cookie<'static>> {
    let today = settings.scoped_name(NAME);
    let own = settings.paths.slo.is_some().then(|| removal(today));
    own.into_iter().chain(leftover(settings, headers)).collect()
}

/// Returns the cookie that takes the handle of the previous credentials from the browser, if it came under another name.
pub(crate) fn leftover(settings: &Settings, headers: &HeaderMap) -> Option<Cookie<'static>> {
    let mut names = settings.scoped_names(NAME).map(|(_, name)| name);
    let today = names.next()?;
    let previous = names.find(|name| *name != today)?;
    let is_sent = cookie_header::all(headers).any(|(name, _)| name == previous.as_bytes());
    is_sent.then(|| removal(previous))
}

fn removal(name: String) -> Cookie<'static> {
    let mut cookie = cookie::cross_site(name, String::new());
    cookie.set_max_age(time::Duration::ZERO);
    cookie
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{self, HeaderValue};

    use super::*;
    use crate::Config;

    fn settings() -> Settings {
        let mut config = Config {
            client_id: "3MVG9".to_owned(),
            keys: Some("q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=".into()),
            single_logout: true,
            ..Config::default()
        };
        config.cookie_name = Some("app".to_owned());
        config.check(false).unwrap()
    }

    fn sent(value: &str, settings: &Settings) -> Vec<LoginKey> {
        let mut headers = HeaderMap::new();
        let pair = format!("{}={value}", settings.scoped_name(NAME));
        headers.insert(header::COOKIE, HeaderValue::from_str(&pair).unwrap());
        read(settings, &headers)
    }

    #[test]
    fn a_handle_names_all_logins_and_that_of_an_earlier_version_one() {
        let settings = settings();
        let ids: Vec<Secret> = ["a", "b", "c", "d", "e"].into_iter().map(Secret::from).collect();
        let keys: Vec<_> = ids.iter().map(LoginKey::from_login_id).collect();
        for count in 1..=ids.len() {
            let cookie = make(&settings, &ids[..count]).unwrap().unwrap();
            assert_eq!(sent(cookie.value(), &settings), keys[..count]);
            assert!(cookie.value().len() < 300, "{}", cookie.value().len());
        }
        assert_eq!(make(&settings, []).unwrap().unwrap().max_age(), Some(time::Duration::ZERO));
        let seal = |plain: &[u8]| {
            let (_, value) = sealed_cookie::seal(&settings, NAME, Purpose::LogoutHandle, plain).unwrap();
            sent(&value, &settings)
        };
        assert_eq!(seal(keys[0].as_bytes()), keys[..1], "of an earlier version");
        assert_eq!(seal(&[1; 33]), []);
        assert_eq!(seal(&[]), []);
    }
}
