//! Reads Avro data into any type that implements serde's `Deserialize`.

use serde::de::{
    self, Error as _, Expected, IntoDeserializer as _, Unexpected, Visitor,
    value::{BorrowedStrDeserializer, StrDeserializer},
};

use super::{
    access::{Entries, Fields, Items},
    bitmap::FieldState,
    error::{AvroError, Reason},
    moment::Moment,
    reader::{MAX_DEPTH, Reader},
    schema::{Schema, Type},
};

/// The name with which a `Patch` makes itself known to the deserializer.
pub(crate) const PATCH: &str = "$salesforce::events::Patch";

/// 2^53: a larger double does not say which integer it was.
const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;

/// Reads one value that takes up all bytes.
///
/// `state` says which fields of the value changed, for those that are a [`Patch`](crate::events::Patch).
pub(crate) fn from_bytes<'de, T: de::Deserialize<'de>>(
    schema: &Schema,
    bytes: &'de [u8],
    state: FieldState<'_>,
) -> Result<T, AvroError> {
    let mut reader = Reader::new(bytes);
    let of = schema.get(schema.root());
    let around = Around { schema, state: Some(state), depth: 0 };
    let deserializer = AvroDeserializer {
        reader: &mut reader,
        around: &around,
        of,
        nullable: None,
        moment: None,
        field: None,
    };
    let value = T::deserialize(deserializer)?;
    if reader.is_at_end() { Ok(value) } else { Err(AvroError::new(Reason::TrailingData)) }
}

/// What all values of a record, of an array or of a map have in common.
pub(super) struct Around<'s> {
    pub(super) schema: &'s Schema,
    /// Of the record that the values are fields of, or of the whole event. `None` is [`FieldState::COMPLETE`].
    pub(super) state: Option<FieldState<'s>>,
    /// Of the values.
    pub(super) depth: usize,
}

/// Reads the next value of the data. Small: serde moves it several times for each value.
pub(super) struct AvroDeserializer<'r, 'de, 's> {
    pub(super) reader: &'r mut Reader<'de>,
    pub(super) around: &'r Around<'s>,
    pub(super) of: &'s Type,
    pub(super) nullable: Option<&'s Type>,
    /// The position of the value in its record, if it is the value of a field.
    pub(super) field: Option<u32>,
    pub(super) moment: Option<Moment>,
}

impl<'de, 's> AvroDeserializer<'_, 'de, 's> {
    /// Reads which branch of a union comes, and returns the type of the value itself.
    #[inline]
    fn resolve(&mut self) -> Result<&'s Type, AvroError> {
        // A second look finds the branch itself.
        self.nullable = None;
        while let Type::Union(branches) = self.of {
            self.of = self.around.schema.get(*self.reader.choice(branches)?);
        }
        Ok(self.of)
    }

    /// Counts a value of the deserializer's depth.
    #[inline]
    fn begin(&mut self) -> Result<(), AvroError> {
        if self.around.depth > MAX_DEPTH {
            return Err(AvroError::new(Reason::TooDeep));
        }
        self.reader.count()
    }

    /// For values within this one.
    fn within(&self) -> Around<'s> {
        Around { schema: self.around.schema, state: None, depth: self.around.depth + 1 }
    }

    pub(super) fn skip(self) -> Result<(), AvroError> {
        self.reader.skip(self.around.schema, self.of, self.around.depth)
    }

    /// What is known of the value. Few types ask for it, so that it is worked out only then.
    fn state(&self) -> FieldState<'s> {
        match (&self.around.state, self.field) {
            (None, _) => FieldState::COMPLETE,
            (Some(event), None) => *event,
            (Some(record), Some(position)) => {
                usize::try_from(position).map_or(FieldState::COMPLETE, |position| record.of_field(position))
            }
        }
    }

    fn visit<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, AvroError> {
        self.begin()?;
        match self.resolve()? {
            Type::Null | Type::Union(_) => visitor.visit_unit(),
            Type::Boolean => visitor.visit_bool(self.reader.boolean()?),
            Type::Int => visitor.visit_i32(self.reader.int()?),
            Type::Long => visitor.visit_i64(self.reader.long()?),
            Type::Float => visitor.visit_f32(self.reader.float()?),
            Type::Double => visitor.visit_f64(self.reader.double()?),
            Type::String => visitor.visit_borrowed_str(self.reader.text()?),
            Type::Enum(symbols) => visitor.visit_str(self.reader.choice(symbols)?),
            Type::Bytes => visit_bytes_as_items(self.reader.bytes()?, visitor),
            Type::Fixed(size) => visit_bytes_as_items(self.reader.take(*size)?, visitor),
            Type::Array(items) => {
                let around = self.within();
                let mut access = Items::new(self.reader, &around, *items, self.moment);
                let value = visitor.visit_seq(&mut access)?;
                access.finish()?;
                Ok(value)
            }
            Type::Map(values) => {
                let around = self.within();
                let mut access = Entries::new(self.reader, &around, *values);
                let value = visitor.visit_map(&mut access)?;
                access.finish()?;
                Ok(value)
            }
            Type::Record(record) => {
                let around =
                    Around { state: Some(self.state()).filter(FieldState::has_parts), ..self.within() };
                let mut access = Fields::new(self.reader, &around, &record.fields);
                let value = visitor.visit_map(&mut access)?;
                access.finish()?;
                Ok(value)
            }
        }
    }

    /// A text, for types that are read from one: a moment is written as the REST API writes it, in RFC 3339.
    #[inline]
    fn visit_text<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, AvroError> {
        if let Type::String = self.resolve()? {
            self.begin()?;
            return visitor.visit_borrowed_str(self.reader.text()?);
        }
        self.visit_moment(visitor)
    }

    fn visit_moment<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, AvroError> {
        let (Type::Long, Some(moment)) = (self.resolve()?, self.moment) else { return self.visit(visitor) };
        self.reader.count()?;
        let text = moment.text(self.reader.long()?);
        visitor.visit_string(text.ok_or_else(|| AvroError::new(Reason::Rejected))?)
    }

    /// An integer. Salesforce's numbers are doubles, those without decimal places as well.
    #[inline]
    fn visit_integer<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, AvroError> {
        match self.resolve()? {
            Type::Long => {
                self.begin()?;
                return visitor.visit_i64(self.reader.long()?);
            }
            Type::Double => {}
            _ => return self.visit(visitor),
        }
        self.reader.count()?;
        let number = self.reader.double()?;
        if number.fract() == 0.0 && number.abs() < EXACT_BELOW {
            #[expect(clippy::cast_possible_truncation, reason = "it is an integer of at most 53 bits")]
            return visitor.visit_i64(number as i64);
        }
        visitor.visit_f64(number)
    }

    /// A value for a type that does not say what it reads. Below `#[serde(flatten)]`, and in an untagged or internally tagged
    /// enum, serde buffers values until it knows their types. Among them may be a [`Patch`](crate::events::Patch): none is a
    /// field that was cleared, and unit one that did not change.
    fn visit_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, AvroError> {
        let state = self.state();
        if !state.is_changed() {
            return self.visit(visitor);
        }
        let is_buffered = is_buffered_by_serde(&visitor);
        if matches!(self.resolve()?, Type::Null) || is_buffered && self.is_cleared(&state)? {
            self.skip()?;
            return visitor.visit_none();
        }
        if is_buffered && state.is_diff() {
            // In a buffer it could not be told from the text itself.
            return Err(AvroError::new(Reason::Diff));
        }
        self.visit(visitor)
    }

    /// Whether a changed field is null, or a compound one with nothing but nulls.
    fn is_cleared(&mut self, state: &FieldState<'_>) -> Result<bool, AvroError> {
        Ok(match self.resolve()? {
            Type::Null => true,
            Type::Record(record) => state.is_nulled(record.fields.len()),
            _ => false,
        })
    }

    fn visit_patch<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, AvroError> {
        let state = self.state();
        if !state.is_changed() {
            self.skip()?;
            return visitor.visit_unit();
        }
        if self.is_cleared(&state)? {
            self.skip()?;
            return visitor.visit_none();
        }
        if state.is_diff() {
            return self.visit_text(visitor);
        }
        visitor.visit_some(self)
    }
}

