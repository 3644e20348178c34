//! Uploads and downloads of files, which Salesforce stores in fields of records.
//!
//! Source: REST API Developer Guide, "sObject Blob Get", "Insert or Update Blob Data".

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use reqwest::{
    Method,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde::Serialize;

use crate::{
    error::{InvalidRequest, InvalidResponse, Result},
    http::{
        error::HttpError,
        streaming_body::{ByteStream, StreamingBody, Upload},
    },
    id::SalesforceId,
    name::FieldName,
    records::{SObjectHandle, expect_no_content, multipart, record_id::ToRecordId, save_result::SavedRecord},
    request::{decode, send::ApiRequest},
};

/// A file to send with a record, for [`SObjectHandle::create_with_blob`].
///
/// Examples are `VersionData` of a `ContentVersion` (up to 2 GB) and `Body` of an `Attachment` or a `Document` (up to
/// 500 MB).
#[derive(Clone)]
#[must_use = "nothing is sent before it is given to `create_with_blob` or `update_with_blob`"]
pub struct BlobUpload {
    pub(crate) field: String,
    pub(crate) filename: String,
    pub(crate) content_type: String,
    pub(crate) bytes: Upload,
}

/// Leaves out the file and its name, which may be personal data.
impl fmt::Debug for BlobUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobUpload")
            .field("field", &self.field)
            .field("content_type", &self.content_type)
            .field("length", &self.bytes.length)
            .finish_non_exhaustive()
    }
}

impl BlobUpload {
    /// Creates an upload from bytes in memory.
    ///
    /// `field` is the field that stores the file, `filename` the file's name as Salesforce shows it. The content type
    /// is `application/octet-stream` unless set with [`content_type`](Self::content_type).
    pub fn new(field: impl Into<String>, filename: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let length = bytes.len() as u64;
        Self::streamed(field, filename, length, move || {
            let bytes = bytes.clone();
            futures_util::stream::once(async move { Ok(bytes) })
        })
    }

    /// Creates an upload that is read while it is sent, so that only a piece of it is in memory.
    ///
    /// Each call of `open` starts again at the file's first byte, because the request is sent again after an expired
    /// token. `length` is in bytes; the request fails if the stream has another length.
    ///
    /// ```
    /// use salesforce_connection::records::BlobUpload;
    /// use bytes::Bytes;
    ///
    /// let lines = || futures_util::stream::iter(["one\n", "two\n"].map(|line| Ok(Bytes::from(line))));
    /// let file = BlobUpload::streamed("VersionData", "lines.txt", 8, lines).content_type("text/plain");
    /// ```
    pub fn streamed<S>(
        field: impl Into<String>,
        filename: impl Into<String>,
        length: u64,
        open: impl Fn() -> S + Send + Sync + 'static,
    ) -> Self
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        let open = Arc::new(move || Box::pin(open()) as ByteStream);
        Self {
            field: field.into(),
            filename: filename.into(),
            content_type: "application/octet-stream".to_owned(),
            bytes: Upload { length, open },
        }
    }

    /// Sets the content type, for example `application/pdf`. Default: `application/octet-stream`.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = content_type.into();
        self
    }
}

/// The bytes of a file as a stream, returned by [`SObjectHandle::blob`].
///
/// It can be the body of a web framework's response. The last item is an error if the connection breaks, if no byte
/// arrives within the connection's timeout, or if the rate is below 1 KiB per second over 30 seconds of waiting
/// ([`HttpError::TooSlow`]). Time during which the stream is not polled does not count.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Blob {
    headers: HeaderMap,
    bytes: StreamingBody,
}

impl Blob {
    /// Returns the file's content type, if Salesforce sent one.
    ///
    /// The user who uploaded the file may have chosen it. If you send the file to other users, add the headers
    /// `Content-Disposition: attachment` and `X-Content-Type-Options: nosniff`.
    pub fn content_type(&self) -> Option<&str> {
        self.headers.get(CONTENT_TYPE)?.to_str().ok()
    }

    /// Returns the file's length in bytes, if Salesforce sent it.
    pub fn content_length(&self) -> Option<u64> {
        self.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// Reads the whole file into memory, up to `max` bytes.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use salesforce_connection::records::BlobUpload;
    /// # use serde_json::json;
    /// # let file = BlobUpload::new("VersionData", "a.txt", "hello");
    /// # let id = sf.sobject("ContentVersion").create_with_blob(&json!({ "PathOnClient": "a.txt" }), file).await?;
    /// use salesforce_connection::{Error, http::HttpError};
    ///
    /// let note = sf.sobject("ContentVersion").blob(id, "VersionData").await?.bytes(64 * 1024).await?;
    /// assert_eq!(note, "hello");
    /// let large = sf.sobject("ContentVersion").blob(id, "VersionData").await?.bytes(4).await;
    /// assert!(matches!(large, Err(Error::Http(HttpError::TooLarge))));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`HttpError::TooLarge`] if the file has more bytes; otherwise the error of the stream.
    pub async fn bytes(mut self, max: usize) -> Result<Bytes> {
        let mut file = BytesMut::new();
        while let Some(piece) = self.bytes.try_next().await? {
            if file.len() + piece.len() > max {
                return Err(HttpError::TooLarge.into());
            }
            file.extend_from_slice(&piece);
        }
        Ok(file.freeze())
    }
}

impl Stream for Blob {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.bytes.poll_next_unpin(context).map_err(Into::into)
    }
}

