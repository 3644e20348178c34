//! What the common paths cost, in allocations: the same number on every machine and in every run, unlike a time.
//!
//! Each limit is what the path costs today in an unoptimized build. A change that needs more says why in
//! `benches/NOTES.md`; one that needs fewer lowers the limit. Times, beside the floor and the peers: `scripts/bench`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

#[cfg(feature = "redis")]
#[path = "../support/servers.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests use the rest")]
mod servers;

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use actix_salesforce::{
    Config, Salesforce, SalesforceConn, SalesforceId, SalesforceUser, Secret, UserRef,
    store::{
        AppKey, GrantKey, GrantRecord, GrantVersion, LoginKey, LoginProof, LoginRecord, MemoryStore, Sealed,
        Store as _,
    },
    testing::log_in_as,
};
use actix_web::{
    App, Error,
    body::MessageBody,
    dev::{Service, ServiceResponse},
    rt::{System, SystemRunner},
    test::{TestRequest, init_service},
    web,
};
use allocation_counter::measure;
use futures_util::FutureExt as _;
use salesforce_connection::test_parsers;
use salesforce_fake_org::FakeOrg;
use serde::Deserialize;

/// Requests before those that are counted: caches fill, and buffers grow to their size.
const WARM_UP: u64 = 64;
const COUNTED: u64 = 100;

async fn public() -> &'static str {
    "public"
}

async fn protected(sf: SalesforceConn, user: SalesforceUser) -> &'static str {
    assert_eq!(sf.user_id(), user.user_id);
    "protected"
}

/// Returns the allocations of one request on this thread, without those that make the request.
fn per_request<S, B>(system: &SystemRunner, app: &S, request: impl Fn() -> TestRequest) -> u64
where
    S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let send = |times| {
        system.block_on(async {
            for _ in 0..times {
                let response = app.call(request().to_request()).await.unwrap();
                assert!(response.status().is_success(), "{}", response.status());
            }
        });
    };
    send(WARM_UP);
    let all = measure(|| send(COUNTED)).count_total;
    let made = measure(|| (0..COUNTED).for_each(|_| drop(request().to_request()))).count_total;
    // Rounded: what runs once, and a buffer that grows now and then, is below one per request.
    (all - made + COUNTED / 2) / COUNTED
}

/// What the app costs without Salesforce.
fn bare(system: &SystemRunner) -> u64 {
    let floor = system.block_on(init_service(App::new().route("/", web::get().to(public))));
    per_request(system, &floor, || TestRequest::get().uri("/"))
}

