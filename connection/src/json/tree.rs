//! JSON as a tree whose numbers have all their digits.

use std::{collections::HashMap, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};

/// The name under which `serde_json` hands numbers over if a program enables its feature `arbitrary_precision`.
const NUMBER: &str = "$serde_json::private::Number";

/// A value in JSON. The members of an object are in their order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// A number as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Number {
    pub(crate) text: String,
    /// Names the members that lead to the number. It is the same one in all rows of a list.
    pub(crate) place: usize,
}

impl Json {
    /// Reads a text; `None` if it is not JSON, or nested deeper than 128 levels.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parser = Parser { numbers: Numbers(text), places: vec![HashMap::new()] };
        let mut json = serde_json::Deserializer::from_str(text);
        let tree = Node { parser: &mut parser, place: 0 }.deserialize(&mut json).ok()?;
        json.end().ok()?;
        Some(tree)
    }

    /// Returns the member of an object.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(member, _)| member == name).map(|(_, value)| value)
    }

    /// Returns the value at the end of a path, whose steps are the positions of elements and members.
    pub(crate) fn at_mut(&mut self, path: &[usize]) -> Option<&mut Self> {
        path.iter().try_fold(self, |json, step| match json {
            Self::Array(elements) => elements.get_mut(*step),
            Self::Object(members) => members.get_mut(*step).map(|(_, value)| value),
            _ => None,
        })
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// Writes the value as JSON, each number as it was read.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| serde_json::to_string(text).map_err(|_| fmt::Error);
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => f.write_str(&number.text),
            Self::Text(text) => f.write_str(&quoted(text)?),
            Self::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    write!(f, "{}{element}", if index == 0 { "[" } else { "," })?;
                }
                f.write_str(if elements.is_empty() { "[]" } else { "]" })
            }
            Self::Object(members) => {
                for (index, (name, value)) in members.iter().enumerate() {
                    write!(f, "{}{}:{value}", if index == 0 { "{" } else { "," }, quoted(name)?)?;
                }
                f.write_str(if members.is_empty() { "{}" } else { "}" })
            }
        }
    }
}

struct Parser<'a> {
    numbers: Numbers<'a>,
    /// For each place the places below it, by name. The first one is the document.
    places: Vec<HashMap<String, usize>>,
}

impl Parser<'_> {
    fn below(&mut self, place: usize, name: &str) -> usize {
        let next = self.places.len();
        match self.places.get_mut(place) {
            Some(below) => match below.get(name) {
                Some(known) => return *known,
                None => drop(below.insert(name.to_owned(), next)),
            },
            None => return place,
        }
        self.places.push(HashMap::new());
        next
    }
}

/// The texts of all numbers in JSON, in their order.
struct Numbers<'a>(&'a str);

impl<'a> Iterator for Numbers<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let bytes = self.0.as_bytes();
        let mut index = 0;
        loop {
            match bytes.get(index)? {
                b'"' => index = end_of_text(bytes, index),
                b'-' | b'0'..=b'9' => break,
                _ => index += 1,
            }
        }
        let number = &self.0[index..];
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let length = number.bytes().take_while(is_part).count();
        let (number, rest) = number.split_at(length);
        self.0 = rest;
        Some(number)
    }
}

/// Returns the index after the text in quotes that begins at `start`.
fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let mut index = start + 1;
    loop {
        match bytes.get(index) {
            Some(b'\\') => index += 2,
            Some(b'"') | None => return index + 1,
            Some(_) => index += 1,
        }
    }
}

/// Reads one value.
struct Node<'p, 'a> {
    parser: &'p mut Parser<'a>,
    place: usize,
}

impl Node<'_, '_> {
    fn number(self) -> Json {
        let text = self.parser.numbers.next().unwrap_or_default().to_owned();
        Json::Number(Number { text, place: self.place })
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(self.number())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(self.number())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(self.number())
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Json, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = array.next_element_seed(Node { parser: &mut *self.parser, ..self })? {
            elements.push(element);
        }
        Ok(Json::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = object.next_key::<String>()? {
            if name == NUMBER {
                object.next_value::<String>()?;
                return Ok(self.number());
            }
            let place = self.parser.below(self.place, &name);
            let value = object.next_value_seed(Node { parser: &mut *self.parser, place })?;
            members.push((name, value));
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_written_as_it_was_read() {
        for text in [
            r#"{"a":[1.10,-0,1E300,{"b":"1 \"2\" \\3","c":0.1}],"d":null,"e":true,"f":{},"g":[]}"#,
            "123456789012345678901234567890.123456789",
            r#""-5""#,
        ] {
            assert_eq!(Json::parse(text).map(|tree| tree.to_string()).as_deref(), Some(text), "{text}");
        }
        for text in ["", "{", "[1] 2", &"[".repeat(200)] {
            assert_eq!(Json::parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_of_all_rows_have_one_place() {
        let Some(Json::Array(rows)) = Json::parse(r#"[{"a":1,"b":{"a":2}},{"b":{"a":3},"a":4}]"#) else {
            panic!()
        };
        let place = |json: Option<&Json>| match json {
            Some(Json::Number(number)) => number.place,
            other => panic!("{other:?}"),
        };
        assert_eq!(place(rows[0].get("a")), place(rows[1].get("a")));
        let inner = |row: &Json| place(row.get("b").unwrap().get("a"));
        assert_eq!(inner(&rows[0]), inner(&rows[1]));
        assert_ne!(inner(&rows[0]), place(rows[0].get("a")));
    }
}
