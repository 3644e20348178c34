//! [`InvalidResponse`]: how a response differs from the protocol.

/// How a response of Salesforce differs from the protocol. Never repeats the response.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidResponse {
    /// The body does not fit the type that it is read into.
    #[error("the response cannot be read: {0}")]
    Json(String),
    /// A content type or a status that the request cannot have.
    #[error("unexpected response: {0}")]
    Unexpected(&'static str),
    /// The address of the next page is not one of this org's `/services/data/` paths, or leads back to an earlier page.
    ///
    /// No request was sent to it.
    #[error("the address of the next page is not a path of this API, or leads back to an earlier page")]
    NextPage,
    /// Rows in the middle of a query are missing.
    ///
    /// A last page with fewer rows than announced is no error: see
    /// [`Records::missing_rows`](crate::Records::missing_rows).
    #[error("the query's rows ended after {got} of {announced}. Read it again from the start")]
    #[non_exhaustive]
    Truncated {
        /// The number of rows received.
        got: u64,
        /// The number of rows that Salesforce announced.
        announced: u64,
    },
}

crate::debug::debug_as_display!(InvalidResponse);
