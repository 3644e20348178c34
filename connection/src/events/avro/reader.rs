//! [`Reader`]: takes single values from bytes without an allocation. Each length is checked against what is left.

use super::{
    error::{AvroError, Reason},
    schema::{Schema, Type},
};

/// Deepest nesting of values. Salesforce's events have four levels.
pub(super) const MAX_DEPTH: usize = 64;

/// Number of values that data may have beyond two per byte: nulls in an array, for example, have no bytes.
///
/// Without a limit, ten bytes could announce an array of 2^63 nulls.
const MAX_EMPTY_VALUES: usize = 4_096;

/// The bytes that are not read yet.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// The number of values that may still come.
    values: usize,
}

/// The number whose sign is in the lowest bit (zigzag).
#[inline]
fn signed(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

#[cold]
fn error<T>(reason: Reason) -> Result<T, AvroError> {
    Err(AvroError::new(reason))
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let values = bytes.len().saturating_mul(2).saturating_add(MAX_EMPTY_VALUES);
        Self { rest: bytes, values }
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Counts a value.
    #[inline]
    pub(super) fn count(&mut self) -> Result<(), AvroError> {
        match self.values.checked_sub(1) {
            Some(values) => {
                self.values = values;
                Ok(())
            }
            None => error(Reason::TooMany),
        }
    }

    #[inline]
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], AvroError> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            return error(Reason::UnexpectedEnd);
        };
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], AvroError> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            return error(Reason::UnexpectedEnd);
        };
        self.rest = rest;
        Ok(*taken)
    }

    #[inline]
    pub(super) fn boolean(&mut self) -> Result<bool, AvroError> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => error(Reason::Branch),
        }
    }

    /// Reads a number with a variable length, the sign in its lowest bit.
    #[inline]
    pub(super) fn long(&mut self) -> Result<i64, AvroError> {
        // Branches of unions, and lengths of most texts.
        if let Some((byte @ 0..=0x7f, rest)) = self.rest.split_first() {
            self.rest = rest;
            return Ok(signed(u64::from(*byte)));
        }
        self.long_of_several_bytes()
    }

    fn long_of_several_bytes(&mut self) -> Result<i64, AvroError> {
        let mut number = 0_u64;
        // The tenth byte has one bit left.
        for (place, byte) in self.rest.iter().take(10).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                if place == 9 && *byte > 1 {
                    break;
                }
                self.rest = self.rest.get(place + 1..).unwrap_or_default();
                return Ok(signed(number));
            }
        }
        error(if self.rest.len() < 10 { Reason::UnexpectedEnd } else { Reason::Number })
    }

    #[inline]
    pub(super) fn int(&mut self) -> Result<i32, AvroError> {
        i32::try_from(self.long()?).or_else(|_| error(Reason::Number))
    }

    #[inline]
    pub(super) fn float(&mut self) -> Result<f32, AvroError> {
        Ok(f32::from_le_bytes(self.array()?))
    }

    #[inline]
    pub(super) fn double(&mut self) -> Result<f64, AvroError> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], AvroError> {
        let length = usize::try_from(self.long()?).or_else(|_| error(Reason::Length))?;
        if length > self.rest.len() {
            return error(Reason::Length);
        }
        self.take(length)
    }

    #[inline]
    pub(super) fn text(&mut self) -> Result<&'a str, AvroError> {
        std::str::from_utf8(self.bytes()?).or_else(|_| error(Reason::Utf8))
    }

    /// Reads which of the branches of a union comes, or which symbol.
    #[inline]
    pub(super) fn choice<'s, T>(&mut self, of: &'s [T]) -> Result<&'s T, AvroError> {
        let chosen = usize::try_from(self.long()?).ok().and_then(|index| of.get(index));
        chosen.ok_or_else(|| AvroError::new(Reason::Branch))
    }

    /// Reads which branch of a union of null and one other type comes.
    #[inline]
    pub(super) fn has_value(&mut self) -> Result<bool, AvroError> {
        match self.long()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => error(Reason::Branch),
        }
    }

    /// Reads how many items the next block of an array or a map has; 0 at its end.
    pub(super) fn block(&mut self) -> Result<u64, AvroError> {
        let count = self.long()?;
        if count < 0 {
            // The block's length in bytes follows. Reading does not need it.
            let length = self.long()?;
            if usize::try_from(length).map_or(true, |length| length > self.rest.len()) {
                return error(Reason::Length);
            }
        }
        Ok(count.unsigned_abs())
    }

    /// Reads a value and drops it.
    pub(super) fn skip(&mut self, schema: &Schema, of: &Type, depth: usize) -> Result<(), AvroError> {
        if depth > MAX_DEPTH {
            return error(Reason::TooDeep);
        }
        self.count()?;
        match of {
            Type::Null => {}
            Type::Boolean => {
                self.boolean()?;
            }
            Type::Int => {
                self.int()?;
            }
            Type::Long => {
                self.long()?;
            }
            Type::Float => {
                self.float()?;
            }
            Type::Double => {
                self.double()?;
            }
            Type::Bytes => {
                self.bytes()?;
            }
            Type::String => {
                self.text()?;
            }
            Type::Fixed(size) => {
                self.take(*size)?;
            }
            Type::Enum(symbols) => {
                self.choice(symbols)?;
            }
            Type::Union(branches) => {
                let branch = schema.get(*self.choice(branches)?);
                self.skip(schema, branch, depth + 1)?;
            }
            Type::Record(record) => {
                for field in &record.fields {
                    self.skip(schema, schema.get(field.of), depth + 1)
                        .map_err(|error| error.within(&field.name))?;
                }
            }
            Type::Array(items) => loop {
                let count = self.block()?;
                if count == 0 {
                    break;
                }
                for _ in 0..count {
                    self.skip(schema, schema.get(*items), depth + 1)?;
                }
            },
            Type::Map(values) => loop {
                let count = self.block()?;
                if count == 0 {
                    break;
                }
                for _ in 0..count {
                    self.text()?;
                    self.skip(schema, schema.get(*values), depth + 1)?;
                }
            },
        }
        Ok(())
    }
}
