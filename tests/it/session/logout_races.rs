//! Promise 3 under fire: a logout among requests and refreshes that are under way, 100 rounds in each store with times
//! that a seed decides. `LOGOUT_SEED` repeats a run; the seed is printed.
#![allow(clippy::print_stderr, reason = "the seed")]

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::support::{ADA, TestApp, servers::Redis};
use actix_salesforce::store::{GrantFilter, MemoryStore, RedisStore, Store};
use futures_util::future::{join_all, join3};
use salesforce_fake_org::Fault;

const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";
const ROUNDS: usize = 100;

/// Numbers that a seed decides (xorshift).
struct Random(u64);

impl Random {
    fn start() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seed = std::env::var("LOGOUT_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(now.subsec_nanos()) | 1);
        eprintln!("LOGOUT_SEED={seed}");
        Self(seed)
    }

    fn millis_below(&mut self, n: u64) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_micros(self.0 % (n * 1_000))
    }
}

async fn never_revives(store: Arc<dyn Store>) {
    let mut random = Random::start();
    let app = TestApp::with(|builder| builder.keys(KEYS).store(Arc::clone(&store))).await;
    let (names, logout) = (app.url("/names"), app.url("/auth/salesforce/logout"));
    for round in 0..ROUNDS {
        let browser = app.logged_in().await;
        let jars: Vec<_> = (0..4).map(|_| browser.copy()).collect();
        app.org.expire_access_tokens();
        let slow = app.org.faults().refresh(Fault::Slow.delay(random.millis_below(40)));
        let starts: Vec<_> = jars.iter().map(|_| random.millis_below(60)).collect();
        let requests = join_all(jars.iter().zip(&starts).map(async |(jar, start)| {
            tokio::time::sleep(*start).await;
            jar.fetch(&names).await
        }));
        let touches = async {
            // A background job that uses the grant until it is gone.
            let ada = store.list_grants(GrantFilter::All).await.unwrap();
            let key = ada.first().map(|grant| (grant.key.user().organization_id, grant.key.user().user_id));
            let (org, user) = key.expect("a user is logged in");
            if let Ok(connection) =
                app.salesforce.user_connection(actix_salesforce::UserRef::new(org, user)).await
            {
                let _ = connection.identity().await;
            }
        };
        let wait = random.millis_below(90);
        let log_out = async {
            tokio::time::sleep(wait).await;
            browser.submit(&logout, &app.server.url, &[]).await
        };
        let (pages, (), page) = join3(requests, touches, log_out).await;
        slow.remove();
        assert_eq!(page.status, 303, "round {round}");
        assert!(pages.iter().all(|page| [200, 401].contains(&page.status)), "round {round}: {pages:?}");
        for jar in jars.iter().chain([&browser]) {
            let page = jar.fetch(&names).await;
            assert_eq!(page.status, 401, "round {round}: it came back: {page:?}");
        }
        assert!(store.list_logins(GrantFilter::All).await.unwrap().is_empty(), "round {round}");
        assert!(store.list_grants(GrantFilter::All).await.unwrap().is_empty(), "round {round}");
    }
    // Whatever tokens the refreshes still brought in are given back.
    for _ in 0..100 {
        if app.org.live_refresh_tokens(&app.org.user(ADA)).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(app.org.live_refresh_tokens(&app.org.user(ADA)), Vec::<String>::new());
    assert_eq!(app.org.refresh_reuse_count(), 0);
}

#[actix_web::test]
async fn a_logout_among_requests_and_refreshes_is_final_in_memory() {
    never_revives(Arc::new(MemoryStore::new())).await;
}

#[actix_web::test]
async fn a_logout_among_requests_and_refreshes_is_final_in_redis() {
    let redis = Redis::start();
    never_revives(Arc::new(RedisStore::connect(&redis.url(), "test:").await.unwrap())).await;
}
