//! What the org was asked: a bounded log, newest last.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use serde::Serialize;

use crate::base::lock;

/// The oldest requests are forgotten beyond this many.
const BOUND: usize = 20_000;
/// Bytes kept of one body.
const BODY_BOUND: usize = 64 * 1024;

/// One of the org's origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Host {
    /// Where people log in (`login.salesforce.com`).
    Login,
    /// The org's My Domain: data and OAuth.
    Instance,
    /// The origin after [`move_instance`](crate::FakeOrg::move_instance).
    MovedInstance,
}

/// One request, as it came in, and the status it was answered with.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Request {
    /// Counts up from 1; never reused until a reset.
    pub number: u64,
    /// The origin it went to.
    pub host: Host,
    /// The method.
    pub method: String,
    /// The raw path, still percent-encoded.
    pub path: String,
    /// The raw query, without the `?`.
    pub query: Option<String>,
    /// Header names in lower case, in order. Values that are no text are shown lossily.
    pub headers: Vec<(String, String)>,
    /// The body as text, cut at 64 KiB.
    pub body: String,
    /// The form fields, when the body is a form; the last value of a repeated field.
    pub form: BTreeMap<String, String>,
    /// `None`: not answered yet, or the connection was reset.
    pub status: Option<u16>,
    /// When it came in, milliseconds since 1970 on the org's clock.
    pub time: i64,
    /// Milliseconds until the answer was ready.
    pub took: Option<u64>,
    /// The name of the fault that struck it.
    pub fault: Option<String>,
}

impl Request {
    /// The first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// A decoded query parameter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_deref()?.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// The raw path and query, as on the request line.
    #[must_use]
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Log {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    requests: VecDeque<Request>,
}

impl Log {
    /// Enters a request and gives its number.
    pub(crate) fn enter(&self, mut request: Request) -> u64 {
        let mut inner = lock(&self.inner);
        inner.last += 1;
        request.number = inner.last;
        if inner.requests.len() >= BOUND {
            inner.requests.pop_front();
        }
        inner.requests.push_back(request);
        inner.last
    }

    pub(crate) fn body(&self, number: u64, body: &[u8], form: &[(String, String)]) {
        self.with(number, |request| {
            request.body = String::from_utf8_lossy(body.get(..BODY_BOUND).unwrap_or(body)).into_owned();
            request.form = form.iter().cloned().collect();
        });
    }

    pub(crate) fn fault(&self, number: u64, name: String) {
        self.with(number, |request| request.fault = Some(name));
    }

    pub(crate) fn answered(&self, number: u64, status: Option<u16>, took: u64) {
        self.with(number, |request| {
            request.status = status;
            request.took = Some(took);
        });
    }

    pub(crate) fn all(&self) -> Vec<Request> {
        lock(&self.inner).requests.iter().cloned().collect()
    }

    pub(crate) fn last(&self, n: usize) -> Vec<Request> {
        lock(&self.inner).requests.iter().rev().take(n).cloned().collect()
    }

    pub(crate) fn clear(&self) {
        lock(&self.inner).requests.clear();
    }

    fn with(&self, number: u64, change: impl FnOnce(&mut Request)) {
        let mut inner = lock(&self.inner);
        if let Some(request) = inner.requests.iter_mut().rev().find(|request| request.number == number) {
            change(request);
        }
    }
}
