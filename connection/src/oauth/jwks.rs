//! [`KeyCache`]: the keys that ID tokens are signed with (RFC 7517).

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, Jwk, PublicKeyUse},
};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use crate::{
    http::{client::HttpClient, request::Request},
    oauth::{
        error::{InvalidTokenResponse, OAuthError},
        jws::MIN_MODULUS_BYTES,
        login_host::LoginHost,
    },
};

/// The time in which [`MAX_FETCHES`] for unknown keys are allowed, so that forged tokens cannot cause a flood of requests.
const COOL_DOWN: Duration = Duration::from_secs(60);
/// Maximum number of fetches within [`COOL_DOWN`]. More than one, because a key may be rotated right after a fetch, and
/// another one soon after that.
const MAX_FETCHES: usize = 4;
/// Pause after a failed fetch. Short, since logins fail meanwhile.
const FAILED_COOL_DOWN: Duration = Duration::from_secs(2);
/// A fetch that failed within this time is retried once: the user has hardly waited.
const FAST: Duration = Duration::from_secs(1);

/// The keys of each login host. Each host has a separate lock, so that one that hangs does not block the others.
#[derive(Default)]
pub(crate) struct KeyCache {
    hosts: std::sync::Mutex<HashMap<Url, Arc<Mutex<Keys>>>>,
}

#[derive(Default)]
struct Keys {
    by_id: HashMap<String, Arc<DecodingKey>>,
    /// The last successful fetches, the newest last.
    fetched: Vec<Instant>,
    /// When the last fetch failed; `None` after a success.
    failed: Option<Instant>,
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCache").finish_non_exhaustive()
    }
}

impl KeyCache {
    /// Returns the key `kid` of a login host, or `None` if the host does not publish it.
    ///
    /// An unknown key is fetched unless that was done [`MAX_FETCHES`] times within [`COOL_DOWN`]. Concurrent callers share
    /// one fetch. After a failed fetch the known keys stay.
    ///
    /// # Errors
    /// If fetching the keys failed, now or within [`FAILED_COOL_DOWN`].
    pub(crate) async fn find(
        &self,
        http: &HttpClient,
        host: &LoginHost,
        kid: &str,
        now: Instant,
    ) -> Result<Option<Arc<DecodingKey>>, OAuthError> {
        let url = host.endpoint("/id/keys");
        let keys = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(hosts.entry(url.clone()).or_default())
        };
        let mut keys = keys.lock().await;
        if let Some(key) = keys.by_id.get(kid) {
            return Ok(Some(Arc::clone(key)));
        }
        let age = |then: Option<Instant>| then.map(|then| now.saturating_duration_since(then));
        if let Some(wait) = age(keys.failed).and_then(|age| FAILED_COOL_DOWN.checked_sub(age)) {
            return Err(OAuthError::CoolingDown { retry_after: wait });
        }
        keys.fetched.retain(|then| now.saturating_duration_since(*then) < COOL_DOWN);
        if keys.fetched.len() >= MAX_FETCHES {
            return Ok(None);
        }
        // The times are set after the fetch: one whose caller was dropped must not start a cool-down for the others.
        let began = tokio::time::Instant::now();
        let mut fresh = fetch(http, &url).await;
        if fresh.is_err() && began.elapsed() < FAST {
            fresh = fetch(http, &url).await;
        }
        match fresh {
            Ok(fresh) => {
                keys.fetched.push(now);
                keys.failed = None;
                if !fresh.is_empty() {
                    keys.by_id = fresh;
                }
                Ok(keys.by_id.get(kid).cloned())
            }
            Err(error) => {
                // The end of the fetch: callers that waited for the lock meanwhile must not fetch again.
                keys.failed = now.checked_add(began.elapsed());
                Err(error)
            }
        }
    }
}

async fn fetch(http: &HttpClient, url: &Url) -> Result<HashMap<String, Arc<DecodingKey>>, OAuthError> {
    let response = http.send(Request::get(url.clone())).await?;
    if response.status.as_u16() != 200 {
        return Err(OAuthError::from_response(&response));
    }
    Ok(read(&response.body)?)
}

/// Reads the usable keys of a key set: RSA, long enough, for signatures. Of two with the same id the first counts.
///
/// Other keys are ignored. An invalid or empty set is an error, since a healthy login host always publishes keys.
fn read(body: &[u8]) -> Result<HashMap<String, Arc<DecodingKey>>, InvalidTokenResponse> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set = serde_json::from_slice::<Set>(body).ok().filter(|set| !set.keys.is_empty());
    let set = set.ok_or(InvalidTokenResponse::Malformed)?;
    let mut keys = HashMap::new();
    for jwk in set.keys.into_iter().take(64) {
        let Ok(jwk) = serde_json::from_value::<Jwk>(jwk) else { continue };
        let (Some(kid), AlgorithmParameters::RSA(rsa)) = (&jwk.common.key_id, &jwk.algorithm) else {
            continue;
        };
        let modulus = URL_SAFE_NO_PAD.decode(rsa.n.trim_end_matches('=')).unwrap_or_default();
        let length = modulus.iter().skip_while(|byte| **byte == 0).count();
        let for_encryption = jwk.common.public_key_use == Some(PublicKeyUse::Encryption);
        if length < MIN_MODULUS_BYTES || for_encryption || keys.contains_key(kid) {
            continue;
        }
        if let Ok(key) = DecodingKey::from_jwk(&jwk) {
            keys.insert(kid.clone(), Arc::new(key));
        }
    }
    Ok(keys)
}
