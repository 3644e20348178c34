//! Reading only what changed, and writing only what did not.

use std::{fmt, str::FromStr};

use reqwest::{
    StatusCode,
    header::{
        ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
        IF_UNMODIFIED_SINCE, LAST_MODIFIED,
    },
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, de::DeserializeOwned};

use crate::{
    error::{InvalidRequest, InvalidResponse, Result},
    http::response::Response,
    records::{SObjectHandle, external_id::with_fields, record_id::ToRecordId},
    request::{decode, send::ApiRequest},
};

/// In which state a record was read: its `ETag`, which Salesforce has for accounts only, or else the time of its last
/// change, which tells changes within one second not apart.
///
/// It goes into a form as text and comes back with `parse`, so that a page that was open for an hour does not undo what
/// others did meanwhile:
///
/// ```
/// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
/// # fake_org::connected(async |sf| {
/// # let id = &sf.sobject("Account").create(&serde_json::json!({ "Name": "A" })).await?;
/// use salesforce_connection::{Error, records::RecordEtag};
/// use serde_json::{Value, json};
///
/// let (account, revision): (Value, RecordEtag) = sf.sobject("Account").retrieve_revision(id, &["Name"]).await?;
///
/// match sf.sobject("Account").if_match(&revision).update(id, &json!({ "Name": "Acme" })).await {
///     Err(Error::PreconditionFailed) => println!("somebody else was faster: show both"),
///     done => done?,
/// }
/// # Ok(()) });
/// ```
///
/// Source: REST API Developer Guide, "Conditional Request Headers"; RFC 9110, section 8.8.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecordEtag(String);

/// A text that is no [`RecordEtag`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a revision: neither an entity tag in quotes nor a date such as `Sun, 06 Nov 1994 08:49:37 GMT`")]
#[non_exhaustive]
pub struct InvalidRecordEtag;

impl RecordEtag {
    fn of(headers: &HeaderMap) -> Result<Self, InvalidResponse> {
        let found =
            [ETAG, LAST_MODIFIED].into_iter().find_map(|name| headers.get(name)?.to_str().ok()?.parse().ok());
        found.ok_or(InvalidResponse::Unexpected("a record without the time of its last change"))
    }

    pub(crate) fn is_tag(&self) -> bool {
        self.0.ends_with('"')
    }

    fn header(&self, tag: HeaderName, date: HeaderName) -> Option<(HeaderName, HeaderValue)> {
        // Its characters were checked.
        let value = HeaderValue::from_str(&self.0).ok()?;
        Some((if self.is_tag() { tag } else { date }, value))
    }
}

impl FromStr for RecordEtag {
    type Err = InvalidRecordEtag;

    fn from_str(text: &str) -> Result<Self, InvalidRecordEtag> {
        // RFC 9110, sections 8.8.3 and 5.6.7.
        let tag = text.strip_prefix("W/").unwrap_or(text);
        let inside = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        let is_tag =
            inside.is_some_and(|tag| tag.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'));
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

impl<'de> Deserialize<'de> for RecordEtag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl SObjectHandle {
    /// Reads a record, and in which state it is. Without `fields` all that the user may see are read.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// # let id = sf.sobject("Contact").create(&serde_json::json!({ "LastName": "Lovelace" })).await?;
    /// #[derive(serde::Deserialize)]
    /// #[serde(rename_all = "PascalCase")]
    /// struct Contact { last_name: String }
    ///
    /// let (contact, revision) = sf.sobject("Contact").retrieve_revision::<Contact>(id, &["LastName"]).await?;
    /// // For a form: comes back as text, and is checked.
    /// let hidden = revision.to_string();
    /// assert_eq!(hidden.parse::<salesforce_connection::records::RecordEtag>()?, revision);
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
        let call = ApiRequest::get(with_fields(self.record(id)?, fields)?);
        read(&self.connection.send(self.with_options(call)).await?)
    }

    /// Reads a record if it is in another state than `known`; `None` when it is not.
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
    /// assert!(changed.is_some_and(|(record, revision)| record["Name"] == "Acme & Sons" && revision != known));
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
        let mut call = self.with_options(ApiRequest::get(with_fields(self.record(id)?, fields)?));
        call.headers.extend(known.header(IF_NONE_MATCH, IF_MODIFIED_SINCE));
        let answer = self.connection.send(call).await?;
        if answer.status == StatusCode::NOT_MODIFIED { Ok(None) } else { read(&answer).map(Some) }
    }

    /// Lets [`update`](Self::update), [`update_with_blob`](Self::update_with_blob) and [`delete`](Self::delete) do
    /// nothing to a record that is in another state than `known`: [`Error::PreconditionFailed`](crate::error::Error::PreconditionFailed).
    ///
    /// Salesforce has no such condition for other writes: they are
    /// [`InvalidRequest::Condition`](crate::error::InvalidRequest::Condition) then, and nothing is sent.
    pub fn if_match(mut self, known: &RecordEtag) -> Self {
        self.condition = Some(known.clone());
        self
    }

    /// For writes that cannot depend on a record's state: a condition that would be ignored is a mistake.
    pub(crate) fn unconditional(&self) -> Result<&Self> {
        if self.condition.is_some() { Err(InvalidRequest::Condition.into()) } else { Ok(self) }
    }

    /// For calls that change one record by its id.
    pub(crate) fn with_condition(&self, mut call: ApiRequest) -> ApiRequest {
        let condition = self.condition.as_ref();
        call.headers.extend(condition.and_then(|known| known.header(IF_MATCH, IF_UNMODIFIED_SINCE)));
        self.with_options(call)
    }
}

fn read<T: DeserializeOwned>(answer: &Response) -> Result<(T, RecordEtag)> {
    Ok((decode::answer(answer)?, RecordEtag::of(&answer.headers)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_an_entity_tag_or_a_date() {
        for text in
            ["\"U5iWijwWbQD18jeiXwsqxeGpZQk=-gzip\"", "W/\"x\"", "\"\"", "Sun, 06 Nov 1994 08:49:37 GMT"]
        {
            assert_eq!(text.parse::<RecordEtag>().map(|revision| revision.to_string()).as_deref(), Ok(text));
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
