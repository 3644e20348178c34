//! One request of a composite, a graph or a batch.

use std::{fmt, str::FromStr};

use reqwest::header::{HeaderName, HeaderValue};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

use crate::{
    composite::reference::{RecordRef, ResponseReader, ToRecordRef},
    error::{InvalidRequest, Result},
    id::SalesforceId,
    name::{FieldName, ObjectName},
    query::{Page, Query, page},
    records::{etag::RecordEtag, save_result::SavedRecord},
    request::{
        decode, finite,
        long_query::QUERY_OPTIONS,
        path::{ResourcePath, segment},
        raw::OWN_HEADERS,
    },
    version::ApiVersion,
};

/// Maximum number of subrequests in a composite or a batch. Source: REST API Developer Guide, "Composite", "Composite
/// Batch".
pub(crate) const MAX_SUBREQUESTS: usize = 25;

/// One request of a [`Composite`](crate::composite::Composite), a [`Graph`](crate::composite::Graph) or a
/// [`Batch`](crate::composite::Batch).
///
/// `T` is the type into which its response is read.
#[must_use = "nothing is sent before it is added to a composite, a graph or a batch, and that is sent"]
pub struct Subrequest<T> {
    pub(crate) parts: RequestParts,
    pub(crate) read: ResponseReader<T>,
}

/// The parts of a subrequest that are sent.
pub(crate) struct RequestParts {
    pub(crate) method: &'static str,
    /// The path below the API version, for example `sobjects/Account`.
    pub(crate) resource: String,
    /// As it is sent. A tree of JSON would turn `0.1_f32` into `0.10000000149011612`.
    pub(crate) body: Option<Box<RawValue>>,
    pub(crate) headers: Map<String, Value>,
    /// Whether the subrequest may run twice.
    pub(crate) idempotent: bool,
    /// For a query: returns whether its rows need children that are not in this body.
    pub(crate) lacks_children: fn(&[u8]) -> bool,
}

/// Leaves out resource and body, which may have personal data.
impl<T> fmt::Debug for Subrequest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.fmt(f)
    }
}

impl fmt::Debug for RequestParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subrequest").field("method", &self.method).finish_non_exhaustive()
    }
}

impl Subrequest<SalesforceId> {
    /// Creates a record. The result is its id.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`](crate::error::Error::InvalidRequest) for an invalid name, or a record that serde cannot
    /// write as JSON.
    pub fn create<R: Serialize + ?Sized>(object: &str, record: &R) -> Result<Self> {
        let object: ObjectName = object.parse()?;
        let parts = RequestParts::new("POST", format!("sobjects/{object}"), Some(value(record)?));
        Ok(Self { parts, read: |body| Ok(SavedRecord::read(body)?.id) })
    }
}

impl Subrequest<SavedRecord> {
    /// Updates the record whose external id field has the value `key`, or creates it.
    ///
    /// # Errors
    /// As [`create`](Subrequest::create), and for a `key` that a path cannot contain.
    pub fn upsert<R: Serialize + ?Sized>(object: &str, field: &str, key: &str, record: &R) -> Result<Self> {
        let (object, field) = (object.parse::<ObjectName>()?, field.parse::<FieldName>()?);
        let resource = format!("sobjects/{object}/{}/{}", field.as_str(), segment(key)?);
        let parts =
            RequestParts { idempotent: true, ..RequestParts::new("PATCH", resource, Some(value(record)?)) };
        Ok(Self { parts, read: SavedRecord::read })
    }
}

impl Subrequest<()> {
    /// Updates the fields of a record that `record` has.
    ///
    /// # Errors
    /// As [`create`](Subrequest::create), and for an invalid id.
    pub fn update<R: Serialize + ?Sized>(object: &str, id: impl ToRecordRef, record: &R) -> Result<Self> {
        let resource = record_resource(object, &id.to_record_ref()?)?;
        let parts = RequestParts::new("PATCH", resource, Some(value(record)?));
        Ok(Self { parts, read: |_| Ok(()) })
    }

