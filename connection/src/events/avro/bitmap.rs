//! [`FieldSet`]: the fields that one of a change event's bitmaps names.
//!
//! Source: Change Data Capture Developer Guide, "Change Event Header Fields" and "Deserialize the Bitmap".

use std::collections::BTreeMap;

use super::schema::Schema;

/// A set of fields, by their positions in the schema. Those of a compound field are in a set within it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    /// Bit i of word n is field 64 n + i. An object has up to 900 fields.
    words: Vec<u64>,
    within: BTreeMap<usize, FieldSet>,
}

/// A bitmap that Salesforce does not write, or one that names a field which the schema does not have. Does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bitmap of changed fields is invalid")]
pub(crate) struct InvalidBitmap;

/// Longest path of positions. Salesforce has one level of compound fields.
const MAX_LEVELS: usize = 8;
/// Largest position. Bounds what a bitmap allocates.
const MAX_POSITION: usize = 10_000;

impl FieldSet {
    /// Reads the texts of a bitmap, for example `["0x650004E0", "4-0x10"]`: the first names fields of the record, the
    /// second those of the compound field at position 4.
    pub(crate) fn parse(entries: &[impl AsRef<str>]) -> Result<Self, InvalidBitmap> {
        let mut fields = Self::default();
        for entry in entries {
            let entry = entry.as_ref();
            let (parents, mask) = entry.rsplit_once('-').map_or((None, entry), |(p, m)| (Some(p), m));
            let mut set = &mut fields;
            let parents = parents.into_iter().flat_map(|parents| parents.split('-'));
            for (level, parent) in parents.enumerate() {
                let position = parent.parse().map_err(|_| InvalidBitmap)?;
                if level >= MAX_LEVELS || position > MAX_POSITION {
                    return Err(InvalidBitmap);
                }
                set = set.within.entry(position).or_default();
            }
            set.add(mask)?;
        }
        Ok(fields)
    }

    /// Adds the bits of a hexadecimal number, of which the lowest bit is field 0.
    fn add(&mut self, mask: &str) -> Result<(), InvalidBitmap> {
        let digits = mask.strip_prefix("0x").or_else(|| mask.strip_prefix("0X")).ok_or(InvalidBitmap)?;
        if digits.is_empty() || digits.len() > MAX_POSITION / 4 {
            return Err(InvalidBitmap);
        }
        for (place, digit) in digits.chars().rev().enumerate() {
            let bits = u64::from(digit.to_digit(16).ok_or(InvalidBitmap)?);
            if self.words.len() <= place / 16 {
                self.words.push(0);
            }
            if let Some(word) = self.words.get_mut(place / 16) {
                *word |= bits << (place % 16 * 4);
            }
        }
        Ok(())
    }

    /// Whether the record's own bitmap has the field.
    fn has(&self, position: usize) -> bool {
        self.words.get(position / 64).is_some_and(|word| word >> (position % 64) & 1 == 1)
    }

    /// The positions that the record's own bitmap has, ascending.
    fn positions(&self) -> impl Iterator<Item = usize> {
        let words = self.words.iter().enumerate();
        words.flat_map(|(n, word)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| n * 64 + bit)
        })
    }

    /// The names of the fields, those of compound fields with their parent: `Phone`, `BillingAddress.City`.
    ///
    /// # Errors
    /// If a field is not one of the schema.
    pub(crate) fn names(&self, schema: &Schema) -> Result<Vec<String>, InvalidBitmap> {
        let mut names = Vec::new();
        self.collect(schema, schema.root(), "", &mut names)?;
        Ok(names)
    }

    fn collect(
        &self,
        schema: &Schema,
        of: usize,
        prefix: &str,
        names: &mut Vec<String>,
    ) -> Result<(), InvalidBitmap> {
        let record = schema.record_in(of).ok_or(InvalidBitmap)?;
        let mut positions: Vec<usize> = self.positions().chain(self.within.keys().copied()).collect();
        positions.sort_unstable();
        positions.dedup();
        for position in positions {
            let field = record.fields.get(position).ok_or(InvalidBitmap)?;
            match self.within.get(&position) {
                Some(within) => {
                    within.collect(schema, field.of, &format!("{prefix}{}.", field.name), names)?;
                }
                None => names.push(format!("{prefix}{}", field.name)),
            }
        }
        Ok(())
    }
}

/// The three bitmaps of a change event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bitmaps {
    pub(crate) changed: FieldSet,
    pub(crate) nulled: FieldSet,
    pub(crate) diff: FieldSet,
}

/// What a change event says about a field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FieldState<'m> {
    is_changed: bool,
    is_diff: bool,
    nulled: Option<&'m FieldSet>,
    within: Within<'m>,
}

/// What a change event says about the fields within a value.
#[derive(Debug, Clone, Copy)]
enum Within<'m> {
    /// All of them are set by the event, or the event is not a change.
    Complete,
    Unchanged,
    Sets([Option<&'m FieldSet>; 3]),
}

impl<'m> FieldState<'m> {
    /// A value of which all is known: an event of a new record, or one that is no change event.
    pub(crate) const COMPLETE: Self =
        Self { is_changed: true, is_diff: false, nulled: None, within: Within::Complete };

    /// The record of an update.
    pub(crate) fn update(bitmaps: &'m Bitmaps) -> Self {
        let Bitmaps { changed, nulled, diff } = bitmaps;
        Self { within: Within::Sets([Some(changed), Some(nulled), Some(diff)]), ..Self::COMPLETE }
    }

    pub(super) fn of_field(&self, position: usize) -> Self {
        let sets = match self.within {
            Within::Complete => return Self::COMPLETE,
            Within::Unchanged => return Self { is_changed: false, ..*self },
            Within::Sets(sets) => sets,
        };
        let has = sets.map(|set| set.is_some_and(|set| set.has(position)));
        let within = sets.map(|set| set.and_then(|set| set.within.get(&position)));
        let has_any = has.contains(&true);
        let is_changed = has_any || within.iter().any(Option::is_some);
        let [_, nulled, _] = within;
        let [_, _, is_diff] = has;
        let within = match (within.iter().any(Option::is_some), has_any) {
            (true, _) => Within::Sets(within),
            // The whole compound field, without a list of its parts.
            (false, true) => Within::Complete,
            (false, false) => Within::Unchanged,
        };
        Self { is_changed, is_diff, nulled, within }
    }

    /// Returns whether fields within have another state than [`Self::COMPLETE`].
    pub(super) fn has_parts(&self) -> bool {
        !matches!(self.within, Within::Complete)
    }

    pub(super) fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Whether the value is a unified diff instead of the text.
    pub(super) fn is_diff(&self) -> bool {
        self.is_diff
    }

    /// Whether all of the fields within the value, so many, were set to null.
    pub(super) fn is_nulled(&self, fields: usize) -> bool {
        fields > 0 && self.nulled.is_some_and(|set| (0..fields).all(|position| set.has(position)))
    }
}
