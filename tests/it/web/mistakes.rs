//! Requests that Salesforce rejects: whose fault it is, what the user sees, and what the log has.

use crate::support::{ADA, Client, Page, Server, app::listen, logs, reserve, serve, settings_for};
use actix_salesforce::{Result, SalesforceConn};
use actix_web::{App, Responder, web};
use salesforce_fake_org::{FakeOrg, Fault, Route};
use serde_json::json;

async fn query(sf: SalesforceConn, soql: web::Path<String>) -> Result<impl Responder> {
    let rows = sf.query::<serde_json::Value>(soql.as_str()).fetch_all().await?;
    Ok(web::Json(rows))
}

async fn write(sf: SalesforceConn) -> Result<impl Responder> {
    Ok(sf.sobject("Account").create(&json!({ "Name": "canary-name", "Nonsense": 1 })).await?.to_string())
}

async fn start() -> (FakeOrg, Server, Client) {
    logs::capture();
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let (listener, url) = reserve();
    let salesforce = settings_for(&org, &url).build().await.unwrap();
    let app = serve(listener, move |listener| {
        listen!(listener, 2, move || {
            App::new()
                .configure(crate::support::app::routes)
                .route("/query/{soql}", web::get().to(query))
                .route("/write", web::to(write))
                .wrap(salesforce.clone())
        })
    });
    let browser = Client::new();
    assert_eq!(browser.visit(&format!("{}/whoami", app.url)).await.status, 200);
    (org, app, browser)
}

fn api_error(status: u16, code: &str, message: &str) -> Fault {
    Fault::ApiError { status, code: code.to_owned(), message: message.to_owned() }
}

/// The error lines of the log that name this text.
fn errors_with(text: &str) -> Vec<String> {
    logs::text()
        .lines()
        .filter(|line| line.contains("ERROR") && line.contains(text))
        .map(str::to_owned)
        .collect()
}

fn accuses_no_user(page: &Page) {
    assert_eq!(page.status, 500, "{page:?}");
    for words in ["check what you entered", "no such record", "not allowed", "cannot be reached"] {
        assert!(!page.body.to_lowercase().contains(words), "{words}: {page:?}");
    }
}

#[actix_web::test]
async fn a_mistake_of_the_program_accuses_no_user_and_is_logged_with_object_and_field() {
    let (org, app, browser) = start().await;
    for (soql, code, names) in [
        (
            "SELECT Nopefield FROM Account WHERE Name = 'canary-value'",
            "INVALID_FIELD",
            vec!["Nopefield", "Account"],
        ),
        ("SELECT Id FROM Nopeobject", "INVALID_TYPE", vec!["Nopeobject"]),
        ("SELECT Id Account WHERE Name = 'canary-value'", "MALFORMED_QUERY", vec![]),
    ] {
        let mut url = url::Url::parse(&app.url).unwrap();
        url.path_segments_mut().unwrap().extend(["query", soql]);
        for page in [browser.open(url.as_str()).await, browser.fetch(url.as_str()).await] {
            accuses_no_user(&page);
        }
        let lines = errors_with(code);
        assert!(lines.len() >= 2, "{code}: {lines:?}");
        for name in names {
            assert!(lines.iter().all(|line| line.contains(name)), "{code}: {lines:?}");
        }
        assert!(!lines.iter().any(|line| line.contains("canary")), "{lines:?}");
    }
    let form = browser.submit(&format!("{}/write", app.url), &app.url, &[]).await;
    accuses_no_user(&form);
    assert!(!errors_with("request failed").iter().any(|line| line.contains("canary")));

    // A field that the app may not write, and a wrong external id field.
    for (status, code, message) in [
        (400, "INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: Rating. Please check"),
        (404, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: Nope__c"),
    ] {
        org.faults().at(Route::Api, api_error(status, code, message).once());
        accuses_no_user(&browser.open(&format!("{}/names", app.url)).await);
        let field = if status == 400 { "Rating" } else { "Nope__c" };
        assert!(!errors_with(field).is_empty(), "{code}");
    }
}

#[actix_web::test]
async fn a_validation_error_keeps_the_sentence_of_salesforce() {
    let (org, app, browser) = start().await;
    let sentence = "Close date <b>must</b> be in the future.";
    org.faults().at(Route::Api, api_error(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", sentence).times(2));
    let url = format!("{}/names", app.url);
    let page = browser.open(&url).await;
    assert_eq!(page.status, 400);
    assert!(page.body.contains("must") && page.body.contains("be in the future."), "{page:?}");
    assert!(!page.body.contains("<b>"), "escaped: {page:?}");
    assert_eq!(browser.fetch(&url).await.json(), json!({ "error": "refused", "message": sentence }));
}

#[actix_web::test]
async fn what_salesforce_wants_of_the_user_is_explained_with_a_link() {
    let (org, app, browser) = start().await;
    for (code, says) in [
        ("INVALID_OPERATION_WITH_EXPIRED_PASSWORD", "password has expired"),
        ("MFA_REQUIRED", "second factor"),
        ("TERMS_NOT_ACCEPTED", "accept its terms"),
    ] {
        org.faults().at(Route::Api, api_error(403, code, "x").once());
        let page = browser.open(&format!("{}/names?a=b", app.url)).await;
        assert_eq!(page.status, 403, "{page:?}");
        assert!(page.body.contains(says) && !page.body.contains("administrator"), "{code}: {page:?}");
        let link = "/auth/salesforce/login?prompt=login&amp;return_to=%2Fnames%3Fa%3Db";
        assert!(page.body.contains(link), "{code}: {page:?}");
    }
}
