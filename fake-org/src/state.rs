//! The running org: everything its hosts share.

use std::sync::{Arc, Mutex};

use crate::action_specs::Approvals;
use crate::api_specs::ApiState;
use crate::auth::app::App;
use crate::auth::call::CallCertificates;
use crate::auth::grants::{Family, Issued};
use crate::auth::headless::NewUser;
use crate::auth::keys::Signer;
use crate::auth::settings::{AccessTokens, Settings};
use crate::auth::{Auth, Counters};
use crate::base::clock::{Clock, Millis, machine_now, millis};
use crate::base::{lock, random};
use crate::data::seed::Sample;
use crate::data::tokens::Token;
use crate::data::{Data, DataError, Inner};
use crate::environment::Environment;
use crate::fault::Faults;
use crate::jobs::Jobs;
use crate::log::Log;
use crate::outbound::Queue;
use crate::pubsub::PubSubState;
use crate::request::Host;
use crate::schema_file::{Apex, SchemaFile};
use crate::soql::cursor::Cursors;
use crate::user::User;

/// Where the hosts are reached, as printed in responses.
#[derive(Clone, Debug)]
pub(crate) struct Origins {
    pub(crate) login: String,
    pub(crate) instance: String,
    /// The origin that the data can move to.
    pub(crate) moved_instance: String,
    pub(crate) has_moved: bool,
}

impl Origins {
    /// The origin token responses name as `instance_url`.
    pub(crate) fn current_instance(&self) -> &str {
        if self.has_moved { &self.moved_instance } else { &self.instance }
    }

    pub(crate) fn of(&self, host: Host) -> &str {
        match host {
            Host::Login => &self.login,
            Host::Instance => &self.instance,
            Host::MovedInstance => &self.moved_instance,
        }
    }
}

/// One org. Lock order: work on the records may take any other lock; no other two are ever held at once.
#[derive(Debug)]
pub(crate) struct Org {
    pub(crate) app: App,
    pub(crate) auto_approve: bool,
    pub(crate) sample: Sample,
    initial_settings: Arc<Settings>,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) log: Log,
    pub(crate) data: Data,
    pub(crate) cursors: Cursors,
    /// When it was made, on its own clock.
    pub(crate) started: Millis,
    /// The responses of `/services/apexrest/…`: method, path, status, body.
    pub(crate) apex: Vec<Apex>,
    pub(crate) declared: SchemaFile,
    pub(crate) pubsub: PubSubState,
    pub(crate) call_certificates: CallCertificates,
    outbound: Mutex<Queue>,
    approvals: Mutex<Approvals>,
    apis: Mutex<ApiState>,
    jobs: Mutex<Jobs>,
    settings: Mutex<Arc<Settings>>,
    auth: Mutex<Auth>,
    signer: Mutex<Signer>,
    origins: Mutex<Origins>,
    api_calls: Mutex<u64>,
}

impl Org {
    pub(crate) fn new(
        app: App,
        auto_approve: bool,
        settings: Settings,
        organization_id: &str,
        sample: Sample,
        origins: Origins,
        declared: SchemaFile,
    ) -> Result<Self, String> {
        let users = declared.users(organization_id);
        let settings = Arc::new(settings);
        let pubsub = PubSubState::default();
        let log = Arc::clone(&pubsub.log);
        let org = Self {
            app,
            auto_approve,
            sample,
            initial_settings: Arc::clone(&settings),
            clock: Clock::default(),
            faults: Faults::default(),
            log: Log::default(),
            data: Data::open(declared.schema()?, log).map_err(|error| error.to_string())?,
            cursors: Cursors::default(),
            started: machine_now(),
            apex: declared.apex(),
            declared,
            pubsub,
            call_certificates: CallCertificates::default(),
            outbound: Mutex::default(),
            approvals: Mutex::default(),
            apis: Mutex::default(),
            jobs: Mutex::default(),
            settings: Mutex::new(settings),
            auth: Mutex::new(Auth::new(organization_id, users)),
            signer: Mutex::new(Signer::default()),
            origins: Mutex::new(origins),
            api_calls: Mutex::new(0),
        };
        let now = org.clock.now();
        org.data.with(|data| org.declared.set_rules(data, now))?;
        org.fill()?;
        Ok(org)
    }

