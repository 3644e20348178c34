//! Small examples as their users meet them: separate programs, driven over HTTP.

use crate::support::{ADA, CALLBACK, Client, Page, example::Example, free_port, servers::Folder};
use salesforce_fake_org::FakeOrg;

async fn start(name: &str) -> (FakeOrg, Example) {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let example = Example::start(name, &org).await;
    (org, example)
}

fn rows(page: &Page) -> usize {
    page.json().as_array().unwrap().len()
}

#[actix_web::test]
async fn the_quickstart_shows_accounts_to_who_logged_in() {
    let (_org, example) = start("quickstart").await;
    let browser = Client::new();
    assert_eq!(browser.fetch(&example.url("/accounts")).await.status, 401);
    assert_eq!(rows(&browser.visit(&example.url("/accounts")).await), 10);
}

/// W-46. The other examples start their logs in the same way.
#[actix_web::test]
async fn a_log_in_a_file_has_no_colour_codes() {
    let org = FakeOrg::start().await.unwrap();
    let folder = Folder::new("log");
    let path = folder.path().join("app.log");
    let example = Example::logging_to(std::fs::File::create(&path).unwrap(), "quickstart", &org, &[]).await;
    let lost = example.url(&format!("{CALLBACK}?error=access_denied&state=old"));
    assert_eq!(Client::new().open(&lost).await.status, 403);
    let log = std::fs::read_to_string(&path).unwrap();
    assert!(log.contains("INFO") && log.contains("WARN"), "{log}");
    assert!(!log.contains('\u{1b}'), "{log:?}");
}

#[actix_web::test]
async fn a_protected_scope_lets_in_one_permission_of_one_org() {
    let org = FakeOrg::start().await.unwrap();
    let access = serde_json::json!({ "custom_permissions": ["Manage_Invoices"] });
    org.set_user_access(&org.user(ADA), &access).unwrap();
    let id = org.organization_id();
    let example =
        Example::with("127.0.0.1", free_port(), "protect_scope", &org, &[("ORG", id.as_str())]).await;
    let log_in = async |name: &str| {
        org.sign_in(&org.user(name));
        Client::new().visit(&example.url("/")).await
    };
    assert!(log_in(ADA).await.body.contains("these are the open invoices"));
    let page = log_in("ben@example.com").await;
    assert!(page.status == 403 && page.body.contains("Manage_Invoices"), "{page:?}");
}

#[actix_web::test]
async fn a_login_by_hand_is_bound_to_its_browser_and_found_again() {
    let (org, example) = start("by_hand").await;
    let browser = Client::new();
    let callback = browser.visit_until(&example.url("/"), CALLBACK).await;
    assert_eq!(Client::new().open(callback.as_str()).await.status, 400, "not begun in that browser");
    assert_eq!(rows(&browser.visit(callback.as_str()).await), 5);
    assert_eq!(browser.open(callback.as_str()).await.status, 400, "it counts once");

    org.expire_access_tokens();
    assert_eq!(rows(&browser.fetch(&example.url("/accounts")).await), 5, "what was kept is renewed");
    assert_eq!(org.token_calls("refresh_token"), 1);
    assert_eq!(Client::new().fetch(&example.url("/accounts")).await.status, 401);
}

/// The public URL decides, as with the middleware's own cookies.
#[actix_web::test]
async fn a_login_by_hand_keeps_its_session_to_https_where_the_app_is_served_over_it() {
    let org = FakeOrg::start().await.unwrap();
    for (public_url, is_secure) in [("https://app.example", true), ("http://127.0.0.1:8080", false)] {
        let port = free_port();
        let bind = format!("127.0.0.1:{port}");
        let variables = [
            ("SALESFORCE_PUBLIC_URL", public_url),
            ("SALESFORCE_KEYS", "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk="),
            ("BIND", bind.as_str()),
        ];
        let example = Example::with("127.0.0.1", port, "by_hand", &org, &variables).await;
        let cookies = Client::new().open(&example.url("/oauth2/auth")).await.set_cookies();
        assert_eq!((cookies.len(), cookies[0].contains("; Secure")), (1, is_secure), "{cookies:?}");
    }
}

