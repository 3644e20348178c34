//! [`Data360Query`]: a query on the org's host.

use std::{fmt, marker::PhantomData, time::Duration};

use futures_util::future::BoxFuture;
use reqwest::{
    Method,
    header::{HeaderName, HeaderValue},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::{
    parameters::{self, SqlParameter, SqlValue},
    rows::{self, Data360Rows, Pages},
};
use crate::{
    connection::Connection,
    error::{Error, InvalidRequest, InvalidResponse, Result},
    http::error::HttpError,
    random,
    request::{decode, path::ResourcePath, send::ApiRequest},
    version::ApiVersion,
};

const DATASPACE: HeaderName = HeaderName::from_static("dataspace");
/// How long Salesforce may hold a request for the status, in milliseconds. Its maximum.
const WAIT: &str = "10000";
/// Most rows that are asked for at a time; Salesforce returns fewer of long rows (some 2 MB).
const ROW_LIMIT: &str = "20000";

/// A query of Data 360, made by [`Connection::data360_query`].
#[must_use = "nothing is sent before `fetch` or `fetch_all` is called"]
pub struct Data360Query<T> {
    connection: Connection,
    sql: String,
    values: Vec<(String, SqlValue)>,
    dataspace: Option<String>,
    timeout: Duration,
    row: PhantomData<fn() -> T>,
}

/// Leaves out the SQL and the values.
impl<T> fmt::Debug for Data360Query<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Data360Query").finish_non_exhaustive()
    }
}

impl Connection {
    /// Starts a query of Data 360 (Data Cloud) in SQL, whose rows are read into `T`. On the org's host, with its token.
    ///
    /// Values are bound to placeholders (`:name`) and not written into the text. Sent in version 64.0 or later.
    ///
    /// ```
    /// # use salesforce_connection::{
    /// #     Client, Connection, http::AllowedHosts, oauth::{LoginHost, OAuthApp, OAuthClient},
    /// #     token::{ServiceTokenSource, ServiceUser},
    /// # };
    /// # use salesforce_fake_org::FakeOrg;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let declared = serde_json::json!({ "data360_queries": [{
    /// #     "sql": "SELECT ssot__LastName__c AS name FROM ssot__Individual__dlm WHERE ssot__Age__c > :age",
    /// #     "columns": [{ "name": "name", "type": "Varchar" }], "rows": [["Lovelace"]],
    /// # }] });
    /// # let org = FakeOrg::builder().declare_json(&declared.to_string())?.execution_user("ada@example.com").start().await?;
    /// # let host: LoginHost = org.instance_url().parse()?;
    /// # let client = Client::builder().allowed_hosts(AllowedHosts::new([host.as_url().clone()])).build()?;
    /// # let oauth = OAuthClient::with_client(OAuthApp::new(org.client_id(), Some(org.client_secret().into())), &client);
    /// # let source = ServiceTokenSource::builder(oauth, ServiceUser::client_credentials(host)).build();
    /// # let sf = Connection::new(&client, source.connect().await?);
    /// #[derive(serde::Deserialize)]
    /// struct Individual { name: String }
    ///
    /// let sql = "SELECT ssot__LastName__c AS name FROM ssot__Individual__dlm WHERE ssot__Age__c > :age";
    /// let found: Vec<Individual> = sf.data360_query(sql).bind("age", 30).fetch_all().await?;
    /// assert_eq!(found[0].name, "Lovelace");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "Data Cloud")]
    #[doc(alias = "CDP")]
    pub fn data360_query<T>(&self, sql: impl Into<String>) -> Data360Query<T> {
        Data360Query {
            connection: self.clone(),
            sql: sql.into(),
            values: Vec::new(),
            dataspace: None,
            timeout: Duration::from_secs(10 * 60),
            row: PhantomData,
        }
    }
}

impl<T: DeserializeOwned + Send + 'static> Data360Query<T> {
    /// Binds a value to the placeholder `:name`.
    pub fn bind(mut self, name: impl Into<String>, value: impl Into<SqlValue>) -> Self {
        self.values.push((name.into(), value.into()));
        self
    }

    /// Sets the data space. Default: that of the user, `default`.
    pub fn dataspace(mut self, name: impl Into<String>) -> Self {
        self.dataspace = Some(name.into());
        self
    }

    /// Sets how long the query may run before the first rows. Default: 10 minutes. After that:
    /// [`HttpError::Timeout`](crate::http::HttpError::Timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Returns the rows as a stream.
    ///
    /// # Errors
    /// The stream's items: [`Error::Bind`] if placeholders and values do not match, and
    /// [`InvalidRequest::Header`] for an invalid data space, before anything is sent; otherwise as
    /// [`RawRequest::send`](crate::request::raw::RawRequest::send), status 400 for invalid SQL.
    pub fn fetch(self) -> Data360Rows<T> {
        Data360Rows::new(Query { of: self, state: State::Start })
    }

    /// Returns all rows.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch).
    pub async fn fetch_all(self) -> Result<Vec<T>> {
        self.fetch().all().await
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    sql: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sql_parameters: Vec<SqlParameter>,
}

/// A page of rows. Which members come while the query runs is unverified.
#[derive(Deserialize)]
struct RawPage<'a> {
    #[serde(borrow)]
    data: Option<Vec<&'a RawValue>>,
    metadata: Option<Vec<Column>>,
    status: Option<Status>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    query_id: String,
    completion_status: String,
    row_count: u64,
}

