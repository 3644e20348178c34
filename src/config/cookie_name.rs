//! What the names of this crate's cookies begin with.

use sha2::{Digest as _, Sha256};

use super::check::Check;
use crate::base::hex;

impl Check {
    /// Returns what the names of our cookies begin with: different for each app on a host.
    pub(super) fn cookie_stem(
        &mut self,
        given: Option<&str>,
        client_id: &str,
        public_url: &str,
        mount: &str,
    ) -> String {
        /// So that with prefix, mount and kind a name stays below 70 of a cookie's 4,096 bytes.
        const LONGEST: usize = 40;

        let Some(stem) = given.map(str::trim) else {
            return default_stem(client_id, public_url, mount);
        };
        let plain = stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        // Browsers give names that begin with `__Host-` or `__Secure-` a meaning.
        if !plain || stem.is_empty() || stem.len() > LONGEST || stem.starts_with("__") {
            self.problem(
                "SALESFORCE_COOKIE_NAME",
                "use 1 to 40 letters, digits, - and _, without __ in front, or leave it out",
            );
        }
        // Two Salesforces in one app have one environment; their mounts tell them apart.
        if mount.is_empty() { stem.to_owned() } else { format!("{stem}.{}", short_hash(&[mount])) }
    }
}

pub(super) fn default_stem(client_id: &str, public_url: &str, mount: &str) -> String {
    format!("salesforce-{}", short_hash(&[client_id, public_url, mount]))
}

/// Returns eight hex digits that these texts decide.
fn short_hash(texts: &[&str]) -> String {
    let digest = Sha256::digest(texts.join("\0"));
    hex::digits(&digest[..4]).collect()
}
