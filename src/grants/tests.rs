//! The manager against a fake org. Several managers over one store behave like several processes.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;
use salesforce_fake_org::{FakeOrg, User};

use super::*;
use crate::{
    base::{background::BackgroundRuntime, clock::Clock, seal::KeyRing},
    store::{GrantFilter, LoginKey, MemoryStore, Store},
};
use salesforce_connection::{
    Client, Secret,
    http::AllowedHosts,
    oauth::{LoginHost, OAuthApp, OAuthClient, TokenResponse},
};

mod broken;
mod health;
mod keep_alive;
mod overtaken;
mod recheck;
mod sandboxes;
mod trouble;

const DAY: i64 = 24 * 60 * 60;

/// The waits of all managers in these tests.
const TIMING: Timing = Timing::fast();

/// A wall clock that tests set.
#[derive(Clone, Default)]
struct WallClock(Arc<AtomicI64>);

impl WallClock {
    fn clock(&self) -> Clock {
        let offset = Arc::clone(&self.0);
        Clock::manual(move || {
            let seconds = offset.load(Ordering::SeqCst);
            let offset = Duration::from_secs(seconds.unsigned_abs());
            if seconds < 0 { SystemTime::now() - offset } else { SystemTime::now() + offset }
        })
    }

    fn set(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }
}

struct Fleet {
    org: FakeOrg,
    host: LoginHost,
    oauth: OAuthClient,
    keys: KeyRing,
    store: Arc<MemoryStore>,
    background: BackgroundRuntime,
    /// The events of all processes.
    heard: Arc<Mutex<Vec<AuthEvent>>>,
}

impl Fleet {
    async fn start(store: MemoryStore) -> Self {
        Self::around(FakeOrg::start().await.unwrap(), store)
    }

    fn around(org: FakeOrg, store: MemoryStore) -> Self {
        let origins = [org.login_url(), org.instance_url()].map(|url| url.parse().unwrap());
        let app = OAuthApp::new(org.client_id(), Some(Secret::new(org.client_secret())));
        Self {
            host: org.login_url().parse().unwrap(),
            oauth: OAuthClient::with_client(
                app,
                &Client::builder().allowed_hosts(AllowedHosts::new(origins)).build().unwrap(),
            ),
            keys: KeyRing::generate().unwrap(),
            store: Arc::new(store),
            background: BackgroundRuntime::start().unwrap(),
            heard: Arc::default(),
            org,
        }
    }

    /// Starts a process with this clock.
    fn process(&self, clock: Clock) -> Arc<GrantManager> {
        self.process_over(self.store.clone(), clock)
    }

    /// Starts a process over another store.
    fn process_over(&self, store: Arc<dyn Store>, clock: Clock) -> Arc<GrantManager> {
        self.process_with(store, clock, |_| {})
    }

    fn process_with(
        &self,
        store: Arc<dyn Store>,
        clock: Clock,
        change: impl FnOnce(&mut GrantManagerConfig),
    ) -> Arc<GrantManager> {
        let heard = Arc::clone(&self.heard);
        let mut config = GrantManagerConfig {
            admission: super::Admission::default(),
            client: Client::builder().build().unwrap(),
            host_orgs: super::HostOrgs::default(),
            keep_broken: Duration::from_secs(30 * DAY as u64),
            login_path: Arc::new(|_| Some("/login".to_owned())),
            connect_path: Arc::new(|_, name| Some(format!("/connect?name={name}"))),
            apps: super::Apps::new(self.oauth.clone(), None),
            store,
            keys: self.keys.clone(),
            background: self.background.spawner(),
            clock,
            events: Events::to(move |event| heard.lock().unwrap().push(event.clone())),
            lifetimes: Lifetimes {
                idle: Duration::from_secs(DAY as u64),
                absolute: Duration::from_secs(30 * DAY as u64),
            },
            recheck: None,
            revoke_on_logout: super::RevokeOnLogout::default(),
            timing: TIMING,
        };
        change(&mut config);
        GrantManager::new(config)
    }

