//! Values that identify a record.

use crate::id::{InvalidId, SalesforceId};

/// A value that identifies a record: an id, or a text with an id.
pub trait ToRecordId {
    /// Returns the id.
    ///
    /// # Errors
    /// [`InvalidId`] if the text is not an id.
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

impl ToRecordId for crate::id::UserId {
    fn to_record_id(&self) -> Result<SalesforceId, InvalidId> {
        Ok((*self).into())
    }
}

impl ToRecordId for crate::id::OrgId {
    fn to_record_id(&self) -> Result<SalesforceId, InvalidId> {
        Ok((*self).into())
    }
}
