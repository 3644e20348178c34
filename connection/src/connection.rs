//! [`Connection`]: sends requests to one org as one user.

use std::{fmt, sync::Arc, time::Duration};

use reqwest::header::HeaderValue;
use serde::de::DeserializeOwned;
use url::Url;

use crate::{
    client::Client,
    error::Result,
    http::client::{HttpClient, SHORT_TIMEOUT},
    id::{OrgId, UserId},
    oauth::{identity::Identity, scopes::Scopes},
    query::{self, Page, Query, records::Records},
    records::SObjectHandle,
    request::{
        call_options::CallOptions,
        concurrency::OrgState,
        decode,
        deprecation::Deprecation,
        path::{Cursor, ResourcePath},
        raw::RawRequest,
        retry::Retry,
        send::{ApiRequest, REQUEST_TIMEOUT},
        usage::ApiUsage,
    },
    token::TokenSource,
    user_ref::UserRef,
    version::{ApiVersion, VersionChoice},
};

/// Sends requests to one org (organization) on behalf of one user.
///
/// Gets the access token of each request from its [`TokenSource`]. When Salesforce rejects the token as expired, the
/// source refreshes it and the request is sent again. All connections that share a source share the new token.
///
/// Cheap to clone; clones share everything but the settings of the `with_…` methods. A clone can be moved into a
/// background task.
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

/// Settings that clones of a connection may change separately.
#[derive(Clone)]
struct Options {
    version: VersionChoice,
    timeout: Duration,
    retry: Retry,
    is_low_priority: bool,
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
    /// Creates a connection that sends with `client`, using the tokens of `source`.
    pub fn new(client: &Client, source: Arc<dyn TokenSource>) -> Self {
        let options = Options {
            version: client.version_choice(),
            timeout: REQUEST_TIMEOUT,
            retry: Retry::default(),
            is_low_priority: false,
            call_options: client.limits().call_options.header(),
        };
        let (client, org) = (client.clone(), client.org(source.user().organization_id));
        Self { shared: Arc::new(Shared { source, client, org }), options }
    }

