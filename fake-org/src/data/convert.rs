//! Field values between JSON and SQLite.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rusqlite::types::{Value as Sql, ValueRef};
use serde_json::{Value as Json, json};
use time::{Date, Month};

use super::error::ApiError;
use super::schema::{Field, Kind};
use crate::base::ids;

/// A stored value as REST shows it.
pub(crate) fn to_json(kind: Kind, value: ValueRef<'_>) -> Json {
    match (kind, value) {
        (Kind::Boolean, ValueRef::Integer(n)) => json!(n != 0),
        // An unset checkbox is false, never null.
        (Kind::Boolean, ValueRef::Null) => json!(false),
        #[allow(clippy::cast_precision_loss, reason = "JSON numbers of such fields are doubles anyway")]
        (Kind::Currency | Kind::Double, ValueRef::Integer(n)) => json!(n as f64),
        (_, ValueRef::Integer(n)) => json!(n),
        (_, ValueRef::Real(x)) => json!(x),
        (_, ValueRef::Text(bytes)) => json!(String::from_utf8_lossy(bytes)),
        // The caller knows the record's path and fills it in.
        (Kind::Base64, ValueRef::Blob(_)) => json!(""),
        (_, ValueRef::Null | ValueRef::Blob(_)) => Json::Null,
    }
}

/// A value of a create or update body, checked for its field.
pub(crate) fn from_json(field: &Field, value: &Json) -> Result<Sql, ApiError> {
    let wrong = |kind: &str| {
        // Salesforce adds line and column, which a parsed body no longer knows.
        let name = match value {
            Json::Null => "VALUE_NULL",
            Json::Bool(_) => "VALUE_TRUE",
            Json::Number(_) => "VALUE_NUMBER_INT",
            Json::String(_) => "VALUE_STRING",
            Json::Array(_) => "START_ARRAY",
            Json::Object(_) => "START_OBJECT",
        };
        ApiError::bad(
            "JSON_PARSER_ERROR",
            format!(
                "Cannot deserialize instance of {kind} from {name} value {value} or request may be missing a \
                 required field"
            ),
        )
    };
    // Numbers and checkboxes may come as texts, as in the REST API guide's sample of a tree; in XML they always do.
    let read = match (field.kind, value) {
        (Kind::Boolean | Kind::Int | Kind::Currency | Kind::Double, Json::String(text)) => {
            serde_json::from_str(text).ok().filter(|read: &Json| read.is_number() || read.is_boolean())
        }
        _ => None,
    };
    let value = read.as_ref().unwrap_or(value);
    if value.is_null() {
        return Ok(if field.kind == Kind::Boolean { Sql::Integer(0) } else { Sql::Null });
    }
    match field.kind {
        Kind::Boolean => value.as_bool().map(|b| Sql::Integer(i64::from(b))).ok_or_else(|| wrong("boolean")),
        Kind::Int => value.as_i64().map(Sql::Integer).ok_or_else(|| wrong("int")),
        Kind::Currency => value.as_f64().map(Sql::Real).ok_or_else(|| wrong("currency")),
        Kind::Double => value.as_f64().map(Sql::Real).ok_or_else(|| wrong("double")),
        Kind::Date => {
            let text = value.as_str().ok_or_else(|| wrong("date"))?;
            parse_date(text).map(|_| Sql::Text(text.to_owned())).ok_or_else(|| wrong("date"))
        }
        Kind::DateTime => {
            let text = value.as_str().ok_or_else(|| wrong("datetime"))?;
            parse_datetime(text).map(Sql::Text).ok_or_else(|| wrong("datetime"))
        }
        Kind::Time => {
            let text = value.as_str().ok_or_else(|| wrong("time"))?;
            parse_time(text).map(Sql::Text).ok_or_else(|| wrong("time"))
        }
        Kind::Id | Kind::Reference(..) => {
            let text = value.as_str().ok_or_else(|| wrong("reference"))?;
            let id = ids::normalize(text).ok_or_else(|| {
                ApiError::bad("MALFORMED_ID", format!("{}: id value of incorrect type: {text}", field.label))
                    .about(field.name)
            })?;
            Ok(Sql::Text(id))
        }
        Kind::Base64 => {
            let text = value.as_str().ok_or_else(|| wrong("base64Binary"))?;
            BASE64.decode(text).map(Sql::Blob).map_err(|_| wrong("base64Binary"))
        }
        _ => text(field, value, &wrong),
    }
}