    fn fill(&self) -> Result<(), String> {
        let users = self.auth(|auth| {
            if self.auto_approve {
                auth.signed_in = auth.users.first().map(|user| user.id.clone());
            }
            auth.users.clone()
        });
        let now = self.clock.now();
        // What the org begins with is no change.
        self.data.with(|data| data.selected.clear());
        self.data.seed(&self.sample, &users, now).map_err(|error| error.to_string())?;
        let first = users.first().map_or("", |user| user.id.as_str());
        self.data.with(|data| self.declared.write_rows(data, first, now))?;
        self.declared.access.iter().try_for_each(|access| self.set_user_access(access))?;
        self.data.with(|data| self.declared.select_events(data, &self.pubsub.log))
    }

    /// Back to how it started: sample data, no logins, no tokens, no faults. Addresses and keys stay.
    pub(crate) fn reset(&self) -> Result<(), String> {
        self.faults.clear();
        self.pubsub.clear();
        self.clock.reset();
        *lock(&self.settings) = Arc::clone(&self.initial_settings);
        self.auth(|auth| {
            let in_flight = auth.counters.in_flight;
            let users = self.declared.users(&auth.organization_id);
            *auth = Auth::new(&auth.organization_id, users);
            auth.counters = Counters { in_flight, ..Counters::default() };
        });
        *lock(&self.api_calls) = 0;
        lock(&self.origins).has_moved = false;
        self.log.clear();
        self.cursors.close_all();
        *lock(&self.jobs) = Jobs::default();
        *lock(&self.approvals) = Approvals::default();
        *lock(&self.apis) = ApiState::default();
        *lock(&self.outbound) = Queue::default();
        self.fill()
    }

    pub(crate) fn auth<T>(&self, work: impl FnOnce(&mut Auth) -> T) -> T {
        work(&mut lock(&self.auth))
    }

    pub(crate) fn approvals<T>(&self, work: impl FnOnce(&mut Approvals) -> T) -> T {
        work(&mut lock(&self.approvals))
    }

    pub(crate) fn apis<T>(&self, work: impl FnOnce(&mut ApiState) -> T) -> T {
        work(&mut lock(&self.apis))
    }

    pub(crate) fn outbound<T>(&self, work: impl FnOnce(&mut Queue) -> T) -> T {
        work(&mut lock(&self.outbound))
    }

    pub(crate) fn jobs<T>(&self, work: impl FnOnce(&mut Jobs) -> T) -> T {
        work(&mut lock(&self.jobs))
    }

