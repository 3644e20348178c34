//! [`Data360Direct`]: queries by the exchanged token, on the host of the org's data.

use std::{
    collections::HashSet,
    fmt,
    marker::PhantomData,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use reqwest::{Method, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokio::time::Instant;
use tracing::{Instrument as _, debug_span, field::Empty};
use url::Url;

use super::rows::{self, Data360Rows, Pages};
use crate::{
    connection::Connection,
    error::{Error, InvalidResponse, Result},
    http::{InvalidApiHost, client::SHORT_TIMEOUT, request::Request, response::Response},
    oauth::{InvalidTokenResponse, OAuthError, Scopes},
    random,
    request::{
        decode,
        error_response::{self, ErrorClass},
        path::ResourcePath,
        retry::{Failure, Idempotency},
        send::{ApiRequest, failure_of},
    },
    secret::Secret,
    token::{AccessToken, Generation, TokenError, TokenSource},
    user_ref::UserRef,
};

const TOKEN_PATH: &str = "/services/a360/token";
const GRANT_TYPE: &str = "urn:salesforce:grant-type:external:cdp";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// How long to wait after a failed exchange.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Queries of Data 360 on the host of the org's data (`….c360a.salesforce.com`), by a token exchanged for the org's.
///
/// Made by [`Connection::data360_direct`]. Cheap to clone; clones share the token, which is exchanged again when it is
/// rejected (it lasts about two hours).
#[derive(Debug, Clone)]
pub struct Data360Direct(Connection);

impl Connection {
    /// Exchanges the access token for one of Data 360, for queries on the host of the org's data.
    ///
    /// The client has to name these hosts: `ClientBuilder::api_host("c360a.salesforce.com")`. The org's token does not
    /// leave its instance; only the exchanged one goes there. The app needs the scopes `cdp_query_api` and `api`.
    /// [`data360_query`](Self::data360_query) needs none of this. The timeout and all other settings are those of this
    /// connection.
    ///
    /// Costs one exchange each time, so create it once for a user and keep it, for example beside what the program keeps of
    /// the login: a handler that calls this for each request exchanges a token for each.
    ///
    /// ```
    /// use salesforce_connection::Client;
    /// # use salesforce_connection::{
    /// #     Connection, http::AllowedHosts, oauth::{LoginHost, OAuthApp, OAuthClient},
    /// #     token::{ServiceTokenSource, ServiceUser},
    /// # };
    /// # use salesforce_fake_org::FakeOrg;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let declared = serde_json::json!({ "data360_queries": [{
    /// #     "sql": "SELECT ssot__LastName__c AS name FROM ssot__Individual__dlm",
    /// #     "columns": [{ "name": "name", "type": "Varchar" }], "rows": [["Lovelace"]],
    /// # }] });
    /// # let org = FakeOrg::builder().declare_json(&declared.to_string())?.execution_user("ada@example.com").start().await?;
    /// # let host: LoginHost = org.instance_url().parse()?;
    /// # let name = org.api_url();
    /// # let builder = Client::builder().allowed_hosts(AllowedHosts::new([name.parse()?, host.as_url().clone()]));
    /// // `name` is "c360a.salesforce.com".
    /// let client = builder.api_host(&*name).build()?;
    /// # let oauth = OAuthClient::with_client(OAuthApp::new(org.client_id(), Some(org.client_secret().into())), &client);
    /// # let source = ServiceTokenSource::builder(oauth, ServiceUser::client_credentials(host)).build();
    /// # let sf = Connection::new(&client, source.connect().await?);
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Individual { name: String }
    ///
    /// let direct = sf.data360_direct().await?;
    /// let sql = "SELECT ssot__LastName__c AS name FROM ssot__Individual__dlm";
    /// let found: Vec<Individual> = direct.query(sql).fetch_all().await?;
    /// assert_eq!(found[0].name, "Lovelace");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::OAuth`] if Salesforce refuses the exchange;
    /// [`InvalidApiHost`](crate::http::InvalidApiHost) in [`Error::InvalidRequest`] if the client does not name the
    /// host in the response.
    pub async fn data360_direct(&self) -> Result<Data360Direct> {
        let token = exchange(self, Generation(1)).await.map_err(|error| match error {
            NotExchanged::Token(error) => Error::from(error),
            NotExchanged::Refused(error) => error.into(),
            NotExchanged::Limit(error) => error,
            NotExchanged::Host(error) => error.into(),
        })?;
        let source = ExchangedSource {
            org: self.clone(),
            token: Arc::new(Mutex::new(Arc::new(token))),
            exchanging: Arc::default(),
        };
        Ok(Data360Direct(self.with_token_source(Arc::new(source))))
    }
}

impl Data360Direct {
    /// Starts a query in SQL (Query API version 2), whose rows are read into `T`. It has no placeholders.
    pub fn query<T>(&self, sql: impl Into<String>) -> Data360DirectQuery<T> {
        Data360DirectQuery { connection: self.0.clone(), sql: sql.into(), row: PhantomData }
    }

    /// Returns the host of the data.
    ///
    /// # Errors
    /// [`Error::LoginRequired`] if the login has ended.
    pub fn host(&self) -> Result<Url> {
        self.0.instance_url()
    }
}

/// A query on the host of the org's data, made by [`Data360Direct::query`].
#[must_use = "nothing is sent before `fetch` or `fetch_all` is called"]
pub struct Data360DirectQuery<T> {
    connection: Connection,
    sql: String,
    row: PhantomData<fn() -> T>,
}

/// Leaves out the SQL.
impl<T> fmt::Debug for Data360DirectQuery<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Data360DirectQuery").finish_non_exhaustive()
    }
}

