//! A query that runs as a job: for millions of rows.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _, TryStreamExt as _, future, stream};
use reqwest::{
    Method,
    header::{ACCEPT, HeaderValue},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    bulk::{
        csv,
        job::{Job, JobInfo, end_of},
        records::{BulkRecords, Expected, NO_NUMBER, Page, about},
    },
    connection::Connection,
    error::{Error, InvalidResponse, Result},
    query::Query,
    records::record_id::ToRecordId,
    request::{decode, path::ResourcePath, send::ApiRequest},
    version::ApiVersion,
};

/// How many pages are read side by side. Salesforce lists up to five at a time.
const SIDE_BY_SIDE: usize = 4;
/// How many records a page has where Salesforce does not list pages.
const PAGE: &str = "50000";
/// How long [`Query::fetch_bulk`] waits for its job.
const PATIENCE: Duration = Duration::from_secs(2 * 60 * 60);

/// A query that runs in Salesforce's background, made by [`Query::start_bulk`]. Its rows are kept for seven days.
#[derive(Debug, Clone)]
pub struct QueryJob(Job);

impl Connection {
    /// A query's job that was made before, in this process or another; [`QueryJob::refresh`] asks how far it is.
    ///
    /// # Errors
    /// A text that is no id.
    pub fn query_job(&self, id: impl ToRecordId) -> Result<QueryJob> {
        Ok(QueryJob::new(self.clone(), JobInfo::unknown(id.to_record_id()?)))
    }
}

impl<T> Query<T> {
    /// Starts a job that runs the query. Queries with aggregates, `GROUP BY`, `OFFSET` or child subqueries are refused
    /// by Salesforce.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use std::time::Duration;
    ///
    /// let mut job = sf.query::<()>("SELECT Id FROM Account").start_bulk().await?;
    /// // What another process, or this one after a restart, finds the job by.
    /// let id = job.info().id;
    /// # assert!(id.as_str().starts_with("750"));
    /// job.wait(Duration::from_secs(60)).await?;
    /// assert_eq!(job.info().records_processed, 40);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`page`](Query::page).
    pub async fn start_bulk(self) -> Result<QueryJob> {
        #[derive(Serialize)]
        struct NewJob<'a> {
            operation: &'a str,
            query: &'a str,
        }
        let (connection, soql, operation) = self.into_parts()?;
        let body = decode::body(&NewJob { operation, query: &soql })?;
        let path = ResourcePath::versioned(connection.api_version(), "jobs/query")?;
        let call = ApiRequest::new(Method::POST, path).json(body);
        let info = decode::answer(&connection.send(call).await?)?;
        Ok(QueryJob::new(connection, info))
    }
}

impl<T: DeserializeOwned + Send + 'static> Query<T> {
    /// The rows, read by a job in Salesforce's background: for millions of them. Rows come as CSV, so that a parent's
    /// field is a column of its own (`#[serde(rename = "Owner.Name")]`), and empty is `None`.
    ///
    /// Nothing is sent before the stream is polled first; the job may take two hours. A stream that is dropped before
    /// its end leaves its job at Salesforce, where it runs to its end and is forgotten after seven days. See
    /// [`start_bulk`](Self::start_bulk) for a job that can be ended ([`QueryJob::abort`], [`QueryJob::delete`]) or
    /// outlives the stream, and [`QueryJob::rows`] for how it is read.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use futures_util::TryStreamExt;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Account { #[serde(rename = "Name")] name: String, #[serde(rename = "Owner.Name")] owner: String }
    ///
    /// let mut rows = sf.query::<Account>("SELECT Name, Owner.Name FROM Account").fetch_bulk();
    /// while let Some(account) = rows.try_next().await? {
    ///     println!("{} belongs to {}", account.name, account.owner);
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`fetch`](Query::fetch), [`Error::JobFailed`] and [`Error::JobTimedOut`].
    pub fn fetch_bulk(self) -> BulkRecords<T> {
        let rows = async move {
            let mut job = self.start_bulk().await?;
            job.wait(PATIENCE).await?;
            Ok::<_, Error>(job.rows::<T>())
        };
        BulkRecords::new(stream::once(rows).try_flatten())
    }
}

