//! Completes the children of a page's rows, for rows that read them into a `Vec`.

use serde_json::{Map, Value};

use crate::{
    connection::Connection,
    error::{InvalidResponse, Result},
    query::{Cursor, page::next_page_request},
    request::decode,
};

/// Reads a page's body as JSON and fetches the children that did not fit into it.
///
/// `max_bytes` bounds each page of children, and the page with all of its children.
///
/// # Errors
/// Those of the requests, and [`InvalidResponse::Truncated`] if fewer children arrive than Salesforce announced.
pub(super) async fn complete(connection: &Connection, body: &[u8], max_bytes: usize) -> Result<Value> {
    let mut page: Value = decode::json(body)?;
    let mut bytes = body.len();
    loop {
        let mut open = Vec::new();
        for (index, row) in records(&page).enumerate() {
            find_open(row, &format!("/records/{index}"), &mut open);
        }
        if open.is_empty() {
            return Ok(page);
        }
        for pointer in open {
            let Some(Value::Object(children)) = page.pointer_mut(&pointer) else { continue };
            let next = next_url(children).unwrap_or_default().to_owned();
            let cursor: Cursor = next.parse().map_err(|_| InvalidResponse::NextPage)?;
            let response = connection.send(next_page_request(cursor, max_bytes)).await?;
            let body = decode::json_of(&response)?;
            bytes += body.len();
            if bytes > max_bytes {
                return Err(InvalidResponse::Unexpected(TOO_MANY_CHILDREN).into());
            }
            append(children, decode::json(body)?, &next)?;
        }
    }
}

const TOO_MANY_CHILDREN: &str = "the children of a page's rows are larger than a page may be: read them into a `Page`, or use a smaller batch size";

fn records(page: &Value) -> impl Iterator<Item = &Value> {
    page["records"].as_array().into_iter().flatten()
}

fn next_url(children: &Map<String, Value>) -> Option<&str> {
    children.get("nextRecordsUrl")?.as_str()
}

/// Adds the pointers of the incomplete children in a row.
fn find_open(row: &Value, pointer: &str, open: &mut Vec<String>) {
    for (name, value) in row.as_object().into_iter().flatten() {
        let Value::Object(children) = value else { continue };
        let pointer = format!("{pointer}/{name}");
        if children.contains_key("records") {
            if children.get("done") == Some(&Value::Bool(false)) && next_url(children).is_some() {
                open.push(pointer.clone());
            }
            for (index, row) in records(value).enumerate() {
                find_open(row, &format!("{pointer}/records/{index}"), open);
            }
        }
    }
}

/// Appends a page of children to those before it. `url` is the address of the page.
fn append(children: &mut Map<String, Value>, mut page: Value, url: &str) -> Result<(), InvalidResponse> {
    let unexpected = InvalidResponse::Unexpected("a page of children that is not a page");
    let Some(Value::Array(mut more)) = page.get_mut("records").map(Value::take) else {
        return Err(unexpected);
    };
    let (done, next) = (page["done"].as_bool(), page["nextRecordsUrl"].as_str());
    // A page that leads to itself would be fetched forever.
    if done == Some(false) && next.is_none_or(|next| next == url) {
        return Err(InvalidResponse::NextPage);
    }
    let Some(Value::Array(records)) = children.get_mut("records") else { return Err(unexpected) };
    records.append(&mut more);
    let got = records.len() as u64;
    match (done, next) {
        (Some(false), Some(next)) => {
            children.insert("nextRecordsUrl".to_owned(), next.into());
        }
        (Some(true), _) => {
            if let Some(announced) =
                children.get("totalSize").and_then(Value::as_u64).filter(|all| got < *all)
            {
                return Err(InvalidResponse::Truncated { got, announced });
            }
            children.remove("nextRecordsUrl");
            children.insert("done".to_owned(), true.into());
        }
        _ => return Err(unexpected),
    }
    Ok(())
}
