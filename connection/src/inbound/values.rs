//! Reads texts of XML into a struct: numbers and truth values as XML Schema writes them (SOAP API Developer Guide
//! "Primitive Data Types").

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeOwned, Error as _, IntoDeserializer, Visitor, value::MapDeserializer},
    forward_to_deserialize_any,
};

use super::outbound_message::InvalidValues;

/// Reads the fields of a record.
pub(super) fn read<T: DeserializeOwned>(fields: &[(String, Option<String>)]) -> Result<T, InvalidValues> {
    let entries = fields.iter().map(|(name, text)| (name.as_str(), Text { name, text: text.as_deref() }));
    T::deserialize(MapDeserializer::new(entries))
}

/// The text of a field; `None` is null.
#[derive(Clone, Copy)]
struct Text<'a> {
    name: &'a str,
    text: Option<&'a str>,
}

impl serde::de::Error for InvalidValues {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    fn invalid_type(_: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self(format!("expected {expected}"))
    }

    fn invalid_value(_: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self(format!("expected {expected}"))
    }

    /// Without the value.
    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self("an unknown variant".to_owned())
    }
}

impl Text<'_> {
    fn parse<T: std::str::FromStr>(self) -> Result<T, InvalidValues> {
        let parsed = self.text.and_then(|text| text.trim().parse().ok());
        parsed.ok_or_else(|| InvalidValues::custom(format_args!("`{}` is not a number", self.name)))
    }
}

impl<'de> IntoDeserializer<'de, InvalidValues> for Text<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidValues> {
            visitor.$visit(self.parse()?)
        })*
    };
}

impl<'de> Deserializer<'de> for Text<'_> {
    type Error = InvalidValues;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidValues> {
        match self.text {
            Some(text) => visitor.visit_str(text),
            None => visitor.visit_unit(),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidValues> {
        match self.text {
            Some(_) => visitor.visit_some(self),
            None => visitor.visit_none(),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidValues> {
        match self.text.map(str::trim) {
            Some("true" | "1") => visitor.visit_bool(true),
            Some("false" | "0") => visitor.visit_bool(false),
            _ => Err(InvalidValues::custom(format_args!("`{}` is neither true nor false", self.name))),
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
        visitor.visit_enum(self.text.unwrap_or_default().into_deserializer())
    }

    numbers! {
        deserialize_i8 visit_i8 deserialize_i16 visit_i16 deserialize_i32 visit_i32 deserialize_i64 visit_i64
        deserialize_u8 visit_u8 deserialize_u16 visit_u16 deserialize_u32 visit_u32 deserialize_u64 visit_u64
        deserialize_f32 visit_f32 deserialize_f64 visit_f64
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
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
            ("NumberOfEmployees", Some("12")),
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
        };
        assert_eq!(read, expected);
        let loose: serde_json::Value = super::read(&fields(&[("Name", Some("1")), ("Phone", None)])).unwrap();
        assert_eq!(loose, serde_json::json!({ "Name": "1", "Phone": null }));
    }

    #[test]
    fn values_that_do_not_fit_are_named_and_not_repeated() {
        for (name, text) in [
            ("NumberOfEmployees", "canary"),
            ("IsActive__c", "canary"),
            ("Rating", "canary"),
            ("AnnualRevenue", "canary"),
        ] {
            let all = [("Name", Some("canary")), ("IsActive__c", Some("1")), (name, Some(text))];
            let error = read::<Account>(&fields(&all)).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
    }
}
