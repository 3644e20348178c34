//! The connection of a service user: client credentials and JWT bearer, one token for all who use it, and what is said
//! when Salesforce gives none.

use std::time::{Duration, Instant};

use crate::support::{Client, app::listen, logs, reserve, serve};
use actix_salesforce::{
    Config, Connection, Error, Salesforce, SalesforceBuilder, Secret,
    oauth::{LoginHost, OAuthApp, OAuthError},
    token::{PrivateKey, ServiceUser},
};
use actix_web::{App as WebApp, Responder, ResponseError as _, get, web};
use futures_util::future::join_all;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use salesforce_fake_org::{FakeOrg, Fault, PermittedUsers, Route};

const ROBOT: &str = "robot@example.com";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

fn settings(org: &FakeOrg) -> SalesforceBuilder {
    Salesforce::builder()
        .client_id(org.client_id())
        .client_secret(org.client_secret())
        .login_url(org.login_url())
        .allowed_origin(org.instance_url())
}

fn my_domain(org: &FakeOrg) -> LoginHost {
    org.instance_url().parse().unwrap()
}

/// A private key in PEM, and its certificate.
fn key() -> (String, String) {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    (key.serialize_pem(), certificate.pem())
}

/// An org whose administrator allowed the app for Robot, and Robot's private key.
async fn with_certificate() -> (FakeOrg, String) {
    let (key, certificate) = key();
    let org = FakeOrg::builder().certificate(&certificate).unwrap().execution_user(ROBOT);
    let org = org.permitted_users(PermittedUsers::AdminApproved(vec![ROBOT.into()])).start().await.unwrap();
    let _ = org.user(ROBOT);
    (org, key)
}

fn jwt_user(org: &FakeOrg, key: &str) -> ServiceUser {
    let key = PrivateKey::from_pem(&key.into()).unwrap();
    ServiceUser::jwt_bearer(org.login_url().parse().unwrap(), ROBOT, key)
}

async fn with_client_credentials() -> (FakeOrg, Salesforce) {
    let org = FakeOrg::builder().execution_user(ROBOT).start().await.unwrap();
    let _ = org.user(ROBOT);
    let user = ServiceUser::client_credentials(my_domain(&org));
    let salesforce = settings(&org).service_user(user).build().await.unwrap();
    (org, salesforce)
}

/// What a job and a handler share.
async fn count(sf: &Connection) -> actix_salesforce::Result<u64> {
    sf.query::<()>("SELECT COUNT() FROM Account").count().await
}

#[actix_web::test]
async fn client_credentials_give_a_connection_without_a_login() {
    let (org, salesforce) = with_client_credentials().await;
    let sf = salesforce.service_connection().await.unwrap();
    assert_eq!(count(&sf).await.unwrap(), 40);
    assert_eq!(sf.identity().await.unwrap().username, ROBOT);
    assert_eq!(sf.organization_id().to_string(), org.organization_id());
    assert_eq!(sf.user_id().to_string(), org.user(ROBOT).id());
    let token_call = org.requests().into_iter().find(|request| request.path.ends_with("/token")).unwrap();
    assert_eq!(token_call.query, None, "the secret is in no URL");
    assert!(!token_call.form.contains_key("scope"), "Salesforce refuses it here");
}

/// The lists of orgs hold for service users as for logins.
#[actix_web::test]
async fn a_service_user_of_an_org_that_the_settings_do_not_let_in_gives_no_connection() {
    let org = FakeOrg::builder().execution_user(ROBOT).start().await.unwrap();
    let _ = org.user(ROBOT);
    let user = ServiceUser::client_credentials(my_domain(&org));
    const OTHER: &str = "00D000000000001EAA";
    let id = org.organization_id().to_string();
    for (allowed, denied, is_let_in) in [
        (vec![], vec![id.as_str()], false),
        (vec![OTHER], vec![], false),
        (vec![id.as_str()], vec![OTHER], true),
    ] {
        let settings = settings(&org).allowed_orgs(allowed).denied_orgs(denied).service_user(user.clone());
        let salesforce = settings.build().await.unwrap();
        for connection in
            [salesforce.service_connection().await, salesforce.service_connection_for(&user).await]
        {
            match connection {
                Ok(_) => assert!(is_let_in),
                Err(error) => assert!(matches!(error, Error::OrgNotAllowed) && !is_let_in, "{error:?}"),
            }
        }
    }
}

