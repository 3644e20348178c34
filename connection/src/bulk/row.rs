//! Reads one row of CSV into a type of the program.
//!
//! CSV has texts only. A cell is read as what the program's type asks for; a type that takes any value, such as
//! `serde_json::Value` or a map of those, gets the text as it came. `#[serde(flatten)]` hides the types of its fields, so
//! that a cell is first read as text, and again as a number or boolean if its field rejects the text.

use std::{cell::RefCell, fmt};

use ::csv::StringRecord;
use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, Expected, MapAccess, SeqAccess, Unexpected, Visitor,
        value::{BorrowedStrDeserializer, StrDeserializer},
    },
    forward_to_deserialize_any,
};

use crate::{
    json_value::{self, field_in_other_case},
    number,
};

/// Why a row does not fit its type. Never repeats a value, which may be personal data.
#[derive(Debug)]
pub(crate) struct RowError {
    column: Option<String>,
    what: String,
    /// Address of the rejected text, which says which cell it was.
    address: Option<usize>,
}

impl RowError {
    fn new(what: impl Into<String>) -> Self {
        Self { column: None, what: what.into(), address: None }
    }

    fn in_column(mut self, column: &str) -> Self {
        self.column.get_or_insert_with(|| column.to_owned());
        self
    }
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "column `{column}`: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl std::error::Error for RowError {}

thread_local! {
    /// Addresses of the texts that a type rejected while the current row was read. serde drops some errors, for example
    /// those of an `Option` with `#[serde(flatten)]`, so that the returned error does not have all of them.
    static REJECTED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

impl de::Error for RowError {
    fn custom<T: fmt::Display>(_: T) -> Self {
        // The message may repeat the value.
        Self::new("a value does not fit its field")
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let address = match found {
            Unexpected::Str(text) => Some(text.as_ptr() as usize),
            _ => None,
        };
        REJECTED.with_borrow_mut(|rejected| rejected.extend(address));
        let what = match found {
            Unexpected::Unit | Unexpected::Option => format!("empty, where {expected} is expected"),
            _ => format!("found a value where {expected} is expected"),
        };
        Self { address, ..Self::new(what) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("missing field `{field}`"))
    }
}

/// The columns of a CSV body, by name. `Owner.Name` is also the column `Name` in the group `Owner`.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    entries: Vec<(String, usize)>,
    groups: Vec<(String, Self)>,
    /// Columns whose fields rejected text: they are numbers or booleans. Set for the whole body only.
    typed: Vec<bool>,
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
        Self { entries, groups, typed: Vec::new() }
    }

    /// Reads a row into one value.
    pub(crate) fn read<T: DeserializeOwned>(&mut self, row: &StringRecord) -> Result<T, RowError> {
        let mut typed = self.typed.clone();
        let mut as_text = None;
        loop {
            REJECTED.with_borrow_mut(Vec::clear);
            let result = self.read_with(row, &typed, true).or_else(|error| {
                // A map that collects the rest of the fields may take texts only.
                if self.groups.is_empty() {
                    Err(error)
                } else {
                    self.read_with(row, &typed, false).map_err(|_| error)
                }
            });
            let rejected = REJECTED.with_borrow_mut(std::mem::take);
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
        T::deserialize(Row { columns: self, cells: Cells { row, typed }, is_parent: false, with_groups })
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
}

impl<'de, 'a> Row<'de, 'a> {
    fn map<V: Visitor<'de>>(self, visitor: V, groups: impl Fn(&str) -> bool) -> Result<V::Value, RowError> {
        let cells = self.columns.entries.iter().map(|(name, index)| (name.as_str(), Entry::Cell(*index)));
        let groups = self.columns.groups.iter().filter(|(name, _)| groups(name));
        let groups = groups.map(|(name, columns)| (name.as_str(), Entry::Group(columns)));
        visitor.visit_map(Entries { entries: cells.chain(groups), row: self, value: None })
    }
}

impl<'de> Deserializer<'de> for Row<'de, '_> {
    type Error = RowError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        self.map(visitor, |_| false)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        // serde reads a struct with `#[serde(flatten)]` as a map and does not say which fields it has.
        let is_struct = (&visitor as &dyn Expected).to_string().starts_with("struct ");
        self.map(visitor, |_| is_struct && self.with_groups)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RowError> {
        let groups = self.columns.groups.iter().map(|(name, _)| name);
        for name in self.columns.entries.iter().map(|(name, _)| name).chain(groups) {
            if let Some(field) = field_in_other_case(name, fields) {
                return Err(RowError::new(json_value::other_case_text(field, name)));
            }
        }
        self.map(visitor, |name| fields.contains(&name))
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
            Some(integer) => visit_integer(integer, visitor),
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

/// Gives an integer to a visitor in the type that all visitors of integers take.
fn visit_integer<'de, V: Visitor<'de>>(integer: i128, visitor: V) -> Result<V::Value, RowError> {
    if let Ok(integer) = u64::try_from(integer) {
        visitor.visit_u64(integer)
    } else if let Ok(integer) = i64::try_from(integer) {
        visitor.visit_i64(integer)
    } else {
        visitor.visit_i128(integer)
    }
}

macro_rules! read_as {
    ($read:ident: $($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
            self.$read(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Cell<'de> {
    type Error = RowError;

    read_as! { integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 }
    read_as! { integer: deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 }
    read_as! { float: deserialize_f32 deserialize_f64 }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        match self.text {
            "" => visitor.visit_unit(),
            "true" if self.typed => visitor.visit_bool(true),
            "false" if self.typed => visitor.visit_bool(false),
            text if self.typed && number::integer(text).is_some() => self.integer(visitor),
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
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, RowError> {
        visitor.visit_newtype_struct(self)
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

    read_as! { deserialize_str: deserialize_char deserialize_string deserialize_identifier }
    read_as! { deserialize_bytes: deserialize_byte_buf }

    forward_to_deserialize_any! { unit unit_struct seq tuple tuple_struct map struct }
}
