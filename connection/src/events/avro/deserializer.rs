//! Reads Avro data into any type that implements serde's `Deserialize`.

use serde::de::{
    self, DeserializeSeed, Error as _, Expected, IntoDeserializer as _, MapAccess, SeqAccess, Unexpected,
    Visitor,
    value::{BorrowedStrDeserializer, StrDeserializer},
};

use super::{
    bitmap::FieldState,
    error::{AvroError, Reason},
    moment::Moment,
    reader::{MAX_DEPTH, Reader},
    schema::{Field, Schema, Type, TypeId},
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
    let deserializer =
        AvroDeserializer { reader: &mut reader, schema, of: schema.root(), moment: None, state, depth: 0 };
    let value = T::deserialize(deserializer)?;
    if reader.is_at_end() { Ok(value) } else { Err(AvroError::new(Reason::TrailingData)) }
}

/// Reads the next value of the data.
struct AvroDeserializer<'r, 'de, 's> {
    reader: &'r mut Reader<'de>,
    schema: &'s Schema,
    of: TypeId,
    moment: Option<Moment>,
    state: FieldState<'s>,
    depth: usize,
}

impl<'de, 's> AvroDeserializer<'_, 'de, 's> {
    /// Reads which branch of a union comes, and returns the type of the value itself.
    fn resolve(&mut self) -> Result<&'s Type, AvroError> {
        loop {
            match self.schema.get(self.of) {
                Type::Union(branches) => self.of = *self.reader.choice(branches)?,
                of => return Ok(of),
            }
        }
    }

    /// The deserializer of a value within this one.
    fn within(
        &mut self,
        of: TypeId,
        moment: Option<Moment>,
        state: FieldState<'s>,
    ) -> AvroDeserializer<'_, 'de, 's> {
        AvroDeserializer {
            reader: self.reader,
            schema: self.schema,
            of,
            moment,
            state,
            depth: self.depth + 1,
        }
    }

    fn skip(self) -> Result<(), AvroError> {
        self.reader.skip(self.schema, self.of, self.depth)
    }

    fn visit<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, AvroError> {
        if self.depth > MAX_DEPTH {
            return Err(AvroError::new(Reason::TooDeep));
        }
        self.reader.count()?;
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
                let mut access = Items { outer: self, of: *items, left: Some(0) };
                let value = visitor.visit_seq(&mut access)?;
                access.finish()?;
                Ok(value)
            }
            Type::Map(values) => {
                let mut access = Entries { outer: self, of: *values, left: Some(0), is_value_due: false };
                let value = visitor.visit_map(&mut access)?;
                access.finish()?;
                Ok(value)
            }
            Type::Record(record) => {
                let mut access = Fields { outer: self, fields: &record.fields, next: 0, is_value_due: false };
                let value = visitor.visit_map(&mut access)?;
                access.finish()?;
                Ok(value)
            }
        }
    }

    /// A text, for types that are read from one: a moment is written as the REST API writes it, in RFC 3339.
    fn visit_text<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, AvroError> {
        let (Type::Long, Some(moment)) = (self.resolve()?, self.moment) else { return self.visit(visitor) };
        self.reader.count()?;
        let text = moment.text(self.reader.long()?);
        visitor.visit_string(text.ok_or_else(|| AvroError::new(Reason::Rejected))?)
    }

    /// An integer. Salesforce's numbers are doubles, those without decimal places as well.
    fn visit_integer<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, AvroError> {
        let Type::Double = self.resolve()? else { return self.visit(visitor) };
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
        if !self.state.is_changed() {
            return self.visit(visitor);
        }
        let is_buffered = is_buffered_by_serde(&visitor);
        if matches!(self.resolve()?, Type::Null) || is_buffered && self.is_cleared()? {
            self.skip()?;
            return visitor.visit_none();
        }
        if is_buffered && self.state.is_diff() {
            // In a buffer it could not be told from the text itself.
            return Err(AvroError::new(Reason::Diff));
        }
        self.visit(visitor)
    }

    /// Whether a changed field is null, or a compound one with nothing but nulls.
    fn is_cleared(&mut self) -> Result<bool, AvroError> {
        Ok(match self.resolve()? {
            Type::Null => true,
            Type::Record(record) => self.state.is_nulled(record.fields.len()),
            _ => false,
        })
    }

    fn visit_patch<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, AvroError> {
        if !self.state.is_changed() {
            self.skip()?;
            return visitor.visit_unit();
        }
        if self.is_cleared()? {
            self.skip()?;
            return visitor.visit_none();
        }
        if self.state.is_diff() {
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

    forward! {
        deserialize_bool deserialize_f32 deserialize_f64 deserialize_char deserialize_unit
        deserialize_seq deserialize_map
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

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, AvroError> {
        match self.resolve()? {
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

/// The items of an array.
struct Items<'r, 'de, 's> {
    outer: AvroDeserializer<'r, 'de, 's>,
    of: TypeId,
    /// Of the current block; `None` at the end of the array.
    left: Option<u64>,
}

/// Begins the next block if the current one is at its end. Returns whether an item follows.
fn advance(reader: &mut Reader<'_>, left: &mut Option<u64>) -> Result<bool, AvroError> {
    if *left == Some(0) {
        *left = Some(reader.block()?).filter(|count| *count > 0);
    }
    match left {
        None => Ok(false),
        Some(count) => {
            *count -= 1;
            Ok(true)
        }
    }
}

impl Items<'_, '_, '_> {
    fn finish(mut self) -> Result<(), AvroError> {
        match advance(self.outer.reader, &mut self.left)? {
            false => Ok(()),
            true => Err(AvroError::new(Reason::TooManyItems)),
        }
    }
}

impl<'de> SeqAccess<'de> for &mut Items<'_, 'de, '_> {
    type Error = AvroError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, AvroError> {
        if !advance(self.outer.reader, &mut self.left)? {
            return Ok(None);
        }
        let (of, moment) = (self.of, self.outer.moment);
        seed.deserialize(self.outer.within(of, moment, FieldState::COMPLETE)).map(Some)
    }
}

/// The entries of a map.
struct Entries<'r, 'de, 's> {
    outer: AvroDeserializer<'r, 'de, 's>,
    of: TypeId,
    left: Option<u64>,
    is_value_due: bool,
}

impl Entries<'_, '_, '_> {
    fn finish(mut self) -> Result<(), AvroError> {
        if self.is_value_due || advance(self.outer.reader, &mut self.left)? {
            return Err(AvroError::new(Reason::TooManyItems));
        }
        Ok(())
    }
}

