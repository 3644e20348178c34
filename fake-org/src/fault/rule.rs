//! What can go wrong, and the rule that says when.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::value::RawBytes;
use crate::base::duration::millis;

/// A class of requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Route {
    /// `/services/oauth2/authorize`, the login and the consent form.
    Authorize,
    /// `/services/oauth2/token`.
    Token,
    /// `/services/oauth2/revoke`.
    Revoke,
    /// `/services/oauth2/introspect`.
    Introspect,
    /// `/services/oauth2/userinfo`.
    Userinfo,
    /// `/id/<org>/<user>`.
    Identity,
    /// `/id/keys`.
    Jwks,
    /// `/.well-known/openid-configuration`.
    Discovery,
    /// Everything below `/services/data`, queries included.
    Api,
    /// `/services/data/vNN.0/query` and `queryAll`, further pages included.
    Query,
    /// Every path that begins so.
    Path(String),
    /// Every request.
    Any,
}

/// A fault.
///
/// In JSON the variant's name in snake case: `"html"`, `{"status":503}`, `{"merge_json":{"instance_url":"…"}}`,
/// `{"redirect":{"status":307,"location":"…"}}`.
///
/// "Instead" means this is the response and nothing changes; "genuine" means the request is carried out (a
/// refresh token rotates, a record is made) and its response is then corrupted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// Nothing but the delays of the rule.
    Slow,
    /// Waits before the request is carried out; genuine. In JSON milliseconds.
    #[serde(with = "millis")]
    Delay(Duration),
    /// Instead: this status, with an error body as that endpoint writes it.
    Status(u16),
    /// Instead: 503 and Salesforce's maintenance page, HTML.
    Maintenance,
    /// Instead: the connection is reset (RST) when the head was read; the body never is.
    ResetBeforeRead,
    /// Instead: the whole request is read, then the connection is reset without a byte of response.
    #[serde(rename = "reset_before_answer", alias = "reset_before_response")]
    ResetBeforeResponse,
    /// Genuine: the connection is reset inside the status line.
    ResetMidStatus,
    /// Genuine: the connection is reset inside the header fields.
    ResetMidHead,
    /// Genuine: head and half of the body are sent, then the connection is reset.
    ResetMidBody,
    /// Genuine: the change is made, then the connection is reset without a byte of response.
    #[serde(rename = "lose_answer", alias = "lose_response")]
    LoseResponse,
    /// Genuine: the whole response is sent, then the connection is reset instead of being reused.
    ResetAfterBody,
    /// Genuine: half of the body is sent, then the connection is closed in order (FIN) before `Content-Length`.
    ShortBody,
    /// Instead: 200 and an HTML page.
    Html,
    /// Instead: 200, `application/json`, and bytes that are neither JSON nor UTF-8.
    Garbage,
    /// Instead: 200 and no body.
    Empty200,
    /// Genuine, but the body is the first half of the JSON text, complete as HTTP.
    Truncated,
    /// Instead: a JSON text of so many bytes, all `a`, gzipped to a thousandth.
    GzipBomb(u64),
    /// Instead: says `Content-Encoding: gzip` and is not.
    BadGzip,
    /// Instead: a chunked JSON text that never ends, as fast as it is read.
    Endless,
    /// Genuine, at one byte per second.
    Drip,
    /// Instead: a redirect.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// The `Location`.
        location: String,
    },
    /// Instead: 200 and this JSON.
    Json(Value),
    /// Genuine, with these members put over those of the response; `null` removes a member. Objects merge deeply.
    MergeJson(Value),
    /// Instead: exactly this.
    RawBody {
        /// HTTP status.
        status: u16,
        /// `Content-Type`.
        content_type: String,
        /// The body; in JSON a text or `{"base64":"…"}`.
        body: RawBytes,
    },
    /// Instead: a JSON text nested 200,000 deep.
    DeepJson,
    /// Genuine, with a `Date` that is so many seconds ahead of the machine's clock; behind it when negative.
    DateSkew(i64),
    /// Genuine, but a redirect is followed twice: a page goes to its `Location` in a frame and then as a whole. Other
    /// responses are left as they are.
    DuplicateCallback,
    /// Genuine, with so many more header fields.
    ManyHeaders(usize),
    /// Instead: this status with `Retry-After`.
    RetryAfter {
        /// 429 or 503.
        status: u16,
        /// Seconds.
        seconds: u64,
    },
    /// Instead: an error as the OAuth endpoints write it.
    OauthError {
        /// `error`.
        error: String,
        /// `error_description`.
        description: String,
        /// HTTP status; Salesforce nearly always sends 400.
        #[serde(default = "bad_request")]
        status: u16,
    },
    /// Instead: an error as the REST API writes it, an array.
    ApiError {
        /// HTTP status.
        status: u16,
        /// `errorCode`.
        code: String,
        /// `message`.
        message: String,
    },
}

