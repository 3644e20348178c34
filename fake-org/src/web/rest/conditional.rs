//! `If-Match`, `If-None-Match`, `If-Modified-Since` and `If-Unmodified-Since`. ETags are for accounts only.

use serde_json::Value;

use super::response::{Response, Result};
use super::rest_request::RestRequest;
use crate::base::clock::{Millis, moment};
use crate::data::schema::Object;
use crate::data::{ApiError, Inner};

/// What the conditions of a read come to.
pub(super) struct Conditions {
    /// 304 or 412 instead of the record.
    pub(super) response: Option<Response>,
    pub(super) last_modified: String,
    pub(super) etag: Option<String>,
}

pub(super) fn read(
    request: &RestRequest<'_>,
    data: &Inner,
    object: &'static Object,
    id: &str,
) -> Result<Conditions> {
    let (modified, etag) = state(data, object, id)?;
    let response = if failed(request, modified, etag.as_deref())? {
        Some(Response::empty(412))
    } else {
        let unchanged = match (header_tag(request, "if-none-match")?, &etag) {
            (Some(tags), Some(etag)) => tags.contains(etag),
            _ => since(request, "if-modified-since").is_some_and(|since| modified / 1_000 <= since),
        };
        unchanged.then(|| Response::empty(304))
    };
    Ok(Conditions { response, last_modified: http_date(modified), etag })
}

/// 412 when a write's condition does not hold.
pub(super) fn write(
    request: &RestRequest<'_>,
    data: &Inner,
    object: &'static Object,
    id: &str,
) -> Result<Option<Response>> {
    if request.header("if-match").is_none() && request.header("if-unmodified-since").is_none() {
        return Ok(None);
    }
    let (modified, etag) = state(data, object, id)?;
    Ok(failed(request, modified, etag.as_deref())?.then(|| Response::empty(412)))
}

fn failed(request: &RestRequest<'_>, modified: Millis, etag: Option<&str>) -> Result<bool> {
    if let (Some(tags), Some(etag)) = (header_tag(request, "if-match")?, etag) {
        return Ok(!tags.iter().any(|tag| tag == etag));
    }
    Ok(since(request, "if-unmodified-since").is_some_and(|since| modified / 1_000 > since))
}

fn state(data: &Inner, object: &'static Object, id: &str) -> Result<(Millis, Option<String>)> {
    let fields: Vec<_> = object.field("SystemModstamp").into_iter().collect();
    let record = data.record(object, id, &fields)?;
    let stamp = record.get("SystemModstamp").and_then(Value::as_str).unwrap_or_default();
    let modified = moment(stamp).unwrap_or(0);
    Ok((modified, (object.name == "Account").then(|| format!("\"{modified:x}\""))))
}

/// The tags of a header; a malformed value is refused with 400 (its text is unverified).
fn header_tag(request: &RestRequest<'_>, name: &str) -> Result<Option<Vec<String>>> {
    let Some(value) = request.header(name) else { return Ok(None) };
    let tags: Vec<String> =
        value.split(',').map(|tag| tag.trim().trim_start_matches("W/").replace("--gzip\"", "\"")).collect();
    if tags.iter().all(|tag| tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"')) {
        return Ok(Some(tags));
    }
    Err(ApiError::bad("INVALID_HEADER", format!("malformed {name}: {value}")).into())
}

/// Seconds since 1970 of a date header; one that cannot be read is ignored.
fn since(request: &RestRequest<'_>, name: &str) -> Option<i64> {
    let at = httpdate::parse_http_date(request.header(name)?).ok()?;
    i64::try_from(at.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs()).ok()
}

pub(super) fn http_date(at: Millis) -> String {
    let since_1970 = std::time::Duration::from_millis(u64::try_from(at).unwrap_or(0));
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + since_1970)
}
