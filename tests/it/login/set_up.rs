//! Logins that fail because the app is set up wrongly: what the page says, and what the log has.

use std::time::{Duration, Instant};

use crate::support::{ADA, Client, LOGIN, TestApp, app::standard, client::query, logs, reserve};
use actix_salesforce::{Config, Salesforce};
use salesforce_fake_org::{FakeOrg, Fault};
use serde_json::json;

/// The error lines of the log that name this text.
fn errors_with(text: &str) -> Vec<String> {
    logs::text()
        .lines()
        .filter(|line| line.contains("ERROR") && line.contains(text))
        .map(str::to_owned)
        .collect()
}

#[actix_web::test]
async fn a_wrong_client_secret_is_not_called_a_missing_installation() {
    logs::capture();
    let app = TestApp::with(|builder| builder.client_secret("not-the-secret-of-this-app")).await;
    let browser = Client::new();
    let callback = app.callback_of(&browser).await;
    let page = browser.open(callback.as_str()).await;
    assert_eq!(page.status, 500, "{page:?}");
    assert!(!page.body.contains("install") && page.body.contains("not set up correctly"), "{page:?}");
    let lines = errors_with("SALESFORCE_CLIENT_SECRET");
    assert!(lines.iter().any(|line| line.contains("invalid client credentials")), "{lines:?}");
    assert!(!logs::text().contains("not-the-secret-of-this-app"));
}

/// The stage decides: at the authorization endpoint no secret is sent, and the description tells the cases apart.
#[actix_web::test]
async fn a_missing_installation_is_still_explained() {
    let app = TestApp::start().await;
    let browser = Client::new();
    let callback = app.callback_of(&browser).await;
    let fault = |error: &str, description: &str| Fault::OauthError {
        error: error.to_owned(),
        description: description.to_owned(),
        status: 400,
    };
    app.org.faults().token_endpoint(fault("invalid_client", "app must be installed into org").once());
    let page = browser.open(callback.as_str()).await;
    assert_eq!(page.status, 403, "{page:?}");
    assert!(page.body.contains("has to be installed"), "{page:?}");

    let callback = app.callback_of(&browser).await;
    let mut refused = callback.clone();
    let state = query(&callback, "state").unwrap();
    refused.query_pairs_mut().clear().append_pair("error", "invalid_client").append_pair("state", &state);
    let page = browser.open(refused.as_str()).await;
    assert!(page.status == 403 && page.body.contains("has to be installed"), "{page:?}");

    // An app of one org, at the login host that all orgs share.
    let callback = app.callback_of(&browser).await;
    app.org.faults().token_endpoint(fault("invalid_client_id", "client identifier invalid").once());
    let page = browser.open(callback.as_str()).await;
    assert!(page.status == 400 && page.body.contains("My Domain"), "{page:?}");
}

