//! Reads numbers whose digits serde's own reader drops, and whole numbers that are written as `5.0` or `1.0E7`.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::json::{
    error::{Rejected, take_rejected},
    probe,
    reader::{Context, Reader, Trial},
    tree::Json,
};

/// How often a value is read to find the fields that reject a float. Each time finds one field, and an object of Salesforce
/// has at most 800.
const MAX_READS: usize = 1_000;
/// Bytes that all reads of one text may take together: reading runs on the worker, and nothing interrupts it.
const MAX_BYTES_READ: usize = 256 << 20;
/// How often a text of any size may be read.
const MIN_READS: usize = 16;

/// The places of numbers that are read in another way than as floats, where the type that reads them is unknown: below
/// `#[serde(flatten)]`.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    /// Their fields reject floats and take integers.
    pub(super) integers: BTreeSet<usize>,
    /// Their fields need all digits.
    pub(super) digits: BTreeSet<usize>,
}

impl Places {
    fn len(&self) -> usize {
        self.integers.len() + self.digits.len()
    }
}

/// Reads a text into its type. A fraction is not an integer.
///
/// Returns `None` if it does not fit.
pub(crate) fn read<'de, T: Deserialize<'de>>(text: &str) -> Option<T> {
    let json = Json::parse(text)?;
    let places = places_of::<T>(&json, text.len())?;
    T::deserialize(Reader::new(&json, &Context::new(&places))).ok()
}

/// Reads a text whose floats a type with `#[serde(flatten)]` rejected, also if serde dropped the error.
///
/// Returns `None` if it rejected no float, or the text does not fit.
pub(crate) fn read_if_rejected<'de, T: Deserialize<'de>>(text: &str) -> Option<T> {
    let json = Json::parse(text)?;
    let places = places_of::<T>(&json, text.len()).filter(|places| places.len() > 0)?;
    T::deserialize(Reader::new(&json, &Context::new(&places))).ok()
}

/// Finds the places at which a type rejects floats, in a text of so many bytes.
fn places_of<'de, T: Deserialize<'de>>(json: &Json, bytes: usize) -> Option<Places> {
    let mut places = Places::default();
    // Places whose floats one variant of an enum rejects and another one takes.
    let mut floats = BTreeSet::new();
    let reads = (MAX_BYTES_READ / bytes.max(1)).clamp(MIN_READS, MAX_READS);
    for _ in 0..reads {
        take_rejected();
        let context = Context::probing(&places);
        // The numbers are not the real ones here: only what is rejected counts.
        let is_read = T::deserialize(Reader::new(json, &context)).is_ok();
        let rejected: Vec<_> = take_rejected()
            .into_iter()
            .filter_map(|rejected| Some((context.place_of(rejected.float)?, rejected.needs_digits)))
            .collect();
        let before = places.len();
        for (place, needs_digits) in rejected {
            if needs_digits {
                places.digits.insert(place);
            } else if !places.digits.contains(&place) && !floats.contains(&place) {
                let is_float = takes_float::<T>(json, &places, place, is_read);
                if is_float {
                    floats.insert(place)
                } else {
                    places.integers.insert(place)
                };
            }
        }
        if places.len() == before {
            return Some(places);
        }
    }
    None
}

/// Returns whether the type takes floats at a place where something rejected one, as an enum with `#[serde(untagged)]` does
/// if another variant takes it.
///
/// A struct that takes the first of two equal members says that the second one is a duplicate. A map goes on after a value
/// that it takes. `is_read`: whether the text was read with floats.
fn takes_float<'de, T: Deserialize<'de>>(json: &Json, places: &Places, place: usize, is_read: bool) -> bool {
    let read = |places: &Places, trial| {
        let context = Context::probing(places).on_trial(trial);
        take_rejected();
        let _ = T::deserialize(Reader::new(json, &context));
        let is_rejected = |rejected: Rejected| context.place_of(rejected.float) == Some(place);
        take_rejected().into_iter().any(is_rejected)
    };
    let is_taken_twice = |places: &Places| {
        probe::is_taken_twice(|| {
            read(places, Trial::Twice(place));
        })
    };
    if is_taken_twice(places) {
        return true;
    }
    let mut as_integer = places.clone();
    as_integer.integers.insert(place);
    let is_field = is_taken_twice(&as_integer);
    is_read && !is_field && read(places, Trial::ControlFirst)
}
