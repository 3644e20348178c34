//! A query that runs as a job: for millions of rows.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _, TryStreamExt as _, future, stream};
use reqwest::{
    Method,
    header::{ACCEPT, HeaderValue},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use super::{
    BulkRecords, csv,
    job::{JobInfo, JobState},
    poll_wait,
    records::Page,
};
use crate::{
    Connection, Error, InvalidAnswer, Query, Result, SalesforceId,
    api::{decode, path::ResourcePath, send::Call},
};

/// How many pages are read side by side. Salesforce lists up to five at a time.
const SIDE_BY_SIDE: usize = 4;
/// How many records a page has where Salesforce does not list pages.
const PAGE: &str = "50000";
/// How long [`Query::fetch_bulk`] waits for its job.
const PATIENCE: Duration = Duration::from_secs(2 * 60 * 60);

/// A query that runs in Salesforce's background, made by [`Query::start_bulk`]. Its rows are kept for seven days.
#[derive(Debug, Clone)]
pub struct QueryJob {
    connection: Connection,
    info: JobInfo,
}

impl Connection {
    /// A query's job that was made before, in this process or another; [`QueryJob::refresh`] asks how far it is.
    ///
    /// # Errors
    /// A text that is no id.
    pub fn query_job(&self, id: impl AsRef<str>) -> Result<QueryJob> {
        let id: SalesforceId = id.as_ref().parse()?;
        Ok(QueryJob { connection: self.clone(), info: JobInfo::unknown(id) })
    }
}

impl<T> Query<T> {
    /// Starts a job that runs the query. Queries with aggregates, `GROUP BY`, `OFFSET` or child subqueries are refused by
    /// Salesforce.
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
        let call = Call::new(Method::POST, path(&connection, "")?).json(body);
        let info: JobInfo = decode::json(&connection.send(call).await?.body)?;
        info.id.parse::<SalesforceId>()?;
        Ok(QueryJob { connection, info })
    }
}

