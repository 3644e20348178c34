//! Conditional requests: reads a record only if it changed, writes it only if it did not.

use std::{fmt, str::FromStr};

use reqwest::{
    StatusCode,
    header::{
        ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
        IF_UNMODIFIED_SINCE, LAST_MODIFIED,
    },
};
use serde::{Serialize, Serializer, de::DeserializeOwned};

use crate::{
    error::{InvalidRequest, InvalidResponse, Result},
    http::response::Response,
    records::{SObjectHandle, external_id::with_fields, record_id::ToRecordId},
    request::{decode, send::ApiRequest},
};

/// The version of a record when it was read, for optimistic locking with [`SObjectHandle::if_match`].
///
/// It is the record's `ETag`, which Salesforce sends for accounts only, or the time of its last change, which cannot
/// distinguish changes within one second.
///
/// Write it into a form as text and read it back with `parse`. A page that was open for an hour then cannot overwrite
/// changes that other users made in the meantime:
///
/// ```
/// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
/// # fake_org::connected(async |sf| {
/// # let id = &sf.sobject("Account").create(&serde_json::json!({ "Name": "A" })).await?;
/// use salesforce_connection::{Error, records::RecordEtag};
/// use serde_json::{Value, json};
///
/// let (account, etag): (Value, RecordEtag) = sf.sobject("Account").retrieve_revision(id, &["Name"]).await?;
///
/// match sf.sobject("Account").if_match(&etag).update(id, &json!({ "Name": "Acme" })).await {
///     Err(Error::PreconditionFailed) => println!("another user changed the account: show both versions"),
///     result => result?,
/// }
/// # Ok(()) });
/// ```
///
/// Source: REST API Developer Guide, "Conditional Request Headers"; RFC 9110, section 8.8.
#[doc(alias = "optimistic locking")]
#[doc(alias = "version")]
#[doc(alias = "etag")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecordEtag(String);

/// The error for a text that is not a [`RecordEtag`].
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid record etag: expected an entity tag in quotes or a date such as `Sun, 06 Nov 1994 08:49:37 GMT`"
)]
#[non_exhaustive]
pub struct InvalidRecordEtag;

crate::debug::debug_as_display!(InvalidRecordEtag);

impl RecordEtag {
    fn from_headers(headers: &HeaderMap) -> Result<Self, InvalidResponse> {
        let etag =
            [ETAG, LAST_MODIFIED].into_iter().find_map(|name| headers.get(name)?.to_str().ok()?.parse().ok());
        etag.ok_or(InvalidResponse::Unexpected("a record without `ETag` and `Last-Modified`"))
    }

    /// Returns true for an entity tag, false for a date.
    pub(crate) fn is_entity_tag(&self) -> bool {
        self.0.ends_with('"')
    }

    /// Returns the condition as a header: `for_tag` for an entity tag, `for_date` for a date.
    fn header(&self, for_tag: HeaderName, for_date: HeaderName) -> Option<(HeaderName, HeaderValue)> {
        // Never fails: `from_str` has checked the characters.
        let value = HeaderValue::from_str(&self.0).ok()?;
        Some((if self.is_entity_tag() { for_tag } else { for_date }, value))
    }
}

impl FromStr for RecordEtag {
    type Err = InvalidRecordEtag;

    fn from_str(text: &str) -> Result<Self, InvalidRecordEtag> {
        // RFC 9110, sections 8.8.3 and 5.6.7.
        let tag = text.strip_prefix("W/").unwrap_or(text);
        let opaque = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        let is_tag =
            opaque.is_some_and(|tag| tag.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'));
        let is_date = text.len() == 29
            && text.ends_with(" GMT")
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" ,:".contains(&byte));
        if text.len() <= 255 && (is_tag || is_date) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidRecordEtag)
        }
    }
}

impl fmt::Display for RecordEtag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for RecordEtag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

crate::deserialize::deserialize_from_str!(RecordEtag);

