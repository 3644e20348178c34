//! The items of an array, the entries of a map and the fields of a record, one after the other.

use std::slice;

use serde::de::{
    DeserializeSeed, IntoDeserializer as _, MapAccess, SeqAccess,
    value::{BorrowedStrDeserializer, StrDeserializer},
};

use super::{
    deserializer::{Around, AvroDeserializer},
    error::{AvroError, Reason},
    moment::Moment,
    reader::Reader,
    schema::{Field, TypeId},
};

/// The items of an array.
pub(super) struct Items<'r, 'de, 's> {
    reader: &'r mut Reader<'de>,
    around: &'r Around<'s>,
    of: TypeId,
    moment: Option<Moment>,
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

impl<'r, 'de, 's> Items<'r, 'de, 's> {
    pub(super) fn new(
        reader: &'r mut Reader<'de>,
        around: &'r Around<'s>,
        of: TypeId,
        moment: Option<Moment>,
    ) -> Self {
        Self { reader, around, of, moment, left: Some(0) }
    }

    pub(super) fn finish(mut self) -> Result<(), AvroError> {
        match advance(self.reader, &mut self.left)? {
            false => Ok(()),
            true => Err(AvroError::new(Reason::TooManyItems)),
        }
    }
}

impl<'de> SeqAccess<'de> for &mut Items<'_, 'de, '_> {
    type Error = AvroError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, AvroError> {
        if !advance(self.reader, &mut self.left)? {
            return Ok(None);
        }
        let (around, moment) = (self.around, self.moment);
        let of = around.schema.get(self.of);
        seed.deserialize(AvroDeserializer {
            reader: self.reader,
            around,
            of,
            nullable: None,
            field: None,
            moment,
        })
        .map(Some)
    }
}

/// The entries of a map.
pub(super) struct Entries<'r, 'de, 's> {
    reader: &'r mut Reader<'de>,
    around: &'r Around<'s>,
    of: TypeId,
    left: Option<u64>,
    is_value_due: bool,
}

impl<'r, 'de, 's> Entries<'r, 'de, 's> {
    pub(super) fn new(reader: &'r mut Reader<'de>, around: &'r Around<'s>, of: TypeId) -> Self {
        Self { reader, around, of, left: Some(0), is_value_due: false }
    }

    pub(super) fn finish(mut self) -> Result<(), AvroError> {
        if self.is_value_due || advance(self.reader, &mut self.left)? {
            return Err(AvroError::new(Reason::TooManyItems));
        }
        Ok(())
    }
}

impl<'de> MapAccess<'de> for &mut Entries<'_, 'de, '_> {
    type Error = AvroError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, AvroError> {
        if !advance(self.reader, &mut self.left)? {
            return Ok(None);
        }
        self.is_value_due = true;
        seed.deserialize(BorrowedStrDeserializer::new(self.reader.text()?)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, AvroError> {
        self.is_value_due = false;
        let around = self.around;
        let of = around.schema.get(self.of);
        seed.deserialize(AvroDeserializer {
            reader: self.reader,
            around,
            of,
            nullable: None,
            field: None,
            moment: None,
        })
    }
}

/// The fields of a record, in the order of the schema.
pub(super) struct Fields<'r, 'de, 's> {
    reader: &'r mut Reader<'de>,
    around: &'r Around<'s>,
    left: slice::Iter<'s, Field>,
    /// The position of the next field.
    next: u32,
    /// The field whose value comes next.
    due: Option<&'s Field>,
}

impl<'r, 'de, 's> Fields<'r, 'de, 's> {
    pub(super) fn new(reader: &'r mut Reader<'de>, around: &'r Around<'s>, fields: &'s [Field]) -> Self {
        Self { reader, around, left: fields.iter(), next: 0, due: None }
    }

    /// Skips the fields that the type did not ask for.
    pub(super) fn finish(self) -> Result<(), AvroError> {
        let Around { schema, depth, .. } = *self.around;
        for field in self.due.into_iter().chain(self.left) {
            let skipped = self.reader.skip(schema, schema.get(field.of), depth);
            skipped.map_err(|error| error.within(&field.name))?;
        }
        Ok(())
    }
}

impl<'de> MapAccess<'de> for &mut Fields<'_, 'de, '_> {
    type Error = AvroError;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, AvroError> {
        let Some(field) = self.left.next() else { return Ok(None) };
        self.next += 1;
        self.due = Some(field);
        let name: StrDeserializer<'_, AvroError> = field.name.as_str().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, AvroError> {
        let Some(field) = self.due.take() else { return Err(AvroError::new(Reason::Rejected)) };
        let around = self.around;
        let value = seed.deserialize(AvroDeserializer {
            reader: self.reader,
            around,
            of: around.schema.get(field.of),
            nullable: field.nullable,
            field: Some(self.next.saturating_sub(1)),
            moment: field.moment,
        });
        value.map_err(|error| error.within(&field.name))
    }
}
