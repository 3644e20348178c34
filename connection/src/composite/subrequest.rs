//! One call of several.

use std::{fmt, str::FromStr};

use reqwest::header::{HeaderName, HeaderValue};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    composite::reference::{Target, ToTarget},
    error::{InvalidRequest, Result},
    id::SalesforceId,
    name::{FieldName, ObjectName},
    query::{Page, QUERY_OPTIONS, Query},
    records::{etag::RecordEtag, save_result::SavedRecord},
    request::{
        decode,
        path::{ResourcePath, segment},
        raw::OWN_HEADERS,
    },
    version::ApiVersion,
};

/// A call that goes into another one: a [`Composite`](crate::composite::Composite), a [`Graph`](crate::composite::graph::Graph) or a
/// [`Batch`](crate::composite::batch::Batch). `T` is what its answer is read into.
#[must_use = "nothing is sent before it is added to a composite, a graph or a batch, and that is sent"]
pub struct Subrequest<T> {
    pub(crate) parts: Parts,
    pub(crate) read: Read<T>,
}

/// Reads the body of an answer.
pub(crate) type Read<T> = fn(&[u8]) -> Result<T>;

/// What is sent, whatever is read.
pub(crate) struct Parts {
    pub(crate) method: &'static str,
    /// Below the version: `sobjects/Account`.
    pub(crate) resource: String,
    pub(crate) body: Option<Value>,
    pub(crate) headers: Map<String, Value>,
    /// Whether doing it twice does no harm.
    pub(crate) harmless: bool,
}

/// Without resource and body, which may hold data.
impl<T> fmt::Debug for Subrequest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.fmt(f)
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subrequest").field("method", &self.method).finish_non_exhaustive()
    }
}

impl Subrequest<SalesforceId> {
    /// Creates a record; the answer is its id.
    ///
    /// # Errors
    /// An invalid name, or a record that cannot be written as JSON.
    pub fn create<R: Serialize + ?Sized>(object: &str, record: &R) -> Result<Self> {
        let object: ObjectName = object.parse()?;
        let parts = Parts::new("POST", format!("sobjects/{object}"), Some(value(record)?));
        Ok(Self { parts, read: |body| Ok(SavedRecord::read(body)?.id) })
    }
}

impl Subrequest<SavedRecord> {
    /// Changes or creates the record whose external id field has this value; the answer is its id, and whether it is
    /// new.
    ///
    /// # Errors
    /// As [`create`](Subrequest::create), and for a value that no path can carry.
    pub fn upsert<R: Serialize + ?Sized>(object: &str, field: &str, key: &str, record: &R) -> Result<Self> {
        let (object, field) = (object.parse::<ObjectName>()?, field.parse::<FieldName>()?);
        let resource = format!("sobjects/{object}/{}/{}", field.as_str(), segment(key)?);
        let parts = Parts { harmless: true, ..Parts::new("PATCH", resource, Some(value(record)?)) };
        Ok(Self { parts, read: |body| Ok(SavedRecord::read(body)?) })
    }
}

impl Subrequest<()> {
    /// Changes the fields of a record that `record` has.
    ///
    /// # Errors
    /// As [`create`](Subrequest::create), and for an invalid id.
    pub fn update<R: Serialize + ?Sized>(object: &str, id: impl ToTarget, record: &R) -> Result<Self> {
        let parts = Parts::new("PATCH", row(object, id.to_target()?)?, Some(value(record)?));
        Ok(Self { parts, read: |_| Ok(()) })
    }

    /// Deletes a record.
    ///
    /// # Errors
    /// An invalid name or id.
    pub fn delete(object: &str, id: impl ToTarget) -> Result<Self> {
        let parts = Parts::new("DELETE", row(object, id.to_target()?)?, None);
        Ok(Self { parts, read: |_| Ok(()) })
    }
}

impl<T: DeserializeOwned> Subrequest<T> {
    /// Reads some fields of a record; all of them when none is named.
    ///
    /// # Errors
    /// An invalid name or id.
    pub fn retrieve(object: &str, id: impl ToTarget, fields: &[&str]) -> Result<Self> {
        let mut resource = row(object, id.to_target()?)?;
        for field in fields {
            field.parse::<FieldName>()?;
        }
        if !fields.is_empty() {
            resource.push_str("?fields=");
            resource.push_str(&fields.join(","));
        }
        Self::read("GET", resource, None)
    }

    /// Anything else: a resource below the API version, such as `limits` or `composite/sobjects`, percent-encoded, and
    /// what is sent to it.
    ///
    /// # Errors
    /// An invalid method or path.
    pub fn request(method: &str, resource: &str, body: Option<Value>) -> Result<Self> {
        let known = ["GET", "POST", "PUT", "PATCH", "DELETE"];
        let method = known.into_iter().find(|known| known.eq_ignore_ascii_case(method));
        // Only its form is checked, which is the same in all versions.
        ResourcePath::versioned(ApiVersion::CURRENT, resource)?;
        Self::read(method.ok_or(InvalidRequest::Method)?, resource.to_owned(), body)
    }

    fn read(method: &'static str, resource: String, body: Option<Value>) -> Result<Self> {
        Ok(Self { parts: Parts::new(method, resource, body), read: |body| Ok(decode::json(body)?) })
    }
}

