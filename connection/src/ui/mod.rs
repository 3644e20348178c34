//! What a form for a record needs: record types, picklists and their dependencies, default values, required fields.
//!
//! Source: User Interface API Developer Guide; what is sent and returned is listed in the repository
//! (`docs/protocol/ui-api.md`).

mod form;
mod layout;
mod object_info;
mod picklist;

pub use self::{
    form::{DefaultValue, RecordDefaults, RecordForm},
    layout::{Layout, LayoutField, LayoutMode, LayoutSection},
    object_info::{FieldInfo, InvalidRecordType, ObjectInfo, RecordTypeInfo},
    picklist::{Picklist, PicklistOption, Picklists, UnknownControllingValue},
};
use crate::{
    error::{Error, InvalidRequest, Result},
    id::SalesforceId,
    records::SObjectHandle,
    request::path::ResourcePath,
};

/// The key prefix of record types.
const RECORD_TYPE: &str = "012";

/// Returns the path of a resource of the UI API, with the record type as a parameter if there is one.
fn path(object: &SObjectHandle, resource: &str, record_type: Option<SalesforceId>) -> Result<ResourcePath> {
    let version = object.connection().api_version();
    let mut path = ResourcePath::versioned(version, &format!("ui-api/{resource}"))?;
    if let Some(id) = record_type {
        path.push_query("recordTypeId", &checked(id)?.to_string());
    }
    Ok(path)
}

/// Names what a status 404 is about: the object, or the record type that the request had.
fn unknown(error: Error, kind: &'static str, object: &str, record_type: Option<SalesforceId>) -> Error {
    match record_type {
        // The object may be what does not exist.
        Some(id) => error.or_unknown("object with the record type", id.as_str()),
        None => error.or_unknown(kind, object),
    }
}

/// Returns the id, unless it is one of another object than record types.
fn checked(id: SalesforceId) -> Result<SalesforceId> {
    if id.key_prefix() == RECORD_TYPE {
        return Ok(id);
    }
    Err(InvalidRequest::RecordType(InvalidRecordType::NotARecordType { id }).into())
}