impl<T: DeserializeOwned + Send + 'static> Data360DirectQuery<T> {
    /// Returns the rows as a stream.
    ///
    /// # Errors
    /// The stream's items: as [`RawRequest::send`](crate::request::raw::RawRequest::send), status 400 for invalid SQL.
    pub fn fetch(self) -> Data360Rows<T> {
        Data360Rows::new(Batches { of: self, next: Next::First, known: HashSet::new() })
    }

    /// Returns all rows.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch).
    pub async fn fetch_all(self) -> Result<Vec<T>> {
        self.fetch().all().await
    }
}

struct Batches<T> {
    of: Data360DirectQuery<T>,
    next: Next,
    /// The ids of the batches so far. One that comes again would be fetched forever.
    known: HashSet<String>,
}

enum Next {
    First,
    Batch(String),
    End,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawBatch<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    metadata: std::collections::HashMap<String, Column>,
    done: bool,
    next_batch_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Column {
    place_in_order: usize,
}

impl<T: DeserializeOwned + Send + 'static> Pages<T> for Batches<T> {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<T>>>> {
        Box::pin(async move {
            let host = self.of.connection.instance_url()?;
            let path = |text: &str| ResourcePath::parse(text, self.of.connection.api_version(), &host);
            let mut request = match std::mem::replace(&mut self.next, Next::End) {
                Next::End => return Ok(None),
                Next::First => {
                    let body = decode::body(&serde_json::json!({ "sql": self.of.sql }))?;
                    ApiRequest::new(Method::POST, path("/api/v2/query")?).idempotent().json(body)
                }
                Next::Batch(id) => ApiRequest::get(path(&format!("/api/v2/query/{id}"))?),
            };
            request.api_host = Some(Arc::new(host));
            let response = self.of.connection.send(request).await?;
            let batch: RawBatch<'_> = decode::json(decode::json_of(&response)?)?;
            let mut columns: Vec<_> = batch.metadata.into_iter().collect();
            columns.sort_by_key(|(_, column)| column.place_in_order);
            let columns: Vec<String> = columns.into_iter().map(|(name, _)| name).collect();
            let rows = rows::read(&columns, &batch.data)?;
            self.next = match (batch.done, batch.next_batch_id) {
                (true, _) => Next::End,
                (false, Some(id)) if rows::is_segment(&id) && self.known.insert(id.clone()) => {
                    Next::Batch(id)
                }
                (false, _) => return Err(InvalidResponse::NextPage.into()),
            };
            Ok(Some(rows))
        })
    }
}