/// A port that is free at this moment.
#[cfg(feature = "redis")]
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Fails if a path costs more than its limit, or so much less that the limit no longer guards it.
fn check<const N: usize>(costs: [(&str, u64, u64); N]) {
    let wrong: Vec<_> = costs
        .iter()
        .filter(|(_, cost, limit)| cost > limit || cost + limit / 20 < *limit)
        .map(|(path, cost, limit)| format!("{path}: {cost}, and the limit is {limit}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn requests_cost_as_little_as_before() {
    let system = System::new();
    let (org, salesforce, ada) = system.block_on(async {
        let org = FakeOrg::start().await.unwrap();
        let config = Config::from_variables(|name| org.variable(name));
        let salesforce = Salesforce::from_config(config).await.unwrap();
        let tokens = org.issue_tokens(&org.users()[0], "api refresh_token");
        let ada = log_in_as(&salesforce, &tokens).await.unwrap();
        (org, salesforce, ada)
    });
    let routes = |config: &mut web::ServiceConfig| {
        config.route("/", web::get().to(public)).route("/protected", web::get().to(protected));
    };
    let app = system.block_on(init_service(App::new().wrap(salesforce).configure(routes)));

    let bare = bare(&system);
    let cost = |request: &dyn Fn() -> TestRequest| per_request(&system, &app, request) - bare;
    check([
        ("a public route, without a cookie", cost(&|| TestRequest::get().uri("/")), 3),
        ("a public route, logged in", cost(&|| ada.get("/")), 3),
        ("a protected route, memory store", cost(&|| ada.get("/protected")), 14),
    ]);
    drop(org);
}

/// The connection to Redis is a task of the same thread, so its allocations count, too.
#[cfg(feature = "redis")]
#[test]
fn a_protected_route_with_redis_costs_as_little_as_before() {
    let system = System::new();
    let redis = servers::Redis::start();
    let org = system.block_on(FakeOrg::start()).unwrap();
    let bare = bare(&system);
    let cost = |cache_logins: bool| {
        let (salesforce, ada) = system.block_on(async {
            let builder = Salesforce::builder()
                .client_id(org.client_id())
                .client_secret(org.client_secret())
                .login_url(org.login_url())
                .allowed_origin(org.instance_url())
                .keys("q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=")
                .store_url(redis.url())
                .cache_logins(cache_logins);
            let salesforce = builder.build().await.unwrap();
            let tokens = org.issue_tokens(&org.users()[0], "api refresh_token");
            let ada = log_in_as(&salesforce, &tokens).await.unwrap();
            (salesforce, ada)
        });
        let app = App::new().wrap(salesforce).route("/protected", web::get().to(protected));
        let app = system.block_on(init_service(app));
        per_request(&system, &app, || ada.get("/protected")) - bare
    };
    check([
        ("a protected route, Redis", cost(false), 17),
        ("a protected route, Redis with cached logins", cost(true), 15),
    ]);
}

/// Bytes of a login with a grant, whose sealed tokens have 620: a kibibyte, also where the maps are half empty.
#[test]
fn a_login_in_memory_takes_a_kibibyte() {
    let (store, now) = (MemoryStore::new(), SystemTime::now());
    let until = now + Duration::from_secs(3_600);
    let add = |n: u64| {
        let user = UserRef::new("00D000000000001".parse().unwrap(), format!("005D{n:011}").parse().unwrap());
        let key = GrantKey::new(AppKey::from_client_id("app"), user);
        let version = GrantVersion { epoch: n, revision: 0 };
        let grant = GrantRecord::new(key, version, Sealed::from_bytes(vec![7; 620]), now, until);
        let id = LoginKey::from_login_id(&Secret::new(n.to_string()));
        let mut login = LoginRecord::new(key, now, until);
        login.proof = Some(LoginProof::from_bytes([7; 32]));
        assert!(store.create_login(id, login, grant).now_or_never().unwrap().unwrap().is_none());
    };
    // Just above the number at which the maps grow.
    let logins = 14_400;
    let bytes = measure(|| (0..logins).for_each(add)).bytes_current;
    check([("a login and its grant in bytes", u64::try_from(bytes).unwrap() / logins, 1_024)]);
}

/// Eight fields, as an app declares them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(dead_code, reason = "read by serde only")]
struct Account {
    id: SalesforceId,
    name: String,
    industry: Option<String>,
    phone: Option<String>,
    billing_city: Option<String>,
    annual_revenue: Option<f64>,
    number_of_employees: Option<u32>,
    created_date: String,
}

fn page(records: usize) -> String {
    let mut page = format!(r#"{{"totalSize":{records},"done":true,"records":["#);
    for n in 0..records {
        let comma = if n > 0 { "," } else { "" };
        let industry = if n % 4 == 3 { "null" } else { "\"Energy\"" };
        write!(
            page,
            r#"{comma}{{"attributes":{{"type":"Account","url":"/services/data/v66.0/sobjects/Account/001D0000{n:07}"}},
            "Id":"001D0000{n:07}","Name":"Aurora {n} \"Nord\"","Industry":{industry},"Phone":"+49 30 {n:07}",
            "BillingCity":"Zürich","AnnualRevenue":{n}.5,"NumberOfEmployees":{n},"CreatedDate":"2026-01-01T08:00:00.000+0000"}}"#
        )
        .unwrap();
    }
    page + "]}"
}

#[test]
fn decoding_a_page_costs_as_little_as_before() {
    let (small, large) = (page(200), page(2_200));
    let cost = |page: &str| {
        measure(|| assert!(test_parsers::typed_page::<Account>(page.as_bytes()).is_ok())).count_total
    };
    cost(&small);
    let (few, many) = (cost(&small), cost(&large));
    check([("2,000 more records of eight fields", many - few, 9_504), ("a page of 200 records", few, 1_075)]);
}

#[test]
fn binding_a_query_costs_as_little_as_before() {
    let soql = "SELECT Id, Name FROM Account WHERE Name = :v AND IsDeleted = false ORDER BY Name";
    let cost = || measure(|| assert!(test_parsers::bind_soql(soql, "O'Hara \\ Söhne").is_ok())).count_total;
    cost();
    check([("a query with one text", cost(), 7)]);
}
