//! How the connection treats an organization: so many calls at a time, a pause at its limit, optional work left out,
//! and what is said with each call (F-29, F-33; R-63, R-64).

use std::time::{Duration, Instant};

use crate::support::{ADA, Client, TestApp};
use actix_salesforce::{
    Connection, Error, Salesforce,
    request::{CallOptions, Retry},
    token::ServiceUser,
};
use actix_web::ResponseError as _;
use futures_util::future::join_all;
use salesforce_fake_org::{FakeOrg, Fault, Route};
use serde_json::{Value, json};

/// An app with a service user in each of these orgs, all with the same consumer key.
async fn connections<const N: usize>(
    orgs: [&FakeOrg; N],
    settings: impl FnOnce(actix_salesforce::SalesforceBuilder) -> actix_salesforce::SalesforceBuilder,
) -> (Salesforce, [Connection; N]) {
    let builder = Salesforce::builder()
        .client_id(orgs[0].client_id())
        .client_secret(orgs[0].client_secret())
        .login_url(orgs[0].login_url());
    let builder = orgs.iter().fold(builder, |builder, org| builder.allowed_origin(org.instance_url()));
    let salesforce = settings(builder).build().await.unwrap();
    let mut connections = Vec::new();
    for org in orgs {
        let user = ServiceUser::client_credentials(org.instance_url().parse().unwrap());
        connections.push(salesforce.service_connection_for(&user).await.unwrap());
    }
    (salesforce, connections.try_into().unwrap())
}

async fn org() -> FakeOrg {
    FakeOrg::builder().execution_user(ADA).start().await.unwrap()
}

async fn count(sf: &Connection) -> actix_salesforce::Result<u64> {
    sf.query::<()>("SELECT COUNT() FROM Account").count().await
}

/// F-33: an organization that hangs holds up its own callers only, and those not for ever.
#[actix_web::test]
async fn an_organization_that_hangs_takes_no_other_with_it() {
    let (slow, quick) = (org().await, org().await);
    let (_app, [to_slow, to_quick]) = connections([&slow, &quick], |builder| {
        builder.max_concurrent_requests(10).acquire_timeout(Duration::from_millis(500))
    })
    .await;
    slow.faults().at(Route::Api, Fault::Delay(Duration::from_secs(3)));
    slow.clear_requests();
    let began = Instant::now();
    let hundred = join_all((0..100).map(|_| count(&to_slow)));
    let other = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let began = Instant::now();
        (count(&to_quick).await.unwrap(), began.elapsed())
    };
    let (responses, (found, took)) = tokio::join!(hundred, other);
    assert_eq!(found, 40);
    assert!(took < Duration::from_secs(1), "another organization waited {took:?}");
    let busy = responses
        .iter()
        .filter(|response| matches!(response, Err(Error::ConcurrencyLimit { limit: 8, .. })))
        .count();
    assert_eq!(
        (busy, slow.requests().len()),
        (92, 8),
        "one user leaves two of ten to others; the rest give up their place in time"
    );
    assert!(began.elapsed() < Duration::from_secs(6));
    let error = responses.into_iter().find_map(Result::err).unwrap();
    assert_eq!(error.status_code().as_u16(), 503);
    assert!(error.error_response().headers().contains_key("retry-after"));
    slow.faults().clear();
    assert_eq!(count(&to_slow).await.unwrap(), 40, "the places are free again");
}

/// F-33, from the outside: 300 requests of one user whose org hangs; another user logs in within 2 s.
#[actix_web::test]
async fn a_login_goes_on_while_the_api_hangs() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    app.org.faults().path("/services/data/v66.0/query", Fault::Delay(Duration::from_secs(20)));
    let hanging = async {
        let url = app.url("/names");
        let all = join_all((0..300).map(|_| browser.fetch(&url)));
        let _ = tokio::time::timeout(Duration::from_secs(4), all).await;
    };
    let login = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let began = Instant::now();
        let page = Client::new().visit(&app.url("/user")).await;
        assert_eq!(page.status, 200, "{page:?}");
        began.elapsed()
    };
    let ((), took) = tokio::join!(hanging, login);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

