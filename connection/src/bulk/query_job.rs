//! Query jobs, which read millions of rows.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use futures_util::{Stream, StreamExt as _, TryStreamExt as _, future, stream};
use reqwest::{
    Method,
    header::{ACCEPT, HeaderValue},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    bulk::{
        csv,
        job::{Job, JobInfo, deadline_after},
        query_text::unsupported,
        records::{BulkRecords, ExpectedRows, MISSING_ROW_COUNT, Page, announced_rows, name_object},
    },
    connection::Connection,
    error::{Error, InvalidRequest, InvalidResponse, Result},
    query::Query,
    records::record_id::ToRecordId,
    request::{decode, path::ResourcePath, send::ApiRequest},
    version::ApiVersion,
};

/// Maximum number of pages that are read at the same time. Must stay below five, the number of pages that Salesforce
/// lists per request. Each page reads about 2 MiB ahead.
const CONCURRENT_PAGES: usize = 4;
/// Number of rows of a page, for API versions in which Salesforce does not list pages. A page is read as a whole into
/// memory.
const PAGE_ROWS: &str = "50000";
/// How long [`Query::fetch_bulk`] waits for its job. Large queries take long, and a busy org can queue them.
const FETCH_BULK_TIMEOUT: Duration = Duration::from_secs(2 * 60 * 60);

/// A query that runs in Salesforce's background, returned by [`Query::start_bulk`].
///
/// Salesforce stores its rows for seven days.
#[derive(Debug, Clone)]
pub struct QueryJob(Job);

impl Connection {
    /// Returns the query job with this id, which this or another process created.
    ///
    /// Sends nothing: fetch the job's state with [`QueryJob::refresh`].
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for an invalid id.
    pub fn query_job(&self, id: impl ToRecordId) -> Result<QueryJob> {
        Ok(QueryJob::new(self.clone(), JobInfo::unknown(id.to_record_id()?)))
    }
}

impl<T> Query<T> {
    /// Creates a job that runs the query in Salesforce's background.
    ///
    /// The Bulk API does not run queries with aggregates, `GROUP BY`, `OFFSET`, `TYPEOF`, child subqueries or compound
    /// fields (`BillingAddress`). They are not sent. Custom addresses and geolocations (`Place__c`) look like other fields:
    /// with them the job fails ([`Error::JobFailed`]).
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use std::time::Duration;
    ///
    /// let mut job = sf.query::<()>("SELECT Id FROM Account").start_bulk().await?;
    /// // Store the id: another process, or this one after a restart, can continue with it.
    /// let id = job.info().id;
    /// # assert!(id.as_str().starts_with("750"));
    /// job.wait(Duration::from_secs(60)).await?;
    /// assert_eq!(job.info().records_processed, 40);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`page`](Query::page), and [`InvalidRequest::BulkQuery`].
    pub async fn start_bulk(self) -> Result<QueryJob> {
        #[derive(Serialize)]
        struct NewJob<'a> {
            operation: &'a str,
            query: &'a str,
        }
        let (connection, soql, operation) = self.into_parts()?;
        if let Some(part) = unsupported(&soql) {
            return Err(InvalidRequest::BulkQuery { part }.into());
        }
        let body = decode::body(&NewJob { operation, query: &soql })?;
        let path = ResourcePath::versioned(connection.api_version(), "jobs/query")?;
        let request = ApiRequest::new(Method::POST, path).json(body);
        let info = decode::response(&connection.send(request).await?)?;
        Ok(QueryJob::new(connection, info))
    }
}

impl<T: DeserializeOwned + Send + 'static> Query<T> {
    /// Returns the rows as a stream, read by a job in Salesforce's background. Suits millions of rows.
    ///
    /// Structs are read as by `fetch_all`: a parent is a struct, or a field `#[serde(rename = "Owner.Name")]`. Rows are
    /// CSV, in which each value is a text, and null and an empty text are one. A map or a `serde_json::Value` gets each
    /// cell as the text that came, under its column's name, and null for an empty one. A parent whose columns are all
    /// empty is `None`. An enum with `#[serde(untagged)]` that takes texts gets the text.
    ///
    /// Where `fetch_all` finds null, and the field is no `Option`, a job cannot say what was there: a text is then empty
    /// (`fetch_all` fails), and a parent whose columns are all empty has `None` in its optional fields. A field of such a
    /// parent that is no `Option` is an error that names it.
    ///
    /// Nothing is sent before the stream is polled. The job may take up to two hours.
    ///
    /// If the stream is dropped before its end, the job runs on in Salesforce, which deletes it after seven days. With
    /// [`start_bulk`](Self::start_bulk) the job can be aborted, deleted, or used by another process.
    /// [`QueryJob::rows`] says how the rows are read.
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
    /// The last item can be an error as those of [`fetch`](Query::fetch), [`Error::JobFailed`] or
    /// [`Error::JobTimedOut`].
    pub fn fetch_bulk(self) -> BulkRecords<T> {
        let rows = async move {
            let mut job = self.start_bulk().await?;
            job.wait(FETCH_BULK_TIMEOUT).await?;
            Ok::<_, Error>(job.rows::<T>())
        };
        BulkRecords::new(stream::once(rows).try_flatten())
    }
}

