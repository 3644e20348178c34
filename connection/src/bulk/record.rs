//! Writes a record of the program as the cells of a CSV row.
//!
//! A record is a struct, a map or a JSON object, also with `#[serde(flatten)]`. A nested one is a parent with its external
//! id: the column `Account.Key__c`. `attributes`, which rows of queries have, are left out.

use std::fmt::Display;

use serde::{
    Serialize, Serializer,
    ser::{self, Impossible},
};

use crate::{error::InvalidRequest, request::finite::NOT_FINITE};

/// The text with which the Bulk API empties a field. Source: Bulk API 2.0 and Bulk API Developer Guide, "Valid CSV Record
/// Rows".
pub(crate) const NULL: &str = "#N/A";

const NULL_TEXT: &str =
    "its text is `#N/A`, with which Salesforce empties a field. Use `None` or `null` to empty it";
const NOT_PLAIN: &str = "it is not a plain value";

/// The columns of a record with their values, in the record's order. `None` is null.
pub(crate) type Cells = Vec<(String, Option<String>)>;

/// Returns the cells of a record.
pub(crate) fn cells<T: Serialize + ?Sized>(record: &T) -> Result<Cells, InvalidRequest> {
    let mut cells = Cells::new();
    match record.serialize(Writer { cells: &mut cells, column: String::new() }) {
        Ok(()) => Ok(cells),
        Err(WriteError(error)) => Err(error),
    }
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct WriteError(InvalidRequest);

impl ser::Error for WriteError {
    fn custom<T: Display>(_: T) -> Self {
        // The message may repeat the value.
        Self(InvalidRequest::Csv)
    }
}

/// Writes a value below the column `column`. The record itself has an empty column.
struct Writer<'a> {
    cells: &'a mut Cells,
    column: String,
}

impl<'a> Writer<'a> {
    fn refuse<T>(self, reason: &'static str) -> Result<T, WriteError> {
        Err(WriteError(if self.column.is_empty() {
            InvalidRequest::Csv
        } else {
            InvalidRequest::Column { column: self.column, reason, record: None }
        }))
    }

    fn text(self, text: String) -> Result<(), WriteError> {
        if self.column.is_empty() || text == NULL {
            return self.refuse(NULL_TEXT);
        }
        self.cells.push((self.column, Some(text)));
        Ok(())
    }

    fn null(self) -> Result<(), WriteError> {
        if self.column.is_empty() {
            return self.refuse(NOT_PLAIN);
        }
        self.cells.push((self.column, None));
        Ok(())
    }

    fn fields(self) -> Fields<'a> {
        Fields { cells: self.cells, prefix: self.column, key: String::new() }
    }
}

macro_rules! texts {
    ($($method:ident($kind:ty))*) => {$(
        fn $method(self, value: $kind) -> Result<(), WriteError> {
            self.text(value.to_string())
        }
    )*};
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = WriteError;
    type SerializeSeq = Impossible<(), WriteError>;
    type SerializeTuple = Impossible<(), WriteError>;
    type SerializeTupleStruct = Impossible<(), WriteError>;
    type SerializeTupleVariant = Impossible<(), WriteError>;
    type SerializeMap = Fields<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Impossible<(), WriteError>;

    texts! {
        serialize_bool(bool) serialize_char(char) serialize_str(&str)
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64) serialize_i128(i128)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_u128(u128)
    }

    fn serialize_f32(self, value: f32) -> Result<(), WriteError> {
        if value.is_finite() { self.text(value.to_string()) } else { self.refuse(NOT_FINITE) }
    }

    fn serialize_f64(self, value: f64) -> Result<(), WriteError> {
        if value.is_finite() { self.text(value.to_string()) } else { self.refuse(NOT_FINITE) }
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), WriteError> {
        self.refuse(NOT_PLAIN)
    }

    fn serialize_none(self) -> Result<(), WriteError> {
        self.null()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), WriteError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), WriteError> {
        self.null()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), WriteError> {
        self.null()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), WriteError> {
        self.text(variant.to_owned())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), WriteError> {
        self.refuse(NOT_PLAIN)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, WriteError> {
        self.refuse(NOT_PLAIN)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, WriteError> {
        self.refuse(NOT_PLAIN)
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, WriteError> {
        self.refuse(NOT_PLAIN)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, WriteError> {
        self.refuse(NOT_PLAIN)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Fields<'a>, WriteError> {
        Ok(self.fields())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields<'a>, WriteError> {
        Ok(self.fields())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, WriteError> {
        self.refuse(NOT_PLAIN)
    }
}

/// The fields of a record or of a parent in it.
struct Fields<'a> {
    cells: &'a mut Cells,
    prefix: String,
    key: String,
}

impl Fields<'_> {
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), WriteError> {
        if name == "attributes" {
            return Ok(());
        }
        let column = if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) };
        value.serialize(Writer { cells: &mut *self.cells, column })
    }
}

impl ser::SerializeStruct for Fields<'_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        self.field(name, value)
    }

    fn end(self) -> Result<(), WriteError> {
        Ok(())
    }
}

impl ser::SerializeMap for Fields<'_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), WriteError> {
        let mut cells = Cells::new();
        key.serialize(Writer { cells: &mut cells, column: "a key".to_owned() })?;
        match cells.pop() {
            Some((_, Some(key))) if cells.is_empty() => {
                self.key = key;
                Ok(())
            }
            _ => Err(WriteError(InvalidRequest::Csv)),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        let key = std::mem::take(&mut self.key);
        self.field(&key, value)
    }

    fn end(self) -> Result<(), WriteError> {
        Ok(())
    }
}
