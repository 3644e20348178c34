//! A browser as far as HTTP goes: cookies, the headers of navigations and of scripts, redirects one by one.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Mutex,
    time::Duration,
};

use reqwest::{
    Method,
    header::{HeaderMap, SET_COOKIE},
};
use url::Url;

/// One cookie jar. Cookies are kept by host, as browsers do: ports do not tell them apart.
pub struct Client {
    http: reqwest::Client,
    jar: Mutex<HashMap<String, BTreeMap<String, String>>>,
    trace: Mutex<Vec<Page>>,
    traced: bool,
}

/// What stands behind the stem of a name that the middleware gives its cookies by default.
fn kind(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("__Host-").unwrap_or(name).strip_prefix("salesforce-")?;
    Some(rest.find('.').map_or("", |dot| &rest[dot..]))
}

/// One response.
#[derive(Clone)]
pub struct Page {
    pub url: Url,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body: String = self.body.chars().filter(|c| !c.is_control()).take(1500).collect();
        write!(f, "{} {} {:?} {body}", self.status, self.url, self.headers)
    }
}

impl Page {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The `Location` header, resolved as a browser does.
    pub fn location(&self) -> Url {
        self.url.join(self.header("location")).expect("a location")
    }

    pub fn is_redirect(&self) -> bool {
        (300..400).contains(&self.status) && self.headers.contains_key("location")
    }

    /// Whether it gives the browser a login.
    pub fn sets_login(&self) -> bool {
        self.set_cookies().iter().any(|cookie| {
            let (name, value) = cookie.split_once('=').expect("name=value");
            kind(name) == Some("") && !value.starts_with(';')
        })
    }

    pub fn set_cookies(&self) -> Vec<String> {
        self.headers
            .get_all(SET_COOKIE)
            .iter()
            .map(|value| value.to_str().expect("ASCII").to_owned())
            .collect()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("JSON: {self:?}"))
    }

    /// A member of the URL's query.
    pub fn query(&self, name: &str) -> Option<String> {
        query(&self.url, name)
    }
}

