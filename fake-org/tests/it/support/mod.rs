//! What the tests share: an org, a browser that follows nothing by itself, and a comparison of shapes.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

pub mod shape;

use std::collections::HashMap;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, RequestBuilder};
use salesforce_fake_org::FakeOrg;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

pub const ADA: &str = "ada@example.com";
pub const CALLBACK: &str = "http://127.0.0.1:9/callback";
pub const VERIFIER: &str = "a-verifier-of-more-than-43-characters-0123456789.~_";
pub const ALL: &str = "api id openid refresh_token";

pub fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

/// A client that shows redirects instead of following them.
pub fn http() -> Client {
    // Bytes as they come: other members of the workspace have reqwest unpack them.
    Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().no_gzip().build().unwrap()
}

/// A response, read to its end.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Response {
    pub async fn of(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
            .collect();
        Self { status, headers, body: response.text().await.unwrap() }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A parameter of the `Location`.
    #[track_caller]
    pub fn location_param(&self, name: &str) -> Option<String> {
        let url =
            url::Url::parse(self.header("location")).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// `error` and `error_description`, or `errorCode` and `message` of the first item.
    #[track_caller]
    pub fn error(&self) -> (String, String) {
        let body = self.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match body.as_array() {
            Some(items) => (text(&items[0]["errorCode"]), text(&items[0]["message"])),
            None => (text(&body["error"]), text(&body["error_description"])),
        }
    }
}

pub async fn send(request: RequestBuilder) -> Response {
    Response::of(request.send().await.unwrap()).await
}

/// A browser without scripts and without redirects: what it is sent, it shows.
pub struct Browser {
    http: Client,
    cookies: Mutex<HashMap<String, String>>,
}

impl Default for Browser {
    fn default() -> Self {
        Self { http: http(), cookies: Mutex::default() }
    }
}

impl Browser {
    pub async fn get(&self, url: &str) -> Response {
        self.visit(self.http.get(url)).await
    }

    pub async fn post(&self, url: &str, form: &[(&str, &str)]) -> Response {
        self.visit(self.http.post(url).form(form)).await
    }

    async fn visit(&self, request: RequestBuilder) -> Response {
        let cookies: Vec<String> =
            self.cookies.lock().unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let response = send(request.header("cookie", cookies.join("; "))).await;
        for (_, value) in response.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, value) = value.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.lock().unwrap().insert(name.to_owned(), value.to_owned());
        }
        response
    }

    /// Fills in the login form of a page and follows the redirect after it.
    pub async fn log_in(&self, org: &FakeOrg, page: &Response, username: &str, password: &str) -> Response {
        let url = format!("{}{}", org.login_url(), attribute(&page.body, "<form", "action"));
        let request = attribute(&page.body, "name=\"request\"", "value");
        let response =
            self.post(&url, &[("request", &request), ("username", username), ("pw", password)]).await;
        if response.status == 303 {
            return self.get(&format!("{}{}", org.login_url(), response.header("location"))).await;
        }
        response
    }

    /// Presses a button of the consent page: `oaapprove` or `oadeny`.
    pub async fn press(&self, org: &FakeOrg, page: &Response, button: &str) -> Response {
        let url = format!("{}{}", org.login_url(), attribute(&page.body, "<form", "action"));
        let request = attribute(&page.body, "name=\"request\"", "value");
        let at = format!("id=\"{button}\"");
        let (name, value) = (attribute(&page.body, &at, "name"), attribute(&page.body, &at, "value"));
        self.post(&url, &[("request", &request), (&name, &value)]).await
    }
}

