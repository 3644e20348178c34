//! Writes JSON values as Avro data.

use serde_json::{Map, Value};

use super::{
    error::{AvroError, Reason},
    moment::Moment,
    reader::MAX_DEPTH,
    schema::{Field, Record, Schema, Type, TypeId},
};

/// Writes a value in the form of a schema.
///
/// Members stand in any order. One that is missing is null, if its field may be. The texts of dates and times become the
/// numbers that Salesforce has for them.
///
/// # Errors
/// If a member is missing, is none of the schema's, or has another type.
pub(crate) fn to_bytes(schema: &Schema, value: &Value) -> Result<Vec<u8>, AvroError> {
    let mut writer = Writer { schema, out: Vec::new() };
    writer.value(schema.root(), None, value, 0)?;
    Ok(writer.out)
}

struct Writer<'s> {
    schema: &'s Schema,
    out: Vec<u8>,
}

impl Writer<'_> {
    fn long(&mut self, number: i64) {
        let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
        while rest > 0x7f {
            self.out.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        self.out.push(rest.to_le_bytes()[0]);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.out.extend_from_slice(bytes);
    }

    fn length(&mut self, length: usize) {
        // No allocation is longer than `isize::MAX`.
        self.long(i64::try_from(length).unwrap_or(i64::MAX));
    }

    fn value(
        &mut self,
        of: TypeId,
        moment: Option<Moment>,
        value: &Value,
        depth: usize,
    ) -> Result<(), AvroError> {
        if depth > MAX_DEPTH {
            return Err(AvroError::new(Reason::TooDeep));
        }
        let of_type = self.schema.get(of);
        match (of_type, value) {
            (Type::Null, Value::Null) => {}
            (Type::Boolean, Value::Bool(value)) => self.out.push(u8::from(*value)),
            (Type::Int, Value::Number(number)) => {
                let number = number.as_i64().and_then(|number| i32::try_from(number).ok());
                self.long(number.ok_or_else(|| mismatch(value, of_type))?.into());
            }
            (Type::Long, Value::Number(number)) => {
                self.long(number.as_i64().ok_or_else(|| mismatch(value, of_type))?);
            }
            (Type::Long, Value::String(text)) => {
                let number = moment.and_then(|moment| moment.number(text));
                self.long(number.ok_or_else(|| mismatch(value, of_type))?);
            }
            (Type::Float, Value::Number(number)) => {
                let number = number.as_f64().ok_or_else(|| mismatch(value, of_type))?;
                #[expect(clippy::cast_possible_truncation, reason = "the schema asks for fewer digits")]
                self.out.extend_from_slice(&(number as f32).to_le_bytes());
            }
            (Type::Double, Value::Number(number)) => {
                let number = number.as_f64().ok_or_else(|| mismatch(value, of_type))?;
                self.out.extend_from_slice(&number.to_le_bytes());
            }
            (Type::String, Value::String(text)) => self.bytes(text.as_bytes()),
            (Type::Bytes, Value::Array(items)) => {
                let bytes = bytes_of(items).ok_or_else(|| mismatch(value, of_type))?;
                self.bytes(&bytes);
            }
            (Type::Fixed(size), Value::Array(items)) => {
                let bytes = bytes_of(items).filter(|bytes| bytes.len() == *size);
                self.out.extend_from_slice(&bytes.ok_or_else(|| mismatch(value, of_type))?);
            }
            (Type::Enum(symbols), Value::String(text)) => {
                let place = symbols.iter().position(|symbol| symbol == text);
                self.length(place.ok_or_else(|| mismatch(value, of_type))?);
            }
            (Type::Union(branches), _) => self.union(branches, moment, value, depth)?,
            (Type::Array(of), Value::Array(items)) => {
                if !items.is_empty() {
                    self.length(items.len());
                    for item in items {
                        self.value(*of, moment, item, depth + 1)?;
                    }
                }
                self.long(0);
            }
            (Type::Map(of), Value::Object(members)) => {
                if !members.is_empty() {
                    self.length(members.len());
                    for (name, member) in members {
                        self.bytes(name.as_bytes());
                        self.value(*of, None, member, depth + 1)?;
                    }
                }
                self.long(0);
            }
            (Type::Record(record), Value::Object(members)) => self.record(record, members, depth)?,
            _ => return Err(mismatch(value, of_type)),
        }
        Ok(())
    }

    /// Writes the first branch that the value fits.
    fn union(
        &mut self,
        branches: &[TypeId],
        moment: Option<Moment>,
        value: &Value,
        depth: usize,
    ) -> Result<(), AvroError> {
        let start = self.out.len();
        let mut error = AvroError::new(Reason::Branch);
        for (place, branch) in branches.iter().enumerate() {
            self.length(place);
            match self.value(*branch, moment, value, depth + 1) {
                Ok(()) => return Ok(()),
                // The error of `null` says nothing about a value.
                Err(found) if !matches!(self.schema.get(*branch), Type::Null) => error = found,
                Err(_) => {}
            }
            self.out.truncate(start);
        }
        Err(error)
    }

    fn record(
        &mut self,
        record: &Record,
        members: &Map<String, Value>,
        depth: usize,
    ) -> Result<(), AvroError> {
        let is_known = |name: &str| record.fields.iter().any(|field| field.name == name);
        if let Some(unknown) = members.keys().find(|name| !is_known(name)) {
            return Err(AvroError::new(Reason::Unknown).within(unknown));
        }
        for Field { name, of, moment, .. } in &record.fields {
            let written = match members.get(name) {
                Some(member) => self.value(*of, *moment, member, depth + 1),
                None => self
                    .value(*of, *moment, &Value::Null, depth + 1)
                    .map_err(|_| AvroError::new(Reason::Missing)),
            };
            written.map_err(|error| error.within(name))?;
        }
        Ok(())
    }
}

fn bytes_of(items: &[Value]) -> Option<Vec<u8>> {
    items.iter().map(|item| item.as_u64().and_then(|item| u8::try_from(item).ok())).collect()
}

fn mismatch(value: &Value, expected: &Type) -> AvroError {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "this number",
        Value::String(_) => "this text",
        Value::Array(_) => "an array",
        Value::Object(_) => "a record",
    };
    let expected = match expected {
        Type::Null => "null",
        Type::Boolean => "a boolean",
        Type::Int => "an integer of 32 bits",
        Type::Long => "an integer of 64 bits",
        Type::Float | Type::Double => "a number",
        Type::Bytes | Type::Fixed(_) => "bytes",
        Type::String => "a text",
        Type::Enum(_) => "one of the schema's symbols",
        Type::Array(_) => "an array",
        Type::Map(_) | Type::Record(_) => "a record",
        Type::Union(_) => "one of the union's branches",
    };
    AvroError::new(Reason::Type { found, expected: expected.to_owned() })
}
