//! The API client that a handler holds.

use std::{fmt, sync::Arc, time::Duration};

use reqwest::header::HeaderValue;
use serde::de::DeserializeOwned;
use url::Url;

use crate::{
    client::Client,
    error::Result,
    http::client::HttpClient,
    id::{OrgId, UserId},
    oauth::{identity::Identity, scopes::Scopes},
    query::{self, Page, Query, records::Records},
    records::SObjectHandle,
    request::{
        call_options::CallOptions,
        concurrency::OrgState,
        decode,
        path::{Cursor, ResourcePath},
        raw::RawRequest,
        retry::Retry,
        send::{ApiRequest, REQUEST_TIMEOUT},
        usage::ApiUsage,
    },
    token::TokenSource,
    user_ref::UserRef,
    version::ApiVersion,
};

/// A live connection to one organization, on behalf of one user.
///
/// It knows its grant by reference: when the access token has expired, the call that notices gets a new one and is sent
/// again, and so does every other connection of the same grant. It can be cloned and handed to a background task; the
/// clones are one connection.
///
/// Its [`Salesforce`](crate::Salesforce) renews the tokens and is to be kept for as long as the connection is used.
/// Without it the tokens that are there are used until they expire; then calls fail with
/// [`Error::Unavailable`](crate::error::Error::Unavailable).
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize)]
/// struct Account { #[serde(rename = "Name")] name: String }
///
/// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
/// # fake_org::connected(async |sf| {
/// let id = sf.sobject("Account").create(&Account { name: "Acme".into() }).await?;
/// let account: Account = sf.sobject("Account").retrieve(id).await?;
/// let limits: serde_json::Value = sf.get("limits").send().await?.json()?;
/// # assert_eq!(account.name, "Acme");
/// # Ok(()) });
/// ```
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
    options: Options,
}

/// What clones of a connection may differ in.
#[derive(Clone)]
struct Options {
    version: ApiVersion,
    deadline: Duration,
    retry: Retry,
    optional: bool,
    call_options: Option<HeaderValue>,
}

struct Shared {
    source: Arc<dyn TokenSource>,
    client: Client,
    org: Arc<OrgState>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("user", &self.shared.source.user())
            .field("api_version", &self.api_version())
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Creates a connection that sends by `client` with the tokens of `source`.
    pub fn new(client: &Client, source: Arc<dyn TokenSource>) -> Self {
        let user = source.user();
        let options = Options {
            version: client.api_version(),
            deadline: REQUEST_TIMEOUT,
            retry: Retry::default(),
            optional: false,
            call_options: client.limits().call_options.header(),
        };
        let org = client.org(user.organization_id);
        Self { shared: Arc::new(Shared { source, client: client.clone(), org }), options }
    }

    /// The same connection, with this deadline for each try of a call; retries and the wait for a turn come on top. 60
    /// seconds by default. Salesforce itself works on a query for at most 10 minutes.
    #[must_use]
    pub fn with_timeout(&self, deadline: Duration) -> Self {
        Self { options: Options { deadline, ..self.options.clone() }, ..self.clone() }
    }

    /// The same connection for another version of the REST API. Default: that of the [`Client`].
    #[must_use]
    pub fn with_api_version(&self, version: ApiVersion) -> Self {
        Self { options: Options { version, ..self.options.clone() }, ..self.clone() }
    }

    /// The same connection, whose calls are tried again in this way.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let id = sf.sobject("Account").create(&serde_json::json!({ "Name": "A" })).await?;
    /// use salesforce_connection::request::Retry;
    ///
    /// // Sets a value: twice is the same as once.
    /// let sf = sf.with_retry(Retry::default().idempotent(true));
    /// sf.sobject("Account").update(id, &serde_json::json!({ "Phone": "+49 30 1" })).await?;
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn with_retry(&self, retry: Retry) -> Self {
        Self { options: Options { retry, ..self.options.clone() }, ..self.clone() }
    }

    /// The same connection for work that can be left out: once the organization has used most of its daily API calls
    /// (see [`Builder::low_priority_quota_percent`](crate::Builder::low_priority_quota_percent)), its calls fail with
    /// [`Error::QuotaReserved`](crate::error::Error::QuotaReserved) and are not sent, so that the rest is left for work that cannot.
    #[must_use]
    pub fn with_low_priority(&self) -> Self {
        Self { options: Options { optional: true, ..self.options.clone() }, ..self.clone() }
    }

