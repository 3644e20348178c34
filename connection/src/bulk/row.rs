//! Reads one row of CSV into a type of the program.
//!
//! CSV has texts only. A cell is read as what the program's type asks for; a type that takes any value, such as
//! `serde_json::Value` or a map of those, gets the text as it came. `#[serde(flatten)]` hides the types of its fields, so
//! that a cell is first read as text, and again as a number or boolean if its field rejects the text.

use ::csv::StringRecord;
use serde::{
    Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, Expected, MapAccess, SeqAccess, Visitor,
        value::{BorrowedStrDeserializer, MapDeserializer, StrDeserializer},
    },
    forward_to_deserialize_any,
};

use crate::{
    bulk::row_error::{RowError, take_rejected},
    json::{
        names::{field_in_other_case, other_case_text},
        probe::{self, Bait, Probe},
    },
    number,
};

/// The columns of a CSV body, by name. `Owner.Name` is also the column `Name` in the group `Owner`.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    entries: Vec<(String, usize)>,
    groups: Vec<(String, Self)>,
    /// Columns whose fields rejected text: they are numbers or booleans. Set for the whole body only.
    typed: Vec<bool>,
    /// Whether the names of the columns were compared with those of the fields. Set for the whole body only.
    is_checked: bool,
}

impl Columns {
    pub(crate) fn new(header: &StringRecord) -> Self {
        let names = header.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned());
        let mut columns = Self::group(names.zip(0..).collect());
        columns.typed = vec![false; header.len()];
        columns
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn group(entries: Vec<(String, usize)>) -> Self {
        let mut members: Vec<(String, Vec<(String, usize)>)> = Vec::new();
        for (name, index) in &entries {
            let Some((group, rest)) = name.split_once('.') else { continue };
            let member = (rest.to_owned(), *index);
            match members.iter_mut().find(|(name, _)| name == group) {
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
            let result = self.read_with(row, &typed, true).or_else(|error| {
                // A map that collects the rest of the fields may take texts only.
                if self.groups.is_empty() {
                    Err(error)
                } else {
                    self.read_with(row, &typed, false).map_err(|_| error)
                }
            });
            let rejected = take_rejected();
            let mut again = false;
            for ((cell, typed), _) in row.iter().zip(&mut typed).zip(&self.entries) {
                let is_rejected = !*typed && rejected.contains(&(cell.as_ptr() as usize));
                if is_rejected && !cell.is_empty() && (is_bool(cell) || number::is_number(cell)) {
                    *typed = true;
                    again = true;
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

    fn read_with<T: DeserializeOwned>(
        &self,
        row: &StringRecord,
        typed: &[bool],
        with_groups: bool,
    ) -> Result<T, RowError> {
        let (cells, probe) = (Cells { row, typed }, Probe::Off);
        T::deserialize(Row { columns: self, cells, is_parent: false, with_groups, probe })
    }

    /// Fails if a struct with `#[serde(flatten)]` has a column under its name in another case.
    fn check_names<T: DeserializeOwned>(&self, row: &StringRecord) -> Result<(), RowError> {
        let mut names = Vec::new();
        self.add_names(&mut names);
        let found = probe::field_in_other_case(&names, |probe| {
            let cells = Cells { row, typed: &[] };
            let _ = T::deserialize(Row { columns: self, cells, is_parent: false, with_groups: true, probe });
        });
        found.map_or(Ok(()), |(field, name)| Err(RowError::new(other_case_text(&field, &name))))
    }

    fn add_names(&self, names: &mut Vec<String>) {
        names.extend(self.entries.iter().map(|(name, _)| name.clone()));
        for (name, columns) in &self.groups {
            names.push(name.clone());
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

fn is_bool(cell: &str) -> bool {
    matches!(cell, "true" | "false")
}

#[derive(Clone, Copy)]
struct Cells<'de, 'a> {
    row: &'de StringRecord,
    typed: &'a [bool],
}

impl<'de> Cells<'de, '_> {
    fn get(&self, index: usize) -> Cell<'de> {
        Cell {
            text: self.row.get(index).unwrap_or_default(),
            typed: self.typed.get(index).copied().unwrap_or_default(),
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
        baits: &[String],
    ) -> Result<V::Value, RowError> {
        let cells = self.columns.entries.iter().map(|(name, index)| {
            (name.as_str(), if self.probe.replaces(name) { Entry::Bait } else { Entry::Cell(*index) })
        });
        let groups = self.columns.groups.iter().filter(|(name, _)| groups(name));
        let groups = groups.map(|(name, columns)| (name.as_str(), Entry::Group(columns)));
        let baits = baits.iter().map(|name| (name.as_str(), Entry::Bait));
        visitor.visit_map(Entries { entries: cells.chain(groups).chain(baits), row: self, value: None })
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
        self.map(visitor, |_| false, &[])
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        // serde reads a struct with `#[serde(flatten)]` as a map and does not say which fields it has.
        let is_flattened = probe::is_flattened(&visitor);
        let baits = if is_flattened { self.probe.names(self.names()) } else { Vec::new() };
        self.map(visitor, |_| is_flattened && self.with_groups, &baits)
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
        let is_empty = |(_, index): &(String, usize)| self.cells.get(*index).text.is_empty();
        // CSV has no other sign of a missing parent.
        if self.is_parent && self.columns.entries.iter().all(is_empty) {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
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

enum Entry<'a> {
    Cell(usize),
    Group(&'a Columns),
    Bait,
}

struct Entries<'de, 'a, I> {
    entries: I,
    row: Row<'de, 'a>,
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
            Entry::Cell(index) => seed.deserialize(self.row.cells.get(index)),
            Entry::Group(columns) => seed.deserialize(Row { columns, is_parent: true, ..self.row }),
            Entry::Bait => seed.deserialize(Bait::<RowError>::new()),
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

/// One cell. An empty one is null: CSV does not tell null from an empty text, and Salesforce stores no empty text.
#[derive(Clone, Copy)]
struct Cell<'de> {
    text: &'de str,
    /// Whether its field rejected text.
    typed: bool,
}

impl<'de> Cell<'de> {
    fn integer<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        match number::integer(self.text) {
            Some(integer) => number::visit_integer(integer, visitor),
            None => self.mismatch(&visitor),
        }
    }

    fn float<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        match self.text.parse::<f64>() {
            Ok(float) if float.is_finite() && number::is_number(self.text) => visitor.visit_f64(float),
            _ => self.mismatch(&visitor),
        }
    }

    fn mismatch<T>(self, expected: &dyn Expected) -> Result<T, RowError> {
        let what = if self.text.is_empty() { "empty, where" } else { "found a value where" };
        Err(RowError::new(format!("{what} {expected} is expected")))
    }
}

impl<'de> Deserializer<'de> for Cell<'de> {
    type Error = RowError;

    number::read_as! { numbers }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        match self.text {
            "" => visitor.visit_unit(),
            "true" if self.typed => visitor.visit_bool(true),
            "false" if self.typed => visitor.visit_bool(false),
            // serde has no place for larger integers below `#[serde(flatten)]`.
            text if self.typed
                && number::integer(text).is_some_and(|integer| integer.unsigned_abs() >> 63 == 0) =>
            {
                self.integer(visitor)
            }
            text if self.typed && number::is_number(text) => self.float(visitor),
            text => visitor.visit_borrowed_str(text),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        if is_bool(self.text) { visitor.visit_bool(self.text == "true") } else { self.mismatch(&visitor) }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        visitor.visit_borrowed_str(self.text)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        visitor.visit_borrowed_bytes(self.text.as_bytes())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        if self.text.is_empty() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, RowError> {
        // `RawValue` reads JSON as a member of this name: here the text that came, or null.
        if name.starts_with("$serde_json") {
            let json = if self.text.is_empty() {
                serde_json::Value::Null
            } else {
                serde_json::Value::from(self.text)
            };
            visitor.visit_map(MapDeserializer::new([(name, json.to_string())].into_iter()))
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RowError> {
        visitor.visit_enum(BorrowedStrDeserializer::new(self.text))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        visitor.visit_unit()
    }

    number::read_as! { deserialize_str: deserialize_char deserialize_string deserialize_identifier }
    number::read_as! { deserialize_bytes: deserialize_byte_buf }

    forward_to_deserialize_any! { unit unit_struct seq tuple tuple_struct map struct }
}
