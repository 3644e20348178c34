//! One page of a query's rows, and the request for the next one.

use std::collections::HashSet;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, ser::SerializeStruct as _,
};
use serde_json::value::RawValue;

use crate::{
    connection::Connection,
    error::{Error, InvalidResponse, Result},
    http::response::Response,
    json::{error, names},
    query::{Cursor, children},
    request::{
        decode::{self, MORE_CHILDREN},
        send::ApiRequest,
    },
};

/// Most pages in a row without a row. More would be fetched forever.
const MAX_EMPTY_PAGES: u32 = 100;
const INVALID_CURSOR: &str = "the address of further children is not a path of this API";

/// Some of the rows of a query.
///
/// A subquery is read into a page, too: a field `contacts: Page<Contact>` of a row holds the first page of its children.
/// It is empty if there are none, which Salesforce writes as `null`. [`Connection::page`] fetches the others.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The rows.
    pub records: Vec<T>,
    /// Number of rows in all pages of the query, if Salesforce knows it. The result of `SELECT COUNT()`.
    pub total_size: Option<u64>,
    /// Cursor of the next page. `None` on the last page.
    pub next: Option<Cursor>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Page<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Option::<RawPage<T>>::deserialize(deserializer)? {
            Some(page) => page.try_into().map_err(|error| match error {
                InvalidResponse::Unexpected(text) => error::own(text),
                _ => error::own(INVALID_CURSOR),
            }),
            None => Ok(Self { records: Vec::new(), total_size: Some(0), next: None }),
        }
    }
}

/// Writes the page as Salesforce sends it, so that a row with children can be written as JSON and read again.
impl<T: Serialize> Serialize for Page<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut page = serializer.serialize_struct("Page", if self.next.is_some() { 4 } else { 3 })?;
        let total_size = self.total_size.and_then(|total| i64::try_from(total).ok());
        page.serialize_field("totalSize", &total_size.unwrap_or(-1))?;
        page.serialize_field("done", &self.next.is_none())?;
        match &self.next {
            Some(next) => page.serialize_field("nextRecordsUrl", next)?,
            None => page.skip_field("nextRecordsUrl")?,
        }
        page.serialize_field("records", &self.records)?;
        page.end()
    }
}

/// A page as Salesforce sends it. Source: REST API Developer Guide, "Query".
#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct RawPage<T> {
    #[serde(rename = "totalSize")]
    total_size: i64,
    done: bool,
    #[serde(rename = "nextRecordsUrl")]
    next: Option<String>,
    records: Vec<T>,
}

impl<T> TryFrom<RawPage<T>> for Page<T> {
    type Error = InvalidResponse;

    fn try_from(page: RawPage<T>) -> Result<Self, InvalidResponse> {
        let next = match (page.done, page.next) {
            (true, _) => None,
            (false, Some(path)) => Some(path.parse().map_err(|_| InvalidResponse::NextPage)?),
            (false, None) => {
                return Err(InvalidResponse::Unexpected("the query has more rows, but no `nextRecordsUrl`"));
            }
        };
        // Queries of external objects have -1 here.
        Ok(Self { records: page.records, total_size: page.total_size.try_into().ok(), next })
    }
}

/// A page, and what a reader has to know about it.
pub(crate) struct FetchedPage<T> {
    pub(crate) page: Page<T>,
    /// Whether the children of a row have further pages.
    pub(crate) has_open_children: bool,
}

/// Sends `request` and reads the page in its response.
pub(crate) async fn fetch_page<T: DeserializeOwned>(
    connection: &Connection,
    request: ApiRequest,
) -> Result<Page<T>> {
    let max_bytes = request.max_bytes;
    let response = send(connection, request).await?;
    let body = decode::json_of(&response)?;
    match read(body) {
        Err(error) if lacks_children(&error) => {
            Ok(read(children::complete(connection, body, max_bytes).await?.as_bytes())?)
        }
        page => Ok(page?),
    }
}

/// Sends the request for a page.
pub(super) async fn send(connection: &Connection, request: ApiRequest) -> Result<Response> {
    connection.send(request).await.map_err(cursor_error)
}

