//! The public URL: that it leads to the app, and that what stands in front passes on what a login and a logout need.

mod logout_forms;

use std::{error::Error as _, time::Duration};

use actix_salesforce::config::StartPlan;
use reqwest::{
    Client, Response,
    header::{CACHE_CONTROL, HeaderMap, LOCATION, SET_COOKIE},
    redirect::Policy,
};
use url::Url;

use super::finding::{Check, Finding, Report};

const BOTH: [Check; 2] = [Check::PublicUrl, Check::ProxyHeaders];
/// Longest time for a request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Starts a login at the app as a browser would, and reads where it leads. Nothing is stored by it.
pub(super) async fn check(plan: &StartPlan, report: &mut Report) {
    let Some(login) = &plan.login_route else {
        report.skip(BOTH, "The login route is not mounted.");
        return;
    };
    report.working_on("trying the public URL");
    let client =
        Client::builder().redirect(Policy::none()).timeout(TIMEOUT).connect_timeout(TIMEOUT / 2).build();
    let Ok(client) = client else {
        report.skip(BOTH, "This machine has no HTTP client.");
        return;
    };
    match client.get(login.clone()).header("accept", "text/html").send().await {
        Ok(response) => report_login(plan, login, &response, report),
        Err(error) => {
            report.add(not_reached(plan, &error));
            report.skip(BOTH, "The public URL does not lead to the app.");
            return;
        }
    }
    if !report.has(Check::ProxyHeaders) {
        report.add(logout_forms::check(&client, plan).await);
    }
}

fn not_reached(plan: &StartPlan, error: &reqwest::Error) -> Finding {
    let mut causes = vec![error.without_url_text()];
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    let text = causes.join(": ");
    let is_about_certificate =
        ["certificate", "tls", "handshake"].iter().any(|word| text.to_ascii_lowercase().contains(word));
    let url = plan.public_url.as_str().trim_end_matches('/');
    match is_about_certificate {
        true => Finding::failed(Check::PublicUrl, format!("Browsers cannot open {url}: {text}."))
            .fix("give the proxy in front of the app a certificate for this name"),
        // The app may be deployed later, or this machine may be outside of its network.
        false => Finding::skipped(Check::PublicUrl, format!("No app responds at {url}."))
            .fix("start the app, and run this where its public URL can be reached"),
    }
}

trait WithoutUrl {
    /// Returns the error's text without the URL.
    fn without_url_text(&self) -> String;
}

impl WithoutUrl for reqwest::Error {
    fn without_url_text(&self) -> String {
        if self.is_timeout() { "no response in time".into() } else { "the request failed".into() }
    }
}

fn report_login(plan: &StartPlan, login: &Url, response: &Response, report: &mut Report) {
    let status = response.status().as_u16();
    let target = response.headers().get(LOCATION).and_then(|target| login.join(target.to_str().ok()?).ok());
    let of_target = |name: &str| {
        let target = target.as_ref()?;
        target.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let failed = |what: String| Finding::failed(Check::PublicUrl, what);
    let expected: Vec<_> = plan.logins.iter().map(|login| login.redirect_uri.as_str()).collect();
    let finding = match (target.as_ref(), of_target("redirect_uri"), of_target("client_id")) {
        (None, ..) if status == 404 => failed(format!("{login} is not found.")).fix(
            "let the proxy in front pass the auth routes on to the app; if it serves the app below a path and strips that, \
             SALESFORCE_PUBLIC_URL ends with the path",
        ),
        (None, ..) => failed(format!("{login} responds with status {status}, and not with a redirect to Salesforce."))
            .fix("read the log of the app and of the proxy in front"),
        (_, Some(uri), _) if !expected.contains(&uri.as_str()) => {
            failed(format!("The app there sends users back to {uri}.")).fix("give the app there the same SALESFORCE_PUBLIC_URL")
        }
        (_, Some(_), Some(id)) if id != plan.app.client_id => {
            failed("The app there has another client id.".into()).fix("give the app there the same SALESFORCE_CLIENT_ID")
        }
        (_, Some(_), Some(_)) => Finding::passed(Check::PublicUrl, format!("{login} starts a login.")),
        (Some(target), ..) => {
            let place = target.origin().ascii_serialization();
            failed(format!("{login} redirects to {place}, and not to a login at Salesforce."))
                .fix("let the proxy in front pass the auth routes on unchanged, and make SALESFORCE_PUBLIC_URL what browsers show")
        }
    };
    let is_app = finding.outcome == super::finding::Outcome::Passed;
    report.add(finding);
    if !is_app {
        report.skip([Check::ProxyHeaders], "The public URL does not lead to the app.");
        return;
    }
    if let Some(finding) = changed_headers(plan, response.headers()) {
        report.add(finding);
    }
}

/// Returns what a proxy did to the response's headers.
fn changed_headers(plan: &StartPlan, headers: &HeaderMap) -> Option<Finding> {
    let failed = |what: &str, fix: &str| Some(Finding::failed(Check::ProxyHeaders, what).fix(fix));
    let cookies: Vec<String> = headers
        .get_all(SET_COOKIE)
        .iter()
        .filter_map(|cookie| cookie.to_str().ok())
        .map(|cookie| cookie.to_ascii_lowercase())
        .collect();
    if cookies.is_empty() {
        return failed("The cookie of the login is missing.", "let the proxy in front pass on Set-Cookie");
    }
    let attributes =
        |cookie: &str| cookie.split(';').skip(1).map(|part| part.trim().to_owned()).collect::<Vec<_>>();
    let is_secure = plan.public_url.scheme() == "https";
    for cookie in &cookies {
        let attributes = attributes(cookie);
        let is_changed = !attributes.iter().any(|part| part == "path=/")
            || attributes.iter().any(|part| part.starts_with("domain="))
            || (is_secure && !attributes.iter().any(|part| part == "secure"));
        if is_changed {
            return failed(
                "The cookie of the login was rewritten.",
                "remove proxy_cookie_path, proxy_cookie_domain and the like: Path=/, Secure and no Domain have to stay",
            );
        }
    }
    let is_stored = !headers
        .get(CACHE_CONTROL)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("no-store"));
    is_stored.then(|| {
        Finding::warning(
            Check::ProxyHeaders,
            "The proxy in front removes Cache-Control: no-store from the auth routes.",
        )
        .fix("let the proxy pass on Cache-Control, and cache nothing that sets a cookie")
    })
}
