//! Finds out what a type hides: the names of its fields, and which values they take.
//!
//! serde reads a struct with `#[serde(flatten)]` as a map. An enum with `#[serde(untagged)]` or `#[serde(tag)]` is first
//! stored as any value. Neither says which fields it has: a field whose name differs from Salesforce's in its case is then
//! read as missing. So the first row of a page is read once more with a value under each such name that no type accepts. If
//! a type rejects it, the type has a field of this name. In the same way [`takes_rejected`] finds out which values a field
//! takes.

use std::{
    cell::Cell,
    collections::{BTreeSet, HashSet},
    fmt::{self, Write as _},
    marker::PhantomData,
};

use serde::{
    Deserializer,
    de::{self, Expected, Unexpected, Visitor},
    forward_to_deserialize_any,
};

use crate::json::cases::{is_of_field, other_cases};

/// A value that no type of a field accepts: bytes that are not a text.
const BYTES: &[u8] = b"\xff\xfe bait";
/// A value that numbers and any JSON accept, and no other type.
const INTEGER: i64 = -6_148_914_691_236_517_206;
/// A value that texts and any JSON accept, and no other type.
const TEXT: &str = "\u{1} bait";
/// A name that no field has. Only a map that collects all other fields reads it.
pub(crate) const CONTROL: &str = "\0";

/// Maximum number of names that are compared. An object of Salesforce has at most 800 fields.
const MAX_NAMES: usize = 1_000;

/// The names that a row has, of those that a field can have.
#[derive(Debug, Default, Hash)]
pub(crate) struct Names<'a>(BTreeSet<&'a str>);

impl<'a> Names<'a> {
    pub(crate) fn add(&mut self, name: &'a str) {
        if !self.are_too_many() && is_of_field(name) {
            self.0.insert(name);
        }
    }

    /// Returns whether these are more names than are compared: no row of fields has so many.
    pub(crate) fn are_too_many(&self) -> bool {
        self.0.len() > MAX_NAMES
    }
}

thread_local! {
    static WAS_REJECTED: Cell<bool> = const { Cell::new(false) };
    static WAS_DUPLICATE: Cell<bool> = const { Cell::new(false) };
}

/// Records that a type rejected a value, if that is the bait.
pub(crate) fn note(found: Unexpected<'_>) {
    if matches!(found, Unexpected::Bytes(BYTES) | Unexpected::Signed(INTEGER) | Unexpected::Str(TEXT)) {
        WAS_REJECTED.set(true);
    }
}

/// Records that a struct got one of its fields twice.
pub(crate) fn note_duplicate() {
    WAS_DUPLICATE.set(true);
}

/// What a row has besides its own values, to find out how a type takes the value at a place.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trial {
    /// The value is there twice.
    Twice(usize),
    /// Another value of its kind comes first, under a name that only a map reads.
    ControlFirst,
}

/// Whether a value is read in the form that was rejected or in another one: a number as a float or an integer, a cell as
/// text or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Rejected,
    Other,
}

/// Returns whether a type takes a value at a place where something rejected it, as an enum with `#[serde(untagged)]` does if
/// another variant takes it.
///
/// A struct that takes the first of two equal members says that the second one is a duplicate. A map goes on after a value
/// that it takes. `is_read`: whether the row was read with the value. `read` reads it once more and returns whether the value
/// was rejected; `None` if it may not be read again.
pub(crate) fn takes_rejected(
    place: usize,
    is_read: bool,
    mut read: impl FnMut(Form, Trial) -> Option<bool>,
) -> Option<bool> {
    let mut is_taken_twice = |form| {
        WAS_DUPLICATE.set(false);
        read(form, Trial::Twice(place)).map(|_| WAS_DUPLICATE.take())
    };
    if is_taken_twice(Form::Rejected)? {
        return Some(true);
    }
    if !is_read || is_taken_twice(Form::Other)? {
        return Some(false);
    }
    read(Form::Rejected, Trial::ControlFirst)
}

/// What a row offers besides its own values.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Probe<'a> {
    offer: Offer<'a>,
    bait: Bait,
}

