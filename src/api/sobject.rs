//! Records of one kind of object.

use reqwest::{
    Method, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Connection, decode,
    name::{FieldName, InvalidName, ObjectName},
    path::{ResourcePath, segment},
    send::Call,
};
use crate::{InvalidAnswer, InvalidId, Result, SalesforceId, http::Answer};

/// The records of one kind of object, made by [`Connection::sobject`].
///
/// Ids are taken as [`SalesforceId`], or as text that is checked. Records are any type that serde can write as a JSON
/// object with Salesforce's field names; it must not have an `Id`, nor in an upsert the external id field.
///
/// Source: REST API Developer Guide, "sObject Rows".
#[derive(Debug, Clone)]
pub struct SObjectHandle {
    connection: Connection,
    name: Result<ObjectName, InvalidName>,
    all_or_none: bool,
    /// What Salesforce is asked to do beside saving.
    options: HeaderMap,
}

/// What is to become of the owner of a lead or case that is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssignmentRule {
    /// The active rule assigns it.
    Active,
    /// No rule does.
    None,
    /// This rule does.
    Id(SalesforceId),
}

/// What an upsert did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Upserted {
    /// The record.
    pub id: SalesforceId,
    /// Whether it is new. When the answer to a first try was lost and the upsert sent again, a new record counts as
    /// found.
    pub created: bool,
}

#[derive(Deserialize)]
struct Saved {
    id: SalesforceId,
    success: bool,
    #[serde(default)]
    created: bool,
}

impl SObjectHandle {
    pub(super) fn new(connection: Connection, name: &str) -> Self {
        Self { connection, name: name.parse(), all_or_none: false, options: HeaderMap::new() }
    }

    /// Whether the calls of many records save all of a chunk of 200, or none.
    #[must_use]
    pub fn all_or_none(mut self, all_or_none: bool) -> Self {
        self.all_or_none = all_or_none;
        self
    }

    /// Saves records that duplicate rules only warn of (`Sforce-Duplicate-Rule-Header: allowSave`).
    #[must_use]
    pub fn allow_duplicates(self) -> Self {
        self.option("sforce-duplicate-rule-header", HeaderValue::from_static("allowSave=true"))
    }

    /// Who becomes the owner of leads and cases that are saved (`Sforce-Auto-Assign`). Unless said otherwise, the active
    /// rule decides.
    #[must_use]
    pub fn assignment_rule(self, rule: AssignmentRule) -> Self {
        let value = match rule {
            AssignmentRule::Active => HeaderValue::from_static("TRUE"),
            AssignmentRule::None => HeaderValue::from_static("FALSE"),
            AssignmentRule::Id(id) => match HeaderValue::from_str(id.as_str()) {
                Ok(value) => value,
                // An id is letters and digits.
                Err(_) => return self,
            },
        };
        self.option("sforce-auto-assign", value)
    }

    /// Puts records that are read or saved among those that the user used last (`Sforce-Mru`).
    #[must_use]
    pub fn update_recently_used(self) -> Self {
        self.option("sforce-mru", HeaderValue::from_static("updateMru=true"))
    }

    fn option(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.options.insert(HeaderName::from_static(name), value);
        self
    }