/// A call that is given up gives its place back.
#[actix_web::test]
async fn a_call_that_is_dropped_leaves_its_place_to_others() {
    let org = org().await;
    let (_app, [sf]) = connections([&org], |builder| {
        builder.max_concurrent_requests(1).acquire_timeout(Duration::from_millis(100))
    })
    .await;
    org.faults().at(Route::Api, Fault::Delay(Duration::from_secs(5)).times(5));
    for _ in 0..5 {
        assert!(tokio::time::timeout(Duration::from_millis(50), count(&sf)).await.is_err());
    }
    assert_eq!(count(&sf).await.unwrap(), 40);
}

/// F-29: the limit is a separate error, 503, never retried at once; other orgs go on.
#[actix_web::test]
async fn at_the_limit_no_request_is_sent_for_a_while() {
    let (full, free) = (org().await, org().await);
    let (_app, [to_full, to_free]) = connections([&full, &free], |builder| builder).await;
    assert_eq!(count(&to_full).await.unwrap(), 40);
    let usage = to_full.api_usage().unwrap();
    assert_eq!((usage.used, usage.allowed), (1, 15_000));
    full.set_api_limit(1);
    full.clear_requests();
    let first = count(&to_full).await.unwrap_err();
    let responses = join_all((0..50).map(|_| count(&to_full))).await;
    assert_eq!(full.requests().len(), 1, "the first refusal speaks for all");
    for error in responses.into_iter().map(Result::unwrap_err).chain([first]) {
        assert!(matches!(error, Error::LimitExceeded { .. }), "{error:?}");
        assert_eq!(error.api_errors()[0].code, "REQUEST_LIMIT_EXCEEDED");
        assert_eq!(error.status_code().as_u16(), 503);
        let pause = Duration::from_secs(10)..=Duration::from_secs(15);
        assert!(
            error.retry_after().is_some_and(|after| pause.contains(&after)),
            "the first one knows it too"
        );
    }
    assert_eq!(count(&to_free).await.unwrap(), 40);
}

/// Too many calls at a time pass sooner than the limit of the day.
#[actix_web::test]
async fn after_a_burst_one_call_tries_and_lets_the_others_in() {
    let org = org().await;
    let (_app, [sf]) = connections([&org], |builder| builder).await;
    let burst = Fault::RawBody {
        status: 403,
        content_type: "application/json".into(),
        body: br#"[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"ConcurrentRequests Limit exceeded."}]"#
            .to_vec()
            .into(),
    };
    org.faults().at(Route::Api, burst.once());
    assert!(matches!(count(&sf).await, Err(Error::LimitExceeded { .. })));
    let error = count(&sf).await.unwrap_err();
    assert!(error.retry_after().unwrap() <= Duration::from_secs(1));
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    org.faults().at(Route::Api, Fault::Delay(Duration::from_millis(300)).once());
    let responses = join_all((0..10).map(|_| count(&sf))).await;
    assert_eq!(responses.iter().filter(|response| response.is_ok()).count(), 1, "{responses:?}");
    assert!(join_all((0..10).map(|_| count(&sf))).await.iter().all(Result::is_ok));
}

/// Work that can be left out is, once most of the day's calls are used.
#[actix_web::test]
async fn optional_calls_are_left_out_when_the_allocation_runs_low() {
    let org = FakeOrg::builder().execution_user(ADA).api_limit(10).start().await.unwrap();
    let (_app, [sf]) = connections([&org], |builder| builder.low_priority_quota_percent(50)).await;
    let optional = sf.with_low_priority();
    assert!(count(&optional).await.is_ok(), "nothing is known yet");
    for _ in 0..4 {
        count(&optional).await.unwrap();
    }
    count(&sf).await.unwrap();
    let before = org.requests().len();
    let error = count(&optional).await.unwrap_err();
    assert!(
        matches!(&error, Error::QuotaReserved { usage, .. } if usage.used == 6 && usage.allowed == 10),
        "{error:?}"
    );
    assert_eq!(org.requests().len(), before, "nothing is sent");
    assert_eq!(error.status_code().as_u16(), 503);
    assert!(count(&sf).await.is_ok(), "the rest is for what cannot be left out");
}