/// The guide has the status itself, Salesforce's own client reads it as a member.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawStatus {
    Member { status: Status },
    Itself(Status),
}

impl Status {
    /// Returns whether the rows are there. The names are written with and without underscores.
    fn is_complete(&self) -> Result<bool, InvalidResponse> {
        match self.completion_status.to_ascii_lowercase().replace('_', "").as_str() {
            "resultsproduced" | "finished" => Ok(true),
            "running" | "unspecified" | "runningorunspecified" => Ok(false),
            _ => Err(InvalidResponse::Unexpected("a query in an unknown state")),
        }
    }
}

struct Query<T> {
    of: Data360Query<T>,
    state: State,
}

enum State {
    Start,
    Rows { id: String, columns: Vec<String>, got: u64, total: u64 },
    End,
}

impl<T: DeserializeOwned + Send + 'static> Pages<T> for Query<T> {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<T>>>> {
        Box::pin(async move {
            loop {
                match std::mem::replace(&mut self.state, State::End) {
                    State::Start => {
                        if let Some(rows) = self.start().await? {
                            return Ok(Some(rows));
                        }
                    }
                    State::Rows { got, total, .. } if got >= total => return Ok(None),
                    State::Rows { id, columns, got, total } => {
                        return self.page(id, columns, got, total).await.map(Some);
                    }
                    State::End => return Ok(None),
                }
            }
        })
    }
}

impl<T: DeserializeOwned> Query<T> {
    fn request(&self, method: Method, resource: &str, query: &[(&str, &str)]) -> Result<ApiRequest> {
        let version = self.of.connection.api_version().max(ApiVersion::QUERIES_DATA_360);
        let mut path = ResourcePath::versioned(version, &format!("ssot/query-sql{resource}"))?;
        for (name, value) in query {
            path.push_query(name, value);
        }
        // A query changes nothing.
        let mut request = ApiRequest::new(method, path).idempotent();
        if let Some(dataspace) = &self.of.dataspace {
            let value = HeaderValue::from_str(dataspace).map_err(|_| InvalidRequest::Header)?;
            request.headers.insert(DATASPACE, value);
        }
        Ok(request)
    }

    /// Sends the query. Returns the first rows, or none if they are to be fetched.
    async fn start(&mut self) -> Result<Option<Vec<T>>> {
        let sql_parameters = parameters::bind(&self.of.sql, std::mem::take(&mut self.of.values))?;
        let body = decode::body(&Body { sql: &self.of.sql, sql_parameters })?;
        let began = Instant::now();
        let response = self.of.connection.send(self.request(Method::POST, "", &[])?.json(body)).await?;
        let page: RawPage<'_> = decode::json(decode::json_of(&response)?)?;
        let mut status = page.status.ok_or(InvalidResponse::Unexpected("a query without a status"))?;
        if !rows::is_segment(&status.query_id) {
            return Err(InvalidResponse::Unexpected("a query without a valid id").into());
        }
        if status.is_complete()?
            && let (Some(data), Some(columns)) = (page.data, page.metadata)
        {
            let columns: Vec<String> = columns.into_iter().map(|column| column.name).collect();
            let rows = rows::read(&columns, &data)?;
            let got = data.len() as u64;
            self.state = State::Rows { id: status.query_id, columns, got, total: status.row_count };
            return Ok(Some(rows));
        }
        let mut resource = format!("/{}", status.query_id);
        let mut polls = 0;
        while !status.is_complete()? {
            let left = self.of.timeout.checked_sub(began.elapsed()).ok_or(Error::Http(HttpError::Timeout))?;
            // Salesforce holds the request; a server that does not must not be flooded.
            tokio::time::sleep(random::backoff(polls).min(left)).await;
            polls += 1;
            let response = self
                .of
                .connection
                .send(self.request(Method::GET, &resource, &[("waitTimeMs", WAIT)])?)
                .await?;
            status = match decode::response(&response)? {
                RawStatus::Member { status } | RawStatus::Itself(status) => status,
            };
        }
        let id = resource.split_off(1);
        self.state = State::Rows { id, columns: Vec::new(), got: 0, total: status.row_count };
        Ok(None)
    }

    async fn page(&mut self, id: String, mut columns: Vec<String>, got: u64, total: u64) -> Result<Vec<T>> {
        let (offset, omit) = (got.to_string(), if columns.is_empty() { "false" } else { "true" });
        let query = [("offset", offset.as_str()), ("rowLimit", ROW_LIMIT), ("omitSchema", omit)];
        let request = self.request(Method::GET, &format!("/{id}/rows"), &query)?;
        let response = self.of.connection.send(request).await?;
        let page: RawPage<'_> = decode::json(decode::json_of(&response)?)?;
        if columns.is_empty() {
            let found = page.metadata.ok_or(InvalidResponse::Unexpected("rows without their columns"))?;
            columns = found.into_iter().map(|column| column.name).collect();
        }
        let data = page.data.unwrap_or_default();
        if data.is_empty() {
            return Err(InvalidResponse::Truncated { got, announced: total }.into());
        }
        let rows = rows::read(&columns, &data)?;
        self.state = State::Rows { id, columns, got: got + data.len() as u64, total };
        Ok(rows)
    }
}