    pub(super) fn is_all_or_none(&self) -> bool {
        self.all_or_none
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn with_options(&self, mut call: Call) -> Call {
        call.headers.extend(self.options.clone());
        call
    }

    /// The object's name, checked.
    pub(super) fn name(&self) -> Result<String> {
        Ok(self.name.as_ref().map_err(|error| *error)?.to_string())
    }

    /// Creates a record.
    ///
    /// It is sent once: when the answer is lost ([`HttpError::never_sent`](crate::HttpError::never_sent) is `false`),
    /// the record may exist. [`upsert`](Self::upsert) has no such doubt.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) when Salesforce refuses it (`REQUIRED_FIELD_MISSING`, `DUPLICATES_DETECTED`,
    /// validation rules, …), with all reasons in [`Error::entries`](crate::Error::entries).
    pub async fn create<T: Serialize + ?Sized>(&self, record: &T) -> Result<SalesforceId> {
        let call = Call::new(Method::POST, self.path(&[])?).json(decode::body(record)?);
        Ok(saved(&self.connection.send(self.with_options(call)).await?)?.id)
    }

    /// Reads a record with all the fields that the user may see.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with status 404 when there is no such record, or none that the user may see.
    pub async fn retrieve<T: DeserializeOwned>(&self, id: impl ToRecordId) -> Result<T> {
        self.read(Call::get(self.record(id)?)).await
    }

    /// Reads some fields of a record.
    ///
    /// # Errors
    /// As [`retrieve`](Self::retrieve), and when a name is not one of a field.
    pub async fn retrieve_fields<T: DeserializeOwned>(
        &self,
        id: impl ToRecordId,
        fields: &[&str],
    ) -> Result<T> {
        let mut path = self.record(id)?;
        for field in fields {
            field.parse::<FieldName>()?;
        }
        path.push_query("fields", &fields.join(","));
        self.read(Call::get(path)).await
    }

    /// Changes the fields of a record that `record` has; the others stay.
    ///
    /// # Errors
    /// As [`create`](Self::create), and status 404 when there is no such record.
    pub async fn update<T: Serialize + ?Sized>(&self, id: impl ToRecordId, record: &T) -> Result<()> {
        let call = Call::new(Method::PATCH, self.record(id)?).json(decode::body(record)?);
        done(&self.connection.send(self.with_options(call)).await?)
    }

    /// Changes the record whose external id field has this value, or creates it.
    ///
    /// It is safe to send again, which is done when the answer is lost. A value that ends like a file name (`.json`)
    /// is not found by Salesforce.
    ///
    /// # Errors
    /// [`Error::MultipleChoices`](crate::Error::MultipleChoices) when several records have the value; otherwise as
    /// [`create`](Self::create).
    pub async fn upsert<T: Serialize + ?Sized>(
        &self,
        field: &str,
        value: &str,
        record: &T,
    ) -> Result<Upserted> {
        let field: FieldName = field.parse()?;
        let path = self.path(&[field.as_str(), &segment(value)?])?;
        let call = Call::new(Method::PATCH, path).json(decode::body(record)?).harmless();
        let saved = saved(&self.connection.send(self.with_options(call)).await?)?;
        Ok(Upserted { id: saved.id, created: saved.created })
    }

    /// Deletes a record; it goes to the recycle bin.
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api): status 404 when there was no such record, `DELETE_FAILED` when it is in use.
    pub async fn delete(&self, id: impl ToRecordId) -> Result<()> {
        done(&self.connection.send(Call::new(Method::DELETE, self.record(id)?)).await?)
    }

    fn record(&self, id: impl ToRecordId) -> Result<ResourcePath> {
        self.path(&[id.to_record_id()?.as_str()])
    }

    /// `segments` are encoded already.
    fn path(&self, segments: &[&str]) -> Result<ResourcePath> {
        let name = self.name.as_ref().map_err(|error| *error)?;
        let mut resource = format!("sobjects/{name}");
        for segment in segments {
            resource.push('/');
            resource.push_str(segment);
        }
        Ok(ResourcePath::versioned(self.connection.api_version(), &resource)?)
    }

    async fn read<T: DeserializeOwned>(&self, call: Call) -> Result<T> {
        Ok(decode::json(&self.connection.send(self.with_options(call)).await?.body)?)
    }
}

fn saved(answer: &Answer) -> Result<Saved, InvalidAnswer> {
    let saved: Saved = decode::json(&answer.body)?;
    if saved.success { Ok(saved) } else { Err(InvalidAnswer::Unexpected("a success that says it is none")) }
}

/// A change is answered with 204. Anything else comes from something in between, which changed nothing.
fn done(answer: &Answer) -> Result<()> {
    if answer.status == StatusCode::NO_CONTENT {
        Ok(())
    } else {
        Err(InvalidAnswer::Unexpected("a change is answered with status 204").into())
    }
}

/// What names a record: an id, or a text that is one.
pub trait ToRecordId {
    /// The id.
    ///
    /// # Errors
    /// When the text is no id.
    fn to_record_id(&self) -> Result<SalesforceId, InvalidId>;
}

impl<T: ToRecordId + ?Sized> ToRecordId for &T {
    fn to_record_id(&self) -> Result<SalesforceId, InvalidId> {
        T::to_record_id(self)
    }
}

impl ToRecordId for str {
    fn to_record_id(&self) -> Result<SalesforceId, InvalidId> {
        self.parse()
    }
}

impl ToRecordId for String {
    fn to_record_id(&self) -> Result<SalesforceId, InvalidId> {
        self.parse()
    }
}

impl ToRecordId for SalesforceId {
    fn to_record_id(&self) -> Result<SalesforceId, InvalidId> {
        Ok(*self)
    }
}

impl ToRecordId for crate::UserId {
    fn to_record_id(&self) -> Result<SalesforceId, InvalidId> {
        Ok((*self).into())
    }
}

impl ToRecordId for crate::OrgId {
    fn to_record_id(&self) -> Result<SalesforceId, InvalidId> {
        Ok((*self).into())
    }
}