/// The value of an attribute in the tag that holds `mark`.
#[track_caller]
pub fn attribute(html: &str, mark: &str, name: &str) -> String {
    let at = html.find(mark).unwrap_or_else(|| panic!("no {mark} in {html}"));
    let start = html[..=at].rfind('<').unwrap();
    let tag = &html[start..start + html[start..].find('>').unwrap()];
    let value = tag.split(&format!(" {name}=\"")).nth(1).unwrap_or_else(|| panic!("no {name} in {tag}"));
    let value = value.split('"').next().unwrap();
    value
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

/// The authorize URL with these parameters over the usual ones; an empty value leaves one out.
pub fn authorize_url(org: &FakeOrg, over: &[(&str, &str)]) -> String {
    let challenge = challenge(VERIFIER);
    let client_id = org.client_id();
    let mut params: Vec<(&str, &str)> = vec![
        ("response_type", "code"),
        ("client_id", &client_id),
        ("redirect_uri", CALLBACK),
        ("scope", ALL),
        ("state", "s t+a/te"),
        ("code_challenge", &challenge),
    ];
    for (name, value) in over {
        params.retain(|(known, _)| known != name);
        if !value.is_empty() {
            params.push((name, value));
        }
    }
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    format!("{}/services/oauth2/authorize?{query}", org.login_url())
}

/// A code for Ada, without pages.
pub async fn code(org: &FakeOrg, over: &[(&str, &str)]) -> String {
    org.sign_in(&org.user(ADA));
    let response = Browser::default().get(&authorize_url(org, over)).await;
    response.location_param("code").unwrap_or_else(|| panic!("{response:?}"))
}

/// A token request with the app's credentials; an empty value leaves a field out.
pub async fn token(org: &FakeOrg, fields: &[(&str, &str)]) -> Response {
    token_at(&org.login_url(), org, fields).await
}

pub async fn token_at(origin: &str, org: &FakeOrg, fields: &[(&str, &str)]) -> Response {
    let (id, secret) = (org.client_id(), org.client_secret());
    let mut form: Vec<(&str, &str)> = vec![("client_id", &id), ("client_secret", &secret)];
    for (name, value) in fields {
        form.retain(|(known, _)| known != name);
        if !value.is_empty() {
            form.push((name, value));
        }
    }
    send(http().post(format!("{origin}/services/oauth2/token")).form(&form)).await
}

pub async fn exchange(org: &FakeOrg, code: &str) -> Response {
    token(
        org,
        &[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ],
    )
    .await
}

pub async fn refresh(org: &FakeOrg, refresh_token: &str) -> Response {
    token(org, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
}

pub async fn userinfo(org: &FakeOrg, access_token: &str) -> Response {
    let url = format!("{}/services/oauth2/userinfo", org.instance_url());
    send(http().get(url).bearer_auth(access_token)).await
}

/// The REST API as Ada.
pub struct Api {
    pub http: Client,
    pub base: String,
    pub token: String,
}

impl Api {
    pub fn of(org: &FakeOrg) -> Self {
        let token = org.issue_tokens(&org.user(ADA), ALL).access_token;
        Self { http: http(), base: format!("{}/services/data/v66.0", org.instance_url()), token }
    }

    pub async fn get(&self, path: &str) -> Response {
        send(self.http.get(self.url(path)).bearer_auth(&self.token)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Response {
        send(self.http.post(self.url(path)).bearer_auth(&self.token).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Response {
        send(self.http.patch(self.url(path)).bearer_auth(&self.token).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Response {
        send(self.http.delete(self.url(path)).bearer_auth(&self.token)).await
    }

    /// A query's response.
    pub async fn query(&self, soql: &str) -> Response {
        let request = self.http.get(self.url("/query")).query(&[("q", soql)]).bearer_auth(&self.token);
        send(request).await
    }

    /// The records of a query that must work.
    pub async fn records(&self, soql: &str) -> Vec<Value> {
        let response = self.query(soql).await;
        assert_eq!(response.status, 200, "{soql}: {}", response.body);
        response.json()["records"].as_array().unwrap().clone()
    }

    /// A path below the version, or one that begins with `/services`.
    pub fn url(&self, path: &str) -> String {
        if path.starts_with("/services") {
            let origin = self.base.split("/services").next().unwrap();
            return format!("{origin}{path}");
        }
        format!("{}{path}", self.base)
    }
}