    /// Returns the tokens of a login.
    async fn tokens(&self, user: &User) -> TokenResponse {
        let issued = self.org.issue_tokens(user, "api refresh_token");
        let refresh_token = Secret::new(issued.refresh_token.unwrap());
        let mut tokens = self.oauth.refresh(&self.host, &refresh_token).await.unwrap();
        // Without rotation the token endpoint returns no new refresh token.
        tokens.refresh_token.get_or_insert(refresh_token);
        tokens
    }

    async fn log_in(&self, manager: &Arc<GrantManager>, user: &User) -> Secret {
        let id = crate::grants::random_secret().unwrap();
        let (app, tokens) = (manager.config.apps.current_key(), self.tokens(user).await);
        let grant = manager.first_version(app, tokens, Profile::default(), &self.host).unwrap();
        manager.log_in(grant, id.clone()).await.unwrap();
        id
    }

    fn ada(&self) -> User {
        self.org.user("ada@example.com")
    }

    /// Makes users besides the sample users.
    fn users(&self, count: usize) -> Vec<User> {
        (0..count).map(|n| self.org.user(&format!("user{n}@example.com"))).collect()
    }

    /// Waits for the next event.
    async fn next_event(&self) -> AuthEvent {
        for _ in 0..200 {
            let next = {
                let mut heard = self.heard.lock().unwrap();
                (!heard.is_empty()).then(|| heard.remove(0))
            };
            if let Some(event) = next {
                return event;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no event");
    }
}

/// In 100 rounds two processes refresh while one of them logs out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_ends_during_refreshes_never_comes_back() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let (one, two) = (fleet.process(Clock::system()), fleet.process(Clock::system()));
    let ada = fleet.ada();
    for round in 0..100_u64 {
        let id = fleet.log_in(&one, &ada).await;
        let here = one.login(&id).await.unwrap().unwrap();
        let there = two.login(&id).await.unwrap().unwrap();
        let used = here.current().unwrap().version;
        fleet.org.expire_access_tokens();
        let log_out = async {
            tokio::time::sleep(Duration::from_micros(round * 137 % 9_000)).await;
            two.log_out(&id).await.unwrap();
        };
        let (first, second, ()) =
            futures_util::join!(here.refresh_version(used), there.refresh_version(used), log_out);
        for refreshed in [first, second] {
            assert!(matches!(refreshed, Ok(_) | Err(GrantError::LoginOver)), "round {round}: {refreshed:?}");
        }
        for manager in [&one, &two] {
            assert!(manager.login(&id).await.unwrap().is_none(), "round {round}: the login came back");
        }
        assert!(fleet.store.list_grants(GrantFilter::All).await.unwrap().is_empty(), "round {round}");
    }
    // Tokens that the refreshes still returned are revoked.
    for _ in 0..100 {
        if fleet.org.live_refresh_tokens(&ada).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(fleet.org.live_refresh_tokens(&ada), Vec::<String>::new());
    assert_eq!(fleet.org.refresh_reuse_count(), 0);
}

/// F-16: clocks that differ by minutes change nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_with_different_clocks_make_one_token_call() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let (late, early) = (WallClock::default(), WallClock::default());
    late.set(-10 * 60);
    early.set(10 * 60);
    let engines = [fleet.process(late.clock()), fleet.process(early.clock()), fleet.process(Clock::system())];
    let ada = fleet.ada();
    let mut calls = 0;
    for logs_in in &engines {
        // All processes know the older login of the user, then a newer one comes from another process.
        let id = fleet.log_in(logs_in, &ada).await;
        calls += 1;
        for _ in 0..3 {
            fleet.org.expire_access_tokens();
            let mut grants = Vec::new();
            for manager in &engines {
                let grant = manager.login(&id).await.unwrap().unwrap();
                grants.push((grant.current().unwrap().version, grant));
            }
            let refreshed = join_all(grants.iter().map(async |(used, grant)| {
                grant.refresh_version(*used).await.unwrap().access_token.expose().to_owned()
            }))
            .await;
            assert!(refreshed.iter().all(|token| *token == refreshed[0]), "all processes use the same token");
            calls += 1;
        }
    }
    assert_eq!(fleet.org.token_calls("refresh_token"), calls, "one token request per expiry");
    assert_eq!(fleet.org.refresh_reuse_count(), 0);
}

/// F-20: no panic, no flood of requests, and no login ends when the clock comes back.
#[tokio::test]
async fn a_clock_that_jumps_ends_only_expired_logins() {
    let wall = WallClock::default();
    let fleet = Fleet::start(MemoryStore::with_clock(wall.clock())).await;
    let manager = fleet.process(wall.clock());
    let id = fleet.log_in(&manager, &fleet.ada()).await;
    let before = fleet.org.token_calls("refresh_token");
    for jump in [3_600, -3_600, -10 * 365 * DAY, 0] {
        wall.set(jump);
        let grant = manager.login(&id).await.unwrap();
        assert!(grant.is_some_and(|grant| grant.current().is_ok()), "{jump} s");
    }
    assert_eq!(fleet.org.token_calls("refresh_token"), before);
    fleet.org.expire_access_tokens();
    wall.set(-3_600);
    let grant = manager.login(&id).await.unwrap().unwrap();
    grant.refresh_version(grant.current().unwrap().version).await.unwrap();
    wall.set(10 * 365 * DAY);
    assert!(manager.login(&id).await.unwrap().is_none(), "it has expired after ten years");
}

/// A login stays valid while it is used, up to its absolute lifetime.
#[tokio::test]
async fn a_login_is_valid_while_it_is_used_and_ends_at_its_limit() {
    let wall = WallClock::default();
    let fleet = Fleet::start(MemoryStore::with_clock(wall.clock())).await;
    let manager = fleet.process(wall.clock());
    let used = fleet.log_in(&manager, &fleet.ada()).await;
    let unused = fleet.log_in(&manager, &fleet.ada()).await;
    for half_day in 1..60 {
        wall.set(half_day * DAY / 2);
        assert!(manager.login(&used).await.unwrap().is_some(), "day {half_day}/2");
        // The last use is written in the background.
        let seen = wall.clock().now() - Duration::from_secs(60);
        for _ in 0..200 {
            let login = fleet.store.load_login(LoginKey::from_login_id(&used)).await.unwrap();
            if login.is_some_and(|(login, _)| login.last_used_at >= seen) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert!(manager.login(&unused).await.unwrap().is_none());
    wall.set(30 * DAY + 1);
    assert!(manager.login(&used).await.unwrap().is_none());
}

/// F-23: waiting requests get an outcome, however the request that started the refresh ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_requests_do_not_depend_on_the_first_one() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let manager = fleet.process(Clock::system());
    let id = fleet.log_in(&manager, &fleet.ada()).await;
    let grant = manager.login(&id).await.unwrap().unwrap();
    let used = grant.current().unwrap().version;
    fleet.org.expire_access_tokens();
    fleet.org.faults().refresh(salesforce_fake_org::Fault::Delay(Duration::from_millis(300)));
    let calls = fleet.org.token_calls("refresh_token");
    let began = Arc::new(Mutex::new(false));
    let (flag, leader) = (Arc::clone(&began), grant.clone());
    let panicked = tokio::spawn(async move {
        let refreshing = leader.refresh_version(used);
        let dies = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            *flag.lock().unwrap() = true;
            panic!("on demand");
        };
        let (_refreshed, ()) = futures_util::join!(refreshing, dies);
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let waiters = (0..20).map(|_| grant.refresh_version(used));
    assert!(join_all(waiters).await.iter().all(Result::is_ok));
    assert!(panicked.await.is_err() && *began.lock().unwrap());
    assert_eq!(fleet.org.token_calls("refresh_token"), calls + 1);
}

/// A request reads its login before a logout and uses it afterwards.
#[tokio::test]
async fn a_record_read_before_a_logout_revives_nothing() {
    let fleet = Fleet::start(MemoryStore::new()).await;
    let manager = fleet.process(Clock::system());
    let id = fleet.log_in(&manager, &fleet.ada()).await;
    let read_at = std::time::Instant::now();
    let read = fleet.store.list_grants(GrantFilter::All).await.unwrap().remove(0);
    manager.log_out(&id).await.unwrap();
    let grant = manager.handle(&read, read_at).unwrap();
    assert!(matches!(grant.current(), Err(GrantError::LoginOver)));
    let again = fleet.log_in(&manager, &fleet.ada()).await;
    assert!(manager.login(&again).await.unwrap().is_some_and(|grant| grant.current().is_ok()));
}
