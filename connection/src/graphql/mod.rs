//! GraphQL: queries and mutations of the org's records, in one request each.
//!
//! Errors that Salesforce reports inside of a response with status 200 are errors here. Queries are retried as other
//! reads, mutations are not.
//!
//! Source: GraphQL API Developer Guide; what is sent and returned is listed in the repository
//! (`docs/protocol/graphql.md`).

mod document;
mod failure;
mod invalid;
mod response;
mod values;
mod variables;

use std::fmt;

use bytes::Bytes;
use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use self::{
    document::{Document, OperationKind},
    variables::Variables,
};
pub use self::{
    failure::{GraphQlError, GraphQlFailure, SourceLocation},
    invalid::InvalidGraphQl,
    response::GraphQlResponse,
    values::{Edges, FieldValue, PageInfo},
};
use crate::{
    connection::Connection,
    error::{Error, InvalidRequest, Result},
    request::{
        decode,
        path::ResourcePath,
        send::{ApiRequest, MAX_RESPONSE_BYTES},
    },
};

impl Connection {
    /// Starts a GraphQL operation: a query, or a mutation that creates, updates or deletes records.
    ///
    /// Values are sent as variables, apart from the document. A document with several operations needs
    /// [`operation`](GraphQl::operation). Queries need API version 56.0, and mutations are generally available since 66.0.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::graphql::{Edges, FieldValue};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Data { uiapi: UiApi }
    /// #[derive(serde::Deserialize)]
    /// struct UiApi { query: Found }
    /// #[derive(serde::Deserialize)]
    /// #[serde(rename_all = "PascalCase")]
    /// struct Found { account: Edges<Account> }
    /// #[derive(serde::Deserialize)]
    /// #[serde(rename_all = "PascalCase")]
    /// struct Account { id: String, name: FieldValue<String> }
    ///
    /// let data: Data = sf
    ///     .graphql(
    ///         "query accounts($name: String) {
    ///            uiapi { query { Account(where: { Name: { like: $name } }, first: 5) {
    ///              edges { node { Id Name { value } } }
    ///            } } }
    ///          }",
    ///     )
    ///     .variable("name", "A%")
    ///     .fetch()
    ///     .await?;
    /// for account in &data.uiapi.query.account.nodes {
    ///     println!("{}: {:?}", account.id, account.name.value);
    /// }
    /// # assert!(!data.uiapi.query.account.nodes.is_empty());
    /// # Ok(()) });
    /// ```
    ///
    /// In a mutation `allOrNone`, an argument of `uiapi`, decides what an error does: with `true`, the default, nothing is
    /// written; with `false`, what succeeded stays, and [`fetch_partial`](GraphQl::fetch_partial) returns it beside the
    /// errors.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use serde_json::{Value, json};
    ///
    /// let response = sf
    ///     .graphql(
    ///         "mutation two($first: AccountCreateInput!, $second: AccountCreateInput!) {
    ///            uiapi(input: { allOrNone: false }) {
    ///              first: AccountCreate(input: $first) { Record { Id } }
    ///              second: AccountCreate(input: $second) { Record { Id } }
    ///            }
    ///          }",
    ///     )
    ///     .variable("first", json!({ "Account": { "Phone": "+49 30 1" } }))
    ///     .variable("second", json!({ "Account": { "Name": "Acme" } }))
    ///     .fetch_partial::<Value>()
    ///     .await?;
    /// let data = response.data.as_ref().map(|data| &data["uiapi"]);
    /// assert!(data.is_some_and(|data| data["first"].is_null() && data["second"]["Record"]["Id"].is_string()));
    /// assert_eq!(response.errors[0].kind, "DataFetchingException");
    /// # Ok(()) });
    /// ```
    #[doc(alias = "uiapi")]
    #[doc(alias = "mutation")]
    #[doc(alias = "allOrNone")]
    pub fn graphql(&self, document: impl Into<String>) -> GraphQl {
        GraphQl {
            connection: self.clone(),
            document: document.into(),
            operation: None,
            variables: Variables::default(),
            max_bytes: MAX_RESPONSE_BYTES,
            error: None,
        }
    }
}

