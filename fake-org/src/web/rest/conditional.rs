//! `If-Match`, `If-None-Match`, `If-Modified-Since` and `If-Unmodified-Since`. ETags are for accounts only.

use serde_json::Value;

use super::answer::{Answer, Result};
use super::ask::Ask;
use crate::base::clock::{Millis, moment};
use crate::data::schema::Object;
use crate::data::{Inner, Refusal};

/// What the conditions of a read come to.
pub(super) struct Conditions {
    /// 304 or 412 instead of the record.
    pub(super) answer: Option<Answer>,
    pub(super) last_modified: String,
    pub(super) etag: Option<String>,
}

pub(super) fn read(ask: &Ask<'_>, data: &Inner, object: &'static Object, id: &str) -> Result<Conditions> {
    let (modified, etag) = state(data, object, id)?;
    let answer = if failed(ask, modified, etag.as_deref())? {
        Some(Answer::empty(412))
    } else {
        let unchanged = match (header_tag(ask, "if-none-match")?, &etag) {
            (Some(tags), Some(etag)) => tags.contains(etag),
            _ => since(ask, "if-modified-since").is_some_and(|since| modified / 1_000 <= since),
        };
        unchanged.then(|| Answer::empty(304))
    };
    Ok(Conditions { answer, last_modified: http_date(modified), etag })
}

/// 412 when a write's condition does not hold.
pub(super) fn write(
    ask: &Ask<'_>,
    data: &Inner,
    object: &'static Object,
    id: &str,
) -> Result<Option<Answer>> {
    if ask.header("if-match").is_none() && ask.header("if-unmodified-since").is_none() {
        return Ok(None);
    }
    let (modified, etag) = state(data, object, id)?;
    Ok(failed(ask, modified, etag.as_deref())?.then(|| Answer::empty(412)))
}

fn failed(ask: &Ask<'_>, modified: Millis, etag: Option<&str>) -> Result<bool> {
    if let (Some(tags), Some(etag)) = (header_tag(ask, "if-match")?, etag) {
        return Ok(!tags.iter().any(|tag| tag == etag));
    }
    Ok(since(ask, "if-unmodified-since").is_some_and(|since| modified / 1_000 > since))
}

fn state(data: &Inner, object: &'static Object, id: &str) -> Result<(Millis, Option<String>)> {
    let fields: Vec<_> = object.field("SystemModstamp").into_iter().collect();
    let record = data.record(object, id, &fields)?;
    let stamp = record.get("SystemModstamp").and_then(Value::as_str).unwrap_or_default();
    let modified = moment(stamp).unwrap_or(0);
    Ok((modified, (object.name == "Account").then(|| format!("\"{modified:x}\""))))
}

/// The tags of a header; a malformed value is refused with 400 (its text is unverified).
fn header_tag(ask: &Ask<'_>, name: &str) -> Result<Option<Vec<String>>> {
    let Some(value) = ask.header(name) else { return Ok(None) };
    let tags: Vec<String> =
        value.split(',').map(|tag| tag.trim().trim_start_matches("W/").replace("--gzip\"", "\"")).collect();
    if tags.iter().all(|tag| tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"')) {
        return Ok(Some(tags));
    }
    Err(Refusal::bad("INVALID_HEADER", format!("malformed {name}: {value}")).into())
}

/// Seconds since 1970 of a date header; one that cannot be read is ignored.
fn since(ask: &Ask<'_>, name: &str) -> Option<i64> {
    let at = httpdate::parse_http_date(ask.header(name)?).ok()?;
    i64::try_from(at.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs()).ok()
}

pub(super) fn http_date(at: Millis) -> String {
    let since_1970 = std::time::Duration::from_millis(u64::try_from(at).unwrap_or(0));
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + since_1970)
}
