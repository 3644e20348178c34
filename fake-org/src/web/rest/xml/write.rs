//! Responses as XML.
//!
//! Members become elements in their order, lists become elements that repeat, and a record's `attributes` become XML
//! attributes. The roots `QueryResult`, `Result`, `Versions` and the object's name are those of the guide's older
//! samples, `Errors` is that of captured errors, `SObjectTreeResponse` that of "sObject Tree Response Body",
//! `batchResults` that which Apache Camel reads; those of other responses are unverified.

use serde_json::{Map, Value};

use crate::web::html::escape;

/// The body of a response.
pub(in super::super) fn document(value: &Value) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    content(&mut out, value);
    out
}

/// A response with its own root element.
fn content(out: &mut String, value: &Value) {
    match value {
        Value::Array(items) => {
            let (root, item) = list_names(items);
            out.push_str(&format!("<{root}>"));
            items.iter().for_each(|value| element(out, item, value));
            out.push_str(&format!("</{root}>"));
        }
        value if value.get("hasErrors").is_some() && value["results"].is_array() => several(out, value),
        value => element(out, object_name(value), value),
    }
}

fn object_name(value: &Value) -> &str {
    const BY_MEMBER: [(&str, &str); 7] = [
        ("success", "Result"),
        ("totalSize", "QueryResult"),
        ("searchRecords", "SearchResult"),
        ("DailyApiRequests", "LimitsSnapshot"),
        ("objectDescribe", "Object"),
        ("fields", "DescribeSObjectResult"),
        ("sobjects", "DescribeGlobal"),
    ];
    if let Some(object) = value["attributes"]["type"].as_str() {
        return object;
    }
    BY_MEMBER.iter().find(|(member, _)| value.get(member).is_some()).map_or("Result", |(_, name)| name)
}

fn list_names(items: &[Value]) -> (&'static str, &'static str) {
    match items.first() {
        Some(first) if first.get("errorCode").is_some() => ("Errors", "Error"),
        Some(first) if first.get("label").is_some() && first.get("version").is_some() => {
            ("Versions", "Version")
        }
        _ => ("Results", "Result"),
    }
}

/// The responses of a tree and of a batch. Those of a tree have their members in the order of the alphabet; those of a
/// batch stand in separate elements, each with the root that it would have alone.
fn several(out: &mut String, value: &Value) {
    let results = value["results"].as_array().map_or(&[][..], Vec::as_slice);
    let is_batch = results.iter().all(|item| item.get("referenceId").is_none());
    let root = if is_batch { "batchResults" } else { "SObjectTreeResponse" };
    out.push_str(&format!("<{root}>"));
    element(out, "hasErrors", &value["hasErrors"]);
    if is_batch {
        out.push_str("<results>");
        for item in results {
            out.push_str("<batchResult>");
            element(out, "statusCode", &item["statusCode"]);
            if item["result"].is_null() {
                out.push_str("<result/>");
            } else {
                out.push_str("<result>");
                content(out, &item["result"]);
                out.push_str("</result>");
            }
            out.push_str("</batchResult>");
        }
        out.push_str("</results>");
    } else {
        results.iter().for_each(|item| element(out, "results", &sorted(item)));
    }
    out.push_str(&format!("</{root}>"));
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(members) => {
            let mut members: Vec<_> =
                members.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(members.into_iter().collect())
        }
        other => other.clone(),
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
