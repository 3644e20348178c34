//! Reads one row of CSV into a type of the program.
//!
//! CSV has texts only. A cell is read as what the program's type asks for; a type that takes any value, such as
//! `serde_json::Value` or a map of those, gets the text as it came. `#[serde(flatten)]` hides the types of its fields, so
//! that a cell is first read as text, and again as a number or boolean if its field rejects the text.

use std::collections::HashMap;

use ::csv::StringRecord;
use serde::{
    Deserializer,
    de::{DeserializeOwned, DeserializeSeed, MapAccess, SeqAccess, Visitor, value::StrDeserializer},
    forward_to_deserialize_any,
};

use crate::{
    bulk::{
        cell::Cell,
        row_error::{RowError, take_rejected},
    },
    json::{
        cases,
        names::{field_in_other_case, other_case_text},
        probe::{self, Bait, Form, Names, Probe, Trial},
    },
};

/// The columns of a CSV body, by name. `Owner.Name` is also the column `Name` in the group `Owner`.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    entries: Vec<(String, usize)>,
    groups: Vec<(String, Self)>,
    /// Columns whose fields rejected text: they are numbers or booleans. Set for the whole body only.
    typed: Vec<bool>,
    /// Columns whose fields take text beside numbers or booleans. Set for the whole body only.
    texts: Vec<bool>,
    /// Whether the names of the columns were compared with those of the fields. Set for the whole body only.
    is_checked: bool,
}

impl Columns {
    pub(crate) fn new(header: &StringRecord) -> Self {
        let names = header.iter().map(str::to_owned);
        let mut columns = Self::group(names.zip(0..).collect());
        columns.typed = vec![false; header.len()];
        columns.texts = vec![false; header.len()];
        columns
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn group(entries: Vec<(String, usize)>) -> Self {
        let mut members: Vec<(String, Vec<(String, usize)>)> = Vec::new();
        let mut places = HashMap::new();
        // Another name is no path, and each point in it would be a group in a group.
        for (name, index) in entries.iter().filter(|(name, _)| name.len() <= cases::MAX_BYTES) {
            let Some((group, rest)) = name.split_once('.') else { continue };
            let member = (rest.to_owned(), *index);
            let place = *places.entry(group).or_insert(members.len());
            match members.get_mut(place) {
                Some((_, members)) => members.push(member),
                None => members.push((group.to_owned(), vec![member])),
            }
        }
        let groups = members.into_iter().map(|(name, members)| (name, Self::group(members))).collect();
        Self { entries, groups, ..Self::default() }
    }

    /// Reads a row into one value.
    pub(crate) fn read<T: DeserializeOwned>(&mut self, row: &StringRecord) -> Result<T, RowError> {
        if !std::mem::replace(&mut self.is_checked, true) {
            self.check_names::<T>(row)?;
        }
        let mut typed = self.typed.clone();
        let mut as_text = None;
        loop {
            take_rejected();
            let result = self.read_with(Cells { row, typed: &typed, trial: None });
            let rejected = take_rejected();
            let mut again = false;
            for (index, text) in row.iter().enumerate() {
                let is_known = typed.get(index) != Some(&false) || self.texts.get(index) != Some(&false);
                let cell = Cell { text, typed: false, of_missing_parent: false };
                if is_known || !rejected.contains(&(text.as_ptr() as usize)) || !cell.may_be_typed() {
                    continue;
                }
                let takes_text = self.takes_text::<T>(row, &typed, index, result.is_ok());
                again |= !takes_text;
                let kind = if takes_text { self.texts.get_mut(index) } else { typed.get_mut(index) };
                if let Some(is_kind) = kind {
                    *is_kind = true;
                }
            }
            match result {
                Ok(value) if again => as_text = Some(value),
                Err(_) if again => {}
                Ok(value) => {
                    self.typed = typed;
                    return Ok(value);
                }
                Err(error) => return as_text.ok_or_else(|| self.name_column(error, row)),
            }
        }
    }

    /// Returns whether the type takes the text of a cell that something rejected. Such a cell stays the text that came.
    ///
    /// `is_read`: whether the row was read with the cell as text.
    fn takes_text<T: DeserializeOwned>(
        &self,
        row: &StringRecord,
        typed: &[bool],
        index: usize,
        is_read: bool,
    ) -> bool {
        let mut as_typed = typed.to_vec();
        if let Some(is_typed) = as_typed.get_mut(index) {
            *is_typed = true;
        }
        let address = row.get(index).map(|text| text.as_ptr() as usize);
        let takes = probe::takes_rejected(index, is_read, |form, trial| {
            let typed = if form == Form::Other { &as_typed } else { typed };
            take_rejected();
            let _ = self.read_with::<T>(Cells { row, typed, trial: Some(trial) });
            Some(take_rejected().contains(&address?))
        });
        takes.unwrap_or_default()
    }

    fn read_with<T: DeserializeOwned>(&self, cells: Cells<'_, '_>) -> Result<T, RowError> {
        let read = |with_groups| {
            let probe = Probe::default();
            T::deserialize(Row { columns: self, cells, is_parent: false, with_groups, probe })
        };
        read(true).or_else(|error| {
            // A map that collects the rest of the fields may take texts only.
            if self.groups.is_empty() { Err(error) } else { read(false).map_err(|_| error) }
        })
    }

    /// Fails if a type that hides the names of its fields has a column under its name in another case.
    fn check_names<T: DeserializeOwned>(&self, row: &StringRecord) -> Result<(), RowError> {
        let mut names = Names::default();
        self.add_names(&mut names);
        let found = probe::field_in_other_case(&names, |probe| {
            let cells = Cells { row, typed: &[], trial: None };
            let _ = T::deserialize(Row { columns: self, cells, is_parent: false, with_groups: true, probe });
        });
        found.map_or(Ok(()), |(field, name)| Err(RowError::new(other_case_text(&field, &name))))
    }

    fn add_names<'a>(&'a self, names: &mut Names<'a>) {
        for (name, _) in &self.entries {
            names.add(name);
        }
        for (name, columns) in &self.groups {
            names.add(name);
            columns.add_names(names);
        }
    }

