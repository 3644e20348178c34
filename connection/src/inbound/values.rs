//! Reads texts of XML into a struct: numbers and truth values as XML Schema writes them (SOAP API Developer Guide
//! "Primitive Data Types").

use std::{fmt, slice};

use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, Expected, IntoDeserializer, MapAccess, Unexpected, Visitor,
        value::{MapAccessDeserializer, StrDeserializer},
    },
    forward_to_deserialize_any,
};

use super::outbound_message::InvalidValues;
use crate::number;

/// Reads the fields of a record.
pub(super) fn read<T: DeserializeOwned>(fields: &[(String, Option<String>)]) -> Result<T, InvalidValues> {
    T::deserialize(MapAccessDeserializer::new(Fields { rest: fields.iter(), value: Text(None), name: "" }))
}

/// The fields of a record that are still to be read.
struct Fields<'a> {
    rest: slice::Iter<'a, (String, Option<String>)>,
    name: &'a str,
    value: Text<'a>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = InvalidValues;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, InvalidValues> {
        let Some((name, text)) = self.rest.next() else { return Ok(None) };
        (self.name, self.value) = (name, Text(text.as_deref()));
        let name: StrDeserializer<'_, InvalidValues> = name.as_str().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, InvalidValues> {
        let value = seed.deserialize(self.value);
        value.map_err(|InvalidValues(reason)| InvalidValues(format!("`{}`: {reason}", self.name)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

impl InvalidValues {
    fn expected(expected: &dyn Expected) -> Self {
        Self(format!("expected {expected}"))
    }
}

/// Keeps what the type says, and drops what may repeat a value: the message of a parser, a text that is no variant.
impl de::Error for InvalidValues {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self("the type rejects the value".to_owned())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::expected(expected)
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::expected(expected)
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::expected(expected)
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self("an unknown variant".to_owned())
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self("a field that the type does not have".to_owned())
    }

    fn missing_field(field: &'static str) -> Self {
        Self(format!("the field `{field}` is missing"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self(format!("the field `{field}` stands twice"))
    }
}

/// The text of a field; `None` is null.
#[derive(Clone, Copy)]
struct Text<'a>(Option<&'a str>);

impl Text<'_> {
    fn integer<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidValues> {
        match self.0.and_then(|text| number::integer(text.trim())) {
            Some(integer) => number::visit_integer(integer, visitor),
            None => Err(InvalidValues::expected(&visitor)),
        }
    }

    fn float<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidValues> {
        let text = self.0.map(str::trim).filter(|text| number::is_number(text));
        match text.and_then(|text| text.parse::<f64>().ok()).filter(|float| float.is_finite()) {
            Some(float) => visitor.visit_f64(float),
            None => Err(InvalidValues::expected(&visitor)),
        }
    }
}

impl<'de> Deserializer<'de> for Text<'_> {
    type Error = InvalidValues;

    number::read_as! { numbers }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidValues> {
        match self.0 {
            Some(text) => visitor.visit_str(text),
            None => visitor.visit_unit(),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidValues> {
        match self.0 {
            Some(_) => visitor.visit_some(self),
            None => visitor.visit_none(),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidValues> {
        match self.0.map(str::trim) {
            Some("true" | "1") => visitor.visit_bool(true),
            Some("false" | "0") => visitor.visit_bool(false),
            _ => Err(InvalidValues::expected(&visitor)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, InvalidValues> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, InvalidValues> {
        visitor.visit_enum(self.0.unwrap_or_default().into_deserializer())
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(rename_all = "PascalCase")]
    struct Account {
        name: String,
        phone: Option<String>,
        #[serde(rename = "IsActive__c")]
        is_active: bool,
        annual_revenue: Option<f64>,
        number_of_employees: Option<i64>,
        rating: Option<Rating>,
        #[serde(default, deserialize_with = "url")]
        website: Option<String>,
    }

    /// A type whose parser repeats the text in its message.
    fn url<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_url = text.starts_with("https:");
        if is_url { Ok(Some(text)) } else { Err(serde::de::Error::custom(format!("invalid URL {text}"))) }
    }

    #[derive(Deserialize, Debug, PartialEq)]
    enum Rating {
        Hot,
        Cold,
    }

    fn fields(fields: &[(&str, Option<&str>)]) -> Vec<(String, Option<String>)> {
        fields.iter().map(|(name, text)| ((*name).to_owned(), text.map(str::to_owned))).collect()
    }

    #[test]
    fn texts_are_read_as_the_types_of_a_struct() {
        let read: Account = read(&fields(&[
            ("Id", Some("001x000003DgQwVAAV")),
            ("Name", Some("A & B")),
            ("IsActive__c", Some("true")),
            ("AnnualRevenue", Some("1.25E7")),
            ("NumberOfEmployees", Some("12.0")),
            ("Rating", Some("Hot")),
            ("Phone", None),
        ]))
        .unwrap();
        let expected = Account {
            name: "A & B".into(),
            phone: None,
            is_active: true,
            annual_revenue: Some(1.25e7),
            number_of_employees: Some(12),
            rating: Some(Rating::Hot),
            website: None,
        };
        assert_eq!(read, expected);
        let loose: serde_json::Value = super::read(&fields(&[("Name", Some("1")), ("Phone", None)])).unwrap();
        assert_eq!(loose, serde_json::json!({ "Name": "1", "Phone": null }));
    }

    #[test]
    fn values_that_do_not_fit_are_named_and_not_repeated() {
        for (name, text) in [
            ("NumberOfEmployees", "canary"),
            ("NumberOfEmployees", "7.5"),
            ("IsActive__c", "canary"),
            ("Rating", "canary"),
            ("AnnualRevenue", "canary"),
            ("AnnualRevenue", "1E999"),
            ("AnnualRevenue", "NaN"),
            ("Website", "canary"),
        ] {
            let mut all = vec![("Name", Some("canary")), ("IsActive__c", Some("1"))];
            all.retain(|(other, _)| *other != name);
            all.push((name, Some(text)));
            let error = read::<Account>(&fields(&all)).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("canary") && shown.contains(&format!("`{name}`: ")), "{shown}");
        }
        let error = read::<Account>(&fields(&[("Name", Some("canary"))])).unwrap_err();
        assert!(error.to_string().contains("the field `IsActive__c` is missing"), "{error}");
    }
}