#[actix_web::test]
async fn jwt_bearer_gives_one_too_and_sends_no_secret() {
    let (org, key) = with_certificate().await;
    let salesforce = settings(&org).service_user(jwt_user(&org, &key)).build().await.unwrap();
    let sf = salesforce.service_connection().await.unwrap();
    assert_eq!(sf.identity().await.unwrap().username, ROBOT);
    org.expire_access_tokens();
    assert_eq!(count(&sf).await.unwrap(), 40);
    assert_eq!(org.token_calls(JWT_BEARER), 2, "each with a separate assertion");
    let token_call = org.requests().into_iter().find(|request| request.path.ends_with("/token")).unwrap();
    assert!(!token_call.body.contains(&org.client_secret()));
}

/// One token call, however many begin at a time, and one more when the token has expired.
#[actix_web::test]
async fn a_hundred_jobs_share_one_token_and_one_renewal() {
    let (org, salesforce) = with_client_credentials().await;
    org.faults().token_endpoint(Fault::Delay(Duration::from_millis(300)));
    let connections = join_all((0..100).map(|_| salesforce.service_connection())).await;
    let connections: Vec<_> = connections.into_iter().map(Result::unwrap).collect();
    assert_eq!(org.token_calls("client_credentials"), 1);
    org.expire_access_tokens();
    let counts = join_all(connections.iter().map(count)).await;
    assert!(counts.into_iter().all(|count| count.is_ok_and(|count| count == 40)));
    assert_eq!(org.token_calls("client_credentials"), 2);
}

/// The one that began the renewal goes away; those who wait are served all the same.
#[actix_web::test]
async fn a_job_that_gives_up_ends_no_other_job() {
    let (org, salesforce) = with_client_credentials().await;
    org.faults().token_endpoint(Fault::Delay(Duration::from_millis(500)));
    let impatient = tokio::time::timeout(Duration::from_millis(100), salesforce.service_connection()).await;
    assert!(impatient.is_err());
    let sf = salesforce.service_connection().await.unwrap();
    assert_eq!(count(&sf).await.unwrap(), 40);
    assert_eq!(org.token_calls("client_credentials"), 1);
}

fn refusal(error: &Error) -> &str {
    let Error::ServiceUser(source) = error else { panic!("{error:?}") };
    source.error_code().unwrap_or_default()
}

#[actix_web::test]
async fn what_only_an_administrator_can_fix_is_a_separate_error_and_not_retried_at_once() {
    logs::capture();
    let (org, right_key) = with_certificate().await;
    org.set_execution_user(None);
    let salesforce = settings(&org).build().await.unwrap();
    assert!(matches!(salesforce.service_connection().await, Err(Error::NoServiceUser)));

    let no_user = ServiceUser::client_credentials(my_domain(&org));
    let wrong_host = ServiceUser::client_credentials(org.login_url().parse().unwrap());
    let stranger =
        ServiceUser::client_credentials(my_domain(&org)).with_app(OAuthApp::new("another", Some("x".into())));
    let wrong_audience = jwt_user(&org, &right_key).audience("https://elsewhere.example");
    let host: LoginHost = org.login_url().parse().unwrap();
    let wrong_key = PrivateKey::from_pem(&key().0.into()).unwrap();
    let wrong_key = ServiceUser::jwt_bearer(host, "ada@example.com", wrong_key);
    for (user, code, description) in [
        (&no_user, "invalid_grant", "no client credentials user enabled"),
        (&wrong_host, "invalid_grant", "request not supported on this domain"),
        (&stranger, "invalid_client_id", "client identifier invalid"),
        // One code, and each its own description (W-10).
        (&wrong_audience, "invalid_grant", "audience is invalid"),
        (&wrong_key, "invalid_grant", "invalid assertion"),
    ] {
        let error = salesforce.service_connection_for(user).await.unwrap_err();
        assert_eq!(refusal(&error), code, "{user:?}");
        let Error::ServiceUser(source) = &error else { panic!("{error:?}") };
        assert_eq!(source.description(), Some(description), "{user:?}");
        assert!(source.to_string().ends_with(description), "{source}");
        let line =
            logs::text().lines().rfind(|line| line.contains("token request failed")).unwrap().to_owned();
        assert!(line.contains("ERROR") && line.contains(description), "{line}");
        assert!(!error.needs_login() && !error.is_transient());
        assert_eq!(error.status_code().as_u16(), 500);
        let before = org.requests().len();
        assert_eq!(refusal(&salesforce.service_connection_for(user).await.unwrap_err()), code);
        assert_eq!(org.requests().len(), before, "{user:?}: the refusal is remembered for a while");
    }
    let shared: LoginHost = "https://login.salesforce.com".parse().unwrap();
    let error =
        salesforce.service_connection_for(&ServiceUser::client_credentials(shared)).await.unwrap_err();
    let Error::ServiceUser(source) = &error else { panic!("{error:?}") };
    assert!(matches!(**source, OAuthError::NeedsMyDomain), "{error:?}");
}

