//! A page's reference stands in the log, on the line that explains the page.

use crate::support::{Client, TestApp, logs};
use salesforce_fake_org::Fault;

#[actix_web::test]
async fn the_reference_of_a_page_stands_on_its_line_of_the_log() {
    logs::capture();
    let app = TestApp::start().await;
    let browser = Client::new();
    let url = app.url("/auth/salesforce/callback?error=inactive_user&state=unknown");
    let mut references = Vec::new();
    for _ in 0..2 {
        let page = browser.open(&url).await;
        let (_, rest) = page.body.split_once("Reference</dt><dd><code>").expect("a reference");
        references.push(rest.split('<').next().unwrap().to_owned());
    }
    assert_ne!(references[0], references[1]);
    // JSON has it, too.
    app.salesforce.clone().shutdown().await;
    let log = logs::text();
    for reference in references {
        assert_eq!(reference.len(), 10, "{reference}");
        let line = log.lines().find(|line| line.contains(&reference) && line.contains("login failed"));
        let line = line.unwrap_or_else(|| panic!("{reference} is not in the log: {log}"));
        assert!(line.contains("WARN") && line.contains("inactive_user"), "{line}");
    }
    // A link that any site can put up is no line of the log, and has no reference.
    let page = browser.open(&app.url("/auth/salesforce/login?host=nowhere")).await;
    assert!(page.status == 400 && !page.body.contains("Reference"), "{page:?}");
}

/// What Salesforce rejects, with the code that a user meets, and where an administrator changes it.
const REJECTED: &[(u16, &str, &str, &str)] = &[
    (403, "API_DISABLED_FOR_ORG", "An administrator", "Company Information"),
    (403, "API_CURRENTLY_DISABLED", "An administrator", "API Enabled"),
    (403, "CLIENT_NOT_ACCESSIBLE_FOR_USER", "An administrator", "External Client App Manager"),
    (403, "INSUFFICIENT_ACCESS", "An administrator", "Sharing Settings"),
    (403, "INSUFFICIENT_ACCESS_OR_READONLY", "An administrator", "Sharing Settings"),
    (403, "FUNCTIONALITY_NOT_ENABLED", "An administrator", "the feature"),
    (404, "ENTITY_IS_DELETED", "You", ""),
    (400, "STORAGE_LIMIT_EXCEEDED", "An administrator", "Storage Usage"),
    (400, "INACTIVE_OWNER_OR_USER", "An administrator", "Users &gt; Users"),
    (400, "DELETE_FAILED", "You", ""),
    (400, "DEPENDENCY_EXISTS", "You", ""),
    (400, "DUPLICATES_DETECTED", "You", ""),
    (400, "DUPLICATE_VALUE", "You", ""),
    (400, "DUPLICATE_EXTERNAL_ID", "You", ""),
    (400, "NUMBER_OUTSIDE_VALID_RANGE", "You", ""),
    (400, "EXCEEDED_ID_LIMIT", "The people who run this app", ""),
    (400, "INVALID_CROSS_REFERENCE_KEY", "You", ""),
    (400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "An administrator", "Apex Triggers"),
    (400, "INVALID_OPERATION", "You", ""),
    (400, "OPERATION_TOO_LARGE", "The people who run this app", ""),
    (500, "APEX_ERROR", "An administrator", "Apex Classes"),
];

/// Each says what, who and where; a refusal and a failure have a reference that stands in the log.
#[actix_web::test]
async fn each_error_of_a_request_says_who_can_change_it_and_where() {
    logs::capture();
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    for (status, code, who, place) in REJECTED {
        let rejected = Fault::ApiError {
            status: *status,
            code: (*code).to_owned(),
            message: "Smith's secret".to_owned(),
        };
        let fault = app.org.faults().query(rejected);
        let page = browser.open(&app.url("/names")).await;
        assert!(page.body.contains(&format!("Who can change this</dt><dd>{who}")), "{code}: {page:?}");
        assert_eq!(page.body.contains("Where in Salesforce Setup"), !place.is_empty(), "{code}: {page:?}");
        assert!(page.body.contains(place) && page.body.contains(code), "{code}: {page:?}");
        assert!(!page.body.contains("Smith"), "{code}: {page:?}");
        let json = browser.fetch(&app.url("/names")).await.json();
        assert_eq!(json["code"], *code, "{json}");
        let reference = page.body.split_once("Reference</dt><dd><code>").map(|(_, rest)| &rest[..10]);
        let is_logged = !matches!(page.status, 400 | 404);
        assert_eq!(reference.is_some(), is_logged, "{code}: {page:?}");
        if let Some(reference) = reference {
            let log = logs::text();
            let line = log.lines().find(|line| line.contains(reference) && line.contains("/names"));
            let line = line.expect("the log has the reference");
            assert!(line.contains(code) && !line.contains("Smith"), "{line}");
        }
        fault.remove();
    }
}
