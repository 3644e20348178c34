//! Reads numbers whose digits serde's own reader drops, and whole numbers that are written as `5.0` or `1.0E7`.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::json::{
    error::take_rejected,
    reader::{Context, Reader},
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
#[derive(Debug, Default)]
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
    let reads = (MAX_BYTES_READ / bytes.max(1)).clamp(MIN_READS, MAX_READS);
    for _ in 0..reads {
        take_rejected();
        let context = Context::probing(&places);
        // The numbers are not the real ones here: only what is rejected counts.
        let _ = T::deserialize(Reader::new(json, &context));
        let rejected: Vec<_> = take_rejected()
            .into_iter()
            .filter_map(|rejected| Some((context.place_of(rejected.float)?, rejected.needs_digits)))
            .collect();
        let before = places.len();
        for (place, needs_digits) in rejected {
            if needs_digits {
                places.digits.insert(place);
            } else if !places.digits.contains(&place) {
                places.integers.insert(place);
            }
        }
        if places.len() == before {
            return Some(places);
        }
    }
    None
}
