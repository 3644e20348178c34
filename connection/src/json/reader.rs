//! Reads a tree of JSON into a type.

use std::cell::{Cell, RefCell};

use serde::{
    Deserializer,
    de::{
        Error as _, IntoDeserializer, Unexpected, Visitor,
        value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer, StrDeserializer},
    },
    forward_to_deserialize_any,
};

use crate::{
    json::{
        error::ReadError,
        exact::Places,
        names::field_in_other_case,
        probe::{self, Bait, Probe, Trial},
        tree::{Json, Number},
    },
    number,
};

/// How a tree is read, and what was found out about the type.
#[derive(Debug)]
pub(super) struct Context<'a> {
    places: &'a Places,
    /// The places of the numbers that were replaced so far: each gets a float that no other one has. `None` if numbers are
    /// not replaced.
    replaced: Option<RefCell<Vec<usize>>>,
    probe: Probe<'a>,
    trial: Option<Trial>,
    /// The latest field that the tree has in another case: its name in the type and in the tree.
    pub(super) other_case: RefCell<Option<(String, String)>>,
    /// Whether a struct with `#[serde(flatten)]` was read.
    pub(super) is_flattened: Cell<bool>,
    /// Whether an object was stored to be read later, so that the names of the fields are unknown.
    pub(super) hides_names: Cell<bool>,
}

impl<'a> Context<'a> {
    pub(super) fn new(places: &'a Places) -> Self {
        Self {
            places,
            replaced: None,
            probe: Probe::default(),
            trial: None,
            other_case: RefCell::default(),
            is_flattened: Cell::default(),
            hides_names: Cell::default(),
        }
    }

    /// Offers baits to structs with `#[serde(flatten)]`.
    pub(super) fn with(self, probe: Probe<'a>) -> Self {
        Self { probe, ..self }
    }

    /// Replaces floats whose type is unknown, so that a rejected one can be recognized.
    pub(super) fn probing(places: &'a Places) -> Self {
        Self { replaced: Some(RefCell::default()), ..Self::new(places) }
    }

    pub(super) fn on_trial(self, trial: Trial) -> Self {
        Self { trial: Some(trial), ..self }
    }

    /// Returns the place of the number that `float` stands for.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "other floats have no place")]
    pub(super) fn place_of(&self, float: f64) -> Option<usize> {
        let index = float - 0.5;
        let replaced = self.replaced.as_ref()?.borrow();
        if index >= 0.0 && index.fract() == 0.0 { replaced.get(index as usize).copied() } else { None }
    }

    #[allow(clippy::cast_precision_loss, reason = "a response has far fewer than 2^53 numbers")]
    fn replacement(&self, place: usize) -> Option<f64> {
        let mut replaced = self.replaced.as_ref()?.borrow_mut();
        replaced.push(place);
        Some((replaced.len() - 1) as f64 + 0.5)
    }
}