    /// The same connection, sending these call options with every call.
    #[must_use]
    pub fn with_call_options(&self, call_options: &CallOptions) -> Self {
        let call_options = call_options.header();
        Self { options: Options { call_options, ..self.options.clone() }, ..self.clone() }
    }

    /// The organization whose data this connection opens.
    pub fn organization_id(&self) -> OrgId {
        self.shared.source.user().organization_id
    }

    /// The user this connection acts for.
    pub fn user_id(&self) -> UserId {
        self.shared.source.user().user_id
    }

    /// The version of the REST API that relative paths mean.
    pub fn api_version(&self) -> ApiVersion {
        self.options.version
    }

    /// The organization's address, for links into Salesforce. It can change with a refresh.
    ///
    /// # Errors
    /// [`Error::LoginRequired`](crate::error::Error::LoginRequired) when the login is over.
    pub fn instance_url(&self) -> Result<Url> {
        Ok(self.token_source().token()?.instance_url().clone())
    }

    /// The scopes that were granted.
    ///
    /// # Errors
    /// [`Error::LoginRequired`](crate::error::Error::LoginRequired) when the login is over.
    pub fn scopes(&self) -> Result<Scopes> {
        Ok(self.token_source().token()?.scopes().clone())
    }

    /// How much of the organization's API allocation is used up, as its latest answer to this app said.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// sf.limits().await?;
    /// if let Some(usage) = sf.api_usage() {
    ///     println!("{} of {} calls", usage.used, usage.allowed);
    /// }
    /// # Ok(()) });
    /// ```
    pub fn api_usage(&self) -> Option<ApiUsage> {
        self.shared.org.usage.get()
    }

    /// Who the user is, as Salesforce knows it now. Costs one call.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let person = sf.identity().await?;
    /// assert_eq!(person.username, "ada@example.com");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`].
    pub async fn identity(&self) -> Result<Identity> {
        // On the instance: the identity URL itself names the login host, where the token does not belong.
        let path = format!("/id/{}/{}", self.organization_id(), self.user_id());
        let path = ResourcePath::parse(&path, self.api_version(), &self.instance_url()?)?;
        let answer = self.send(ApiRequest::get(path)).await?;
        Ok(decode::answer(&answer)?)
    }

    /// Starts a SOQL query, whose rows are read into `T`.
    ///
    /// Values are bound, not written into the text: see [`soql`](crate::query::soql).
    ///
    /// ```
    /// # #[derive(serde::Deserialize)] struct Account {}
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let typed = "aurora";
    /// use salesforce_connection::soql::{DateLiteral, Like};
    ///
    /// let accounts: Vec<Account> = sf
    ///     .query("SELECT Id, Name FROM Account WHERE Name LIKE :name AND CreatedDate = :since ORDER BY Name")
    ///     .bind("name", Like::contains(typed))
    ///     .bind("since", DateLiteral::LastNDays(30))
    ///     .fetch_all()
    ///     .await?;
    /// # Ok(()) });
    /// ```
    pub fn query<T>(&self, soql: impl Into<String>) -> Query<T> {
        Query::new(self.clone(), soql.into())
    }

    /// Starts a SOQL query about what the organization's apps are made of, by the Tooling API: `ApexClass`,
    /// `EntityDefinition` and the like.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// #[derive(serde::Deserialize)]
    /// #[serde(rename_all = "PascalCase")]
    /// struct Class { name: String, api_version: f64 }
    ///
    /// let classes: Vec<Class> = sf.tooling_query("SELECT Name, ApiVersion FROM ApexClass").fetch_all().await?;
    /// assert_eq!((&*classes[0].name, classes[0].api_version), ("Ship", 66.0));
    /// # Ok(()) });
    /// ```
    pub fn tooling_query<T>(&self, soql: impl Into<String>) -> Query<T> {
        self.query(soql).tooling()
    }