/// Exchanges the org's current token when Data 360 rejects the exchanged one.
struct ExchangedSource {
    org: Connection,
    token: Arc<Mutex<Arc<AccessToken>>>,
    exchanging: Arc<tokio::sync::Mutex<()>>,
}

impl fmt::Debug for ExchangedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangedSource").field("org", &self.org).finish_non_exhaustive()
    }
}

fn current(token: &Mutex<Arc<AccessToken>>) -> Arc<AccessToken> {
    Arc::clone(&token.lock().unwrap_or_else(PoisonError::into_inner))
}

impl TokenSource for ExchangedSource {
    fn user(&self) -> UserRef {
        self.org.user()
    }

    fn token(&self) -> Result<Arc<AccessToken>, TokenError> {
        // Ends with the login of the org.
        self.org.token_source().token()?;
        Ok(current(&self.token))
    }

    fn refresh<'a>(
        &'a self,
        rejected: &'a AccessToken,
    ) -> BoxFuture<'a, Result<Arc<AccessToken>, TokenError>> {
        let (org, token, exchanging) =
            (self.org.clone(), Arc::clone(&self.token), Arc::clone(&self.exchanging));
        let rejected = rejected.generation();
        // In a task that no caller owns.
        let task = tokio::spawn(async move {
            let _one_at_a_time = exchanging.lock().await;
            let now = current(&token);
            if now.generation() != rejected {
                return Ok(now);
            }
            let fresh = Arc::new(exchange(&org, Generation(rejected.0 + 1)).await?);
            *token.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&fresh);
            Ok(fresh)
        });
        Box::pin(async {
            task.await.unwrap_or_else(|error| Err(TokenError::unavailable(RETRY_AFTER, error)))
        })
    }

    fn is_revoked(&self) -> BoxFuture<'_, bool> {
        self.org.token_source().is_revoked()
    }
}

/// Why the org's token was not exchanged.
enum NotExchanged {
    /// The org has no valid token.
    Token(TokenError),
    Refused(OAuthError),
    /// The org's limits were reached, or the rest of its requests is left for other work.
    Limit(Error),
    /// The client may not send the exchanged token to its host.
    Host(InvalidApiHost),
}