#[actix_web::test]
async fn an_outage_is_one_and_ends() {
    let (org, salesforce) = with_client_credentials().await;
    let fault = org.faults().token_endpoint(Fault::Status(503));
    let error = salesforce.service_connection().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }) && error.is_transient(), "{error:?}");
    assert_eq!(org.token_calls("client_credentials"), 3, "two retries");
    let (again, third) = (salesforce.service_connection().await, salesforce.service_connection().await);
    assert!(again.is_err() && third.is_err());
    assert_eq!(org.token_calls("client_credentials"), 3, "not during the cool-down");
    fault.remove();
    tokio::time::sleep(error.retry_after().unwrap()).await;
    assert!(salesforce.service_connection().await.is_ok());

    // A lost response is asked for again: nothing rotates here.
    let (org, salesforce) = with_client_credentials().await;
    org.faults().at(Route::Token, Fault::LoseResponse.once());
    assert!(salesforce.service_connection().await.is_ok());
    for fault in [Fault::Html, Fault::Garbage, Fault::Empty200, Fault::Truncated] {
        let (org, salesforce) = with_client_credentials().await;
        org.faults().at(Route::Token, fault.clone());
        assert!(salesforce.service_connection().await.unwrap_err().is_transient(), "{fault:?}");
    }
}

/// A token that is refused although it is new is not replaced with every request: that would use up the user's logins.
#[actix_web::test]
async fn a_new_token_that_is_refused_is_not_replaced_again_and_again() {
    let (org, salesforce) = with_client_credentials().await;
    let sf = salesforce.service_connection().await.unwrap();
    let refused = Fault::ApiError {
        status: 401,
        code: "INVALID_SESSION_ID".into(),
        message: "Session expired or invalid".into(),
    };
    org.faults().at(Route::Api, refused);
    for _ in 0..20 {
        assert!(count(&sf).await.is_err());
    }
    assert_eq!(org.token_calls("client_credentials"), 2);
}

/// F-18 for long-running jobs, and an administrator who changes whom the app runs as.
#[actix_web::test]
async fn the_user_can_be_changed_while_the_app_runs() {
    let (org, salesforce) = with_client_credentials().await;
    let sf = salesforce.service_connection().await.unwrap();
    let grace = org.user("grace@example.com");
    org.set_execution_user(Some(grace.username()));
    org.expire_access_tokens();
    assert_eq!(count(&sf).await.unwrap(), 40);
    assert_eq!(sf.identity().await.unwrap().username, "grace@example.com");
    assert_eq!(sf.user_id().to_string(), grace.id());
}

#[actix_web::test]
async fn the_settings_are_checked_and_never_repeated() {
    let (org, key) = with_certificate().await;
    let key = key.replace('\n', "\\n");
    let instance = org.instance_url();
    let base = [
        ("SALESFORCE_CLIENT_ID", org.client_id()),
        ("SALESFORCE_CLIENT_SECRET", org.client_secret()),
        ("SALESFORCE_LOGIN_URL", org.login_url()),
    ];
    let with = |more: Vec<(&'static str, String)>| {
        let all: Vec<_> = base.iter().cloned().chain(more).collect();
        Config::from_variables(|name| {
            all.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
        })
    };
    let url = ("SALESFORCE_SERVICE_URL", instance.clone());
    let good = Salesforce::from_config(with(vec![url.clone()])).await.unwrap();
    assert_eq!(count(&good.service_connection().await.unwrap()).await.unwrap(), 40);
    let name = ("SALESFORCE_SERVICE_USERNAME", ROBOT.to_owned());
    let good =
        Salesforce::from_config(with(vec![url.clone(), name.clone(), ("SALESFORCE_SERVICE_KEY", key)])).await;
    assert_eq!(count(&good.unwrap().service_connection().await.unwrap()).await.unwrap(), 40);

    for (setting, more) in [
        ("SALESFORCE_SERVICE_KEY", vec![url.clone(), name.clone()]),
        ("SALESFORCE_SERVICE_KEY", vec![url.clone(), name, ("SALESFORCE_SERVICE_KEY", "canary".into())]),
        ("SALESFORCE_SERVICE_USERNAME", vec![url.clone(), ("SALESFORCE_SERVICE_KEY", "canary".into())]),
        ("SALESFORCE_SERVICE_URL", vec![("SALESFORCE_SERVICE_URL", "https://login.salesforce.com".into())]),
        ("SALESFORCE_SERVICE_URL", vec![("SALESFORCE_SERVICE_URL", "http://canary.example".into())]),
        (
            "SALESFORCE_SERVICE_CLIENT_ID",
            vec![url.clone(), ("SALESFORCE_SERVICE_CLIENT_SECRET", "canary".into())],
        ),
        ("SALESFORCE_CLIENT_SECRET", vec![url, ("SALESFORCE_SERVICE_CLIENT_ID", "canary".into())]),
    ] {
        let error = Salesforce::from_config(with(more)).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(setting), "{setting}: {text}");
        assert!(!text.contains("canary"), "{text}");
    }
}