    /// Reads a further page of a query, where an earlier [`Page::next`] said it is. A cursor lives for two days.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # #[derive(serde::Deserialize)] #[serde(rename_all = "PascalCase")] struct Account { name: String }
    /// // One page for each request of a table with a "next" link.
    /// let first = sf.query::<Account>("SELECT Name FROM Account").page().await?;
    /// if let Some(next) = &first.next {
    ///     let second = sf.page::<Account>(next).await?;
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`Query::page`]; status 400 and `INVALID_QUERY_LOCATOR` when the cursor is gone or another user's.
    pub async fn page<T: DeserializeOwned>(&self, cursor: &Cursor) -> Result<Page<T>> {
        query::fetch_page(self, query::next_page_request(cursor.clone(), query::MAX_PAGE_BYTES)).await
    }

    /// The rows of a page and of all that come after it, as a stream: for the children of a row, whose first page comes
    /// with it.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::Page;
    /// use futures_util::TryStreamExt;
    ///
    /// #[derive(serde::Deserialize)]
    /// #[serde(rename_all = "PascalCase")]
    /// struct Account { name: String, contacts: Page<Contact> }
    ///
    /// #[derive(serde::Deserialize)]
    /// #[serde(rename_all = "PascalCase")]
    /// struct Contact { last_name: String }
    ///
    /// let mut accounts = sf.query::<Account>("SELECT Name, (SELECT LastName FROM Contacts) FROM Account").fetch();
    /// while let Some(account) = accounts.try_next().await? {
    ///     // However many there are.
    ///     let contacts: Vec<Contact> = sf.rows(account.contacts).try_collect().await?;
    ///     println!("{}: {}", account.name, contacts.len());
    /// #   assert_eq!(contacts.len(), 2);
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// The items are errors as those of [`Query::fetch`].
    pub fn rows<T: DeserializeOwned + Send + 'static>(&self, page: Page<T>) -> Records<T> {
        Records::from_page(self.clone(), page, query::MAX_PAGE_BYTES)
    }

    /// The records of one kind of object. A name that cannot be one is an error of the calls that follow.
    pub fn sobject(&self, name: impl AsRef<str>) -> SObjectHandle {
        SObjectHandle::new(self.clone(), name.as_ref())
    }

    /// A GET of any resource of the instance; see [`request`](Self::request).
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let limits: serde_json::Value = sf.get("limits").send().await?.json()?;
    /// assert!(limits["DailyApiRequests"]["Max"].is_number());
    /// # Ok(()) });
    /// ```
    pub fn get(&self, path: impl Into<String>) -> RawRequest {
        self.request("GET", path)
    }

    /// A request to an Apex class of the organization's own (`@RestResource`), at the path of its `urlMapping`. What it
    /// answers, errors included, is the class's own affair: a path that no class has is 404, an exception 500.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// #[derive(serde::Deserialize)]
    /// struct Shipped { tracking: String }
    ///
    /// let order = serde_json::json!({ "order": "A-17" });
    /// let shipped: Shipped = sf.apex_rest("POST", "ship").json(&order).send().await?.json()?;
    /// # assert_eq!(shipped.tracking, "1Z");
    /// # Ok(()) });
    /// ```
    pub fn apex_rest(&self, method: impl AsRef<str>, path: impl AsRef<str>) -> RawRequest {
        let path = path.as_ref().trim_start_matches('/');
        self.request(method, format!("/services/apexrest/{path}"))
    }

    /// A request to any resource of the instance: the way to everything that has no method of its own.
    ///
    /// `path` is relative (`limits`, a resource of the connection's API version), begins with a slash
    /// (`/services/apexrest/…`, any path of the instance) or is a URL of the instance. URLs elsewhere, dot segments
    /// and characters that must be percent-encoded are errors of [`RawRequest::send`]. `method` is a text or any HTTP
    /// library's method.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// #[derive(serde::Deserialize)]
    /// struct Shipped { tracking: String }
    ///
    /// let order = serde_json::json!({ "order": "A-17" });
    /// let shipped: Shipped = sf.request("POST", "/services/apexrest/ship").json(&order).send().await?.json()?;
    /// # assert_eq!(shipped.tracking, "1Z");
    /// # Ok(()) });
    /// ```
    pub fn request(&self, method: impl AsRef<str>, path: impl Into<String>) -> RawRequest {
        RawRequest::new(self.clone(), method.as_ref(), path.into())
    }

    /// Returns the user that this connection acts for.
    pub fn user(&self) -> UserRef {
        self.shared.source.user()
    }

    pub(crate) fn token_source(&self) -> &dyn TokenSource {
        &*self.shared.source
    }

    pub(crate) fn client(&self) -> &Client {
        &self.shared.client
    }

    pub(crate) fn http(&self) -> &HttpClient {
        self.shared.client.http()
    }

    pub(crate) fn org(&self) -> &OrgState {
        &self.shared.org
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.options.deadline
    }

    pub(crate) fn retry(&self) -> Retry {
        self.options.retry
    }

    pub(crate) fn is_optional(&self) -> bool {
        self.options.optional
    }

    pub(crate) fn call_options(&self) -> Option<&HeaderValue> {
        self.options.call_options.as_ref()
    }
}
