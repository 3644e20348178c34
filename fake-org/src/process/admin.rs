//! What the org's admin does: keys, instance, clock, policies.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::ProcessError;
use super::control::{FakeOrgProcess, read};

impl FakeOrgProcess {
    /// Signs with a new key from now on. The previous one stays in the key set, older ones leave it.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn rotate_signing_key(&self) -> Result<(), ProcessError> {
        self.post("/fake/rotate-signing-key", &json!({})).map(drop)
    }

    /// A JWS over any claims, signed with the current key: for id tokens that lie.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn sign_id_token(&self, claims: &Value) -> Result<String, ProcessError> {
        let signed = self.post("/fake/sign-id-token", &json!({ "claims": claims }))?;
        read("/fake/sign-id-token", signed.get("id_token").cloned().unwrap_or_default())
    }

    /// The same, naming the current key but signed with another.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn forge_id_token(&self, claims: &Value) -> Result<String, ProcessError> {
        let signed = self.post("/fake/sign-id-token", &json!({ "claims": claims, "forged": true }))?;
        read("/fake/sign-id-token", signed.get("id_token").cloned().unwrap_or_default())
    }

    /// Moves the data to a third origin, as an org migration does.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn move_instance(&self) -> Result<(), ProcessError> {
        self.post("/fake/move-instance", &json!({})).map(drop)
    }

    /// Locks records: writes fail with `UNABLE_TO_LOCK_ROW`. An empty list unlocks all.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn lock_rows(&self, ids: &[&str]) -> Result<(), ProcessError> {
        self.post("/fake/lock-rows", &json!({ "ids": ids })).map(drop)
    }

    /// Closes all open query cursors: further pages fail with `INVALID_QUERY_LOCATOR`.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn close_cursors(&self) -> Result<(), ProcessError> {
        self.post("/fake/close-cursors", &json!({})).map(drop)
    }

    /// Puts the org's clock forward, by whole seconds: tokens age, sessions expire, date literals move.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn advance(&self, by: Duration) -> Result<(), ProcessError> {
        self.post("/fake/advance", &json!({ "seconds": by.as_secs() })).map(drop)
    }

    /// The org's time.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn now(&self) -> Result<SystemTime, ProcessError> {
        let clock = self.get("/fake/clock")?;
        let millis: u64 = read("/fake/clock", clock.get("now_ms").cloned().unwrap_or_default())?;
        Ok(UNIX_EPOCH + Duration::from_millis(millis))
    }

    /// Sets the org's time, also to an earlier one; its clock goes on from there.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn set_time(&self, now: SystemTime) -> Result<(), ProcessError> {
        let millis = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        self.post("/fake/clock", &json!({ "now_ms": u64::try_from(millis).unwrap_or(u64::MAX) })).map(drop)
    }

    /// The settings of the app and the org, by the names that the README lists.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn policy(&self) -> Result<Value, ProcessError> {
        self.get("/fake/policy")
    }

    /// Changes settings by name; either all of them change or none.
    ///
    /// # Errors
    ///
    /// Names the setting that is unknown or has an invalid value.
    pub fn set_policy(&self, changes: &Value) -> Result<(), ProcessError> {
        self.post("/fake/policy", changes).map(drop)
    }

    /// The one-time passwords that were sent to this address, newest last.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn one_time_passwords(&self, address: &str) -> Result<Vec<String>, ProcessError> {
        let messages = self.get("/fake/messages")?;
        let mine = messages
            .as_array()
            .into_iter()
            .flatten()
            .filter(|message| message["to"].as_str().is_some_and(|to| to.eq_ignore_ascii_case(address)));
        Ok(mine.filter_map(|message| message["otp"].as_str()).map(str::to_owned).collect())
    }
}