    /// Returns the connection with another timeout for each attempt of a request. Default: 60 seconds.
    ///
    /// Retries, and the wait for a [slot](crate::ClientBuilder::max_concurrent_requests), are not included. Salesforce
    /// stops a query after 10 minutes.
    #[doc(alias = "deadline")]
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { options: Options { timeout, ..self.options.clone() }, ..self.clone() }
    }

    /// Returns the connection for another version of the REST API. Default: that of the [`Client`].
    #[must_use]
    pub fn with_api_version(&self, version: ApiVersion) -> Self {
        let version = VersionChoice::Fixed(version);
        Self { options: Options { version, ..self.options.clone() }, ..self.clone() }
    }

    /// Returns the connection with other retry settings. Default: [`Retry::default`].
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let id = sf.sobject("Account").create(&serde_json::json!({ "Name": "A" })).await?;
    /// use salesforce_connection::request::Retry;
    ///
    /// // Sets a value, so that sending it twice does no harm.
    /// let sf = sf.with_retry(Retry::default().idempotent(true));
    /// sf.sobject("Account").update(id, &serde_json::json!({ "Phone": "+49 30 1" })).await?;
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn with_retry(&self, retry: Retry) -> Self {
        Self { options: Options { retry, ..self.options.clone() }, ..self.clone() }
    }

    /// Returns the connection for work that can be left out when the org's daily API requests run low.
    ///
    /// Once the org has used the share set by
    /// [`low_priority_quota_percent`](crate::ClientBuilder::low_priority_quota_percent), requests of this connection fail
    /// with [`Error::QuotaReserved`](crate::Error::QuotaReserved) unsent, except those to [API hosts](Self::api_host).
    #[doc(alias = "optional")]
    #[doc(alias = "quota")]
    #[must_use]
    pub fn with_low_priority(&self) -> Self {
        Self { options: Options { is_low_priority: true, ..self.options.clone() }, ..self.clone() }
    }

    /// Returns the connection with other call options, sent with every request. Default: those of the [`Client`].
    #[must_use]
    pub fn with_call_options(&self, call_options: &CallOptions) -> Self {
        let call_options = call_options.header();
        Self { options: Options { call_options, ..self.options.clone() }, ..self.clone() }
    }

    /// Returns the user that this connection acts for.
    pub fn user(&self) -> UserRef {
        self.shared.source.user()
    }

    /// Returns the id of the org that this connection sends to.
    pub fn organization_id(&self) -> OrgId {
        self.user().organization_id
    }

    /// Returns the id of the user that this connection acts for.
    pub fn user_id(&self) -> UserId {
        self.user().user_id
    }

    /// Returns which REST API version relative paths have.
    pub(crate) fn version_choice(&self) -> VersionChoice {
        self.options.version
    }

    /// Returns the org's URL, for links into Salesforce. It can change with a refresh.
    ///
    /// # Errors
    /// [`Error::LoginRequired`](crate::Error::LoginRequired) if the login has ended.
    pub fn instance_url(&self) -> Result<Url> {
        Ok(self.token_source().token()?.instance_url().clone())
    }

    /// Returns the scopes that were granted.
    ///
    /// # Errors
    /// [`Error::LoginRequired`](crate::Error::LoginRequired) if the login has ended.
    pub fn scopes(&self) -> Result<Scopes> {
        Ok(self.token_source().token()?.scopes().clone())
    }

    /// Returns how many API requests the org has used, as reported with its latest response to this process.
    ///
    /// `None` before the first response. Sends no request.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// sf.limits().await?;
    /// if let Some(usage) = sf.api_usage() {
    ///     println!("{} of {} requests", usage.used, usage.allowed);
    /// }
    /// # Ok(()) });
    /// ```
    pub fn api_usage(&self) -> Option<ApiUsage> {
        self.shared.org.usage.get()
    }

    /// Returns the API versions that Salesforce announced the end of, in responses to this process. Sends no request.
    ///
    /// Each is logged once as a warning. For a check of a program's health.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// sf.limits().await?;
    /// for old in sf.deprecations() {
    ///     println!("version {}: {}", old.version, old.message);
    /// }
    /// # Ok(()) });
    /// ```
    pub fn deprecations(&self) -> Vec<Deprecation> {
        self.shared.org.deprecations.all()
    }

    /// Fetches the user's name, e-mail address, language and so on. Costs one request.
    ///
    /// The timeout is 10 seconds at most, and retries start within 5 seconds.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let user = sf.identity().await?;
    /// assert_eq!(user.username, "ada@example.com");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`].
    pub async fn identity(&self) -> Result<Identity> {
        // On the instance: the identity URL itself names the login host, to which the token must not be sent.
        let path = format!("/id/{}/{}", self.organization_id(), self.user_id());
        let path = ResourcePath::parse(&path, self.api_version(), &self.instance_url()?)?;
        // A user waits for it in the browser: 15 seconds for all attempts.
        let limited = self.with_timeout(self.options.timeout.min(SHORT_TIMEOUT));
        let limited = limited.with_retry(limited.options.retry.within(SHORT_TIMEOUT / 2));
        let response = limited.send(ApiRequest::get(path)).await?;
        Ok(decode::response(&response)?)
    }

    /// Starts a SOQL query whose rows are read into `T`.
    ///
    /// Values are bound, not written into the text: see [`soql`](crate::query::soql). Nothing is sent before one of the
    /// [`Query`]'s methods fetches rows.
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
    #[doc(alias = "soql")]
    #[doc(alias = "select")]
    pub fn query<T>(&self, soql: impl Into<String>) -> Query<T> {
        Query::new(self.clone(), soql.into())
    }

    /// Starts a SOQL query of the Tooling API, for metadata such as `ApexClass` or `EntityDefinition`.
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

    /// Fetches a further page of a query, at the cursor in [`Page::next`] of the page before. A cursor expires after two
    /// days.
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
    /// As [`Query::page`]. Status 400 with `INVALID_QUERY_LOCATOR` if the cursor has expired or is another user's.
    pub async fn page<T: DeserializeOwned>(&self, cursor: &Cursor) -> Result<Page<T>> {
        query::fetch_page(self, query::next_page_request(cursor.clone(), query::MAX_PAGE_BYTES)).await
    }

    /// Returns a stream of the rows of a page and of all pages after it.
    ///
    /// For the child records of a row: the first page of those is part of the row.
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
    ///     // All of them, over as many pages as there are.
    ///     let contacts: Vec<Contact> = sf.rows(account.contacts).try_collect().await?;
    ///     println!("{}: {}", account.name, contacts.len());
    /// #   assert_eq!(contacts.len(), 2);
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// The stream's items have the errors of [`Query::fetch`].
    pub fn rows<T: DeserializeOwned + Send + 'static>(&self, page: Page<T>) -> Records<T> {
        Records::from_page(self.clone(), page, query::MAX_PAGE_BYTES)
    }

    /// Returns a handle to the records of one object, for example `Account`.
    ///
    /// An invalid name is reported as [`Error::InvalidRequest`](crate::Error::InvalidRequest) by the handle's methods.
    pub fn sobject(&self, name: impl AsRef<str>) -> SObjectHandle {
        SObjectHandle::new(self.clone(), name.as_ref())
    }

    /// Starts a GET request to any resource of the instance. See [`request`](Self::request) for the forms of `path`.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let limits: serde_json::Value = sf.get("limits").send().await?.json()?;
    /// assert!(limits["DailyApiRequests"]["Max"].is_number());
    /// # Ok(()) });
    /// ```
    #[doc(alias = "raw")]
    #[doc(alias = "http")]
    pub fn get(&self, path: impl Into<String>) -> RawRequest {
        self.request("GET", path)
    }

    /// Starts a request to an Apex class of the org (`@RestResource`), at the path of its `urlMapping`.
    ///
    /// The class decides what its responses and errors mean. Salesforce returns status 404 if no class has the path, and
    /// 500 after an uncaught exception.
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
    #[doc(alias = "apex")]
    pub fn apex_rest(&self, method: impl AsRef<str>, path: impl AsRef<str>) -> RawRequest {
        let path = path.as_ref().trim_start_matches('/');
        self.request(method, format!("/services/apexrest/{path}"))
    }

    /// Starts a request to any resource of the instance, for everything that this crate has no method for.
    ///
    /// `path` is relative (`limits`: a resource of the connection's API version), begins with a slash
    /// (`/services/apexrest/…`: any path of the instance), or is a URL of the instance. [`RawRequest::send`] rejects URLs
    /// of other hosts, dot segments and characters that must be percent-encoded. `method` is a string or the method type
    /// of an HTTP library.
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
    #[doc(alias = "raw")]
    #[doc(alias = "http")]
    pub fn request(&self, method: impl AsRef<str>, path: impl Into<String>) -> RawRequest {
        RawRequest::new(self.clone(), method.as_ref(), path.into())
    }

    pub(crate) fn token_source(&self) -> &dyn TokenSource {
        &*self.shared.source
    }

    /// Returns a connection with other tokens and the same settings.
    pub(crate) fn with_token_source(&self, source: Arc<dyn TokenSource>) -> Self {
        Self { options: self.options.clone(), ..Self::new(self.client(), source) }
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

    pub(crate) fn timeout(&self) -> Duration {
        self.options.timeout
    }

    pub(crate) fn retry(&self) -> Retry {
        self.options.retry
    }

    pub(crate) fn is_low_priority(&self) -> bool {
        self.options.is_low_priority
    }

    pub(crate) fn call_options(&self) -> Option<&HeaderValue> {
        self.options.call_options.as_ref()
    }
}
