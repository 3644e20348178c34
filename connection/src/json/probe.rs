//! Finds out which names the fields of a struct with `#[serde(flatten)]` have.
//!
//! serde reads such a struct as a map and does not say which fields it has: a field whose name differs from Salesforce's in
//! its case is then read as missing. So the first row of a page is read once more with a value under each such name that
//! no type accepts. If a type rejects it, the struct has a field of this name.

use std::cell::Cell;

use serde::{
    Deserializer,
    de::{self, Expected, Unexpected, Visitor},
    forward_to_deserialize_any,
};

/// A value that no type of a field accepts: bytes that are not a text.
const BAIT: &[u8] = b"\xff\xfe bait";
/// A name that no field has. Only a map that collects all other fields reads it.
const CONTROL: &str = "\0";

thread_local! {
    static WAS_REJECTED: Cell<bool> = const { Cell::new(false) };
}

/// Records that a type rejected a value, if that is the bait.
pub(crate) fn note(found: Unexpected<'_>) {
    if found == Unexpected::Bytes(BAIT) {
        WAS_REJECTED.set(true);
    }
}

/// The names under which a row offers the bait.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Probe<'a> {
    #[default]
    Off,
    /// A name that only a map reads.
    Control,
    /// The names of the row's fields in other cases.
    OtherCases,
    /// One of those names.
    One(&'a str),
    /// A name that the row has, in place of its value.
    Own(&'a str),
}

impl Probe<'_> {
    /// Returns the names for an object that has the members `names`.
    pub(crate) fn names<'n>(self, names: impl Iterator<Item = &'n str> + Clone) -> Vec<String> {
        match self {
            Self::Off | Self::Own(_) => Vec::new(),
            Self::Control => vec![CONTROL.to_owned()],
            Self::OtherCases => {
                let mut cases: Vec<String> = Vec::new();
                for case in names.clone().flat_map(other_cases) {
                    if !cases.contains(&case) && !names.clone().any(|name| name == case) {
                        cases.push(case);
                    }
                }
                cases
            }
            Self::One(case) => {
                let is_other = |name: &str| name.eq_ignore_ascii_case(case) && name != case;
                names.into_iter().any(is_other).then(|| case.to_owned()).into_iter().collect()
            }
        }
    }
}

impl Probe<'_> {
    /// Returns whether the bait stands in place of this member's value.
    pub(crate) fn replaces(self, name: &str) -> bool {
        matches!(self, Self::Own(own) if own == name)
    }
}

/// Returns the other cases in which programs write a name: `annualrevenue`, `ANNUALREVENUE`, `annualRevenue`,
/// `Annualrevenue`, and those with `__C`.
fn other_cases(name: &str) -> Vec<String> {
    let with_first = |first: fn(&char) -> char, rest: String| {
        let mut letters = rest.chars();
        letters.next().map(|letter| first(&letter)).into_iter().chain(letters).collect::<String>()
    };
    let lower = name.to_ascii_lowercase();
    let mut cases = vec![
        name.to_ascii_uppercase(),
        with_first(char::to_ascii_lowercase, name.to_owned()),
        with_first(char::to_ascii_uppercase, name.to_owned()),
        with_first(char::to_ascii_uppercase, lower.clone()),
        lower,
    ];
    if let Some(stem) = name.strip_suffix("__c") {
        cases.push(format!("{stem}__C"));
    }
    cases.retain(|case| case != name);
    cases
}

/// Returns the field that a row has in another case than the struct, as the struct's name and the row's.
///
/// `read` reads the row with a bait; `names` are the names that it has.
pub(crate) fn field_in_other_case(
    names: &[String],
    mut read: impl FnMut(Probe<'_>),
) -> Option<(String, String)> {
    let mut is_rejected = |probe: Probe<'_>| {
        WAS_REJECTED.set(false);
        read(probe);
        WAS_REJECTED.take()
    };
    // A map collects all names: nothing can be told from it.
    if !is_rejected(Probe::OtherCases) || is_rejected(Probe::Control) {
        return None;
    }
    for name in names {
        for case in other_cases(name) {
            // A field with an alias has both names.
            if is_rejected(Probe::One(&case)) && !is_rejected(Probe::Own(name)) {
                return Some((case, name.clone()));
            }
        }
    }
    None
}

/// Returns whether a visitor of a map reads a struct with `#[serde(flatten)]`.
pub(crate) fn is_flattened(visitor: &dyn Expected) -> bool {
    visitor.to_string().starts_with("struct ")
}

/// Gives the bait to each type.
pub(crate) struct Bait<E>(std::marker::PhantomData<E>);

impl<E> Bait<E> {
    pub(crate) fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<'de, E: de::Error> Deserializer<'de> for Bait<E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_bytes(BAIT)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, E> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier
    }
}

impl<'de, E: de::Error> de::IntoDeserializer<'de, E> for Bait<E> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bait_is_offered_under_names_that_the_row_does_not_have() {
        let names = |probe: Probe<'_>| probe.names(["AnnualRevenue", "Id", "id", "Key__c"].into_iter());
        let cases = names(Probe::OtherCases);
        for case in
            ["annualRevenue", "annualrevenue", "ANNUALREVENUE", "Annualrevenue", "ID", "key__c", "Key__C"]
        {
            assert!(cases.iter().any(|found| found == case), "{case} {cases:?}");
        }
        assert!(!cases.iter().any(|case| case == "id" || case == "Id"), "{cases:?}");
        assert_eq!(names(Probe::One("KEY__c")), ["KEY__c"]);
        assert!(names(Probe::One("Other")).is_empty() && names(Probe::Off).is_empty());
    }
}
