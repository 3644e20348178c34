//! A link of the app opens a page of Salesforce without another login.

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
use salesforce_fake_org::FakeOrg;

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
    let org = FakeOrg::start().await.unwrap();
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

#[actix_web::test]
async fn a_login_without_the_scope_opens_no_page_and_nothing_is_sent() {
    let (org, salesforce, ada) = start("api refresh_token").await;
    let response = response(&salesforce, &ada, "/open/001").await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(single_access_requests(&org), 0);
    let error = ada.connection().frontdoor_url("/001").await.unwrap_err();
    assert!(error.to_string().contains("the token lacks the scope `web`"), "{error}");
}
