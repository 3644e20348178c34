//! Users, browser logins, codes, refresh token families, sessions. No HTTP and no I/O here;
//! the caller holds the lock and brings the time.

pub(crate) mod app;
pub(crate) mod assertion;
pub(crate) mod browser;
pub(crate) mod call;
pub(crate) mod client;
pub(crate) mod error;
pub(crate) mod grants;
pub(crate) mod headless;
pub(crate) mod keys;
pub(crate) mod pkce;
pub(crate) mod policy;
pub(crate) mod quirks;
pub(crate) mod scopes;
pub(crate) mod server_to_server;
pub(crate) mod sessions;
pub(crate) mod settings;
pub(crate) mod user_agent;
pub(crate) mod users;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::user::User;

/// All mutable state of logins and tokens.
#[derive(Debug)]
pub(crate) struct Auth {
    pub(crate) organization_id: String,
    pub(crate) users: Vec<User>,
    inactive: BTreeSet<String>,
    /// Authorize responds at once as this user.
    pub(crate) signed_in: Option<String>,
    /// Browser cookie value → user id.
    browsers: HashMap<String, String>,
    /// One-time password → user id, and when it ends.
    otps: HashMap<String, (String, crate::base::clock::Millis)>,
    /// User id → password, for users who changed it.
    passwords: HashMap<String, String>,
    /// Identifier → the one-time password that was sent.
    challenges: HashMap<String, headless::Challenge>,
    /// What would have been sent by e-mail or SMS, newest last.
    pub(crate) messages: Vec<headless::Message>,
    /// User id → scopes that user allowed the app.
    consents: HashMap<String, scopes::Scopes>,
    /// User id → scopes that user's tokens ever had: the approvals that the JWT bearer flow builds on.
    approved: HashMap<String, scopes::Scopes>,
    /// User id → when that user logged in, the last hour.
    logins: HashMap<String, Vec<crate::base::clock::Millis>>,
    /// The `jti` claims that assertions have used up.
    used_assertions: HashSet<String>,
    codes: HashMap<String, grants::Code>,
    pub(crate) families: BTreeMap<u64, grants::Family>,
    /// Every refresh token ever issued → its family.
    refresh_tokens: HashMap<String, u64>,
    pub(crate) sessions: HashMap<String, sessions::Session>,
    /// Refresh tokens that a token request is working on right now.
    pub(crate) refreshing: HashSet<String>,
    next_family: u64,
    pub(crate) counters: Counters,
}

/// Counters of the token endpoint.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) token_calls: BTreeMap<String, u64>,
    pub(crate) refresh_reuse: u64,
    pub(crate) code_reuse: u64,
    /// Codes and refresh tokens that came with other credentials of the app than theirs.
    pub(crate) other_credentials: u64,
    pub(crate) in_flight: u64,
    pub(crate) in_flight_max: u64,
}

impl Auth {
    /// The sample users and others.
    pub(crate) fn new(organization_id: &str, others: Vec<User>) -> Self {
        let mut users = users::sample(organization_id);
        users.extend(others);
        Self {
            organization_id: organization_id.to_owned(),
            users,
            inactive: BTreeSet::new(),
            signed_in: None,
            browsers: HashMap::new(),
            otps: HashMap::new(),
            passwords: HashMap::new(),
            challenges: HashMap::new(),
            messages: Vec::new(),
            consents: HashMap::new(),
            approved: HashMap::new(),
            logins: HashMap::new(),
            used_assertions: HashSet::new(),
            codes: HashMap::new(),
            families: BTreeMap::new(),
            refresh_tokens: HashMap::new(),
            sessions: HashMap::new(),
            refreshing: HashSet::new(),
            next_family: 1,
            counters: Counters::default(),
        }
    }

    pub(crate) fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    pub(crate) fn user_by_name(&self, username: &str) -> Option<&User> {
        self.users.iter().find(|user| user.username.eq_ignore_ascii_case(username.trim()))
    }

    /// The user of that name, made if missing. The flag says whether it is new.
    pub(crate) fn user_or_new(&mut self, username: &str) -> (User, bool) {
        if let Some(user) = self.user_by_name(username) {
            return (user.clone(), false);
        }
        // Far above the ids that records made over REST get.
        let n = self.users.len() as u64 + 100_000;
        let user = users::invented(&self.organization_id, username, n);
        self.users.push(user.clone());
        (user, true)
    }

    pub(crate) fn is_active(&self, user_id: &str) -> bool {
        !self.inactive.contains(user_id)
    }

    pub(crate) fn set_active(&mut self, user_id: &str, active: bool) {
        if active {
            self.inactive.remove(user_id);
        } else {
            self.inactive.insert(user_id.to_owned());
        }
    }
}