#[actix_web::test]
async fn an_instance_that_is_not_allowed_is_named_in_the_log_and_its_tokens_are_revoked() {
    logs::capture();
    for instance in
        ["https://acme.my.salesforce.mil", "https://acme.my.sfcrmproducts.cn", "http://127.0.0.1:9"]
    {
        let org = FakeOrg::start().await.unwrap();
        org.sign_in(&org.user(ADA));
        let app = TestApp::around(org, |builder| builder).await;
        let browser = Client::new();
        let callback = app.callback_of(&browser).await;
        app.org.faults().token_endpoint(Fault::MergeJson(json!({ "instance_url": instance })).once());
        let page = browser.open(callback.as_str()).await;
        assert_eq!(page.status, 500, "{page:?}");
        assert!(
            page.body.contains("set-up refuses") && !page.body.contains("could not be reached"),
            "{page:?}"
        );
        assert!(!page.body.contains("acme"), "the address is in the log only: {page:?}");
        assert!(page.header("retry-after").is_empty(), "{page:?}");
        let lines = errors_with(instance);
        assert!(
            lines.iter().any(|line| line.contains("SALESFORCE_ALLOWED_ORIGINS")),
            "{instance}: {lines:?}"
        );
        assert!(!app.is_logged_in(&browser).await);
        let started = Instant::now();
        while !app.org.live_refresh_tokens(&app.org.user(ADA)).is_empty() {
            assert!(started.elapsed() < Duration::from_secs(10), "the tokens are revoked");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Mounted secrets end with a line break, and some tools write the quotes of an `.env` file into the value.
#[actix_web::test]
async fn blanks_line_breaks_and_quotes_around_each_setting_do_no_harm() {
    for around in [
        |text: String| format!("{text}\r\n"),
        |text| format!(" \"{text}\"\n"),
        |text| format!("\u{feff}'{text}' "),
    ] {
        let org = FakeOrg::start().await.unwrap();
        org.sign_in(&org.user(ADA));
        let (listener, url) = reserve();
        let config = Config::from_variables(|name| {
            let value = match name {
                "SALESFORCE_CLIENT_ID" => org.client_id(),
                "SALESFORCE_CLIENT_SECRET" => org.client_secret(),
                "SALESFORCE_LOGIN_URL" => org.login_url(),
                "SALESFORCE_ALLOWED_ORIGINS" => format!("{} https://other.example", org.instance_url()),
                "SALESFORCE_PUBLIC_URL" => url.clone(),
                "SALESFORCE_SCOPES" => "api openid refresh_token".to_owned(),
                "SALESFORCE_API_VERSION" => "66.0".to_owned(),
                "SALESFORCE_KEYS" => "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=".to_owned(),
                "SALESFORCE_COOKIE_NAME" => "tested".to_owned(),
                "SALESFORCE_IDLE_TIMEOUT" => "24h".to_owned(),
                "SALESFORCE_MAX_LIFETIME" => "30d".to_owned(),
                "SALESFORCE_STORE" => "memory:".to_owned(),
                _ => return None,
            };
            Some(around(value))
        });
        let app = standard(listener, 1, Salesforce::from_config(config).await.unwrap());
        assert_eq!(Client::new().visit(&format!("{}/whoami", app.url)).await.status, 200);

        // In code as well: a settings file has the same secrets.
        let app = TestApp::around(org, |builder| builder).await;
        let (id, secret) = (app.org.client_id(), app.org.client_secret());
        let app =
            TestApp::around(app.org, |builder| builder.client_id(around(id)).client_secret(around(secret)))
                .await;
        app.logged_in().await;
    }
}

#[actix_web::test]
async fn login_urls_as_people_copy_them_are_understood() {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let copied =
        format!("{}/services/oauth2/authorize/", org.login_url().to_uppercase().trim_end_matches('/'));
    let app = TestApp::around(org, |builder| builder.login_url(copied).allow_my_domain(true)).await;
    app.logged_in().await;
    for (host, leads_to) in [
        (format!("{}/login", app.org.login_url()), app.org.login_url()),
        (
            "ACME.lightning.force.com/lightning/page/home".to_owned(),
            "https://acme.my.salesforce.com".to_owned(),
        ),
        ("https://acme.my.salesforce.com/".to_owned(), "https://acme.my.salesforce.com".to_owned()),
        ("acme.my.salesforce.com".to_owned(), "https://acme.my.salesforce.com".to_owned()),
    ] {
        let host: String = url::form_urlencoded::byte_serialize(host.as_bytes()).collect();
        let page = Client::new().open(&app.url(&format!("{LOGIN}?host={host}"))).await;
        assert!(page.location().as_str().starts_with(&leads_to), "{host}: {page:?}");
    }
    for host in [
        "https://acme.my.salesforce.com:8443",
        "http://acme.my.salesforce.com",
        "evil.example",
        "acme.my.salesforce.com.evil.example",
        // The callback would not find this host again: no login may begin there.
        "https://a_b.my.salesforce.com",
    ] {
        let page = Client::new().open(&app.url(&format!("{LOGIN}?host={host}"))).await;
        assert_eq!(page.status, 400, "{host}: {page:?}");
    }
}

/// A service user without its URL was ignored.
#[actix_web::test]
async fn an_incomplete_service_user_is_named() {
    for name in ["SALESFORCE_SERVICE_USERNAME", "SALESFORCE_SERVICE_KEY", "SALESFORCE_SERVICE_CLIENT_ID"] {
        let config = Config::from_variables(|asked| match asked {
            "SALESFORCE_CLIENT_ID" => Some("3MVG9client".to_owned()),
            asked => (asked == name).then(|| "x".to_owned()),
        });
        let error = Salesforce::from_config(config).await.unwrap_err();
        assert!(
            error.problems().iter().any(|problem| problem.setting == "SALESFORCE_SERVICE_URL"),
            "{name}: {error}"
        );
    }
}

/// W-51. In a separate process: in this one, other tests have a subscriber.
#[actix_web::test]
async fn a_program_without_a_subscriber_is_told_once_where_failures_go() {
    const CHILD: &str = "TEST_WITHOUT_A_SUBSCRIBER";
    const NAME: &str = "login::set_up::a_program_without_a_subscriber_is_told_once_where_failures_go";

    if std::env::var_os(CHILD).is_some() {
        let _apps = [TestApp::start().await, TestApp::start().await];
        return;
    }
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let child = child.args(["--exact", NAME, "--nocapture"]).env(CHILD, "yes").output().unwrap();
    let printed = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{printed}");
    let hints: Vec<_> = printed.lines().filter(|line| line.contains("has no subscriber")).collect();
    assert_eq!(hints.len(), 1, "{printed}");
    assert!(hints[0].contains("`tracing_subscriber::fmt().init();` at the start of `main`"), "{printed}");
}