impl SObjectHandle {
    /// Returns a file of a record as a stream, for example `VersionData` of a `ContentVersion`.
    ///
    /// `field` is the field that stores the file: `Body` of an `Attachment` or a `Document`. The connection's timeout
    /// applies to the response's head and to each piece of the file, not to the whole.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use salesforce_connection::records::BlobUpload;
    /// # let new = BlobUpload::new("VersionData", "a.txt", "hello");
    /// # let id = sf.sobject("ContentVersion").create_with_blob(&serde_json::json!({ "PathOnClient": "a" }), new).await?;
    /// use futures_util::TryStreamExt;
    ///
    /// let mut file = sf.sobject("ContentVersion").blob(id, "VersionData").await?;
    /// let mut length = 0;
    /// while let Some(piece) = file.try_next().await? {
    ///     length += piece.len();
    /// }
    /// assert_eq!(length, "hello".len());
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::Api`](crate::error::Error::Api) with status 404 if the record does not exist or has no file; otherwise
    /// as [`retrieve`](Self::retrieve).
    pub async fn blob(&self, id: impl ToRecordId, field: &str) -> Result<Blob> {
        let (id, field) = (id.to_record_id()?, field.parse::<FieldName>()?);
        let mut request = ApiRequest::get(self.path(&[id.as_str(), field.as_str()])?);
        request.headers.remove(reqwest::header::ACCEPT);
        request.unread = true;
        let response = self.connection.send(self.with_options(request)).await?;
        let bytes =
            response.unread.ok_or(InvalidResponse::Unexpected("a file with a status other than 200"))?;
        Ok(Blob { headers: response.headers, bytes })
    }

    /// Creates a record with a file and returns its id.
    ///
    /// Like [`create`](Self::create), it is sent once. The whole file must be sent within the connection's timeout:
    /// use a longer one for large files.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let pdf = bytes::Bytes::from_static(b"%PDF-1.7");
    /// use salesforce_connection::records::BlobUpload;
    /// use serde_json::json;
    /// use std::time::Duration;
    ///
    /// let file = BlobUpload::new("VersionData", "q1.pdf", pdf).content_type("application/pdf");
    /// let sf = sf.with_timeout(Duration::from_secs(600));
    /// let id = sf.sobject("ContentVersion").create_with_blob(&json!({ "PathOnClient": "q1.pdf" }), file).await?;
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`create`](Self::create), and [`Error::InvalidRequest`](crate::error::Error::InvalidRequest) for an invalid
    /// field name or content type.
    pub async fn create_with_blob<T: Serialize + ?Sized>(
        &self,
        record: &T,
        file: BlobUpload,
    ) -> Result<SalesforceId> {
        let request = with_file(ApiRequest::new(Method::POST, self.path(&[])?), record, file)?;
        let response = self.connection.send(self.unconditional()?.with_options(request)).await?;
        Ok(SavedRecord::read(decode::json_of(&response)?)?.id)
    }

    /// Updates a record and its file.
    ///
    /// A `ContentVersion` cannot be updated: create another version of its document instead.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use salesforce_connection::records::BlobUpload;
    /// # use serde_json::json;
    /// # let account = sf.sobject("Account").create(&json!({ "Name": "Acme" })).await?;
    /// # let record = json!({ "Name": "terms.txt", "ParentId": account });
    /// # let id = sf.sobject("Attachment").create_with_blob(&record, BlobUpload::new("Body", "terms.txt", "old")).await?;
    /// let new = BlobUpload::new("Body", "terms.txt", "as of 2026").content_type("text/plain");
    /// sf.sobject("Attachment").update_with_blob(id, &json!({ "Description": "as agreed" }), new).await?;
    /// # assert_eq!(sf.sobject("Attachment").blob(id, "Body").await?.bytes(99).await?, "as of 2026");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`update`](Self::update) and [`create_with_blob`](Self::create_with_blob).
    pub async fn update_with_blob<T: Serialize + ?Sized>(
        &self,
        id: impl ToRecordId,
        record: &T,
        file: BlobUpload,
    ) -> Result<()> {
        let request = with_file(ApiRequest::new(Method::PATCH, self.record(id)?), record, file)?;
        expect_no_content(&self.connection.send(self.with_condition(request)).await?)
    }
}

fn with_file<T: Serialize + ?Sized>(
    mut request: ApiRequest,
    record: &T,
    file: BlobUpload,
) -> Result<ApiRequest> {
    file.field.parse::<FieldName>()?;
    HeaderValue::from_str(&file.content_type).map_err(|_| InvalidRequest::Header)?;
    let (content_type, body) = multipart::body(decode::body(record)?, file)?;
    request.headers.insert(CONTENT_TYPE, content_type);
    request.upload = Some(body);
    Ok(request)
}