fn bad_request() -> u16 {
    400
}

impl Fault {
    /// The fault on the next `n` matching requests only.
    #[must_use]
    pub fn times(self, n: u64) -> Rule {
        Rule::from(self).times(n)
    }

    /// The fault on the next matching request only.
    #[must_use]
    pub fn once(self) -> Rule {
        self.times(1)
    }

    /// The fault on token requests with this `grant_type` only.
    #[must_use]
    pub fn grant_type(self, grant_type: &str) -> Rule {
        Rule::from(self).grant_type(grant_type)
    }

    /// The fault after a wait.
    #[must_use]
    pub fn delay(self, before: Duration) -> Rule {
        Rule::from(self).delay(before)
    }
}

/// A fault and when it strikes: on which route, how often, how late.
///
/// Made from a [`Fault`] and refined: `Fault::Status(503).times(2).grant_type("refresh_token")`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub(crate) route: Route,
    #[serde(default = "slow")]
    pub(crate) fault: Fault,
    /// Whether it strikes the parts of composite requests and batches instead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) inner: bool,
    /// How many requests it still strikes; absent: until cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) times: Option<u64>,
    /// How many matching requests pass unharmed first.
    #[serde(default)]
    pub(crate) skip: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) grant_type: Option<String>,
    #[serde(default, with = "millis")]
    pub(crate) delay_ms: Duration,
    #[serde(default, with = "millis")]
    pub(crate) delay_after_ms: Duration,
    /// The wait after handling applies to responses of this status only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delay_after_status: Option<u16>,
}

fn slow() -> Fault {
    Fault::Slow
}

impl From<Fault> for Rule {
    fn from(fault: Fault) -> Self {
        Self {
            route: Route::Any,
            fault,
            inner: false,
            times: None,
            skip: 0,
            grant_type: None,
            delay_ms: Duration::ZERO,
            delay_after_ms: Duration::ZERO,
            delay_after_status: None,
        }
    }
}

impl Rule {
    /// The requests it is for.
    #[must_use]
    pub fn on(mut self, route: Route) -> Self {
        self.route = route;
        self
    }

    /// Only the next `n` matching requests.
    #[must_use]
    pub fn times(mut self, n: u64) -> Self {
        self.times = Some(n);
        self
    }

    /// Strikes the parts of composite requests and batches instead of whole requests. Only [`Fault::Status`] and
    /// [`Fault::ApiError`] have an effect there; the route is `api`, `query`, `any` or a path.
    #[must_use]
    pub fn inner(mut self) -> Self {
        self.inner = true;
        self
    }

    /// Lets the first `n` matching requests pass.
    #[must_use]
    pub fn skip(mut self, n: u64) -> Self {
        self.skip = n;
        self
    }

    /// Only token requests with this `grant_type`.
    #[must_use]
    pub fn grant_type(mut self, grant_type: &str) -> Self {
        self.grant_type = Some(grant_type.to_owned());
        self
    }

    /// Waits before the request is carried out.
    #[must_use]
    pub fn delay(mut self, before: Duration) -> Self {
        self.delay_ms = before;
        self
    }

    /// Waits after the request was carried out, before its response is sent.
    #[must_use]
    pub fn delay_after(mut self, after: Duration) -> Self {
        self.delay_after_ms = after;
        self
    }

    /// As [`delay_after`](Self::delay_after), but only responses of this status are late.
    #[must_use]
    pub fn delay_status(mut self, status: u16, after: Duration) -> Self {
        self.delay_after_ms = after;
        self.delay_after_status = Some(status);
        self
    }
}
