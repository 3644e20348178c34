//! The example `accounts`: what belongs to an account, errors at fields, two users who change one account, files, search,
//! the admin page.

use crate::support::{ADA, Client, client::encoded, example::Example, free_port};
use reqwest::Method;
use salesforce_fake_org::{FakeOrg, Fault};
use serde_json::{Value, json};

async fn start() -> (FakeOrg, Example, Client) {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let example = Example::start("accounts", &org).await;
    let browser = Client::new();
    assert_eq!(browser.visit(&example.url("/whoami")).await.status, 200);
    (org, example, browser)
}

/// Makes a record in Salesforce, beside the app.
pub(super) async fn create(org: &FakeOrg, object: &str, record: &Value) -> String {
    let token = org.issue_tokens(&org.user(ADA), "api").access_token;
    let url = format!("{}/services/data/v66.0/sobjects/{object}", org.instance_url());
    let request =
        reqwest::Client::new().post(url).bearer_auth(token).header("content-type", "application/json");
    let made = request.body(record.to_string()).send().await.unwrap();
    let made: Value = serde_json::from_str(&made.text().await.unwrap()).unwrap();
    made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

pub(super) async fn account(org: &FakeOrg) -> String {
    create(org, "Account", &json!({ "Name": "Acme", "Phone": "1" })).await
}

/// The value of a hidden field.
fn hidden(html: &str, name: &str) -> String {
    let (_, rest) = html.split_once(&format!("name=\"{name}\" value=\"")).expect(name);
    rest.split('"').next().unwrap().replace("&quot;", "\"")
}

#[actix_web::test]
async fn an_account_shows_its_contacts_opportunities_and_files() {
    let (org, example, browser) = start().await;
    let id = account(&org).await;
    create(
        &org,
        "Contact",
        &json!({ "LastName": "Lovelace <b>", "AccountId": id, "Email": "a@example.com" }),
    )
    .await;
    let deal = json!({ "Name": "Engine", "AccountId": id, "StageName": "Prospecting", "CloseDate": "2027-01-31", "Amount": 12.5 });
    create(&org, "Opportunity", &deal).await;
    let other = account(&org).await;
    create(&org, "Contact", &json!({ "LastName": "Elsewhere", "AccountId": other })).await;
    let page = browser.visit(&example.url(&format!("/accounts/{id}"))).await;
    for part in ["Lovelace &lt;b&gt;", "a@example.com", "Engine", "Prospecting", "12.50", "2027-01-31"] {
        assert!(page.body.contains(part), "{part}: {page:?}");
    }
    assert!(!page.body.contains("Elsewhere") && page.body.contains("id=\"files\""), "{page:?}");

    // A user who may see accounts only gets the page, too.
    let access = json!({
        "profile": "Minimum Access - Salesforce",
        "permission_sets": [{
            "name": "Accounts", "objects": { "Account": "edit" },
            "fields": { "Account.Phone": "edit", "Account.Website": "read", "Account.Industry": "read" },
        }],
    });
    org.set_user_access(&org.user(ADA), &access).unwrap();
    let page = browser.visit(&example.url(&format!("/accounts/{id}"))).await;
    assert_eq!((page.status, page.body.matches("may not see these").count()), (200, 3), "{page:?}");
}

#[actix_web::test]
async fn errors_of_salesforce_stand_at_their_fields() {
    let (org, example, browser) = start().await;
    let id = account(&org).await;
    let origin = example.url("");
    let long = "9".repeat(41);
    for (path, name) in [("/accounts".to_owned(), "New"), (format!("/accounts/{id}"), "Acme")] {
        let fields = [("Name", name), ("Phone", &long), ("Website", "x.example")];
        let page = browser.submit(&example.url(&path), &origin, &fields).await;
        assert_eq!(page.status, 400, "{page:?}");
        let (_, phone) = page.body.split_once("id=\"Phone\"").unwrap();
        let (phone, _) = phone.split_once("</div>").unwrap();
        assert!(phone.contains("aria-invalid=\"true\" aria-describedby=\"error-Phone\""), "{phone}");
        assert!(
            phone.contains(&long) && phone.contains("too large"),
            "what was entered, and why not: {phone}"
        );
        assert_eq!(page.body.matches("aria-invalid=\"true\"").count(), 1, "{page:?}");
        assert!(
            page.body.contains("value=\"x.example\"") && page.body.contains(&format!("action=\"{path}\"")),
            "{page:?}"
        );
    }
    let page = browser.submit(&example.url("/accounts"), &origin, &[("Name", ""), ("Phone", "1")]).await;
    assert!(page.status == 400 && page.body.contains("id=\"error-Name\""), "{page:?}");
}

#[actix_web::test]
async fn two_users_who_change_one_account_see_both_versions() {
    let (org, example, browser) = start().await;
    let id = account(&org).await;
    let url = example.url(&format!("/accounts/{id}"));
    let origin = example.url("");
    let etag = hidden(&browser.visit(&url).await.body, "etag");
    // The other user is faster.
    let changed = browser.submit(&url, &origin, &[("Name", "Theirs"), ("etag", &etag)]).await;
    assert_eq!(changed.status, 303, "{changed:?}");
    let page = browser.submit(&url, &origin, &[("Name", "Mine"), ("Phone", "1"), ("etag", &etag)]).await;
    assert_eq!(page.status, 409, "{page:?}");
    assert!(page.body.contains("<td>Theirs</td><td>Mine</td>"), "{page:?}");
    assert!(
        page.body.contains("<td>1</td><td>1</td>") && page.body.matches("class=\"differs\"").count() == 1,
        "{page:?}"
    );
    assert_eq!(browser.fetch(&url).await.json()["Name"], "Theirs", "nothing was saved");
    // With both in view the user decides.
    let newer = hidden(&page.body, "etag");
    assert_ne!(newer, etag);
    let saved = browser.submit(&url, &origin, &[("Name", "Mine"), ("etag", &newer)]).await;
    assert_eq!(saved.status, 303, "{saved:?}");

    // A script sends `If-Match`.
    let read = browser.fetch(&url).await;
    let known = read.header("etag").to_owned();
    let send = async |etag: &str| {
        let headers = [("content-type", "application/json"), ("origin", &*origin), ("if-match", etag)];
        browser.send(Method::POST, &url, &headers, Some(r#"{"Phone":"2"}"#)).await
    };
    assert_eq!(send(&known).await.status, 204);
    let late = send(&known).await;
    assert_eq!((late.status, &late.json()["error"]), (409, &json!("changed")), "{late:?}");
    let wrong = browser.submit(&url, &origin, &[("Name", "x"), ("etag", "x\r\ny")]).await;
    assert_eq!(wrong.status, 400, "{wrong:?}");
}

#[actix_web::test]
async fn a_file_is_uploaded_and_downloaded_and_never_shown() {
    let (org, example, browser) = start().await;
    let id = account(&org).await;
    let origin = example.url("");
    let upload = async |origin: &str, name: &str, content: &str| {
        let body = format!(
            "--b1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: text/html\r\n\r\n\
             {content}\r\n--b1--\r\n"
        );
        let headers = [
            ("content-type", "multipart/form-data; boundary=b1"),
            ("origin", origin),
            ("accept", "text/html"),
        ];
        browser
            .send(Method::POST, &example.url(&format!("/accounts/{id}/files")), &headers, Some(&body))
            .await
    };
    let content = "<script>alert(1)</script>\r\n--b\r\n";
    let page = upload(&origin, "../plan.html", content).await;
    assert_eq!(page.status, 303, "{page:?}");
    let page = browser.visit(&example.url(&format!("/accounts/{id}"))).await;
    let (_, file) = page.body.split_once(&format!("/accounts/{id}/files/")).expect("a link to the file");
    let file = file.split('"').next().unwrap();
    assert!(page.body.contains(">plan.html</a>"), "{page:?}");
    let page = browser.visit(&example.url(&format!("/accounts/{id}/files/{file}"))).await;
    assert_eq!((page.status, page.body.as_str()), (200, content), "{page:?}");
    assert_eq!(page.header("content-disposition"), "attachment; filename=\"plan.html\"");
    assert_eq!(page.header("content-type"), "application/octet-stream");
    assert!(page.header("content-security-policy").contains("sandbox"));
    // A file of another account, another site, and a form without a file.
    let other = account(&org).await;
    assert_eq!(browser.visit(&example.url(&format!("/accounts/{other}/files/{file}"))).await.status, 404);
    assert_eq!(upload("https://evil.example", "x", "y").await.status, 403);
    assert_eq!(upload(&origin, "", "y").await.status, 400);
}

#[actix_web::test]
async fn a_search_finds_accounts_contacts_and_opportunities() {
    let (org, example, browser) = start().await;
    let id = create(&org, "Account", &json!({ "Name": "Zyzzyva Works" })).await;
    create(&org, "Contact", &json!({ "LastName": "Zyzzyva", "AccountId": id })).await;
    let page = browser.visit(&example.url("/search?q=Zyzzyva")).await;
    assert_eq!(page.body.matches(&format!("href=\"/accounts/{id}\"")).count(), 2, "{page:?}");
    for words in ["x", "", "\" OR {", "<script>alert(1)</script>"] {
        let page = browser.visit(&example.url(&format!("/search?q={}", encoded(words)))).await;
        assert!(page.status == 200 && !page.body.contains("<script>"), "{words}: {page:?}");
    }
}

/// One page for both orgs; a record of the other one makes that org current.
#[actix_web::test]
async fn a_search_finds_records_in_both_orgs_of_the_browser() {
    let here = FakeOrg::start().await.unwrap();
    let there = FakeOrg::builder().client(&here.client_id(), &here.client_secret()).start().await.unwrap();
    let mut ids = Vec::new();
    for org in [&here, &there] {
        org.sign_in(&org.user(ADA));
        ids.push(create(org, "Account", &json!({ "Name": "Zyzzyva Works" })).await);
    }
    let more = [
        ("SALESFORCE_LOGIN_HOSTS", &*format!("there={}", there.login_url())),
        ("SALESFORCE_ALLOWED_ORIGINS", &*format!("{} {}", here.instance_url(), there.instance_url())),
    ];
    let example = Example::with("127.0.0.1", free_port(), "accounts", &here, &more).await;
    let (browser, origin) = (Client::new(), example.url(""));
    let orgs = example.url("/auth/salesforce/orgs");
    browser.visit(&example.url("/accounts")).await;
    let added = browser.submit(&orgs, &origin, &[("add", "1"), ("host", "there"), ("return_to", "/")]).await;
    browser.visit(added.header("location")).await;
    let search = example.url("/search?q=Zyzzyva");
    let page = browser.visit(&search).await;
    let (first, second) = page.body.split_once("<h2>").unwrap().1.split_once("<h2>").unwrap();
    assert!(first.contains(&there.organization_id()) && first.contains(&ids[1]), "the current one: {page:?}");
    assert!(second.contains(&here.organization_id()) && second.contains(&ids[0]), "{page:?}");
    assert!(!first.contains(&here.organization_id()) && !second.contains(&there.organization_id()));

    // Its button.
    let (org, target) = (here.organization_id(), format!("/accounts/{}", ids[0]));
    let switched = browser.submit(&orgs, &origin, &[("switch", &*org), ("return_to", &*target)]).await;
    assert_eq!((switched.status, switched.header("location")), (303, &*target), "{switched:?}");
    let page = browser.visit(&example.url(&target)).await;
    assert!(page.status == 200 && page.body.contains("Zyzzyva Works"), "{page:?}");

    // An org that is down leaves the other's records readable.
    let down = there.faults().api(Fault::Html);
    let page = browser.visit(&search).await;
    assert!(page.status == 200 && page.body.contains("could not be searched"), "{page:?}");
    assert!(page.body.contains(&format!("href=\"/accounts/{}\"", ids[0])), "{page:?}");
    down.remove();
}

#[actix_web::test]
async fn the_admin_page_draws_the_use_of_the_api_and_revokes_grants() {
    let (org, example, browser) = start().await;
    browser.visit(&example.url("/accounts")).await;
    org.expire_access_tokens();
    browser.visit(&example.url("/accounts")).await;
    let page = browser.visit(&example.url("/admin/")).await;
    assert!(page.body.contains("<svg id=\"usage\"") && page.body.contains("role=\"img\""), "{page:?}");
    assert!(page.body.contains("<rect ") && !page.body.contains("<script"), "{page:?}");
    assert!(page.body.contains("(1 in all)"), "the last refresh: {page:?}");
    assert!(!page.body.contains("not seen here"), "the last rotation: {page:?}");
    let user = org.user(ADA).id().to_owned();
    let action = format!("/admin/grants/{user}/revoke");
    assert!(page.body.contains(&format!("action=\"{action}\"")), "{page:?}");
    let foreign = browser.submit(&example.url(&action), "https://evil.example", &[]).await;
    assert_eq!(foreign.status, 403, "{foreign:?}");
    let ben = org.user("ben@example.com");
    let other = Client::new();
    org.sign_in(&ben);
    assert_eq!(other.visit(&example.url("/whoami")).await.status, 200);
    let page = browser
        .submit(&example.url(&format!("/admin/grants/{}/revoke", ben.id())), &example.url(""), &[])
        .await;
    assert_eq!(page.status, 303, "{page:?}");
    assert_eq!(other.fetch(&example.url("/whoami")).await.status, 200, "the grant of another user stays");
    browser.submit(&example.url(&action), &example.url(""), &[]).await;
    assert_eq!(browser.fetch(&example.url("/whoami")).await.status, 401);
}

/// The form of the UI API: record types, the layout's required fields, dependent picklists.
#[actix_web::test]
async fn a_new_account_has_the_form_that_salesforce_describes() {
    let declared = json!({
        "record_types": [
            { "object": "Account", "name": "Partner <1>", "default": true, "required": ["Phone"] },
            { "object": "Account", "name": "Lead", "values": { "Type": ["Prospect"] } },
            { "object": "Account", "name": "Closed", "unavailable": true },
        ],
        "dependent_picklists": [{
            "object": "Account", "field": "Industry", "controlled_by": "Type",
            "values": { "Customer": ["Media", "Healthcare"], "Prospect": ["Transportation"] },
        }],
    });
    let org = FakeOrg::builder().declare_json(&declared.to_string()).unwrap().start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let example = Example::start("accounts", &org).await;
    let browser = Client::new();
    let page = browser.visit(&example.url("/accounts/new")).await;
    assert_eq!(page.status, 200, "{page:?}");
    for part in [
        "Partner &lt;1&gt;",
        ">Lead<",
        "name=\"Name\" required",
        "name=\"Phone\" required",
        "Choose Account Type first",
    ] {
        assert!(page.body.contains(part), "{part}: {page:?}");
    }
    for part in ["Closed", "name=\"Website\" required", "value=\"Media\""] {
        assert!(!page.body.contains(part), "{part}: {page:?}");
    }
    // What was entered stays, and decides what can be chosen.
    let page = browser
        .visit(&example.url("/accounts/new?form=full&Name=Acme+%22&Type=Customer&Industry=Media"))
        .await;
    for part in [
        "value=\"Acme &quot;\"",
        "value=\"Customer\" selected",
        "value=\"Media\" selected",
        "value=\"Healthcare\"",
    ] {
        assert!(page.body.contains(part), "{part}: {page:?}");
    }
    assert!(!page.body.contains("value=\"Transportation\""), "{page:?}");
    let lead = page.body.split("<option value=\"").find(|option| option.contains(">Lead<")).unwrap();
    let lead = lead.split('"').next().unwrap().to_owned();
    let of_lead = browser.visit(&example.url(&format!("/accounts/new?RecordTypeId={lead}"))).await;
    assert!(
        !of_lead.body.contains("name=\"Phone\" required"),
        "each record type has its own layout: {of_lead:?}"
    );
    assert!(!of_lead.body.contains("value=\"Customer\""), "and its own values: {of_lead:?}");
    let status = |target: &str| format!("/accounts/new?RecordTypeId={target}");
    assert_eq!(browser.visit(&example.url(&status("001000000000001AAA"))).await.status, 400);

    let origin = example.url("");
    let origin = origin.trim_end_matches('/');
    let fields = [("form", "full"), ("RecordTypeId", lead.as_str()), ("Phone", "1"), ("Name", "")];
    let refused = browser.submit(&example.url("/accounts"), origin, &fields).await;
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("id=\"error-Name\"") && refused.body.contains(">Lead<"), "{refused:?}");
    let fields = [("form", "full"), ("RecordTypeId", lead.as_str()), ("Name", "Acme")];
    let saved = browser.submit(&example.url("/accounts"), origin, &fields).await;
    assert_eq!(saved.status, 303, "{saved:?}");
}
