//! What the fuzz targets run on each input. `tests/it/parsers.rs` runs the same on stable Rust.
//!
//! Each takes any bytes, hands them to a parser, and panics if an accepted value breaks a promise of its type.

use std::{fmt, str::FromStr};

use actix_salesforce::{
    ApiVersion, OrgId, SalesforceId, UserId,
    oauth::{LoginHost, Scopes},
    records::RecordEtag,
    soql::{SoqlDate, SoqlDateTime, SoqlTime},
};

fn text(data: &[u8]) -> &str {
    std::str::from_utf8(data).unwrap_or_default()
}

/// An accepted text has one form, which is accepted as the same value.
fn has_one_form<T: FromStr + fmt::Display + fmt::Debug + PartialEq>(text: &str) -> Option<(T, String)> {
    let value: T = text.parse().ok()?;
    let form = value.to_string();
    let again = form.parse::<T>().unwrap_or_else(|_| panic!("{text:?} becomes {form:?}, which is rejected"));
    assert_eq!(value, again, "{text:?} becomes {form:?}");
    assert_eq!(again.to_string(), form, "{text:?}");
    Some((value, form))
}

/// Ids of records, orgs and users.
pub(crate) fn ids(data: &[u8]) {
    let text = text(data);
    if let Some((_, form)) = has_one_form::<SalesforceId>(text) {
        assert!(form.len() == 18 && form.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{form:?}");
        assert_eq!(form[..15], text[..15]);
    }
    if let Some((_, form)) = has_one_form::<OrgId>(text) {
        assert!(form.starts_with("00D"), "{form:?}");
    }
    if let Some((_, form)) = has_one_form::<UserId>(text) {
        assert!(form.starts_with("005"), "{form:?}");
    }
}

/// Hosts with OAuth endpoints.
pub(crate) fn login_host(data: &[u8]) {
    let Ok(host) = text(data).parse::<LoginHost>() else { return };
    let url = host.as_url();
    let is_local = matches!(url.host_str(), Some("localhost" | "[::1]"))
        || url.host_str().is_some_and(|host| host.starts_with("127."));
    assert!(url.scheme() == "https" || url.scheme() == "http" && is_local, "{url}");
    assert!(url.username().is_empty() && url.password().is_none(), "{url}");
    assert!(url.query().is_none() && url.fragment().is_none(), "{url}");
    assert!(url.host_str().is_some_and(|host| !host.ends_with(".lightning.force.com")), "{url}");
    assert_eq!(url.as_str().parse(), Ok(host.clone()));
    assert!(!host.issuer().ends_with('/'), "{}", host.issuer());
}

/// Scopes, separated by spaces.
pub(crate) fn scopes(data: &[u8]) {
    let Some((scopes, form)) = has_one_form::<Scopes>(text(data)) else { return };
    let names: Vec<_> = scopes.iter().collect();
    assert!(names.iter().all(|name| !name.is_empty() && scopes.contains(name)), "{names:?}");
    assert!(form.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{form:?}");
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len(), "{names:?}");
}

/// Entity tags and dates of records. They become the value of a request header.
pub(crate) fn etag(data: &[u8]) {
    if let Some((_, form)) = has_one_form::<RecordEtag>(text(data)) {
        assert!(!form.is_empty() && form.bytes().all(|byte| !byte.is_ascii_control()), "{form:?}");
    }
}

/// Dates, times and versions. They become a part of queries and paths.
pub(crate) fn soql_values(data: &[u8]) {
    let text = text(data);
    let forms = [
        has_one_form::<SoqlDate>(text).map(|(_, form)| form),
        has_one_form::<SoqlDateTime>(text).map(|(_, form)| form),
        has_one_form::<SoqlTime>(text).map(|(_, form)| form),
        has_one_form::<ApiVersion>(text).map(|(_, form)| form),
    ];
    for form in forms.iter().flatten() {
        assert!(form.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-:.+".contains(&byte)), "{form:?}");
    }
}
