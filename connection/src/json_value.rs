//! Reads JSON a second time, where serde's own reader does not say enough.

use std::{cell::RefCell, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess,
        Visitor,
        value::{MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::{Error, Number, Value};

/// Largest integer up to which a float has all digits: 2^53.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// Reads a text into its type, with integers that are written as `5.0` or `1.0E7`. A fraction is not an integer.
///
/// Returns `None` if that is not what the type needs.
pub(crate) fn read_with_integers<'de, T: Deserialize<'de>>(text: &str) -> Option<T> {
    let value: Value = serde_json::from_str(text).ok()?;
    let read = |integers| Reader { value: value.clone(), integers };
    // `#[serde(flatten)]` hides the types of its fields, so that all whole numbers must be integers then.
    T::deserialize(read(Integers::WhereExpected)).or_else(|_| T::deserialize(read(Integers::Everywhere))).ok()
}

thread_local! {
    /// The error of the latest record with a field in another case. serde drops some errors.
    static OTHER_CASE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Returns what is wrong if the record has a field of `T` under its name in another case.
pub(crate) fn other_case<T: DeserializeOwned>(record: Value) -> Option<String> {
    OTHER_CASE.take();
    // Only the names count here: the record was read before.
    let _ = T::deserialize(Reader { value: record, integers: Integers::WhereExpected });
    OTHER_CASE.take()
}

pub(crate) fn other_case_text(field: &str, name: &str) -> String {
    format!("the field `{field}` is named `{name}` by Salesforce. Use this name")
}

/// Returns the field that `name` stands for if their cases differ. serde would read such a field as missing.
pub(crate) fn field_in_other_case(name: &str, fields: &'static [&'static str]) -> Option<&'static str> {
    let other = fields.iter().find(|field| field.eq_ignore_ascii_case(name))?;
    (!fields.contains(&name)).then_some(*other)
}

/// Returns the first of the `records` in the body of a page, without reading the others.
pub(crate) fn first_record(body: &[u8]) -> Option<Value> {
    struct Page<'a>(&'a mut Option<Value>);
    struct Records<'a>(&'a mut Option<Value>);

    impl<'de> Visitor<'de> for Page<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a page")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(key) = map.next_key::<String>()? {
                if key == "records" {
                    map.next_value_seed(Records(self.0))?;
                    // Stops the parser.
                    return Err(A::Error::custom("read"));
                }
                map.next_value::<IgnoredAny>()?;
            }
            Ok(())
        }
    }

    impl<'de> DeserializeSeed<'de> for Records<'_> {
        type Value = ();

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
            deserializer.deserialize_seq(self)
        }
    }

    impl<'de> Visitor<'de> for Records<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("records")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut records: A) -> Result<(), A::Error> {
            *self.0 = records.next_element()?;
            Err(A::Error::custom("read"))
        }
    }

    let mut first = None;
    // Always an error after the first record.
    let _ = serde_json::Deserializer::from_slice(body).deserialize_map(Page(&mut first));
    first
}

/// Where whole numbers are read as integers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Integers {
    WhereExpected,
    Everywhere,
}

#[derive(Clone)]
struct Reader {
    value: Value,
    integers: Integers,
}

impl Reader {
    fn of(&self, value: Value) -> Self {
        Self { value, integers: self.integers }
    }

    /// Returns the number as an integer if it is a whole one and has all digits.
    fn with_integer(self) -> Self {
        let integer = match &self.value {
            Value::Number(number) if number.is_f64() => number.as_f64().and_then(to_integer),
            _ => None,
        };
        match integer {
            Some(integer) => self.of(Value::Number(integer)),
            None => self,
        }
    }

    fn plain<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.value.deserialize_any(visitor)
    }

    fn integer<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.with_integer().plain(visitor)
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the range is checked before")]
fn to_integer(float: f64) -> Option<Number> {
    let is_whole = float.fract() == 0.0 && float.abs() <= MAX_EXACT;
    is_whole.then(|| Number::from(float as i64))
}

impl IntoDeserializer<'_, Error> for Reader {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! read_as_integer {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.integer(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader {
    type Error = Error;

    read_as_integer! { deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 }
    read_as_integer! { deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let integers = self.integers;
        match self.value {
            Value::Array(values) => {
                let readers = values.into_iter().map(|value| Self { value, integers });
                visitor.visit_seq(SeqDeserializer::new(readers))
            }
            Value::Object(members) => {
                let readers = members.into_iter().map(|(name, value)| (name, Self { value, integers }));
                visitor.visit_map(MapDeserializer::new(readers))
            }
            _ if integers == Integers::Everywhere => self.integer(visitor),
            _ => self.plain(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        for name in self.value.as_object().into_iter().flat_map(|members| members.keys()) {
            if let Some(field) = field_in_other_case(name, fields) {
                OTHER_CASE.set(Some(other_case_text(field, name)));
            }
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        // `RawValue` needs the reader of `serde_json`.
        if name.starts_with("$serde_json") {
            self.value.deserialize_newtype_struct(name, visitor)
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.value.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}