/// The names under which a row offers the bait.
#[derive(Debug, Clone, Copy, Default)]
enum Offer<'a> {
    #[default]
    Nothing,
    /// A name that only a map reads.
    Control,
    /// The names of the row's fields in other cases.
    OtherCases,
    /// Those of the field with this name.
    CasesOf(&'a str),
    /// One of those names.
    One(&'a str),
    /// A name that the row has, in place of its value.
    Own(&'a str),
}

impl<'a> Probe<'a> {
    /// Returns the baits for an object that has the members `names`, each with its name.
    pub(crate) fn baits<'n>(
        self,
        names: impl Iterator<Item = &'n str> + Clone,
    ) -> impl Iterator<Item = (String, Bait)> {
        let own: HashSet<&str> = match self.offer {
            Offer::Nothing | Offer::Own(_) | Offer::Control => HashSet::new(),
            _ => names.clone().collect(),
        };
        let mut cases: Vec<String> = match self.offer {
            Offer::Nothing | Offer::Own(_) => Vec::new(),
            Offer::Control => vec![CONTROL.to_owned()],
            Offer::OtherCases => own.iter().copied().flat_map(other_cases).collect(),
            Offer::CasesOf(of) if own.contains(of) => other_cases(of),
            Offer::One(case) => {
                let is_other = |name: &str| name.eq_ignore_ascii_case(case) && name != case;
                names.clone().any(is_other).then(|| case.to_owned()).into_iter().collect()
            }
            Offer::CasesOf(_) => Vec::new(),
        };
        cases.sort_unstable();
        cases.dedup();
        cases.retain(|case| !own.contains(case.as_str()));
        cases.into_iter().map(move |case| (case, self.bait))
    }

    /// Returns the bait that stands in place of this member's value.
    pub(crate) fn in_place_of(self, name: &str) -> Option<Bait> {
        matches!(self.offer, Offer::Own(own) if own == name).then_some(self.bait)
    }
}

/// Returns the field that a row has in another case than the struct, as the struct's name and the row's.
///
/// `read` reads the row with a bait; `names` are the names that it has. Too many are not compared.
pub(crate) fn field_in_other_case(
    names: &Names<'_>,
    mut read: impl FnMut(Probe<'_>),
) -> Option<(String, String)> {
    if names.are_too_many() {
        return None;
    }
    let mut is_rejected = |offer: Offer<'_>, bait: Bait| {
        WAS_REJECTED.set(false);
        read(Probe { offer, bait });
        WAS_REJECTED.take()
    };
    if !is_rejected(Offer::OtherCases, Bait::Bytes) {
        return None;
    }
    // A map that collects all other names rejects the bait, too. One of any JSON accepts the other two baits.
    let is_map = is_rejected(Offer::Control, Bait::Bytes);
    let baits: &[Bait] = if is_map { &[Bait::Integer, Bait::Text] } else { &[Bait::Bytes] };
    for bait in baits.iter().copied() {
        if is_map && (is_rejected(Offer::Control, bait) || !is_rejected(Offer::OtherCases, bait)) {
            continue;
        }
        for name in names.0.iter().copied() {
            if !is_rejected(Offer::CasesOf(name), bait) {
                continue;
            }
            // A field with an alias has both names.
            if is_rejected(Offer::Own(name), bait) {
                continue;
            }
            let cases = other_cases(name);
            if let Some(case) = cases.into_iter().find(|case| is_rejected(Offer::One(case), bait)) {
                return Some((case, name.to_owned()));
            }
        }
    }
    None
}

/// Returns whether a visitor of a map reads a struct with `#[serde(flatten)]`.
pub(crate) fn is_flattened(visitor: &dyn Expected) -> bool {
    starts_with(visitor, "struct ")
}

/// Returns whether a visitor stores any value to read it later, as serde does below `#[serde(flatten)]`, for enums with
/// `#[serde(untagged)]` and for those with `#[serde(tag)]`. The types of the fields are unknown then.
pub(crate) fn is_buffer(visitor: &dyn Expected) -> bool {
    starts_with(visitor, "any value") || starts_with(visitor, "internally tagged enum ")
}

fn starts_with(visitor: &dyn Expected, start: &'static str) -> bool {
    /// What is missing of the start. A text is compared as it is written, without a copy.
    struct Start(&'static str);

    impl fmt::Write for Start {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let length = self.0.len().min(text.len());
            match (self.0.split_at_checked(length), text.get(..length)) {
                (Some((start, rest)), Some(text)) if start == text => {
                    self.0 = rest;
                    Ok(())
                }
                _ => Err(fmt::Error),
            }
        }
    }

    let mut missing = Start(start);
    write!(missing, "{visitor}").is_ok() && missing.0.is_empty()
}

/// A value that is offered to find out which names a struct has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Bait {
    #[default]
    Bytes,
    Integer,
    Text,
}

impl Bait {
    pub(crate) fn deserializer<E>(self) -> BaitDeserializer<E> {
        BaitDeserializer(self, PhantomData)
    }
}

/// Gives the bait to each type.
pub(crate) struct BaitDeserializer<E>(Bait, PhantomData<E>);

impl<'de, E: de::Error> Deserializer<'de> for BaitDeserializer<E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.0 {
            Bait::Bytes => visitor.visit_bytes(BYTES),
            Bait::Integer => visitor.visit_i64(INTEGER),
            Bait::Text => visitor.visit_borrowed_str(TEXT),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bait_is_offered_under_names_that_the_row_does_not_have() {
        fn names(offer: Offer<'_>) -> Vec<String> {
            let own = ["AnnualRevenue", "Id", "id", "Key__c"];
            let baits = Probe { offer, bait: Bait::Bytes }.baits(own.into_iter());
            baits.map(|(name, _)| name).collect()
        }
        let cases = names(Offer::OtherCases);
        for case in
            ["annualRevenue", "annualrevenue", "ANNUALREVENUE", "Annualrevenue", "ID", "key__c", "Key__C"]
        {
            assert!(cases.iter().any(|found| found == case), "{case} {cases:?}");
        }
        assert!(!cases.iter().any(|case| case == "id" || case == "Id"), "{cases:?}");
        assert_eq!(names(Offer::One("KEY__c")), ["KEY__c"]);
        assert!(names(Offer::One("Other")).is_empty() && names(Offer::Nothing).is_empty());
        assert!(names(Offer::CasesOf("Key__c")).iter().all(|case| case.eq_ignore_ascii_case("Key__c")));
    }
}
