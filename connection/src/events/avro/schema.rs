//! [`Schema`]: a parsed Avro schema. Its types lie in one list and refer to each other by number.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::moment::Moment;

/// Longest schema in bytes. One of an object with 900 fields has about 200 KB.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Why a schema cannot be read. Does not repeat it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSchema {
    /// Longer than 4 MB.
    #[error("the schema is longer than 4 MB")]
    TooLong,
    /// Not JSON, or nested too deeply.
    #[error("the schema is not JSON")]
    Json,
    /// A part that Avro does not have.
    #[error("the schema has an invalid {0}")]
    Invalid(&'static str),
    /// A name that is used before it is declared, or declared twice.
    #[error("the schema names an unknown type, or declares one twice")]
    Name,
}

/// The number of a type within its [`Schema`].
pub(crate) type TypeId = usize;

/// A type of a schema.
#[derive(Debug)]
pub(crate) enum Type {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(usize),
    Enum(Vec<String>),
    Array(TypeId),
    Map(TypeId),
    Union(Vec<TypeId>),
    Record(Record),
}

/// A record's name without its namespace, and its fields in the order of the data.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) of: TypeId,
    /// What `of` is besides null, if it is a union of null and one of the four commonest types. Read without a look at the union.
    pub(super) nullable: Option<&'static Type>,
    pub(crate) moment: Option<Moment>,
}

/// A schema of Avro: what an event's bytes mean.
#[derive(Debug)]
pub(crate) struct Schema {
    types: Vec<Type>,
    root: TypeId,
}

impl Schema {
    /// Parses the JSON of a schema.
    pub(crate) fn parse(json: &str) -> Result<Self, InvalidSchema> {
        if json.len() > MAX_BYTES {
            return Err(InvalidSchema::TooLong);
        }
        let json: Value = serde_json::from_str(json).map_err(|_| InvalidSchema::Json)?;
        let mut parser = Parser { types: Vec::new(), names: HashMap::new() };
        let root = parser.of(&json, "")?;
        Ok(Self { types: parser.types, root })
    }

    pub(crate) fn root(&self) -> TypeId {
        self.root
    }

    /// A number that is not of this schema is a null type; there is none.
    #[inline]
    pub(crate) fn get(&self, id: TypeId) -> &Type {
        self.types.get(id).unwrap_or(&Type::Null)
    }

    /// The record that the whole schema describes. All of Salesforce's events are one.
    pub(crate) fn record(&self) -> Option<&Record> {
        match self.get(self.root) {
            Type::Record(record) => Some(record),
            _ => None,
        }
    }

    /// The record that a type is, or that is one of a union's branches.
    pub(crate) fn record_in(&self, id: TypeId) -> Option<&Record> {
        match self.get(id) {
            Type::Record(record) => Some(record),
            Type::Union(branches) => branches.iter().find_map(|branch| match self.get(*branch) {
                Type::Record(record) => Some(record),
                _ => None,
            }),
            _ => None,
        }
    }
}

struct Parser {
    types: Vec<Type>,
    names: HashMap<String, TypeId>,
}

impl Parser {
    fn add(&mut self, new: Type) -> TypeId {
        self.types.push(new);
        self.types.len() - 1
    }

    fn of(&mut self, json: &Value, namespace: &str) -> Result<TypeId, InvalidSchema> {
        match json {
            Value::String(name) => self.named(name, namespace),
            Value::Array(branches) => {
                let branches =
                    branches.iter().map(|branch| self.of(branch, namespace)).collect::<Result<_, _>>()?;
                Ok(self.add(Type::Union(branches)))
            }
            Value::Object(members) => self.complex(members, namespace),
            _ => Err(InvalidSchema::Invalid("type")),
        }
    }

    fn named(&mut self, name: &str, namespace: &str) -> Result<TypeId, InvalidSchema> {
        let primitive = match name {
            "null" => Type::Null,
            "boolean" => Type::Boolean,
            "int" => Type::Int,
            "long" => Type::Long,
            "float" => Type::Float,
            "double" => Type::Double,
            "bytes" => Type::Bytes,
            "string" => Type::String,
            _ => {
                let found = self.names.get(&full_name(name, namespace)).or_else(|| self.names.get(name));
                return found.copied().ok_or(InvalidSchema::Name);
            }
        };
        Ok(self.add(primitive))
    }

