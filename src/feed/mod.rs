//! Events of Salesforce for open pages: server-sent events. Feature `events`.
//!
//! [`Salesforce::feed`] reads a topic of the Pub/Sub API once for all browsers of a process, and [`Feed::respond`] passes its
//! events on.
//!
//! | event | data | what a page does |
//! |---|---|---|
//! | `open` (of the browser) | - | loads everything: the first time, and after a lost connection |
//! | `change` | `{"object":"Account","change":"UPDATE","ids":["001…"],"fields":["Phone"]}` | loads these records |
//! | `published` | `{"event":"Order_Event__e"}` | loads what a platform event is about |
//! | `reset` | `{"reason":"lagged"}`, `gap` or `interrupted` | loads everything: changes were missed |
//!
//! The chapter "Events" has what is guaranteed.

mod message;
mod places;
mod ring;
mod shared;
mod stream;
mod upstream;
mod visible;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, OnceLock, Weak},
    time::Duration,
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentEncoding},
};
use salesforce_connection::{
    Error, OrgId, Result, UserRef,
    events::{Delivery, RawEvent},
};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::{
    places::Places,
    shared::Shared,
    stream::EventStream,
    upstream::{Reader, State},
    visible::Visibility,
};
use crate::{
    RequireLogin, Salesforce, SalesforceUser,
    base::lock::lock,
    web::{self, WorkerState},
};

/// How long a browser waits until the topic is read.
const START_PATIENCE: Duration = Duration::from_secs(5);

/// When a program may ask again that got no stream.
const RETRY_AFTER: Duration = Duration::from_secs(10);

type MapFunction = dyn Fn(&SalesforceUser, &Delivery<RawEvent>) -> Option<Value> + Send + Sync;

/// The events of a topic for open pages, as server-sent events. Created by [`Salesforce::feed`]. Cheap to clone.
///
/// One process reads the topic once, by the service user, from the first browser on until all clones are dropped. The last
/// 1,000 events, 4 MiB at most, are in memory for all browsers together; each reads on from where it was.
///
/// ```
/// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
/// use actix_salesforce::feed::Feed;
/// use actix_web::{Error, HttpRequest, HttpResponse, get, web};
///
/// #[get("/accounts/live")]
/// async fn live(request: HttpRequest, feed: web::Data<Feed>) -> Result<HttpResponse, Error> {
///     feed.respond(&request).await
/// }
/// ```
///
/// In the page:
///
/// ```js
/// const live = new EventSource("/accounts/live");
/// live.addEventListener("open", loadAccounts);
/// live.addEventListener("change", loadAccounts);
/// live.addEventListener("reset", loadAccounts);
/// ```
///
/// A browser does not reconnect after an error status. `live.js` of the example `accounts` opens a new stream then.
#[derive(Clone)]
pub struct Feed {
    inner: Arc<Inner>,
    map: Option<Arc<MapFunction>>,
    is_visible_only: bool,
}

struct Inner {
    shared: Arc<Shared>,
    state: watch::Sender<State>,
    places: Places,
    reader: Option<Reader>,
    started: OnceLock<()>,
    closed: CancellationToken,
    /// Ends the reading when the last clone is dropped.
    _end: DropGuard,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("topic", &self.inner.shared.topic()).finish_non_exhaustive()
    }
}

/// The feeds of a process, so that a topic is read once.
#[derive(Default)]
pub(crate) struct Feeds {
    places: Places,
    by_topic: Mutex<HashMap<String, Weak<Inner>>>,
}

