//! Fields that a row has in another case than the program.
//!
//! Salesforce accepts the name of a field in any case and returns it in its own, so that serde reads it as missing.

use std::{
    any::type_name,
    cell::RefCell,
    collections::HashSet,
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use serde::{
    Deserializer,
    de::{DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    error::InvalidResponse,
    json::{
        exact::Places,
        probe::{self, Names},
        reader::{Context, Reader},
        tree::Json,
    },
};

/// Maximum number of pairs of a type and the names of a row that are remembered as fine, on each thread.
const MAX_FINE: usize = 256;

thread_local! {
    static FINE: RefCell<HashSet<u64>> = RefCell::default();
}

/// What a record says about its type.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Checked {
    /// Whether the type has `#[serde(flatten)]`, which can drop an error.
    pub(crate) is_flattened: bool,
}

/// Fails if a record has a field of `T` under its name in another case.
pub(crate) fn check<T: DeserializeOwned>(record: &str) -> Result<Checked, InvalidResponse> {
    let Some(record) = Json::parse(record) else { return Ok(Checked::default()) };
    let places = Places::default();
    let context = Context::new(&places);
    // Only the names count here: the record itself is read elsewhere.
    let _ = T::deserialize(Reader::new(&record, &context));
    let mut found = context.other_case.take();
    let is_flattened = context.is_flattened.get();
    if context.hides_names.get() && found.is_none() {
        let mut names = Names::default();
        all_names(&record, &mut names);
        found = once::<T>(&names, || {
            probe::field_in_other_case(&names, |probe| {
                let _ = T::deserialize(Reader::new(&record, &Context::new(&places).with(probe)));
            })
        });
    }
    match found {
        Some((field, name)) => Err(InvalidResponse::Json(other_case_text(&field, &name))),
        None => Ok(Checked { is_flattened }),
    }
}

/// Runs a check unless it found nothing before: for each page of a query the result is the same.
fn once<T: DeserializeOwned>(
    names: &Names<'_>,
    find: impl FnOnce() -> Option<(String, String)>,
) -> Option<(String, String)> {
    let mut hasher = DefaultHasher::new();
    // Types in two blocks of a function have one name, and code that is equal may have one address.
    (check::<T> as *const (), type_name::<T>(), names).hash(&mut hasher);
    let key = hasher.finish();
    if FINE.with_borrow(|fine| fine.contains(&key)) {
        return None;
    }
    let found = find();
    if found.is_none() {
        FINE.with_borrow_mut(|fine| {
            if fine.len() >= MAX_FINE {
                fine.clear();
            }
            fine.insert(key);
        });
    }
    found
}

fn all_names<'a>(json: &'a Json, names: &mut Names<'a>) {
    match json {
        Json::Object(members) => {
            for (name, value) in members {
                names.add(name);
                all_names(value, names);
            }
        }
        // All rows of a list have the same fields.
        Json::Array(elements) => elements.iter().take(1).for_each(|element| all_names(element, names)),
        _ => {}
    }
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
pub(crate) fn first_record(body: &[u8]) -> Option<&RawValue> {
    struct Page<'a, 'de>(&'a mut Option<&'de RawValue>);
    struct Records<'a, 'de>(&'a mut Option<&'de RawValue>);

    impl<'de> Visitor<'de> for Page<'_, 'de> {
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

    impl<'de> DeserializeSeed<'de> for Records<'_, 'de> {
        type Value = ();

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
            deserializer.deserialize_seq(self)
        }
    }

    impl<'de> Visitor<'de> for Records<'_, 'de> {
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

#[cfg(test)]
mod tests {
    use std::{cell::Cell, collections::BTreeMap};

    use serde::Deserialize;

    use super::*;

    thread_local! {
        static READS: Cell<usize> = const { Cell::new(0) };
    }

    /// Counts how often it is read.
    struct Counted;

    impl<'de> Deserialize<'de> for Counted {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            #[derive(Deserialize)]
            struct Flat {
                #[serde(flatten)]
                _rest: BTreeMap<String, serde_json::Value>,
            }
            READS.set(READS.get() + 1);
            Flat::deserialize(deserializer).map(|_| Self)
        }
    }

    #[test]
    fn a_record_with_more_names_than_an_object_has_is_read_once() {
        for (names, is_compared) in [(10, true), (2_000, false)] {
            let record: Vec<_> = (0..names).map(|index| format!(r#""Key{index}__c":1"#)).collect();
            READS.set(0);
            check::<Counted>(&format!("{{{}}}", record.join(","))).unwrap();
            assert_eq!(READS.get() > 1, is_compared, "{names} names, {} reads", READS.get());
        }
    }
}
