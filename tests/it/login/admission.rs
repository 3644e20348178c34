//! Who may log in: denied and allowed orgs, sandboxes, and the app's own functions at the callback.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::support::{
    ADA, CALLBACK, Client, LOGIN, Page, Server, TestApp,
    app::{listen, standard},
    reserve, serve, settings_for,
};
use actix_salesforce::{
    Config, InvalidFacts, LoginDecision, LoginFacts, Salesforce, SalesforceBuilder, SalesforceUser,
    store::{GrantFilter, MemoryStore},
};
use actix_web::{App, Responder, web};
use salesforce_fake_org::{FakeOrg, Host, User};
use serde::{Deserialize, Serialize};
use serde_json::json;

pub(super) const BEN: &str = "ben@example.com";
pub(super) const KEY: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

#[derive(Serialize, Deserialize)]
struct Tenant {
    plan: String,
    seats: u32,
}

async fn tenant(tenant: LoginFacts<Tenant>) -> impl Responder {
    format!("{} {}", tenant.plan, tenant.seats)
}

/// An app of four workers that reads the facts of a login.
pub(super) async fn app_of(
    org: &FakeOrg,
    settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder,
) -> (Server, Salesforce) {
    let (listener, url) = reserve();
    let salesforce = settings(settings_for(org, &url)).build().await.unwrap();
    let wrapped = salesforce.clone();
    let server = serve(listener, move |listener| {
        listen!(listener, 4, move || {
            App::new()
                .route("/tenant", web::get().to(tenant))
                .route("/user", web::get().to(|user: SalesforceUser| async { web::Json(user) }))
                .wrap(wrapped.clone())
        })
    });
    (server, salesforce)
}

/// Logs in as this user, to the page where the login ends.
pub(super) async fn log_in(server: &Server, org: &FakeOrg, browser: &Client, name: &str) -> Page {
    org.sign_in(&org.user(name));
    browser.visit(&format!("{}{LOGIN}?return_to=/user", server.url)).await
}

/// The tokens of a refused login are revoked at the login host, and its instance was asked only for what is named.
pub(super) async fn asserts_undone(org: &FakeOrg, user: &User, salesforce: &Salesforce, asked: &[&str]) {
    let started = Instant::now();
    while !org.live_refresh_tokens(user).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(10), "the tokens are revoked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let requests = org.requests();
    let revoked: Vec<_> =
        requests.iter().filter(|request| request.path == "/services/oauth2/revoke").collect();
    assert_eq!(revoked.len(), 1);
    assert_eq!(revoked[0].host, Host::Login);
    let at_instance: Vec<_> = requests.iter().filter(|request| request.host == Host::Instance).collect();
    assert!(
        at_instance.iter().all(|request| asked.iter().any(|part| request.path.contains(part))),
        "{at_instance:?}"
    );
    assert_eq!(at_instance.is_empty(), asked.is_empty(), "{at_instance:?}");
    assert_eq!(salesforce.list_grants(GrantFilter::All).await.unwrap().len(), 0, "nothing is stored");
}

#[actix_web::test]
async fn an_org_that_may_not_come_in_is_told_so_and_leaves_nothing_behind() {
    for list in ["allowed", "denied", "both", "function"] {
        let org = FakeOrg::start().await.unwrap();
        let id = org.organization_id();
        let (server, salesforce) = app_of(&org, |builder| match list {
            "allowed" => builder.allowed_orgs(["00D000000000009EAA"]),
            "denied" => builder.denied_orgs([&id[..15]]),
            "both" => builder.allowed_orgs([id.clone()]).denied_orgs([id.clone()]),
            _ => builder.allow_org_if(|_| async { Ok::<_, std::io::Error>(false) }),
        })
        .await;
        let browser = Client::new();
        let page = log_in(&server, &org, &browser, ADA).await;
        assert_eq!((page.status, page.url.path()), (403, CALLBACK), "{list}: {page:?}");
        assert!(page.body.contains("this app is not for users of your Salesforce organization"), "{page:?}");
        assert!(page.body.contains("prompt=login"), "another user can log in: {page:?}");
        assert!(!page.sets_login(), "{page:?}");
        asserts_undone(&org, &org.user(ADA), &salesforce, &[]).await;
    }
}