impl Salesforce {
    /// Returns the feed of a topic of the Pub/Sub API, for example `/data/AccountChangeEvent`: server-sent events for open
    /// pages.
    ///
    /// Calls with the same topic return the same feed. It is read by the [service
    /// user](crate::SalesforceBuilder::service_user), who needs "View All" for the objects, from the first browser on. Each
    /// process counts against the org's deliveries: 10,000 to 50,000 events in 24 hours.
    #[doc(alias = "sse")]
    #[doc(alias = "live")]
    pub fn feed(&self, topic: impl Into<String>) -> Feed {
        let topic = topic.into();
        let feeds = self.feeds();
        let mut by_topic = lock(&feeds.by_topic);
        let open = by_topic.get(&topic).and_then(Weak::upgrade).filter(|inner| !inner.closed.is_cancelled());
        if let Some(inner) = open {
            return Feed { inner, map: None, is_visible_only: false };
        }
        let closed = self.grants().spawner().child_token();
        let reader = self.settings().service.clone().map(|user| Reader {
            grants: Arc::clone(self.grants()),
            client: self.grants().client().clone(),
            user,
        });
        let inner = Arc::new(Inner {
            shared: Arc::new(Shared::new(topic.clone())),
            state: watch::Sender::new(State::Starting),
            places: feeds.places.clone(),
            reader,
            started: OnceLock::new(),
            closed: closed.clone(),
            _end: closed.drop_guard(),
        });
        by_topic.retain(|_, inner| inner.strong_count() > 0);
        by_topic.insert(topic, Arc::downgrade(&inner));
        Feed { inner, map: None, is_visible_only: false }
    }
}

impl Feed {
    /// Returns a feed with other data: what the function returns for the user of a page, and nothing where it returns `None`.
    ///
    /// The service user sees everything, so the app decides here who may see which values. Without this function the data
    /// has none: the page reads the records as its own user, and Salesforce decides. The function is called for each
    /// event and browser, on the worker: it must not block.
    ///
    /// ```
    /// # fn example(salesforce: &actix_salesforce::Salesforce) {
    /// let feed = salesforce.feed("/event/Order_Event__e").map(|user, delivery| {
    ///     let order: serde_json::Value = delivery.event.decode().ok()?;
    ///     (order["Region__c"] == "North" && user.username.as_deref() == Some("north@example.com")).then_some(order)
    /// });
    /// # }
    /// ```
    #[must_use]
    pub fn map(
        mut self,
        function: impl Fn(&SalesforceUser, &Delivery<RawEvent>) -> Option<Value> + Send + Sync + 'static,
    ) -> Self {
        self.map = Some(Arc::new(function));
        self
    }

    /// Returns a feed that leaves out the ids of records which the user of a page may not read.
    ///
    /// Each page asks Salesforce as its user, with one query for the records of an object that come at once, at most 200 in
    /// each: `SELECT Id FROM Account WHERE Id IN (…)`. The result counts for a minute. An event without a readable record is
    /// left out. A deleted record cannot be asked for: unless the user was seen to be able to read it within the last minute, its
    /// event is a `reset` with the reason `gap`, and the page loads what it shows. While Salesforce does not respond, nothing is
    /// sent: the stream ends, and the browser goes on before the event when it reconnects. Platform events have no ids and
    /// pass. With [`map`](Self::map), the function gets only events all of whose records are readable.
    ///
    /// The queries count against the org's API requests.
    #[must_use]
    pub fn visible_only(mut self) -> Self {
        self.is_visible_only = true;
        self
    }