/// Two orgs in one browser: what the one has is in the other one afterwards, and nothing else is.
#[actix_web::test]
async fn accounts_are_copied_from_one_org_of_a_browser_to_the_other() {
    let source = FakeOrg::builder().rows(450).start().await.unwrap();
    let (id, secret) = (source.client_id(), source.client_secret());
    let target = FakeOrg::builder().client(&id, &secret).rows(0).start().await.unwrap();
    for org in [&source, &target] {
        org.sign_in(&org.user(ADA));
    }
    let (hosts, origins) = (
        format!("target={}", target.login_url()),
        format!("{} {}", source.instance_url(), target.instance_url()),
    );
    let more = [("SALESFORCE_LOGIN_HOSTS", &*hosts), ("SALESFORCE_ALLOWED_ORIGINS", &*origins)];
    let example = Example::with("127.0.0.1", free_port(), "copy_between_orgs", &source, &more).await;
    let browser = Client::new();
    let origin = example.url("");
    assert!(browser.visit(&example.url("/")).await.body.contains("Copy the accounts"));
    let add = [("add", "1"), ("host", "target"), ("return_to", "/")];
    let start = browser.submit(&example.url("/auth/salesforce/orgs"), &origin, &add).await;
    let page = browser.visit(start.location().as_str()).await;
    let (from, to) = (source.organization_id(), target.organization_id());
    assert!(page.body.contains(&from) && page.body.contains(&to), "{page:?}");
    let action = page.body.split('\'').nth(1).unwrap();

    let count = async |org: &FakeOrg| {
        let tokens = serde_json::to_value(org.issue_tokens(&org.user(ADA), "api")).unwrap();
        let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
        let url = format!("{}/services/data/v66.0/query?q=SELECT+COUNT()+FROM+Account", org.instance_url());
        let page = Client::new().send(reqwest::Method::GET, &url, &[("authorization", &*bearer)], None).await;
        page.json()["totalSize"].as_u64().unwrap()
    };
    let both = [("source", &*from), ("target", &*to)];
    let page = browser.submit(&example.url(action), "https://evil.example", &both).await;
    assert_eq!((page.status, count(&target).await), (403, 0), "{page:?}");
    let page = browser.submit(&example.url(action), &origin, &both).await;
    assert_eq!(page.body, "450 accounts copied, 0 refused", "{page:?}");
    assert_eq!((count(&source).await, count(&target).await), (450, 450));
    let (unknown, same) =
        ([("source", &*from), ("target", "00D000000000009EAA")], [("source", &*from), ("target", &*from)]);
    for fields in [unknown, same] {
        assert_eq!(browser.submit(&example.url(action), &origin, &fields).await.status, 403);
    }
}

/// The account of the app stays, and its connection to Salesforce works until the app ends it.
#[actix_web::test]
async fn an_account_of_the_app_connects_salesforce_and_ends_the_connection() {
    let org = FakeOrg::builder().rows(3).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let example = Example::start("connect_salesforce", &org).await;
    let (browser, origin) = (Client::new(), example.url(""));
    let (connect, name) = (example.url("/auth/salesforce/connect"), [("name", "prod")]);
    assert!(browser.visit(&example.url("/")).await.body.contains("Log in as account 7"));
    assert_eq!(browser.submit(&connect, &origin, &name).await.status, 401, "whose would it be?");

    assert_eq!(browser.submit(&example.url("/account/7"), &origin, &[]).await.status, 303);
    assert!(!browser.visit(&example.url("/")).await.body.contains("prod: "));
    let start = browser.submit(&connect, &origin, &name).await;
    browser.visit(start.location().as_str()).await;
    let page = browser.visit(&example.url("/")).await;
    assert!(page.body.contains("prod: 3 accounts"), "{page:?}");
    let other = Client::new();
    other.submit(&example.url("/account/8"), &origin, &[]).await;
    assert!(!other.visit(&example.url("/")).await.body.contains("prod: "), "of another account");

    browser.submit(&example.url("/end"), &origin, &name).await;
    assert!(!browser.visit(&example.url("/")).await.body.contains("prod: "));
    assert_eq!(org.live_refresh_tokens(&org.user(ADA)), [""; 0], "Salesforce knows that it has ended");
}

