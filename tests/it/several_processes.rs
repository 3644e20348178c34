//! What several processes of one app do to a grant of a store that they share: no more than one process alone.

use std::{sync::Arc, time::Duration};

use crate::support::{
    ADA, COOL_DOWN, Client, Server, app,
    failing::FailingStore,
    reserve,
    servers::{Folder, Postgres, Redis},
    settings_for,
};
use actix_salesforce::SalesforceBuilder;
use futures_util::future::join_all;
use salesforce_fake_org::{FakeOrg, Fault};
use serde_json::json;

const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

/// Two processes of one app. They have one public URL, as behind a load balancer.
struct Processes {
    org: FakeOrg,
    servers: [Server; 2],
}

impl Processes {
    /// `settings` brings the store.
    async fn start(settings: impl Fn(SalesforceBuilder) -> SalesforceBuilder) -> Self {
        let org = FakeOrg::start().await.unwrap();
        org.sign_in(&org.user(ADA));
        let (first, public_url) = reserve();
        let (second, _) = reserve();
        let run = async |listener| {
            let builder = settings(settings_for(&org, &public_url).keys(KEYS));
            app::standard(listener, 2, builder.build().await.unwrap())
        };
        let servers = [run(first).await, run(second).await];
        Self { org, servers }
    }

    async fn in_memory(settings: impl Fn(SalesforceBuilder) -> SalesforceBuilder) -> Self {
        let store = FailingStore::default();
        Self::start(|builder| settings(builder.store(Arc::new(store.clone())))).await
    }

    async fn logged_in(&self) -> Client {
        let browser = Client::new();
        assert_eq!(browser.visit(&self.url(0, "/whoami")).await.status, 200);
        assert_eq!(browser.fetch(&self.url(1, "/user")).await.status, 200, "the login is one of both");
        browser
    }

    /// A path at the process that is next in turn.
    fn url(&self, turn: usize, path: &str) -> String {
        format!("{}{path}", self.servers[turn % 2].url)
    }

    fn refreshes(&self) -> u64 {
        self.org.token_calls("refresh_token")
    }

    fn userinfo_requests(&self) -> usize {
        let requests = self.org.requests();
        requests.iter().filter(|request| request.path.ends_with("/services/oauth2/userinfo")).count()
    }
}

fn rejected() -> Fault {
    Fault::ApiError {
        status: 401,
        code: "INVALID_SESSION_ID".to_owned(),
        message: "Session expired or invalid".to_owned(),
    }
}

/// A load balancer sends the requests to both processes in turn, and Salesforce rejects each token, new ones too.
async fn rejected_in_turn(processes: Processes, fault: Fault) {
    let name = format!("{fault:?}");
    let browser = processes.logged_in().await;
    let fault = processes.org.faults().query(fault);
    let mut statuses = Vec::new();
    for turn in 0..20 {
        statuses.push(browser.fetch(&processes.url(turn, "/names")).await.status);
    }
    assert!((1..=2).contains(&processes.refreshes()), "{name}: {} refreshes", processes.refreshes());
    assert!(statuses.iter().all(|status| *status == statuses[0] && *status >= 400), "{name}: {statuses:?}");
    fault.remove();
    for turn in 0..2 {
        let page = browser.fetch(&processes.url(turn, "/names")).await;
        assert_eq!(page.status, 200, "{name}: the login is kept: {page:?}");
    }
    assert_eq!(processes.org.refresh_reuse_count(), 0, "{name}");
}

#[actix_web::test]
async fn tokens_that_two_processes_find_rejected_in_turn_cost_one_or_two_refreshes() {
    let bare = |status: u16, content_type: &str, body: &str| Fault::RawBody {
        status,
        content_type: content_type.to_owned(),
        body: body.into(),
    };
    for fault in [
        rejected(),
        bare(401, "text/html", "<html><body>Unauthorized</body></html>"),
        bare(401, "application/json", ""),
        bare(404, "text/html", "<html><body>URL No Longer Exists</body></html>"),
        Fault::Redirect { status: 302, location: "https://moved.example/".to_owned() },
    ] {
        rejected_in_turn(Processes::in_memory(|builder| builder).await, fault).await;
    }
}

#[actix_web::test]
async fn tokens_that_two_processes_find_rejected_in_turn_cost_one_or_two_refreshes_on_sqlite() {
    let folder = Folder::new("rejected");
    let url = format!("sqlite:{}", folder.path().join("logins.db").display());
    rejected_in_turn(Processes::start(|builder| builder.store_url(url.clone())).await, rejected()).await;
}

#[actix_web::test]
async fn tokens_that_two_processes_find_rejected_in_turn_cost_one_or_two_refreshes_on_redis() {
    let redis = Redis::start();
    rejected_in_turn(Processes::start(|builder| builder.store_url(redis.url())).await, rejected()).await;
}

#[actix_web::test]
async fn tokens_that_two_processes_find_rejected_in_turn_cost_one_or_two_refreshes_on_postgres() {
    let postgres = Postgres::start();
    rejected_in_turn(Processes::start(|builder| builder.store_url(postgres.url())).await, rejected()).await;
}

