//! A page's reference stands in the log, on the line that explains the page.

use crate::support::{Client, TestApp, logs};

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
