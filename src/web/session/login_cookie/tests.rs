use actix_web::http::header::{self, HeaderValue};

use std::time::{Duration, UNIX_EPOCH};

use super::{
    super::{FreshLogin, user_tag},
    *,
};
use crate::{Config, config::Settings};
use salesforce_connection::UserRef;

const OLD: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";
const NEW: &str = "xJ4uW8nQe2RfT6yLs0ZaPq9bVc3dMk5hGi7oEtBwYjU=";

fn settings(change: impl FnOnce(&mut Config)) -> Settings {
    let mut config = Config {
        client_id: "3MVG9".to_owned(),
        keys: Some(OLD.into()),
        cookie_name: Some("app".to_owned()),
        ..Config::default()
    };
    change(&mut config);
    config.check(false).unwrap()
}

fn contents() -> CookieContents {
    CookieContents {
        id: "id".into(),
        host: "https://login.salesforce.com/".to_owned(),
        user: None,
        fresh: None,
        facts: None,
        frame: None,
    }
}

/// What a browser with this cookie sends to an app with these settings.
fn sent(cookie: &Cookie<'_>, settings: &Settings) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let pair = format!("{}={}", settings.scoped_name(""), cookie.value());
    headers.insert(header::COOKIE, HeaderValue::from_str(&pair).unwrap());
    headers
}

#[test]
fn only_the_same_app_at_the_same_place_reads_a_login() {
    let own = settings(|_| {});
    let cookie = LoginCookie::new(&own).make(&own, &Slot::Main, &contents()).unwrap();
    assert_eq!(cookie.name(), "app");
    let read = |other: &Settings| LoginCookie::new(other).read(other, &sent(&cookie, other));
    assert_eq!(read(&own).unwrap().contents.id.expose(), "id");
    assert!(read(&settings(|config| config.client_id = "3MVG8".to_owned())).is_none());
    assert!(read(&settings(|config| config.routes.mount = "/two".to_owned())).is_none());
    assert!(read(&settings(|config| config.cookie_name = Some("other".to_owned()))).is_none());
    assert!(read(&settings(|config| config.keys = Some(NEW.into()))).is_none());
}

#[test]
fn a_login_of_an_earlier_version_is_read() {
    let own = settings(|_| {});
    let login = LoginCookie::new(&own);
    let plain = b"id https://login.salesforce.com/";
    let sealed = own.keys.seal(Purpose::Login, &login.place.bound_to("app"), plain).unwrap();
    let cookie = Cookie::new("app", URL_SAFE_NO_PAD.encode(sealed));
    let read = login.read(&own, &sent(&cookie, &own)).unwrap().contents.clone();
    assert_eq!((read.id.expose(), &*read.host, read.fresh), ("id", "https://login.salesforce.com/", None));
    assert_eq!(&*contents().plain().unwrap(), "id https://login.salesforce.com/");
}

#[test]
fn a_fresh_login_keeps_its_times() {
    let own = settings(|_| {});
    let completed_at = UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    for auth_time in [None, Some(completed_at - Duration::from_secs(9))] {
        let fresh = Some(FreshLogin { completed_at, auth_time });
        let cookie =
            LoginCookie::new(&own).make(&own, &Slot::Main, &CookieContents { fresh, ..contents() }).unwrap();
        let read = LoginCookie::new(&own).read(&own, &sent(&cookie, &own)).unwrap();
        assert_eq!(read.contents.fresh, fresh);
    }
}

#[test]
fn the_cookie_outlives_the_browser_for_as_long_as_the_settings_say() {
    for (remember, lifetime) in [(None, None), (Some("8h"), Some(time::Duration::hours(8)))] {
        let settings = settings(|config| config.remember = remember.map(str::to_owned));
        let cookie = LoginCookie::new(&settings).make(&settings, &Slot::Main, &contents()).unwrap();
        assert_eq!(cookie.max_age(), lifetime);
    }
}

