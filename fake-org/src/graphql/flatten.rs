//! Selections with fragments put in, directives obeyed and variables filled in.

use serde_json::{Map, Value as Json};

use super::lex::Place;
use super::parse::{Directive, Document, Selection, Value};

/// The deepest nesting of fragments: deeper, one contains itself.
const MAX_FRAGMENTS: usize = 20;

/// One field of the response.
#[derive(Clone, Debug)]
pub(crate) struct Flattened {
    /// The alias, or the name.
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) arguments: Map<String, Json>,
    pub(crate) fields: Vec<Flattened>,
    pub(crate) at: Place,
}

/// Flattens selections; the error is the message of an unknown fragment or of one that contains itself.
pub(crate) fn flatten(
    document: &Document,
    selections: &[Selection],
    variables: &Map<String, Json>,
) -> Result<Vec<Flattened>, (String, Place)> {
    let mut out = Vec::new();
    add(document, selections, variables, 0, &mut out)?;
    Ok(out)
}

fn add(
    document: &Document,
    selections: &[Selection],
    variables: &Map<String, Json>,
    depth: usize,
    out: &mut Vec<Flattened>,
) -> Result<(), (String, Place)> {
    for selection in selections {
        match selection {
            Selection::Field(field) if is_wanted(&field.directives, variables) => {
                let arguments = field.arguments.iter();
                let made = Flattened {
                    key: field.alias.clone().unwrap_or_else(|| field.name.clone()),
                    name: field.name.clone(),
                    arguments: arguments
                        .map(|(name, value)| (name.clone(), fill(value, variables)))
                        .collect(),
                    fields: {
                        let mut fields = Vec::new();
                        add(document, &field.selections, variables, depth, &mut fields)?;
                        fields
                    },
                    at: field.at,
                };
                match out.iter_mut().find(|known| known.key == made.key && known.name == made.name) {
                    Some(known) => known.fields.extend(made.fields),
                    None => out.push(made),
                }
            }
            Selection::Spread { name, directives, at } if is_wanted(directives, variables) => {
                let fragment = document.fragments.get(name).filter(|_| depth < MAX_FRAGMENTS);
                let Some(fragment) = fragment else {
                    let message =
                        format!("Validation error of type UndefinedFragment: Undefined fragment {name}");
                    return Err((message, *at));
                };
                add(document, fragment, variables, depth + 1, out)?;
            }
            Selection::Inline { directives, selections } if is_wanted(directives, variables) => {
                add(document, selections, variables, depth, out)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// `@include` and `@skip`. Others, such as `@optional` and `@category`, change nothing.
fn is_wanted(directives: &[Directive], variables: &Map<String, Json>) -> bool {
    directives.iter().all(|directive| {
        let condition = directive.arguments.iter().find(|(name, _)| name == "if");
        let is_true = condition.is_some_and(|(_, value)| fill(value, variables) == Json::Bool(true));
        match directive.name.as_str() {
            "include" => is_true,
            "skip" => !is_true,
            _ => true,
        }
    })
}

/// A value with its variables filled in. A member whose variable has no value is left out.
pub(super) fn fill(value: &Value, variables: &Map<String, Json>) -> Json {
    match value {
        Value::Variable(name) => variables.get(name).cloned().unwrap_or_default(),
        Value::Json(json) => json.clone(),
        Value::List(items) => items.iter().map(|item| fill(item, variables)).collect(),
        Value::Object(members) => {
            let is_given = |value: &Value| match value {
                Value::Variable(name) => variables.contains_key(name),
                _ => true,
            };
            let given = members.iter().filter(|(_, value)| is_given(value));
            Json::Object(given.map(|(name, value)| (name.clone(), fill(value, variables))).collect())
        }
    }
}

impl Value {
    /// A default value, which contains no variables.
    pub(crate) fn constant(&self) -> Json {
        fill(self, &Map::new())
    }
}