impl<'de> MapAccess<'de> for &mut Entries<'_, 'de, '_> {
    type Error = AvroError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, AvroError> {
        if !advance(self.outer.reader, &mut self.left)? {
            return Ok(None);
        }
        self.is_value_due = true;
        seed.deserialize(BorrowedStrDeserializer::new(self.outer.reader.text()?)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, AvroError> {
        self.is_value_due = false;
        let of = self.of;
        seed.deserialize(self.outer.within(of, None, FieldState::COMPLETE))
    }
}

/// The fields of a record, in the order of the schema.
struct Fields<'r, 'de, 's> {
    outer: AvroDeserializer<'r, 'de, 's>,
    fields: &'s [Field],
    next: usize,
    is_value_due: bool,
}

impl<'s> Fields<'_, '_, 's> {
    /// Skips the fields that the type did not ask for.
    fn finish(mut self) -> Result<(), AvroError> {
        let first = if self.is_value_due { self.next.saturating_sub(1) } else { self.next };
        for field in self.fields.iter().skip(first) {
            let skipped = self.outer.within(field.of, None, FieldState::COMPLETE).skip();
            skipped.map_err(|error| error.within(&field.name))?;
        }
        Ok(())
    }
}

impl<'de> MapAccess<'de> for &mut Fields<'_, 'de, '_> {
    type Error = AvroError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, AvroError> {
        let Some(field) = self.fields.get(self.next) else { return Ok(None) };
        self.next += 1;
        self.is_value_due = true;
        let name: StrDeserializer<'_, AvroError> = field.name.as_str().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, AvroError> {
        self.is_value_due = false;
        let index = self.next.saturating_sub(1);
        let Some(field) = self.fields.get(index) else { return Err(AvroError::new(Reason::Rejected)) };
        let state = self.outer.state.of_field(index);
        let value = seed.deserialize(self.outer.within(field.of, field.moment, state));
        value.map_err(|error| error.within(&field.name))
    }
}
