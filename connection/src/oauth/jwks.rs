//! The keys that ID tokens are signed with (RFC 7517), fetched rarely.

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
        login_host::LoginHost,
    },
};

/// A key that is not known is looked for at most once in so long.
const COOL_DOWN: Duration = Duration::from_secs(60);
/// After a failed fetch there is none for so long: nothing is known about a key then, and people wait.
const FAILED_COOL_DOWN: Duration = Duration::from_secs(2);
/// A fetch that failed faster than this is repeated once.
const FAST: Duration = Duration::from_secs(1);
/// A shorter modulus is not accepted (NIST SP 800-131A).
const MIN_MODULUS_BYTES: usize = 2048 / 8;

/// The keys of each login host, behind a lock each: a host that hangs holds up nobody else.
#[derive(Default)]
pub(crate) struct KeyCache {
    hosts: std::sync::Mutex<HashMap<Url, Arc<Mutex<Keys>>>>,
}

#[derive(Default)]
struct Keys {
    by_id: HashMap<String, Arc<DecodingKey>>,
    fetched: Option<Instant>,
    /// When a fetch failed, if none succeeded since.
    failed: Option<Instant>,
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCache").finish_non_exhaustive()
    }
}

impl KeyCache {
    /// The key `kid` of this host, fetched if it is not known and none was fetched lately. Concurrent callers share one
    /// fetch; when it fails, the keys that were known stay.
    ///
    /// # Errors
    /// The keys could not be fetched, now or a moment ago: whether there is such a key is not known.
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
        if age(keys.fetched).is_some_and(|age| age < COOL_DOWN) {
            return Ok(None);
        }
        // What is noted is noted afterwards: a fetch whose caller went away must not make everybody else wait for a
        // key.
        let began = Instant::now();
        let mut fresh = fetch(http, &url).await;
        if fresh.is_err() && began.elapsed() < FAST {
            fresh = fetch(http, &url).await;
        }
        match fresh {
            Ok(fresh) => {
                keys.fetched = Some(now);
                keys.failed = None;
                if !fresh.is_empty() {
                    keys.by_id = fresh;
                }
                Ok(keys.by_id.get(kid).cloned())
            }
            Err(error) => {
                // As of its end: whoever waited for it meanwhile does not begin another one.
                keys.failed = now.checked_add(began.elapsed());
                Err(error)
            }
        }
    }
}

async fn fetch(http: &HttpClient, url: &Url) -> Result<HashMap<String, Arc<DecodingKey>>, OAuthError> {
    let answer = http.send(Request::get(url.clone())).await?;
    if answer.status.as_u16() != 200 {
        return Err(OAuthError::of(&answer));
    }
    Ok(read(&answer.body)?)
}

/// The usable keys of a set: RSA, long enough, for signatures; of two with the same id the first. Whatever else is in
/// the set does not spoil it; but what is no set, or an empty one, is the answer of a server that has a bad day.
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