#[test]
fn a_cookie_under_an_older_key_is_read_and_known_as_stale() {
    let (old, new) = (settings(|_| {}), settings(|config| config.keys = Some(format!("{NEW},{OLD}").into())));
    let of =
        |settings: &Settings| LoginCookie::new(settings).make(settings, &Slot::Main, &contents()).unwrap();
    for (cookie, stale) in [(of(&old), true), (of(&new), false)] {
        let (login, headers) = (LoginCookie::new(&new), sent(&cookie, &new));
        assert_eq!(login.is_stale(&new, &headers), stale);
        assert_eq!(login.read(&new, &headers).unwrap().contents.id.expose(), "id");
    }
    assert!(!LoginCookie::new(&old).is_stale(&old, &sent(&of(&old), &old)));
}

fn user(org: char) -> UserRef {
    UserRef::new(format!("00D00000000000{org}").parse().unwrap(), "005000000000001AAA".parse().unwrap())
}

fn with(cookies: &[&Cookie<'_>]) -> HeaderMap {
    let pairs: Vec<_> =
        cookies.iter().map(|cookie| format!("{}={}", cookie.name(), cookie.value())).collect();
    let mut headers = HeaderMap::new();
    headers.insert(header::COOKIE, HeaderValue::from_str(&pairs.join("; ")).unwrap());
    headers
}

/// Another login in the place of the current one would be another user.
#[test]
fn only_the_login_that_is_named_is_the_current_one() {
    let own = settings(|_| {});
    let login = LoginCookie::new(&own);
    let of =
        |user: UserRef, id: &str| CookieContents { id: id.into(), user: Some(user_tag(user)), ..contents() };
    let tag = user_tag(user('2'));
    let added = Slot::Added(tag.clone());
    let main = login.make(&own, &Slot::Main, &of(user('1'), "one")).unwrap();
    let two = login.make(&own, &added, &of(user('2'), "two")).unwrap();
    let current = login.make_current(&own, &added, &tag).unwrap();
    let read = |cookies: &[&Cookie<'_>]| {
        login.read(&own, &with(cookies)).map(|login| login.contents.id.expose().to_owned())
    };
    assert_eq!(read(&[&main, &two]).as_deref(), Some("one"), "nothing says otherwise");
    assert_eq!(read(&[&two]), None);
    assert_eq!(read(&[&main, &two, &current]).as_deref(), Some("two"));
    assert_eq!(read(&[&main, &current]), None, "the current login has ended");
    let other = login.make_current(&settings(|config| config.keys = Some(NEW.into())), &added, &tag).unwrap();
    assert_eq!(read(&[&main, &two, &other]), None, "it does not open");
    assert_eq!(read(&[&main, &two, &current, &other]), None, "it is sent twice");
    // A login's cookie counts under its own name only.
    for name in ["app".to_owned(), format!("app.org.{}", user_tag(user('3'))), "app.current".to_owned()] {
        let moved = Cookie::new(name, two.value().to_owned());
        assert_eq!(read(&[&moved, &current]), None, "{}", moved.name());
        assert!(login.read_all(&own, &with(&[&moved])).is_empty(), "{}", moved.name());
    }
    let foreign = login.make(&own, &added, &of(user('3'), "three")).unwrap();
    assert_eq!(read(&[&foreign, &current]), None, "it is another user's");
    let all = login.read_all(&own, &with(&[&two, &main]));
    assert_eq!(all.iter().map(|login| login.contents.id.expose()).collect::<Vec<_>>(), ["one", "two"]);
}

#[test]
fn a_remembered_cookie_is_read_under_exactly_its_bytes() {
    let own = settings(|_| {});
    let login = LoginCookie::new(&own);
    let of =
        |id: &str| login.make(&own, &Slot::Main, &CookieContents { id: id.into(), ..contents() }).unwrap();
    let read = |cookie: &Cookie<'_>| login.read(&own, &sent(cookie, &own));
    let (ada, ben) = (of("ada"), of("ben"));
    // The same user again: other bytes, as each seal has a nonce.
    let again = of("ada");
    for _ in 0..3 {
        for (cookie, id) in [(&ada, "ada"), (&ben, "ben"), (&again, "ada")] {
            assert_eq!(read(cookie).unwrap().contents.id.expose(), id);
        }
        for position in 0..ada.value().len() {
            let mut value = ada.value().to_owned().into_bytes();
            value[position] = if value[position] == b'A' { b'B' } else { b'A' };
            let changed = Cookie::new("app", String::from_utf8(value).unwrap());
            let opened = read(&changed);
            // The last character of base64 has bits that count for nothing.
            assert!(opened.is_none() || position + 1 == ada.value().len(), "{position}");
        }
    }
    let first = read(&ada).unwrap();
    assert!(Rc::ptr_eq(&first, &read(&ada).unwrap()), "opened once");
    assert!(!Rc::ptr_eq(&first, &read(&again).unwrap()));
}

#[test]
fn a_remembered_cookie_is_read_under_its_own_name_only() {
    let own = settings(|_| {});
    let login = LoginCookie::new(&own);
    let tag = user_tag(user('1'));
    let (added, contents) =
        (Slot::Added(tag.clone()), CookieContents { user: Some(tag.clone()), ..contents() });
    let main = login.make(&own, &Slot::Main, &contents).unwrap();
    let two = login.make(&own, &added, &CookieContents { id: "two".into(), ..contents }).unwrap();
    let [main_current, added_current] =
        [&Slot::Main, &added].map(|slot| login.make_current(&own, slot, &tag).unwrap());
    let read = |cookies: &[&Cookie<'_>]| {
        login.read(&own, &with(cookies)).map(|login| login.contents.id.expose().to_owned())
    };
    let moved =
        |to: &Cookie<'_>, value: &Cookie<'_>| Cookie::new(to.name().to_owned(), value.value().to_owned());
    for _ in 0..2 {
        // Both were opened, and the main one is remembered.
        assert_eq!(read(&[&main, &two]).as_deref(), Some("id"));
        assert_eq!(read(&[&main, &two, &main_current]).as_deref(), Some("id"));
        assert_eq!(read(&[&main, &two, &added_current]).as_deref(), Some("two"));
        // The user is the same, so that only the name tells them apart.
        assert_eq!(read(&[&moved(&two, &main), &added_current]), None, "the main one under the added name");
        assert_eq!(read(&[&moved(&main, &two)]), None, "the added one under the main name");
        assert_eq!(read(&[&main, &main]), None, "it is sent twice");
    }
}

#[test]
fn each_login_of_a_browser_is_known_as_stale() {
    let (old, new) = (settings(|_| {}), settings(|config| config.keys = Some(format!("{NEW},{OLD}").into())));
    let (tag, of) = (user_tag(user('2')), |settings: &Settings, slot: &Slot| {
        let contents = CookieContents { user: slot.added().map(str::to_owned), ..contents() };
        LoginCookie::new(settings).make(settings, slot, &contents).unwrap()
    });
    let added = Slot::Added(tag.clone());
    let current =
        |settings: &Settings| LoginCookie::new(settings).make_current(settings, &added, &tag).unwrap();
    let login = LoginCookie::new(&new);
    let (fresh, fresh_two) = (of(&new, &Slot::Main), of(&new, &added));
    assert!(!login.is_stale(&new, &with(&[&fresh, &fresh_two, &current(&new)])));
    assert!(login.is_stale(&new, &with(&[&fresh, &of(&old, &added), &current(&new)])));
    assert!(login.is_stale(&new, &with(&[&fresh, &fresh_two, &current(&old)])));
    assert_eq!(login.read_all(&new, &with(&[&fresh, &of(&old, &added)])).len(), 2);
}

#[test]
fn five_logins_and_their_pending_logins_fit_into_a_header_line() {
    let own = settings(|config| {
        config.cookie_name = None;
        config.public_url = "https://app.example".to_owned();
    });
    let login = LoginCookie::new(&own);
    let user = user('2');
    let contents = CookieContents {
        id: "~n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg".into(),
        host: "https://a-rather-long-company-name--full.sandbox.my.salesforce.com/".to_owned(),
        user: Some(user_tag(user)),
        ..contents()
    };
    let added = login.make(&own, &Slot::Added(user_tag(user)), &contents).unwrap();
    let bytes = login.read_all(&own, &with(&[&added]))[0].bytes;
    assert!(bytes < 360, "{bytes}");
}