    /// Responds with the stream of events, to a user of the service user's org who is logged in. This protects the route.
    ///
    /// The stream begins with the next event, or after the one that the browser had last (`Last-Event-ID`); if that is no
    /// longer in memory, with a `reset`. It ends with the login: at once when this process has stored its end, else
    /// within 15 seconds, and nothing is sent later than a second after it is stored. It is no use of the login, which expires in
    /// its time. After about ten minutes it ends, and the browser reconnects: the rules of the route are checked again then.
    ///
    /// A browser that reads another page ends its connection in a way that actix notices with the next write only, within
    /// half a minute. `HttpServer::h1_allow_half_closed(false)` makes it notice at once: a login has six streams at most.
    ///
    /// Close the feed before the server stops ([`close`](Self::close)): actix waits for streams.
    ///
    /// # Errors
    /// As [`SalesforceConn`](crate::SalesforceConn) without a login. 403 for a user of another org. 503 if the topic cannot
    /// be read now, if the login has six streams or the process 10,000, and after [`close`](Self::close). 500 without a
    /// service user.
    pub async fn respond(
        &self,
        request: &HttpRequest,
    ) -> std::result::Result<HttpResponse, actix_web::Error> {
        let worker = WorkerState::of(request)?;
        // Who is not logged in learns nothing of the feed.
        web::enforce_here(&RequireLogin::new(), request).await?;
        let org = self.org().await?;
        let user = web::enforce_here(&RequireLogin::new().org(org), request).await?;
        let id = worker.login_id(request).ok_or(Error::LoginRequired)?;
        let login = worker.grants().watch_login(id, UserRef::new(user.organization_id, user.user_id));
        // It may have ended while the topic was opened, before it was watched.
        if !login.is_valid().await.map_err(Error::from)? {
            return Err(Error::LoginRequired.into());
        }
        let place = self.inner.places.take(login.key()).ok_or_else(|| unavailable(TooManyStreams))?;
        let last = request.headers().get("last-event-id").and_then(|id| id.to_str().ok());
        let visibility = if self.is_visible_only {
            let grant = worker.login(request).await?.ok_or(Error::LoginRequired)?;
            Some(Visibility::new(worker.connection(grant)))
        } else {
            None
        };
        let last = last.filter(|id| !id.is_empty());
        let stream = EventStream::new(self.clone(), login, (user, visibility), place, last);
        Ok(HttpResponse::Ok()
            .content_type("text/event-stream")
            .insert_header((header::CACHE_CONTROL, "no-store"))
            // Compressing would hold events back, and so would the buffer of a proxy (nginx).
            .insert_header(ContentEncoding::Identity)
            .insert_header(("x-accel-buffering", "no"))
            .streaming(stream.into_body()))
    }

    /// Ends all streams of the feed, and the reading of its topic. For the end of the program: a server that stops waits for
    /// its responses, and streams do not end by themselves.
    ///
    /// ```no_run
    /// # use actix_salesforce::{Salesforce, feed::Feed};
    /// # use actix_web::{App, HttpServer};
    /// # async fn run(salesforce: Salesforce, feed: Feed) -> std::io::Result<()> {
    /// let server = HttpServer::new(move || App::new().wrap(salesforce.clone()))
    ///     .disable_signals()
    ///     .bind(("127.0.0.1", 8080))?
    ///     .run();
    /// let handle = server.handle();
    /// actix_web::rt::spawn(async move {
    ///     let _ = actix_web::rt::signal::ctrl_c().await;
    ///     feed.close();
    ///     handle.stop(true).await;
    /// });
    /// server.await
    /// # }
    /// ```
    pub fn close(&self) {
        self.inner.closed.cancel();
    }

    fn shared(&self) -> &Shared {
        &self.inner.shared
    }

    fn is_closed(&self) -> bool {
        self.inner.closed.is_cancelled()
    }

    /// Waits until the feed is closed.
    async fn closed(&self) {
        self.inner.closed.cancelled().await;
    }

    /// Returns the org whose events come in. Starts reading if this is the first browser.
    async fn org(&self) -> Result<OrgId> {
        let inner = &self.inner;
        let Some(reader) = &inner.reader else { return Err(Error::NoServiceUser) };
        if self.is_closed() {
            return Err(unavailable(Closed));
        }
        inner.started.get_or_init(|| {
            let (shared, state, closed) =
                (Arc::clone(&inner.shared), inner.state.clone(), inner.closed.clone());
            let work = upstream::run(shared, reader.clone(), state, closed);
            drop(reader.grants.spawner().runtime().spawn(work));
        });
        let mut states = inner.state.subscribe();
        let known = async { states.wait_for(|state| *state != State::Starting).await.map(|state| *state) };
        match tokio::time::timeout(START_PATIENCE, known).await {
            Ok(Ok(State::Running(org))) => Ok(org),
            _ => Err(unavailable(Interrupted)),
        }
    }
}

fn unavailable(reason: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unavailable(RETRY_AFTER, reason)
}

#[derive(Debug, thiserror::Error)]
#[error(
    "this login has {} streams of events, or this process {}: close some",
    places::MAX_OF_LOGIN,
    places::MAX
)]
struct TooManyStreams;

#[derive(Debug, thiserror::Error)]
#[error("the feed is closed: the program is stopping")]
struct Closed;

#[derive(Debug, thiserror::Error)]
#[error("the topic of the feed cannot be read now; the log has the reason")]
struct Interrupted;