    fn complex(&mut self, members: &Map<String, Value>, namespace: &str) -> Result<TypeId, InvalidSchema> {
        let kind = match members.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            // `{"type": {"type": …}}`: a type in an object too many.
            Some(nested) => return self.of(nested, namespace),
            None => return Err(InvalidSchema::Invalid("type")),
        };
        match kind {
            "array" => {
                let items = self.of(member(members, "items")?, namespace)?;
                Ok(self.add(Type::Array(items)))
            }
            "map" => {
                let values = self.of(member(members, "values")?, namespace)?;
                Ok(self.add(Type::Map(values)))
            }
            "enum" => {
                let (name, _) = self.declared(members, namespace)?;
                let symbols = member(members, "symbols")?.as_array().ok_or(InvalidSchema::Invalid("enum"))?;
                let symbols = symbols.iter().map(|symbol| symbol.as_str().map(str::to_owned));
                let symbols = symbols.collect::<Option<_>>().ok_or(InvalidSchema::Invalid("enum"))?;
                let id = self.add(Type::Enum(symbols));
                self.declare(name, id)
            }
            "fixed" => {
                let (name, _) = self.declared(members, namespace)?;
                let size = member(members, "size")?.as_u64().and_then(|size| usize::try_from(size).ok());
                let id = self.add(Type::Fixed(size.ok_or(InvalidSchema::Invalid("size"))?));
                self.declare(name, id)
            }
            "record" | "error" => self.record(members, namespace),
            other => self.named(other, namespace),
        }
    }

    fn record(&mut self, members: &Map<String, Value>, namespace: &str) -> Result<TypeId, InvalidSchema> {
        let (name, namespace) = self.declared(members, namespace)?;
        let short = name.rsplit('.').next().unwrap_or_default().to_owned();
        // Declared before its fields are read: they may refer to it.
        let id = self.add(Type::Null);
        self.declare(name, id)?;
        let mut fields = Vec::new();
        for field in member(members, "fields")?.as_array().ok_or(InvalidSchema::Invalid("fields"))? {
            let field = field.as_object().ok_or(InvalidSchema::Invalid("field"))?;
            let name = member(field, "name")?.as_str().ok_or(InvalidSchema::Invalid("name"))?.to_owned();
            let moment = field.get("doc").and_then(Value::as_str).and_then(Moment::of);
            let of = self.of(member(field, "type")?, &namespace)?;
            let nullable = self.nullable(of);
            fields.push(Field { name, of, nullable, moment });
        }
        if let Some(place) = self.types.get_mut(id) {
            *place = Type::Record(Record { name: short, fields });
        }
        Ok(id)
    }

    fn nullable(&self, of: TypeId) -> Option<&'static Type> {
        let Some(Type::Union(branches)) = self.types.get(of) else { return None };
        let [null, value] = branches.as_slice() else { return None };
        match (self.types.get(*null)?, self.types.get(*value)?) {
            (Type::Null, Type::Boolean) => Some(&Type::Boolean),
            (Type::Null, Type::Long) => Some(&Type::Long),
            (Type::Null, Type::Double) => Some(&Type::Double),
            (Type::Null, Type::String) => Some(&Type::String),
            _ => None,
        }
    }

    /// The full name that a type is declared with, and the namespace of the names within it.
    fn declared(
        &self,
        members: &Map<String, Value>,
        namespace: &str,
    ) -> Result<(String, String), InvalidSchema> {
        let name = member(members, "name")?.as_str().ok_or(InvalidSchema::Invalid("name"))?;
        let namespace = members.get("namespace").and_then(Value::as_str).unwrap_or(namespace);
        let full = full_name(name, namespace);
        let within = full.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_owned();
        Ok((full, within))
    }

    fn declare(&mut self, name: String, id: TypeId) -> Result<TypeId, InvalidSchema> {
        match self.names.insert(name, id) {
            None => Ok(id),
            Some(_) => Err(InvalidSchema::Name),
        }
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

fn member<'a>(members: &'a Map<String, Value>, name: &'static str) -> Result<&'a Value, InvalidSchema> {
    members.get(name).ok_or(InvalidSchema::Invalid(name))
}