#[actix_web::test]
async fn a_record_is_opened_in_salesforce_without_another_login() {
    let (org, example) = start("open_in_salesforce").await;
    let browser = Client::new();
    let list = browser.visit(&example.url("/")).await;
    let links: Vec<_> = list.body.split('"').filter(|part| part.starts_with("/open/")).collect();
    assert_eq!(links.len(), 5, "{list:?}");
    let page = browser.open(&example.url(links[0])).await;
    assert_eq!(page.status, 303, "{page:?}");
    let location = page.location();
    assert!(location.as_str().starts_with(&org.instance_url()), "{location}");
    // A browser that has no login at Salesforce.
    let opened = Client::new().visit(location.as_str()).await;
    let id = links[0].trim_start_matches("/open/");
    // The fake org has no pages of records: what matters is where its front door leads.
    assert_eq!(opened.url.path(), format!("/{id}"), "{opened:?}");

    let page = browser.open(&example.url("/embedded")).await;
    assert!(page.body.contains(&format!("{}/lightning/lightning.out", org.instance_url())), "{page:?}");
    let url = browser.fetch(&example.url("/frontdoor")).await;
    assert_eq!(url.header("cache-control"), "no-store");
    assert!(url.json()["url"].as_str().unwrap().starts_with(&org.instance_url()), "{url:?}");
}

#[actix_web::test]
async fn pages_are_in_german_and_in_the_design_of_the_app() {
    let (org, example) = start("german_pages").await;
    let browser = Client::new();
    let denied = browser.open(&example.url("/auth/salesforce/callback?error=access_denied&state=x")).await;
    assert_eq!(denied.status, 403, "{denied:?}");
    for part in [
        "<html lang=\"de\">",
        "<h1>Zugriff nicht erlaubt</h1>",
        "<code>access_denied</code>",
        "Georgia, serif",
    ] {
        assert!(denied.body.contains(part), "{part}: {denied:?}");
    }
    let logout = browser.open(&example.url("/auth/salesforce/logout")).await;
    assert!(logout.body.contains("Abmelden?") && logout.body.contains("Angemeldet bleiben"), "{logout:?}");
    let add = browser.open(&example.url("/auth/salesforce/login?add=1")).await;
    assert!(add.body.contains("<button class=\"button\">Organisation hinzufügen</button>"), "{add:?}");
    let home = browser.visit(&example.url("/")).await;
    let name = org.user(ADA).display_name().to_owned();
    assert_eq!(home.body, format!("Guten Tag, {name}!"), "{home:?}");
    let orgs = browser.open(&example.url("/auth/salesforce/orgs")).await;
    for part in ["<h1>Ihre Organisationen</h1>", ADA, "<strong>aktuell</strong>", ">Dort abmelden</button>"] {
        assert!(orgs.body.contains(part), "{part}: {orgs:?}");
    }
}

#[cfg(feature = "events")]
#[actix_web::test]
async fn a_durable_consumer_starts_with_the_app_and_ends_with_it() {
    let org = FakeOrg::builder().execution_user(ADA).change_events(&["Account"]).start().await.unwrap();
    let (instance, events) = (org.instance_url(), org.pubsub().endpoint());
    let more = [("SALESFORCE_SERVICE_URL", &*instance), ("SALESFORCE_PUBSUB_URL", &*events)];
    let mut example = Example::with("127.0.0.1", free_port(), "consumer", &org, &more).await;
    let state = async || {
        let page = Client::new().fetch(&example.url("/ready")).await;
        page.json()["consumers"][0]["state"].as_str().unwrap().to_owned()
    };
    for _ in 0..200 {
        if state().await == "running" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(state().await, "running");
    assert!(example.terminate().await.success());
}