impl QueryJob {
    fn new(connection: Connection, info: JobInfo) -> Self {
        Self(Job::new(connection, "query", info))
    }

    /// Returns the job's info as of the last request.
    pub fn info(&self) -> &JobInfo {
        &self.0.info
    }

    /// Fetches the job's state.
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

    /// Waits until the job has completed, at most for `timeout`.
    ///
    /// Fetches the job's state after half a second, then at intervals that rise to ten seconds.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::Error;
    /// use std::time::Duration;
    ///
    /// let mut job = sf.query::<()>("SELECT Id FROM Account").start_bulk().await?;
    /// // Below the timeout of a request to the app, which then responds with the address of the job.
    /// match job.wait(Duration::from_secs(30)).await {
    ///     Ok(info) => println!("{} rows", info.records_processed),
    ///     Err(Error::JobTimedOut { id, .. }) => println!("still running: see /jobs/{id}"),
    ///     Err(error) => return Err(error),
    /// }
    /// # assert_eq!(job.info().records_processed, 40);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::JobFailed`] if the job failed or was aborted; [`Error::JobTimedOut`] after `timeout`: the job runs on.
    pub async fn wait(&mut self, timeout: Duration) -> Result<&JobInfo> {
        self.0.wait_until(deadline_after(timeout)).await
    }

