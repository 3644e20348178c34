//! Return targets as apps, users and browsers write them, over the whole flow.

use crate::support::{CALLBACK, Client, LOGIN, TestApp, client::encoded};

/// W-30: targets as apps and users write them, over the whole flow.
#[actix_web::test]
async fn return_targets_are_read_as_they_are_written() {
    let app = TestApp::with(|builder| builder.after_login("/home")).await;
    let own = app.server.url.clone();
    for (target, landed) in [
        (format!("{own}/user?a=1#b"), "/user?a=1#b"),
        (format!("{own}/"), "/"),
        (own.clone(), "/"),
        ("/a b?c d".to_owned(), "/a%20b?c%20d"),
        ("/user?path=C:\\temp".to_owned(), "/user?path=C:%5Ctemp"),
        ("/user?q=\"x\"|{y}^`<z>'".to_owned(), "/user?q=%22x%22%7C%7By%7D%5E%60%3Cz%3E'"),
        ("/a//b".to_owned(), "/home"),
        (format!("{own}.evil.example/"), "/home"),
        (format!("{own}@evil.example/"), "/home"),
        (format!("{own}//evil.example/"), "/home"),
        ("https://evil.example/".to_owned(), "/home"),
    ] {
        let browser = Client::new();
        let login = app.url(&format!("{LOGIN}?return_to={}", encoded(&target)));
        let callback = browser.visit_until(&login, CALLBACK).await;
        let page = browser.open(callback.as_str()).await;
        assert_eq!((page.status, page.header("location")), (303, landed), "{target}: {page:?}");
    }
}

/// W-30: what the start accepts, the callback accepts.
#[actix_web::test]
async fn each_printable_character_of_a_target_survives_the_login() {
    let app = TestApp::start().await;
    let printable: Vec<char> = (' '..='~').chain(['ä', '\u{2028}', '\u{ff0f}', '😀']).collect();
    for chunk in printable.chunks(8) {
        let pages = chunk.iter().map(|c| {
            let app = &app;
            async move {
                let browser = Client::new();
                let login = app.url(&format!("{LOGIN}?return_to={}", encoded(&format!("/user?q={c}"))));
                let callback = browser.visit_until(&login, CALLBACK).await;
                (*c, browser.open(callback.as_str()).await)
            }
        });
        for (c, page) in futures_util::future::join_all(pages).await {
            assert_eq!(page.status, 303, "{c:?}: {page:?}");
        }
    }
}

/// S-11: an encoded login route as a target would nest logins.
#[actix_web::test]
async fn an_auth_route_in_any_spelling_is_no_target() {
    let app = TestApp::with(|builder| builder.after_login("/home")).await;
    for target in [
        "/auth/salesforce/%6Cogin",
        "/auth/salesforce/%6cogin?return_to=/x",
        "/auth/salesforce/login/",
        "/%61uth/salesforce/logout",
        "/auth%2Fsalesforce%2Flogin",
    ] {
        let browser = Client::new();
        let login = app.url(&format!("{LOGIN}?return_to={}", encoded(target)));
        let callback = browser.visit_until(&login, CALLBACK).await;
        let page = browser.open(callback.as_str()).await;
        assert_eq!((page.status, page.header("location")), (303, "/home"), "{target}: {page:?}");
    }
}
