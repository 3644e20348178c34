//! Finds numbers that JSON cannot say.
//!
//! `serde_json` writes NaN and infinity as `null`, which empties a field. The Bulk API's CSV has no word for them either.

use std::fmt::Display;

use serde::{
    Serialize, Serializer,
    ser::{self, Error as _},
};

use crate::error::InvalidRequest;

pub(crate) const NOT_FINITE: &str = "it is not a finite number";

/// Fails if a value has a number that is not finite.
pub(crate) fn check<T: Serialize + ?Sized>(value: &T) -> Result<(), InvalidRequest> {
    match value.serialize(Finder) {
        Err(Found::NotFinite(column)) => Err(InvalidRequest::Column {
            column: column.unwrap_or_default(),
            reason: NOT_FINITE,
            record: None,
        }),
        // Other errors are those of the JSON, too.
        Ok(()) | Err(Found::Other) => Ok(()),
    }
}

/// Why the search ended.
#[derive(Debug, thiserror::Error)]
enum Found {
    /// A number that is not finite, in the field of this name.
    #[error("not a finite number")]
    NotFinite(Option<String>),
    #[error("another error")]
    Other,
}

impl ser::Error for Found {
    fn custom<T: Display>(_: T) -> Self {
        Self::Other
    }
}

impl Found {
    fn in_field(self, name: &str) -> Self {
        match self {
            Self::NotFinite(None) => Self::NotFinite(Some(name.to_owned())),
            found => found,
        }
    }
}

struct Finder;

macro_rules! finite {
    ($($method:ident($($kind:ty),*))*) => {$(
        fn $method(self, $(_: $kind),*) -> Result<(), Found> {
            Ok(())
        }
    )*};
}

impl Serializer for Finder {
    type Ok = ();
    type Error = Found;
    type SerializeSeq = Members;
    type SerializeTuple = Members;
    type SerializeTupleStruct = Members;
    type SerializeTupleVariant = Members;
    type SerializeMap = Members;
    type SerializeStruct = Members;
    type SerializeStructVariant = Members;

    finite! {
        serialize_bool(bool) serialize_char(char) serialize_str(&str) serialize_bytes(&[u8])
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64) serialize_i128(i128)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_u128(u128)
        serialize_none() serialize_unit() serialize_unit_struct(&'static str)
        serialize_unit_variant(&'static str, u32, &'static str)
    }

    fn serialize_f32(self, value: f32) -> Result<(), Found> {
        if value.is_finite() { Ok(()) } else { Err(Found::NotFinite(None)) }
    }

    fn serialize_f64(self, value: f64) -> Result<(), Found> {
        if value.is_finite() { Ok(()) } else { Err(Found::NotFinite(None)) }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Found> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Found> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Found> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Members, Found> {
        Ok(Members::default())
    }

    fn serialize_tuple(self, _: usize) -> Result<Members, Found> {
        Ok(Members::default())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Members, Found> {
        Ok(Members::default())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Members, Found> {
        Ok(Members::default())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members, Found> {
        Ok(Members::default())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members, Found> {
        Ok(Members::default())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Members, Found> {
        Ok(Members::default())
    }

    fn collect_str<T: Display + ?Sized>(self, _: &T) -> Result<(), Found> {
        Ok(())
    }
}

/// The elements or members of a value.
#[derive(Default)]
struct Members {
    /// The current key of a map.
    key: String,
}

macro_rules! elements {
    ($($kind:ident $method:ident)*) => {$(
        impl ser::$kind for Members {
            type Ok = ();
            type Error = Found;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Found> {
                value.serialize(Finder)
            }

            fn end(self) -> Result<(), Found> {
                Ok(())
            }
        }
    )*};
}

elements! {
    SerializeSeq serialize_element
    SerializeTuple serialize_element
    SerializeTupleStruct serialize_field
    SerializeTupleVariant serialize_field
}

macro_rules! fields {
    ($($kind:ident)*) => {$(
        impl ser::$kind for Members {
            type Ok = ();
            type Error = Found;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Found> {
                value.serialize(Finder).map_err(|found| found.in_field(name))
            }

            fn end(self) -> Result<(), Found> {
                Ok(())
            }
        }
    )*};
}

fields! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Members {
    type Ok = ();
    type Error = Found;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Found> {
        let key = serde_json::to_value(key).map_err(Found::custom)?;
        self.key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Found> {
        value.serialize(Finder).map_err(|found| found.in_field(&self.key))
    }

    fn end(self) -> Result<(), Found> {
        Ok(())
    }
}