impl SObjectHandle {
    /// Reads a record and returns it with its etag.
    ///
    /// Reads `fields`, or all fields that the user may see if `fields` is empty.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let id = sf.sobject("Contact").create(&serde_json::json!({ "LastName": "Lovelace" })).await?;
    /// #[derive(serde::Deserialize)]
    /// #[serde(rename_all = "PascalCase")]
    /// struct Contact { last_name: String }
    ///
    /// let (contact, etag) = sf.sobject("Contact").retrieve_revision::<Contact>(id, &["LastName"]).await?;
    /// // The value of a form's hidden field. `parse` checks what the browser sends back.
    /// let hidden = etag.to_string();
    /// assert_eq!(hidden.parse::<salesforce_connection::records::RecordEtag>()?, etag);
    /// # assert_eq!(contact.last_name, "Lovelace");
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`retrieve`](Self::retrieve).
    pub async fn retrieve_revision<T: DeserializeOwned>(
        &self,
        id: impl ToRecordId,
        fields: &[&str],
    ) -> Result<(T, RecordEtag)> {
        let request = ApiRequest::get(with_fields(self.record(id)?, fields)?);
        read(&self.connection.send(self.with_options(request)).await?)
    }

    /// Reads a record if it changed since `known`; returns `None` if it did not.
    ///
    /// Reads `fields`, or all fields that the user may see if `fields` is empty.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let id = sf.sobject("Account").create(&serde_json::json!({ "Name": "Acme" })).await?;
    /// use serde_json::{Value, json};
    ///
    /// let account = sf.sobject("Account");
    /// let (_, known) = account.retrieve_revision::<Value>(id, &["Name"]).await?;
    /// assert!(account.retrieve_if_changed::<Value>(id, &["Name"], &known).await?.is_none());
    ///
    /// account.update(id, &json!({ "Name": "Acme & Sons" })).await?;
    /// let changed = account.retrieve_if_changed::<Value>(id, &["Name"], &known).await?;
    /// assert!(changed.is_some_and(|(record, etag)| record["Name"] == "Acme & Sons" && etag != known));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`retrieve`](Self::retrieve).
    pub async fn retrieve_if_changed<T: DeserializeOwned>(
        &self,
        id: impl ToRecordId,
        fields: &[&str],
        known: &RecordEtag,
    ) -> Result<Option<(T, RecordEtag)>> {
        let mut request = self.with_options(ApiRequest::get(with_fields(self.record(id)?, fields)?));
        request.headers.extend(known.header(IF_NONE_MATCH, IF_MODIFIED_SINCE));
        let response = self.connection.send(request).await?;
        if response.status == StatusCode::NOT_MODIFIED { Ok(None) } else { read(&response).map(Some) }
    }

    /// Lets a write fail with [`Error::PreconditionFailed`](crate::error::Error::PreconditionFailed) if the record
    /// changed since `known`.
    ///
    /// Applies to [`update`](Self::update), [`update_with_blob`](Self::update_with_blob) and [`delete`](Self::delete).
    /// Salesforce ignores the condition in other writes, which therefore fail with
    /// [`InvalidRequest::Condition`] before anything is sent. Default: no
    /// condition.
    #[doc(alias = "optimistic locking")]
    #[doc(alias = "version")]
    #[doc(alias = "etag")]
    pub fn if_match(mut self, known: &RecordEtag) -> Self {
        self.condition = Some(known.clone());
        self
    }

    /// Fails if a condition is set, for writes in which Salesforce would ignore it.
    pub(crate) fn unconditional(&self) -> Result<&Self> {
        if self.condition.is_some() { Err(InvalidRequest::Condition.into()) } else { Ok(self) }
    }

    /// Adds the condition and the options to a request that changes one record by its id.
    pub(crate) fn with_condition(&self, mut request: ApiRequest) -> ApiRequest {
        let condition = self.condition.as_ref();
        request.headers.extend(condition.and_then(|known| known.header(IF_MATCH, IF_UNMODIFIED_SINCE)));
        self.with_options(request)
    }
}

fn read<T: DeserializeOwned>(response: &Response) -> Result<(T, RecordEtag)> {
    Ok((decode::record(decode::json_of(response)?)?, RecordEtag::from_headers(&response.headers)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_is_an_entity_tag_or_a_date() {
        for text in
            ["\"U5iWijwWbQD18jeiXwsqxeGpZQk=-gzip\"", "W/\"x\"", "\"\"", "Sun, 06 Nov 1994 08:49:37 GMT"]
        {
            assert_eq!(text.parse::<RecordEtag>().map(|etag| etag.to_string()).as_deref(), Ok(text));
        }
        for text in [
            "",
            "x",
            "\"",
            "W/",
            "*",
            "\"a\"b\"",
            "\"a\r\nX: y\"",
            "\"a b\"",
            "Sun, 06 Nov 1994 08:49:37\r\nX GMT",
            "\"ä\"",
        ] {
            assert_eq!(text.parse::<RecordEtag>(), Err(InvalidRecordEtag), "{text:?}");
        }
    }
}
