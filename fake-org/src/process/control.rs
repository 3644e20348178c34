//! The handle of an org in another process.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::faults::ProcessFaults;
use super::spawn::{ProcessBuilder, Running};
use super::{ProcessError, http};
use crate::environment::Environment;
use crate::request::Request;
use crate::tokens::Tokens;
use crate::user::User;

/// An org that runs as the program `fake-org`; it ends when this is dropped.
///
/// It has the methods of `FakeOrg` and needs neither its SQLite nor its servers in the tree, see the cargo feature
/// `embedded`. Each method is one request over loopback; it blocks the thread, about a millisecond.
///
/// ```no_run
/// # fn test() -> Result<(), salesforce_fake_org::ProcessError> {
/// use salesforce_fake_org::{FakeOrgProcess, Fault};
///
/// let org = FakeOrgProcess::spawn()?;
/// org.sign_in(&org.user("ada@example.com")?)?;
/// // … point the app at org.variable("SALESFORCE_LOGIN_URL") and the others …
/// org.faults().token_endpoint(Fault::Status(503).times(2))?;
/// assert_eq!(org.refresh_reuse_count()?, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FakeOrgProcess {
    running: Running,
    environment: Environment,
    organization_id: String,
}

pub(super) fn read<T: DeserializeOwned>(path: &str, value: Value) -> Result<T, ProcessError> {
    let body = value.to_string();
    serde_json::from_value(value).map_err(|_| ProcessError::Rejected {
        path: path.to_owned(),
        status: 200,
        body,
    })
}

/// The body that names a user.
fn named(user: &User) -> Value {
    json!({ "username": user.username })
}

impl FakeOrgProcess {
    /// Starts the program that the environment variable `FAKE_ORG` names, else `fake-org` in `PATH`.
    ///
    /// # Errors
    ///
    /// When the program cannot be run, or ends before it serves.
    pub fn spawn() -> Result<Self, ProcessError> {
        ProcessBuilder::default().spawn()
    }

    /// Starts another program, or with options.
    pub fn builder() -> ProcessBuilder {
        ProcessBuilder::default()
    }

    /// `None` if `facts` lacks a member of `/fake/org`.
    pub(super) fn new(running: Running, facts: &Value) -> Option<Self> {
        let text = |name: &str| Some(facts.get(name)?.as_str()?.to_owned());
        let environment = Environment {
            client_id: text("client_id")?,
            client_secret: text("client_secret")?,
            login_url: text("login_url")?,
            instance_url: text("first_instance_url")?,
            moved_instance_url: text("moved_instance_url")?,
            pubsub_url: facts.pointer("/environment/SALESFORCE_PUBSUB_URL")?.as_str()?.to_owned(),
            has_service_user: facts.pointer("/environment/SALESFORCE_SERVICE_URL").is_some(),
        };
        Some(Self { running, environment, organization_id: text("organization_id")? })
    }

    pub(super) fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, ProcessError> {
        http::send(&self.environment.login_url, method, path, body)
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, ProcessError> {
        self.send("GET", path, None)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, ProcessError> {
        self.send("POST", path, Some(body))
    }

    fn count(&self, name: &str) -> Result<u64, ProcessError> {
        let counters = self.get("/fake/counters")?;
        read("/fake/counters", counters.get(name).cloned().unwrap_or_default())
    }

    /// The id of the child process.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.running.id()
    }

    /// The origin to log in at, and of `/fake/…`.
    #[must_use]
    pub fn login_url(&self) -> String {
        self.environment.login_url.clone()
    }

    /// The origin of the data at the moment: what token responses name as `instance_url`.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn instance_url(&self) -> Result<String, ProcessError> {
        let facts = self.get("/fake/org")?;
        read("/fake/org", facts.get("instance_url").cloned().unwrap_or_default())
    }

    /// The origin that the data moves to with [`move_instance`](Self::move_instance).
    #[must_use]
    pub fn moved_instance_url(&self) -> String {
        self.environment.moved_instance_url.clone()
    }

    /// The app's consumer key.
    #[must_use]
    pub fn client_id(&self) -> String {
        self.environment.client_id.clone()
    }

    /// The app's consumer secret.
    #[must_use]
    pub fn client_secret(&self) -> String {
        self.environment.client_secret.clone()
    }

    /// The organization id, 18 characters.
    #[must_use]
    pub fn organization_id(&self) -> String {
        self.organization_id.clone()
    }

