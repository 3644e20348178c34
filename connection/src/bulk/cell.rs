//! One cell of a row of CSV, which is read as what the program's type asks for.

use serde::{
    Deserializer,
    de::{
        Expected, Visitor,
        value::{BorrowedStrDeserializer, MapDeserializer},
    },
    forward_to_deserialize_any,
};

use crate::{bulk::row_error::RowError, number};

/// One cell. An empty one is null: CSV does not tell null from an empty text, and Salesforce stores no empty text.
#[derive(Clone, Copy)]
pub(super) struct Cell<'de> {
    pub(super) text: &'de str,
    /// Whether its field rejected text.
    pub(super) typed: bool,
    /// Whether it is a cell of a parent whose cells are all empty, as those of a missing parent are.
    pub(super) of_missing_parent: bool,
}

impl<'de> Cell<'de> {
    /// Returns whether the cell may be a number or a boolean.
    pub(super) fn may_be_typed(self) -> bool {
        is_bool(self.text) || number::is_number(self.text)
    }

    fn integer<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        match number::integer(self.text) {
            Some(integer) => number::visit_integer(integer, visitor),
            None => self.mismatch(&visitor),
        }
    }

    fn float<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        match self.text.parse::<f64>() {
            Ok(float) if float.is_finite() && number::is_number(self.text) => visitor.visit_f64(float),
            _ => self.mismatch(&visitor),
        }
    }

    /// Fails for a parent that may be missing: an empty text would be a value that the row does not have.
    fn text(self, expected: &dyn Expected) -> Result<&'de str, RowError> {
        if self.of_missing_parent && self.text.is_empty() {
            let what = "the parent is missing, or its columns are empty, where";
            return Err(RowError::new(format!(
                "{what} {expected} is expected. Read the parent into an `Option`"
            )));
        }
        Ok(self.text)
    }

    fn mismatch<T>(self, expected: &dyn Expected) -> Result<T, RowError> {
        let what = if self.text.is_empty() { "empty, where" } else { "found a value where" };
        Err(RowError::new(format!("{what} {expected} is expected")))
    }
}

impl<'de> Deserializer<'de> for Cell<'de> {
    type Error = RowError;

    number::read_as! { numbers }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        match self.text {
            "" => visitor.visit_unit(),
            "true" if self.typed => visitor.visit_bool(true),
            "false" if self.typed => visitor.visit_bool(false),
            text if self.typed && number::integer(text).is_some_and(number::has_64_bits) => {
                self.integer(visitor)
            }
            text if self.typed && number::is_number(text) => self.float(visitor),
            text => visitor.visit_borrowed_str(text),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        if is_bool(self.text) { visitor.visit_bool(self.text == "true") } else { self.mismatch(&visitor) }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        let text = self.text(&visitor)?;
        visitor.visit_borrowed_str(text)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        visitor.visit_borrowed_bytes(self.text.as_bytes())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        if self.text.is_empty() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, RowError> {
        // `RawValue` reads JSON as a member of this name: here the text that came, or null.
        if name.starts_with("$serde_json") {
            let json = if self.text.is_empty() {
                serde_json::Value::Null
            } else {
                serde_json::Value::from(self.text)
            };
            visitor.visit_map(MapDeserializer::new([(name, json.to_string())].into_iter()))
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RowError> {
        visitor.visit_enum(BorrowedStrDeserializer::new(self.text))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        visitor.visit_unit()
    }

    number::read_as! { deserialize_str: deserialize_char deserialize_string deserialize_identifier }
    number::read_as! { deserialize_bytes: deserialize_byte_buf }

    forward_to_deserialize_any! { unit unit_struct seq tuple tuple_struct map struct }
}

fn is_bool(text: &str) -> bool {
    matches!(text, "true" | "false")
}