/// R-63: the table of what may be sent again, and the caller who knows better.
#[actix_web::test]
async fn the_caller_may_know_better_what_can_be_sent_twice() {
    let org = org().await;
    let (_app, [sf]) = connections([&org], |builder| builder).await;
    let ids: Vec<Value> = sf.query("SELECT Id FROM Account LIMIT 1").fetch_all().await.unwrap();
    let id: actix_salesforce::SalesforceId = ids[0]["Id"].as_str().unwrap().parse().unwrap();
    let change = json!({ "Phone": "1" });
    org.faults().at(Route::Api, Fault::LoseResponse.once());
    assert!(sf.sobject("Account").update(id, &change).await.is_err(), "a change may be more than it seems");
    org.faults().at(Route::Api, Fault::LoseResponse.once());
    let sets_values = sf.with_retry(Retry::default().idempotent(true));
    sets_values.sobject("Account").update(id, &change).await.unwrap();

    org.faults().clear();
    org.faults().at(Route::Api, Fault::Status(503));
    for (retry, calls) in [
        (Retry::none(), 1),
        (Retry::default().max_retries(1).initial_backoff(Duration::ZERO), 2),
        (Retry::default().idempotent(false), 1),
        (Retry::default().retry_timeout(Duration::ZERO), 1),
    ] {
        org.clear_requests();
        assert!(count(&sf.with_retry(retry)).await.is_err());
        assert_eq!(org.requests().len(), calls, "{retry:?}");
    }
    org.faults().clear();
    org.faults().at(Route::Api, Fault::RetryAfter { status: 503, seconds: 1 }.once());
    let began = Instant::now();
    assert_eq!(count(&sf).await.unwrap(), 40);
    assert!(began.elapsed() >= Duration::from_secs(1), "what Salesforce asks for is kept");
    org.faults().at(Route::Api, Fault::RetryAfter { status: 503, seconds: 60 });
    let began = Instant::now();
    let error = count(&sf).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(1), "a wait beyond the limit is reported at once");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
}

#[actix_web::test]
async fn a_deadline_is_kept() {
    let org = org().await;
    let (_app, [sf]) = connections([&org], |builder| builder).await;
    org.faults().at(Route::Api, Fault::Delay(Duration::from_secs(10)));
    let began = Instant::now();
    let sf = sf.with_timeout(Duration::from_millis(300)).with_retry(Retry::none());
    assert!(count(&sf).await.unwrap_err().is_transient());
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[actix_web::test]
async fn each_call_says_who_it_is_of() {
    let org = org().await;
    let (_app, [sf]) = connections([&org], |builder| builder.client_name("acme-portal")).await;
    let last = || {
        let requests = org.requests();
        requests.last().and_then(|request| request.header("sforce-call-options").map(str::to_owned))
    };
    count(&sf).await.unwrap();
    assert_eq!(last().as_deref(), Some("client=acme-portal"));
    let options = CallOptions::default().client("job").unwrap().default_namespace("acme").unwrap();
    count(&sf.with_call_options(&options)).await.unwrap();
    assert_eq!(last().as_deref(), Some("client=job; defaultNamespace=acme"));
    sf.get("limits").header("Sforce-Call-Options", "client=mine").send().await.unwrap();
    assert_eq!(last().as_deref(), Some("client=mine"));
    for name in ["", "a b", "a;b", "a\r\nb", "ä"] {
        let error = Salesforce::builder().client_id("x").client_name(name).build().await.unwrap_err();
        assert!(error.to_string().contains("api.client_name"), "{error}");
    }
}

/// gzip both ways: large bodies go out compressed, small ones as they are; responses may come compressed.
#[actix_web::test]
async fn large_bodies_go_out_compressed() {
    let org = org().await;
    let (_app, [sf]) = connections([&org], |builder| builder).await;
    let many: Vec<_> =
        (0..200).map(|n| json!({ "Name": format!("Zebra {n}"), "Description": "x".repeat(200) })).collect();
    assert!(sf.sobject("Account").create_many(&many).await.unwrap().iter().all(Result::is_ok));
    let sent = org.requests().pop().unwrap();
    assert_eq!(sent.header("content-encoding"), Some("gzip"));
    let length: usize = sent.header("content-length").unwrap().parse().unwrap();
    assert!(length < 10_000, "{length} bytes of 50 KB");
    assert_eq!(
        sf.query::<()>("SELECT COUNT() FROM Account WHERE Name LIKE 'Zebra%'").count().await.unwrap(),
        200
    );
    sf.sobject("Account").create(&json!({ "Name": "Small" })).await.unwrap();
    assert_eq!(org.requests().pop().unwrap().header("content-encoding"), None);
    assert_eq!(org.requests().pop().unwrap().header("accept-encoding"), Some("gzip"));
}
