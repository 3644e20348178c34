//! References: values of earlier subrequests that later ones use.

use std::{fmt, marker::PhantomData};

use serde::{Serialize, Serializer};

use crate::{
    error::{InvalidRequest, Result},
    id::{InvalidId, OrgId, SalesforceId, UserId},
    records::{record_id::ToRecordId, save_result::SavedRecord},
};

/// Reads the body of a subrequest's response.
pub(crate) type ResponseReader<T> = fn(&[u8]) -> Result<T>;

/// A subrequest that was added to a composite or a graph.
///
/// It gives its values to later subrequests and finds its own response, whose type is `T`.
pub struct Reference<T> {
    pub(crate) id: String,
    pub(crate) read: ResponseReader<T>,
}

impl<T> Clone for Reference<T> {
    fn clone(&self) -> Self {
        Self { id: self.id.clone(), read: self.read }
    }
}

impl<T> fmt::Debug for Reference<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reference").field(&self.id).finish()
    }
}

impl<T> Reference<T> {
    /// Returns any member of the response, as a value for later subrequests.
    ///
    /// Examples are `Name` of a record that is read, and `records[0].Id` of a query.
    ///
    /// # Errors
    /// [`InvalidRequest::Reference`] if `member` is not a path to a member.
    pub fn field(&self, member: &str) -> Result<ReferenceValue> {
        let is_path = !member.is_empty()
            && member.len() <= 255
            && member.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.[]".contains(&byte));
        if is_path { Ok(self.member(member)) } else { Err(InvalidRequest::Reference.into()) }
    }

    fn member(&self, member: &str) -> ReferenceValue {
        ReferenceValue { text: format!("@{{{}.{member}}}", self.id), private: PhantomData }
    }
}

impl Reference<SalesforceId> {
    /// Returns the id of the record that the subrequest creates, as a value for later subrequests.
    pub fn id(&self) -> ReferenceValue {
        self.member("id")
    }
}

impl Reference<SavedRecord> {
    /// Returns the id of the record that the subrequest updates or creates, as a value for later subrequests.
    pub fn id(&self) -> ReferenceValue {
        self.member("id")
    }
}

/// A value that Salesforce inserts when it runs the subrequest, returned by [`Reference::id`] and [`Reference::field`].
///
/// Write it into a record like any other value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceValue {
    text: String,
    /// Prevents construction elsewhere.
    private: PhantomData<()>,
}

impl Serialize for ReferenceValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// A value that identifies the record of a subrequest.
///
/// It is an id, a text with an id, or an earlier subrequest that creates the record.
pub trait ToRecordRef {
    #[doc(hidden)]
    fn to_record_ref(&self) -> Result<RecordRef, InvalidId>;
}

/// One segment of a path: an id or a reference to one.
#[doc(hidden)]
#[derive(Debug)]
pub struct RecordRef(String);

impl fmt::Display for RecordRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! ids {
    ($($id:ty)*) => {$(
        impl ToRecordRef for $id {
            fn to_record_ref(&self) -> Result<RecordRef, InvalidId> {
                Ok(RecordRef(self.to_record_id()?.to_string()))
            }
        }
    )*};
}

ids! { str String SalesforceId UserId OrgId }

impl<T: ToRecordRef + ?Sized> ToRecordRef for &T {
    fn to_record_ref(&self) -> Result<RecordRef, InvalidId> {
        T::to_record_ref(self)
    }
}

impl ToRecordRef for ReferenceValue {
    fn to_record_ref(&self) -> Result<RecordRef, InvalidId> {
        Ok(RecordRef(self.text.clone()))
    }
}

impl ToRecordRef for Reference<SalesforceId> {
    fn to_record_ref(&self) -> Result<RecordRef, InvalidId> {
        self.id().to_record_ref()
    }
}

impl ToRecordRef for Reference<SavedRecord> {
    fn to_record_ref(&self) -> Result<RecordRef, InvalidId> {
        self.id().to_record_ref()
    }
}
