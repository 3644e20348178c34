//! A browser that logs in at the fake org: fills in its forms, and follows its redirects.

use reqwest::{
    Response,
    header::{COOKIE, LOCATION, SET_COOKIE},
};
use url::Url;

/// What the user chooses on the page that asks for approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    Allow,
    Deny,
}

/// Opens an authorization URL as ada, and goes on until no page leads further.
pub(crate) async fn log_in(authorize: Url, choice: Choice) {
    let browser = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tls_certs_only([])
        .build()
        .expect("an HTTP client");
    let mut cookie = String::new();
    let mut url = authorize;
    let mut page = browser.get(url.clone()).send().await.expect("the login page");
    // Login, approval and callback take seven steps.
    for _ in 0..10 {
        if let Some(sent) = page.headers().get(SET_COOKIE) {
            cookie = sent.to_str().expect("ASCII").split(';').next().unwrap_or_default().to_owned();
        }
        if let Some(target) = target(&url, &page) {
            url = target;
            page = browser.get(url.clone()).header(COOKIE, &cookie).send().await.expect("the next page");
            continue;
        }
        let body = page.text().await.expect("a page");
        let (path, mut form) = match () {
            () if body.contains("id=\"error\"") => return,
            () if body.contains("name=\"pw\"") => {
                ("/login", vec![("username", "ada@example.com".to_owned()), ("pw", "fake-org-1".to_owned())])
            }
            () if body.contains("name=\"save\"") => {
                let button = if choice == Choice::Allow { "save" } else { "cancel" };
                ("/consent", vec![(button, "x".to_owned())])
            }
            () => return,
        };
        let (_, rest) = body.split_once("name=\"request\" value=\"").expect("the request");
        form.push(("request", rest.split('"').next().unwrap_or_default().replace("&amp;", "&")));
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        url = url.join(path).expect("a URL");
        let sent = browser.post(url.clone()).header(COOKIE, &cookie).body(form);
        page = sent
            .header("content-type", "application/x-www-form-urlencoded")
            .send()
            .await
            .expect("the next page");
    }
    panic!("the login does not end");
}

fn target(url: &Url, page: &Response) -> Option<Url> {
    url.join(page.headers().get(LOCATION)?.to_str().ok()?).ok()
}
