//! The keys that ID tokens are signed with (RFC 7517), fetched rarely.

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, JwkSet},
};
use tokio::sync::Mutex;
use url::Url;

use super::{LoginHost, OAuthError};
use crate::http::{HttpClient, Request};

/// A key that is not known is looked for at most once in so long; a failed fetch counts too.
const COOL_DOWN: Duration = Duration::from_secs(60);
/// A shorter modulus is not accepted (NIST SP 800-131A).
const MIN_MODULUS_BYTES: usize = 2048 / 8;

/// The keys of each login host.
#[derive(Default)]
pub(super) struct KeyCache {
    // One lock a host would do; logins with an unknown key are rare enough for one.
    hosts: Mutex<HashMap<Url, Keys>>,
}

#[derive(Default, Clone)]
struct Keys {
    by_id: HashMap<String, Arc<DecodingKey>>,
    fetched: Option<Instant>,
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCache").finish_non_exhaustive()
    }
}

impl KeyCache {
    /// The key `kid` of this host, fetched if it is not known and none was fetched lately. Concurrent callers share one
    /// fetch; when it fails, the keys that were known stay.
    pub(super) async fn find(
        &self,
        http: &HttpClient,
        host: &LoginHost,
        kid: &str,
        now: Instant,
    ) -> Result<Option<Arc<DecodingKey>>, OAuthError> {
        let url = host.endpoint("/id/keys");
        let mut hosts = self.hosts.lock().await;
        let keys = hosts.entry(url.clone()).or_default();
        if let Some(key) = keys.by_id.get(kid) {
            return Ok(Some(Arc::clone(key)));
        }
        if keys.fetched.is_some_and(|fetched| now.saturating_duration_since(fetched) < COOL_DOWN) {
            return Ok(None);
        }
        keys.fetched = Some(now);
        let answer = http.send(Request::get(url)).await?;
        if answer.status.as_u16() != 200 {
            return Err(OAuthError::of(&answer));
        }
        let fresh = read(&answer.body);
        if !fresh.is_empty() {
            keys.by_id = fresh;
        }
        Ok(keys.by_id.get(kid).cloned())
    }
}

/// The usable keys of a set: RSA, long enough, for signatures; of two with the same id the first.
fn read(body: &[u8]) -> HashMap<String, Arc<DecodingKey>> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut keys = HashMap::new();
    let Ok(set) = serde_json::from_slice::<JwkSet>(body) else { return keys };
    for jwk in set.keys.iter().take(64) {
        let (Some(kid), AlgorithmParameters::RSA(rsa)) = (&jwk.common.key_id, &jwk.algorithm) else {
            continue;
        };
        let modulus = URL_SAFE_NO_PAD.decode(rsa.n.trim_end_matches('=')).unwrap_or_default();
        let length = modulus.iter().skip_while(|byte| **byte == 0).count();
        if length < MIN_MODULUS_BYTES || keys.contains_key(kid) {
            continue;
        }
        if let Ok(key) = DecodingKey::from_jwk(jwk) {
            keys.insert(kid.clone(), Arc::new(key));
        }
    }
    keys
}