impl<T: DeserializeOwned + Send + 'static> Query<T> {
    /// The rows, read by a job in Salesforce's background: for millions of them. Rows come as CSV, so that a parent's field
    /// is a column of its own (`#[serde(rename = "Owner.Name")]`), and empty is `None`.
    ///
    /// Nothing is sent before the stream is polled first; the job may take two hours. See [`start_bulk`](Self::start_bulk)
    /// for a job that outlives the stream, and [`QueryJob::rows`] for how it is read.
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
    /// As [`fetch`](Query::fetch), [`Error::JobFailed`] and [`Error::JobUnfinished`].
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
    /// What Salesforce said of the job when it was last asked.
    pub fn info(&self) -> &JobInfo {
        &self.info
    }

    /// Asks how far the job is.
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::RawRequest::send).
    pub async fn refresh(&mut self) -> Result<&JobInfo> {
        self.info = self.connection.read(self.path("")?).await?;
        Ok(&self.info)
    }

    /// Waits for the job's end: asks after half a second, then less and less often.
    ///
    /// # Errors
    /// [`Error::JobFailed`]; [`Error::JobUnfinished`] when patience ends first: the job goes on.
    pub async fn wait(&mut self, patience: Duration) -> Result<&JobInfo> {
        let since = Instant::now();
        let mut asked = 0;
        while !self.info.state.is_final() {
            let wait = poll_wait(asked);
            if since.elapsed().saturating_add(wait) > patience {
                return Err(Error::JobUnfinished { id: self.info.id.clone() });
            }
            tokio::time::sleep(wait).await;
            asked += 1;
            self.refresh().await?;
        }
        if self.info.state == JobState::JobComplete { Ok(&self.info) } else { Err(self.info.failure()) }
    }

    /// The rows of a job that has ended, in their order. Four pages are read side by side, each a little ahead of the reader:
    /// memory is needed for about eight mebibytes, however many rows there are.
    ///
    /// # Errors
    /// The items are errors as those of [`RawRequest::send`](crate::RawRequest::send); [`Error::InvalidAnswer`] when a row
    /// does not fit `T` or rows are missing.
    pub fn rows<T: DeserializeOwned + Send + 'static>(&self) -> BulkRecords<T> {
        // Where Salesforce lists no pages, each one says where the next is.
        if self.connection.api_version() < "58.0".parse().unwrap_or_default() {
            return BulkRecords::new(self.one_after_the_other());
        }
        let connection = self.connection.clone();
        let pages = self
            .pages()
            .map(move |call| future::ready(call.and_then(|call| Page::open(&connection, call))))
            .buffered(SIDE_BY_SIDE)
            .map_ok(|page| page.rows(None, csv::one::<T>))
            .try_flatten();
        BulkRecords::new(pages)
    }

    /// Stops the job.
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::RawRequest::send).
    pub async fn abort(&mut self) -> Result<()> {
        let body = decode::body(&serde_json::json!({ "state": "Aborted" }))?;
        let call = Call::new(Method::PATCH, self.path("")?).json(body);
        self.info = decode::json(&self.connection.send(call).await?.body)?;
        Ok(())
    }

    /// Forgets the job and its rows.
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::RawRequest::send).
    pub async fn delete(self) -> Result<()> {
        self.connection.send(Call::new(Method::DELETE, self.path("")?)).await.map(drop)
    }

    fn path(&self, rest: &str) -> Result<ResourcePath> {
        let id: SalesforceId = self.info.id.parse()?;
        path(&self.connection, &format!("/{id}{rest}"))
    }

    /// The pages that Salesforce lists, up to five at a time. Source: Bulk API 2.0 Developer Guide, "Get Parallel Results
    /// for a Query Job".
    fn pages(&self) -> impl Stream<Item = Result<Call>> + Send + 'static {
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
        let job = self.clone();
        let lists = stream::try_unfold(Some(self.path("/resultPages")), move |list| {
            let job = job.clone();
            async move {
                let Some(list) = list else { return Ok(None) };
                let list = list?;
                let listed: Listed = job.connection.read(list.clone()).await?;
                let next = match listed.next_records_url {
                    Some(next) => {
                        let next = job.within(&next)?;
                        // One that leads to itself would be read for ever.
                        if next == list {
                            return Err(Error::from(InvalidAnswer::NextPage));
                        }
                        Some(Ok(next))
                    }
                    None => None,
                };
                let pages: Result<Vec<Call>> = listed
                    .result_pages
                    .iter()
                    .map(|page| Ok(csv_call(job.within(&page.result_url)?)))
                    .collect();
                Ok(Some((stream::iter(pages?.into_iter().map(Ok)), next)))
            }
        });
        lists.try_flatten()
    }

    /// An URL that an answer names: only one of this very job's is asked.
    fn within(&self, url: &str) -> Result<ResourcePath> {
        let instance = self.connection.instance_url()?;
        // Job answers name paths without their first slash, too.
        let url = if url.starts_with("services/") { format!("/{url}") } else { url.to_owned() };
        let path = ResourcePath::parse(&url, self.connection.api_version(), &instance)
            .map_err(|_| InvalidAnswer::NextPage)?;
        let own = self.path("/")?;
        if path.is_below(&own) { Ok(path) } else { Err(InvalidAnswer::NextPage.into()) }
    }

    /// Before version 58.
    fn one_after_the_other<T: DeserializeOwned + Send + 'static>(
        &self,
    ) -> impl Stream<Item = Result<T>> + Send + 'static {
        let job = self.clone();
        let pages = stream::try_unfold(Some(None), move |locator: Option<Option<String>>| {
            let job = job.clone();
            async move {
                let Some(locator) = locator else { return Ok(None) };
                let mut path = job.path("/results")?;
                path.push_query("maxRecords", PAGE);
                if let Some(locator) = &locator {
                    path.push_query("locator", locator);
                }
                let answer = job.connection.send(csv_call(path)).await?;
                let rows = csv::rows(&answer.body)?;
                let next = answer.headers.get("sforce-locator").and_then(|next| next.to_str().ok());
                let next = match next {
                    // The last page says so with this word.
                    None | Some("null" | "") => None,
                    Some(next) if Some(next) == locator.as_deref() => {
                        return Err(Error::from(InvalidAnswer::NextPage));
                    }
                    Some(next) => Some(Some(next.to_owned())),
                };
                Ok(Some((stream::iter(rows.into_iter().map(Ok)), next)))
            }
        });
        pages.try_flatten()
    }
}

fn csv_call(path: ResourcePath) -> Call {
    let mut call = Call::get(path);
    call.headers.insert(ACCEPT, HeaderValue::from_static("text/csv"));
    call
}

fn path(connection: &Connection, rest: &str) -> Result<ResourcePath> {
    Ok(ResourcePath::versioned(connection.api_version(), &format!("jobs/query{rest}"))?)
}