#[actix_web::test]
async fn a_refused_login_leaves_the_browsers_login_alone() {
    let (org, denied) = (FakeOrg::start().await.unwrap(), FakeOrg::start().await.unwrap());
    denied.sign_in(&denied.user(ADA));
    org.sign_in(&org.user(ADA));
    let (id, login, instance) = (denied.organization_id(), denied.login_url(), denied.instance_url());
    let app = TestApp::around(org, |builder| {
        builder.login_host("other", login).allowed_origin(instance).denied_orgs([id])
    })
    .await;
    let browser = app.logged_in().await;
    let before = (browser.own_cookie(""), browser.fetch(&app.url("/user")).await.json());
    let page = browser.visit(&app.url(&format!("{LOGIN}?host=other"))).await;
    assert_eq!(page.status, 403, "{page:?}");
    assert_eq!((browser.own_cookie(""), browser.fetch(&app.url("/user")).await.json()), before);
    assert_eq!(browser.fetch(&app.url("/whoami")).await.body, ADA);
}

/// The lists hold for logins from before.
#[actix_web::test]
async fn a_login_of_an_org_that_is_denied_later_counts_no_more() {
    let org = FakeOrg::start().await.unwrap();
    let store = Arc::new(MemoryStore::default());
    let (before, salesforce) =
        app_of(&org, |builder| builder.keys(KEY).cookie_name("app").store(store.clone())).await;
    let browser = Client::new();
    assert_eq!(log_in(&before, &org, &browser, ADA).await.status, 200);
    let user = org.user(ADA);
    let user =
        actix_salesforce::UserRef::new(user.organization_id().parse().unwrap(), user.id().parse().unwrap());
    assert!(salesforce.user_connection(user).await.is_ok());
    let id = org.organization_id();
    let (after, salesforce) =
        app_of(&org, |builder| builder.keys(KEY).cookie_name("app").store(store.clone()).denied_orgs([id]))
            .await;
    assert_eq!(browser.fetch(&format!("{}/user", before.url)).await.status, 200);
    assert_eq!(browser.fetch(&format!("{}/user", after.url)).await.status, 401);
    let job = salesforce.user_connection(user).await;
    assert!(
        matches!(job, Err(actix_salesforce::Error::OrgNotAllowed)),
        "for work in the background, too: {job:?}"
    );
    let issued = serde_json::to_vec(&org.issue_tokens(&org.user(ADA), "api refresh_token")).unwrap();
    let tokens = salesforce.oauth().accept(salesforce.login_host(), &issued).unwrap();
    let imported = salesforce.import_tokens(&salesforce.login_host().clone(), tokens).await;
    assert!(
        matches!(&imported, Err(error) if error.to_string().contains("organization")),
        "and for imported tokens: {imported:?}"
    );
    assert_eq!(salesforce.list_grants(GrantFilter::All).await.unwrap().len(), 1, "nothing new is stored");
}

/// The variables of the environment, as an operator sets them.
#[actix_web::test]
async fn variables_say_which_orgs_and_whether_sandboxes_come_in() {
    for (name, value, is_sandbox, status) in [
        ("SALESFORCE_DENIED_ORGS", "00D000000000009EAA, {org}", false, 403),
        ("SALESFORCE_DENIED_ORGS", "00D000000000009EAA", false, 200),
        ("SALESFORCE_ALLOWED_ORGS", "00D000000000009EAA {org}", false, 200),
        ("SALESFORCE_ALLOWED_ORGS", "00D000000000009EAA", false, 403),
        ("SALESFORCE_ALLOW_SANDBOXES", "false", true, 403),
        ("SALESFORCE_ALLOW_SANDBOXES", "false", false, 200),
        ("SALESFORCE_ALLOW_SANDBOXES", "true", true, 200),
    ] {
        let org = FakeOrg::start().await.unwrap();
        org.set_policy(&json!({ "is_sandbox": is_sandbox })).unwrap();
        let (listener, url) = reserve();
        let value = value.replace("{org}", &org.organization_id());
        let config = Config::from_variables(|asked| match asked {
            "SALESFORCE_PUBLIC_URL" => Some(url.clone()),
            asked if asked == name => Some(value.clone()),
            asked => org.variable(asked),
        });
        let salesforce = Salesforce::from_config(config).await.unwrap();
        let server = standard(listener, 4, salesforce);
        let page = log_in(&server, &org, &Client::new(), ADA).await;
        assert_eq!(page.status, status, "{name}={value}: {page:?}");
    }
    for (name, value) in [("SALESFORCE_ALLOW_SANDBOXES", "maybe"), ("SALESFORCE_DENIED_ORGS", "acme")] {
        let org = FakeOrg::start().await.unwrap();
        let config = Config::from_variables(|asked| match asked {
            asked if asked == name => Some(value.to_owned()),
            asked => org.variable(asked),
        });
        let error = Salesforce::from_config(config).await.unwrap_err();
        assert_eq!(error.problems().iter().map(|problem| problem.setting).collect::<Vec<_>>(), [name]);
        assert!(!error.to_string().contains(value), "{error}");
    }
}

