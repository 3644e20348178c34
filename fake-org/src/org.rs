//! The handle a test holds.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::auth::settings::{ParallelRefresh, RefreshPolicy};
use crate::data::schema::spec::FieldSpec;
use crate::error::StartError;
use crate::fault::Faults;
use crate::pubsub::PubSub;
use crate::pubsub::platform::PlatformEventSpec;
use crate::request::Request;
use crate::server::Server;
use crate::state::Org;
use crate::tokens::Tokens;
use crate::user::User;

/// A running Salesforce org. It runs on a separate thread and runtime and stops when this is dropped.
#[derive(Debug)]
pub struct FakeOrg {
    pub(crate) org: Arc<Org>,
    // Held for its Drop, which ends the thread.
    _server: Server,
    ca_pem: Option<String>,
}

impl FakeOrg {
    pub(crate) fn new(org: Arc<Org>, server: Server, ca_pem: Option<String>) -> Self {
        Self { org, _server: server, ca_pem }
    }

    /// The certificate of the authority that clients must trust, as PEM; `None` without TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The origin to log in at, and of `/fake/…`.
    #[must_use]
    pub fn login_url(&self) -> String {
        self.org.origins().login
    }

    /// The origin of the data now: what token responses name as `instance_url`.
    #[must_use]
    pub fn instance_url(&self) -> String {
        self.org.instance_url()
    }

    /// The origin of the API platform, `https://api.salesforce.com` at Salesforce: JWT access tokens with the scope
    /// `sfap_api` are made out to it, too.
    #[must_use]
    pub fn api_url(&self) -> String {
        self.org.origins().login
    }

    /// The app's consumer key.
    #[must_use]
    pub fn client_id(&self) -> String {
        self.org.app.client_id.clone()
    }

    /// The app's consumer secret.
    #[must_use]
    pub fn client_secret(&self) -> String {
        self.org.app.client_secret.clone()
    }