#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    json: &'a Json,
    context: &'a Context<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(json: &'a Json, context: &'a Context<'a>) -> Self {
        Self { json, context }
    }

    /// Gives a number to a visitor whose type is unknown.
    fn number<'de, V: Visitor<'de>>(self, number: &Number, visitor: V) -> Result<V::Value, ReadError> {
        let places = self.context.places;
        if places.digits.contains(&number.place) {
            return visitor.visit_str(&number.text);
        }
        let is_written_as_integer =
            number.text != "-0" && number.text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
        if (is_written_as_integer || places.integers.contains(&number.place))
            && let Some(integer) = number::integer(&number.text)
        {
            if let Ok(integer) = u64::try_from(integer) {
                return visitor.visit_u64(integer);
            }
            if let Ok(integer) = i64::try_from(integer) {
                return visitor.visit_i64(integer);
            }
        }
        match self.context.replacement(number.place) {
            Some(float) => visitor.visit_f64(float),
            None => float(number, visitor),
        }
    }

    fn integer<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.json {
            Json::Number(number) => match number::integer(&number.text) {
                Some(integer) => number::visit_integer(integer, visitor),
                None => Err(ReadError::invalid_type(Unexpected::Other("a fraction"), &visitor)),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn float<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.json {
            Json::Number(number) => float(number, visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    /// Gives an object to a visitor.
    fn object<'de, V: Visitor<'de>>(
        self,
        members: &'a [(String, Json)],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let control = matches!(self.context.trial, Some(Trial::ControlFirst));
        let control = control.then(|| (probe::CONTROL.to_owned(), Member::Fraction));
        let readers = members.iter().flat_map(|(name, json)| {
            let times = 1 + usize::from(self.is_twice(json));
            std::iter::repeat_n((name.clone(), Member::Json(Self { json, ..self })), times)
        });
        visitor.visit_map(MapDeserializer::new(control.into_iter().chain(readers)))
    }

    fn is_twice(self, json: &Json) -> bool {
        match (self.context.trial, json) {
            (Some(Trial::Twice(place)), Json::Number(number)) => number.place == place,
            _ => false,
        }
    }

    /// Gives an object to a visitor that hides the names of its fields, together with the baits.
    fn object_with_baits<'de, V: Visitor<'de>>(
        self,
        members: &'a [(String, Json)],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.context.hides_names.set(true);
        if self.context.trial.is_some() {
            return self.object(members, visitor);
        }
        let probe = self.context.probe;
        let baits = probe.baits(members.iter().map(|(name, _)| name.as_str()));
        let baits = baits.map(|(name, bait)| (name, Member::Bait(bait)));
        let members = members.iter().map(|(name, json)| {
            let member = probe.in_place_of(name).map_or(Member::Json(Self { json, ..self }), Member::Bait);
            (name.clone(), member)
        });
        visitor.visit_map(MapDeserializer::new(members.chain(baits)))
    }
}

fn float<'de, V: Visitor<'de>>(number: &Number, visitor: V) -> Result<V::Value, ReadError> {
    match number.text.parse() {
        Ok(float) => visitor.visit_f64(float),
        Err(_) => Err(ReadError),
    }
}

/// Not a number that stands for a place.
const FRACTION: f64 = 0.25;

/// The value of a member.
#[derive(Clone, Copy)]
enum Member<'a> {
    Json(Reader<'a>),
    Bait(Bait),
    Fraction,
}

impl IntoDeserializer<'_, ReadError> for Reader<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl IntoDeserializer<'_, ReadError> for Member<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! member {
    ($($method:ident($($name:ident: $kind:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $kind,)* visitor: V) -> Result<V::Value, ReadError> {
            match self {
                Self::Json(reader) => reader.$method($($name,)* visitor),
                Self::Bait(bait) => bait.deserializer::<ReadError>().$method($($name,)* visitor),
                Self::Fraction => visitor.visit_f64(FRACTION),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Member<'_> {
    type Error = ReadError;

    member! {
        deserialize_any() deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
        deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_char() deserialize_str() deserialize_string()
        deserialize_bytes() deserialize_byte_buf() deserialize_option() deserialize_unit() deserialize_seq()
        deserialize_map() deserialize_identifier() deserialize_ignored_any()
        deserialize_unit_struct(name: &'static str) deserialize_newtype_struct(name: &'static str)
        deserialize_tuple(length: usize) deserialize_tuple_struct(name: &'static str, length: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = ReadError;

    number::read_as! { numbers }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.json {
            Json::Null => visitor.visit_unit(),
            Json::Bool(value) => visitor.visit_bool(*value),
            Json::Number(number) => self.number(number, visitor),
            Json::Text(text) => visitor.visit_str(text),
            Json::Array(elements) => {
                let readers = elements.iter().map(|json| Self { json, ..self });
                visitor.visit_seq(SeqDeserializer::new(readers))
            }
            Json::Object(members) if probe::is_buffer(&visitor) => self.object_with_baits(members, visitor),
            Json::Object(members) => self.object(members, visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.json {
            Json::Object(members) if probe::is_flattened(&visitor) => {
                self.context.is_flattened.set(true);
                self.object_with_baits(members, visitor)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        if let Json::Object(members) = self.json {
            for (name, _) in members {
                // A program may give both names to fields of a GraphQL response.
                let is_missing = |field: &&str| members.iter().all(|(other, _)| other != field);
                if let Some(field) = field_in_other_case(name, fields).filter(is_missing) {
                    *self.context.other_case.borrow_mut() = Some((field.to_owned(), name.clone()));
                }
            }
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if matches!(self.json, Json::Null) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        // `RawValue` reads JSON as a member of this name.
        if name.starts_with("$serde_json") {
            visitor.visit_map(MapDeserializer::new([(name, self.json.to_string())].into_iter()))
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self.json {
            Json::Text(text) => visitor.visit_enum(StrDeserializer::new(text)),
            Json::Object(members) => {
                let readers = members.iter().map(|(name, json)| (name.clone(), Self { json, ..self }));
                visitor.visit_enum(MapAccessDeserializer::new(MapDeserializer::new(readers)))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool char str string bytes byte_buf unit unit_struct seq tuple tuple_struct identifier
    }
}
