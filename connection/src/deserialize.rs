//! [`deserialize_from_str!`]: implements `Deserialize` by `FromStr`.

/// Implements `Deserialize` for types whose text form is what their `FromStr` reads.
macro_rules! deserialize_from_str {
    ($($kind:ty),+) => {$(
        impl<'de> ::serde::Deserialize<'de> for $kind {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                // A text with escapes cannot be borrowed.
                let text = <::std::borrow::Cow<'_, str> as ::serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(::serde::de::Error::custom)
            }
        }
    )+};
}

pub(crate) use deserialize_from_str;