impl<E: Into<OAuthError>> From<E> for NotExchanged {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// What no later exchange would change is not [`TokenError::Unavailable`], which programs retry.
impl From<NotExchanged> for TokenError {
    fn from(error: NotExchanged) -> Self {
        match error {
            NotExchanged::Token(error) => error,
            NotExchanged::Limit(error) => {
                Self::unavailable(error.retry_after().unwrap_or(RETRY_AFTER), error)
            }
            NotExchanged::Refused(error) if error.is_transient() => {
                Self::unavailable(error.retry_after().unwrap_or(RETRY_AFTER), error)
            }
            NotExchanged::Refused(error) => Self::LoginRefused(Arc::new(error)),
            NotExchanged::Host(error) => Self::ApiHost(error),
        }
    }
}

#[derive(Deserialize)]
struct RawToken {
    access_token: Secret,
    instance_url: String,
    token_type: String,
}

/// Sends an exchange to the org, within its limits, and again after a lost response: a second token does no harm.
async fn send(org: &Connection, request: Request) -> Result<Response, NotExchanged> {
    org.check_quota().map_err(NotExchanged::Limit)?;
    let span = debug_span!(
        "salesforce.call",
        user = %org.user(),
        method = %request.method,
        resource = TOKEN_PATH,
        status = Empty,
        retries = Empty
    );
    let retry = org.retry().within(SHORT_TIMEOUT / 2);
    let began = Instant::now();
    let in_span = span.clone();
    let sending = async move {
        let mut retries = 0;
        loop {
            let slot = org.org().acquire(org.user_id()).await.map_err(NotExchanged::Limit)?;
            let outcome = org.http().send(request.clone()).await;
            drop(slot);
            in_span.record("retries", retries);
            let failure = match &outcome {
                Ok(response) => {
                    in_span.record("status", response.status.as_u16());
                    record(org, response)?
                }
                Err(error) => failure_of(error),
            };
            let wait =
                retry.wait(Idempotency::Idempotent, failure, retries, began.elapsed(), random::fraction());
            let Some(wait) = wait else { return Ok(outcome?) };
            retries += 1;
            tokio::time::sleep(wait).await;
        }
    };
    sending.instrument(span).await
}

/// Records the response to an exchange for the limits of the org. Returns whether the exchange is sent again.
fn record(org: &Connection, response: &Response) -> Result<Failure, NotExchanged> {
    if response.status.is_success() {
        org.org().record_outcome(None);
        return Ok(Failure::Final);
    }
    let mut read = error_response::read(response.status.as_u16(), &response.body, response.retry_after());
    org.org().record_outcome(Some(&mut read.error));
    match (read.error, read.class) {
        (error @ Error::LimitExceeded { .. }, _) => Err(NotExchanged::Limit(error)),
        (_, ErrorClass::Other(failure)) => Ok(failure),
        (_, ErrorClass::TokenExpired | ErrorClass::NotFound) => Ok(Failure::Final),
    }
}

/// Exchanges the org's token, which is refreshed once if it is rejected.
async fn exchange(org: &Connection, generation: Generation) -> Result<AccessToken, NotExchanged> {
    let mut token = org.token_source().token().map_err(NotExchanged::Token)?;
    let mut is_refreshed = false;
    loop {
        let authorization = token.authorization().to_str().unwrap_or_default();
        let subject = authorization.strip_prefix("Bearer ").unwrap_or_default();
        let path = ResourcePath::parse(TOKEN_PATH, org.api_version(), token.instance_url());
        let url = path.and_then(|path| path.on(token.instance_url()));
        let fields =
            [("grant_type", GRANT_TYPE), ("subject_token", subject), ("subject_token_type", ACCESS_TOKEN)];
        let mut request = Request::form(url.map_err(|_| InvalidTokenResponse::InstanceUrl)?, fields);
        request.deadline = org.timeout().min(SHORT_TIMEOUT);
        let response = send(org, request).await?;
        if response.status.is_success() {
            let raw: RawToken =
                serde_json::from_slice(&response.body).map_err(|_| InvalidTokenResponse::Malformed)?;
            if !raw.token_type.eq_ignore_ascii_case("bearer") {
                return Err(InvalidTokenResponse::TokenType.into());
            }
            let host = org.client().api_hosts().of_data_360(&raw.instance_url, org.http().allowed_hosts());
            let host = host.map_err(NotExchanged::Host)?;
            let token = AccessToken::new(&raw.access_token, host, Scopes::default())?;
            return Ok(token.with_generation(generation));
        }
        let error = OAuthError::from_response(&response);
        // The form of the error for an expired token is unverified.
        let is_rejected = matches!(response.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            || error.is_invalid_grant();
        // The exchange may be refused for another reason than the token's age. The token may be good for all else.
        let rejected = &org.org().rejected_exchanges;
        if !is_rejected || rejected.contains(org.user_id(), &token) {
            return Err(error.into());
        }
        if is_refreshed {
            if org.token_source().is_revoked().await {
                return Err(NotExchanged::Token(TokenError::LoginRequired));
            }
            rejected.add(org.user_id(), &token);
            return Err(error.into());
        }
        is_refreshed = true;
        match org.refreshed(&token).await.map_err(NotExchanged::Token)? {
            Some(fresh) => token = fresh,
            None => return Err(error.into()),
        }
    }
}