#[actix_web::test]
async fn the_apps_table_decides_on_orgs() {
    let org = FakeOrg::start().await.unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (heard, customers) = (Arc::clone(&asked), Arc::new(Mutex::new(Ok(true))));
    let responses = Arc::clone(&customers);
    let (server, salesforce) = app_of(&org, |builder| {
        builder.allow_org_if(move |org| {
            heard.lock().unwrap().push(org.to_string());
            let response = *responses.lock().unwrap();
            async move { response.map_err(|()| std::io::Error::other("the table is locked")) }
        })
    })
    .await;
    assert_eq!(log_in(&server, &org, &Client::new(), ADA).await.status, 200);
    assert_eq!(*asked.lock().unwrap(), [org.organization_id()]);
    salesforce.revoke_grants(GrantFilter::All).await.unwrap();

    let org = FakeOrg::builder().client(&org.client_id(), &org.client_secret()).start().await.unwrap();
    let (server, salesforce) = app_of(&org, |builder| {
        builder.allow_org_if(|_| async { Err::<bool, _>(std::io::Error::other("the table is locked")) })
    })
    .await;
    let page = log_in(&server, &org, &Client::new(), ADA).await;
    assert_eq!((page.status, page.header("retry-after").is_empty()), (503, false), "{page:?}");
    assert!(!page.body.contains("locked"), "{page:?}");
    asserts_undone(&org, &org.user(ADA), &salesforce, &[]).await;
}

#[actix_web::test]
async fn on_login_refuses_with_a_reason_that_the_user_reads() {
    let org = FakeOrg::start().await.unwrap();
    let (server, salesforce) = app_of(&org, |builder| {
        builder.on_login(|login| async move {
            // The org can be asked.
            let accounts = login.connection().query::<()>("SELECT COUNT() FROM Account").count().await?;
            assert!(accounts > 0 && login.display_name.is_some() && login.scopes.contains("api"));
            Ok::<_, actix_salesforce::Error>(LoginDecision::refuse("Your contract <ended>."))
        })
    })
    .await;
    let browser = Client::new();
    let page = log_in(&server, &org, &browser, ADA).await;
    assert_eq!(page.status, 403, "{page:?}");
    assert!(page.body.contains("Your contract &lt;ended&gt;."), "{page:?}");
    assert!(!page.sets_login());
    asserts_undone(&org, &org.user(ADA), &salesforce, &["/userinfo", "/query"]).await;
    assert_eq!(browser.fetch(&format!("{}/user", server.url)).await.status, 401);
}