impl QueryJob {
    fn new(connection: Connection, info: JobInfo) -> Self {
        Self(Job::new(connection, "query", info))
    }

    /// What Salesforce said of the job when it was last asked.
    pub fn info(&self) -> &JobInfo {
        &self.0.info
    }

    /// Asks how far the job is.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let id = sf.query::<()>("SELECT Id FROM Account").start_bulk().await?.info().id;
    /// let mut job = sf.query_job(id)?;
    /// println!("{:?}", job.refresh().await?.state);
    /// assert_eq!(job.info().object.as_deref(), Some("Account"));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn refresh(&mut self) -> Result<&JobInfo> {
        self.0.refresh().await
    }

    /// Waits for the job's end: asks after half a second, then less and less often.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::Error;
    /// use std::time::Duration;
    ///
    /// let mut job = sf.query::<()>("SELECT Id FROM Account").start_bulk().await?;
    /// // Half of what a request may take; then the answer says where to ask again.
    /// match job.wait(Duration::from_secs(30)).await {
    ///     Ok(done) => println!("{} rows", done.records_processed),
    ///     Err(Error::JobTimedOut { id, .. }) => println!("look again at /jobs/{id}"),
    ///     Err(error) => return Err(error),
    /// }
    /// # assert_eq!(job.info().records_processed, 40);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::JobFailed`]; [`Error::JobTimedOut`] when patience ends first: the job goes on.
    pub async fn wait(&mut self, patience: Duration) -> Result<&JobInfo> {
        self.0.wait_until(end_of(patience)).await
    }

    /// The rows of a job that has completed, in their order. When it is not known to have, it is asked once. Four pages
    /// are read side by side, each a little ahead of the reader: memory is needed for about eight mebibytes, however
    /// many rows there are.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # #[derive(serde::Deserialize)] #[serde(rename_all = "PascalCase")] struct Account { name: String }
    /// use futures_util::TryStreamExt;
    /// use std::time::Duration;
    ///
    /// let mut job = sf.query::<()>("SELECT Name FROM Account ORDER BY Name").start_bulk().await?;
    /// job.wait(Duration::from_secs(60)).await?;
    /// let mut rows = job.rows::<Account>();
    /// let mut names = Vec::new();
    /// while let Some(account) = rows.try_next().await? {
    ///     names.push(account.name);
    /// }
    /// assert_eq!(names.len() as u64, job.info().records_processed);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// The items are errors as those of [`RawRequest::send`](crate::request::raw::RawRequest::send); [`Error::JobTimedOut`] and
    /// [`Error::JobFailed`] when there are no rows (yet); [`Error::InvalidResponse`] when a row does not fit `T` or rows
    /// are missing.
    pub fn rows<T: DeserializeOwned + Send + 'static>(&self) -> BulkRecords<T> {
        let mut job = self.clone();
        let rows = async move {
            if !job.info().state.is_final() {
                job.refresh().await?;
            }
            job.0.completed()?;
            // Where Salesforce lists no pages, each one says where the next is.
            Ok::<_, Error>(if job.0.connection.api_version() < ApiVersion::LISTS_PAGES {
                job.one_after_the_other().left_stream()
            } else {
                job.side_by_side().right_stream()
            })
        };
        BulkRecords::new(stream::once(rows).try_flatten())
    }

    fn side_by_side<T: DeserializeOwned + Send + 'static>(
        self,
    ) -> impl Stream<Item = Result<T>> + Send + 'static {
        let connection = self.0.connection.clone();
        self.pages()
            .map(move |call| future::ready(call.and_then(|call| Page::open(&connection, call))))
            .buffered(SIDE_BY_SIDE)
            .map_ok(|page| page.rows(Expected::Announced, csv::one::<T>))
            .try_flatten()
    }

    /// Stops the job.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::bulk::JobState;
    ///
    /// let mut job = sf.query::<()>("SELECT Id FROM Account").start_bulk().await?;
    /// match job.abort().await {
    ///     Ok(()) => assert_eq!(job.info().state, JobState::Aborted),
    ///     // It was faster.
    ///     Err(error) => assert_eq!(error.api_errors()[0].code, "INVALIDJOBSTATE"),
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn abort(&mut self) -> Result<()> {
        self.0.set_state("Aborted").await
    }

    /// Forgets the job and its rows.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use std::time::Duration;
    /// let mut job = sf.query::<()>("SELECT Id FROM Account").start_bulk().await?;
    /// job.wait(Duration::from_secs(60)).await?;
    /// let id = job.info().id;
    /// job.delete().await?;
    /// let gone = sf.query_job(id)?.refresh().await.map(drop);
    /// assert_eq!(gone.unwrap_err().status(), Some(404));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn delete(self) -> Result<()> {
        self.0.delete().await
    }

    /// The pages that Salesforce lists, up to five at a time. Source: Bulk API 2.0 Developer Guide, "Get Parallel
    /// Results for a Query Job".
    fn pages(self) -> impl Stream<Item = Result<ApiRequest>> + Send + 'static {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Listed {
            result_pages: Vec<Listing>,
            #[serde(default)]
            next_records_url: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Listing {
            result_url: String,
        }
        let lists = stream::try_unfold(Some(self.0.path("/resultPages")), move |list| {
            let job = self.clone();
            async move {
                let Some(list) = list else { return Ok(None) };
                let list = list?;
                let listed: Listed = job.0.connection.read(list.clone()).await?;
                let next = match listed.next_records_url {
                    Some(next) => {
                        let next = job.within(&next)?;
                        // One that leads to itself would be read for ever.
                        if next == list {
                            return Err(Error::from(InvalidResponse::NextPage));
                        }
                        Some(Ok(next))
                    }
                    None => None,
                };
                let pages: Result<Vec<ApiRequest>> = listed
                    .result_pages
                    .iter()
                    .map(|page| Ok(csv_call(job.within(&page.result_url)?)))
                    .collect();
                Ok(Some((stream::iter(pages?.into_iter().map(Ok)), next)))
            }
        });
        lists.try_flatten()
    }

    /// A URL that an answer names: only one of this very job's is asked.
    fn within(&self, url: &str) -> Result<ResourcePath> {
        let instance = self.0.connection.instance_url()?;
        // Job answers name paths without their first slash, too.
        let url = if url.starts_with("services/") { format!("/{url}") } else { url.to_owned() };
        let path = ResourcePath::parse(&url, self.0.connection.api_version(), &instance)
            .map_err(|_| InvalidResponse::NextPage)?;
        let own = self.0.path("/")?;
        if path.is_below(&own) { Ok(path) } else { Err(InvalidResponse::NextPage.into()) }
    }

    /// Before version 58.
    fn one_after_the_other<T: DeserializeOwned + Send + 'static>(
        self,
    ) -> impl Stream<Item = Result<T>> + Send + 'static {
        let pages = stream::try_unfold(Some(None), move |locator: Option<Option<String>>| {
            let job = self.clone();
            async move {
                let Some(locator) = locator else { return Ok(None) };
                let mut path = job.0.path("/results")?;
                path.push_query("maxRecords", PAGE);
                if let Some(locator) = &locator {
                    path.push_query("locator", locator);
                }
                let answer = job.0.connection.send(csv_call(path)).await?;
                let announced = about(&answer)?.ok_or(InvalidResponse::Unexpected(NO_NUMBER))?;
                let rows = csv::rows(&answer.body)?;
                let got = rows.len() as u64;
                if got < announced {
                    return Err(InvalidResponse::Truncated { got, announced }.into());
                }
                let next = answer.headers.get("sforce-locator").and_then(|next| next.to_str().ok());
                let next = match next {
                    // The last page says so with this word; one that says nothing may be any.
                    Some("null") => None,
                    None | Some("") => {
                        return Err(InvalidResponse::Unexpected(
                            "a page that does not say where the next is",
                        )
                        .into());
                    }
                    Some(next) if Some(next) == locator.as_deref() => {
                        return Err(Error::from(InvalidResponse::NextPage));
                    }
                    Some(next) => Some(Some(next.to_owned())),
                };
                Ok(Some((stream::iter(rows.into_iter().map(Ok)), next)))
            }
        });
        pages.try_flatten()
    }
}

fn csv_call(path: ResourcePath) -> ApiRequest {
    let mut call = ApiRequest::get(path);
    call.headers.insert(ACCEPT, HeaderValue::from_static("text/csv"));
    call
}
