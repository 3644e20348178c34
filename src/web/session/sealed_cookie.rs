//! A cookie whose value is sealed: bound to its name, the app and the mount, and found under the previous credentials, too.

use actix_web::http::header::HeaderMap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::cookie_header;
use crate::{
    base::seal::{Purpose, SealError},
    config::Settings,
};

/// What the value is bound to.
fn bound_to(settings: &Settings, client_id: &str, name: &str) -> Vec<u8> {
    [name, client_id, &settings.paths.mount].join("\0").into_bytes()
}

/// Returns the name and the value of the cookie that is called `suffix` in this crate.
pub(super) fn seal(
    settings: &Settings,
    suffix: &str,
    purpose: Purpose,
    plain: &[u8],
) -> Result<(String, String), SealError> {
    let name = settings.scoped_name(suffix);
    let bound_to = bound_to(settings, &settings.client_id, &name);
    let sealed = settings.keys.seal(purpose, &bound_to, plain)?;
    Ok((name, URL_SAFE_NO_PAD.encode(sealed)))
}

/// Returns what the first of the browser's cookies holds that opens and that `read` takes.
pub(super) fn open<T>(
    settings: &Settings,
    headers: &HeaderMap,
    suffix: &str,
    purpose: Purpose,
    read: impl Fn(Zeroizing<Vec<u8>>) -> Option<T>,
) -> Option<T> {
    settings.scoped_names(suffix).find_map(|(client_id, name)| {
        let sealed = URL_SAFE_NO_PAD.decode(cookie_header::only(headers, &name)?).ok()?;
        read(settings.keys.open(purpose, &bound_to(settings, client_id, &name), &sealed).ok()?)
    })
}