impl<T: DeserializeOwned> Subrequest<Page<T>> {
    /// The first page of a query, with its bound values; the others are read with
    /// [`Connection::page`](crate::connection::Connection::page).
    ///
    /// The query's [`batch_size`](Query::batch_size) goes into a header, which a call of a batch cannot have. Its
    /// connection and its [`max_page_bytes`](Query::max_page_bytes) count for nothing: all answers come as one, of 32
    /// MiB at most, to the connection of the whole.
    ///
    /// # Errors
    /// [`Error::Bind`](crate::error::Error::Bind).
    pub fn query(query: impl Into<Query<T>>) -> Result<Self> {
        let query = query.into();
        let options = query.options();
        let (_, soql, resource) = query.into_parts()?;
        let encoded: String = url::form_urlencoded::byte_serialize(soql.as_bytes()).collect();
        let mut call = Self::read("GET", format!("{resource}?q={encoded}"), None)?;
        call.parts.headers.extend(options.map(|options| (QUERY_OPTIONS.to_owned(), options.into())));
        Ok(call)
    }
}

impl<T> Subrequest<T> {
    /// Sets a header of this call, where the call around it can have some: a batch cannot.
    ///
    /// # Errors
    /// A header that is malformed, or the connection's own.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self> {
        let checked = (HeaderName::from_str(name), HeaderValue::from_str(value));
        let (Ok(name), Ok(_)) = checked else { return Err(InvalidRequest::Header.into()) };
        if OWN_HEADERS.contains(&name.as_str()) {
            return Err(InvalidRequest::Header.into());
        }
        self.parts.headers.insert(name.as_str().to_owned(), value.into());
        Ok(self)
    }

    /// Lets a change or a deletion do nothing to a record that is in another state than `known`:
    /// [`Error::PreconditionFailed`](crate::error::Error::PreconditionFailed).
    pub fn if_match(mut self, known: &RecordEtag) -> Self {
        let name = if known.is_tag() { "if-match" } else { "if-unmodified-since" };
        self.parts.headers.insert(name.to_owned(), known.to_string().into());
        self
    }
}

impl Parts {
    fn new(method: &'static str, resource: String, body: Option<Value>) -> Self {
        let harmless = method == "GET";
        Self { method, resource, body, headers: Map::new(), harmless }
    }

    /// Whether Salesforce takes only five of its kind in one composite.
    pub(crate) fn is_heavy(&self) -> bool {
        ["query", "composite/sobjects"].iter().any(|heavy| self.resource.starts_with(heavy))
    }
}

fn row(object: &str, id: Target) -> Result<String> {
    let object: ObjectName = object.parse()?;
    Ok(format!("sobjects/{object}/{id}"))
}

fn value<R: Serialize + ?Sized>(record: &R) -> Result<Value> {
    serde_json::to_value(record).map_err(|error| InvalidRequest::Body(error).into())
}

/// The methods that all lists of calls have.
macro_rules! calls {
    ($list:ident gives $handle:ident) => {
        impl $list {
            /// Creates a record.
            ///
            /// # Errors
            /// As [`add`](Self::add) and [`Subrequest::create`].
            pub fn create<R: Serialize + ?Sized>(
                &mut self,
                object: &str,
                record: &R,
            ) -> Result<$handle<SalesforceId>> {
                self.add(Subrequest::create(object, record)?)
            }

            /// Changes the fields of a record that `record` has.
            ///
            /// # Errors
            /// As [`add`](Self::add) and [`Subrequest::update`].
            pub fn update<R: Serialize + ?Sized>(
                &mut self,
                object: &str,
                id: impl ToTarget,
                record: &R,
            ) -> Result<$handle<()>> {
                self.add(Subrequest::update(object, id, record)?)
            }

            /// Changes or creates the record whose external id field has this value.
            ///
            /// # Errors
            /// As [`add`](Self::add) and [`Subrequest::upsert`].
            pub fn upsert<R: Serialize + ?Sized>(
                &mut self,
                object: &str,
                field: &str,
                key: &str,
                record: &R,
            ) -> Result<$handle<SavedRecord>> {
                self.add(Subrequest::upsert(object, field, key, record)?)
            }

            /// Deletes a record.
            ///
            /// # Errors
            /// As [`add`](Self::add) and [`Subrequest::delete`].
            pub fn delete(&mut self, object: &str, id: impl ToTarget) -> Result<$handle<()>> {
                self.add(Subrequest::delete(object, id)?)
            }

            /// Reads some fields of a record; all of them when none is named.
            ///
            /// # Errors
            /// As [`add`](Self::add) and [`Subrequest::retrieve`].
            pub fn retrieve<T: DeserializeOwned>(
                &mut self,
                object: &str,
                id: impl ToTarget,
                fields: &[&str],
            ) -> Result<$handle<T>> {
                self.add(Subrequest::retrieve(object, id, fields)?)
            }

            /// The first page of a query.
            ///
            /// # Errors
            /// As [`add`](Self::add) and [`Subrequest::query`].
            pub fn query<T: DeserializeOwned>(
                &mut self,
                query: impl Into<Query<T>>,
            ) -> Result<$handle<Page<T>>> {
                self.add(Subrequest::query(query)?)
            }
        }
    };
}

pub(crate) use calls;
