//! [`Patch`]: what an event says about a field.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};

use super::avro::PATCH;

/// What a change event says about one field of a record.
///
/// In an update all fields that did not change are null, as is a field that was cleared: only the event's bitmaps tell the
/// one from the other, and `Patch` has what they say. In [`Change::Created`](super::Change::Created) and
/// [`Change::Undeleted`](super::Change::Undeleted) all of the record is known, and an empty field is `Cleared`.
///
/// `#[serde(default)]` makes a field that the event's schema does not have `Unchanged`: events of the last three days may
/// be older than the field. The type of a field that every event has to show, changed or not, is `Option<T>` instead.
///
/// A `Patch` stands directly in the struct of the event. Below `#[serde(flatten)]`, or in an untagged or internally tagged
/// enum, serde reads it without the event's bitmaps: `Unchanged` and `Cleared` are as they are elsewhere, a value
/// that did not change (of an enriched channel) is `Set`, and a diff is the error [`DecodeError::Data`](super::DecodeError::Data) with
/// the field's name. That is so for each field that serde reads in this way, in a map such as `#[serde(flatten)] rest` too.
///
/// ```
/// use salesforce_connection::events::Patch;
///
/// let mut phone = Some("030 1234".to_owned());
/// Patch::Unchanged.apply_to(&mut phone);
/// assert_eq!(phone.as_deref(), Some("030 1234"));
/// Patch::Set("040 5678".to_owned()).apply_to(&mut phone);
/// assert_eq!(phone.as_deref(), Some("040 5678"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// The field did not change, or the event's schema does not have it.
    #[default]
    Unchanged,
    /// The field is empty now.
    Cleared,
    /// The field has this value now.
    Set(T),
    /// The field is a large text, and this is how it changed: a unified diff. Read the record for the text itself.
    Diff(String),
}

impl<T> Patch<T> {
    /// Returns whether the field changed.
    pub fn is_changed(&self) -> bool {
        !matches!(self, Self::Unchanged)
    }

    /// Returns the new value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Unchanged | Self::Cleared | Self::Diff(_) => None,
        }
    }

    /// Writes the change into a copy of the field. Returns the diff, if the event has that instead of the value.
    pub fn apply_to(self, field: &mut Option<T>) -> Option<String> {
        match self {
            Self::Unchanged => {}
            Self::Cleared => *field = None,
            Self::Set(value) => *field = Some(value),
            Self::Diff(diff) => return Some(diff),
        }
        None
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    /// Reads the field of an event. From other formats, a value is `Set` and null is `Cleared`; below `#[serde(flatten)]`,
    /// or in an untagged or internally tagged enum, null is `Unchanged`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(PATCH, PatchVisitor(PhantomData))
    }
}

struct PatchVisitor<T>(PhantomData<T>);

/// The events' deserializer knows the field's state and visits unit, none, some or, for a diff, a text.
impl<'de, T: Deserialize<'de>> Visitor<'de> for PatchVisitor<T> {
    type Value = Patch<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field of a change event")
    }

    fn visit_unit<E>(self) -> Result<Patch<T>, E> {
        Ok(Patch::Unchanged)
    }

    fn visit_none<E>(self) -> Result<Patch<T>, E> {
        Ok(Patch::Cleared)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Patch<T>, D::Error> {
        T::deserialize(deserializer).map(Patch::Set)
    }

    fn visit_str<E>(self, diff: &str) -> Result<Patch<T>, E> {
        Ok(Patch::Diff(diff.to_owned()))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Patch<T>, D::Error> {
        deserializer.deserialize_option(OptionVisitor(self))
    }
}

/// Other formats, and values that serde buffered: none, some or, for one in a buffer that did not change, unit.
struct OptionVisitor<T>(PatchVisitor<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OptionVisitor<T> {
    type Value = Patch<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Patch<T>, E> {
        self.0.visit_unit()
    }

    fn visit_none<E: de::Error>(self) -> Result<Patch<T>, E> {
        self.0.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Patch<T>, D::Error> {
        self.0.visit_some(deserializer)
    }
}
