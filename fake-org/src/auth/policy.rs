//! Settings changed by name: what `/fake/policy`, `Builder::policy` and `FakeOrg::set_policy` have in common.

use std::time::Duration;

use serde_json::{Map, Value};

use super::assertion;
use super::quirks::{LANGUAGES, OldInstance};
use super::settings::{AccessTokens, RefreshPolicy, Settings};

impl Settings {
    /// The settings with these over them, member by member, so that what is wrong can be named.
    pub(crate) fn with(&self, changes: Map<String, Value>) -> Result<Self, String> {
        let mut settings = self.clone();
        for (name, value) in changes {
            let mut all = serde_json::to_value(&settings).map_err(|error| error.to_string())?;
            let Some(member) = all.get_mut(&name) else {
                return Err(format!("there is no setting `{name}`"));
            };
            *member = value;
            settings = serde_json::from_value(all).map_err(|error| format!("{name}: {error}"))?;
        }
        check(&settings)?;
        Ok(settings)
    }
}

/// What no type says.
fn check(settings: &Settings) -> Result<(), String> {
    let positive = [
        ("session_ttl_seconds", settings.session_ttl.is_zero()),
        ("idle_ttl_limit_seconds", settings.idle_ttl_limit.is_some_and(|limit| limit.is_zero())),
        ("access_tokens", settings.access_tokens == AccessTokens::Jwt(Duration::ZERO)),
        (
            "refresh_policy",
            matches!(settings.refresh_policy, RefreshPolicy::Idle(d) | RefreshPolicy::Lifetime(d) if d.is_zero()),
        ),
        ("page_size", settings.page_size == 0),
        ("cursor_limit", settings.cursor_limit == Some(0)),
        ("bulk_read_timeout_ms", settings.bulk_read_timeout.is_some_and(|limit| limit.is_zero())),
    ];
    if let Some((name, _)) = positive.iter().find(|(_, zero)| *zero) {
        return Err(format!("{name}: must be more than 0"));
    }
    if settings.certificate.as_deref().is_some_and(|pem| assertion::certificate(pem).is_none()) {
        return Err(format!("certificate: {}", assertion::NO_CERTIFICATE));
    }
    let redirects = [
        (
            "old_instance",
            match settings.old_instance {
                OldInstance::Redirect(status) => Some(status),
                _ => None,
            },
        ),
        ("refresh_redirect", settings.refresh_redirect),
    ];
    for (name, status) in redirects {
        if status.is_some_and(|status| ![301, 302, 303, 307, 308].contains(&status)) {
            return Err(format!("{name}: expected 301, 302, 303, 307 or 308"));
        }
    }
    if !LANGUAGES.contains(&settings.language.as_str()) {
        return Err(format!("language: expected one of {}", LANGUAGES.join(", ")));
    }
    if settings.instance_path.as_deref().is_some_and(|path| !is_path(path)) {
        return Err("instance_path: expected a path such as `/portal`".into());
    }
    let urls = [
        ("canvas_url", Some(&settings.canvas_url)),
        ("single_logout_url", settings.single_logout_url.as_ref()),
    ];
    for (name, url) in urls {
        if url.is_some_and(|url| url::Url::parse(url).is_err()) {
            return Err(format!("{name}: not a URL"));
        }
    }
    if let Some(uri) = settings.redirect_uris.iter().find(|uri| url::Url::parse(uri).is_err()) {
        return Err(format!("redirect_uris: `{uri}` is not a URL"));
    }
    Ok(())
}

/// Whether a text is a path of unreserved characters without a slash at its end.
fn is_path(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_~".contains(&c))
    };
    text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(part))
}
