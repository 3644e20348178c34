//! Reads numbers whose digits serde's own reader drops, and whole numbers that are written as `5.0` or `1.0E7`.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::json::{
    error::{Rejected, take_rejected},
    probe::{self, Form},
    reader::{Context, Reader},
    tree::Json,
};

/// How often a value is read to find the fields that reject a float. Each field takes three reads, and an object of
/// Salesforce has at most 800.
const MAX_READS: usize = 3_000;
/// Bytes that all reads of one text may take together: reading runs on the worker, and nothing interrupts it.
const MAX_BYTES_READ: usize = 768 << 20;
/// How often a text of any size may be read.
const MIN_READS: usize = 48;

/// How often a text may still be read.
struct Budget(usize);

impl Budget {
    /// For a text of so many bytes.
    fn of(bytes: usize) -> Self {
        Self((MAX_BYTES_READ / bytes.max(1)).clamp(MIN_READS, MAX_READS))
    }

    /// Takes one read, or returns `None` if none is left.
    fn take(&mut self) -> Option<()> {
        self.0 = self.0.checked_sub(1)?;
        Some(())
    }
}

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
    let places = places_of::<T>(&json, Budget::of(text.len()))?;
    T::deserialize(Reader::new(&json, &Context::new(&places))).ok()
}

/// Reads a text whose floats a type with `#[serde(flatten)]` rejected, also if serde dropped the error.
///
/// Returns `None` if it rejected no float, or the text does not fit.
pub(crate) fn read_if_rejected<'de, T: Deserialize<'de>>(text: &str) -> Option<T> {
    let json = Json::parse(text)?;
    let places = places_of::<T>(&json, Budget::of(text.len())).filter(|places| places.len() > 0)?;
    T::deserialize(Reader::new(&json, &Context::new(&places))).ok()
}

/// Finds the places at which a type rejects floats. Returns `None` if that takes more reads than the budget has.
fn places_of<'de, T: Deserialize<'de>>(json: &Json, mut budget: Budget) -> Option<Places> {
    let mut places = Places::default();
    // Places whose floats one variant of an enum rejects and another one takes.
    let mut floats = BTreeSet::new();
    loop {
        budget.take()?;
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
                let is_float = takes_float::<T>(json, &places, place, is_read, &mut budget)?;
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
}

/// Returns whether the type takes floats at a place where something rejected one; `None` if the budget is used.
///
/// `is_read`: whether the text was read with floats.
fn takes_float<'de, T: Deserialize<'de>>(
    json: &Json,
    places: &Places,
    place: usize,
    is_read: bool,
    budget: &mut Budget,
) -> Option<bool> {
    let mut as_integer = places.clone();
    as_integer.integers.insert(place);
    probe::takes_rejected(place, is_read, |form, trial| {
        budget.take()?;
        let context =
            Context::probing(if form == Form::Other { &as_integer } else { places }).on_trial(trial);
        take_rejected();
        let _ = T::deserialize(Reader::new(json, &context));
        let is_at_place = |rejected: Rejected| context.place_of(rejected.float) == Some(place);
        Some(take_rejected().into_iter().any(is_at_place))
    })
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, collections::BTreeMap};

    use serde::Deserializer;

    use super::*;

    thread_local! {
        static READS: Cell<usize> = const { Cell::new(0) };
    }

    /// Counts how often it is read.
    #[derive(Debug)]
    struct Counted;

    impl<'de> Deserialize<'de> for Counted {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            #[derive(Deserialize)]
            #[serde(untagged)]
            #[allow(dead_code, reason = "read by serde only")]
            enum Number {
                Whole(i64),
                Fraction(f64),
            }
            READS.set(READS.get() + 1);
            BTreeMap::<String, Number>::deserialize(deserializer).map(|_| Self)
        }
    }

    #[test]
    fn numbers_that_many_variants_reject_cost_a_bounded_number_of_reads() {
        let numbers: Vec<_> = (0..100).map(|index| format!(r#""Key{index}__c":1.5"#)).collect();
        let json = Json::parse(&format!("{{{}}}", numbers.join(","))).unwrap();
        for (budget, is_enough) in [(1_000, true), (50, false)] {
            READS.set(0);
            assert_eq!(places_of::<Counted>(&json, Budget(budget)).is_some(), is_enough, "{budget}");
            assert!(READS.get() > 1 && READS.get() <= budget, "{} reads of {budget}", READS.get());
        }
    }
}