    fn name_column(&self, error: RowError, row: &StringRecord) -> RowError {
        let Some(address) = error.address else { return error };
        let index = row.iter().position(|cell| cell.as_ptr() as usize == address && !cell.is_empty());
        match index.and_then(|index| self.entries.get(index)) {
            Some((name, _)) => error.in_column(name),
            None => error,
        }
    }
}

#[derive(Clone, Copy)]
struct Cells<'de, 'a> {
    row: &'de StringRecord,
    typed: &'a [bool],
    trial: Option<Trial>,
}

impl<'de> Cells<'de, '_> {
    fn get(&self, index: usize) -> Cell<'de> {
        Cell {
            text: self.row.get(index).unwrap_or_default(),
            typed: self.typed.get(index).copied().unwrap_or_default(),
            of_missing_parent: false,
        }
    }
}

/// A row, or the columns of a parent in it.
#[derive(Clone, Copy)]
struct Row<'de, 'a> {
    columns: &'a Columns,
    cells: Cells<'de, 'a>,
    is_parent: bool,
    /// Whether a struct with `#[serde(flatten)]` gets parents both as columns and as structs.
    with_groups: bool,
    /// The baits that a struct with `#[serde(flatten)]` gets.
    probe: Probe<'a>,
}

impl<'de, 'a> Row<'de, 'a> {
    fn map<V: Visitor<'de>>(
        self,
        visitor: V,
        groups: impl Fn(&str) -> bool,
        baits: &[(String, Bait)],
    ) -> Result<V::Value, RowError> {
        let first = self.cells.trial.and_then(|trial| match trial {
            Trial::ControlFirst => Some((probe::CONTROL, Entry::Bait(Bait::Text))),
            Trial::Twice(twice) => {
                let found = self.columns.entries.iter().find(|(_, index)| *index == twice);
                found.map(|(name, index)| (name.as_str(), Entry::Cell(*index)))
            }
        });
        let cells = self.columns.entries.iter().map(|(name, index)| {
            (name.as_str(), self.probe.in_place_of(name).map_or(Entry::Cell(*index), Entry::Bait))
        });
        let groups = self.columns.groups.iter().filter(|(name, _)| groups(name));
        let groups = groups.map(|(name, columns)| (name.as_str(), Entry::Group(columns)));
        let baits = baits.iter().map(|(name, bait)| (name.as_str(), Entry::Bait(*bait)));
        let entries = first.into_iter().chain(cells).chain(groups).chain(baits);
        visitor.visit_map(Entries {
            entries,
            row: self,
            is_missing_parent: self.is_missing_parent(),
            value: None,
        })
    }

    /// Gives the row to a visitor that hides the names of its fields, together with the baits.
    fn map_with_baits<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        let baits: Vec<_> = self.probe.baits(self.names()).collect();
        self.map(visitor, |_| self.with_groups, &baits)
    }

    /// Returns whether this is a parent that the row does not have: CSV has no other sign of it.
    fn is_missing_parent(&self) -> bool {
        let is_empty = |(_, index): &(String, usize)| self.cells.get(*index).text.is_empty();
        self.is_parent && self.columns.entries.iter().all(is_empty)
    }

    fn names(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        let columns = self.columns;
        let groups = columns.groups.iter().map(|(name, _)| name.as_str());
        columns.entries.iter().map(|(name, _)| name.as_str()).chain(groups)
    }
}