    /// Deletes a record.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`](crate::error::Error::InvalidRequest) for an invalid name or id.
    pub fn delete(object: &str, id: impl ToRecordRef) -> Result<Self> {
        let parts = RequestParts::new("DELETE", record_resource(object, &id.to_record_ref()?)?, None);
        Ok(Self { parts, read: |_| Ok(()) })
    }
}

impl<T: DeserializeOwned> Subrequest<T> {
    /// Reads some fields of a record, or all fields that the user may see if `fields` is empty.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`](crate::error::Error::InvalidRequest) for an invalid name or id.
    pub fn retrieve(object: &str, id: impl ToRecordRef, fields: &[&str]) -> Result<Self> {
        let mut resource = record_resource(object, &id.to_record_ref()?)?;
        for field in fields {
            field.parse::<FieldName>()?;
        }
        if !fields.is_empty() {
            resource.push_str("?fields=");
            resource.push_str(&fields.join(","));
        }
        let parts = RequestParts::new("GET", resource, None);
        Ok(Self { parts, read: |body| Ok(decode::record(body)?) })
    }

    /// Sends any other request.
    ///
    /// `resource` is a percent-encoded path below the API version, for example `limits` or `composite/sobjects`.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`](crate::error::Error::InvalidRequest) for an invalid method or path.
    pub fn request(method: &str, resource: &str, body: Option<Value>) -> Result<Self> {
        let known = ["GET", "POST", "PUT", "PATCH", "DELETE"];
        let method = known.into_iter().find(|known| known.eq_ignore_ascii_case(method));
        // Checks the form only, which is the same in all versions.
        ResourcePath::versioned(ApiVersion::CURRENT, resource)?;
        let body = body.as_ref().map(value).transpose()?;
        let parts = RequestParts::new(method.ok_or(InvalidRequest::Method)?, resource.to_owned(), body);
        Ok(Self { parts, read: |body| Ok(decode::json(body)?) })
    }
}

impl<T: DeserializeOwned> Subrequest<Page<T>> {
    /// Reads the first page of a query, with its bound values.
    ///
    /// Read further pages with [`Connection::page`](crate::connection::Connection::page). The query's
    /// [`batch_size`](Query::batch_size) becomes a header, which batches do not support. Its connection and its
    /// [`max_page_bytes`](Query::max_page_bytes) are ignored: the whole response, of at most 32 MiB, arrives on the
    /// connection of the composite, graphs or batch. Children that rows read into a `Vec` and that do not fit into a page
    /// are fetched by `send`, with requests that follow the one of the composite, graphs or batch.
    ///
    /// # Errors
    /// [`Error::Bind`](crate::error::Error::Bind) if the query and its bound values do not fit.
    pub fn query(query: impl Into<Query<T>>) -> Result<Self> {
        let query = query.into();
        let options = query.options();
        let (_, soql, resource) = query.into_parts()?;
        let encoded: String = url::form_urlencoded::byte_serialize(soql.as_bytes()).collect();
        let mut parts = RequestParts::new("GET", format!("{resource}?q={encoded}"), None);
        parts.headers.extend(options.map(|options| (QUERY_OPTIONS.to_owned(), options.into())));
        parts.lacks_children = |body| page::read::<T>(body).is_err_and(|error| page::lacks_children(&error));
        Ok(Self { parts, read: |body| Ok(page::read(body)?) })
    }
}

impl<T> Subrequest<T> {
    /// Sets a header of this subrequest. Batches do not support headers.
    ///
    /// # Errors
    /// [`InvalidRequest::Header`] for a malformed header, or one that the connection sets itself.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self> {
        let parsed = (HeaderName::from_str(name), HeaderValue::from_str(value));
        let (Ok(name), Ok(_)) = parsed else { return Err(InvalidRequest::Header.into()) };
        if OWN_HEADERS.contains(&name.as_str()) {
            return Err(InvalidRequest::Header.into());
        }
        self.parts.headers.insert(name.as_str().to_owned(), value.into());
        Ok(self)
    }

    /// Lets an update or deletion fail with [`Error::PreconditionFailed`](crate::error::Error::PreconditionFailed) if
    /// the record changed since `known`.
    #[doc(alias = "optimistic locking")]
    #[doc(alias = "version")]
    #[doc(alias = "etag")]
    pub fn if_match(mut self, known: &RecordEtag) -> Self {
        let name = if known.is_entity_tag() { "if-match" } else { "if-unmodified-since" };
        self.parts.headers.insert(name.to_owned(), known.to_string().into());
        self
    }
}

