//! The `accounts` example as its users meet it: the program itself, driven over HTTP (design, section 9).

use crate::support::{ADA, Client, Page, example::Example};
use reqwest::Method;
use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};

async fn start() -> (FakeOrg, Example, Client) {
    let org = FakeOrg::builder().rows(450).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let example = Example::start("accounts", &org).await;
    let browser = Client::new();
    assert_eq!(browser.visit(&example.url("/accounts")).await.status, 200, "Ada is logged in");
    (org, example, browser)
}

async fn post_json(browser: &Client, url: &str, origin: &str, body: &Value) -> Page {
    let headers = [("content-type", "application/json"), ("accept", "application/json"), ("origin", origin)];
    browser.send(Method::POST, url, &headers, Some(&body.to_string())).await
}

#[actix_web::test]
async fn the_home_page_needs_no_login() {
    let (org, example, browser) = start().await;
    let page = browser.visit(&example.url("/")).await;
    assert!(
        page.body.contains("You are logged in as <strong>Ada") && page.body.contains(&org.instance_url())
    );
    let stranger = Client::new().visit(&example.url("/")).await;
    assert_eq!(stranger.status, 200);
    assert!(stranger.body.contains("Log in with Salesforce"), "{stranger:?}");
}

#[actix_web::test]
async fn everything_else_is_protected() {
    let (_org, example, browser) = start().await;
    for path in
        ["/whoami", "/accounts", "/accounts/001000000000001AAA", "/accounts/export.csv", "/slow", "/admin/"]
    {
        let stranger = Client::new();
        let page = stranger.open(&example.url(path)).await;
        assert_eq!((page.status, page.location().path()), (303, "/auth/salesforce/login"), "{path}");
        assert_eq!(stranger.fetch(&example.url(path)).await.status, 401, "{path}");
    }
    let who = browser.fetch(&example.url("/whoami")).await.json();
    assert_eq!(who["username"], ADA);
    assert_eq!(browser.fetch(&example.url("/slow")).await.json(), who);
}

#[actix_web::test]
async fn accounts_are_listed_and_filtered_by_a_bound_value() {
    let (_org, example, browser) = start().await;
    let all = browser.fetch(&example.url("/accounts")).await.json();
    assert_eq!(all.as_array().unwrap().len(), 200, "the page's own limit");
    let name = all[3]["Name"].as_str().unwrap();
    let found = browser.fetch(&example.url(&format!("/accounts?name={}", encoded(name)))).await.json();
    assert!(found.as_array().unwrap().iter().any(|account| account["Id"] == all[3]["Id"]));
    for hostile in ["%' OR Name LIKE '%", "' OR Id != null OR Name = '", "\\", "%", "_", "'; DELETE"] {
        let page = browser.fetch(&example.url(&format!("/accounts?name={}", encoded(hostile)))).await;
        let (status, found) = (page.status, page.json());
        let is_meant = |account: &Value| account["Name"].as_str().unwrap().contains(hostile);
        assert!(
            status == 200 && found.as_array().unwrap().iter().all(is_meant),
            "{hostile:?} is a value and nothing else: {found}"
        );
    }
    let html = browser.visit(&example.url("/accounts?name=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")).await;
    assert!(html.status == 200 && !html.body.contains("<script>"), "{html:?}");
}

#[actix_web::test]
async fn an_account_is_made_read_changed_and_deleted_by_forms() {
    let (_org, example, browser) = start().await;
    let origin = example.url("");
    let fields = [("Name", "Zebra & <b>Sons</b>"), ("Phone", "")];
    let made = browser.submit(&example.url("/accounts"), &origin, &fields).await;
    assert_eq!(made.status, 303, "{made:?}");
    let account = made.location();
    let page = browser.visit(account.as_str()).await;
    assert!(page.body.contains("Zebra &amp; &lt;b&gt;Sons&lt;/b&gt;"), "{page:?}");

    let changed = browser.submit(account.as_str(), &origin, &[("Name", "Zebra"), ("Phone", "123")]).await;
    assert_eq!(changed.status, 303, "{changed:?}");
    assert_eq!(browser.fetch(account.as_str()).await.json()["Phone"], "123");
    let emptied = browser.submit(account.as_str(), &origin, &[("Phone", "")]).await;
    assert_eq!(emptied.status, 303, "{emptied:?}");
    let record = browser.fetch(account.as_str()).await.json();
    assert_eq!((&record["Name"], &record["Phone"]), (&json!("Zebra"), &Value::Null));

    let gone = browser.submit(&format!("{account}/delete"), &origin, &[]).await;
    assert_eq!((gone.status, gone.location().path()), (303, "/accounts"));
    assert_eq!(browser.fetch(account.as_str()).await.status, 404);
}