impl<'de> Deserializer<'de> for Row<'de, '_> {
    type Error = RowError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        if self.is_missing_parent() {
            visitor.visit_unit()
        } else if probe::is_buffer(&visitor) {
            self.map_with_baits(visitor)
        } else {
            self.map(visitor, |_| false, &[])
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        // serde reads a struct with `#[serde(flatten)]` as a map and does not say which fields it has.
        if probe::is_flattened(&visitor) {
            self.map_with_baits(visitor)
        } else {
            self.map(visitor, |_| false, &[])
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RowError> {
        for name in self.names() {
            if let Some(field) = field_in_other_case(name, fields) {
                return Err(RowError::new(other_case_text(field, name)));
            }
        }
        self.map(visitor, |name| fields.contains(&name), &[])
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        if self.is_missing_parent() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, RowError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, RowError> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        visitor.visit_unit()
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        visitor.visit_seq(Sequence { entries: self.columns.entries.iter(), cells: self.cells })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, RowError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, RowError> {
        self.deserialize_seq(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf enum identifier
    }
}

#[derive(Clone, Copy)]
enum Entry<'a> {
    Cell(usize),
    Group(&'a Columns),
    Bait(Bait),
}

struct Entries<'de, 'a, I> {
    entries: I,
    row: Row<'de, 'a>,
    is_missing_parent: bool,
    value: Option<(&'a str, Entry<'a>)>,
}

impl<'de, 'a, I: Iterator<Item = (&'a str, Entry<'a>)>> MapAccess<'de> for Entries<'de, 'a, I> {
    type Error = RowError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, RowError> {
        self.value = self.entries.next();
        let Some((name, _)) = &self.value else { return Ok(None) };
        seed.deserialize(StrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, RowError> {
        let Some((name, entry)) = self.value.take() else {
            return Err(RowError::new("a value does not fit its field"));
        };
        let value = match entry {
            Entry::Cell(index) => {
                let of_missing_parent = self.is_missing_parent;
                seed.deserialize(Cell { of_missing_parent, ..self.row.cells.get(index) })
            }
            Entry::Group(columns) => {
                let parent = seed.deserialize(Row { columns, is_parent: true, ..self.row });
                return parent.map_err(|error| error.in_parent(name));
            }
            Entry::Bait(bait) => seed.deserialize(bait.deserializer::<RowError>()),
        };
        value.map_err(|error| error.in_column(name))
    }
}

struct Sequence<'de, 'a> {
    entries: std::slice::Iter<'a, (String, usize)>,
    cells: Cells<'de, 'a>,
}

impl<'de> SeqAccess<'de> for Sequence<'de, '_> {
    type Error = RowError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, RowError> {
        let Some((name, index)) = self.entries.next() else { return Ok(None) };
        let value = seed.deserialize(self.cells.get(*index));
        value.map(Some).map_err(|error| error.in_column(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_any_length_has_few_groups() {
        let name = vec!["A"; 1_000].join(".");
        let columns = Columns::new(&StringRecord::from(vec!["Owner.Name", &name]));
        assert_eq!(columns.groups.len(), 1);
        assert_eq!(columns.groups[0].0, "Owner");
    }
}
