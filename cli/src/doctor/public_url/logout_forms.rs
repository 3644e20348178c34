//! The forms that log out, sent as browsers send them: what stands in front of the app has to pass on the method and the
//! headers by which the app knows its own pages.

use actix_salesforce::config::StartPlan;
use reqwest::{
    Client, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, LOCATION, ORIGIN},
};
use url::Url;

use super::super::finding::{Check, Finding};

/// The form of a page with `Referrer-Policy: no-referrer`, as those of the crate are: its `Origin` is `null` (Fetch
/// standard, "append a request Origin header").
const WITHOUT_REFERRER: &str = "null";

/// The code of the app's 403 for a page of another site.
const FOREIGN: &[u8] = b"\"foreign_origin\"";

/// What came of a form.
enum Sent {
    /// The app took it for a form of its pages.
    Accepted,
    /// The app took it for one of another site.
    Foreign,
    Otherwise(String),
}

/// Sends both forms. Without a cookie they end no login.
pub(super) async fn check(client: &Client, plan: &StartPlan) -> Finding {
    let Some(logout) = &plan.logout_route else {
        let what = "The cookie of the login arrives unchanged. No logout route is mounted to try the headers of a form at.";
        return Finding::skipped(Check::ProxyHeaders, what);
    };
    let origin = plan.public_url.origin().ascii_serialization();
    let ours = send(client, logout, WITHOUT_REFERRER, &origin).await;
    let apps = send(client, logout, &origin, &origin).await;
    let failed = |what: &str, fix: &str| Finding::failed(Check::ProxyHeaders, what).fix(fix);
    match (ours, apps) {
        (Sent::Accepted, Sent::Accepted) => Finding::passed(
            Check::ProxyHeaders,
            "The cookie of the login and the headers of forms arrive unchanged.",
        ),
        (Sent::Otherwise(what), _) | (_, Sent::Otherwise(what)) => {
            failed(&what, "let the proxy in front pass POST on to the auth routes, unchanged")
        }
        (Sent::Foreign, Sent::Accepted) => failed(
            "A logout from a page of this crate, or from another one without a referrer, is refused as one of another site.",
            "let the proxy in front pass on Sec-Fetch-Site as browsers send it",
        ),
        (Sent::Accepted, Sent::Foreign) => failed(
            "A logout from a page of the app that has a referrer is refused as one of another site.",
            "let the proxy in front pass on Origin as browsers send it; the app behind it needs the same SALESFORCE_PUBLIC_URL",
        ),
        (Sent::Foreign, Sent::Foreign) => failed(
            "A logout from a page of the app is refused as one of another site.",
            "let the proxy in front pass on Origin and Sec-Fetch-Site as browsers send them; the app behind it needs the same \
             SALESFORCE_PUBLIC_URL",
        ),
    }
}

/// Sends what decides over the form as a browser does that shows a page of the app. JSON is wanted, so that the response
/// says whether a 403 is the app's.
async fn send(client: &Client, logout: &Url, origin: &str, app: &str) -> Sent {
    let form = client.post(logout.clone()).header(ORIGIN, origin);
    let form =
        form.header(ACCEPT, "application/json").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let form = form.header("sec-fetch-site", "same-origin").body("");
    match form.send().await {
        Ok(response) => read(logout, app, response).await,
        Err(error) if error.is_timeout() => {
            Sent::Otherwise(format!("A POST to {logout} gets no response in time."))
        }
        Err(_) => Sent::Otherwise(format!("A POST to {logout} gets no response.")),
    }
}

/// A proxy's 403 is no such one.
async fn is_foreign(response: Response) -> bool {
    response.bytes().await.is_ok_and(|body| body.windows(FOREIGN.len()).any(|part| part == FOREIGN))
}

async fn read(logout: &Url, app: &str, response: Response) -> Sent {
    let status = response.status();
    let target = response.headers().get(LOCATION).and_then(|target| logout.join(target.to_str().ok()?).ok());
    let origin = target.map(|target| target.origin().ascii_serialization());
    match (status, origin) {
        (StatusCode::FORBIDDEN, _) if is_foreign(response).await => Sent::Foreign,
        (StatusCode::SEE_OTHER, Some(origin)) if origin == app => Sent::Accepted,
        (_, Some(origin)) if status.is_redirection() => Sent::Otherwise(format!(
            "A POST to {logout} is redirected to {origin} with status {}, and not to a page of the app.",
            status.as_u16()
        )),
        _ => Sent::Otherwise(format!(
            "A POST to {logout} gets status {}, and no redirect to a page of the app.",
            status.as_u16()
        )),
    }
}