    /// The setting of an app that logs in at this org, by the name of its environment variable; `None` for names that
    /// the org does not know. [`variables`](Self::variables) lists them.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<String> {
        self.org.environment().variable(name)
    }

    /// The settings of an app that logs in at this org, as environment variables: `SALESFORCE_CLIENT_ID`,
    /// `SALESFORCE_CLIENT_SECRET`, `SALESFORCE_LOGIN_URL`, `SALESFORCE_ALLOWED_ORIGINS`, `SALESFORCE_PUBSUB_URL`, and
    /// `SALESFORCE_SERVICE_URL` if client credentials run as a user.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        self.org.environment().variables()
    }

    /// The organization id, 18 characters.
    #[must_use]
    pub fn organization_id(&self) -> String {
        self.org.organization_id()
    }

    /// The user of that name; one is made if missing.
    #[must_use]
    pub fn user(&self, username: &str) -> User {
        self.org.user_or_new(username)
    }

    /// All users, in the order they were made.
    #[must_use]
    pub fn users(&self) -> Vec<User> {
        self.org.auth(|auth| auth.users.clone())
    }

    /// From now on authorize responds at once as this user, without pages, whatever `prompt` says.
    pub fn sign_in(&self, user: &User) {
        self.org.auth(|auth| auth.signed_in = Some(user.id.clone()));
    }

    /// Ends [`sign_in`](Self::sign_in): authorize shows its pages again.
    pub fn sign_out(&self) {
        self.org.auth(|auth| auth.signed_in = None);
    }

    /// Issues tokens as if the user had logged in and allowed these scopes (space separated). Counts as an approval.
    #[must_use]
    pub fn issue_tokens(&self, user: &User, scopes: &str) -> Tokens {
        // A user of another org is looked up by name here.
        crate::web::issue_tokens(&self.org, &self.org.user_or_new(&user.username), scopes)
    }

    /// Ends every access token; refresh tokens stay.
    pub fn expire_access_tokens(&self) {
        self.org.auth(|auth| auth.end_sessions(|_| true));
    }

    /// Ends the access tokens of one user.
    pub fn expire_access_tokens_of(&self, user: &User) {
        self.org.auth(|auth| auth.end_sessions(|session| session.user_id == user.id));
    }

    /// Ends every token and forgets every consent.
    pub fn revoke_all(&self) {
        self.org.auth(|auth| auth.revoke_all(None));
    }

    /// Ends every token of one user and forgets the consent.
    pub fn revoke_user(&self, user: &User) {
        self.org.auth(|auth| auth.revoke_all(Some(&user.id)));
    }

    /// Deactivates a user: login, refresh and API requests fail.
    pub fn deactivate_user(&self, user: &User) {
        self.org.auth(|auth| auth.set_active(&user.id, false));
    }

    /// Reverses [`deactivate_user`](Self::deactivate_user).
    pub fn activate_user(&self, user: &User) {
        self.org.auth(|auth| auth.set_active(&user.id, true));
    }

    /// Faults on demand.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.org.faults.clone()
    }

    /// The Pub/Sub API: its address, faults, and what subscriptions requested.
    #[must_use]
    pub fn pubsub(&self) -> PubSub {
        PubSub(Arc::clone(&self.org))
    }

    /// Declares a platform event, or declares it again with other fields: later events have another schema.
    pub fn declare_platform_event(&self, name: &str, fields: &[FieldSpec]) {
        let event = PlatformEventSpec { name: name.to_owned(), fields: fields.to_vec() };
        self.org.pubsub.log.declare(&event);
    }

    /// The requests that the org received, newest last; the newest 20,000. Those to `/fake/…` are not among them.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.org.log.all()
    }

    /// Empties the log; counters stay.
    pub fn clear_requests(&self) {
        self.org.log.clear();
    }

    /// Back to the start: sample data, no logins, tokens, faults, counters. Addresses and signing keys stay, and
    /// every setting is as the builder had it.
    ///
    /// # Errors
    ///
    /// When the sample data cannot be made.
    pub fn reset(&self) -> Result<(), StartError> {
        self.org.reset().map_err(StartError::Data)
    }

    /// Number of token requests with this `grant_type`, those that a fault struck included.
    #[must_use]
    pub fn token_calls(&self, grant_type: &str) -> u64 {
        self.org.auth(|auth| auth.counters.token_calls.get(grant_type).copied().unwrap_or(0))
    }

    /// Number of times a refresh token was presented that rotation had already replaced.
    #[must_use]
    pub fn refresh_reuse_count(&self) -> u64 {
        self.org.auth(|auth| auth.counters.refresh_reuse)
    }

    /// Number of times an authorization code was presented again.
    #[must_use]
    pub fn code_reuse_count(&self) -> u64 {
        self.org.auth(|auth| auth.counters.code_reuse)
    }

    /// Number of times a code or a refresh token was presented with other credentials of the app than those that it was
    /// issued to.
    #[must_use]
    pub fn other_credentials_count(&self) -> u64 {
        self.org.auth(|auth| auth.counters.other_credentials)
    }

    /// The largest number of token requests that were handled at one time.
    #[must_use]
    pub fn tokens_in_flight_max(&self) -> u64 {
        self.org.auth(|auth| auth.counters.in_flight_max)
    }

    /// The refresh tokens of a user that work, oldest approval first.
    #[must_use]
    pub fn live_refresh_tokens(&self, user: &User) -> Vec<String> {
        self.org.auth(|auth| auth.live_refresh_tokens(&user.id))
    }

    /// The access tokens of a user that work.
    #[must_use]
    pub fn live_access_tokens(&self, user: &User) -> Vec<String> {
        let now = self.org.clock.now();
        self.org.auth(|auth| auth.live_access_tokens(now, &user.id))
    }

    /// Signs with a new key from now on. The one before stays in the key set, older ones leave it.
    pub fn rotate_signing_key(&self) {
        self.org.rotate_key();
    }

    /// A JWS over any claims, signed with the current key: for id tokens that lie.
    #[must_use]
    pub fn sign_id_token(&self, claims: &Value) -> String {
        self.org.signer().sign(claims).unwrap_or_default()
    }

    /// The same, naming the current key but signed with another.
    #[must_use]
    pub fn forge_id_token(&self, claims: &Value) -> String {
        self.org.signer().forge(claims).unwrap_or_default()
    }

    /// Moves the data to a third origin, as an org migration does: token responses name it from now on, and the
    /// old one returns 401 to data requests until the caller refreshes. Moving twice changes nothing.
    pub fn move_instance(&self) {
        self.org.move_instance();
    }

    /// Where [`move_instance`](Self::move_instance) leads, for apps that must know all origins before they start.
    #[must_use]
    pub fn moved_instance_url(&self) -> String {
        self.org.origins().moved_instance
    }

    /// Locks records as if another user were writing them: writes fail with `UNABLE_TO_LOCK_ROW`. An empty list
    /// unlocks all.
    pub fn lock_rows(&self, ids: &[&str]) {
        self.org.lock_rows(ids);
    }

    /// Keeps records from a user as sharing does: the first page of the user's queries leaves them out. An empty list shows
    /// all again. (H: Sharing settings. Reads by id and further pages are not restricted here.)
    pub fn hide_rows(&self, user: &User, ids: &[&str]) {
        self.org.hide_rows(&user.id, ids);
    }

    /// Puts the org's clock forward: tokens age, sessions expire, date literals move.
    pub fn advance(&self, by: Duration) {
        self.org.clock.advance(by);
    }

    /// What time it is in the org.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(u64::try_from(self.org.clock.now()).unwrap_or(0))
    }

    /// Makes it that moment in the org, also an earlier one; its clock goes on from there.
    pub fn set_time(&self, now: SystemTime) {
        self.org.clock.set(now.duration_since(UNIX_EPOCH).map_or(0, crate::base::clock::millis));
    }

    /// Switches refresh token rotation.
    pub fn set_rotation(&self, on: bool) {
        self.org.change_settings(|settings| settings.rotation = on);
    }

    /// Changes the refresh token policy, for existing tokens too.
    pub fn set_refresh_policy(&self, policy: RefreshPolicy) {
        self.org.change_settings(|settings| settings.refresh_policy = policy);
    }

    /// Changes what parallel refreshes get.
    pub fn set_parallel_refresh(&self, response: ParallelRefresh) {
        self.org.change_settings(|settings| settings.parallel_refresh = response);
    }

    /// Changes how long new access tokens live without use.
    pub fn set_session_ttl(&self, ttl: Duration) {
        self.org.change_settings(|settings| settings.session_ttl = ttl);
    }

    /// Changes the most records of a query page.
    pub fn set_page_size(&self, records: usize) {
        self.org.change_settings(|settings| settings.page_size = records);
    }

    /// Changes the number of API requests before `REQUEST_LIMIT_EXCEEDED`.
    pub fn set_api_limit(&self, calls: u64) {
        self.org.change_settings(|settings| settings.api_limit = calls);
    }

    /// Number of counted API requests.
    #[must_use]
    pub fn api_calls(&self) -> u64 {
        self.org.api_calls()
    }

    /// Closes all open query cursors: further pages fail with `INVALID_QUERY_LOCATOR`.
    pub fn close_cursors(&self) {
        self.org.cursors.close_all();
    }
}