/// A GraphQL operation, created by [`Connection::graphql`].
#[must_use = "nothing is sent before `fetch` or `fetch_partial` is called"]
pub struct GraphQl {
    connection: Connection,
    document: String,
    operation: Option<String>,
    variables: Variables,
    max_bytes: usize,
    /// The first error of a setter, reported when the operation is sent.
    error: Option<InvalidGraphQl>,
}

/// Omits document and variables, which may contain data.
impl fmt::Debug for GraphQl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphQl").field("operation", &self.operation).finish_non_exhaustive()
    }
}

impl GraphQl {
    /// Sets which operation of the document is run. Default: the only one.
    pub fn operation(mut self, name: impl Into<String>) -> Self {
        self.operation = Some(name.into());
        self
    }

    /// Sets a variable, without the `$`. The value is checked against the type in the document before anything is sent.
    ///
    /// The built-in types are checked (`Int`, `Float`, `String`, `Boolean`, `ID`, lists of them, and whether a value is
    /// required); all others are left to Salesforce.
    pub fn variable<T: Serialize>(mut self, name: impl Into<String>, value: T) -> Self {
        if let Err(error) = self.variables.set(name.into(), &value) {
            self.error = self.error.or(Some(error));
        }
        self
    }

    /// Sets a variable for each member of a struct or a map.
    pub fn variables<T: Serialize + ?Sized>(mut self, values: &T) -> Self {
        if let Err(error) = self.variables.set_all(values) {
            self.error = self.error.or(Some(error));
        }
        self
    }

    /// Sets the largest response that is read, in bytes after decompression. Default: 32 MiB.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sends the operation, and reads its data if Salesforce reports no error.
    ///
    /// # Errors
    /// - [`InvalidGraphQl`] in [`Error::InvalidRequest`] before anything is sent: a malformed document, an unknown
    ///   operation, a variable that is missing, unknown or of another type
    /// - [`Error::GraphQl`] if Salesforce reports errors: also if there is data beside them, which the error holds
    /// - otherwise as [`RawRequest::send`](crate::request::raw::RawRequest::send)
    pub async fn fetch<T: DeserializeOwned>(self) -> Result<T> {
        let (data, errors) = self.send().await?;
        if !errors.is_empty() {
            return Err(Error::GraphQl(Box::new(GraphQlFailure::new(errors, data))));
        }
        Ok(response::data(data)?)
    }

    /// Sends the operation, and returns Salesforce's errors beside the data that came with them.
    ///
    /// What failed is `null` in the data, so that its place in `T` is an `Option`. The errors have to be looked at: a
    /// response with errors is a success for this method.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch), without [`Error::GraphQl`].
    pub async fn fetch_partial<T: DeserializeOwned>(self) -> Result<GraphQlResponse<T>> {
        let (data, errors) = self.send().await?;
        if errors.is_empty() {
            return Ok(GraphQlResponse { data: Some(response::data(data)?), errors });
        }
        let failure = GraphQlFailure::new(errors, data);
        Ok(GraphQlResponse { data: failure.data()?, errors: failure.into_errors() })
    }

    async fn send(self) -> Result<(Option<Bytes>, Vec<GraphQlError>)> {
        let request = self.request()?;
        let response = self.connection.send(request).await?;
        Ok(response::read(&response)?)
    }

    fn request(&self) -> Result<ApiRequest> {
        if let Some(error) = &self.error {
            return Err(InvalidRequest::GraphQl(error.clone()).into());
        }
        let document = Document::parse(&self.document).map_err(InvalidRequest::GraphQl)?;
        let operation = document.operation(self.operation.as_deref()).map_err(InvalidRequest::GraphQl)?;
        self.variables.check(operation).map_err(InvalidRequest::GraphQl)?;
        let body = Body {
            query: &self.document,
            operation_name: self.operation.as_deref(),
            variables: (!self.variables.is_empty()).then_some(&self.variables),
        };
        let path = ResourcePath::versioned(self.connection.api_version(), "graphql")?;
        let mut request = ApiRequest::new(Method::POST, path).json(decode::body(&body)?);
        request.max_bytes = self.max_bytes;
        Ok(match operation.kind {
            OperationKind::Query => request.idempotent(),
            // Independent of the connection: a repeated mutation makes another record.
            OperationKind::Mutation => request.no_retry(),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    query: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<&'a Variables>,
}

/// A value as JSON.
type Json = Box<RawValue>;