    /// Returns the response declared for an Apex REST request.
    pub(crate) fn apex(&self, method: &str, path: &str) -> Option<&Apex> {
        self.apex.iter().find(|apex| apex.method.eq_ignore_ascii_case(method) && apex.path == path)
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&lock(&self.settings))
    }

    /// Changes settings, for all later requests.
    pub(crate) fn change_settings<T>(&self, change: impl FnOnce(&mut Settings) -> T) -> T {
        change(Arc::make_mut(&mut lock(&self.settings)))
    }

    pub(crate) fn origins(&self) -> Origins {
        lock(&self.origins).clone()
    }

    /// What token responses name as `instance_url`.
    pub(crate) fn instance_url(&self) -> String {
        let path = self.settings().instance_path.clone().unwrap_or_default();
        format!("{}{path}", self.origins().current_instance())
    }

    /// What an app must know to log in here.
    pub(crate) fn environment(&self) -> Environment {
        let origins = self.origins();
        Environment {
            client_id: self.app.client_id.clone(),
            client_secret: self.app.client_secret.clone(),
            login_url: origins.login,
            instance_url: origins.instance,
            moved_instance_url: origins.moved_instance,
            pubsub_url: self.pubsub.origin(),
            has_service_user: self.settings().execution_user.is_some(),
        }
    }

    pub(crate) fn move_instance(&self) {
        lock(&self.origins).has_moved = true;
    }

    pub(crate) fn signer(&self) -> Signer {
        *lock(&self.signer)
    }

    pub(crate) fn organization_id(&self) -> String {
        self.auth(|auth| auth.organization_id.clone())
    }

    /// The same with a JWT in place of the opaque access token, where the app wants those. Signing takes a moment,
    /// so it happens outside of the lock.
    pub(crate) fn with_own_token(&self, mut issued: Issued) -> Issued {
        let AccessTokens::Jwt(life) = self.settings().access_tokens else { return issued };
        let origins = self.origins();
        let domain = origins.current_instance();
        // That Salesforce names the API host with this scope is unverified.
        let api = issued.scopes.has("sfap_api").then_some(origins.login.as_str());
        let audience: Vec<&str> = api.into_iter().chain([domain]).collect();
        let at = issued.at / 1_000;
        let claims = serde_json::json!({
            "scp": issued.scopes.shuffled(),
            "aud": audience,
            "sub": match &issued.visitor {
                Some(visitor) => format!("uvid:{visitor}"),
                None => format!("uid:{}", issued.user.id),
            },
            "iss": domain,
            "client_id": self.app.credentials(&self.settings(), issued.set).client_id,
            "iat": at,
            "nbf": at - 15,
            "exp": at + millis(life) / 1_000,
            "mty": "oauth",
            "sfi": random::plain(32),
            "roles": [],
            "hsc": false,
        });
        if let Some(token) = self.signer().sign_access_token(&self.organization_id(), &claims) {
            self.auth(|auth| auth.rename_session(&issued.access_token, &token));
            issued.access_token = token;
        }
        issued
    }

    pub(crate) fn rotate_key(&self) {
        lock(&self.signer).generation += 1;
    }

    /// Locks these records; none: unlocks all.
    pub(crate) fn lock_rows(&self, ids: &[&str]) {
        self.data.with(|data| {
            data.rules.locked.clear();
            data.rules.locked.extend(ids.iter().filter_map(|id| crate::base::ids::normalize(id)));
        });
    }

    /// Keeps these records from a user; none: shows the user all again.
    pub(crate) fn hide_rows(&self, user_id: &str, ids: &[&str]) {
        self.data.with(|data| {
            data.rules.hidden.retain(|(user, _)| user != user_id);
            let ids = ids.iter().filter_map(|id| crate::base::ids::normalize(id));
            data.rules.hidden.extend(ids.map(|id| (user_id.to_owned(), id)));
        });
    }

    /// Counts one API request; the number used so far.
    pub(crate) fn count_api_call(&self) -> u64 {
        let mut calls = lock(&self.api_calls);
        *calls += 1;
        *calls
    }

    pub(crate) fn api_calls(&self) -> u64 {
        *lock(&self.api_calls)
    }

    /// The user of that name; made, also as a `User` record, if missing.
    pub(crate) fn user_or_new(&self, username: &str) -> User {
        let (user, new) = self.auth(|auth| auth.user_or_new(username));
        if new {
            self.record(&user);
        }
        user
    }

    /// The guest user of a site.
    pub(crate) fn guest(&self, site: &str) -> User {
        let (user, new) = self.auth(|auth| auth.guest(site));
        if new {
            self.record(&user);
        }
        user
    }

    /// Creates the user of a registration; `None` if the name is taken.
    pub(crate) fn register(&self, new_user: &NewUser) -> Option<User> {
        let user = self.auth(|auth| auth.register(new_user))?;
        self.record(&user);
        Some(user)
    }

    /// Makes the `OauthToken` records show the refresh tokens that work now.
    pub(crate) fn show_tokens(&self, data: &mut Inner) -> Result<(), DataError> {
        let app = &self.app.name;
        let tokens: Vec<Token> = self.auth(|auth| {
            let live = auth.families.iter().filter(|(_, family)| family.current.is_some());
            let token = |(number, family): (&u64, &Family)| Token {
                number: *number,
                app: app.clone(),
                delete_token: family.delete_token.clone(),
                user_id: family.user_id.clone(),
                born: family.born,
                last_used: family.last_used,
                uses: family.uses,
            };
            live.map(token).collect()
        });
        data.set_tokens(&tokens)
    }

    fn record(&self, user: &User) {
        // A record that cannot be written leaves a user who can still sign in.
        let _ = self.data.add_user(user, self.clock.now());
    }
}
