//! axe-core on each page of the example `accounts`, light and dark, with errors, conflicts and broken connections; and its form
//! by keyboard only.

use super::accounts_pages::{account, create};
use crate::support::{ADA, Client, axe, browser::Browser, example::Example, free_port};
use reqwest::Method;
use salesforce_fake_org::{FakeOrg, Fault};
use serde_json::json;

const ENTER: &str = "\u{e007}";

/// An app with two login hosts and an administrator, in which Ben's connection is broken; an account with a file.
struct Prepared {
    here: FakeOrg,
    _there: FakeOrg,
    example: Example,
    id: String,
    /// A browser of Ada beside the one that is looked at.
    ada: Client,
}

async fn prepare() -> Prepared {
    let here = FakeOrg::start().await.unwrap();
    let there = FakeOrg::builder().client(&here.client_id(), &here.client_secret()).start().await.unwrap();
    there.sign_in(&there.user(ADA));
    here.set_user_access(&here.user(ADA), &json!({ "custom_permissions": ["Manage_Logins"] })).unwrap();
    let more = [
        ("ACCOUNTS_ADMIN", "Manage_Logins"),
        ("SALESFORCE_LOGIN_HOSTS", &*format!("there={}", there.login_url())),
        ("SALESFORCE_ALLOWED_ORIGINS", &*format!("{} {}", here.instance_url(), there.instance_url())),
    ];
    let example = Example::with("127.0.0.1", free_port(), "accounts", &here, &more).await;
    let (ada, ben) = (Client::new(), Client::new());
    here.sign_in(&here.user("ben@example.com"));
    assert_eq!(ben.visit(&example.url("/whoami")).await.status, 200);
    here.expire_access_tokens();
    let refused = Fault::OauthError {
        error: "inactive_user".into(),
        description: "user is inactive".into(),
        status: 400,
    };
    let fault = here.faults().refresh(refused);
    assert_eq!(ben.fetch(&example.url("/whoami")).await.status, 403);
    fault.remove();
    here.sign_in(&here.user(ADA));
    assert_eq!(ada.visit(&example.url("/whoami")).await.status, 200);

    let id = account(&here).await;
    create(&here, "Contact", &json!({ "LastName": "Lovelace", "AccountId": id })).await;
    let file =
        "--b1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"plan.txt\"\r\n\r\nx\r\n--b1--\r\n";
    let origin = example.url("");
    let headers =
        [("content-type", "multipart/form-data; boundary=b1"), ("origin", &*origin), ("accept", "text/html")];
    let uploaded =
        ada.send(Method::POST, &example.url(&format!("/accounts/{id}/files")), &headers, Some(file)).await;
    assert_eq!(uploaded.status, 303, "{uploaded:?}");
    Prepared { here, _there: there, example, id, ada }
}

#[actix_web::test]
async fn axe_finds_nothing_on_the_pages_of_the_app() {
    for (name, browser) in [("light", Browser::start().await), ("dark", Browser::dark().await)] {
        let Prepared { here, _there, example, id, ada } = prepare().await;
        let page = example.url(&format!("/accounts/{id}"));
        let mut wrong = Vec::new();
        let mut check = async |what: &str, has: &str| {
            browser.wait_for_element(has).await;
            let found = axe::findings(&browser).await;
            wrong.extend(found.into_iter().map(|finding| format!("{name} {what}: {finding}")));
            browser.screenshot(&format!("accounts-{name}-{what}")).await;
        };
        browser.goto(&example.url("/")).await;
        check("public", "main").await;
        browser.goto(&example.url("/accounts?name=Acme")).await;
        check("list", &format!("a[href='/accounts/{id}']")).await;
        browser.goto(&example.url("/admin/")).await;
        check("admin", "#broken .danger").await;
        browser.goto(&example.url("/accounts/new")).await;
        check("new", "#Name").await;
        browser.goto(&page).await;
        check("account", &format!("#files a[href^='/accounts/{id}/files/']")).await;
        // Tab and Enter.
        browser.tab_to("#Phone").await;
        browser.press(&"9".repeat(41)).await;
        browser.press(ENTER).await;
        check("invalid", ".error[role=alert]").await;
        // Another user is faster.
        browser.goto(&page).await;
        let changed = ada.submit(&page, &example.url(""), &[("Name", "Theirs")]).await;
        assert_eq!(changed.status, 303, "{changed:?}");
        browser.tab_to("#Phone").await;
        browser.press("7").await;
        browser.press(ENTER).await;
        check("conflict", ".differs").await;
        // A second org.
        browser
            .goto(&example.url("/auth/salesforce/login?add=1&host=there&return_to=/search%3Fq%3DLovelace"))
            .await;
        check("add", "form button").await;
        browser.tab_to("form button").await;
        browser.press(ENTER).await;
        check("search", "h2 ~ h2").await;
        assert!(browser.text().await.contains(&here.organization_id()));
        assert!(wrong.is_empty(), "{wrong:#?}");
        browser.close().await;
    }
}