#[actix_web::test]
async fn scripts_speak_json() {
    let (_org, example, browser) = start().await;
    let origin = example.url("");
    let made = post_json(&browser, &example.url("/accounts"), &origin, &json!({ "Name": "Quagga" })).await;
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let url = example.url(&format!("/accounts/{id}"));
    let changed = post_json(&browser, &url, &origin, &json!({ "Phone": "42" })).await;
    assert_eq!(changed.status, 204, "{changed:?}");
    assert_eq!(browser.fetch(&url).await.json()["Phone"], "42");
    assert_eq!(post_json(&browser, &format!("{url}/delete"), &origin, &json!({})).await.status, 204);

    let nameless = post_json(&browser, &example.url("/accounts"), &origin, &json!({ "Phone": "1" })).await;
    assert_eq!(nameless.status, 400, "{nameless:?}");
    let unknown = post_json(&browser, &example.url("/accounts"), &origin, &json!({ "Nmae": "x" })).await;
    assert_eq!(unknown.status, 400, "{unknown:?}");
    let broken = browser
        .send(
            Method::POST,
            &example.url("/accounts"),
            &[("content-type", "application/json"), ("origin", &origin)],
            Some("{"),
        )
        .await;
    assert_eq!(broken.status, 400, "{broken:?}");
    for id in [
        "x",
        "001",
        "..%2F..%2Flimits",
        "001000000000001AAA",
        "%00",
        "001000000000001AAA%3F_HttpMethod=DELETE",
    ] {
        let page = browser.fetch(&example.url(&format!("/accounts/{id}"))).await;
        assert_eq!(page.status, 404, "{id}: {page:?}");
    }
}

