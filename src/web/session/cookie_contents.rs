//! What a cookie that carries a login says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::base::seal::SealError;
use salesforce_connection::{Secret, UserRef};

/// What the login cookie says.
#[derive(Debug, Clone)]
pub(crate) struct CookieContents {
    /// The opaque id of the login.
    pub(crate) id: Secret,
    /// The URL of the login host, so that a login after this one goes there, too.
    pub(crate) host: String,
    /// The [tag](user_tag) of the user. Cookies of earlier versions have none.
    pub(crate) user: Option<String>,
    /// Present if the user had to log in at Salesforce for this login.
    pub(crate) fresh: Option<FreshLogin>,
    /// What the app added to the login, as JSON.
    pub(crate) facts: Option<serde_json::Value>,
    /// Present in a login by Canvas: the sites that may show its pages in a frame.
    pub(crate) frame: Option<String>,
}

/// A login that asked for Salesforce's login page, and that the user completed for whom it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FreshLogin {
    pub(crate) completed_at: SystemTime,
    /// When the user proved who they are, as the ID token says.
    pub(crate) auth_time: Option<SystemTime>,
}

/// What stands behind the id and the host, if anything does: cookies of earlier versions end there.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Extra {
    #[serde(rename = "u", skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// [`FreshLogin`], in seconds since 1970.
    #[serde(rename = "f", skip_serializing_if = "Option::is_none")]
    completed_at: Option<u64>,
    #[serde(rename = "a", skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
    #[serde(rename = "x", skip_serializing_if = "Option::is_none")]
    facts: Option<serde_json::Value>,
}

/// Returns 16 characters that tell the users of a browser apart: 96 bits of a hash, in letters, digits, `-` and `_`.
pub(crate) fn user_tag(user: UserRef) -> String {
    let digest = Sha256::digest(format!("actix-salesforce user {user}"));
    URL_SAFE_NO_PAD.encode(&digest[..12])
}

/// Returns whether this has the form of a [`user_tag`].
pub(super) fn is_tag(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn time_of(seconds: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

impl CookieContents {
    /// Returns the login host without the scheme.
    pub(crate) fn host_name(&self) -> &str {
        self.host.split_once("://").map_or(&*self.host, |(_, address)| address).trim_end_matches('/')
    }

    pub(super) fn parse(plain: &str) -> Option<Self> {
        let (id, rest) = plain.split_once(' ')?;
        let (host, extra) = rest.split_once(' ').unwrap_or((rest, "{}"));
        let extra: Extra = serde_json::from_str(extra).ok()?;
        let fresh = extra
            .completed_at
            .and_then(time_of)
            .map(|completed_at| FreshLogin { completed_at, auth_time: extra.auth_time.and_then(time_of) });
        Some(Self {
            id: Secret::from(id),
            host: host.to_owned(),
            user: extra.user,
            fresh,
            facts: extra.facts,
            frame: None,
        })
    }

    pub(super) fn plain(&self) -> Result<Zeroizing<String>, SealError> {
        let mut plain = Zeroizing::new(format!("{} {}", self.id.expose(), self.host));
        if self.user.is_some() || self.fresh.is_some() || self.facts.is_some() {
            let extra = Extra {
                user: self.user.clone(),
                completed_at: self.fresh.map(|fresh| seconds(fresh.completed_at)),
                auth_time: self.fresh.and_then(|fresh| fresh.auth_time).map(seconds),
                facts: self.facts.clone(),
            };
            plain.push(' ');
            plain.push_str(&serde_json::to_string(&extra).map_err(|_| SealError)?);
        }
        Ok(plain)
    }
}
