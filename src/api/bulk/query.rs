//! Reading many records.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use reqwest::{
    Method,
    header::{ACCEPT, HeaderValue},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    csv,
    job::{JobInfo, JobState},
    poll_wait,
};
use crate::{
    Connection, InvalidAnswer, Query, Result, SalesforceId,
    api::{decode, path::ResourcePath, send::Call},
};

/// How many records a page has at most.
const PAGE: &str = "20000";

/// The rows of a query that runs as a job, made by [`Query::fetch_bulk`].
#[must_use = "streams do nothing unless polled"]
pub struct BulkRecords<T>(BoxStream<'static, Result<T>>);

impl<T> fmt::Debug for BulkRecords<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BulkRecords")
    }
}

impl<T> Stream for BulkRecords<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

enum State {
    Begin { connection: Connection, soql: String, operation: &'static str },
    Page { connection: Connection, job: SalesforceId, locator: Option<String> },
    End,
}

impl<T: DeserializeOwned + Send + 'static> Query<T> {
    /// The rows, read by a job in Salesforce's background: for millions of them. Rows come as CSV, so that a parent's field
    /// is a column of its own (`#[serde(rename = "Owner.Name")]`), and empty is `None`.
    ///
    /// Nothing is sent before the stream is polled first. Memory is needed for one page of 20,000 rows. Queries with
    /// aggregates, `GROUP BY`, `OFFSET` or child subqueries are refused by Salesforce.
    ///
    /// # Errors
    /// As [`fetch`](Query::fetch), and [`Error::InvalidAnswer`](crate::Error::InvalidAnswer) when the job fails.
    pub fn fetch_bulk(self) -> BulkRecords<T> {
        let begin = self.into_parts().map(|(connection, soql, operation)| State::Begin {
            connection,
            soql,
            operation,
        });
        let pages = stream::once(async { begin })
            .map_ok(|state| stream::try_unfold(state, turn::<T>))
            .try_flatten()
            .map_ok(|rows| stream::iter(rows.into_iter().map(Ok)))
            .try_flatten();
        BulkRecords(pages.boxed())
    }
}

/// One page after the other.
async fn turn<T: DeserializeOwned>(state: State) -> Result<Option<(Vec<T>, State)>> {
    let (connection, job, locator) = match state {
        State::Begin { connection, soql, operation } => {
            let job = run(&connection, &soql, operation).await?;
            (connection, job, None)
        }
        State::Page { connection, job, locator } => (connection, job, locator),
        State::End => return Ok(None),
    };
    let mut path = path(&connection, &format!("/{job}/results"))?;
    path.push_query("maxRecords", PAGE);
    if let Some(locator) = &locator {
        path.push_query("locator", locator);
    }
    let mut call = Call::get(path);
    call.headers.insert(ACCEPT, HeaderValue::from_static("text/csv"));
    let answer = connection.send(call).await?;
    let rows = csv::rows(&answer.body)?;
    let next = answer.headers.get("sforce-locator").and_then(|next| next.to_str().ok());
    let next = match next {
        // The last page says so with this word.
        None | Some("null" | "") => State::End,
        Some(next) if Some(next) == locator.as_deref() => {
            return Err(InvalidAnswer::Unexpected("a page that leads to itself").into());
        }
        Some(next) => State::Page { job, locator: Some(next.to_owned()), connection },
    };
    Ok(Some((rows, next)))
}

/// Makes the job and waits for its end.
async fn run(connection: &Connection, soql: &str, operation: &str) -> Result<SalesforceId> {
    #[derive(Serialize)]
    struct NewJob<'a> {
        operation: &'a str,
        query: &'a str,
    }
    let call = Call::new(Method::POST, path(connection, "")?)
        .json(decode::body(&NewJob { operation, query: soql })?);
    let mut job: JobInfo = decode::json(&connection.send(call).await?.body)?;
    let id: SalesforceId = job.id.parse()?;
    let mut asked = 0;
    while !job.state.is_final() {
        tokio::time::sleep(poll_wait(asked)).await;
        asked += 1;
        job = connection.read(path(connection, &format!("/{id}"))?).await?;
    }
    if job.state == JobState::JobComplete {
        Ok(id)
    } else {
        Err(InvalidAnswer::Unexpected("the query's job failed or was stopped; its error message says why")
            .into())
    }
}

fn path(connection: &Connection, rest: &str) -> Result<ResourcePath> {
    Ok(ResourcePath::versioned(connection.api_version(), &format!("jobs/query{rest}"))?)
}
