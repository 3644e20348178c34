//! The token of a service user, where new tokens are rejected like the old ones.

use std::time::Duration;

use salesforce_fake_org::{FakeOrg, Fault};

use crate::{
    Client, Connection, Error,
    http::AllowedHosts,
    oauth::{LoginHost, OAuthApp, OAuthClient},
    token::{ServiceTokenSource, ServiceUser},
};

/// The first pause.
const PAUSE: Duration = Duration::from_secs(20);

async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

async fn connected(org: &FakeOrg) -> Connection {
    let host: LoginHost = org.instance_url().parse().unwrap();
    let hosts = AllowedHosts::new([host.as_url().clone()]);
    let client = Client::builder().allowed_hosts(hosts).build().unwrap();
    let app = OAuthApp::new(org.client_id(), Some(org.client_secret().into()));
    let oauth = OAuthClient::with_client(app, &client);
    let source = ServiceTokenSource::builder(oauth, ServiceUser::client_credentials(host)).build();
    Connection::new(&client, source.connect().await.unwrap())
}

/// A policy, such as an address that is not allowed: a job that runs often fetches no token each time.
#[tokio::test]
async fn new_tokens_that_are_rejected_cost_a_request_per_growing_pause() {
    let org = FakeOrg::builder().execution_user("ada@example.com").start().await.unwrap();
    let sf = connected(&org).await;
    let refusal = Fault::ApiError {
        status: 401,
        code: "INVALID_SESSION_ID".to_owned(),
        message: "Session expired or invalid".to_owned(),
    };
    let fault = org.faults().query(refusal);
    let query = async || sf.query::<()>("SELECT COUNT() FROM Account").count().await;
    let count = || org.token_calls("client_credentials");
    for _ in 0..20 {
        let error = query().await.unwrap_err();
        assert!(
            matches!(error, Error::ApiAccessDenied { status: 401, .. }),
            "what Salesforce says: {error:?}"
        );
    }
    assert_eq!(count(), 2, "the first token, and one more");
    pass(PAUSE).await;
    for _ in 0..5 {
        query().await.unwrap_err();
    }
    assert_eq!(count(), 3, "one more after the pause");
    pass(PAUSE + PAUSE / 2).await;
    query().await.unwrap_err();
    assert_eq!(count(), 3, "the second pause is longer");
    // The policy is gone.
    fault.remove();
    query().await.unwrap();
    assert_eq!(count(), 3);
}

/// Rejections of another day say nothing of this one: the first pause is a short one again.
#[tokio::test]
async fn rejected_tokens_hours_apart_are_not_in_a_row() {
    let org = FakeOrg::builder().execution_user("ada@example.com").start().await.unwrap();
    let sf = connected(&org).await;
    let refusal = || Fault::ApiError {
        status: 401,
        code: "INVALID_SESSION_ID".to_owned(),
        message: "Session expired or invalid".to_owned(),
    };
    let query = async || sf.query::<()>("SELECT COUNT() FROM Account").count().await;
    let count = || org.token_calls("client_credentials");
    let fault = org.faults().query(refusal());
    query().await.unwrap_err();
    pass(PAUSE).await;
    query().await.unwrap_err();
    assert_eq!(count(), 3, "two in a row");
    fault.remove();
    pass(Duration::from_secs(3 * 3_600)).await;
    query().await.unwrap();
    org.faults().query(refusal());
    query().await.unwrap_err();
    assert_eq!(count(), 4);
    pass(PAUSE).await;
    query().await.unwrap_err();
    assert_eq!(count(), 5, "one more after the first pause");
}