/// Who sends a form looks at a page, also when Salesforce refuses what is in it.
#[actix_web::test]
async fn what_goes_wrong_is_a_page_for_people_and_json_for_scripts() {
    let (_org, example, browser) = start().await;
    let nameless = browser.submit(&example.url("/accounts"), &example.url(""), &[("Phone", "1")]).await;
    assert!(nameless.status == 400 && nameless.body.contains("check what you entered"), "{nameless:?}");
    for (method, path, status) in [
        ("GET", "/nothing", 404),
        ("GET", "/accounts/001000000000001AAA", 404),
        ("PUT", "/accounts", 405),
        ("GET", "/accounts/001000000000001AAA/delete", 405),
    ] {
        for (accept, kind) in [("text/html", "text/html"), ("application/json", "application/json")] {
            let method = method.parse().unwrap();
            let page = browser.send(method, &example.url(path), &[("accept", accept)], None).await;
            assert_eq!(page.status, status, "{path}: {page:?}");
            assert!(status == 405 || page.header("content-type").starts_with(kind), "{path}: {page:?}");
        }
    }
    let head = browser.send(Method::HEAD, &example.url("/"), &[], None).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[actix_web::test]
async fn a_page_that_is_not_there_knows_whose_it_is() {
    let (_org, example, browser) = start().await;
    for (browser, corner) in [(&browser, "id=\"logout\""), (&Client::new(), "id=\"login\"")] {
        let page = browser.open(&example.url("/nothing")).await;
        assert!(page.status == 404 && page.body.contains(corner), "{page:?}");
    }
}

#[actix_web::test]
async fn a_post_from_another_origin_changes_nothing() {
    let (org, example, browser) = start().await;
    org.clear_requests();
    let account = "/accounts/001000000000001AAA";
    for path in
        ["/accounts".to_owned(), account.to_owned(), format!("{account}/delete"), "/admin/revoke".to_owned()]
    {
        for origin in ["http://evil.example", "null", &org.login_url()] {
            let page = browser.submit(&example.url(&path), origin, &[("Name", "x")]).await;
            assert_eq!(page.status, 403, "{path} from {origin}: {page:?}");
        }
    }
    assert!(org.requests().iter().all(|request| request.method == "GET"), "nothing was asked to change");
    for (site, status) in [("cross-site", 403), ("same-site", 403), ("same-origin", 303)] {
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", site)];
        let page = browser.send(Method::POST, &example.url("/accounts"), &headers, Some("Name=x")).await;
        assert_eq!(page.status, status, "{site}: {page:?}");
    }
    let program = [("content-type", "application/x-www-form-urlencoded")];
    let page = browser.send(Method::POST, &example.url("/accounts"), &program, Some("Name=y")).await;
    assert_eq!(page.status, 303, "a program says nothing of origins: {page:?}");
}

#[actix_web::test]
async fn every_account_is_exported() {
    let (_org, example, browser) = start().await;
    let page = browser.fetch(&example.url("/accounts/export.csv")).await;
    assert_eq!(page.header("content-type"), "text/csv; charset=utf-8");
    let lines: Vec<_> = page.body.trim_end().split("\r\n").collect();
    assert_eq!((lines[0], lines.len()), (r#""Id","Name","Phone","Industry""#, 451));
}

#[actix_web::test]
async fn the_admin_page_shows_logins_and_ends_them() {
    let (org, example, browser) = start().await;
    let second = Client::new();
    assert_eq!(second.visit(&example.url("/whoami")).await.status, 200);
    let page = browser.visit(&example.url("/admin/")).await;
    assert!(page.body.contains(" of 15000</strong>"), "API use: {page:?}");
    assert_eq!(page.body.matches("/end\"").count(), 2, "two browsers: {page:?}");
    let third = Client::new();
    third.visit(&example.url("/whoami")).await;
    let page = browser.visit(&example.url("/admin/")).await;
    let ends: Vec<_> =
        page.body.split("action=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let ends: Vec<_> = ends.into_iter().filter(|path| path.ends_with("/end")).collect();
    assert_eq!(ends.len(), 3);
    let ended = browser.submit(&example.url(ends[0]), &example.url(""), &[]).await;
    assert_eq!(ended.status, 303, "{ended:?}");
    let mut over = 0;
    for browser in [&browser, &second, &third] {
        over += usize::from(browser.fetch(&example.url("/whoami")).await.status == 401);
    }
    assert_eq!(over, 1, "one login ended, and only that");
    // The user logs in again.
    browser.visit(&example.url("/whoami")).await;
    let revoked = browser.submit(&example.url("/admin/revoke"), &example.url(""), &[]).await;
    assert_eq!(revoked.status, 303, "{revoked:?}");
    for browser in [&browser, &second] {
        assert_eq!(browser.fetch(&example.url("/whoami")).await.status, 401);
    }
    for _ in 0..50 {
        if org.live_refresh_tokens(&org.user(ADA)).is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the grant is revoked at Salesforce too");
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[actix_web::test]
async fn the_danger_route_needs_a_login_of_the_last_five_minutes() {
    let (org, example, browser) = start().await;
    let origin = example.url("").trim_end_matches('/').to_owned();
    let page = post_json(&browser, &example.url("/danger"), &origin, &json!({})).await;
    assert_eq!((page.status, &page.json()["error"]), (401, &"fresh_login_required".into()), "{page:?}");
    assert!(page.header("www-authenticate").contains("insufficient_user_authentication"), "{page:?}");
    org.sign_in(&org.user(ADA));
    browser.visit(&example.url("/auth/salesforce/login?prompt=login&return_to=/whoami")).await;
    let who = post_json(&browser, &example.url("/danger"), &origin, &json!({})).await;
    assert_eq!(who.json(), browser.fetch(&example.url("/whoami")).await.json());
    let foreign = post_json(&browser, &example.url("/danger"), "https://evil.example", &json!({})).await;
    assert_eq!(foreign.status, 403);

    // As a form: a page with a link, and no redirect that would lose what was entered.
    let other = Client::new();
    assert_eq!(other.visit(&example.url("/accounts")).await.status, 200);
    let form = other.submit(&example.url("/danger"), &origin, &[]).await;
    assert_eq!((form.status, form.header("content-type")), (401, "text/html; charset=utf-8"), "{form:?}");
    assert!(form.body.contains("Send it again") && form.body.contains("prompt=login"), "{form:?}");
    other.visit(&example.url("/auth/salesforce/login?prompt=login&return_to=/whoami")).await;
    assert_eq!(other.submit(&example.url("/danger"), &origin, &[]).await.status, 200);
    assert_eq!(other.submit(&example.url("/danger"), "https://evil.example", &[]).await.status, 403);
    // A link leads to the rule first, then there is nothing to read.
    let link = Client::new().open(&example.url("/danger")).await;
    assert!(link.status == 303 && link.header("location").contains("prompt=login"), "{link:?}");
    assert_eq!(other.open(&example.url("/danger")).await.status, 405);
}

#[actix_web::test]
async fn only_users_with_the_permission_administer_and_they_see_their_org() {
    let org = FakeOrg::start().await.unwrap();
    org.set_user_access(&org.user(ADA), &json!({ "custom_permissions": ["Manage_Logins"] })).unwrap();
    let port = crate::support::free_port();
    let variables = [("ACCOUNTS_ADMIN", "Manage_Logins")];
    let example = Example::with("127.0.0.1", port, "accounts", &org, &variables).await;
    let log_in = async |name: &str| {
        org.sign_in(&org.user(name));
        let browser = Client::new();
        assert_eq!(browser.visit(&example.url("/whoami")).await.json()["username"], name);
        browser
    };
    let (ben, ada) = (log_in("ben@example.com").await, log_in(ADA).await);
    let refused = ben.open(&example.url("/admin/")).await;
    assert!(refused.status == 403 && refused.body.contains("Manage_Logins"), "{refused:?}");
    let page = ada.open(&example.url("/admin/")).await;
    assert_eq!(
        (page.status, page.body.matches("/end\"").count()),
        (200, 2),
        "both logins of the org: {page:?}"
    );
}

/// A job of a user who is away needs the user: the page of an administrator shows whose connection is broken, why, and the
/// link that the user needs.
#[actix_web::test]
async fn the_admin_page_lists_connections_that_need_reconnecting() {
    for is_admin in [true, false] {
        let org = FakeOrg::start().await.unwrap();
        let ben_id = org.user("ben@example.com");
        org.set_user_access(&org.user(ADA), &json!({ "custom_permissions": ["Manage_Logins"] })).unwrap();
        let variables: &[_] = if is_admin { &[("ACCOUNTS_ADMIN", "Manage_Logins")] } else { &[] };
        let example =
            Example::with("127.0.0.1", crate::support::free_port(), "accounts", &org, variables).await;
        let (ada, ben) = (Client::new(), Client::new());
        org.sign_in(&org.user(ADA));
        assert!(!ada.visit(&example.url("/admin/")).await.body.contains("Needs reconnecting"));
        org.sign_in(&ben_id);
        assert_eq!(ben.visit(&example.url("/accounts")).await.status, 200);
        org.expire_access_tokens();
        let fault = org.faults().refresh(salesforce_fake_org::Fault::OauthError {
            error: "inactive_user".to_owned(),
            description: "user is inactive".to_owned(),
            status: 400,
        });
        assert_eq!(ben.fetch(&example.url("/whoami")).await.status, 403);
        fault.remove();
        let page = ada.visit(&example.url("/admin/")).await;
        assert_eq!(page.status, 200, "{page:?}");
        for shown in [
            "Needs reconnecting",
            ben_id.id(),
            "user is inactive",
            "s ago",
            "href=\"/auth/salesforce/login?return_to=%2Fadmin%2F\"",
        ] {
            assert_eq!(page.body.contains(shown), is_admin || shown == "s ago", "{shown}: {page:?}");
        }
        if is_admin {
            // Its button: what stays of the grant goes, and the table with it.
            let action = format!("/admin/grants/{}/revoke", ben_id.id());
            assert!(page.body.contains(&format!("action=\"{action}\"")), "{page:?}");
            assert_eq!(ada.submit(&example.url(&action), &example.url(""), &[]).await.status, 303);
            let page = ada.visit(&example.url("/admin/")).await;
            assert!(page.status == 200 && !page.body.contains("Needs reconnecting"), "{page:?}");
        }
        ben.visit(&example.url("/auth/salesforce/login?return_to=/accounts")).await;
        let page = ada.visit(&example.url("/admin/")).await;
        assert!(page.status == 200 && !page.body.contains("Needs reconnecting"), "{page:?}");
    }
}

#[actix_web::test]
async fn a_record_opens_in_salesforce_if_the_app_has_the_scope() {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    for (scopes, status) in [("api openid refresh_token web", 303), ("api openid refresh_token", 403)] {
        let port = crate::support::free_port();
        let example =
            Example::with("127.0.0.1", port, "accounts", &org, &[("SALESFORCE_SCOPES", scopes)]).await;
        let browser = Client::new();
        let accounts = browser.visit(&example.url("/accounts")).await;
        let id = accounts
            .body
            .split("href=\"/accounts/001")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap();
        let page = browser.open(&example.url(&format!("/open/001{id}"))).await;
        assert_eq!(page.status, status, "{scopes}: {page:?}");
        match status {
            303 => assert!(page.header("location").starts_with(&*org.instance_url()), "{page:?}"),
            _ => assert!(page.body.contains("web"), "it names the scope: {page:?}"),
        }
    }
}