    /// Returns the rows of a completed job as a stream, in their order.
    ///
    /// If the job is not known to have ended, its state is fetched once. Four pages are read at the same time, each a
    /// little ahead of the stream's reader, which takes about 8 MiB of memory for any number of rows. Before API version
    /// 58.0, pages are read one after the other.
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
    /// The last item can be an error of [`RawRequest::send`](crate::request::raw::RawRequest::send);
    /// [`Error::JobTimedOut`] if the job has not ended; [`Error::JobFailed`] if it failed or was aborted;
    /// [`Error::InvalidResponse`] if a row does not fit `T` or rows are missing.
    pub fn rows<T: DeserializeOwned + Send + 'static>(&self) -> BulkRecords<T> {
        let mut job = self.clone();
        let rows = async move {
            if !job.info().state.is_final() {
                job.refresh().await?;
            }
            let object = job.0.completed()?.object.clone().unwrap_or_default();
            let rows = if job.0.connection.api_version() < ApiVersion::LISTS_PAGES {
                job.sequential_rows().left_stream()
            } else {
                job.concurrent_rows().right_stream()
            };
            Ok::<_, Error>(rows.map_err(move |error| name_object(error, &object)))
        };
        BulkRecords::new(stream::once(rows).try_flatten())
    }

    /// Reads the pages that Salesforce lists, several at the same time.
    fn concurrent_rows<T: DeserializeOwned + Send + 'static>(
        self,
    ) -> impl Stream<Item = Result<T>> + Send + 'static {
        let connection = self.0.connection.clone();
        let (delimiter, read_before) = (self.info().delimiter(), Arc::<AtomicU64>::default());
        self.page_requests()
            .map(move |request| future::ready(request.and_then(|request| Page::open(&connection, request))))
            .buffered(CONCURRENT_PAGES)
            .map_ok(move |page| {
                let read_before = Arc::clone(&read_before);
                page.rows(ExpectedRows::Announced, delimiter, csv::read_row::<T>, read_before)
            })
            .try_flatten()
    }

    /// Aborts the job.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::bulk::JobState;
    ///
    /// let mut job = sf.query::<()>("SELECT Id FROM Account").start_bulk().await?;
    /// match job.abort().await {
    ///     Ok(()) => assert_eq!(job.info().state, JobState::Aborted),
    ///     // The job has already ended.
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

    /// Deletes the job and its rows in Salesforce.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use std::time::Duration;
    /// let mut job = sf.query::<()>("SELECT Id FROM Account").start_bulk().await?;
    /// job.wait(Duration::from_secs(60)).await?;
    /// let id = job.info().id;
    /// job.delete().await?;
    /// let deleted = sf.query_job(id)?.refresh().await.map(drop);
    /// assert_eq!(deleted.unwrap_err().status(), Some(404));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn delete(self) -> Result<()> {
        self.0.delete().await
    }

    /// Returns the requests for the pages that Salesforce lists, up to five per list.
    ///
    /// Source: Bulk API 2.0 and Bulk API Developer Guide, "Get Parallel Results for a Query Job".
    fn page_requests(self) -> impl Stream<Item = Result<ApiRequest>> + Send + 'static {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct PageList {
            result_pages: Vec<PageEntry>,
            #[serde(default)]
            next_records_url: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct PageEntry {
            result_url: String,
        }
        let lists = stream::try_unfold(Some(self.0.path("/resultPages")), move |path| {
            let job = self.clone();
            async move {
                let Some(path) = path else { return Ok(None) };
                let path = path?;
                let list: PageList = job.0.connection.read(path.clone()).await?;
                let next = match list.next_records_url {
                    Some(next) => {
                        let next = job.path_of_url(&next)?;
                        // A list that refers to itself would be read for ever.
                        if next == path {
                            return Err(Error::from(InvalidResponse::NextPage));
                        }
                        Some(Ok(next))
                    }
                    None => None,
                };
                let requests: Result<Vec<ApiRequest>> = list
                    .result_pages
                    .iter()
                    .map(|page| Ok(csv_request(job.path_of_url(&page.result_url)?)))
                    .collect();
                Ok(Some((stream::iter(requests?.into_iter().map(Ok)), next)))
            }
        });
        lists.try_flatten()
    }

    /// Returns the path of a URL in a response. Fails unless it is below this job's path.
    fn path_of_url(&self, url: &str) -> Result<ResourcePath> {
        let instance = self.0.connection.instance_url()?;
        // Salesforce also sends paths without the first slash.
        let url = if url.starts_with("services/") { format!("/{url}") } else { url.to_owned() };
        let path = ResourcePath::parse(&url, self.0.connection.api_version(), &instance)
            .map_err(|_| InvalidResponse::NextPage)?;
        let job = self.0.path("/")?;
        if path.is_below(&job) { Ok(path) } else { Err(InvalidResponse::NextPage.into()) }
    }

    /// Reads page after page, for API versions before 58.0, which do not list pages.
    fn sequential_rows<T: DeserializeOwned + Send + 'static>(
        self,
    ) -> impl Stream<Item = Result<T>> + Send + 'static {
        let pages = stream::try_unfold(Some((None, 0)), move |next: Option<(Option<String>, u64)>| {
            let job = self.clone();
            async move {
                let Some((locator, read_before)) = next else { return Ok(None) };
                let mut path = job.0.path("/results")?;
                path.push_query("maxRecords", PAGE_ROWS);
                if let Some(locator) = &locator {
                    path.push_query("locator", locator);
                }
                let response = job.0.connection.send(csv_request(path)).await?;
                let announced = announced_rows(&response)?;
                let announced = announced.ok_or(InvalidResponse::Unexpected(MISSING_ROW_COUNT))?;
                let rows = csv::read_all(&response.body, job.info().delimiter(), read_before)?;
                let got = rows.len() as u64;
                if got < announced {
                    return Err(InvalidResponse::Truncated { got, announced }.into());
                }
                let next = response.headers.get("sforce-locator").and_then(|next| next.to_str().ok());
                let next = match next {
                    // The last page has this word. A page without a locator could be any.
                    Some("null") => None,
                    None | Some("") => {
                        return Err(InvalidResponse::Unexpected("a page without a locator").into());
                    }
                    Some(next) if Some(next) == locator.as_deref() => {
                        return Err(Error::from(InvalidResponse::NextPage));
                    }
                    Some(next) => Some((Some(next.to_owned()), read_before + got)),
                };
                Ok(Some((stream::iter(rows.into_iter().map(Ok)), next)))
            }
        });
        pages.try_flatten()
    }
}

fn csv_request(path: ResourcePath) -> ApiRequest {
    let mut request = ApiRequest::get(path);
    request.headers.insert(ACCEPT, HeaderValue::from_static("text/csv"));
    request
}
