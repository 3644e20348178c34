//! Files in records.
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
    records::{SObjectHandle, done, multipart, record_id::ToRecordId, save_result::SavedRecord},
    request::{decode, send::ApiRequest},
};

/// A file that is to be sent with a record: `VersionData` of a `ContentVersion` (2 GB at most), `Body` of an
/// `Attachment` or a `Document` (500 MB at most), or any other field for files.
#[derive(Clone)]
#[must_use = "nothing is sent before it is given to a call"]
pub struct BlobUpload {
    pub(crate) field: String,
    pub(crate) filename: String,
    pub(crate) content_type: String,
    pub(crate) bytes: Upload,
}

/// Without the file.
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
    /// A file that is in memory. `filename` is its name on the disk of whoever sent it.
    pub fn new(field: impl Into<String>, filename: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let length = bytes.len() as u64;
        Self::streamed(field, filename, length, move || {
            let bytes = bytes.clone();
            futures_util::stream::once(async move { Ok(bytes) })
        })
    }

    /// A file that is read while it is sent, so that memory is needed for a piece of it only. `open` begins from its
    /// start each time: the call is sent again when the token turns out to be expired. `length` is in bytes; a stream
    /// of another length is an error of the call.
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

    /// What kind of file it is, `application/pdf` for example; `application/octet-stream` by default.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = content_type.into();
        self
    }
}

/// The bytes of a file, as they come, made by [`SObjectHandle::blob`]. It can go straight into the body of an answer.
///
/// When the connection breaks before the end, no byte comes for as long as the connection's deadline, or less than a
/// kibibyte a second over half a minute of waiting ([`HttpError::TooSlow`]), the last item is an error. Time in which
/// nobody reads does not count.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Blob {
    headers: HeaderMap,
    bytes: StreamingBody,
}

impl Blob {
    /// What kind of file Salesforce says it is. Whoever uploaded the file may have said so: a page that shows it to
    /// others sends `Content-Disposition: attachment` and `X-Content-Type-Options: nosniff` with it.
    pub fn content_type(&self) -> Option<&str> {
        self.headers.get(CONTENT_TYPE)?.to_str().ok()
    }

    /// How many bytes it has, where Salesforce says so.
    pub fn content_length(&self) -> Option<u64> {
        self.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// The whole file, if it has `max` bytes at most.
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
    /// [`HttpError::TooLarge`] when it has more; otherwise those of the stream.
    pub async fn bytes(mut self, max: usize) -> Result<Bytes> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.bytes.try_next().await? {
            if whole.len() + piece.len() > max {
                return Err(HttpError::TooLarge.into());
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

impl Stream for Blob {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.bytes.poll_next_unpin(context).map_err(Into::into)
    }
}

impl SObjectHandle {
    /// Reads a file of a record as a stream: `Body` of an `Attachment` or a `Document`, `VersionData` of a
    /// `ContentVersion`.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # use salesforce_connection::records::BlobUpload;
    /// # let new = BlobUpload::new("VersionData", "a.txt", "hello");
    /// # let id = sf.sobject("ContentVersion").create_with_blob(&serde_json::json!({ "PathOnClient": "a" }), new).await?;
    /// use actix_web::HttpResponse;
    ///
    /// // Straight into a handler's answer, however large.
    /// let file = sf.sobject("ContentVersion").blob(id, "VersionData").await?;
    /// let answer = HttpResponse::Ok().insert_header(("content-disposition", "attachment")).streaming(file);
    /// # assert_eq!(actix_web::body::to_bytes(answer.into_body()).await.unwrap(), "hello");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::Api`](crate::error::Error::Api) with status 404 when there is no such record or it has no file.
    pub async fn blob(&self, id: impl ToRecordId, field: &str) -> Result<Blob> {
        let (id, field) = (id.to_record_id()?, field.parse::<FieldName>()?);
        let mut call = ApiRequest::get(self.path(&[id.as_str(), field.as_str()])?);
        call.headers.remove(reqwest::header::ACCEPT);
        call.unread = true;
        let answer = self.connection.send(self.with_options(call)).await?;
        let bytes = answer.unread.ok_or(InvalidResponse::Unexpected("a file is answered with status 200"))?;
        Ok(Blob { headers: answer.headers, bytes })
    }

    /// Creates a record with a file. It is sent once, as [`create`](Self::create) is.
    ///
    /// The whole must be sent within the connection's deadline: give it a longer one for large files.
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
    /// As [`create`](Self::create); a text that is no name of a field, or no content type.
    pub async fn create_with_blob<T: Serialize + ?Sized>(
        &self,
        record: &T,
        file: BlobUpload,
    ) -> Result<SalesforceId> {
        let call = with_file(ApiRequest::new(Method::POST, self.path(&[])?), record, file)?;
        let answer = self.connection.send(self.unconditional()?.with_options(call)).await?;
        Ok(SavedRecord::read(decode::json_of(&answer)?)?.id)
    }

    /// Changes a record and its file. A `ContentVersion` cannot be changed: create another one of its document.
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
        let call = with_file(ApiRequest::new(Method::PATCH, self.record(id)?), record, file)?;
        done(&self.connection.send(self.with_condition(call)).await?)
    }
}

fn with_file<T: Serialize + ?Sized>(
    mut call: ApiRequest,
    record: &T,
    file: BlobUpload,
) -> Result<ApiRequest> {
    file.field.parse::<FieldName>()?;
    HeaderValue::from_str(&file.content_type).map_err(|_| InvalidRequest::Header)?;
    let (content_type, body) = multipart::body(decode::body(record)?, file)?;
    call.headers.insert(CONTENT_TYPE, content_type);
    call.upload = Some(body);
    Ok(call)
}
