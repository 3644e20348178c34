//! Completes the children of a page's rows, for rows that read them into a `Vec`.

use std::collections::HashSet;

use crate::{
    connection::Connection,
    error::{InvalidResponse, Result},
    json::tree::Json,
    query::{
        Cursor,
        page::{self, next_page_request},
    },
    request::decode,
};

const NO_PAGE: InvalidResponse = InvalidResponse::Unexpected("a page of children that is not a page");
const TOO_DEEP: InvalidResponse = InvalidResponse::Unexpected("children of children without end");
/// The most places on the way to a row's children: three per level. Salesforce allows five levels (SOQL and SOSL Reference,
/// "Relationship Queries"). Pages that nest without end would exhaust the stack.
const MAX_DEPTH: usize = 3 * 8;
const TOO_MANY_CHILDREN: &str = "the children of a page's rows are larger than a page may be: read them into a `Page`, or use a smaller batch size";

/// Fetches the children that did not fit into the body of a page, and returns the body with all of them.
///
/// `max_bytes` bounds each page of children, and the page with all of its children.
///
/// # Errors
/// Those of the requests. Fewer children than Salesforce announced are a warning, as fewer rows are.
pub(crate) async fn complete(connection: &Connection, body: &[u8], max_bytes: usize) -> Result<String> {
    let mut whole = parse(body)?;
    let mut bytes = body.len();
    // A page that leads back to one of these would be fetched forever.
    let mut known = HashSet::new();
    loop {
        let mut open = Vec::new();
        find_open_in(&whole, &mut Vec::new(), &mut open)?;
        if open.is_empty() {
            return Ok(whole.to_string());
        }
        for path in open {
            let Some(children) = whole.at_mut(&path) else { continue };
            let next = next_url(children).unwrap_or_default().to_owned();
            let cursor: Cursor = next.parse().map_err(|_| InvalidResponse::NextPage)?;
            if !known.insert(next) {
                return Err(InvalidResponse::NextPage.into());
            }
            let response = page::send(connection, next_page_request(cursor, max_bytes)).await?;
            let body = decode::json_of(&response)?;
            bytes += body.len();
            if bytes > max_bytes {
                return Err(InvalidResponse::Unexpected(TOO_MANY_CHILDREN).into());
            }
            append(children, parse(body)?)?;
        }
    }
}

fn parse(body: &[u8]) -> Result<Json, InvalidResponse> {
    std::str::from_utf8(body).ok().and_then(Json::parse).ok_or(NO_PAGE)
}

fn next_url(children: &Json) -> Option<&str> {
    children.get("nextRecordsUrl")?.as_text()
}

/// Adds the paths of the incomplete children below the records of a page. `path` is that of the page.
///
/// # Errors
/// They are deeper than Salesforce nests them.
fn find_open_in(
    page: &Json,
    path: &mut Vec<usize>,
    open: &mut Vec<Vec<usize>>,
) -> Result<(), InvalidResponse> {
    let Json::Object(members) = page else { return Ok(()) };
    let Some(place) = members.iter().position(|(name, _)| name == "records") else { return Ok(()) };
    let Some((_, Json::Array(rows))) = members.get(place) else { return Ok(()) };
    if path.len() > MAX_DEPTH {
        return Err(TOO_DEEP);
    }
    path.push(place);
    for (index, row) in rows.iter().enumerate() {
        path.push(index);
        find_open(row, path, open)?;
        path.pop();
    }
    path.pop();
    Ok(())
}

/// Adds the paths of the incomplete children in a row.
fn find_open(row: &Json, path: &mut Vec<usize>, open: &mut Vec<Vec<usize>>) -> Result<(), InvalidResponse> {
    let Json::Object(members) = row else { return Ok(()) };
    for (place, (_, children)) in members.iter().enumerate() {
        path.push(place);
        if children.get("records").is_some() {
            if children.get("done") == Some(&Json::Bool(false)) && next_url(children).is_some() {
                open.push(path.clone());
            }
            find_open_in(children, path, open)?;
        }
        path.pop();
    }
    Ok(())
}

/// Appends a page of children to those before it.
fn append(children: &mut Json, page: Json) -> Result<(), InvalidResponse> {
    let done = page.get("done").cloned();
    let next = next_url(&page).map(str::to_owned);
    let Json::Object(members) = page else { return Err(NO_PAGE) };
    let Some((_, Json::Array(mut more))) = members.into_iter().find(|(name, _)| name == "records") else {
        return Err(NO_PAGE);
    };
    let total = match children.get("totalSize") {
        Some(Json::Number(total)) => total.text.parse::<u64>().ok(),
        _ => None,
    };
    let Json::Object(members) = children else { return Err(NO_PAGE) };
    let mut got = 0;
    for (name, value) in members.iter_mut() {
        match (name.as_str(), value) {
            ("records", Json::Array(records)) => {
                records.append(&mut more);
                got = records.len() as u64;
            }
            ("nextRecordsUrl", value) => {
                *value = match (&done, &next) {
                    (Some(Json::Bool(false)), Some(next)) => Json::Text(next.clone()),
                    (Some(Json::Bool(true)), _) => Json::Null,
                    (Some(Json::Bool(false)), _) => return Err(InvalidResponse::NextPage),
                    _ => return Err(NO_PAGE),
                };
            }
            ("done", value) => *value = done.clone().unwrap_or(Json::Null),
            _ => {}
        }
    }
    if let Some(announced) = total
        && done == Some(Json::Bool(true))
        && got < announced
    {
        tracing::warn!(
            received = got,
            announced,
            "a row has fewer children than Salesforce announced: rows were deleted meanwhile"
        );
    }
    Ok(())
}