/// Whether serde buffers the value, to read it into its type later. (`serde_json::Value` expects "any valid JSON value".)
fn is_buffered_by_serde(visitor: &dyn Expected) -> bool {
    visitor.to_string() == "any value"
}

fn visit_bytes_as_items<'de, V: Visitor<'de>>(bytes: &'de [u8], visitor: V) -> Result<V::Value, AvroError> {
    visitor.visit_seq(de::value::SeqDeserializer::new(bytes.iter().copied()))
}

macro_rules! forward_integers {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, AvroError> {
            self.visit_integer(visitor)
        }
    )*};
}

macro_rules! forward {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, AvroError> {
            self.visit(visitor)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for AvroDeserializer<'_, 'de, '_> {
    type Error = AvroError;

    forward! { deserialize_f32 deserialize_char deserialize_unit deserialize_seq deserialize_map }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, AvroError> {
        if let Type::Boolean = self.resolve()? {
            self.begin()?;
            return visitor.visit_bool(self.reader.boolean()?);
        }
        self.visit(visitor)
    }

    #[inline]
    fn deserialize_f64<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, AvroError> {
        if let Type::Double = self.resolve()? {
            self.begin()?;
            return visitor.visit_f64(self.reader.double()?);
        }
        self.visit(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, AvroError> {
        self.visit_any(visitor)
    }

    forward_integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, AvroError> {
        self.visit_text(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, AvroError> {
        self.visit_text(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, AvroError> {
        self.visit_text(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, AvroError> {
        match self.resolve()? {
            Type::Bytes => {
                self.reader.count()?;
                visitor.visit_borrowed_bytes(self.reader.bytes()?)
            }
            Type::Fixed(size) => {
                self.reader.count()?;
                visitor.visit_borrowed_bytes(self.reader.take(*size)?)
            }
            _ => self.visit(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, AvroError> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, AvroError> {
        let of = match self.nullable.take() {
            Some(_) if !self.reader.has_value()? => &Type::Null,
            Some(value) => {
                self.of = value;
                value
            }
            None => self.resolve()?,
        };
        match of {
            Type::Null => {
                self.reader.count()?;
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, AvroError> {
        self.visit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, AvroError> {
        if name == PATCH { self.visit_patch(visitor) } else { visitor.visit_newtype_struct(self) }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, AvroError> {
        self.visit(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, AvroError> {
        self.visit(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, AvroError> {
        self.visit(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, AvroError> {
        self.reader.count()?;
        match self.resolve()? {
            Type::Enum(symbols) => {
                let symbol: StrDeserializer<'_, AvroError> =
                    self.reader.choice(symbols)?.as_str().into_deserializer();
                visitor.visit_enum(symbol)
            }
            Type::String => visitor.visit_enum(BorrowedStrDeserializer::new(self.reader.text()?)),
            _ => Err(AvroError::invalid_type(Unexpected::Other("a value"), &visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, AvroError> {
        self.skip()?;
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        // Types of dates and ids are read from texts then, as they are from the REST API.
        true
    }
}
