//! Platform events: their schema, made from what is declared.

use serde::Deserialize;
use serde_json::{Value, json};

use super::avro::schema_id;
use crate::data::schema::spec::FieldSpec;

/// A declared platform event: `Order_Event__e`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlatformEventSpec {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) fields: Vec<FieldSpec>,
}

impl PlatformEventSpec {
    /// Returns the JSON of the schema, and its id.
    pub(crate) fn schema(&self) -> (String, String) {
        let mut fields = vec![
            json!({"name": "CreatedDate", "type": "long", "doc": "CreatedDate:DateTime"}),
            json!({"name": "CreatedById", "type": "string", "doc": "CreatedBy:EntityId"}),
        ];
        fields.extend(self.fields.iter().map(field));
        let json = json!({
            "type": "record", "name": self.name, "namespace": "com.sforce.eventbus", "fields": fields,
        })
        .to_string();
        let id = schema_id(&json);
        (json, id)
    }
}

fn field(field: &FieldSpec) -> Value {
    let (of, role) = match field.kind.as_str() {
        "boolean" => ("boolean", "Boolean"),
        "double" | "currency" | "int" => ("double", "Double"),
        "date" => ("long", "DateOnly"),
        "datetime" => ("long", "DateTime"),
        "time" => ("long", "TimeOnly"),
        "textarea" => ("string", "StringPlusClob"),
        _ => ("string", "Text"),
    };
    let doc = format!("Data:{role}:00NFk000000aBcD");
    match field.required {
        // Required in Salesforce, and in the schema all the same one that may be null. (Unverified.)
        true => json!({"name": field.name, "type": of, "doc": doc}),
        false => json!({"name": field.name, "type": ["null", of], "doc": doc, "default": null}),
    }
}