#[actix_web::test]
async fn neither_key_nor_secret_nor_token_is_printed() {
    let (org, salesforce) = with_client_credentials().await;
    let sf = salesforce.service_connection().await.unwrap();
    let token = org.live_access_tokens(&org.user(ROBOT)).remove(0);
    let (key, _) = key();
    let user = jwt_user(&org, &key).with_app(OAuthApp::new("a", Some(Secret::new("canary-secret"))));
    let key_line = key.lines().nth(3).unwrap().to_owned();
    let printed =
        format!("{sf:?} {salesforce:?} {user:?} {:?}", salesforce.service_connection_for(&user).await);
    for secret in [token.as_str(), "canary-secret", key_line.as_str()] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

/// Its `Salesforce` renews the tokens: without it there is an error, not a thread that waits for itself.
#[actix_web::test]
async fn a_connection_that_outlives_its_salesforce_ends_with_an_error() {
    let (org, salesforce) = with_client_credentials().await;
    let sf = salesforce.service_connection().await.unwrap();
    drop(salesforce);
    assert_eq!(count(&sf).await.unwrap(), 40, "the token it has is good");
    org.expire_access_tokens();
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for _ in 0..2 {
            let _ = sender.send(runtime.block_on(count(&sf)).unwrap_err());
        }
    });
    for _ in 0..2 {
        let error = tokio::time::timeout(Duration::from_secs(5), receiver.recv()).await;
        let error = error.expect("it ends").expect("with an error");
        let Error::Unavailable { source, .. } = &error else { panic!("{error:?}") };
        assert!(source.to_string().contains("was dropped"), "{source}");
    }
}

/// A handler works as the service user too, in every worker.
#[get("/count")]
async fn counted(salesforce: web::Data<Salesforce>) -> actix_salesforce::Result<impl Responder> {
    Ok(count(&salesforce.service_connection().await?).await?.to_string())
}

#[actix_web::test]
async fn handlers_and_jobs_share_the_user() {
    let (org, salesforce) = with_client_credentials().await;
    let (listener, url) = reserve();
    let shared = salesforce.clone();
    let _server = serve(listener, move |listener| {
        listen!(listener, 4, move || WebApp::new().app_data(web::Data::new(shared.clone())).service(counted))
    });
    let browser = Client::new();
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(browser.fetch(&format!("{url}/count")).await.body, "40");
    }
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(count(&salesforce.service_connection().await.unwrap()).await.unwrap(), 40);
    assert_eq!(org.token_calls("client_credentials"), 1);
}

#[actix_web::test]
async fn settings_choose_the_newest_version_and_name_api_hosts() {
    let (org, _) = with_client_credentials().await;
    let user = ServiceUser::client_credentials(my_domain(&org));
    let settings = || settings(&org).service_user(user.clone()).api_version("newest");
    let salesforce = settings().allowed_origin(org.api_url()).api_host(org.api_url()).build().await.unwrap();
    let sf = salesforce.service_connection().await.unwrap();
    sf.limits().await.unwrap();
    assert_eq!(sf.api_version().to_string(), "68.0");
    assert!(org.requests().iter().any(|request| request.path == "/services/data/v68.0/limits"));
    assert!(sf.api_host(&org.api_url()).is_ok());
    let other = sf.api_host("api.salesforce.com").unwrap_err();
    assert!(matches!(other, Error::InvalidRequest(_)), "{other:?}");

    let error = settings().api_version("oldest").api_host("evil.example").build().await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(text.contains("SALESFORCE_API_VERSION") && text.contains("SALESFORCE_API_HOSTS"), "{text}");
}