/// F-37 to F-39 in other forms, with requests at both processes at the same time: redirects of each status, a thin
/// response, a refusal of the machine's address, and one for good. No token is used twice.
async fn odd_refreshes(processes: Processes) {
    let browser = processes.logged_in().await;
    let burst = async || {
        let urls: Vec<_> = (0..8).map(|turn| processes.url(turn, "/names")).collect();
        let pages = join_all(urls.iter().map(|url| browser.fetch(url))).await;
        pages.iter().map(|page| page.status).collect::<Vec<_>>()
    };
    let redirected = |status: u16| json!({ "refresh_redirect": status });
    let lacking = json!(["instance_url", "id", "scope", "signature"]);
    for policy in [
        redirected(301),
        redirected(302),
        redirected(307),
        redirected(308),
        json!({ "refresh_redirect": null, "refresh_response_without": lacking }),
    ] {
        processes.org.set_policy(&policy).unwrap();
        processes.org.expire_access_tokens();
        assert_eq!(burst().await, [200; 8], "{policy}");
        assert_eq!(processes.org.refresh_reuse_count(), 0, "{policy}");
    }

    processes.org.set_ip_restricted(true);
    processes.org.expire_access_tokens();
    let before = processes.refreshes();
    assert_eq!(burst().await, [503; 8]);
    assert!((1..=2).contains(&(processes.refreshes() - before)), "one for each process at most");
    processes.org.set_ip_restricted(false);
    tokio::time::sleep(COOL_DOWN).await;
    assert_eq!(burst().await, [200; 8], "the grant is kept");

    processes.org.expire_access_tokens();
    let (error, description) = ("inactive_user".to_owned(), "user is inactive".to_owned());
    let refused = processes.org.faults().refresh(Fault::OauthError { error, description, status: 400 });
    let statuses = burst().await;
    assert!(statuses.iter().all(|status| [401, 403].contains(status)), "{statuses:?}");
    assert_eq!(refused.hits(), 1, "one token request over both processes");
    refused.remove();
    assert_eq!(burst().await, [401; 8]);
    assert_eq!(browser.visit(&processes.url(0, "/whoami")).await.status, 200, "the next login");
    assert_eq!(burst().await, [200; 8]);
    assert_eq!(processes.org.refresh_reuse_count(), 0);
}

#[actix_web::test]
async fn odd_ends_of_a_refresh_use_no_token_twice_in_two_processes() {
    odd_refreshes(Processes::in_memory(|builder| builder).await).await;
}

#[actix_web::test]
async fn odd_ends_of_a_refresh_use_no_token_twice_in_two_processes_on_sqlite() {
    let folder = Folder::new("odd-refreshes");
    let url = format!("sqlite:{}", folder.path().join("logins.db").display());
    odd_refreshes(Processes::start(|builder| builder.store_url(url.clone())).await).await;
}

#[actix_web::test]
async fn odd_ends_of_a_refresh_use_no_token_twice_in_two_processes_on_redis() {
    let redis = Redis::start();
    odd_refreshes(Processes::start(|builder| builder.store_url(redis.url())).await).await;
}

#[actix_web::test]
async fn odd_ends_of_a_refresh_use_no_token_twice_in_two_processes_on_postgres() {
    let postgres = Postgres::start();
    odd_refreshes(Processes::start(|builder| builder.store_url(postgres.url())).await).await;
}

/// One question per period, whichever process gets the request.
#[actix_web::test]
async fn all_processes_together_ask_once_per_period_whether_a_grant_is_valid() {
    let period = Duration::from_secs(1);
    let processes = Processes::in_memory(|builder| builder.recheck(period)).await;
    let browser = processes.logged_in().await;
    for round in 0..3 {
        tokio::time::sleep(period * 5 / 4).await;
        let before = processes.userinfo_requests();
        let urls: Vec<_> = (0..12).map(|turn| processes.url(turn, "/user")).collect();
        let pages = join_all(urls.iter().map(|url| browser.fetch(url))).await;
        assert!(pages.iter().all(|page| page.status == 200), "{round}: {pages:?}");
        assert_eq!(processes.userinfo_requests(), before + 1, "{round}");
    }
    processes.org.revoke_all();
    tokio::time::sleep(period * 5 / 4).await;
    for turn in 0..2 {
        assert_eq!(browser.fetch(&processes.url(turn, "/user")).await.status, 401, "{turn}");
    }
}

/// Salesforce does not say whether the grant is valid: no process asks again before the pause is over.
#[actix_web::test]
async fn all_processes_together_ask_once_per_pause_during_an_outage() {
    let period = Duration::from_secs(4);
    let processes = Processes::in_memory(|builder| builder.recheck(period)).await;
    let browser = processes.logged_in().await;
    let outage = processes.org.faults().path("/services/oauth2/userinfo", Fault::Status(503));
    for round in 1..=2 {
        tokio::time::sleep(period * 9 / 8).await;
        for turn in 0..20 {
            assert_eq!(browser.fetch(&processes.url(turn, "/user")).await.status, 200, "{turn}");
        }
        assert_eq!(outage.hits(), round);
    }
}
