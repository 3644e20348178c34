//! [`deserialize_from_str!`]: implements `Deserialize` by `FromStr`.

use std::{fmt, marker::PhantomData, str::FromStr};

use serde::de::{Error, Unexpected, Visitor};

/// Parses a text where the deserializer has it, without a copy.
pub(crate) struct FromText<T>(PhantomData<T>);

impl<T> FromText<T> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for FromText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<T, E> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.visit_str(text),
            Err(_) => Err(E::invalid_value(Unexpected::Bytes(bytes), &self)),
        }
    }
}

/// Implements `Deserialize` for types whose text form is what their `FromStr` reads.
macro_rules! deserialize_from_str {
    ($($kind:ty),+) => {$(
        impl<'de> ::serde::Deserialize<'de> for $kind {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_string($crate::deserialize::FromText::new())
            }
        }
    )+};
}

pub(crate) use deserialize_from_str;