/// A member of a URL's query.
pub fn query(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// A text as a value in a URL's query.
pub fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The headers of a browser that opens a page.
pub const DOCUMENT: [(&str, &str); 3] =
    [("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Client {
    pub fn new() -> Self {
        // Actix ends idle connections after 5 s: one of that age is not taken up again, lest the two meet.
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // Plain HTTP only. Without it each client reads the system's certificates, which costs more than a test.
            .tls_certs_only([])
            .pool_idle_timeout(Duration::from_secs(2))
            .build();
        Self {
            http: http.expect("an HTTP client"),
            jar: Mutex::default(),
            trace: Mutex::default(),
            traced: true,
        }
    }

    /// Sends one request with the jar's cookies and keeps the cookies that come back.
    pub async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Page {
        let page = self.try_send(method, url, headers, body).await;
        page.unwrap_or_else(|error| panic!("a response from {url}: {error:?}"))
    }

    /// The same where no response may come.
    pub async fn try_send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Result<Page, reqwest::Error> {
        let url = Url::parse(url).expect("a URL");
        let mut request = self.http.request(method, url.clone());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(cookies) = self.cookie_header(&url) {
            request = request.header("cookie", cookies);
        }
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.text().await?;
        let page = Page { url, status, headers, body };
        self.keep_cookies(&page);
        if self.traced {
            self.trace.lock().unwrap().push(page.clone());
        }
        Ok(page)
    }

    /// What a click on a link sends, one hop.
    pub async fn open(&self, url: &str) -> Page {
        let headers = [
            ("accept", "text/html,application/xhtml+xml;q=0.9"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        self.send(Method::GET, url, &headers, None).await
    }

    /// A click on a link, and every redirect after it.
    pub async fn visit(&self, url: &str) -> Page {
        let mut page = self.open(url).await;
        for _ in 0..12 {
            if !page.is_redirect() {
                return page;
            }
            page = self.open(page.location().as_str()).await;
        }
        panic!("an endless redirect: {page:?}");
    }

    /// Follows redirects until one leads to `until` (a path), which is not opened.
    pub async fn visit_until(&self, url: &str, until: &str) -> Url {
        let mut page = self.open(url).await;
        for _ in 0..12 {
            assert!(page.is_redirect(), "no redirect to {until}: {page:?}");
            let location = page.location();
            if location.path() == until {
                return location;
            }
            page = self.open(location.as_str()).await;
        }
        panic!("an endless redirect: {page:?}");
    }

    /// What a script sends.
    pub async fn fetch(&self, url: &str) -> Page {
        let headers =
            [("accept", "application/json"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")];
        self.send(Method::GET, url, &headers, None).await
    }

    /// A form of a page of `origin`, one hop.
    pub async fn submit(&self, url: &str, origin: &str, fields: &[(&str, &str)]) -> Page {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let headers = [
            ("accept", "text/html"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", origin),
            ("sec-fetch-mode", "navigate"),
        ];
        self.send(Method::POST, url, &headers, Some(&body)).await
    }

    /// The cookies for this host, by name.
    pub fn cookies(&self, host: &str) -> BTreeMap<String, String> {
        self.jar.lock().unwrap().get(host).cloned().unwrap_or_default()
    }

    /// Name and value of one of the middleware's own cookies, by what stands behind the stem of its name: nothing for
    /// the login's, `.session`, `.attempt.`, `.landed`.
    pub fn own_cookie(&self, wanted: &str) -> Option<(String, String)> {
        let is_it = |name: &str| match kind(name) {
            Some(kind) if wanted.is_empty() => kind.is_empty(),
            Some(kind) => kind.starts_with(wanted),
            None => false,
        };
        self.cookies("127.0.0.1").into_iter().find(|(name, _)| is_it(name))
    }

    /// The `Cookie` header for loopback.
    pub fn cookie_line(&self) -> String {
        let cookies = self.cookies("127.0.0.1");
        cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    pub fn set_cookie(&self, host: &str, name: &str, value: &str) {
        self.jar
            .lock()
            .unwrap()
            .entry(host.to_owned())
            .or_default()
            .insert(name.to_owned(), value.to_owned());
    }

    pub fn remove_cookie(&self, host: &str, name: &str) {
        self.jar.lock().unwrap().entry(host.to_owned()).or_default().remove(name);
    }

    /// Keeps no trace, for those who go on for long.
    pub fn untraced(mut self) -> Self {
        self.traced = false;
        self
    }

    /// A browser with the same cookies that goes its own way from here, with separate connections.
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        copy.jar.lock().unwrap().clone_from(&self.jar.lock().unwrap());
        copy
    }

    /// Everything that this browser was sent.
    pub fn trace(&self) -> Vec<Page> {
        self.trace.lock().unwrap().clone()
    }

    fn cookie_header(&self, url: &Url) -> Option<String> {
        let jar = self.jar.lock().unwrap();
        let cookies = jar.get(url.host_str()?)?;
        let pairs: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    fn keep_cookies(&self, page: &Page) {
        let mut jar = self.jar.lock().unwrap();
        let cookies = jar.entry(page.url.host_str().unwrap_or_default().to_owned()).or_default();
        for cookie in page.set_cookies() {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((&cookie, ""));
            let (name, value) = pair.split_once('=').expect("name=value");
            if value.is_empty() || attributes.to_ascii_lowercase().contains("max-age=0") {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

impl Client {
    /// Posts bytes. `None`: the server closed the connection before it had read all of them.
    pub async fn raw_post(url: &str, body: Vec<u8>) -> Option<u16> {
        let response = Self::new().http.post(url).body(body).send().await;
        response.ok().map(|response| response.status().as_u16())
    }
}