#[actix_web::test]
async fn on_login_adds_facts_that_handlers_read() {
    let org = FakeOrg::start().await.unwrap();
    let store = Arc::new(MemoryStore::default());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let hook = move |login: actix_salesforce::VerifiedLogin| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            let seats = u32::try_from(login.username.unwrap_or_default().len()).unwrap();
            LoginDecision::allow_with(&Tenant { plan: "gold".to_owned(), seats })
        }
    };
    let shared = |builder: SalesforceBuilder| builder.keys(KEY).cookie_name("app").store(store.clone());
    let (plain, _) = app_of(&org, shared).await;
    let (server, _) = app_of(&org, |builder| shared(builder).on_login(hook)).await;
    let tenant = async |browser: &Client| browser.fetch(&format!("{}/tenant", server.url)).await;

    // A login from before the function: a page that offers a new one, and no loop.
    let browser = Client::new();
    assert_eq!(log_in(&plain, &org, &browser, ADA).await.status, 200);
    let page = tenant(&browser).await;
    assert_eq!((page.status, &page.json()["reason"]), (403, &"no_facts".into()), "{page:?}");

    assert_eq!(log_in(&server, &org, &browser, ADA).await.status, 200);
    assert_eq!((tenant(&browser).await.body, asked.load(Ordering::SeqCst)), ("gold 15".into(), 1));
    let other = Client::new();
    log_in(&server, &org, &other, "someone-else@example.com").await;
    assert_eq!(tenant(&other).await.body, "gold 24", "each login has its own");
    assert_eq!(tenant(&browser).await.body, "gold 15");
    assert_eq!(tenant(&Client::new()).await.status, 401);

    // The cookie shows nothing of them and cannot be given to another login.
    let (_, value) = browser.cookies("127.0.0.1").into_iter().find(|(name, _)| name == "app").unwrap();
    assert!(!value.contains("gold"));

    // A callback that comes twice, to the same process: the function is asked once.
    let (before, twin) = (asked.load(Ordering::SeqCst), Client::new());
    org.sign_in(&org.user(ADA));
    let callback = twin.visit_until(&format!("{}{LOGIN}?return_to=/tenant", server.url), CALLBACK).await;
    let copy = twin.copy();
    assert_eq!(twin.visit(callback.as_str()).await.body, "gold 15");
    assert_eq!(copy.visit(callback.as_str()).await.body, "gold 15");
    assert_eq!(asked.load(Ordering::SeqCst), before + 1);
}

/// Another process responses the second callback: it asks the function again.
#[actix_web::test]
async fn a_callback_that_comes_to_two_processes_has_its_facts_in_both() {
    let org = FakeOrg::start().await.unwrap();
    let store = Arc::new(MemoryStore::default());
    let asked = Arc::new(AtomicUsize::new(0));
    let (listener, url) = reserve();
    let build = async || {
        let count = Arc::clone(&asked);
        settings_for(&org, &url)
            .keys(KEY)
            .cookie_name("app")
            .store(store.clone())
            .on_login(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
                async { LoginDecision::allow_with(&Tenant { plan: "gold".to_owned(), seats: 7 }) }
            })
            .build()
            .await
            .unwrap()
    };
    let (one, two) = (build().await, build().await);
    let (second_listener, second_url) = reserve();
    let run = |listener, salesforce: Salesforce| {
        serve(listener, move |listener| {
            listen!(listener, 4, move || {
                App::new().route("/tenant", web::get().to(tenant)).wrap(salesforce.clone())
            })
        })
    };
    let (_first, _second) = (run(listener, one), run(second_listener, two));
    org.sign_in(&org.user(ADA));
    let browser = Client::new();
    let callback = browser.visit_until(&format!("{url}{LOGIN}?return_to=/tenant"), CALLBACK).await;
    let copy = browser.copy();
    assert_eq!(browser.visit(callback.as_str()).await.body, "gold 7");
    let elsewhere = format!("{second_url}{CALLBACK}?{}", callback.query().unwrap());
    assert_eq!(copy.visit(&elsewhere).await.body, "gold 7");
    assert_eq!((asked.load(Ordering::SeqCst), org.token_calls("authorization_code")), (2, 1));
}

#[actix_web::test]
async fn an_on_login_that_fails_or_says_too_much_is_a_503() {
    for what in ["error", "panic", "too large"] {
        let org = FakeOrg::start().await.unwrap();
        let (server, salesforce) =
            app_of(&org, |builder| {
                builder.on_login(move |_| async move {
                    match what {
                        "error" => Err(Box::<dyn std::error::Error + Send + Sync>::from("canary")),
                        "panic" => panic!("canary"),
                        _ => Ok(LoginDecision::allow_with(&"x".repeat(1_030))
                            .map_err(|error: InvalidFacts| error)?),
                    }
                })
            })
            .await;
        let page = log_in(&server, &org, &Client::new(), ADA).await;
        assert_eq!((page.status, page.header("retry-after").is_empty()), (503, false), "{what}: {page:?}");
        assert!(!page.body.contains("canary"), "{page:?}");
        asserts_undone(&org, &org.user(ADA), &salesforce, &["/userinfo"]).await;
    }
}
