//! [`Variables`]: the values of a GraphQL operation's variables, checked against their types.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::{
    Json,
    document::{Operation, Type},
    invalid::InvalidGraphQl,
};
use crate::request::decode;

/// Values by name. As JSON text, so that a number keeps all its digits.
#[derive(Debug, Default)]
pub(super) struct Variables(BTreeMap<String, Json>);

impl Serialize for Variables {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Variables {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn set<T: Serialize>(&mut self, name: String, value: &T) -> Result<(), InvalidGraphQl> {
        let json = decode::body(value).ok().and_then(|body| serde_json::from_slice(&body).ok());
        let Some(json) = json else { return Err(InvalidGraphQl::VariableValue { name }) };
        self.0.insert(name, json);
        Ok(())
    }

    pub(super) fn set_all<T: Serialize + ?Sized>(&mut self, values: &T) -> Result<(), InvalidGraphQl> {
        let body = decode::body(values).map_err(|_| InvalidGraphQl::Variables)?;
        let values: BTreeMap<String, Json> =
            serde_json::from_slice(&body).map_err(|_| InvalidGraphQl::Variables)?;
        self.0.extend(values);
        Ok(())
    }

    /// Checks names, required values, and the types that GraphQL itself defines.
    pub(super) fn check(&self, operation: &Operation) -> Result<(), InvalidGraphQl> {
        if let Some(name) =
            self.0.keys().find(|name| !operation.variables.iter().any(|declared| declared.name == **name))
        {
            return Err(InvalidGraphQl::UnknownVariable { name: name.clone() });
        }
        for declared in &operation.variables {
            let (name, kind) = (declared.name.clone(), declared.kind.to_string());
            let value = self.0.get(&declared.name).map(|value| value.get());
            match (&declared.kind, value) {
                (Type::NonNull(_), Some("null")) => {
                    return Err(InvalidGraphQl::MissingVariable { name, declared: kind });
                }
                (Type::NonNull(_), None) if !declared.has_default => {
                    return Err(InvalidGraphQl::MissingVariable { name, declared: kind });
                }
                (_, None) => {}
                (declared, Some(value)) => {
                    if let Err(found) = check(declared, value) {
                        return Err(InvalidGraphQl::VariableType { name, declared: kind, found });
                    }
                }
            }
        }
        Ok(())
    }
}

/// Checks a value; the error is the type that was found.
///
/// Source: GraphQL Specification (October 2021), sections 3.5 "Scalars", 3.11 "List" and 3.12 "Non-Null", Input Coercion.
fn check(kind: &Type, json: &str) -> Result<(), &'static str> {
    let found = match json.as_bytes().first() {
        Some(b'"') => "a text",
        Some(b't' | b'f') => "a boolean",
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        Some(b'n') => "null",
        _ if json.contains(['.', 'e', 'E']) => "a number with a fraction or an exponent",
        _ => "an integer",
    };
    let is_valid = match kind {
        Type::NonNull(of) if found != "null" => return check(of, json),
        Type::NonNull(_) => false,
        _ if found == "null" => true,
        Type::List(of) if found == "a list" => {
            let elements: Vec<&RawValue> = serde_json::from_str(json).unwrap_or_default();
            return elements.into_iter().try_for_each(|element| check(of, element.get()));
        }
        // One value is a list of it.
        Type::List(of) => return check(of, json),
        Type::Named(name) => match name.as_str() {
            "Int" if found == "an integer" && json.parse::<i32>().is_err() => {
                return Err("an integer of more than 32 bits");
            }
            "Int" => found == "an integer",
            "Float" => matches!(found, "an integer" | "a number with a fraction or an exponent"),
            "String" => found == "a text",
            "Boolean" => found == "a boolean",
            "ID" => matches!(found, "a text" | "an integer"),
            _ => true,
        },
    };
    if is_valid { Ok(()) } else { Err(found) }
}