fn text(field: &Field, value: &Json, wrong: &dyn Fn(&str) -> ApiError) -> Result<Sql, ApiError> {
    let text = value.as_str().ok_or_else(|| wrong("string"))?.trim();
    // An empty text is stored as no value.
    if text.is_empty() {
        return Ok(Sql::Null);
    }
    let max = match field.kind {
        Kind::Text(max) | Kind::TextArea(max) => max,
        Kind::MultiPicklist => 4_099,
        Kind::Email => 80,
        Kind::Phone => 40,
        _ => 255,
    };
    if text.chars().count() > max {
        return Err(ApiError::bad(
            "STRING_TOO_LONG",
            format!("{}: data value too large: {text} (max length={max})", field.label),
        )
        .about(field.name));
    }
    if field.restricted {
        let unknown = text.split(';').find(|part| !field.values.contains(part));
        if let Some(part) = unknown {
            return Err(ApiError::bad(
                "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
                format!("{}: bad value for restricted picklist field: {part}", field.label),
            )
            .about(field.name));
        }
    }
    if field.kind == Kind::Email {
        let well_formed =
            text.split_once('@').is_some_and(|(local, host)| !local.is_empty() && host.contains('.'));
        if !well_formed {
            return Err(ApiError::bad(
                "INVALID_EMAIL_ADDRESS",
                format!("{}: invalid email address: {text}", field.label),
            )
            .about(field.name));
        }
    }
    Ok(Sql::Text(text.to_owned()))
}

/// `2026-01-31`.
pub(crate) fn parse_date(text: &str) -> Option<Date> {
    let b = text.as_bytes();
    if b.len() != 10 || b.get(4) != Some(&b'-') || b.get(7) != Some(&b'-') {
        return None;
    }
    let year: i32 = text.get(..4)?.parse().ok()?;
    let month: u8 = text.get(5..7)?.parse().ok()?;
    let day: u8 = text.get(8..)?.parse().ok()?;
    Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()
}

/// `2026-01-31T23:59:59Z`, with or without a fraction, `Z` or an offset with or without a colon, in the form it
/// is stored and shown in: UTC, `2026-01-31T23:59:59.000+0000`.
pub(crate) fn parse_datetime(text: &str) -> Option<String> {
    let date = parse_date(text.get(..10)?)?;
    let rest = text.get(10..)?.strip_prefix('T')?;
    let split = rest.find(['Z', '+', '-'])?;
    let (clock, zone) = rest.split_at_checked(split)?;
    let minutes: i64 = if zone == "Z" {
        0
    } else {
        let digits: String = zone.get(1..)?.chars().filter(|c| *c != ':').collect();
        let sign = if zone.starts_with('-') { -1 } else { 1 };
        if digits.len() != 4 {
            return None;
        }
        sign * (digits.get(..2)?.parse::<i64>().ok()? * 60 + digits.get(2..)?.parse::<i64>().ok()?)
    };
    let (hms, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = hms.split(':');
    let hour: u8 = parts.next()?.parse().ok()?;
    let minute: u8 = parts.next()?.parse().ok()?;
    let second: u8 = parts.next()?.parse().ok()?;
    let milli: u16 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let at = date.with_hms_milli(hour, minute, second, milli).ok()?.assume_utc();
    let millis = i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()? - minutes * 60_000;
    parts.next().is_none().then(|| crate::base::clock::datetime(millis))
}

/// A time of day as it is stored and shown, `09:30:00.000Z`: it has no zone, in spite of the `Z`.
pub(crate) fn parse_time(text: &str) -> Option<String> {
    let clock = text.strip_suffix('Z').filter(|clock| !clock.contains(['+', '-']))?;
    let moment = parse_datetime(&format!("1970-01-01T{clock}Z"))?;
    Some(format!("{}Z", moment.get(11..23)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datetimes_of_every_accepted_form_are_stored_in_utc() {
        for text in [
            "2026-01-31T23:59:59Z",
            "2026-01-31T23:59:59.000Z",
            "2026-02-01T01:59:59+02:00",
            "2026-02-01T01:59:59.0+0200",
            "2026-01-31T18:29:59-05:30",
        ] {
            assert_eq!(parse_datetime(text).as_deref(), Some("2026-01-31T23:59:59.000+0000"), "{text}");
        }
        for text in ["2026-01-31", "2026-01-31T23:59:59", "2026-13-01T00:00:00Z", "2026-01-31T24:00:00Z", "x"]
        {
            assert_eq!(parse_datetime(text), None, "{text}");
        }
    }
}
