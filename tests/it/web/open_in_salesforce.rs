//! A link of the app opens a page of Salesforce without another login.

use std::time::Duration;

use actix_salesforce::{
    Config, Result, Salesforce, SalesforceConn,
    testing::{TestUser, log_in_as},
};
use actix_web::{
    App, Responder,
    body::MessageBody,
    dev::ServiceResponse,
    http::{StatusCode, header},
    test::{call_service, init_service},
    web,
};
use salesforce_fake_org::{AccessTokens, FakeOrg};

use crate::support::{ADA, Client};

async fn open(sf: SalesforceConn, page: web::Path<String>) -> Result<impl Responder> {
    sf.frontdoor_url(&format!("/{page}")).await
}

/// Returns the response to a request for a page, which an app redirects to Salesforce.
async fn response(
    salesforce: &Salesforce,
    user: &TestUser,
    path: &str,
) -> ServiceResponse<impl MessageBody + use<>> {
    let app = App::new().route("/open/{page:.*}", web::get().to(open)).wrap(salesforce.clone());
    let app = init_service(app).await;
    call_service(&app, user.get(path).to_request()).await
}

async fn start(scopes: &str) -> (FakeOrg, Salesforce, TestUser) {
    start_at(FakeOrg::start().await.unwrap(), scopes).await
}

async fn start_at(org: FakeOrg, scopes: &str) -> (FakeOrg, Salesforce, TestUser) {
    let salesforce =
        Salesforce::from_config(Config::from_variables(|name| org.variable(name))).await.unwrap();
    let ada = log_in_as(&salesforce, &org.issue_tokens(&org.user(ADA), scopes)).await.unwrap();
    (org, salesforce, ada)
}

fn single_access_requests(org: &FakeOrg) -> usize {
    org.requests().iter().filter(|request| request.path.ends_with("/singleaccess")).count()
}

#[actix_web::test]
async fn a_link_opens_a_page_of_salesforce_without_another_login() {
    let (org, salesforce, ada) = start("api web refresh_token").await;
    // The access token is refreshed on the way: an expired one is a 403 here.
    org.expire_access_tokens();
    let response = response(&salesforce, &ada, "/open/lightning/page/home").await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let value = |name: header::HeaderName| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(value(header::CACHE_CONTROL), "no-store");
    assert_eq!(value(header::REFERRER_POLICY), "no-referrer");
    let location = value(header::LOCATION);
    assert!(location.starts_with(&format!("{}/secur/frontdoor.jsp?", org.instance_url())), "{location}");
    assert_eq!((org.token_calls("refresh_token"), single_access_requests(&org)), (1, 2));

    let (browser, second) = (Client::new(), Client::new());
    assert_eq!(browser.open(&location).await.header("location"), "/lightning/page/home");
    assert!(second.open(&location).await.header("location").contains("ec=302"), "it works once");
}

/// Other ways to open a page (`frontdoor.jsp?sid=`) refuse such a token.
#[actix_web::test]
async fn a_jwt_access_token_opens_a_page_too() {
    let org = FakeOrg::builder().access_tokens(AccessTokens::Jwt(Duration::from_secs(600)));
    let (org, salesforce, ada) = start_at(org.start().await.unwrap(), "api web refresh_token").await;
    let response = response(&salesforce, &ada, "/open/lightning/page/home").await;
    let location = response.headers().get(header::LOCATION).unwrap().to_str().unwrap().to_owned();
    assert!(location.starts_with(&format!("{}/secur/frontdoor.jsp?", org.instance_url())), "{location}");
    assert_eq!(Client::new().open(&location).await.header("location"), "/lightning/page/home");
    let sent = org.requests().into_iter().find(|request| request.path.ends_with("/singleaccess")).unwrap();
    assert_eq!(sent.header("authorization").unwrap().matches('.').count(), 2, "the token is a JWT");
}

#[actix_web::test]
async fn a_login_without_the_scope_opens_no_page_and_nothing_is_sent() {
    let (org, salesforce, ada) = start("api refresh_token").await;
    let response = response(&salesforce, &ada, "/open/001").await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(single_access_requests(&org), 0);
    let error = ada.connection().frontdoor_url("/001").await.unwrap_err();
    assert!(error.to_string().contains("the token lacks the scope `web`"), "{error}");
}