    /// The setting of an app that logs in at this org, by the name of its environment variable
    /// (`SALESFORCE_CLIENT_ID` and others); `None` for names that the org does not know.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<String> {
        self.environment.variable(name)
    }

    /// The user of that name; created if missing.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn user(&self, username: &str) -> Result<User, ProcessError> {
        read("/fake/users", self.post("/fake/users", &json!({ "username": username }))?)
    }

    /// All users, in the order they were created.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn users(&self) -> Result<Vec<User>, ProcessError> {
        read("/fake/users", self.get("/fake/users")?)
    }

    /// Makes authorize respond at once as this user, without pages, whatever `prompt` says.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn sign_in(&self, user: &User) -> Result<(), ProcessError> {
        self.post("/fake/sign-in", &named(user)).map(drop)
    }

    /// Ends [`sign_in`](Self::sign_in): authorize shows its pages again.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn sign_out(&self) -> Result<(), ProcessError> {
        self.post("/fake/sign-out", &json!({})).map(drop)
    }

    /// Issues tokens as if the user had logged in and allowed these scopes (space separated).
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn issue_tokens(&self, user: &User, scopes: &str) -> Result<Tokens, ProcessError> {
        let body = json!({ "username": user.username, "scopes": scopes });
        read("/fake/issue-tokens", self.post("/fake/issue-tokens", &body)?)
    }

    /// Ends every access token; refresh tokens stay valid.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn expire_access_tokens(&self) -> Result<(), ProcessError> {
        self.post("/fake/expire-access-tokens", &json!({})).map(drop)
    }

    /// Ends the access tokens of one user.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn expire_access_tokens_of(&self, user: &User) -> Result<(), ProcessError> {
        self.post("/fake/expire-access-tokens", &named(user)).map(drop)
    }

    /// Ends every token and forgets every consent.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn revoke_all(&self) -> Result<(), ProcessError> {
        self.post("/fake/revoke-all", &json!({})).map(drop)
    }

    /// Ends every token of one user and forgets the consent.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn revoke_user(&self, user: &User) -> Result<(), ProcessError> {
        self.post("/fake/revoke-all", &named(user)).map(drop)
    }

    /// Deactivates a user: login, refresh and API requests fail.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn deactivate_user(&self, user: &User) -> Result<(), ProcessError> {
        self.post("/fake/deactivate-user", &named(user)).map(drop)
    }

    /// Reverses [`deactivate_user`](Self::deactivate_user).
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn activate_user(&self, user: &User) -> Result<(), ProcessError> {
        self.post("/fake/activate-user", &named(user)).map(drop)
    }

    /// Faults on demand.
    #[must_use]
    pub fn faults(&self) -> ProcessFaults<'_> {
        ProcessFaults(self)
    }

    /// The requests that the org received, newest last; the newest 20,000. Those to `/fake/…` are not among them.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn requests(&self) -> Result<Vec<Request>, ProcessError> {
        read("/fake/requests", self.get("/fake/requests")?)
    }

    /// Empties the log; counters stay.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn clear_requests(&self) -> Result<(), ProcessError> {
        self.send("DELETE", "/fake/requests", None).map(drop)
    }

    /// Resets the org: sample data, no logins, tokens, faults, counters. Addresses and signing keys stay.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn reset(&self) -> Result<(), ProcessError> {
        self.post("/fake/reset", &json!({})).map(drop)
    }

    /// Number of token requests with this `grant_type`, those that a fault struck included.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn token_calls(&self, grant_type: &str) -> Result<u64, ProcessError> {
        let counters = self.get("/fake/counters")?;
        Ok(counters["token_calls"][grant_type].as_u64().unwrap_or(0))
    }

    /// Number of times a refresh token was presented that rotation had already replaced.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn refresh_reuse_count(&self) -> Result<u64, ProcessError> {
        self.count("refresh_reuse")
    }

    /// Number of times an authorization code was presented again.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn code_reuse_count(&self) -> Result<u64, ProcessError> {
        self.count("code_reuse")
    }

    /// The largest number of token requests that were handled at one time.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn tokens_in_flight_max(&self) -> Result<u64, ProcessError> {
        self.count("tokens_in_flight_max")
    }

    /// Number of counted API requests.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn api_calls(&self) -> Result<u64, ProcessError> {
        self.count("api_calls")
    }

    /// The valid refresh tokens of a user, oldest approval first.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn live_refresh_tokens(&self, user: &User) -> Result<Vec<String>, ProcessError> {
        self.live_tokens(user, "refresh")
    }

    /// The valid access tokens of a user.
    ///
    /// # Errors
    ///
    /// When the request fails.
    pub fn live_access_tokens(&self, user: &User) -> Result<Vec<String>, ProcessError> {
        self.live_tokens(user, "access")
    }

    fn live_tokens(&self, user: &User, kind: &str) -> Result<Vec<String>, ProcessError> {
        let tokens = self.post("/fake/live-tokens", &named(user))?;
        read("/fake/live-tokens", tokens.get(kind).cloned().unwrap_or_default())
    }
}
