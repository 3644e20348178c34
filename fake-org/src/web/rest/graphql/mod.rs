//! `/graphql`: queries and mutations of the UI API's schema (GraphQL API Developer Guide).
//!
//! Emulated: records of each object with their fields, parents and children, filters, order and pages, and the three
//! mutations of an object. Not emulated: aggregates, `objectInfos`, introspection and what needs them.

mod filter;
mod mutation;
mod query;
mod record;

use serde_json::{Map, Value, json};

use super::response::{Response, Result};
use super::rest_request::RestRequest;
use crate::data::{ApiError, Inner};
use crate::graphql::{self, Document, OperationKind, Place, SyntaxError, VariableDefinition};

/// Queries are there from this version on.
const FIRST_VERSION: u32 = 56;
/// Mutations, as a beta.
const FIRST_WITH_MUTATIONS: u32 = 59;

/// An error in the `errors` of a response.
#[derive(Debug)]
pub(super) struct Problem {
    kind: &'static str,
    message: String,
    paths: Vec<String>,
    at: Option<Place>,
}

impl Problem {
    /// The request does not fit the schema.
    pub(super) fn invalid(message: String, at: Place) -> Self {
        Self { kind: "ValidationError", message, paths: Vec::new(), at: Some(at) }
    }

    /// Reading or writing failed. That the path is in `paths` is unverified.
    pub(super) fn fetching(message: String, paths: &[&str], at: Place) -> Self {
        let paths = paths.iter().map(|step| (*step).to_owned()).collect();
        Self { kind: "DataFetchingException", message, paths, at: Some(at) }
    }

    fn json(&self) -> Value {
        let locations: Vec<Value> =
            self.at.iter().map(|at| json!({ "column": at.column, "line": at.line })).collect();
        json!({
            "extensions": { "ErrorType": self.kind }, "locations": locations, "message": self.message,
            "paths": self.paths,
        })
    }
}

/// Handles a GraphQL request. All that concerns the operation is status 200.
pub(super) fn graphql(request: &RestRequest<'_>, data: &mut Inner) -> Result {
    if request.version < FIRST_VERSION {
        return Err(ApiError::not_found().into());
    }
    let body = request.json_object()?;
    let Some(text) = body.get("query").and_then(Value::as_str) else {
        // Status, code and text are unverified.
        return Err(ApiError::bad("INVALID_INPUT", "query is required").into());
    };
    let (data, problems) = match run(request, data, text, &body) {
        Ok(done) => done,
        Err(problems) => (json!({}), problems),
    };
    let errors: Vec<Value> = problems.iter().map(Problem::json).collect();
    Ok(Response::json(200, json!({ "data": data, "errors": errors, "extensions": {} })))
}

fn run(
    request: &RestRequest<'_>,
    data: &mut Inner,
    text: &str,
    body: &Map<String, Value>,
) -> std::result::Result<(Value, Vec<Problem>), Vec<Problem>> {
    let document = graphql::parse(text).map_err(|error| vec![syntax(&error)])?;
    let name = body.get("operationName").and_then(Value::as_str);
    let matching = document.operations.iter().filter(|one| name.is_none() || one.name.as_deref() == name);
    let matching: Vec<_> = matching.collect();
    let [operation] = matching.as_slice() else {
        // The wordings are unverified.
        let message = match name {
            Some(name) => format!("Unknown operation named '{name}'."),
            None => "Must provide operation name if query contains multiple operations.".into(),
        };
        let kind = "OperationNotSupported";
        return Err(vec![Problem { kind, message, paths: Vec::new(), at: None }]);
    };
    let given = body.get("variables").and_then(Value::as_object).cloned().unwrap_or_default();
    let variables = variables(&operation.variables, given)?;
    let fields = flatten(&document, &operation.selections, &variables)?;
    match operation.kind {
        OperationKind::Query => query::run(request, data, &fields),
        OperationKind::Mutation if request.version >= FIRST_WITH_MUTATIONS => {
            mutation::run(request, data, &fields)
        }
        OperationKind::Mutation => {
            Err(vec![Problem::invalid("Schema is not configured for mutations.".into(), operation.at)])
        }
        OperationKind::Subscription => {
            Err(vec![Problem::invalid("Schema is not configured for subscriptions.".into(), operation.at)])
        }
    }
}

fn flatten(
    document: &Document,
    selections: &[graphql::Selection],
    variables: &Map<String, Value>,
) -> std::result::Result<Vec<graphql::Flattened>, Vec<Problem>> {
    graphql::flatten(document, selections, variables)
        .map_err(|(message, at)| vec![Problem::invalid(message, at)])
}

fn syntax(error: &SyntaxError) -> Problem {
    let SyntaxError { at, token } = error;
    let message =
        format!("Invalid Syntax : offending token '{token}' at line {} column {}", at.line, at.column);
    Problem { kind: "InvalidSyntax", message, paths: Vec::new(), at: Some(*at) }
}

/// The values of all variables: what was given, or the default. The wording is that of graphql-java.
fn variables(
    declared: &[VariableDefinition],
    mut given: Map<String, Value>,
) -> std::result::Result<Map<String, Value>, Vec<Problem>> {
    let mut problems = Vec::new();
    for variable in declared {
        if let (None, Some(default)) = (given.get(&variable.name), &variable.default) {
            given.insert(variable.name.clone(), default.constant());
        }
        if variable.kind.ends_with('!') && given.get(&variable.name).is_none_or(Value::is_null) {
            let message = format!(
                "Variable '{}' has coerced Null value for NonNull type '{}'",
                variable.name, variable.kind
            );
            problems.push(Problem::invalid(message, variable.at));
        }
    }
    given.retain(|name, _| declared.iter().any(|variable| variable.name == *name));
    if problems.is_empty() { Ok(given) } else { Err(problems) }
}
