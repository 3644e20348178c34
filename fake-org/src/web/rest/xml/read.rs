//! Bodies in XML → what the same body is in JSON.
//!
//! Elements become members, texts stay texts, an element without content (as with `xsi:nil`) is null, and XML
//! attributes become `attributes`. So the guide's samples of "sObject Tree Request Body" read alike in both formats;
//! the form of `<batch>` is that which Apache Camel sends.

use roxmltree::{Document, Node};
use serde_json::{Map, Value};

use crate::data::ApiError;

/// Elements deeper than this are refused, before recursion could hurt.
const DEPTH: usize = 32;

/// The content of the root element, whatever its name: `<Account>…</Account>` is a record.
pub(in super::super) fn read(body: &[u8]) -> Result<Value, ApiError> {
    let text = std::str::from_utf8(body).map_err(|error| refused(&error))?;
    // Document types, and with them entities of one's own, are refused.
    let document = Document::parse(text).map_err(|error| refused(&error))?;
    match value(document.root_element(), DEPTH)? {
        Value::Null => Ok(Value::Object(Map::new())),
        content => Ok(content),
    }
}

/// The code is that of such errors in JSON's place, the text is the parser's (both unverified).
fn refused(error: &dyn std::fmt::Display) -> ApiError {
    ApiError::bad("XML_PARSER_ERROR", error.to_string())
}

fn value(node: Node<'_, '_>, depth: usize) -> Result<Value, ApiError> {
    let Some(depth) = depth.checked_sub(1) else { return Err(refused(&"nested too deeply")) };
    let text: String = node.children().filter(Node::is_text).filter_map(|child| child.text()).collect();
    if !node.children().any(|child| child.is_element()) && !text.is_empty() {
        return Ok(text.into());
    }
    let mut members = Map::new();
    let attributes: Map<String, Value> = node
        .attributes()
        .filter(|attribute| attribute.namespace().is_none())
        .map(|attribute| (attribute.name().to_owned(), attribute.value().into()))
        .collect();
    if !attributes.is_empty() {
        members.insert("attributes".into(), attributes.into());
    }
    for child in node.children().filter(Node::is_element) {
        add(&mut members, child, depth)?;
    }
    Ok(if members.is_empty() { Value::Null } else { members.into() })
}

fn add(members: &mut Map<String, Value>, child: Node<'_, '_>, depth: usize) -> Result<(), ApiError> {
    let name = child.tag_name().name();
    let content = match name {
        // The only two that are no texts.
        "allOrNone" | "haltOnError" => Value::Bool(child.text() == Some("true")),
        // A list with an element around each item.
        "batchRequests" => child
            .children()
            .filter(Node::is_element)
            .map(|item| value(item, depth))
            .collect::<Result<_, _>>()?,
        // A record with its object's element around it.
        "richInput" => {
            let mut inside = child.children().filter(Node::is_element);
            match (inside.next(), inside.next()) {
                (Some(only), None) if only.children().any(|node| node.is_element()) => value(only, depth)?,
                _ => value(child, depth)?,
            }
        }
        _ => value(child, depth)?,
    };
    // `records` is a list, of one record too; so is what comes twice.
    match members.get_mut(name) {
        Some(Value::Array(list)) if name != "batchRequests" => list.push(content),
        Some(first) => *first = Value::Array(vec![first.take(), content]),
        None if name == "records" => drop(members.insert(name.to_owned(), Value::Array(vec![content]))),
        None => drop(members.insert(name.to_owned(), content)),
    }
    Ok(())
}
