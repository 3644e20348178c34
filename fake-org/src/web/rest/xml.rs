//! Answers as XML: for a path that ends in `.xml`, or for `Accept: application/xml` (REST API guide, "Introduction").
//!
//! Members become elements in their order, lists become elements that repeat, and a record's `attributes` become XML
//! attributes. The roots `QueryResult`, `Result`, `Errors` and the object's name are those of the guide's older samples
//! and of captured errors; those of other answers are unverified.

use serde_json::{Map, Value};

use super::ask::Ask;
use crate::web::pages::escape;

/// Whether the request asks for XML; the end of the path wins over the header.
pub(super) fn is_wanted(path_end: Option<&str>, accept: Option<&str>) -> bool {
    match path_end {
        Some(end) => end == "xml",
        None => accept
            .and_then(|accept| accept.split([',', ';']).next())
            .is_some_and(|kind| matches!(kind.trim(), "application/xml" | "text/xml")),
    }
}

/// The body of an answer to this request.
pub(super) fn document(ask: &Ask<'_>, value: &Value) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    match value {
        Value::Array(items) => {
            let (root, item) = list_names(ask, items);
            out.push_str(&format!("<{root}>"));
            items.iter().for_each(|value| element(&mut out, item, value));
            out.push_str(&format!("</{root}>"));
        }
        value => element(&mut out, object_name(ask, value), value),
    }
    out
}

fn object_name<'a>(ask: &'a Ask<'_>, value: &'a Value) -> &'a str {
    if let Some(object) = value["attributes"]["type"].as_str() {
        return object;
    }
    match ask.part(0) {
        _ if value.get("success").is_some() => "Result",
        "query" | "queryAll" => "QueryResult",
        "search" | "parameterizedSearch" => "SearchResult",
        "limits" => "LimitsSnapshot",
        "sobjects" if value.get("fields").is_some() => "DescribeSObjectResult",
        "sobjects" if value.get("objectDescribe").is_some() => "Object",
        "sobjects" => "DescribeGlobal",
        _ => "Result",
    }
}

fn list_names(ask: &Ask<'_>, items: &[Value]) -> (&'static str, &'static str) {
    match items.first() {
        Some(first) if first.get("errorCode").is_some() => ("Errors", "Error"),
        _ if ask.part(0) == "search" => ("SearchResults", "SearchResult"),
        _ => ("Results", "Result"),
    }
}

fn element(out: &mut String, name: &str, value: &Value) {
    // Names of resources and sites may be no names of XML.
    let name: String =
        name.chars().map(|c| if c.is_alphanumeric() || "_-.".contains(c) { c } else { '_' }).collect();
    match value {
        Value::Null => out.push_str(&format!(
            "<{name} xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"/>"
        )),
        Value::Array(items) => items.iter().for_each(|item| element(out, &name, item)),
        Value::Object(members) => {
            out.push_str(&format!("<{name}{}>", attributes(members)));
            for (name, value) in members.iter().filter(|(name, _)| *name != "attributes") {
                element(out, name, value);
            }
            out.push_str(&format!("</{name}>"));
        }
        Value::String(text) => out.push_str(&format!("<{name}>{}</{name}>", text_of(text))),
        value => out.push_str(&format!("<{name}>{value}</{name}>")),
    }
}

fn attributes(members: &Map<String, Value>) -> String {
    let attributes = members.get("attributes").and_then(Value::as_object).into_iter().flatten();
    attributes.filter_map(|(name, value)| Some(format!(" {name}=\"{}\"", text_of(value.as_str()?)))).collect()
}

/// What XML 1.0 cannot hold at all becomes a mark.
fn text_of(text: &str) -> String {
    let holds = |c: char| !(c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')) || "\t\n\r".contains(c);
    escape(&text.chars().map(|c| if holds(c) { c } else { '\u{fffd}' }).collect::<String>())
}