/// Returns the number of links to further pages of rows or of children, 2 at most.
pub(super) fn links(body: &[u8]) -> usize {
    // Within a JSON text the quotes would be escaped, so that this finds only members of pages.
    memchr::memmem::find_iter(body, b"\"nextRecordsUrl\"").take(2).count()
}

/// Reads the body of a page.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<Page<T>, InvalidResponse> {
    let page: RawPage<T> = decode::records::<T, _>(body, names::first_record(body).map(RawValue::get))?;
    page.try_into()
}

/// Returns whether reading failed because a row has children that are still to be fetched.
pub(crate) fn lacks_children(error: &InvalidResponse) -> bool {
    matches!(error, InvalidResponse::Json(text) if text.starts_with(MORE_CHILDREN))
}

/// Returns the error for a cursor that Salesforce has closed as such.
fn cursor_error(error: Error) -> Error {
    match error {
        Error::Api { status, errors, .. }
            if errors.iter().any(|entry| entry.code == "INVALID_QUERY_LOCATOR") =>
        {
            Error::CursorClosed { status, errors }
        }
        error => error,
    }
}

/// Returns the request for the page at `cursor`.
pub(crate) fn next_page_request(cursor: Cursor, max_bytes: usize) -> ApiRequest {
    ApiRequest { max_bytes, ..ApiRequest::get(cursor.into_path()) }
}

/// Counts the rows of a query, so that missing ones are noticed.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    received: u64,
    is_count: bool,
    /// Position of the next page's first row, if it is known.
    position: Option<u64>,
    /// The cursors that have no position.
    known: HashSet<Cursor>,
    /// The number of pages without a row since the last row.
    empty_pages: u32,
    /// The number of announced rows that did not come.
    missing: u64,
}

impl Progress {
    /// Starts at the first row. `SELECT COUNT()` announces a number of rows and sends none, which is not an error.
    pub(crate) fn new(is_count: bool) -> Self {
        Self { is_count, position: Some(0), ..Self::default() }
    }

    /// Returns how many rows fewer than announced the whole query had.
    pub(crate) fn missing(&self) -> u64 {
        self.missing
    }

    /// Counts the rows of a page.
    ///
    /// Fewer rows at the end than announced are not an error: rows are deleted during a long query, and the totals of
    /// external objects change. Unverified: that a real org does so.
    ///
    /// # Errors
    /// If rows in the middle are missing, or if the cursor leads to its own page or an earlier one.
    pub(crate) fn add<T>(&mut self, page: &Page<T>) -> Result<(), InvalidResponse> {
        let rows = page.records.len() as u64;
        self.received += rows;
        let next = page.next.as_ref().and_then(Cursor::position);
        let first = std::mem::replace(&mut self.position, next);
        if let Some(cursor) = &page.next {
            // Pages whose cursors lead back would be fetched forever.
            let is_further = match (first, next) {
                (_, None) => self.known.insert(cursor.clone()),
                (first, Some(next)) => first.is_none_or(|first| first < next),
            };
            if !is_further {
                return Err(InvalidResponse::NextPage);
            }
            self.empty_pages = if rows == 0 { self.empty_pages + 1 } else { 0 };
            if self.empty_pages > MAX_EMPTY_PAGES {
                return Err(InvalidResponse::Unexpected("more than a hundred pages in a row without a row"));
            }
        }
        if let (Some(first), Some(next)) = (first, next)
            && first.saturating_add(rows) < next
        {
            let announced = page.total_size.unwrap_or(next);
            return Err(InvalidResponse::Truncated { got: self.received, announced });
        }
        if let Some(announced) = page.total_size
            && page.next.is_none()
            && self.received < announced
            && !self.is_count
        {
            self.missing = announced - self.received;
            tracing::warn!(
                received = self.received,
                announced,
                "a query returned fewer rows than Salesforce announced: rows were deleted meanwhile, or the total is \
                 an estimate. Compare with `SELECT COUNT()` if the number matters"
            );
        }
        Ok(())
    }
}