impl RequestParts {
    fn new(method: &'static str, resource: String, body: Option<Box<RawValue>>) -> Self {
        let idempotent = method == "GET";
        Self { method, resource, body, headers: Map::new(), idempotent, lacks_children: |_| false }
    }

    /// Returns true for a query and for a request with many records, of which a composite takes only five.
    pub(crate) fn is_heavy(&self) -> bool {
        ["query", "composite/sobjects"].iter().any(|heavy| self.resource.starts_with(heavy))
    }
}

fn record_resource(object: &str, id: &RecordRef) -> Result<String> {
    let object: ObjectName = object.parse()?;
    Ok(format!("sobjects/{object}/{id}"))
}

/// Writes a record as it is sent. A number that JSON cannot say is an error.
pub(crate) fn value<R: Serialize + ?Sized>(record: &R) -> Result<Box<RawValue>> {
    finite::check(record)?;
    to_raw_value(record).map_err(|error| InvalidRequest::Body(error).into())
}

/// Defines the methods that [`Composite`](crate::composite::Composite), [`Graph`](crate::composite::Graph) and
/// [`Batch`](crate::composite::Batch) have in common.
macro_rules! subrequest_methods {
    ($list:ident returns $handle:ident) => {
        impl $list {
            /// Adds the creation of a record. The result is its id.
            ///
            /// # Errors
            /// As [`add`](Self::add) and [`Subrequest::create`].
            pub fn create<R: ::serde::Serialize + ?Sized>(
                &mut self,
                object: &str,
                record: &R,
            ) -> Result<$handle<$crate::id::SalesforceId>> {
                self.add(Subrequest::create(object, record)?)
            }

            /// Adds an update of the fields of a record that `record` has.
            ///
            /// # Errors
            /// As [`add`](Self::add) and [`Subrequest::update`].
            pub fn update<R: ::serde::Serialize + ?Sized>(
                &mut self,
                object: &str,
                id: impl $crate::composite::reference::ToRecordRef,
                record: &R,
            ) -> Result<$handle<()>> {
                self.add(Subrequest::update(object, id, record)?)
            }

            /// Adds an upsert of the record whose external id field has the value `key`.
            ///
            /// # Errors
            /// As [`add`](Self::add) and [`Subrequest::upsert`].
            pub fn upsert<R: ::serde::Serialize + ?Sized>(
                &mut self,
                object: &str,
                field: &str,
                key: &str,
                record: &R,
            ) -> Result<$handle<$crate::records::save_result::SavedRecord>> {
                self.add(Subrequest::upsert(object, field, key, record)?)
            }

            /// Adds the deletion of a record.
            ///
            /// # Errors
            /// As [`add`](Self::add) and [`Subrequest::delete`].
            pub fn delete(
                &mut self,
                object: &str,
                id: impl $crate::composite::reference::ToRecordRef,
            ) -> Result<$handle<()>> {
                self.add(Subrequest::delete(object, id)?)
            }

            /// Adds a read of some fields of a record, or of all fields if `fields` is empty.
            ///
            /// # Errors
            /// As [`add`](Self::add) and [`Subrequest::retrieve`].
            pub fn retrieve<T: ::serde::de::DeserializeOwned>(
                &mut self,
                object: &str,
                id: impl $crate::composite::reference::ToRecordRef,
                fields: &[&str],
            ) -> Result<$handle<T>> {
                self.add(Subrequest::retrieve(object, id, fields)?)
            }

            /// Adds a read of a query's first page.
            ///
            /// # Errors
            /// As [`add`](Self::add) and [`Subrequest::query`].
            pub fn query<T: ::serde::de::DeserializeOwned>(
                &mut self,
                query: impl Into<$crate::query::Query<T>>,
            ) -> Result<$handle<$crate::query::Page<T>>> {
                self.add(Subrequest::query(query)?)
            }
        }
    };
}

pub(crate) use subrequest_methods;
